//! What tells one exchange from another: rows that are the same to the relying party count once.

use std::{borrow::Cow, fmt::Write};

use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Message, Redactor, StepRecord, decode};
use crate::row::{Role, Row, Step};

/// The member that Chromium adds to client data at random, which would make two runs of one row two exchanges. A row about it has
/// it in its mutation.
const RANDOM: &str = "other_keys_can_be_added_here";
/// Members that decide nothing: those that name people or things, and that one.
const UNTOLD: [&str; 5] = ["name", "displayName", "username", "description", RANDOM];

/// Returns the SHA-256, hexadecimal, of the decoded and redacted requests of the subject, its mutations and the policy in force.
///
/// Neither user agent, hints, headers, ports and versions nor names are in it, nor what a browser adds at random. Challenges and IDs of the subject's options
/// are numbered first, so that it shows whether the response repeats them.
#[must_use]
pub fn exchange(row: &Row, records: &[StepRecord], rp_id: &str) -> String {
    // What is not of the subject is not looked at, and need not be decoded.
    let decode_step = |(step, record): (&Step, &StepRecord)| match step.role {
        Role::Subject => decode(&record.messages, rp_id),
        Role::Control => vec![Value::Null; record.messages.len()],
    };
    let decoded: Vec<Vec<Value>> = row.steps.iter().zip(records).map(decode_step).collect();
    let mut redactor = Redactor::default();
    let mut policy = row.policy.as_ref().map(|policy| policy.document.as_ref());
    let mut subject: Vec<Part<'_>> = Vec::new();
    for ((step, record), decoded) in row.steps.iter().zip(records).zip(&decoded) {
        for (message, decoded) in record.messages.iter().zip(decoded) {
            match message {
                Message::Policy(document) => policy = Some(document),
                _ if step.role != Role::Subject => {}
                Message::Options { request, .. } => {
                    redactor.learn(None, decoded);
                    redactor.learn(None, request);
                    subject.push((Cow::Borrowed(request), true));
                }
                Message::Read { ask, .. } => {
                    redactor.learn(None, decoded);
                    redactor.learn(None, &ask.request);
                    subject.push((Cow::Borrowed(&ask.request), true));
                    let how = json!({ "ceremony": ask.ceremony, "session": ask.session, "times": ask.times });
                    subject.push((Cow::Owned(how), false));
                }
                Message::Response { .. } => {
                    redactor.learn(None, decoded);
                    subject.push((Cow::Borrowed(decoded), true));
                }
            }
        }
        if step.role == Role::Subject {
            let mutation = json!({ "mutation": step.spec.mutation });
            subject.push((Cow::Owned(mutation), false));
            if let Some(request) = &step.spec.request {
                subject.push((Cow::Owned(json!({ "request": request })), false));
            }
            if let Some(options) = &step.spec.options {
                subject.push((Cow::Owned(json!(options)), false));
            }
        }
    }
    let whole = Whole {
        subject: subject.iter().map(|part| seen(part, &redactor)).collect(),
        policy: Seen {
            value: policy.unwrap_or(&Value::Null),
            redactor: None,
        },
    };
    // Plain values can always be written as JSON.
    let written = serde_json::to_vec(&whole).unwrap_or_default();
    let digest = Sha256::digest(&written);
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A value, and whether it holds what changes with every run.
type Part<'a> = (Cow<'a, Value>, bool);

fn seen<'a>((value, volatile): &'a Part<'_>, redactor: &'a Redactor) -> Seen<'a> {
    Seen {
        value,
        redactor: volatile.then_some(redactor),
    }
}

/// What is hashed, as JSON.
#[derive(Serialize)]
struct Whole<'a> {
    subject: Vec<Seen<'a>>,
    policy: Seen<'a>,
}

/// A value without names, its volatile texts replaced while it is written: nobody needs a copy of it.
struct Seen<'a> {
    value: &'a Value,
    redactor: Option<&'a Redactor>,
}

impl Serialize for Seen<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let below = |value| Seen { value, ..*self };
        match (self.value, self.redactor) {
            (Value::Object(members), _) => {
                let members = members.iter();
                let shown = members.filter(|(name, _)| !UNTOLD.contains(&name.as_str()));
                serializer.collect_map(shown.map(|(name, value)| (name, below(value))))
            }
            (Value::Array(items), _) => serializer.collect_seq(items.iter().map(below)),
            (Value::String(text), Some(redactor)) => {
                serializer.serialize_str(&redactor.replaced(&without_random(text)))
            }
            (other, _) => other.serialize(serializer),
        }
    }
}

/// Cuts the random member, with the comma before it, out of client data that is told as text since it is no longer what a client writes.
fn without_random(text: &str) -> Cow<'_, str> {
    let cut = || {
        let (before, rest) = text.split_once(RANDOM)?;
        let start = before.rfind(',')?;
        let value = rest.strip_prefix('"')?.split_once('"')?.1;
        let end = value.split_once('"')?.1;
        Some(format!("{}{end}", &before[..start]))
    };
    cut().map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_chromium_adds_at_random_makes_no_other_exchange() {
        let plain = json!({ "type": "webauthn.get" });
        let mut greased = plain.clone();
        greased["other_keys_can_be_added_here"] = json!("do not compare clientDataJSON");
        let told = |value| {
            let redactor = None;
            serde_json::to_value(Seen { value, redactor }).ok()
        };
        assert_eq!(told(&greased), Some(plain));
    }

    #[test]
    fn nor_does_it_in_client_data_that_is_told_as_text() {
        let greased =
            r#"{ "crossOrigin": false, "other_keys_can_be_added_here": "do not compare: see x" }"#;
        assert_eq!(without_random(greased), r#"{ "crossOrigin": false }"#);
        assert_eq!(
            without_random("other_keys_can_be_added_here"),
            "other_keys_can_be_added_here"
        );
    }
}
