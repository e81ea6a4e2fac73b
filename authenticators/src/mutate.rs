//! Applies a mutation at the stage that it names, and notices when it changed nothing.

use std::cell::Cell;

use passkey_model::{Mutation, Operation, Stage};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

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
            _ => return Err(self.error("this operation does not apply to JSON")),
        }
        self.changed(object.get(last).cloned() != before)
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

fn hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16)
                .ok()
                .filter(|_| pair.len() == 2)
        })
        .collect()
}
