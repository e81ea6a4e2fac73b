//! What geckodriver has beyond the specification.

use super::command::{Command, CommandError, read};
use fantoccini::Client;
use serde_json::json;
use std::path::Path;

/// Installs an unsigned extension until the browser ends, and returns its id.
///
/// `addon` is the extension's folder or an `.xpi` file, as an absolute path on the browser's machine.
///
/// # Errors
/// When geckodriver refuses the extension or cannot be reached.
pub async fn install_addon(client: &Client, addon: &Path) -> Result<String, CommandError> {
    let name = "moz/addon/install";
    let body = json!({ "path": addon, "temporary": true });
    let answer = Command::post(name, name.to_owned(), &body)?
        .issue(client)
        .await?;
    read(name, answer)
}
