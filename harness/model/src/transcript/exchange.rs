//! What tells one exchange from another: rows that are the same to the relying party count once.

use std::fmt::Write;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Message, Redactor, StepRecord, decode_options, decode_response};
use crate::row::{Role, Row};

/// Members that name people or things and decide nothing.
const NAMES: [&str; 4] = ["name", "displayName", "username", "description"];

/// Returns the SHA-256, hexadecimal, of the decoded and redacted requests of the subject, its mutations and the policy in force.
///
/// Neither user agent, hints, headers, ports and versions nor names are in it. Challenges and IDs of the subject's options
/// are numbered first, so that it shows whether the response repeats them.
#[must_use]
pub fn exchange(row: &Row, records: &[StepRecord], rp_id: &str) -> String {
    let mut redactor = Redactor::default();
    let mut policy = row.policy.as_ref().map(|policy| policy.document.clone());
    let mut subject = Vec::new();
    for (step, record) in row.steps.iter().zip(records) {
        for message in &record.messages {
            match message {
                Message::Policy(document) => policy = Some(document.clone()),
                _ if step.role != Role::Subject => {}
                Message::Options {
                    ceremony,
                    request,
                    options,
                } => {
                    let _ = redactor.redact(&decode_options(*ceremony, options));
                    subject.push(redactor.redact(request));
                }
                Message::Response { response, .. } => {
                    subject.push(redactor.redact(&decode_response(response, rp_id)));
                }
            }
        }
        if step.role == Role::Subject {
            subject.push(json!({ "mutation": step.spec.mutation }));
        }
    }
    let whole = without_names(&json!({ "subject": subject, "policy": policy }));
    let digest = Sha256::digest(whole.to_string().as_bytes());
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn without_names(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members
                .iter()
                .filter(|(name, _)| !NAMES.contains(&name.as_str()));
            Value::Object(
                kept.map(|(name, value)| (name.clone(), without_names(value)))
                    .collect(),
            )
        }
        Value::Array(items) => items.iter().map(without_names).collect(),
        other => other.clone(),
    }
}
