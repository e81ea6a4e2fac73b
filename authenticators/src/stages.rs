//! The stages that are the same whoever makes a response: our own authenticator, or a browser's ([`crate::native`]).

use passkey_model::Stage;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{
    client_data::{self, Members},
    data::{AuthenticatorData, changed},
    mutate::{Applier, MutationError},
    statement::{Statement, attestation_object},
};

/// A registration after its last stage but the response's.
pub(crate) struct Registration {
    pub attestation_object: Vec<u8>,
    pub statement: Statement,
    /// The flags that are sent.
    pub flags: u8,
    /// The authenticator data that the client reads.
    pub authenticator_data: Vec<u8>,
    /// The credential ID that the client reads, if it reads one.
    pub credential_id: Option<Vec<u8>>,
    /// Whether the client reads the key that the credential has.
    pub same_key: bool,
}

/// Returns the client data JSON (WebAuthn L3, 5.8.1.1) and the hash that the authenticator is given.
pub(crate) fn client_data(
    members: &mut Members,
    change: &Applier<'_>,
) -> Result<(Vec<u8>, Vec<u8>), MutationError> {
    let honest = client_data::encode(members);
    let (sent, hashed) = match change.at(Stage::ClientData) {
        None => (honest.clone(), honest),
        Some(mutation) => {
            let sent = client_data::changed(members, mutation, change)?;
            (sent.clone(), if mutation.resign { sent } else { honest })
        }
    };
    let mut hash = Sha256::digest(&hashed).to_vec();
    if let Some(mutation) = change.at(Stage::ClientDataHash) {
        change.bytes(mutation, &mut hash)?;
    }
    Ok((sent, hash))
}

/// Builds a registration on honest authenticator data; `state` makes the statement over the data that is signed.
pub(crate) fn registration<E: From<MutationError>>(
    honest: AuthenticatorData,
    state: impl FnOnce(&AuthenticatorData) -> Result<Statement, E>,
    change: &Applier<'_>,
) -> Result<Registration, E> {
    let own = honest
        .attested
        .as_ref()
        .map(|attested| attested.cose_key.clone());
    let (signed, sent) = changed(honest, change)?;
    let statement = state(&signed)?;
    let (attestation_object, sent_data) = attestation_object(&statement, sent.encode(), change)?;
    // What the authenticator lied about, the client repeats; what was changed on the way, it had read before.
    let (seen, authenticator_data) = if change.resign() {
        (&sent, sent_data)
    } else {
        (&signed, signed.encode())
    };
    let attested = seen.attested.as_ref();
    let same_key = attested.is_some_and(|attested| Some(&attested.cose_key) == own.as_ref());
    Ok(Registration {
        attestation_object,
        statement,
        flags: sent.flags,
        authenticator_data,
        credential_id: attested.map(|attested| attested.credential_id.clone()),
        same_key,
    })
}

/// Applies a mutation of the response, and fails when the mutation was of no stage that there was.
pub(crate) fn response(
    mut response: Map<String, Value>,
    change: &Applier<'_>,
) -> Result<Value, MutationError> {
    let mut other = None;
    match change.at(Stage::Response) {
        Some(mutation) if mutation.at.path.is_empty() => other = Some(change.operand(mutation)?),
        Some(mutation) => change.json(mutation, &mut response)?,
        None => (),
    }
    change.finish()?;
    Ok(other.unwrap_or(Value::Object(response)))
}
