//! Native, then one change: a response that a real browser made is changed in one thing and signed again with the
//! private key that the browser's virtual authenticator exports.
//!
//! The bytes are taken apart into the stages that the software authenticator builds a response of, the mutation is
//! applied at its stage, and what follows is rebuilt by the same code. A signature is made anew exactly where the bytes
//! that it signs are others than the browser's; nothing else differs from what the browser made.

mod parts;
mod statement;

use passkey_model::{Aaguid, Mutation, Operation, Stage, scenario::CeremonyKind};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{
    client::{Observed, base64url},
    client_data,
    data::{self, AuthenticatorData, BE},
    key::Key,
    mutate::{Applier, MutationError, SigningKeys, Values},
    seed::Seed,
    stages,
    statement::BY_CREDENTIAL_KEY,
};
use parts::{Attestation, inner};

/// Why a browser's response was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NativeError {
    /// The response is not what WebAuthn says: the browser's fault, or of whoever carried it.
    #[error("the browser's response cannot be taken apart and put together again: {0}")]
    Unreadable(&'static str),
    /// The change would have to be signed with a key that the browser does not give away: the wrong lane for the row.
    #[error(
        "the '{format}' attestation is signed with a key of the browser's own, so nothing that it signs can be changed: use resign: false, attestation none, or the software authenticator"
    )]
    CannotResign {
        /// The attestation statement format.
        format: String,
    },
    /// The change has to be signed, and no key was given: the caller's fault.
    #[error(
        "the change has to be signed with the credential's private key: read it from the virtual authenticator (WebDriver Get Credentials)"
    )]
    NeedsKey,
    /// The mutation cannot be applied: the scenario author's fault.
    #[error(transparent)]
    Mutation(#[from] MutationError),
}

/// Changes a registration response (`RegistrationResponseJSON`, WebAuthn L3, 5.1.8) that a browser made.
///
/// `key` is the credential's private key; it is needed where a packed self attestation has to be signed anew.
///
/// # Errors
/// When the response cannot be taken apart, the mutation cannot be applied or changes nothing, a key is missing, or the
/// attestation key would have to sign.
pub fn change_registration(
    made: &Value,
    mutation: &Mutation,
    values: &Values,
    key: Option<&Key>,
) -> Result<Value, NativeError> {
    let change = Applier::new(Some(mutation), values);
    let mut members = parts::client_data(made)?;
    let Attestation { statement, data } = parts::attestation(made)?;
    let browsers = signed_by_browser(&data, &members);
    let (client_data, hash) = stages::client_data(&mut members, &change)?;
    let taken = statement::Taken {
        statement,
        message: browsers,
    };
    let state = |signed: &AuthenticatorData| taken.over((&signed.encode(), &hash), key, &change);
    let built = stages::registration(data, state, &change)?;
    let mut response = parts::object(made)?.clone();
    let posted = inner(&mut response)?;
    posted.insert("clientDataJSON".to_owned(), text(&client_data));
    posted.insert(
        "attestationObject".to_owned(),
        text(&built.attestation_object),
    );
    follow(posted, "authenticatorData", text(&built.authenticator_data));
    if !built.same_key {
        follow(posted, "publicKey", Value::Null);
    }
    if let Some(id) = &built.credential_id {
        follow(&mut response, "id", text(id));
        follow(&mut response, "rawId", text(id));
    }
    finish(made, response, &change)
}

/// Changes an authentication response (`AuthenticationResponseJSON`, WebAuthn L3, 5.1.8) that a browser made.
///
/// `key` is the credential's private key; it is needed where the assertion has to be signed anew, and for every mutation
/// at `signature`.
///
/// # Errors
/// When the response cannot be taken apart, the mutation cannot be applied or changes nothing, or the key is missing.
pub fn change_authentication(
    made: &Value,
    mutation: &Mutation,
    values: &Values,
    key: Option<&Key>,
) -> Result<Value, NativeError> {
    let change = Applier::new(Some(mutation), values);
    let mut members = parts::client_data(made)?;
    let honest = parts::authenticator_data(made)?;
    let mut signature = parts::bytes(made, "signature")?;
    let browsers = signed_by_browser(&honest, &members);
    let (client_data, hash) = stages::client_data(&mut members, &change)?;
    let (signed, sent) = data::changed(honest, &change)?;
    let message = change.to_be_signed(&signed.encode(), &hash)?;
    if message != browsers {
        signature = key.ok_or(NativeError::NeedsKey)?.sign(&message);
    }
    if let Some(mutation) = change.at(Stage::Signature) {
        let key = key.ok_or(NativeError::NeedsKey)?;
        let other = other_key(key);
        let keys = SigningKeys {
            own: key,
            other: other.as_ref(),
            other_credential: None,
        };
        change.signature(mutation, &mut signature, &message, keys)?;
    }
    let mut response = parts::object(made)?.clone();
    let posted = inner(&mut response)?;
    posted.insert("clientDataJSON".to_owned(), text(&client_data));
    posted.insert("authenticatorData".to_owned(), text(&sent.encode()));
    posted.insert("signature".to_owned(), text(&signature));
    finish(made, response, &change)
}

/// Returns what a registration response says of its authenticator.
///
/// # Errors
/// When the response cannot be taken apart, or has no attested credential data.
pub fn observed(made: &Value) -> Result<Observed, NativeError> {
    let Attestation { statement, data } = parts::attestation(made)?;
    let attested = data
        .attested
        .ok_or(NativeError::Unreadable("has no attested credential data"))?;
    let aaguid: [u8; 16] = attested
        .aaguid
        .try_into()
        .map_err(|_| NativeError::Unreadable("the AAGUID is not of 16 bytes"))?;
    Ok(Observed {
        aaguid: Aaguid::from(aaguid),
        format: statement.format,
        backup_eligible: data.flags & BE != 0,
        credential_id: attested.credential_id,
    })
}

/// Tells whether a browser's response can be given this change, as far as it hangs on keys and certificates.
///
/// `batch_attested`: the response has a statement with the certificate of a virtual authenticator, one that nobody else
/// can issue or sign with; otherwise its attestation is none or packed self attestation, which are not told apart here:
/// with none, a mutation of what only a statement has is an error when it is made. Whether the mutation fits its stage (a
/// member that is there, an operand) is not looked at either.
#[must_use]
pub fn can_change(mutation: &Mutation, ceremony: CeremonyKind, batch_attested: bool) -> bool {
    let stage = mutation.at.stage;
    if ceremony == CeremonyKind::Authentication {
        let of_another = operand_text(mutation) == Some("$BY_OTHER_CREDENTIAL");
        return !of_another
            && !matches!(
                stage,
                Stage::CoseKey
                    | Stage::Certificates
                    | Stage::AttestationStatement
                    | Stage::AttestationObject
            );
    }
    match stage {
        Stage::Signature => false,
        Stage::Certificates => batch_attested && is_of_lone_certificate(mutation),
        Stage::ClientDataHash | Stage::ToBeSigned => !batch_attested,
        Stage::ClientData
        | Stage::CoseKey
        | Stage::AttestedCredentialData
        | Stage::AuthenticatorData => !(batch_attested && mutation.resign),
        // A self attestation is signed by the credential's key anyway.
        Stage::AttestationStatement => {
            batch_attested || operand_text(mutation) != Some(BY_CREDENTIAL_KEY)
        }
        Stage::AttestationObject | Stage::Response => true,
    }
}

/// Virtual authenticators send one certificate: it has no order and nothing above it, and its root is nobody's to add.
/// What it says, its issuer would have to sign.
fn is_of_lone_certificate(mutation: &Mutation) -> bool {
    let known = !operand_text(mutation).is_some_and(|value| value.ends_with("ROOT"));
    match mutation.op {
        Operation::Append | Operation::Prepend | Operation::Remove => {
            mutation.at.path == ["chain"] && known
        }
        _ => false,
    }
}

fn operand_text(mutation: &Mutation) -> Option<&str> {
    mutation.value.as_ref().and_then(Value::as_str)
}

/// Returns what the browser's authenticator signed (WebAuthn L3, 6.3.3 step 11, and 8.2).
fn signed_by_browser(data: &AuthenticatorData, members: &client_data::Members) -> Vec<u8> {
    let hash = Sha256::digest(client_data::encode(members));
    [data.encode(), hash.to_vec()].concat()
}

/// A key of the same algorithm that has nothing to do with the credential.
fn other_key(key: &Key) -> Option<Key> {
    Key::new(key.algorithm(), &Seed::new(0, "other key"))
}

fn text(bytes: &[u8]) -> Value {
    json!(base64url(bytes))
}

/// Sets a member that repeats what another one says, where the browser wrote it.
fn follow(object: &mut Map<String, Value>, name: &str, value: Value) {
    if let Some(member) = object.get_mut(name) {
        *member = value;
    }
}

fn finish(
    made: &Value,
    response: Map<String, Value>,
    change: &Applier<'_>,
) -> Result<Value, NativeError> {
    let response = stages::response(response, change)?;
    change.changed(response != *made)?;
    Ok(response)
}
