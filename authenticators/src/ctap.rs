//! CTAP2 at the level of its commands, over the software authenticator (CTAP 2.1, 6): what every transport carries.
//!
//! It says `FIDO_2_0` with `credProtect` and built-in user verification: `FIDO_2_1` would promise hmac-secret, credential
//! management and pinUvAuthToken. There is no clientPin, nobody has to touch anything, and no timer forgets an assertion.
//! Where CTAP 2.0 leaves a status open, it is the one of 2.1.

mod request;

use passkey_model::provider::{Transport, UserVerification};
use serde_json::json;

use self::request::{GetAssertion, MakeCredential, Parameters};
use crate::{
    cbor::Cbor,
    mutate::{Applier, Values},
    software::{Credential, MakeRequest, SoftwareAuthenticator},
};

pub(crate) const MAKE_CREDENTIAL: u8 = 0x01;
pub(crate) const GET_ASSERTION: u8 = 0x02;
const GET_INFO: u8 = 0x04;
const RESET: u8 = 0x07;
const GET_NEXT_ASSERTION: u8 = 0x08;
/// What a platform may assume where nothing is said; our answers with certificates fit.
const MAX_MESSAGE_SIZE: i64 = 2048;

/// The status of an answer (CTAP 2.1, 8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// CTAP2_OK.
    Ok = 0x00,
    /// CTAP1_ERR_INVALID_COMMAND.
    InvalidCommand = 0x01,
    /// CTAP1_ERR_INVALID_LENGTH.
    InvalidLength = 0x03,
    /// CTAP2_ERR_CBOR_UNEXPECTED_TYPE.
    UnexpectedType = 0x11,
    /// CTAP2_ERR_INVALID_CBOR.
    InvalidCbor = 0x12,
    /// CTAP2_ERR_MISSING_PARAMETER.
    MissingParameter = 0x14,
    /// CTAP2_ERR_CREDENTIAL_EXCLUDED.
    CredentialExcluded = 0x19,
    /// CTAP2_ERR_UNSUPPORTED_ALGORITHM.
    UnsupportedAlgorithm = 0x26,
    /// CTAP2_ERR_UNSUPPORTED_OPTION.
    UnsupportedOption = 0x2b,
    /// CTAP2_ERR_INVALID_OPTION.
    InvalidOption = 0x2c,
    /// CTAP2_ERR_NO_CREDENTIALS.
    NoCredentials = 0x2e,
    /// CTAP2_ERR_NOT_ALLOWED.
    NotAllowed = 0x30,
    /// CTAP2_ERR_PIN_AUTH_INVALID.
    PinAuthInvalid = 0x33,
    /// CTAP2_ERR_PIN_NOT_SET.
    PinNotSet = 0x35,
    /// CTAP1_ERR_OTHER.
    Other = 0x7f,
}

impl Status {
    /// Returns the byte that stands before the answer.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// The assertions that getNextAssertion goes on with (CTAP 2.1, 6.3).
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    /// The credential IDs, the next one last.
    ids: Vec<Vec<u8>>,
    client_data_hash: Vec<u8>,
    up: bool,
    uv: bool,
}

/// Answers a command, its byte in front, with a status and the CBOR that follows it (CTAP 2.1, 6).
pub fn handle(authenticator: &mut SoftwareAuthenticator, command: &[u8]) -> (Status, Vec<u8>) {
    match answer(authenticator, command) {
        Ok(body) => (Status::Ok, body.map_or_else(Vec::new, |body| body.encode())),
        Err(status) => (status, Vec::new()),
    }
}

fn answer(
    authenticator: &mut SoftwareAuthenticator,
    command: &[u8],
) -> Result<Option<Cbor>, Status> {
    let (code, payload) = command.split_first().ok_or(Status::InvalidLength)?;
    // Any command in between ends a sequence of assertions.
    let remembered = authenticator.remembered.take();
    match (*code, payload) {
        (MAKE_CREDENTIAL, _) => {
            let request = MakeCredential::read(&Parameters::read(payload)?)?;
            make_credential(authenticator, request).map(Some)
        }
        (GET_ASSERTION, _) => {
            let request = GetAssertion::read(&Parameters::read(payload)?)?;
            get_assertion(authenticator, request).map(Some)
        }
        (GET_INFO, []) => Ok(Some(get_info(authenticator))),
        (GET_NEXT_ASSERTION, []) => {
            let remembered = remembered.ok_or(Status::NotAllowed)?;
            next_assertion(authenticator, remembered).map(Some)
        }
        (RESET, []) => {
            authenticator.credentials.clear();
            Ok(None)
        }
        (GET_INFO | GET_NEXT_ASSERTION | RESET, _) => Err(Status::InvalidLength),
        _ => Err(Status::InvalidCommand),
    }
}

/// authenticatorGetInfo (CTAP 2.1, 6.4).
fn get_info(authenticator: &SoftwareAuthenticator) -> Cbor {
    let model = &authenticator.model;
    let texts = |texts: &[&str]| Cbor::List(texts.iter().map(|text| Cbor::text(text)).collect());
    let option = |name: &str, set| (Cbor::text(name), Cbor::Bool(set));
    let mut options = vec![option("rk", true), option("up", true)];
    if model.user_verification != UserVerification::Never {
        options.push(option("uv", true));
    }
    let platform = model.transports.contains(&Transport::Internal);
    options.push(option("plat", platform));
    let transports = model.transports.iter().map(|transport| json!(transport));
    let transports = transports.filter_map(|name| name.as_str().map(Cbor::text));
    let algorithms = model.algorithms.iter().map(|algorithm| {
        Cbor::Map(vec![
            (Cbor::text("alg"), Cbor::Int(algorithm.cose())),
            (Cbor::text("type"), Cbor::text("public-key")),
        ])
    });
    labelled([
        (1, texts(&["FIDO_2_0"])),
        (2, texts(&["credProtect"])),
        (3, Cbor::Bytes(model.aaguid.bytes().to_vec())),
        (4, Cbor::Map(options)),
        (5, Cbor::Int(MAX_MESSAGE_SIZE)),
        (9, Cbor::List(transports.collect())),
        (10, Cbor::List(algorithms.collect())),
    ])
}

/// authenticatorMakeCredential, in the order of CTAP 2.1, 6.1.2.
fn make_credential(
    authenticator: &mut SoftwareAuthenticator,
    request: MakeCredential,
) -> Result<Cbor, Status> {
    request.pin.refuse()?;
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
    let uv = user_verified(authenticator, request.options.uv)?;
    let discoverable = request.options.rk.unwrap_or_default();
    let excluded = |credential: &Credential| {
        request.excluded.contains(&credential.id) && (uv || credential.protection < 3)
    };
    if authenticator.credentials(&request.rp_id).any(excluded) {
        return Err(Status::CredentialExcluded);
    }
    if discoverable {
        authenticator.credentials.retain(|credential| {
            !(credential.discoverable
                && credential.rp_id == request.rp_id
                && credential.user_handle == request.user_handle)
        });
    }
    let asked = MakeRequest {
        rp_id: &request.rp_id,
        user_handle: request.user_handle,
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

/// authenticatorGetAssertion, in the order of CTAP 2.1, 6.2.2.
fn get_assertion(
    authenticator: &mut SoftwareAuthenticator,
    request: GetAssertion,
) -> Result<Cbor, Status> {
    request.pin.refuse()?;
    if request.options.rk.is_some() {
        return Err(Status::UnsupportedOption);
    }
    let uv = user_verified(authenticator, request.options.uv)?;
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
    };
    let mut answer = next_assertion(authenticator, all)?;
    if let (Cbor::Map(members), true) = (&mut answer, number > 1) {
        members.push((Cbor::Int(5), Cbor::Int(number)));
    }
    Ok(answer)
}

/// Signs the next assertion (CTAP 2.1, 6.2.2 step 11 and 6.3), and remembers those after it.
fn next_assertion(
    authenticator: &mut SoftwareAuthenticator,
    mut remembered: Remembered,
) -> Result<Cbor, Status> {
    let id = remembered.ids.pop().ok_or(Status::NoCredentials)?;
    let kept = authenticator.credentials.iter();
    let discoverable = kept
        .filter(|credential| credential.id == id)
        .any(|credential| credential.discoverable);
    let asserted = authenticator.assert(
        &id,
        (remembered.up, remembered.uv),
        &remembered.client_data_hash,
        &Applier::new(None, &Values::new()),
    );
    let asserted = asserted.map_err(|_| Status::Other)?;
    if !remembered.ids.is_empty() {
        authenticator.remembered = Some(remembered);
    }
    let descriptor = vec![
        (Cbor::text("id"), Cbor::Bytes(asserted.credential_id)),
        (Cbor::text("type"), Cbor::text("public-key")),
    ];
    let user = vec![(Cbor::text("id"), Cbor::Bytes(asserted.user_handle))];
    let members = [
        (1, Cbor::Map(descriptor)),
        (2, Cbor::Bytes(asserted.authenticator_data)),
        (3, Cbor::Bytes(asserted.signature)),
    ];
    let user = discoverable.then_some((4, Cbor::Map(user)));
    Ok(labelled(members.into_iter().chain(user)))
}

fn user_verified(authenticator: &SoftwareAuthenticator, uv: Option<bool>) -> Result<bool, Status> {
    let requirement = if uv == Some(true) {
        "required"
    } else {
        "discouraged"
    };
    let verified = authenticator.user_verified(requirement);
    verified.ok_or(Status::UnsupportedOption)
}

fn labelled(members: impl IntoIterator<Item = (i64, Cbor)>) -> Cbor {
    let member = |(label, value)| (Cbor::Int(label), value);
    Cbor::Map(members.into_iter().map(member).collect())
}
