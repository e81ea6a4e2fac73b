//! CTAP2 at the level of its commands, over the software authenticator (CTAP 2.1, 6): what every transport carries.
//!
//! [`SecurityKey`] is a whole key with a PIN, credential management and U2F. [`handle`] is the least that a platform
//! can speak to: it says `FIDO_2_0` with `credProtect` and built-in user verification, for `FIDO_2_1` would promise
//! hmac-secret, credential management and pinUvAuthToken. There is no clientPin, nobody has to touch anything, and no
//! timer forgets an assertion. Where CTAP 2.0 leaves a status open, it is the one of 2.1.

mod assert;
mod info;
mod key;
mod make;
mod management;
mod pin;
mod pin_protocol;
mod request;
#[cfg(test)]
mod tests;
mod token;
mod u2f;

pub(crate) use self::assert::Remembered;
use self::{
    assert::{get_assertion, next_assertion},
    make::make_credential,
    request::{GetAssertion, MakeCredential, Parameters},
};
pub use self::{
    key::{KeySettings, SecurityKey},
    pin_protocol::PinProtocol,
};
use crate::{
    cbor::Cbor,
    software::{SoftwareAuthenticator, UserNames},
};

pub(crate) const MAKE_CREDENTIAL: u8 = 0x01;
pub(crate) const GET_ASSERTION: u8 = 0x02;
pub(crate) const GET_INFO: u8 = 0x04;
pub(crate) const CLIENT_PIN: u8 = 0x06;
const RESET: u8 = 0x07;
pub(crate) const GET_NEXT_ASSERTION: u8 = 0x08;
pub(crate) const CREDENTIAL_MANAGEMENT: u8 = 0x0a;
const SELECTION: u8 = 0x0b;
/// As before CTAP 2.1 (`credentialMgmtPreview`): libfido2 up to 1.12 sends it whatever a key announces.
pub(crate) const CREDENTIAL_MANAGEMENT_PREVIEW: u8 = 0x41;

/// The status of an answer (CTAP 2.1, 8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// CTAP2_OK.
    Ok = 0x00,
    /// CTAP1_ERR_INVALID_COMMAND.
    InvalidCommand = 0x01,
    /// CTAP1_ERR_INVALID_PARAMETER.
    InvalidParameter = 0x02,
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
    /// CTAP2_ERR_KEY_STORE_FULL.
    KeyStoreFull = 0x28,
    /// CTAP2_ERR_UNSUPPORTED_OPTION.
    UnsupportedOption = 0x2b,
    /// CTAP2_ERR_INVALID_OPTION.
    InvalidOption = 0x2c,
    /// CTAP2_ERR_NO_CREDENTIALS.
    NoCredentials = 0x2e,
    /// CTAP2_ERR_NOT_ALLOWED.
    NotAllowed = 0x30,
    /// CTAP2_ERR_PIN_INVALID.
    PinInvalid = 0x31,
    /// CTAP2_ERR_PIN_BLOCKED.
    PinBlocked = 0x32,
    /// CTAP2_ERR_PIN_AUTH_INVALID.
    PinAuthInvalid = 0x33,
    /// CTAP2_ERR_PIN_AUTH_BLOCKED.
    PinAuthBlocked = 0x34,
    /// CTAP2_ERR_PIN_NOT_SET.
    PinNotSet = 0x35,
    /// CTAP2_ERR_PUAT_REQUIRED.
    PuatRequired = 0x36,
    /// CTAP2_ERR_PIN_POLICY_VIOLATION.
    PinPolicyViolation = 0x37,
    /// CTAP2_ERR_INVALID_SUBCOMMAND.
    InvalidSubcommand = 0x3e,
    /// CTAP2_ERR_UNAUTHORIZED_PERMISSION.
    UnauthorizedPermission = 0x40,
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
            request.pin.refuse()?;
            let verify = |own: &_, request: &MakeCredential| user_verified(own, request.options.uv);
            make_credential(authenticator, request, verify, usize::MAX).map(Some)
        }
        (GET_ASSERTION, _) => {
            let request = GetAssertion::read(&Parameters::read(payload)?)?;
            request.pin.refuse()?;
            let verify = |own: &_, request: &GetAssertion| user_verified(own, request.options.uv);
            let (answer, remembered) = get_assertion(authenticator, request, verify)?;
            authenticator.remembered = remembered;
            Ok(Some(answer))
        }
        (GET_INFO, []) => Ok(Some(info::of_model(authenticator))),
        (GET_NEXT_ASSERTION, []) => {
            let remembered = remembered.ok_or(Status::NotAllowed)?;
            let (answer, remembered) = next_assertion(authenticator, remembered)?;
            authenticator.remembered = remembered;
            Ok(Some(answer))
        }
        (RESET, []) => {
            authenticator.credentials.clear();
            Ok(None)
        }
        (GET_INFO | GET_NEXT_ASSERTION | RESET, _) => Err(Status::InvalidLength),
        _ => Err(Status::InvalidCommand),
    }
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

/// A PublicKeyCredentialDescriptor without transports.
fn public_key(id: &[u8]) -> Cbor {
    Cbor::Map(vec![
        (Cbor::text("id"), Cbor::Bytes(id.to_vec())),
        (Cbor::text("type"), Cbor::text("public-key")),
    ])
}

/// A PublicKeyCredentialUserEntity with the names that there are.
fn user_entity(id: &[u8], names: &UserNames) -> Cbor {
    let named = [("name", &names.name), ("displayName", &names.display_name)];
    let named = named
        .into_iter()
        .filter_map(|(key, name)| Some((Cbor::text(key), Cbor::text(name.as_deref()?))));
    let id = (Cbor::text("id"), Cbor::Bytes(id.to_vec()));
    Cbor::Map([id].into_iter().chain(named).collect())
}
