//! Shows client data as it was written.

use serde_json::{Map, Value, json};

/// Nobody counts more equal characters in a row.
const LONGEST_RUN: usize = 32;

/// Returns the members, where they are written as clients write them; otherwise the text itself, if it is one.
pub(super) fn shown(bytes: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(bytes).ok()?;
    Some(match serde_json::from_str::<Map<String, Value>>(text) {
        Ok(members) if serde_json::to_string(&members).ok().as_deref() == Some(text) => {
            Value::Object(members)
        }
        // A challenge that is spelt with escapes changes with every run, and is not found in the text.
        Ok(members) if !has_challenge_of(text, &members) => json!({ "escaped": members }),
        _ => json!({ "text": shortened(text) }),
    })
}

fn has_challenge_of(text: &str, members: &Map<String, Value>) -> bool {
    let challenge = members.get("challenge").and_then(Value::as_str);
    challenge.is_none_or(|challenge| text.contains(challenge))
}

/// Writes a long run of one character as the character and its number: `[{10000}`.
fn shortened(text: &str) -> String {
    let mut short = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after = rest.trim_start_matches(first);
        let run = &rest[..rest.len() - after.len()];
        let length = run.len() / first.len_utf8();
        if length > LONGEST_RUN {
            short.push_str(&format!("{first}{{{length}}}"));
        } else {
            short.push_str(run);
        }
        rest = after;
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Value> {
        shown(text.as_bytes())
    }

    #[test]
    fn what_clients_write_is_shown_as_members_and_anything_else_as_text() {
        let members = json!({ "challenge": "AAAA" });
        assert_eq!(of(r#"{"challenge":"AAAA"}"#), Some(members.clone()));
        let spaced = r#"{ "challenge":"AAAA" }"#;
        assert_eq!(of(spaced), Some(json!({ "text": spaced })));
        let escaped = r#"{"challenge":"\u0041AAA"}"#;
        assert_eq!(of(escaped), Some(json!({ "escaped": members })));
        assert_eq!(shown(b"\xff"), None);
    }

    #[test]
    fn long_runs_are_counted() {
        let deep = format!("{{{}é]", "[".repeat(10_000));
        assert_eq!(of(&deep), Some(json!({ "text": "{[{10000}é]" })));
    }
}
