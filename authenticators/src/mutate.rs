//! Applies a mutation at the stage that it names, and notices when it changed nothing.
//!
//! Operands are JSON as written; `hex:...` is bytes, `sha256:TEXT` a hash, `$NAME` a value of the exchange (base64url where bytes are wanted).
//! *Bytes* below are: set, remove (empties), append, prepend, truncate (a number of bytes), flip-bit (a bit, else the first).
//! *CBOR* is: set, remove, duplicate on a member; bytes on a byte string or on an encoding; reencode `indefinite-length`, `non-minimal`, `reversed`.
//!
//! | stage | path | operations | with `resign: true` |
//! |---|---|---|---|
//! | `client-data` | none | bytes; reencode `bom`, `reversed`, `whitespace`, `escaped` | is hashed as sent |
//! | | a member | set, remove, duplicate, append, prepend | is hashed as sent |
//! | `client-data-hash` | none | bytes | no difference |
//! | `cose-key` | none, or a label: `3`, `-1` | CBOR; reencode also `compressed`, `off-curve` | is signed; `publicKey` of the response becomes null |
//! | `attested-credential-data` | none | bytes; remove clears AT too; set in an assertion sets AT too | is signed |
//! | | `aaguid`, `credential-id` | bytes | is signed; `id` and `rawId` follow |
//! | | `credential-id-length` | set (a number); nothing else follows | is signed |
//! | `authenticator-data` | none, `rp-id-hash` | bytes | is signed |
//! | | `flags` | set-flags, clear-flags: names with commas | is signed |
//! | | `sign-count` | set (a number) | is signed |
//! | | `attested-credential-data` | remove; AT stays | is signed |
//! | | `extensions`, and members below | CBOR; set also sets ED | is signed |
//! | `to-be-signed` | none | bytes | no difference |
//! | | `authenticator-data`, `client-data-hash` | remove | no difference |
//! | `signature` | none | bytes; set `$BY_OTHER_KEY`; reencode `p1363`, `high-s`, `zero-rs`, `r-eq-n`, `ber` | no difference |
//! | `certificates` | `chain` | swap (reverses), append, prepend (`hex:...`, `$ROOT`, `$SELF_SIGNED_ROOT`), truncate, remove | no difference |
//! | | `leaf/version` | set 1, 2, 3 | |
//! | | `leaf/subject/c`, `o`, `ou`, `cn` | set, remove | |
//! | | `leaf/basic-constraints-ca`, `leaf/aaguid-extension-critical`, `leaf/unknown-critical-extension` | set true or false | |
//! | | `leaf/aaguid-extension` | set (wrapped for you), remove | |
//! | | `leaf/aaguid-extension-raw` | set what the extension holds | |
//! | | `leaf/not-before`, `leaf/not-after` | set seconds of the Unix epoch | |
//! | | `leaf/issuer-key` | set true: another CA's key signs | |
//! | `attestation-statement` | none, a member, `x5c/0` | CBOR; `sig` set `$BY_CREDENTIAL_KEY`, `$BY_OTHER_KEY` | no difference |
//! | `attestation-object` | none, `fmt`, `attStmt`, `authData` | CBOR | `authenticatorData` of the response follows |
//! | `response` | a member, `response/signature` | set, remove; append and prepend of text; bytes of base64url | no difference |

use std::cell::Cell;

use passkey_model::{Mutation, Operation, Stage};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::key::Key;

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
        match value.as_str().and_then(|text| text.strip_prefix('$')) {
            None => Ok(value),
            Some(name) => self
                .values
                .get(name)
                .cloned()
                .ok_or_else(|| self.error(format!("${name} is not known here"))),
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

    /// Applies an operation on a signature over a message, by the credential's key or another one.
    pub(crate) fn signature(
        &self,
        mutation: &Mutation,
        signature: &mut Vec<u8>,
        message: &[u8],
        (own, other): (&Key, Option<&Key>),
    ) -> Result<(), MutationError> {
        if !mutation.at.path.is_empty() {
            return Err(self.error("a signature has no members"));
        }
        let text = mutation.value.as_ref().and_then(Value::as_str);
        match (mutation.op, text) {
            (Operation::Reencode, way) => {
                let way = way.unwrap_or_default();
                *signature = crate::signature::reencode(signature, own.algorithm(), way)
                    .map_err(|message| self.error(message))?;
                Ok(())
            }
            (Operation::Set, Some("$BY_OTHER_KEY")) => {
                let other = other.ok_or_else(|| self.error("no other key"))?;
                *signature = other.sign(message);
                Ok(())
            }
            _ => self.bytes(mutation, signature),
        }
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

    /// Applies an operation on a text: on its bytes if it is base64url, or by adding text that is not `hex:...`.
    fn json_text(&self, mutation: &Mutation, member: &mut Value) -> Result<(), MutationError> {
        let text = member.as_str().map(str::to_owned);
        let text = text.ok_or_else(|| self.error("this operation applies to text only"))?;
        let more = mutation.value.as_ref().and_then(Value::as_str);
        let more = more.filter(|more| !more.starts_with("hex:"));
        *member = match (mutation.op, more) {
            (Operation::Append, Some(more)) => Value::String(text + more),
            (Operation::Prepend, Some(more)) => Value::String(more.to_owned() + &text),
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

pub(crate) fn hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16)
                .ok()
                .filter(|_| pair.len() == 2)
        })
        .collect()
}
