//! Client data that is not written as clients write it, split into its members without being parsed.

use serde_json::{Map, Value, json};

/// Splits a text at its commas and names, so that a member that one browser adds is a field of its own.
///
/// What stands before the first brace is `(start)`, the last brace with what stands behind it `(end)`; nothing is returned for a
/// text that is no object.
pub(super) fn members(text: &str) -> Option<Map<String, Value>> {
    let (start, rest) = text.split_once("{\"")?;
    let (body, end) = rest.split_at(rest.rfind('}').unwrap_or(rest.len()));
    let mut members = Map::new();
    members.insert("(start)".to_owned(), json!(start));
    for member in body.split(",\"") {
        let (name, value) = member.split_once('"').unwrap_or((member, ""));
        let mut name = name.to_owned();
        while members.contains_key(&name) {
            name.push_str(" (again)");
        }
        members.insert(name, json!(value));
    }
    members.insert("(end)".to_owned(), json!(end));
    Some(members)
}
