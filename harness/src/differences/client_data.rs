//! Client data that is not written as clients write it, split into its members without being parsed.

use serde_json::{Map, Value, json};

/// Splits a text at its commas and names, so that a member that one browser adds is a field of its own.
///
/// What stands before the first name, but for the brace, is `(start)`, what stands behind the last value is `(end)`; white space before
/// another name belongs to that member's value. Nothing is returned for a text that is no object.
pub(super) fn members(text: &str) -> Option<Map<String, Value>> {
    let (before, rest) = text.split_once('{')?;
    let (space, rest) = rest.split_at(rest.len() - rest.trim_start().len());
    let rest = rest.strip_prefix('"')?;
    let body = rest.get(..rest.rfind('}').unwrap_or(rest.len()))?;
    let body = body.trim_end();
    let mut members = Map::new();
    members.insert("(start)".to_owned(), json!(format!("{before}{space}")));
    for (space, member) in split(body) {
        let (name, value) = member.split_once('"').unwrap_or((member, ""));
        let mut name = name.to_owned();
        while members.contains_key(&name) {
            name.push_str(" (again)");
        }
        members.insert(name, json!(format!("{space}{value}")));
    }
    members.insert("(end)".to_owned(), json!(rest.get(body.len()..)?));
    Some(members)
}

/// Splits at the commas behind which a name begins; returns each part behind its first quotation mark, with the white space before that.
fn split(body: &str) -> Vec<(&str, &str)> {
    let mut parts = Vec::new();
    let mut space = "";
    let mut rest = body;
    let mut from = 0;
    while let Some(comma) = rest.get(from..).and_then(|text| text.find(',')) {
        let behind = &rest[from + comma + 1..];
        let name = behind.trim_start();
        if let Some(next) = name.strip_prefix('"') {
            parts.push((space, &rest[..from + comma]));
            space = &behind[..behind.len() - name.len()];
            (rest, from) = (next, 0);
        } else {
            from += comma + 1;
        }
    }
    parts.push((space, rest));
    parts
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_is_added_changes_no_other_however_the_text_is_written() {
        for (opens, between, closes) in [("{", ",", "}"), ("{\n  ", ",\n  ", "\n}\n")] {
            let text = |parts: &[&str]| format!("{opens}{}{closes}", parts.join(between));
            let own = [r#""type" : "webauthn.get""#, r#""crossOrigin":false"#];
            let added = [own[0], own[1], r#""other":"do not compare, ever""#];
            let mut split = members(&text(&added)).unwrap();
            assert!(split.remove("other").is_some());
            assert_eq!(Some(split), members(&text(&own)));
        }
    }
}
