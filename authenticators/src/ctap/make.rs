//! authenticatorMakeCredential (CTAP 2.1, 6.1), whoever verifies the user.

use super::{Status, labelled, request::MakeCredential};
use crate::{
    cbor::Cbor,
    mutate::{Applier, Values},
    software::{Credential, MakeRequest, SoftwareAuthenticator},
};

/// Makes a credential, in the order of CTAP 2.1, 6.1.2; the newest credential is this one then.
///
/// `verify` says whether the user was verified; `capacity` is how many discoverable credentials there is room for.
pub(super) fn make_credential(
    authenticator: &mut SoftwareAuthenticator,
    request: MakeCredential,
    verify: impl FnOnce(&SoftwareAuthenticator, &MakeCredential) -> Result<bool, Status>,
    capacity: usize,
) -> Result<Cbor, Status> {
    let known = &authenticator.model.algorithms;
    let offered = request.algorithms.iter();
    let algorithm = offered
        .filter_map(|id| known.iter().find(|algorithm| algorithm.cose() == *id))
        .next()
        .copied()
        .ok_or(Status::UnsupportedAlgorithm)?;
    if request.options.up == Some(false) {
        return Err(Status::InvalidOption);
    }
    let uv = verify(authenticator, &request)?;
    let discoverable = request.options.rk.unwrap_or_default();
    let excluded = |credential: &Credential| {
        request.excluded.contains(&credential.id) && (uv || credential.protection < 3)
    };
    if authenticator.credentials(&request.rp_id).any(excluded) {
        return Err(Status::CredentialExcluded);
    }
    if discoverable {
        make_room(authenticator, &request, capacity)?;
    }
    let asked = MakeRequest {
        rp_id: &request.rp_id,
        user_handle: request.user.id,
        algorithm,
        attestation: authenticator.model.attestation,
        hide_aaguid: false,
        uv,
        up: true,
        client_data_hash: request.client_data_hash,
        protection: request.protection,
        discoverable,
    };
    let made = authenticator.make(&asked, &Applier::new(None, &Values::new()));
    let made = made.map_err(|_| Status::Other)?;
    Ok(labelled([
        (1, Cbor::Text(made.format)),
        (2, Cbor::Bytes(made.authenticator_data)),
        (3, made.statement),
    ]))
}

/// Removes the discoverable credential of the same account, which the new one takes the place of.
fn make_room(
    authenticator: &mut SoftwareAuthenticator,
    request: &MakeCredential,
    capacity: usize,
) -> Result<(), Status> {
    let stays = |credential: &Credential| {
        !(credential.discoverable
            && credential.rp_id == request.rp_id
            && credential.user_handle == request.user.id)
    };
    let kept = authenticator.credentials.iter();
    let others = kept.filter(|credential| credential.discoverable && stays(credential));
    if others.count() >= capacity {
        return Err(Status::KeyStoreFull);
    }
    authenticator.credentials.retain(stays);
    Ok(())
}
