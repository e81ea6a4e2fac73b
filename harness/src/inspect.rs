//! One row in full, for a person: its exchange decoded, what was changed in it, and why it matters.
//!
//! Against the embedded relying party the row is played once more without its change. Keys and names derive from the row's name, and what is random is redacted, so
//! that the two exchanges differ in nothing but the change and what follows from it.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use passkey_model::{
    Stage,
    row::{Role, Row},
    scenario::Expected,
    transcript::Message,
};
use serde_json::Value;

use crate::run::{RowResult, Runner};

/// A value of the exchange that the change made another, or that follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where: `response.authenticatorData.flags`.
    pub path: String,
    /// What stands there without the change; nothing where it adds the value.
    pub before: Option<String>,
    /// What stands there with the change; nothing where it removes the value.
    pub after: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "(absent)".to_owned());
        let (path, before, after) = (&self.path, shown(&self.before), shown(&self.after));
        write!(f, "{path}: {before} -> {after}")
    }
}

/// Describes a row that was played: its transcript with the changed lines marked, the changes by path, and its grounds.
pub async fn inspect(runner: &Runner, row: &Row, result: &RowResult) -> String {
    let written = result.written(row);
    if written.transcript.is_empty() {
        return String::new();
    }
    // A target that runs on its own keeps what the first time left there.
    let again = without_change(row).filter(|_| runner.target.is_none());
    let unchanged = match again {
        Some(unchanged) => {
            let again = runner.run_row(&unchanged).await;
            let written = again.written(&unchanged);
            Some((again, written))
        }
        None => None,
    };
    let mut text = String::new();
    line(&mut text, format_args!("\nexchange"));
    let known = unchanged
        .as_ref()
        .map(|(_, written)| written.transcript.as_str());
    text += &marked(&written.transcript, known, random_member(row));
    if let Some((again, without)) = &unchanged {
        let place = judged(row);
        line(&mut text, format_args!("\nchanged (marked > above)"));
        let mutation = row.steps[place].spec.mutation.as_ref();
        if let Some(mutation) = mutation.and_then(|mutation| serde_json::to_string(mutation).ok()) {
            line(&mut text, format_args!("  {mutation}"));
        }
        let decoded = changes(&without.value[place], &written.value[place]);
        let decoded = decoded
            .iter()
            .filter(|change| !change.path.starts_with("mutation"));
        for change in decoded {
            line(&mut text, format_args!("  {change}"));
        }
        for change in bytes_changed(again, result, place) {
            line(&mut text, format_args!("  {change}"));
        }
    }
    grounds(&mut text, row);
    text
}

/// The row without the change of the step that is judged; nothing when it has none.
fn without_change(row: &Row) -> Option<Row> {
    let mut row = row.clone();
    let place = judged(&row);
    let judged = row.steps.get_mut(place)?;
    judged.spec.mutation.take()?;
    // It goes on whatever becomes of it.
    judged.expect = Expected::Reported;
    Some(row)
}

fn judged(row: &Row) -> usize {
    let judged = row.steps.iter().position(|step| step.role == Role::Subject);
    judged.unwrap_or_default()
}

/// The member that the change is of, where what stands there is random and therefore redacted.
fn random_member(row: &Row) -> Option<&str> {
    let at = &row.steps.get(judged(row))?.spec.mutation.as_ref()?.at;
    match at.stage {
        Stage::Signature => Some("signature"),
        Stage::AttestationStatement => at.path.first().map(String::as_str),
        Stage::Response => at.path.last().map(String::as_str),
        _ => None,
    }
}

/// Marks the lines that the exchange has only with the change, and behind the line that tells the change that of its member.
fn marked(transcript: &str, without: Option<&str>, member: Option<&str>) -> String {
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    for line in without.unwrap_or_default().lines() {
        *known.entry(line).or_default() += 1;
    }
    let mut text = String::new();
    let mut member = member.map(|name| format!("{name}:"));
    let mut told = false;
    for row in transcript.lines() {
        told |= row.trim_start().starts_with("mutation:");
        let is_there = |name: &mut String| row.trim_start().starts_with(name.as_str());
        if told && member.take_if(is_there).is_some() {
            known.remove(row);
        }
        let left = known.get_mut(row).filter(|left| **left > 0);
        let mark = match (left, without) {
            (Some(left), _) => {
                *left -= 1;
                ' '
            }
            (None, Some(_)) if !row.starts_with("row:") => '>',
            (None, _) => ' ',
        };
        line(&mut text, format_args!("{mark} {row}"));
    }
    text
}

/// Lists the values that differ between two decoded exchanges, by path.
#[must_use]
pub fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare(String::new(), Some(before), Some(after), &mut found);
    found
}

fn compare(path: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Change>) {
    match (before, after) {
        (Some(before), Some(after)) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let below = |name: &str| {
                if path.is_empty() {
                    name.to_owned()
                } else {
                    format!("{path}.{name}")
                }
            };
            for (name, value) in before {
                compare(below(name), Some(value), after.get(name), found);
            }
            for (name, value) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
                compare(below(name), None, Some(value), found);
            }
        }
        _ => found.push(Change {
            path,
            before: before.map(Value::to_string),
            after: after.map(Value::to_string),
        }),
    }
}

/// Compares authenticator data byte by byte: it holds nothing that is random.
fn bytes_changed(without: &RowResult, with: &RowResult, place: usize) -> Vec<Change> {
    let (Some(before), Some(after)) = (
        authenticator_data(without, place),
        authenticator_data(with, place),
    ) else {
        return Vec::new();
    };
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let same = before.iter().zip(&after).take_while(|(a, b)| a == b);
    let start = same.count();
    let (before_rest, after_rest) = (&before[start..], &after[start..]);
    let same = before_rest.iter().rev().zip(after_rest.iter().rev());
    let end = same.take_while(|(a, b)| a == b).count();
    let differs = |rest: &[u8]| hex(&rest[..rest.len() - end]);
    let (before, after) = (differs(before_rest), differs(after_rest));
    if before.is_empty() && after.is_empty() {
        return Vec::new();
    }
    vec![Change {
        path: format!("bytes of authenticatorData from {start}"),
        before: Some(before).filter(|bytes| !bytes.is_empty()),
        after: Some(after).filter(|bytes| !bytes.is_empty()),
    }]
}

fn authenticator_data(result: &RowResult, place: usize) -> Option<Vec<u8>> {
    let messages = result.records.get(place)?.messages.iter();
    let response = messages.rev().find_map(|message| match message {
        Message::Response { response, .. } => Some(response),
        _ => None,
    });
    let data = response?.pointer("/response/authenticatorData")?.as_str()?;
    passkey_authenticators::client::from_base64url(data)
}

fn grounds(text: &mut String, row: &Row) {
    let grounds = &row.grounds;
    line(text, format_args!("\nwhy"));
    line(text, format_args!("  {}", row.title));
    line(
        text,
        format_args!(
            "  basis {:?}, severity {:?}",
            grounds.basis, grounds.severity
        ),
    );
    let is_report = |source: &&String| source.starts_with("CVE-") || source.starts_with("GHSA-");
    let (reports, sources): (Vec<_>, Vec<_>) =
        grounds.spec.iter().partition(|source| is_report(source));
    for source in sources {
        line(text, format_args!("  says {source}"));
    }
    for report in reports {
        line(text, format_args!("  happened as {report}"));
    }
}

fn line(text: &mut String, arguments: fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{arguments}");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_is_named_by_its_path() {
        let before =
            json!({ "response": { "flags": "UP UV", "signCount": 1 }, "outcome": "accepted" });
        let after = json!({ "response": { "flags": "UP", "signCount": 1, "rest": "00" }, "outcome": "accepted" });
        let shown: Vec<String> = changes(&before, &after)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            shown,
            [
                "response.flags: \"UP UV\" -> \"UP\"",
                "response.rest: (absent) -> \"00\""
            ]
        );
        assert!(changes(&before, &before).is_empty());
    }

    #[test]
    fn lines_that_only_the_changed_exchange_has_are_marked() {
        let text = marked(
            "row: a\n  flags: UP\n  aaguid: 0\n",
            Some("  flags: UP UV\n  aaguid: 0\n"),
            None,
        );
        assert_eq!(text, "  row: a\n>   flags: UP\n    aaguid: 0\n");
    }

    #[test]
    fn a_changed_value_that_is_redacted_is_marked_where_it_stands() {
        let before = "row: a\n  signature: <signature#1>\n";
        let after = "row: a\n  mutation: {at: signature}\n  signature: <signature#1>\n";
        let text = marked(after, Some(before), Some("signature"));
        assert_eq!(
            text,
            "  row: a\n>   mutation: {at: signature}\n>   signature: <signature#1>\n"
        );
    }
}
