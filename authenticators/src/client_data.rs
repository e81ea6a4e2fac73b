//! Client data: its members, and their serialisation (WebAuthn L3, 5.8.1.1).

use passkey_model::{Mutation, Operation};
use serde_json::{Value, json};

use crate::mutate::{Applier, MutationError};

/// The members, in the order in which they are written; a name may stand twice.
pub(crate) type Members = Vec<(String, Value)>;

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
    let position = members.iter().position(|(known, _)| known == name);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match (mutation.op, position) {
        (Operation::Set, Some(position)) => members[position].1 = change.operand(mutation)?,
        (Operation::Set, None) => members.push((name.to_owned(), change.operand(mutation)?)),
        (_, None) => return Err(change.error(format!("there is no '{name}'"))),
        (Operation::Remove, Some(position)) => drop(members.remove(position)),
        (Operation::Duplicate, Some(position)) => {
            let same = members[position].1.clone();
            let second = mutation.value.as_ref();
            let second = second.map_or(Ok(same), |_| change.operand(mutation))?;
            members.insert(position + 1, (name.to_owned(), second));
        }
        (Operation::Append | Operation::Prepend, Some(position)) => {
            let old = text(&members[position].1);
            let more = text(&change.operand(mutation)?);
            let (Some(old), Some(more)) = (old, more) else {
                return Err(change.error("only text is added to text"));
            };
            let append = mutation.op == Operation::Append;
            members[position].1 = json!(if append { old + &more } else { more + &old });
        }
        _ => return Err(change.error("this operation does not apply to a member of client data")),
    }
    Ok(())
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
        Some("escaped") => {
            let text = String::from_utf8_lossy(&bytes);
            Ok(text.replace("https", "\\u0068ttps").into_bytes())
        }
        _ => Err(change.error("knows these encodings: bom, reversed, whitespace, escaped")),
    }
}
