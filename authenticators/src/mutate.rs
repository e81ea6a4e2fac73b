//! Applies a mutation at the stage that it names, and notices when it changed nothing.
//!
//! Operands are JSON as written; `hex:...` is bytes (groups of digits with blanks between them, `00*9` nine of them), `cbor:...` CBOR
//! that stands as it is, `sha256:TEXT` a hash, `$NAME` a value of the exchange (base64url where bytes are wanted), also inside objects and
//! lists; `$NAME/member` is a member of such a value.
//! *Bytes* below are: set, remove (empties), append, prepend, truncate (a number of bytes), flip-bit (a bit, else the first).
//! *Text* is: append, prepend, truncate (a number of characters), reencode `base64` (the other alphabet), `padded`, `other-case`.
//! *CBOR* is: set, remove, duplicate on a member; bytes on a byte string or on an encoding; reencode `indefinite-length`, `non-minimal`, `reversed`
//! on a map, swap (the first two) and truncate (a number of elements) on a list, `long-key` on a member (its key with a longer head), `long-key-twice` (it stands twice, the second time so).
//!
//! | stage | path | operations | with `resign: true` |
//! |---|---|---|---|
//! | `client-data` | none | bytes; reencode `bom`, `reversed`, `whitespace`, `indented`, `escaped`, `all-escaped`, `solidus`, `nested` | is hashed as sent |
//! | | a member | set, remove, duplicate, append, prepend (`hex:...` is put between the quotes as it is); *text* | is hashed as sent |
//! | | a member, then `first` | duplicate: the second stands before it | is hashed as sent |
//! | `client-data-hash` | none | bytes | no difference |
//! | `cose-key` | none, or a label: `3`, `-1` | CBOR; reencode also `compressed`, `off-curve`, `modulus-16384` | is signed; `publicKey` of the response becomes null |
//! | `attested-credential-data` | none | bytes; remove clears AT too; set in an assertion sets AT too | is signed |
//! | | `aaguid`, `credential-id`, and none where it still is attested credential data | bytes | is signed; `id` and `rawId` follow |
//! | | `credential-id-length` | set (a number); nothing else follows | is signed |
//! | `authenticator-data` | none, `rp-id-hash` | bytes | is signed |
//! | | `flags` | set-flags, clear-flags: names with commas | is signed |
//! | | `sign-count` | set (a number) | is signed |
//! | | `attested-credential-data` | remove; AT stays | is signed |
//! | | `extensions`, and members below | CBOR; set also sets ED | is signed |
//! | `to-be-signed` | none | bytes | no difference |
//! | | `authenticator-data`, `client-data-hash` | remove | no difference |
//! | `signature` | none | bytes; set `$BY_OTHER_KEY`, `$BY_OTHER_CREDENTIAL` (of the same authenticator), `$WITH_SHA1`, `$WITH_SHA384`, `$WITH_PSS`, `$WITH_PKCS1`, `$FORGED_FOR_EXPONENT_3` | no difference |
//! | | | reencode `p1363`, `high-s`, `zero-rs`, `r-zero`, `s-zero`, `r-eq-n`, `s-eq-n`, `r-above-n`, `s-above-n`, `s-plus-n`, `ber`, `padded-integers`, `indefinite-length`, `small-order` | no difference |
//! | `certificates` | `chain` | swap (reverses), append, prepend (`hex:...`, `$ROOT`, `$SELF_SIGNED_ROOT`), truncate, remove; set `$IMPOSTOR` (the same names, other keys, with the root) | no difference |
//! | | `leaf/version` | set 1, 2, 3 | |
//! | | `leaf/subject/c`, `o`, `ou`, `cn` | set, remove | |
//! | | `leaf/basic-constraints-ca`, `leaf/aaguid-extension-critical`, `leaf/unknown-critical-extension` | set true or false | |
//! | | `leaf/aaguid-extension` | set (wrapped for you), remove | |
//! | | `leaf/aaguid-extension-raw` | set what the extension holds | |
//! | | `leaf/not-before`, `leaf/not-after` | set seconds of the Unix epoch | |
//! | | `leaf/issuer-key` | set true: another CA's key signs | |
//! | | `leaf/serial-number-extension` | set (wrapped for you), remove | |
//! | | `leaf/crl-distribution-point`, `leaf/ocsp`, `leaf/ca-issuers` | set a URL, or `$CANARY`; remove | |
//! | | `intermediate/...` | as of the leaf | |
//! | `attestation-statement` | none, a member, `x5c/0` | CBOR; `sig` set `$BY_CREDENTIAL_KEY`, `$BY_OTHER_KEY` | no difference |
//! | `attestation-object` | none, `fmt`, `attStmt`, `authData` | CBOR | `authenticatorData` of the response follows |
//! | `response` | a member, `response/signature` | set, remove; append and prepend of text; bytes of base64url; reencode as of *text* | no difference |
//! | | `id` | reencode `other-case`; `rawId` follows | no difference |
//! | | none | set: another response in place of this one | no difference |

use std::cell::Cell;

use passkey_model::{Mutation, Operation, Stage};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{
    key::{Key, Otherwise},
    mutate_text::other_case,
};

/// A mutation that cannot be applied: the scenario author's mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mutation at '{at}': {message}")]
pub struct MutationError {
    /// Where.
    pub at: String,
    /// What is wrong.
    pub message: String,
}

/// Values of the exchange that a mutation may name: `$OTHER_CREDENTIAL_ID`.
pub type Values = std::collections::BTreeMap<String, Value>;

/// Who can sign an assertion.
#[derive(Clone, Copy)]
pub(crate) struct SigningKeys<'a> {
    /// The credential's own key.
    pub own: &'a Key,
    /// A key that no credential has.
    pub other: Option<&'a Key>,
    /// The key of another credential that the same authenticator keeps for the relying party.
    pub other_credential: Option<&'a Key>,
}

/// One mutation on its way through the stages.
pub(crate) struct Applier<'a> {
    mutation: Option<&'a Mutation>,
    values: &'a Values,
    applied: Cell<bool>,
}

impl<'a> Applier<'a> {
    pub(crate) fn new(mutation: Option<&'a Mutation>, values: &'a Values) -> Self {
        Self {
            mutation,
            values,
            applied: Cell::new(false),
        }
    }

    /// Returns the mutation if it is of this stage, and notes that it is being applied.
    pub(crate) fn at(&self, stage: Stage) -> Option<&'a Mutation> {
        let mutation = self
            .mutation
            .filter(|mutation| mutation.at.stage == stage)?;
        self.applied.set(true);
        Some(mutation)
    }

    pub(crate) fn error(&self, message: impl Into<String>) -> MutationError {
        let at = self
            .mutation
            .map(|mutation| mutation.at.to_string())
            .unwrap_or_default();
        MutationError {
            at,
            message: message.into(),
        }
    }

    /// Fails when the mutation named a stage that this ceremony does not have.
    pub(crate) fn finish(&self) -> Result<(), MutationError> {
        if self.mutation.is_some() && !self.applied.get() {
            return Err(self.error("this ceremony has no such stage"));
        }
        Ok(())
    }

    /// Returns the operand with `$NAME` replaced.
    pub(crate) fn operand(&self, mutation: &Mutation) -> Result<Value, MutationError> {
        let value = mutation
            .value
            .clone()
            .ok_or_else(|| self.error("needs a value"))?;
        self.resolved(value)
    }

    fn resolved(&self, value: Value) -> Result<Value, MutationError> {
        match value {
            Value::String(text) => match text.strip_prefix('$') {
                None => Ok(Value::String(text)),
                Some(name) => self
                    .value_of(name)
                    .cloned()
                    .ok_or_else(|| self.error(format!("${name} is not known here"))),
            },
            Value::Array(items) => items.into_iter().map(|item| self.resolved(item)).collect(),
            Value::Object(members) => members
                .into_iter()
                .map(|(name, value)| Ok((name, self.resolved(value)?)))
                .collect(),
            other => Ok(other),
        }
    }

    /// Finds a value of the exchange, or a member of it: `CONTROL_ASSERTION/response`.
    fn value_of(&self, name: &str) -> Option<&Value> {
        match name.split_once('/') {
            None => self.values.get(name),
            Some((name, path)) => self.values.get(name)?.pointer(&format!("/{path}")),
        }
    }

    /// Returns the operand as bytes: `hex:...` or `sha256:...`, or base64url of the exchange's own values.
    pub(crate) fn operand_bytes(&self, mutation: &Mutation) -> Result<Vec<u8>, MutationError> {
        let value = self.operand(mutation)?;
        let text = value
            .as_str()
            .ok_or_else(|| self.error("needs bytes: hex:..."))?;
        if let Some(text) = text.strip_prefix("sha256:") {
            return Ok(Sha256::digest(text.as_bytes()).to_vec());
        }
        if let Some(digits) = text.strip_prefix("hex:") {
            return hex(digits)
                .ok_or_else(|| self.error("has an odd number of hexadecimal digits, or others"));
        }
        crate::client::from_base64url(text).ok_or_else(|| self.error("needs bytes: hex:..."))
    }

    /// Returns the mutation if it is of this stage, without noting anything.
    pub(crate) fn peek(&self, stage: Stage) -> Option<&'a Mutation> {
        self.mutation.filter(|mutation| mutation.at.stage == stage)
    }

    /// Returns the stage of the mutation.
    pub(crate) fn stage(&self) -> Option<Stage> {
        self.mutation.map(|mutation| mutation.at.stage)
    }

    /// Tells whether later stages follow the change.
    pub(crate) fn resign(&self) -> bool {
        self.mutation.is_none_or(|mutation| mutation.resign)
    }

    /// Joins what is signed (WebAuthn L3, 6.3.3 step 11, and 8.2), changed if that is asked.
    pub(crate) fn to_be_signed(&self, data: &[u8], hash: &[u8]) -> Result<Vec<u8>, MutationError> {
        let mut message = [data, hash].concat();
        let Some(mutation) = self.at(Stage::ToBeSigned) else {
            return Ok(message);
        };
        let path: Vec<&str> = mutation.at.path.iter().map(String::as_str).collect();
        match (path.as_slice(), mutation.op) {
            ([], _) => self.bytes(mutation, &mut message)?,
            (["client-data-hash"], Operation::Remove) => message = data.to_vec(),
            (["authenticator-data"], Operation::Remove) => message = hash.to_vec(),
            _ => {
                return Err(
                    self.error("only authenticator-data or client-data-hash can be removed")
                );
            }
        }
        Ok(message)
    }

    /// Applies an operation on a signature over a message.
    pub(crate) fn signature(
        &self,
        mutation: &Mutation,
        signature: &mut Vec<u8>,
        message: &[u8],
        keys: SigningKeys<'_>,
    ) -> Result<(), MutationError> {
        if !mutation.at.path.is_empty() {
            return Err(self.error("a signature has no members"));
        }
        let text = mutation.value.as_ref().and_then(Value::as_str);
        let before = signature.clone();
        match (mutation.op, text) {
            (Operation::Reencode, way) => {
                let way = way.unwrap_or_default();
                *signature = crate::signature::reencode(signature, keys.own.algorithm(), way)
                    .map_err(|message| self.error(message))?;
            }
            (Operation::Set, Some(name)) if name.starts_with('$') => {
                *signature = self.signed_otherwise(name, message, keys)?;
            }
            _ => self.bytes(mutation, signature)?,
        }
        self.changed(*signature != before)
    }

    /// Signs as an operand names it: with another key, in another way, or without any key.
    fn signed_otherwise(
        &self,
        name: &str,
        message: &[u8],
        keys: SigningKeys<'_>,
    ) -> Result<Vec<u8>, MutationError> {
        let by = |key: Option<&Key>| key.map(|key| key.sign(message));
        let with = |how| keys.own.sign_otherwise(how, message);
        let (signed, why) = match name {
            "$BY_OTHER_KEY" => (by(keys.other), "no other key"),
            "$BY_OTHER_CREDENTIAL" => (
                by(keys.other_credential),
                "the authenticator keeps no other credential, or its keys are not at hand",
            ),
            "$WITH_SHA1" => (with(Otherwise::Sha1), "needs a key on P-256, or of RSA"),
            "$WITH_SHA384" => (with(Otherwise::Sha384), "needs a key on P-256, or of RSA"),
            "$WITH_PSS" => (with(Otherwise::Pss), "needs a key of RSA"),
            "$WITH_PKCS1" => (with(Otherwise::Pkcs1), "needs a key of RSA"),
            "$FORGED_FOR_EXPONENT_3" => (
                crate::signature::for_exponent_three(message),
                "no such number was found",
            ),
            _ => (None, "is not one of the ways to sign"),
        };
        signed.ok_or_else(|| self.error(why))
    }

    /// Applies an operation on a byte string.
    pub(crate) fn bytes(
        &self,
        mutation: &Mutation,
        bytes: &mut Vec<u8>,
    ) -> Result<(), MutationError> {
        let before = bytes.clone();
        match mutation.op {
            Operation::Set => *bytes = self.operand_bytes(mutation)?,
            Operation::Remove => bytes.clear(),
            Operation::Append => bytes.extend(self.operand_bytes(mutation)?),
            Operation::Prepend => *bytes = [self.operand_bytes(mutation)?, before.clone()].concat(),
            Operation::Truncate => {
                bytes.truncate(before.len().saturating_sub(self.number(mutation)?))
            }
            Operation::FlipBit => {
                let bit = mutation
                    .value
                    .as_ref()
                    .map_or(Ok(0), |_| self.number(mutation))?;
                let byte = bytes
                    .get_mut(bit / 8)
                    .ok_or_else(|| self.error("the bit is beyond the end"))?;
                *byte ^= 0x80 >> (bit % 8);
            }
            _ => return Err(self.error("this operation does not apply to bytes")),
        }
        self.changed(*bytes != before)
    }

    /// Applies an operation on a member of a JSON object, at the mutation's path.
    pub(crate) fn json(
        &self,
        mutation: &Mutation,
        object: &mut Map<String, Value>,
    ) -> Result<(), MutationError> {
        let (last, parents) = mutation
            .at
            .path
            .split_last()
            .ok_or_else(|| self.error("needs the path of a member"))?;
        let mut object = object;
        for parent in parents {
            let next = object.get_mut(parent).and_then(Value::as_object_mut);
            object = next.ok_or_else(|| self.error(format!("there is no object '{parent}'")))?;
        }
        let before = object.get(last).cloned();
        match mutation.op {
            Operation::Reencode if is_case_of_id(mutation) => self.other_case(object)?,
            Operation::Set => drop(object.insert(last.clone(), self.operand(mutation)?)),
            Operation::Remove => drop(object.remove(last)),
            _ => {
                let member = object.get_mut(last);
                let member = member.ok_or_else(|| self.error(format!("there is no '{last}'")))?;
                self.json_text(mutation, member)?;
            }
        }
        self.changed(object.get(last).cloned() != before)
    }

    /// Changes the case of the letters of `id` and `rawId`, but for the last, some of whose bits have to be zero.
    fn other_case(&self, response: &mut Map<String, Value>) -> Result<(), MutationError> {
        let id = response.get("id").and_then(Value::as_str);
        let mut id = id.ok_or_else(|| self.error("there is no id"))?.to_owned();
        let last = id.pop();
        let swapped: String = id.chars().map(other_case).chain(last).collect();
        response.insert("id".to_owned(), Value::String(swapped.clone()));
        response.insert("rawId".to_owned(), Value::String(swapped));
        Ok(())
    }

    /// Applies an operation on a text: on its bytes if it is base64url, or on its characters where the operand is not `hex:...`.
    fn json_text(&self, mutation: &Mutation, member: &mut Value) -> Result<(), MutationError> {
        let text = member.as_str().map(str::to_owned);
        let text = text.ok_or_else(|| self.error("this operation applies to text only"))?;
        let more = match &mutation.value {
            Some(Value::String(text)) if !text.starts_with("hex:") => Some(self.operand(mutation)?),
            _ => None,
        };
        let more = more.as_ref().and_then(Value::as_str);
        *member = match (mutation.op, more) {
            (Operation::Append | Operation::Prepend | Operation::Reencode, Some(_)) => {
                Value::String(self.text(mutation, &text, more)?)
            }
            _ => {
                let bytes = crate::client::from_base64url(&text);
                let mut bytes = bytes.ok_or_else(|| self.error("is not base64url"))?;
                self.bytes(mutation, &mut bytes)?;
                Value::String(crate::client::base64url(&bytes))
            }
        };
        Ok(())
    }

    /// Fails when the result equals what was there.
    pub(crate) fn changed(&self, changed: bool) -> Result<(), MutationError> {
        if changed {
            Ok(())
        } else {
            Err(self.error("changes nothing"))
        }
    }

    pub(crate) fn number(&self, mutation: &Mutation) -> Result<usize, MutationError> {
        let number = mutation
            .value
            .as_ref()
            .and_then(Value::as_u64)
            .and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| self.error("needs a number"))
    }
}

/// Reads bytes: groups of hexadecimal digits with blanks between them, of which `*N` stands for N in a row.
pub(crate) fn hex(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for group in text.split_ascii_whitespace() {
        let (digits, times) = match group.split_once('*') {
            Some((digits, times)) => (digits, times.parse().ok()?),
            None => (group, 1),
        };
        bytes.extend(group_of(digits)?.repeat(times));
    }
    Some(bytes)
}

fn group_of(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16)
                .ok()
                .filter(|_| pair.len() == 2)
        })
        .collect()
}

/// Tells whether a mutation writes the credential ID in letters of the other case.
fn is_case_of_id(mutation: &Mutation) -> bool {
    let way = mutation.value.as_ref().and_then(Value::as_str);
    mutation.at.path == ["id"] && way == Some("other-case")
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn bytes_are_written_in_groups_that_may_be_repeated() {
        assert_eq!(hex("0aFf"), Some(vec![0x0a, 0xff]));
        assert_eq!(hex("01*2 02"), Some(vec![1, 1, 2]));
        assert_eq!(hex("0102*2"), Some(vec![1, 2, 1, 2]));
        assert_eq!(hex(""), Some(Vec::new()));
        assert_eq!(hex("0"), None);
        assert_eq!(hex("01*x"), None);
    }
}
