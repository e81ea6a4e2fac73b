//! What a browser shows when a row in it went wrong: a picture, the page's source, and its console.
//!
//! It is taken of red rows only, before their browser goes to another row, and never makes a verdict worse: what cannot be had is
//! replaced by the reason.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use fantoccini::error::CmdError;
use passkey_model::lane::Browser;
use serde_json::{Value, json};

use crate::browser::{BrowserError, Session, emulation::Post};

/// How long each piece may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Returns what Firefox's pages and the browser itself said on the console, oldest first; runs in the browser's own scope.
const FIREFOX_CONSOLE: &str = include_str!("evidence/firefox-console.js");

/// What was found in a row's browser.
#[derive(Clone, Default)]
pub struct Evidence(pub Vec<Piece>);

/// One thing that was looked for.
#[derive(Clone)]
pub struct Piece {
    /// What it is: `screenshot`, `page`, `console`.
    pub what: &'static str,
    /// What its file's name ends in: `png`, `html`, `console.txt`.
    pub ending: &'static str,
    /// The file's bytes, or why there are none.
    pub content: Result<Vec<u8>, String>,
}

impl fmt::Debug for Evidence {
    /// Without the bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces = self.0.iter();
        f.debug_map()
            .entries(pieces.map(|piece| (piece.what, piece.content.as_ref().map(Vec::len))))
            .finish()
    }
}

/// Takes the evidence of a row that began at `since`; what the console said before is another row's.
pub(super) async fn take(session: &Session, since: SystemTime) -> Evidence {
    let client = session.client();
    let mut camera = Camera {
        session,
        silent: None,
    };
    let screenshot = camera.ask("taking a screenshot", client.screenshot()).await;
    let page = camera.ask("reading the page", client.source()).await;
    let console = camera
        .ask("reading the console", console(session, since))
        .await;
    Evidence(vec![
        piece("screenshot", "png", screenshot),
        piece("page", "html", page.map(String::into_bytes)),
        piece("console", "console.txt", console.map(String::into_bytes)),
    ])
}

const fn piece(
    what: &'static str,
    ending: &'static str,
    content: Result<Vec<u8>, String>,
) -> Piece {
    Piece {
        what,
        ending,
        content,
    }
}

/// Asks a browser for one piece after the other, until it is silent.
struct Camera<'a> {
    session: &'a Session,
    /// Why nothing more is asked.
    silent: Option<String>,
}

impl Camera<'_> {
    async fn ask<T>(
        &mut self,
        what: &str,
        command: impl Future<Output = Result<T, CmdError>>,
    ) -> Result<T, String> {
        if let Some(why) = &self.silent {
            return Err(why.clone());
        }
        match self.session.limited(what, LIMIT, command).await {
            Ok(piece) => Ok(piece),
            Err(error) => {
                let why = in_one_line(&error);
                if matches!(error, BrowserError::Late { .. }) {
                    self.silent = Some(why.clone());
                }
                Err(why)
            }
        }
    }
}

/// Leaves out the driver's last words: the verdict's reason has them where they matter.
fn in_one_line(error: &BrowserError) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// Returns a line for each thing that the console said since a row began; a line that says so when it said nothing.
async fn console(session: &Session, since: SystemTime) -> Result<String, CmdError> {
    let since = since
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    let entries = match session.browser() {
        Browser::Chromium => chromium(session).await?,
        Browser::Firefox => firefox(session).await?,
    };
    Ok(lines(&entries, since))
}

/// Returns a line for each entry from a moment on, in milliseconds since 1970.
fn lines(entries: &Value, since: u128) -> String {
    let entries = entries.as_array().map(Vec::as_slice).unwrap_or_default();
    let lines: Vec<String> = entries
        .iter()
        .filter(|entry| entry["timestamp"].as_f64().unwrap_or_default() >= since as f64)
        .map(line)
        .collect();
    if lines.is_empty() {
        return "(the console said nothing)\n".to_owned();
    }
    lines.concat()
}

fn line(entry: &Value) -> String {
    let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    format!("{} {} {}\n", text("level"), text("source"), text("message"))
}

/// Reads ChromeDriver's log of the browser's console, which its capability `goog:loggingPrefs` turns on.
async fn chromium(session: &Session) -> Result<Value, CmdError> {
    let body = json!({ "type": "browser" });
    post(session, "se/log", &body).await
}

/// Firefox has no log over WebDriver; its console service is asked in the browser's own scope, which has to be left again.
async fn firefox(session: &Session) -> Result<Value, CmdError> {
    let scope = |name: &str| json!({ "context": name });
    post(session, "moz/context", &scope("chrome")).await?;
    let script = json!({ "script": FIREFOX_CONSOLE, "args": [] });
    let entries = post(session, "execute/sync", &script).await;
    post(session, "moz/context", &scope("content")).await?;
    entries
}

async fn post(session: &Session, path: &'static str, body: &Value) -> Result<Value, CmdError> {
    let command = Post {
        path,
        body: body.to_string(),
    };
    session.client().issue_cmd(command).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_console_said_before_the_row_is_left_out() {
        let entries = json!([
            { "timestamp": 999, "level": "SEVERE", "source": "network", "message": "another row's" },
            { "timestamp": 1000.5, "level": "INFO", "source": "console-api", "message": "its own" },
        ]);
        assert_eq!(lines(&entries, 1000), "INFO console-api its own\n");
        assert_eq!(lines(&entries, 2000), "(the console said nothing)\n");
    }
}
