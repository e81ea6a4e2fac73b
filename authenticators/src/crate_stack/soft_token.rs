//! The crate's SoftToken: somebody else's code, with its own CA, as one more authenticator.
//!
//! It is random: no seed reaches it. It makes ES256 keys only, sets neither BE nor BS, and its certificates come from a CA
//! of its own that lives for a month. It keeps no discoverable credentials. The client layer here keeps what makes them
//! so (credential ID, RP ID, user handle), and never asks the token for a resident key: signing in without a user name
//! works as with a provider that stores its keys elsewhere, and `credProps.rk` is true.

use std::fmt;

use webauthn_authenticator_rs::{
    AuthenticatorBackendHashedClientData as _, error::WebauthnCError, softtoken::SoftToken,
};
use webauthn_rs_proto::PublicKeyCredentialCreationOptions;

use super::{TIMEOUT_MS, asking, refused};
use crate::{
    client::ClientError,
    options::AssertRequest,
    software::{Asserted, SoftwareAuthenticator},
};

/// A SoftToken at rest, with the passkeys that the client layer knows of.
#[derive(Clone)]
pub(crate) struct SoftTokenState {
    /// The token's own serialisation; it can be neither cloned nor printed.
    token: Vec<u8>,
    passkeys: Vec<Passkey>,
}

/// What the client layer keeps of a passkey.
#[derive(Clone, Debug)]
pub(crate) struct Passkey {
    id: Vec<u8>,
    rp_id: String,
    user_handle: Vec<u8>,
}

impl fmt::Debug for SoftTokenState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut state = f.debug_struct("SoftTokenState");
        state
            .field("passkeys", &self.passkeys)
            .finish_non_exhaustive()
    }
}

impl SoftTokenState {
    fn new() -> Result<Self, WebauthnCError> {
        // The flag makes it set UV without verifying anybody.
        let (token, _) = SoftToken::new(true)?;
        Ok(Self {
            token: token.to_cbor()?,
            passkeys: Vec::new(),
        })
    }

    /// Returns the newest passkey of a relying party that is one of these.
    pub(crate) fn passkey(&self, rp_id: &str, ids: &[Vec<u8>]) -> Option<&Passkey> {
        let mut newest_first = self.passkeys.iter().rev();
        newest_first.find(|passkey| passkey.rp_id == rp_id && ids.contains(&passkey.id))
    }

    fn awake<T>(
        &mut self,
        work: impl FnOnce(&mut SoftToken) -> Result<T, WebauthnCError>,
    ) -> Result<T, ClientError> {
        let done = SoftToken::from_cbor(&self.token).and_then(|mut token| {
            let result = work(&mut token)?;
            self.token = token.to_cbor()?;
            Ok(result)
        });
        done.map_err(refused)
    }
}

/// Registers, and returns the attestation object.
pub(super) fn register(
    authenticator: &mut SoftwareAuthenticator,
    hash: Vec<u8>,
    options: PublicKeyCredentialCreationOptions,
) -> Result<Vec<u8>, ClientError> {
    let state = match &mut authenticator.soft_token {
        Some(state) => state,
        empty => empty.insert(SoftTokenState::new().map_err(refused)?),
    };
    let (rp_id, user_handle) = (options.rp.id.clone(), options.user.id.clone());
    let made = state.awake(|token| token.perform_register(hash, options, TIMEOUT_MS))?;
    state.passkeys.push(Passkey {
        id: made.raw_id,
        rp_id,
        user_handle,
    });
    Ok(made.response.attestation_object)
}

/// Signs with one of the allowed passkeys, or with the newest one when any is allowed.
pub(super) fn sign_in(
    authenticator: &mut SoftwareAuthenticator,
    hash: Vec<u8>,
    request: &AssertRequest,
) -> Result<Asserted, ClientError> {
    let none = ClientError::Refused("NotAllowedError");
    let state = authenticator.soft_token.as_mut().ok_or(none.clone())?;
    let allowed = if request.allowed.is_empty() {
        state
            .passkeys
            .iter()
            .map(|passkey| passkey.id.clone())
            .collect()
    } else {
        request.allowed.clone()
    };
    let passkey = state.passkey(&request.rp_id, &allowed).ok_or(none)?.clone();
    let options = asking(request, std::slice::from_ref(&passkey.id));
    let asserted = state.awake(|token| token.perform_auth(hash, options, TIMEOUT_MS))?;
    Ok(Asserted {
        authenticator_data: asserted.response.authenticator_data,
        signature: asserted.response.signature,
        credential_id: passkey.id,
        user_handle: passkey.user_handle,
    })
}
