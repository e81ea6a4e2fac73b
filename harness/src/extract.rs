//! The exchange of a row as a fixture: JSON that the author of a library can use in a unit test, without the harness.
//!
//! ```text
//! { "row": ..., "title": ..., "expect": "rejected", "step": "reg.17", "basis": ..., "severity": ..., "sources": [...],
//!   "relyingParty": { "rpId": ..., "origins": [...], "settings": {...} },
//!   "exchanges": [ { "ceremony": "registration", "user": "alice", "role": "control", "mutation": null,
//!                    "options": {...}, "response": {...}, "outcome": "accepted" }, ... ] }
//! ```
//! Options and responses are the JSON of WebAuthn L3, 5.1.8 to 5.1.10; what a step adds beside a response (`posts-with`) is not in it.

use std::collections::BTreeMap;

use passkey_model::{
    row::{Role, Row, Step},
    scenario::CeremonyKind,
    target::is_set,
    transcript::{Message, StepRecord},
};
use serde_json::{Value, json};

use crate::run::{RowResult, embedded};

/// Returns the fixture of a row that was played against the embedded relying party.
#[must_use]
pub fn fixture(row: &Row, result: &RowResult) -> Value {
    let judged = row.steps.iter().find(|step| step.role == Role::Subject);
    let played = row.steps.iter().zip(&result.records);
    let mut options = BTreeMap::new();
    let exchanges: Vec<Value> = played
        .flat_map(|(step, record)| exchanges(step, record, &mut options))
        .collect();
    let settings = &row.relying_party;
    let own = [embedded::ORIGIN.to_owned()];
    let others = settings.related_origins.iter().chain(&settings.app_origins);
    json!({
        "row": row.name.to_string(),
        "title": row.title,
        "expect": judged.map(|step| step.expect),
        "step": row.grounds.spec.first(),
        "reasons": judged.map(|step| &step.reasons),
        "basis": row.grounds.basis,
        "severity": row.grounds.severity,
        "sources": row.grounds.spec.iter().skip(1).collect::<Vec<_>>(),
        "relyingParty": {
            "rpId": embedded::RP_ID,
            "origins": own.iter().chain(others).collect::<Vec<_>>(),
            "settings": said(json!(settings)),
            "policy": row.policy.as_ref().map(|policy| policy.document.as_ref()),
        },
        "exchanges": exchanges,
    })
}

/// Leaves out the settings that are the default.
fn said(mut settings: Value) -> Value {
    if let Some(members) = settings.as_object_mut() {
        members.retain(|_, value| is_set(value));
    }
    settings
}

/// Each response of a step with the options that came last for its ceremony; options that nothing answers are left out.
fn exchanges<'a>(
    step: &Step,
    record: &'a StepRecord,
    options: &mut BTreeMap<CeremonyKind, &'a Value>,
) -> Vec<Value> {
    let mut found = Vec::new();
    for message in &record.messages {
        match message {
            Message::Options {
                ceremony,
                options: sent,
                ..
            } => {
                options.insert(*ceremony, sent);
            }
            Message::Response { ceremony, response } => {
                let answered = options.get(ceremony).copied();
                found.push(exchange(step, record, *ceremony, (answered, response)));
            }
            _ => {}
        }
    }
    found
}

fn exchange(
    step: &Step,
    record: &StepRecord,
    ceremony: CeremonyKind,
    (options, response): (Option<&Value>, &Value),
) -> Value {
    let role = match step.role {
        Role::Control => "control",
        Role::Subject => "subject",
    };
    json!({
        "ceremony": ceremony.name(),
        "user": step.spec.user.as_deref().unwrap_or("alice"),
        "role": role,
        "mutation": step.spec.mutation,
        "options": options,
        "response": response,
        "outcome": record.outcome.name(),
    })
}
