//! webauthn-authenticator-rs around the model, and its SoftToken, behind our conformant client.
//!
//! - [`SoftwareAuthenticator`] is a backend of that crate: whoever writes to its traits can use the model.
//! - [`ModelToken`] answers CTAP2 commands with the model: that crate's CTAP stack speaks to it as to a key.
//! - [`Interposed`] adds to the commands of that stack what it never sends, for any token.
//!
//! The crate's client layer is not used: it writes the origin with a slash, a `tokenBinding`, no `crossOrigin`, an empty
//! `id`, and more members into the attestation object. Our client makes the client data and the response instead.
//! That crate blocks on its futures: everything here blocks, so run it on a thread that may (tokio's `spawn_blocking`).

mod backend;
mod soft_token;
mod token;

use futures::executor::block_on;
use passkey_model::{
    Aaguid,
    provider::{AttestationKind, Engine},
};
use serde_json::Value;
use webauthn_authenticator_rs::{
    AuthenticatorBackendHashedClientData as _,
    ctap2::CtapAuthenticator,
    error::{CtapError, WebauthnCError},
};
use webauthn_rs_proto::{
    AllowCredentials, AuthenticatorSelectionCriteria, PubKeyCredParams,
    PublicKeyCredentialCreationOptions, PublicKeyCredentialDescriptor,
    PublicKeyCredentialRequestOptions, RelyingParty, User, UserVerificationPolicy,
};

pub(crate) use self::soft_token::SoftTokenState;
pub use self::token::{Additions, Interposed, ModelToken, Silent, UserHandle};
use crate::{
    cbor::Cbor,
    client::ClientError,
    key,
    options::{self, AssertRequest, text, wrong},
    software::{Asserted, Made, MakeRequest, SoftwareAuthenticator},
};

/// The crate takes a timeout and does not use it here.
pub(crate) const TIMEOUT_MS: u32 = 60_000;

/// Makes a passkey by the crate's code.
pub(crate) fn make(
    authenticator: &mut SoftwareAuthenticator,
    request: &MakeRequest<'_>,
    options: &Value,
) -> Result<Made, ClientError> {
    if !request.up {
        // Neither knows a registration that nobody consents to.
        return Err(ClientError::Refused("NotAllowedError"));
    }
    let asked = creation(request.rp_id, &request.user_handle, request.uv, options)?;
    let hash = request.client_data_hash.clone();
    let object = if authenticator.model.engine == Engine::SoftToken {
        soft_token::register(authenticator, hash, asked)?
    } else {
        let additions = Additions {
            discoverable: request.discoverable,
            user_verification: request.uv,
            protection: request.protection,
        };
        let (token, _) = Interposed::new(ModelToken(authenticator), additions);
        let mut stack = connect(token)?;
        let made = stack.perform_register(hash, asked, TIMEOUT_MS);
        made.map_err(refused)?.response.attestation_object
    };
    let keeps_statement = request.attestation != AttestationKind::None;
    conveyed(&object, keeps_statement, request.hide_aaguid)
        .ok_or_else(|| wrong("the crate's attestation object cannot be read"))
}

/// Uses a passkey by the crate's code.
pub(crate) fn assert(
    authenticator: &mut SoftwareAuthenticator,
    request: &AssertRequest,
) -> Result<Asserted, ClientError> {
    let hash = request.client_data_hash.clone();
    if authenticator.model.engine == Engine::SoftToken {
        return soft_token::sign_in(authenticator, hash, request);
    }
    let additions = Additions {
        user_verification: request.uv,
        ..Additions::default()
    };
    let (token, user_handle) = Interposed::new(ModelToken(authenticator), additions);
    let mut stack = connect(token)?;
    let asserted = stack.perform_auth(hash, asking(request, &request.allowed), TIMEOUT_MS);
    let asserted = asserted.map_err(refused)?;
    Ok(Asserted {
        authenticator_data: asserted.response.authenticator_data,
        signature: asserted.response.signature,
        credential_id: asserted.raw_id,
        user_handle: user_handle.get(),
    })
}

type Stack<'a> = CtapAuthenticator<'static, Interposed<ModelToken<'a>>, Silent>;

fn connect(token: Interposed<ModelToken<'_>>) -> Result<Stack<'_>, ClientError> {
    let stack = block_on(CtapAuthenticator::new(token, &Silent));
    stack.ok_or(ClientError::Refused("NotAllowedError"))
}

/// Says as which DOMException a page sees an error (WebAuthn L3, 5.1.3 and 6.3.2).
fn refused(error: WebauthnCError) -> ClientError {
    ClientError::Refused(match error {
        WebauthnCError::Ctap(CtapError::Ctap2CredentialExcluded) => "InvalidStateError",
        WebauthnCError::Ctap(CtapError::Ctap2UnsupportedAlgorithm) => "NotSupportedError",
        _ => "NotAllowedError",
    })
}

/// The verification that the authenticator is to do is decided already: it is wanted or it is not.
const fn policy(uv: bool) -> UserVerificationPolicy {
    if uv {
        UserVerificationPolicy::Required
    } else {
        UserVerificationPolicy::Discouraged_DO_NOT_USE
    }
}

/// Writes the relying party's options as the crate takes them; what it does not send on is left out.
pub(crate) fn creation(
    rp_id: &str,
    user_handle: &[u8],
    uv: bool,
    options: &Value,
) -> Result<PublicKeyCredentialCreationOptions, ClientError> {
    let name = |pointer| text(options, pointer).unwrap_or_default().to_owned();
    let excluded = options::ids(options.get("excludeCredentials"))?.into_iter();
    let excluded = excluded.map(|id| PublicKeyCredentialDescriptor {
        type_: "public-key".to_owned(),
        id,
        transports: None,
    });
    let parameters = options::offered(options)?.into_iter();
    let parameters = parameters.map(|alg| PubKeyCredParams {
        type_: "public-key".to_owned(),
        alg,
    });
    Ok(PublicKeyCredentialCreationOptions {
        rp: RelyingParty {
            name: name("/rp/name"),
            id: rp_id.to_owned(),
        },
        user: User {
            id: user_handle.to_vec(),
            name: name("/user/name"),
            display_name: name("/user/displayName"),
        },
        challenge: Vec::new(),
        pub_key_cred_params: parameters.collect(),
        timeout: None,
        exclude_credentials: Some(excluded.collect()),
        authenticator_selection: Some(AuthenticatorSelectionCriteria {
            user_verification: policy(uv),
            ..AuthenticatorSelectionCriteria::default()
        }),
        hints: None,
        attestation: None,
        attestation_formats: None,
        extensions: None,
    })
}

pub(crate) fn asking(
    request: &AssertRequest,
    allowed: &[Vec<u8>],
) -> PublicKeyCredentialRequestOptions {
    let allowed = allowed.iter().map(|id| AllowCredentials {
        type_: "public-key".to_owned(),
        id: id.clone(),
        transports: None,
    });
    PublicKeyCredentialRequestOptions {
        challenge: Vec::new(),
        timeout: None,
        rp_id: request.rp_id.clone(),
        allow_credentials: allowed.collect(),
        user_verification: policy(request.uv),
        hints: None,
        extensions: None,
    }
}

/// Reads an attestation object and conveys what was asked for (WebAuthn L3, 5.1.3 step 22): three members, no statement
/// and perhaps no AAGUID where the relying party wants none.
pub(crate) fn conveyed(object: &[u8], keeps_statement: bool, hide_aaguid: bool) -> Option<Made> {
    let object = Cbor::decode(object)?;
    let mut data = object.get("authData")?.as_bytes()?.to_vec();
    let (format, statement) = if keeps_statement {
        (
            object.get("fmt")?.as_text()?,
            object.get("attStmt")?.clone(),
        )
    } else {
        ("none", Cbor::Map(Vec::new()))
    };
    let aaguid = data.get_mut(37..53)?;
    if hide_aaguid {
        aaguid.fill(0);
    }
    let aaguid: [u8; 16] = (*aaguid).try_into().ok()?;
    let length: [u8; 2] = data.get(53..55)?.try_into().ok()?;
    let (credential_id, rest) = data
        .get(55..)?
        .split_at_checked(usize::from(u16::from_be_bytes(length)))?;
    let (cose, _) = Cbor::decode_first(rest)?;
    let attestation_object = Cbor::Map(vec![
        (Cbor::text("fmt"), Cbor::text(format)),
        (Cbor::text("attStmt"), statement.clone()),
        (Cbor::text("authData"), Cbor::Bytes(data.clone())),
    ]);
    Some(Made {
        attestation_object: attestation_object.encode(),
        public_key: key::spki(&cose),
        credential_id: credential_id.to_vec(),
        format: format.to_owned(),
        statement,
        aaguid: Aaguid::from(aaguid),
        flags: *data.get(32)?,
        algorithm: cose.get("3")?.as_int()?,
        authenticator_data: data,
    })
}
