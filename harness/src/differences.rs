//! How what a browser's own authenticator makes differs from what the software lane makes, field by field.
//!
//! The ceremony of a row is compared as a tree of decoded, redacted values, before it is rendered. A field in which the two differ
//! has to be listed in `scenarios/differences.yaml`, with a reason; and each field that is listed there has to differ somewhere.

mod client_data;
mod ledger;
mod places;

use std::fmt;

pub use ledger::Ledger;
use serde_json::{Map, Value, json};

/// The member that holds flags as a text: each flag is compared on its own.
const FLAGS: &str = "flags";
/// The member that holds client data; a text of it is split into its members.
const CLIENT_DATA: &str = "clientDataJSON";
/// What a field is called that says in which order the members of an object stand.
const ORDER: &str = "(order)";

/// A field in which two ceremonies differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The field: `register/response/attestationObject/authData/aaguid`.
    pub field: String,
    /// What the software lane has; nothing when it has no such field.
    pub software: Option<Value>,
    /// What the native lane has; nothing when it has no such field.
    pub native: Option<Value>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Option<Value>| {
            value
                .as_ref()
                .map_or_else(|| "(nothing)".to_owned(), Value::to_string)
        };
        let (software, native) = (text(&self.software), text(&self.native));
        write!(f, "{}: software {software}, here {native}", self.field)
    }
}

/// Compares two ceremonies, as `passkey_model::transcript::ceremony_value` returns them.
///
/// Numbers of redacted names do not matter, only which fields hold the same value. Lists of objects are compared item by item;
/// any other list, and a list of another length, is a field as a whole. The order of members is a field, `(order)`.
#[must_use]
pub fn compare(software: &Value, native: &Value) -> Vec<Found> {
    let software = places::name_by_place(software);
    let native = places::name_by_place(native);
    let (one, other) = (steps(&software), steps(&native));
    let mut found = Vec::new();
    let actions = |steps: &[Value]| -> Vec<String> { steps.iter().map(action).collect() };
    let (one_acts, other_acts) = (actions(one), actions(other));
    if one_acts != other_acts {
        // A row that ended early, or a step that is another one: there is nothing to be compared below.
        found.push(Found {
            field: "steps".to_owned(),
            software: Some(json!(one_acts)),
            native: Some(json!(other_acts)),
        });
        return found;
    }
    for ((name, one), other) in one_acts.iter().zip(one).zip(other) {
        walk(&mut found, name, Some(one), Some(other));
    }
    found
}

fn steps(ceremony: &Value) -> &[Value] {
    ceremony.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The first member of a step says what is done.
fn action(step: &Value) -> String {
    let members = step.as_object();
    let first = members.and_then(|members| members.keys().next());
    first.cloned().unwrap_or_default()
}

fn walk(found: &mut Vec<Found>, field: &str, software: Option<&Value>, native: Option<&Value>) {
    match (software, native) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            match split_texts(field, one, other) {
                Some((one, other)) => members(found, field, &one, &other),
                None => members(found, field, one, other),
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other)))
            if one.len() == other.len() && one.iter().chain(other).all(Value::is_object) =>
        {
            for (one, other) in one.iter().zip(other) {
                walk(found, &format!("{field}/*"), Some(one), Some(other));
            }
        }
        (Some(Value::String(one)), Some(Value::String(other))) if is_called(field, FLAGS) => {
            members(found, field, &flags(one), &flags(other));
        }
        (one, other) if one != other => found.push(Found {
            field: field.to_owned(),
            software: one.cloned(),
            native: other.cloned(),
        }),
        _ => {}
    }
}

fn members(
    found: &mut Vec<Found>,
    field: &str,
    software: &Map<String, Value>,
    native: &Map<String, Value>,
) {
    let only_native = native.keys().filter(|name| !software.contains_key(*name));
    for name in software.keys().chain(only_native) {
        let field = format!("{field}/{name}");
        walk(found, &field, software.get(name), native.get(name));
    }
    let in_both = |one: &Map<String, Value>, other: &Map<String, Value>| -> Vec<String> {
        let names = one.keys().filter(|name| other.contains_key(*name));
        names.cloned().collect()
    };
    let (one, other) = (in_both(software, native), in_both(native, software));
    if one != other {
        found.push(Found {
            field: format!("{field}/{ORDER}"),
            software: Some(json!(one)),
            native: Some(json!(other)),
        });
    }
}

fn is_called(field: &str, name: &str) -> bool {
    field.rsplit('/').next() == Some(name)
}

/// Returns the members of client data that both lanes have as a text.
fn split_texts(
    field: &str,
    software: &Map<String, Value>,
    native: &Map<String, Value>,
) -> Option<(Map<String, Value>, Map<String, Value>)> {
    if !is_called(field, CLIENT_DATA) {
        return None;
    }
    let split = |data: &Map<String, Value>| client_data::members(data.get("text")?.as_str()?);
    split(software).zip(split(native))
}

/// Flags that are set: `UP UV` is `{"UP": true, "UV": true}`.
fn flags(text: &str) -> Map<String, Value> {
    let set = text.split_whitespace();
    set.map(|flag| (flag.to_owned(), json!(true))).collect()
}
