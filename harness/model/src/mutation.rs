//! One named change to a known-good exchange, as data.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Describes one change to a response that is valid in everything else.
///
/// With `resign: true` the change is made before the bytes it belongs to are hashed or signed, so that every later stage
/// agrees with it: the authenticator (or the client) lied. With `resign: false` it is made afterwards: tampering on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mutation {
    /// Where: a stage, and the path inside it, as in `client-data/origin` or `authenticator-data/flags`.
    pub at: MutationPath,
    /// What is done there.
    pub op: Operation,
    /// The operand: JSON as written, bytes as `hex:...`, `$NAME` for a value of the exchange, or a number of bytes or bits.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    pub value: Option<Value>,
    /// Whether everything after the change is made anew, with valid hashes and signatures.
    #[serde(default)]
    pub resign: bool,
}

/// Reads `value: null` as the operand null, not as none.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Names what a [`Mutation`] does at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Replaces the value, or adds it where there is none.
    Set,
    /// Removes the member, or the whole value.
    Remove,
    /// Adds a second member of the same name behind the first.
    Duplicate,
    /// Adds bytes (or, on a list, an element) at the end.
    Append,
    /// Adds bytes (or, on a list, an element) at the beginning.
    Prepend,
    /// Takes that many bytes (or elements) off the end.
    Truncate,
    /// Inverts one bit, counted from the most significant bit of the first byte.
    FlipBit,
    /// Sets the named authenticator data flags: up, uv, be, bs, at, ed, rfu1, rfu2.
    SetFlags,
    /// Clears the named authenticator data flags.
    ClearFlags,
    /// Exchanges the first two elements of a list.
    Swap,
    /// Encodes the same value in another way: `value` names it.
    Reencode,
}

/// One stage through which a response is built, in the order of building.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The members of the client data, and (with an empty path) its JSON bytes.
    ClientData,
    /// SHA-256 of the client data as the authenticator is given it.
    ClientDataHash,
    /// The COSE key: a label below it, or (with an empty path) its bytes.
    CoseKey,
    /// The attested credential data: `aaguid`, `credential-id-length`, `credential-id`.
    AttestedCredentialData,
    /// The authenticator data: `rp-id-hash`, `flags`, `sign-count`, `extensions`, or its bytes.
    AuthenticatorData,
    /// The bytes that are signed: authenticator data and client data hash.
    ToBeSigned,
    /// The signature of an assertion.
    Signature,
    /// The attestation certificates: `chain` (the list), or what the leaf says: `leaf/subject`, `leaf/version`, ...
    Certificates,
    /// The attestation statement: `alg`, `sig`, `x5c`, ...
    AttestationStatement,
    /// The attestation object: `fmt`, `attStmt`, `authData`, or its bytes.
    AttestationObject,
    /// The JSON that is posted: a path through its members.
    Response,
}

impl Stage {
    /// Every stage with its name, in the order of building.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::ClientData, "client-data"),
        (Self::ClientDataHash, "client-data-hash"),
        (Self::CoseKey, "cose-key"),
        (Self::AttestedCredentialData, "attested-credential-data"),
        (Self::AuthenticatorData, "authenticator-data"),
        (Self::ToBeSigned, "to-be-signed"),
        (Self::Signature, "signature"),
        (Self::Certificates, "certificates"),
        (Self::AttestationStatement, "attestation-statement"),
        (Self::AttestationObject, "attestation-object"),
        (Self::Response, "response"),
    ];

    /// Returns the name that scenarios use.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// A stage and the path inside it; an empty path means the whole stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct MutationPath {
    /// The stage.
    pub stage: Stage,
    /// The path below it, one item a member.
    pub path: Vec<String>,
}

/// Says why a text is not a mutation path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{found}' is not a stage of a response; did you mean '{nearest}'?")]
pub struct ParseMutationPathError {
    /// What stands where the stage should.
    pub found: String,
    /// The stage whose name is nearest.
    pub nearest: &'static str,
}

impl FromStr for MutationPath {
    type Err = ParseMutationPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('/');
        let name = parts.next().unwrap_or_default();
        let stage = Stage::ALL.iter().find(|(_, known)| *known == name);
        let Some((stage, _)) = stage else {
            let nearest = crate::suggest::nearest(name, Stage::ALL.iter().map(|(_, known)| *known))
                .unwrap_or("response");
            return Err(ParseMutationPathError {
                found: name.to_owned(),
                nearest,
            });
        };
        Ok(Self {
            stage: *stage,
            path: parts.map(str::to_owned).collect(),
        })
    }
}

impl TryFrom<String> for MutationPath {
    type Error = ParseMutationPathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MutationPath> for String {
    fn from(path: MutationPath) -> Self {
        path.to_string()
    }
}

impl fmt::Display for MutationPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.stage.name())?;
        self.path.iter().try_for_each(|part| write!(f, "/{part}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_an_operand_and_nothing_is_none() -> Result<(), serde_json::Error> {
        let read = |text: &str| serde_json::from_str::<Mutation>(text);
        let null = read(r#"{ "at": "response/id", "op": "set", "value": null }"#)?;
        assert_eq!(null.value, Some(Value::Null));
        assert_eq!(read(&serde_json::to_string(&null)?)?, null);
        let none = read(r#"{ "at": "response/id", "op": "remove" }"#)?;
        assert_eq!(none.value, None);
        Ok(())
    }
}
