//! What tells one exchange from another: rows that are the same to the relying party count once.

use std::fmt::Write;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Message, Redactor, StepRecord};
use crate::row::{Role, Row};

/// Members that name people or things and decide nothing.
const NAMES: [&str; 4] = ["name", "displayName", "username", "description"];

/// Returns the SHA-256, hexadecimal, of the decoded and redacted requests of the subject, its mutations and the policy in force.
///
/// Neither user agent, hints, headers, ports and versions nor names are in it. Challenges and IDs of the subject's options
/// are numbered first, so that it shows whether the response repeats them.
pub(super) fn exchange(row: &Row, records: &[StepRecord], decoded: &[Vec<Value>]) -> String {
    let mut redactor = Redactor::default();
    let mut policy = row.policy.as_ref().map(|policy| policy.document.clone());
    let mut subject = Vec::new();
    for ((step, record), decoded) in row.steps.iter().zip(records).zip(decoded) {
        for (message, decoded) in record.messages.iter().zip(decoded) {
            match message {
                Message::Policy(document) => policy = Some(document.clone()),
                _ if step.role != Role::Subject => {}
                Message::Options { request, .. } => {
                    redactor.learn(None, decoded);
                    subject.push(redactor.redact(request));
                }
                Message::Response { .. } => subject.push(redactor.redact(decoded)),
            }
        }
        if step.role == Role::Subject {
            subject.push(json!({ "mutation": step.spec.mutation }));
        }
    }
    let mut whole = json!({ "subject": subject, "policy": policy });
    remove_names(&mut whole);
    let digest = Sha256::digest(whole.to_string().as_bytes());
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn remove_names(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !NAMES.contains(&name.as_str()));
            members.values_mut().for_each(remove_names);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_names),
        _ => {}
    }
}
