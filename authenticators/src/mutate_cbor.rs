//! Mutations inside CBOR: members of maps, elements of lists, and other encodings of the same.

use passkey_model::{Mutation, Operation};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    cbor::Cbor,
    mutate::{Applier, MutationError},
};

const LONG_KEY: &str = "long-key";
const LONG_KEY_TWICE: &str = "long-key-twice";

impl Applier<'_> {
    /// Applies a mutation at a path below a value.
    pub(crate) fn cbor(
        &self,
        mutation: &Mutation,
        path: &[String],
        node: &mut Cbor,
    ) -> Result<(), MutationError> {
        let before = node.clone();
        match path {
            [] => self.cbor_here(mutation, node)?,
            [name] => self.cbor_member(mutation, name, node)?,
            [name, rest @ ..] => {
                let child = child(node, name);
                let child = child.ok_or_else(|| self.error(format!("there is no '{name}'")))?;
                self.cbor(mutation, rest, child)?;
            }
        }
        self.changed(node.encode() != before.encode())
    }

    /// Returns the operand as CBOR: `hex:...` is a byte string at a member, and stands as it is where a whole map is meant, as
    /// `$NAME` does there;
    /// `cbor:...` stands as it is everywhere.
    pub(crate) fn operand_cbor(&self, mutation: &Mutation) -> Result<Cbor, MutationError> {
        let value = self.operand(mutation)?;
        let named = mutation.value.as_ref().and_then(Value::as_str);
        let is_value = named.is_some_and(|name| name.starts_with('$'));
        // In the place of something whole, a value of the exchange is its bytes.
        let whole = is_value && mutation.at.path.is_empty();
        match value.as_str() {
            Some(text) if text.starts_with("hex:") || whole => {
                self.operand_bytes(mutation).map(Cbor::Raw)
            }
            _ => self.json_to_cbor(&value),
        }
    }

    fn json_to_cbor(&self, value: &Value) -> Result<Cbor, MutationError> {
        Ok(match value {
            Value::Null => Cbor::Null,
            Value::Bool(value) => Cbor::Bool(*value),
            Value::Number(number) => {
                let number = number.as_i64();
                Cbor::Int(number.ok_or_else(|| self.error("needs a whole number"))?)
            }
            Value::String(text) if text.starts_with("hex:") => {
                let bytes = crate::mutate::hex(&text[4..]);
                Cbor::Bytes(bytes.ok_or_else(|| self.error("is not hexadecimal"))?)
            }
            Value::String(text) if text.starts_with("cbor:") => {
                let bytes = crate::mutate::hex(&text[5..]);
                Cbor::Raw(bytes.ok_or_else(|| self.error("is not hexadecimal"))?)
            }
            Value::String(text) if text.starts_with("sha256:") => {
                Cbor::Bytes(Sha256::digest(&text.as_bytes()[7..]).to_vec())
            }
            Value::String(text) => Cbor::Text(text.clone()),
            Value::Array(items) => {
                let items = items.iter().map(|item| self.json_to_cbor(item));
                Cbor::List(items.collect::<Result<_, _>>()?)
            }
            Value::Object(members) => {
                let pair =
                    |(name, value): (&String, &Value)| Ok((key(name), self.json_to_cbor(value)?));
                Cbor::Map(members.iter().map(pair).collect::<Result<_, _>>()?)
            }
        })
    }

    fn cbor_member(
        &self,
        mutation: &Mutation,
        name: &str,
        node: &mut Cbor,
    ) -> Result<(), MutationError> {
        let Cbor::Map(entries) = node else {
            let child = child(node, name);
            let child = child.ok_or_else(|| self.error(format!("there is no '{name}'")))?;
            return self.cbor_here(mutation, child);
        };
        let position = entries.iter().position(|(key, _)| key.is_named(name));
        let value = || self.json_to_cbor(&self.operand(mutation)?);
        match (mutation.op, position) {
            (Operation::Set, Some(position)) => entries[position].1 = value()?,
            (Operation::Set, None) => entries.push((key(name), value()?)),
            (_, None) => return Err(self.error(format!("there is no '{name}'"))),
            (Operation::Remove, Some(position)) => drop(entries.remove(position)),
            (Operation::Duplicate, Some(position)) => {
                let same = entries[position].1.clone();
                let second = mutation.value.as_ref().map_or(Ok(same), |_| value())?;
                entries.insert(position + 1, (key(name), second));
            }
            (Operation::Reencode, Some(position)) if self.is_of_key(mutation) => {
                let long = entries[position].0.encode_with_longer_head();
                let long = long
                    .ok_or_else(|| self.error("only the key of a short text has a longer head"))?;
                if mutation.value.as_ref().and_then(Value::as_str) == Some(LONG_KEY) {
                    entries[position].0 = Cbor::Raw(long);
                } else {
                    let same = entries[position].1.clone();
                    entries.insert(position + 1, (Cbor::Raw(long), same));
                }
            }
            (_, Some(position)) => self.cbor_here(mutation, &mut entries[position].1)?,
        }
        Ok(())
    }

    fn is_of_key(&self, mutation: &Mutation) -> bool {
        let way = mutation.value.as_ref().and_then(Value::as_str);
        way.is_some_and(|way| [LONG_KEY, LONG_KEY_TWICE].contains(&way))
    }

    fn cbor_here(&self, mutation: &Mutation, node: &mut Cbor) -> Result<(), MutationError> {
        if mutation.op == Operation::Reencode {
            *node = self.reencoded(mutation, node)?;
            return Ok(());
        }
        match node {
            Cbor::Bytes(bytes) => self.bytes(mutation, bytes),
            Cbor::List(items) if mutation.op == Operation::Swap && items.len() > 1 => {
                items.swap(0, 1);
                Ok(())
            }
            Cbor::List(items) if mutation.op == Operation::Truncate => {
                items.truncate(items.len().saturating_sub(self.number(mutation)?));
                Ok(())
            }
            _ if mutation.op == Operation::Set => {
                *node = self.operand_cbor(mutation)?;
                Ok(())
            }
            _ => {
                let mut bytes = node.encode();
                self.bytes(mutation, &mut bytes)?;
                *node = Cbor::Raw(bytes);
                Ok(())
            }
        }
    }

    fn reencoded(&self, mutation: &Mutation, node: &Cbor) -> Result<Cbor, MutationError> {
        let way = self.operand(mutation)?;
        let encoded = match (way.as_str(), node) {
            (Some("indefinite-length"), node) => node.encode_indefinite().map(Cbor::Raw),
            (Some("non-minimal"), node) => node.encode_non_minimal().map(Cbor::Raw),
            (Some("reversed"), Cbor::Map(entries)) => {
                Some(Cbor::Map(entries.iter().rev().cloned().collect()))
            }
            (Some("compressed"), Cbor::Map(entries)) => Some(compressed(entries)),
            (Some("off-curve"), Cbor::Map(entries)) => Some(off_curve(entries)),
            (Some("modulus-16384"), Cbor::Map(entries)) => Some(long_modulus(entries)),
            _ => None,
        };
        encoded.ok_or_else(|| {
            self.error("knows these encodings of a map: indefinite-length, non-minimal, reversed, compressed, off-curve, modulus-16384")
        })
    }
}

/// Writes y as its sign alone, as RFC 9053 allows and WebAuthn L3, 5.8.5 does not.
fn compressed(entries: &[(Cbor, Cbor)]) -> Cbor {
    let sign = |(label, value): &(Cbor, Cbor)| match (label, value) {
        (Cbor::Int(-3), Cbor::Bytes(y)) => {
            let odd = y.last().is_some_and(|last| last & 1 == 1);
            (label.clone(), Cbor::Bool(odd))
        }
        _ => (label.clone(), value.clone()),
    };
    Cbor::Map(entries.iter().map(sign).collect())
}

/// Inverts the last bit of y: of the two points that share an x, none has the neighbour of the other's y.
fn off_curve(entries: &[(Cbor, Cbor)]) -> Cbor {
    let mut entries = entries.to_vec();
    for (label, value) in &mut entries {
        if let (Cbor::Int(-3), Cbor::Bytes(y)) = (label, value)
            && let Some(last) = y.last_mut()
        {
            *last ^= 1;
        }
    }
    Cbor::Map(entries)
}

/// Repeats the modulus of an RSA key until it is 16384 bits long: odd, and with its highest bit set, as it was.
fn long_modulus(entries: &[(Cbor, Cbor)]) -> Cbor {
    const BYTES: usize = 2048;
    let mut entries = entries.to_vec();
    for (label, value) in &mut entries {
        if let (Cbor::Int(-1), Cbor::Bytes(n)) = (label, value) {
            *n = n.repeat(BYTES / n.len().max(1));
        }
    }
    Cbor::Map(entries)
}

fn key(name: &str) -> Cbor {
    name.parse().map_or_else(|_| Cbor::text(name), Cbor::Int)
}

fn child<'n>(node: &'n mut Cbor, name: &str) -> Option<&'n mut Cbor> {
    match node {
        Cbor::Map(entries) => {
            let mut entries = entries.iter_mut();
            entries
                .find(|(key, _)| key.is_named(name))
                .map(|(_, value)| value)
        }
        Cbor::List(items) => items.get_mut(name.parse::<usize>().ok()?),
        _ => None,
    }
}
