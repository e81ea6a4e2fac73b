//! What a relying party's options ask for (WebAuthn L3, 5.4 and 5.5), read from their JSON.

use passkey_model::{
    Aaguid,
    provider::{Algorithm, AttestationKind, Engine, Transport},
};
use serde_json::Value;

use crate::{
    client::{ClientError, from_base64url},
    software::{MakeRequest, SoftwareAuthenticator},
};

/// What is asked of an authenticator when a passkey is used.
pub(crate) struct AssertRequest {
    pub rp_id: String,
    pub allowed: Vec<Vec<u8>>,
    pub uv: bool,
    pub client_data_hash: Vec<u8>,
}

/// Reads what creation options ask of an authenticator, without the hash of the client data.
pub(crate) fn creation<'a>(
    authenticator: &SoftwareAuthenticator,
    options: &Value,
    rp_id: &'a str,
) -> Result<MakeRequest<'a>, ClientError> {
    let excluded = ids(options.get("excludeCredentials"))?;
    if authenticator.keeps_one_of(rp_id, &excluded) {
        return Err(ClientError::Refused("InvalidStateError"));
    }
    let verification = text(options, "/authenticatorSelection/userVerification");
    let uv = user_verified(authenticator, verification)?;
    let model = &authenticator.model;
    let conveyed = text(options, "/attestation").unwrap_or("none") != "none";
    let roaming = !model.transports.contains(&Transport::Internal);
    // What self attestation of a model without a name tells is nothing that would have to be hidden (5.1.3).
    let tells_nothing =
        model.attestation == AttestationKind::PackedSelf && model.aaguid == Aaguid::ZERO;
    Ok(MakeRequest {
        rp_id,
        user_handle: bytes(options.pointer("/user/id"), "user.id")?,
        algorithm: algorithm(authenticator, options)?,
        attestation: if conveyed || tells_nothing {
            model.attestation
        } else {
            AttestationKind::None
        },
        hide_aaguid: !conveyed && roaming,
        uv,
        up: true,
        client_data_hash: Vec::new(),
        protection: protection(options)?,
        // What the model stands for keeps every passkey discoverable; through CTAP it is the client that asks for it.
        discoverable: model.engine != Engine::Ctap || wants_discoverable(options),
    })
}

/// Reads what request options ask of an authenticator, without the hash of the client data.
pub(crate) fn request(
    authenticator: &SoftwareAuthenticator,
    options: &Value,
    rp_id: String,
) -> Result<AssertRequest, ClientError> {
    Ok(AssertRequest {
        rp_id,
        allowed: ids(options.get("allowCredentials"))?,
        uv: user_verified(authenticator, text(options, "/userVerification"))?,
        client_data_hash: Vec::new(),
    })
}

pub(crate) fn wrong(message: &str) -> ClientError {
    ClientError::Options(message.to_owned())
}

pub(crate) fn text<'a>(options: &'a Value, pointer: &str) -> Option<&'a str> {
    options.pointer(pointer).and_then(Value::as_str)
}

fn user_verified(
    authenticator: &SoftwareAuthenticator,
    requirement: Option<&str>,
) -> Result<bool, ClientError> {
    let verified = authenticator.user_verified(requirement.unwrap_or("preferred"));
    verified.ok_or(ClientError::Refused("NotAllowedError"))
}

pub(crate) fn bytes(value: Option<&Value>, name: &str) -> Result<Vec<u8>, ClientError> {
    let decoded = value.and_then(Value::as_str).and_then(from_base64url);
    decoded.ok_or_else(|| wrong(&format!("{name} is not base64url")))
}

/// Reads the IDs of a list of credential descriptors.
pub(crate) fn ids(descriptors: Option<&Value>) -> Result<Vec<Vec<u8>>, ClientError> {
    let descriptors = descriptors
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    descriptors
        .iter()
        .map(|descriptor| bytes(descriptor.get("id"), "a credential descriptor's id"))
        .collect()
}

/// Reads `residentKey`, and `requireResidentKey` where that is all there is (WebAuthn L3, 5.4.4).
pub(crate) fn wants_discoverable(options: &Value) -> bool {
    let required = options.pointer("/authenticatorSelection/requireResidentKey");
    match text(options, "/authenticatorSelection/residentKey") {
        Some(requirement) => requirement != "discouraged",
        None => required.and_then(Value::as_bool).unwrap_or_default(),
    }
}

/// Reads the credProtect level that is asked for (CTAP 2.1, 12.1).
pub(crate) fn protection(options: &Value) -> Result<Option<u8>, ClientError> {
    match text(options, "/extensions/credentialProtectionPolicy") {
        None => Ok(None),
        Some("userVerificationOptional") => Ok(Some(1)),
        Some("userVerificationOptionalWithCredentialIDList") => Ok(Some(2)),
        Some("userVerificationRequired") => Ok(Some(3)),
        Some(_) => Err(wrong("credentialProtectionPolicy is not one of the three")),
    }
}

/// Reads the COSE identifiers of the algorithms that the relying party takes, in its order.
pub(crate) fn offered(options: &Value) -> Result<Vec<i64>, ClientError> {
    let offered = options.get("pubKeyCredParams").and_then(Value::as_array);
    let offered = offered.ok_or_else(|| wrong("pubKeyCredParams is missing"))?;
    let id = |parameter: &Value| parameter.get("alg").and_then(Value::as_i64);
    Ok(offered.iter().filter_map(id).collect())
}

fn algorithm(
    authenticator: &SoftwareAuthenticator,
    options: &Value,
) -> Result<Algorithm, ClientError> {
    let known = &authenticator.model.algorithms;
    let offered = offered(options)?.into_iter();
    offered
        .filter_map(|id| known.iter().find(|algorithm| algorithm.cose() == id))
        .next()
        .copied()
        .ok_or(ClientError::Refused("NotSupportedError"))
}
