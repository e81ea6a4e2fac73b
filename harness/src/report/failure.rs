//! What a person needs to know of a red row.

use std::path::Path;

use passkey_model::row::Row;

use crate::run::RowResult;

/// Returns what was expected and why, what happened, where the transcript is, and the command that runs the row again.
///
/// `command` is that command up to the row's name: `passkey-harness run --exact`.
#[must_use]
pub fn failure(row: &Row, result: &RowResult, transcript: Option<&Path>, command: &str) -> String {
    let says = row
        .grounds
        .spec
        .iter()
        .map(|source| format!("  says        {source}\n"));
    let transcript = transcript.map(|path| format!("  transcript  {}\n", path.display()));
    format!(
        "{verdict}: {name}\n  {title}\n  {because}\n  written at  {place}, expectation at {expected}\n{says}{transcript}  run again   {command} '{name}'",
        verdict = result.judgement.verdict.name(),
        name = row.name,
        title = row.title,
        because = result.judgement.because,
        place = row.source,
        expected = row.expected_at,
        says = says.collect::<String>(),
        transcript = transcript.unwrap_or_default(),
    )
}
