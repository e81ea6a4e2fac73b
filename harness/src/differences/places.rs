//! Names of redacted values that do not shift.
//!
//! `<challenge#2>` is the second of its kind; where one lane has a value more than another, all numbers behind it differ. What
//! matters is which places hold the same value: so a value is named after the first place that holds it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Returns a redacted value with `<challenge of 1/options/challenge>` for `<challenge#1>`.
pub(super) fn name_by_place(value: &Value) -> Value {
    let mut first = BTreeMap::new();
    learn(&mut first, String::new(), value);
    renamed(&first, value)
}

/// Notes the first place of every name, members in the order of the alphabet: in which order they are written is no matter here.
fn learn(first: &mut BTreeMap<String, String>, place: String, value: &Value) {
    let below = |name: &str| {
        if place.is_empty() {
            name.to_owned()
        } else {
            format!("{place}/{name}")
        }
    };
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<&String, &Value> = members.iter().collect();
            for (name, member) in sorted {
                learn(first, below(name), member);
            }
        }
        Value::Array(items) => {
            for (number, item) in (1..).zip(items) {
                learn(first, below(&i32::to_string(&number)), item);
            }
        }
        Value::String(text) => {
            for part in parts(text) {
                if let Part::Name { name, kind } = part {
                    let named = || format!("<{kind} of {place}>");
                    first.entry(name.to_owned()).or_insert_with(named);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn renamed(first: &BTreeMap<String, String>, value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let rename = |(name, member): (&String, &Value)| (name.clone(), renamed(first, member));
            Value::Object(members.iter().map(rename).collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(|item| renamed(first, item)).collect(),
        Value::String(text) => {
            let rename = |part| match part {
                Part::Text(text) => text,
                Part::Name { name, .. } => first.get(name).map_or(name, String::as_str),
            };
            Value::String(parts(text).into_iter().map(rename).collect())
        }
        other => other.clone(),
    }
}

/// A part of a text.
#[derive(Clone, Copy)]
enum Part<'a> {
    Text(&'a str),
    /// `<challenge#1>`, and `challenge` of it.
    Name {
        name: &'a str,
        kind: &'a str,
    },
}

/// Splits a text into names of redacted values and what stands between them.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, from) = rest.split_at(start);
        let end = from.find('>').map_or(from.len(), |end| end + 1);
        let (name, behind) = from.split_at(end);
        parts.push(Part::Text(before));
        parts.push(kind(name).map_or(Part::Text(name), |kind| Part::Name { name, kind }));
        rest = behind;
    }
    parts.push(Part::Text(rest));
    parts
}

fn kind(name: &str) -> Option<&str> {
    let (kind, number) = name.strip_prefix('<')?.strip_suffix('>')?.split_once('#')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(kind)
}
