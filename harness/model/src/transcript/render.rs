//! Renders plain values as YAML-like text: what fits on a line stands on one.

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
    let line = flow(value);
    let fits = column + line.chars().count() <= WIDTH;
    match value {
        Value::Object(members) if !members.is_empty() && (!fits || indent == 0) => {
            for (index, (name, value)) in members.iter().enumerate() {
                if index > 0 {
                    out.push_str(&" ".repeat(indent));
                }
                out.push_str(name);
                out.push(':');
                member(out, value, indent, indent + name.len() + 2);
            }
        }
        Value::Array(items) if !items.is_empty() && !fits => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(&" ".repeat(indent));
                }
                out.push_str("- ");
                block(out, item, indent + 2, indent + 2);
            }
        }
        _ => {
            out.push_str(&line);
            out.push('\n');
        }
    }
}

/// Writes what stands behind a name: on the same line where it fits, otherwise below.
fn member(out: &mut String, value: &Value, indent: usize, column: usize) {
    let scalar = !matches!(value, Value::Object(_) | Value::Array(_));
    if scalar || column + flow(value).chars().count() <= WIDTH {
        out.push(' ');
        out.push_str(&flow(value));
        out.push('\n');
        return;
    }
    out.push('\n');
    let deeper = indent + if value.is_array() { 0 } else { 2 };
    out.push_str(&" ".repeat(deeper));
    block(out, value, deeper, WIDTH);
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{name}: {}", flow(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        other => other.to_string(),
    }
}

/// Quotes a text that would be read as something else, or that has characters which do not show.
fn scalar(text: &str) -> String {
    let shows = !text.is_empty()
        && text.chars().all(|char| {
            !char.is_control() && !matches!(char, '"' | '{' | '}' | '[' | ']' | '\u{feff}')
        });
    if shows && text.trim() == text {
        text.to_owned()
    } else {
        format!("{text:?}")
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
