//! Client data: its members, and their serialisation (WebAuthn L3, 5.8.1.1).

use passkey_model::{Mutation, Operation};
use serde_json::{Value, json};

use crate::mutate::{Applier, MutationError};

/// The members, in the order in which they are written; a name may stand twice.
pub(crate) type Members = Vec<(String, Value)>;

/// Stands in a text for bytes that are none, until the text is encoded; no client writes it.
const RAW: &str = "\u{f8ff}";
/// More levels than a parser that calls itself can take.
const LEVELS: usize = 10_000;

/// Writes the members as 5.8.1.1 says.
pub(crate) fn encode(members: &Members) -> Vec<u8> {
    let member = |(name, value): &(String, Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), quoted);
        format!("{}:{value}", quoted(name))
    };
    let members: Vec<_> = members.iter().map(member).collect();
    format!("{{{}}}", members.join(",")).into_bytes()
}

/// CCDToString: unlike in other JSON, control characters have no short names.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\0'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

/// Applies a mutation on a member, or on the bytes of all of them; returns the bytes.
pub(crate) fn changed(
    members: &mut Members,
    mutation: &Mutation,
    change: &Applier<'_>,
) -> Result<Vec<u8>, MutationError> {
    let before = encode(members);
    let mut bytes = before.clone();
    match (mutation.at.path.as_slice(), mutation.op) {
        ([], Operation::Reencode) => bytes = reencode(members, mutation, change)?,
        ([], _) => change.bytes(mutation, &mut bytes)?,
        ([name], _) => {
            member(members, name, mutation, change)?;
            bytes = with_raw(encode(members), mutation, change)?;
        }
        ([name, first], Operation::Duplicate) if first == "first" => {
            let position = position(members, name, change)?;
            members.insert(position, (name.clone(), change.operand(mutation)?));
            bytes = encode(members);
        }
        _ => return Err(change.error("client data has no members below its members")),
    }
    change.changed(bytes != before)?;
    Ok(bytes)
}

fn member(
    members: &mut Members,
    name: &str,
    mutation: &Mutation,
    change: &Applier<'_>,
) -> Result<(), MutationError> {
    let found = position(members, name, change);
    match (mutation.op, found) {
        (Operation::Set, Ok(position)) => members[position].1 = operand(mutation, change)?,
        (Operation::Set, Err(_)) => members.push((name.to_owned(), operand(mutation, change)?)),
        (_, Err(missing)) => return Err(missing),
        (Operation::Remove, Ok(position)) => drop(members.remove(position)),
        (Operation::Duplicate, Ok(position)) => {
            let same = members[position].1.clone();
            let second = mutation.value.as_ref();
            let second = second.map_or(Ok(same), |_| change.operand(mutation))?;
            members.insert(position + 1, (name.to_owned(), second));
        }
        (_, Ok(position)) => {
            let old = members[position].1.as_str();
            let old = old.ok_or_else(|| change.error("this operation applies to text only"))?;
            let more = mutation.value.as_ref().filter(|value| value.is_string());
            let more = more.map(|_| operand(mutation, change)).transpose()?;
            let more = more.as_ref().and_then(Value::as_str);
            members[position].1 = json!(change.text(mutation, old, more)?);
        }
    }
    Ok(())
}

fn position(members: &Members, name: &str, change: &Applier<'_>) -> Result<usize, MutationError> {
    let position = members.iter().position(|(known, _)| known == name);
    position.ok_or_else(|| change.error(format!("there is no '{name}'")))
}

/// Returns the operand, with a stand-in for bytes that no text holds.
fn operand(mutation: &Mutation, change: &Applier<'_>) -> Result<Value, MutationError> {
    let value = change.operand(mutation)?;
    Ok(if is_raw(&value) { json!(RAW) } else { value })
}

fn is_raw(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("hex:"))
}

/// Puts the bytes of the operand where their stand-in is.
fn with_raw(
    encoded: Vec<u8>,
    mutation: &Mutation,
    change: &Applier<'_>,
) -> Result<Vec<u8>, MutationError> {
    if !mutation.value.as_ref().is_some_and(is_raw) {
        return Ok(encoded);
    }
    let raw = change.operand_bytes(mutation)?;
    let place = encoded
        .windows(RAW.len())
        .position(|window| window == RAW.as_bytes());
    let place = place.ok_or_else(|| change.error("bytes are added to text only"))?;
    let (before, after) = (&encoded[..place], &encoded[place + RAW.len()..]);
    Ok([before, raw.as_slice(), after].concat())
}

fn reencode(
    members: &Members,
    mutation: &Mutation,
    change: &Applier<'_>,
) -> Result<Vec<u8>, MutationError> {
    let bytes = encode(members);
    match change.operand(mutation)?.as_str() {
        Some("bom") => Ok([&[0xef, 0xbb, 0xbf], bytes.as_slice()].concat()),
        Some("reversed") => Ok(encode(&members.iter().rev().cloned().collect())),
        Some("whitespace") => Ok([b" \n", bytes.as_slice(), b"\t "].concat()),
        Some("indented") => Ok(indented(members)),
        Some("escaped") => {
            let text = String::from_utf8_lossy(&bytes);
            Ok(text.replace("https", "\\u0068ttps").into_bytes())
        }
        Some("all-escaped") => Ok(all_escaped(members)),
        Some("solidus") => Ok(String::from_utf8_lossy(&bytes)
            .replace('/', "\\/")
            .into_bytes()),
        Some("nested") => Ok(nested(&bytes)),
        _ => Err(change.error(
            "knows these encodings: bom, reversed, whitespace, indented, escaped, all-escaped, solidus, nested",
        )),
    }
}

/// As people write JSON: a line for each member.
fn indented(members: &Members) -> Vec<u8> {
    let member = |(name, value): &(String, Value)| format!("  {} : {value}", json!(name));
    let members: Vec<_> = members.iter().map(member).collect();
    format!("{{\n{}\n}}\n", members.join(",\n")).into_bytes()
}

/// Every character of every name and text by its number.
fn all_escaped(members: &Members) -> Vec<u8> {
    let escaped = |text: &str| {
        let units = text.encode_utf16();
        let units: String = units.map(|unit| format!("\\u{unit:04X}")).collect();
        format!("\"{units}\"")
    };
    let member = |(name, value): &(String, Value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), escaped);
        format!("{}:{value}", escaped(name))
    };
    let members: Vec<_> = members.iter().map(member).collect();
    format!("{{{}}}", members.join(",")).into_bytes()
}

/// The same with one more member, of lists in lists.
fn nested(bytes: &[u8]) -> Vec<u8> {
    let deep = format!(",\"deep\":{}{}}}", "[".repeat(LEVELS), "]".repeat(LEVELS));
    let members = bytes.strip_suffix(b"}").unwrap_or(bytes);
    [members, deep.as_bytes()].concat()
}
