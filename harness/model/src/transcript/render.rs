//! Renders plain values as YAML-like text: what fits on a line stands on one.

use std::{borrow::Cow, iter::repeat_n};

use serde_json::Value;

const WIDTH: usize = 132;

/// Renders a map, list or scalar, ended by a line feed.
#[must_use]
pub fn render(value: &Value) -> String {
    let mut out = String::new();
    block(&mut out, value, 0, 0);
    out
}

/// Writes a value from `column` on; lines that follow are indented by `indent`.
fn block(out: &mut String, value: &Value, indent: usize, column: usize) {
    let whole = indent == 0 && value.as_object().is_some_and(|members| !members.is_empty());
    if !whole && on_line(out, value, column) {
        out.push('\n');
        return;
    }
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (index, (name, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.extend(repeat_n(' ', indent));
                }
                out.push_str(name);
                out.push(':');
                member(out, value, indent, indent + name.len() + 2);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.extend(repeat_n(' ', indent));
                }
                out.push_str("- ");
                block(out, item, indent + 2, indent + 2);
            }
        }
        short => {
            flow(out, short, usize::MAX);
            out.push('\n');
        }
    }
}

/// Writes what stands behind a name: on the same line where it fits, otherwise below.
fn member(out: &mut String, value: &Value, indent: usize, column: usize) {
    let start = out.len();
    out.push(' ');
    let scalar = !matches!(value, Value::Object(_) | Value::Array(_));
    if scalar {
        flow(out, value, usize::MAX);
    }
    if scalar || on_line(out, value, column) {
        out.push('\n');
        return;
    }
    out.truncate(start);
    out.push('\n');
    let deeper = indent + if value.is_array() { 0 } else { 2 };
    out.extend(repeat_n(' ', deeper));
    block(out, value, deeper, WIDTH);
}

/// Writes a value from `column` on if it fits on the line, and tells whether it did.
fn on_line(out: &mut String, value: &Value, column: usize) -> bool {
    let start = out.len();
    let room = WIDTH.checked_sub(column);
    let fits = room.and_then(|room| flow(out, value, room)).is_some();
    if !fits {
        out.truncate(start);
    }
    fits
}

/// Writes a value on one line and returns the room that is left; nothing, with the value cut off, when the room is not enough.
///
/// It gives up at the end of the line: a value is tried again at every depth, and would be written in full each time.
fn flow(out: &mut String, value: &Value, room: usize) -> Option<usize> {
    match value {
        Value::String(text) => put(out, &scalar(text), room),
        Value::Array(items) => {
            let mut room = put(out, "[", room)?;
            for (index, item) in items.iter().enumerate() {
                room = put(out, separator(index), room)?;
                room = flow(out, item, room)?;
            }
            put(out, "]", room)
        }
        Value::Object(members) => {
            let mut room = put(out, "{", room)?;
            for (index, (name, value)) in members.iter().enumerate() {
                room = put(out, separator(index), room)?;
                room = put(out, name, room)?;
                room = put(out, ": ", room)?;
                room = flow(out, value, room)?;
            }
            put(out, "}", room)
        }
        other => put(out, &other.to_string(), room),
    }
}

const fn separator(index: usize) -> &'static str {
    if index == 0 { "" } else { ", " }
}

fn put(out: &mut String, text: &str, room: usize) -> Option<usize> {
    let left = room.checked_sub(text.chars().count())?;
    out.push_str(text);
    Some(left)
}

/// Quotes a text that would be read as something else, or that has characters which do not show.
fn scalar(text: &str) -> Cow<'_, str> {
    let shows = !text.is_empty()
        && text.chars().all(|char| {
            !char.is_control() && !matches!(char, '"' | '{' | '}' | '[' | ']' | '\u{feff}')
        });
    if shows && text.trim() == text {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("{text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::render;

    #[test]
    fn what_fits_stands_on_one_line_and_what_does_not_below() {
        let long = "a".repeat(100);
        let value = json!({ "ceremony": [{ "register": "alice", "options": { "first": long, "second": long } }] });
        let expected = format!(
            "ceremony:\n- register: alice\n  options:\n    first: {long}\n    second: {long}\n"
        );
        assert_eq!(render(&value), expected);
    }

    #[test]
    fn characters_that_do_not_show_are_written_out() {
        assert_eq!(render(&json!("\u{feff}{}")), "\"\\u{feff}{}\"\n");
        assert_eq!(render(&json!("")), "\"\"\n");
    }
}
