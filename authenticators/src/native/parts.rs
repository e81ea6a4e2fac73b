//! Takes a browser's response apart into the stages that it would have been built of.
//!
//! What does not come out byte for byte when it is put together again is refused, so that a change is the only difference.

use serde_json::{Map, Value};

use super::NativeError;
use crate::{
    cbor::Cbor,
    client::from_base64url,
    client_data::{self, Members},
    data::AuthenticatorData,
    statement::Statement,
};

/// An attestation object in its parts.
pub(super) struct Attestation {
    pub statement: Statement,
    pub data: AuthenticatorData,
}

/// Returns the response as the object that it is.
pub(super) fn object(made: &Value) -> Result<&Map<String, Value>, NativeError> {
    made.as_object()
        .ok_or(NativeError::Unreadable("is not an object"))
}

/// Returns its member `response`.
pub(super) fn inner(
    object: &mut Map<String, Value>,
) -> Result<&mut Map<String, Value>, NativeError> {
    let inner = object.get_mut("response").and_then(Value::as_object_mut);
    inner.ok_or(NativeError::Unreadable("has no member 'response'"))
}

/// Returns the bytes of a member of `response`.
pub(super) fn bytes(made: &Value, member: &'static str) -> Result<Vec<u8>, NativeError> {
    let text = made["response"][member].as_str();
    text.and_then(from_base64url)
        .ok_or(NativeError::Unreadable(member))
}

/// Returns the members of the client data (WebAuthn L3, 5.8.1).
pub(super) fn client_data(made: &Value) -> Result<Members, NativeError> {
    const UNREADABLE: NativeError =
        NativeError::Unreadable("clientDataJSON is not written as WebAuthn L3, 5.8.1.1 says");
    let bytes = bytes(made, "clientDataJSON")?;
    let members: Map<String, Value> = serde_json::from_slice(&bytes).map_err(|_| UNREADABLE)?;
    let members: Members = members.into_iter().collect();
    if client_data::encode(&members) != bytes {
        return Err(UNREADABLE);
    }
    Ok(members)
}

/// Returns the authenticator data of an assertion (WebAuthn L3, 6.1).
pub(super) fn authenticator_data(made: &Value) -> Result<AuthenticatorData, NativeError> {
    let data = AuthenticatorData::decode(&bytes(made, "authenticatorData")?);
    data.ok_or(NativeError::Unreadable(
        "authenticatorData is not written as WebAuthn L3, 6.1 says",
    ))
}

/// Returns the parts of the attestation object (WebAuthn L3, 6.5.4).
pub(super) fn attestation(made: &Value) -> Result<Attestation, NativeError> {
    let bytes = bytes(made, "attestationObject")?;
    parse(&bytes).ok_or(NativeError::Unreadable(
        "attestationObject is not of fmt, attStmt and authData alone, in canonical CBOR",
    ))
}

fn parse(bytes: &[u8]) -> Option<Attestation> {
    let object = Cbor::decode_canonical(bytes)?;
    let Cbor::Map(entries) = &object else {
        return None;
    };
    let data = AuthenticatorData::decode(object.get("authData")?.as_bytes()?)?;
    let statement = Statement {
        format: object.get("fmt")?.as_text()?.to_owned(),
        members: object.get("attStmt")?.clone(),
    };
    (entries.len() == 3).then_some(Attestation { statement, data })
}
