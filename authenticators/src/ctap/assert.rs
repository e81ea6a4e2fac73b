//! authenticatorGetAssertion and authenticatorGetNextAssertion (CTAP 2.1, 6.2 and 6.3), whoever verifies the user.

use super::{Status, labelled, public_key, request::GetAssertion, user_entity};
use crate::{
    cbor::Cbor,
    mutate::{Applier, Values},
    software::{Credential, SoftwareAuthenticator, UserNames},
};

/// The assertions that getNextAssertion goes on with (CTAP 2.1, 6.3).
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    /// The credential IDs, the next one last.
    ids: Vec<Vec<u8>>,
    client_data_hash: Vec<u8>,
    up: bool,
    uv: bool,
    /// Whether the user is to choose, and so has to be told names.
    several: bool,
}

/// Makes the first assertion, in the order of CTAP 2.1, 6.2.2; `verify` says whether the user was verified.
pub(super) fn get_assertion(
    authenticator: &mut SoftwareAuthenticator,
    request: GetAssertion,
    verify: impl FnOnce(&SoftwareAuthenticator, &GetAssertion) -> Result<bool, Status>,
) -> Result<(Cbor, Option<Remembered>), Status> {
    if request.options.rk.is_some() {
        return Err(Status::UnsupportedOption);
    }
    let uv = verify(authenticator, &request)?;
    let listed = !request.allowed.is_empty();
    let mut ids: Vec<Vec<u8>> = authenticator
        .credentials(&request.rp_id)
        .filter(|credential| {
            if listed {
                request.allowed.contains(&credential.id)
            } else {
                credential.discoverable
            }
        })
        .filter(|credential| credential.is_shown(uv, listed))
        .map(|credential| credential.id.clone())
        .collect();
    if listed {
        // One of the listed is as good as another: the newest.
        ids.drain(..ids.len().saturating_sub(1));
    }
    let number = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    let all = Remembered {
        ids,
        client_data_hash: request.client_data_hash,
        up: request.options.up.unwrap_or(true),
        uv,
        several: number > 1,
    };
    let (mut answer, remembered) = next_assertion(authenticator, all)?;
    if let (Cbor::Map(members), true) = (&mut answer, number > 1) {
        members.push((Cbor::Int(5), Cbor::Int(number)));
    }
    Ok((answer, remembered))
}

/// Signs the next assertion (CTAP 2.1, 6.2.2 step 11 and 6.3); returns those after it, too.
pub(super) fn next_assertion(
    authenticator: &mut SoftwareAuthenticator,
    mut remembered: Remembered,
) -> Result<(Cbor, Option<Remembered>), Status> {
    let id = remembered.ids.pop().ok_or(Status::NoCredentials)?;
    let asserted = authenticator.assert(
        &id,
        (remembered.up, remembered.uv),
        &remembered.client_data_hash,
        &Applier::new(None, &Values::new()),
    );
    let asserted = asserted.map_err(|_| Status::Other)?;
    let kept = authenticator.credentials.iter();
    let discoverable = kept
        .filter(|credential| credential.discoverable)
        .find(|credential| credential.id == id);
    let user = |credential: &Credential| {
        // Names are for those who were verified and have to choose (CTAP 2.1, 6.2.2: `user`).
        let named = remembered.uv && remembered.several;
        let names = named.then_some(&credential.user_names);
        let names = names.cloned().unwrap_or(UserNames::default());
        (4, user_entity(&credential.user_handle, &names))
    };
    let members = [
        (1, public_key(&asserted.credential_id)),
        (2, Cbor::Bytes(asserted.authenticator_data)),
        (3, Cbor::Bytes(asserted.signature)),
    ];
    let answer = labelled(members.into_iter().chain(discoverable.map(user)));
    let rest = (!remembered.ids.is_empty()).then_some(remembered);
    Ok((answer, rest))
}
