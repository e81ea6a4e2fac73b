//! What a person needs to know of a red row.

use passkey_model::row::Row;

use crate::run::RowResult;

/// Returns what was expected and why, what happened, where its files are, and the command that runs the row again.
///
/// `files` are those that [`write_files`](super::write_files) wrote; `command` is that command up to the row's name:
/// `passkey-harness run --exact`.
#[must_use]
pub fn failure(
    row: &Row,
    result: &RowResult,
    files: &[(&'static str, String)],
    command: &str,
) -> String {
    let says = row
        .grounds
        .spec
        .iter()
        .map(|source| format!("  says        {source}\n"));
    let files = files
        .iter()
        .map(|(what, file)| format!("  {what:<10}  {file}\n"));
    format!(
        "{verdict}: {name}\n  {title}\n  {because}\n  written at  {place}, expectation at {expected}\n{says}{files}  run again   {command} '{name}'",
        verdict = result.judgement.verdict.name(),
        name = row.name,
        title = row.title,
        because = result.judgement.because,
        place = row.source,
        expected = row.expected_at,
        says = says.collect::<String>(),
        files = files.collect::<String>(),
    )
}
