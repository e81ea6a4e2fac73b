//! U2F at the level of its raw messages (FIDO U2F Raw Message Formats 1.2; CTAP 2.1, 10).

use passkey_model::provider::{Algorithm, AttestationKind};

use crate::{
    ca,
    software::{Credential, Material, SoftwareAuthenticator, UserNames},
};

const REGISTER: u8 = 0x01;
const AUTHENTICATE: u8 = 0x02;
const VERSION: u8 = 0x03;

/// Of AUTHENTICATE: signs after a touch.
const ENFORCE_TOUCH: u8 = 0x03;
/// Of AUTHENTICATE: says whether the key handle is this key's.
const CHECK_ONLY: u8 = 0x07;
/// Of AUTHENTICATE: signs without a touch.
const NO_TOUCH: u8 = 0x08;

const NO_ERROR: [u8; 2] = [0x90, 0x00];
const WRONG_LENGTH: [u8; 2] = [0x67, 0x00];
const CONDITIONS_NOT_SATISFIED: [u8; 2] = [0x69, 0x85];
const WRONG_DATA: [u8; 2] = [0x6a, 0x80];
const WRONG_CLASS: [u8; 2] = [0x6e, 0x00];
/// SW_INS_NOT_SUPPORTED.
pub(super) const UNKNOWN_INSTRUCTION: [u8; 2] = [0x6d, 0x00];

/// A command APDU without what it says of the answer's length: over USB, the answer comes as a whole.
struct Command<'a> {
    class: u8,
    instruction: u8,
    control: u8,
    data: &'a [u8],
}

/// Answers a message with data and status bytes; status bytes alone when it cannot.
pub(super) fn answer(authenticator: &mut SoftwareAuthenticator, message: &[u8]) -> Vec<u8> {
    match answer_data(authenticator, message) {
        Ok(data) => [data, NO_ERROR.to_vec()].concat(),
        Err(status) => status.to_vec(),
    }
}

/// Tells whether a touch is asked for before a message is answered.
pub(super) fn waits_for_touch(message: &[u8]) -> bool {
    Command::read(message).is_some_and(|command| {
        matches!(
            (command.instruction, command.control),
            (REGISTER, _) | (AUTHENTICATE, ENFORCE_TOUCH)
        )
    })
}

fn answer_data(
    authenticator: &mut SoftwareAuthenticator,
    message: &[u8],
) -> Result<Vec<u8>, [u8; 2]> {
    let command = Command::read(message).ok_or(WRONG_LENGTH)?;
    if command.class != 0 {
        return Err(WRONG_CLASS);
    }
    match command.instruction {
        REGISTER => register(authenticator, command.data),
        AUTHENTICATE => authenticate(authenticator, command.control, command.data),
        VERSION if command.data.is_empty() => Ok(b"U2F_V2".to_vec()),
        VERSION => Err(WRONG_LENGTH),
        _ => Err(UNKNOWN_INSTRUCTION),
    }
}

impl<'a> Command<'a> {
    /// Reads short and extended length encodings (ISO 7816-4, 5.1); nothing when lengths do not fit.
    fn read(message: &'a [u8]) -> Option<Self> {
        let (&[class, instruction, control, _], body) = message.split_first_chunk()?;
        let data = match body {
            // No data: nothing, or the length of the answer.
            [] | [_] | [0, _, _] => &[][..],
            [0, high, low, rest @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let (data, expected) = rest.split_at_checked(length)?;
                if !matches!(expected.len(), 0 | 2) {
                    return None;
                }
                data
            }
            [length, rest @ ..] => {
                let (data, expected) = rest.split_at_checked(usize::from(*length))?;
                if expected.len() > 1 {
                    return None;
                }
                data
            }
        };
        Some(Self {
            class,
            instruction,
            control,
            data,
        })
    }
}

/// U2F_REGISTER (4): challenge and application parameter in, public key, key handle, certificate and signature out.
fn register(authenticator: &mut SoftwareAuthenticator, data: &[u8]) -> Result<Vec<u8>, [u8; 2]> {
    let (challenge, application) = halves(data).ok_or(WRONG_LENGTH)?;
    let material = authenticator.next_material(Algorithm::ES256);
    let Material { key, credential_id } = material
        .filter(|new| new.key.p256().is_some())
        .ok_or(WRONG_DATA)?;
    let length = u8::try_from(credential_id.len()).map_err(|_| WRONG_DATA)?;
    let ca = match authenticator.model.attestation {
        AttestationKind::Packed | AttestationKind::FidoU2f => ca::known(),
        AttestationKind::FirstPartyApp => ca::first_party(),
        _ => ca::unknown(),
    };
    let attester = ca.and_then(|ca| ca.issue_u2f(authenticator.model.aaguid));
    let (attestation_key, certificate) = attester.ok_or(WRONG_DATA)?;
    let public = key.public_bytes();
    let signed = [&[0], application, challenge, &credential_id, &public].concat();
    let signature = attestation_key.sign(&signed);
    let answer = [
        &[5],
        &public[..],
        &[length],
        &credential_id,
        &certificate,
        &signature,
    ]
    .concat();
    let backup_state = authenticator.model.backup_state;
    authenticator.credentials.push(Credential {
        id: credential_id,
        rp_id: String::new(),
        rp_id_hash: application.to_vec(),
        user_handle: Vec::new(),
        user_names: UserNames::default(),
        protection: 1,
        discoverable: false,
        key,
        sign_count: 0,
        backup_state,
    });
    Ok(answer)
}

/// U2F_AUTHENTICATE (5): challenge, application parameter and key handle in, user presence, counter and signature out.
fn authenticate(
    authenticator: &mut SoftwareAuthenticator,
    control: u8,
    data: &[u8],
) -> Result<Vec<u8>, [u8; 2]> {
    let (parameters, handle) = data.split_at_checked(64).ok_or(WRONG_LENGTH)?;
    let (challenge, application) = halves(parameters).ok_or(WRONG_LENGTH)?;
    let (length, handle) = handle.split_first().ok_or(WRONG_LENGTH)?;
    if usize::from(*length) != handle.len() {
        return Err(WRONG_LENGTH);
    }
    let usable = |credential: &Credential| {
        credential.id == handle
            && credential.rp_id_hash == application
            && credential.protection < 3
            && credential.key.p256().is_some()
    };
    if !authenticator.credentials.iter().any(usable) {
        return Err(WRONG_DATA);
    }
    let presence = match control {
        ENFORCE_TOUCH => 1,
        NO_TOUCH => 0,
        // It is ours, and a touch is what is missing.
        CHECK_ONLY => return Err(CONDITIONS_NOT_SATISFIED),
        _ => return Err(WRONG_DATA),
    };
    let position = authenticator.count_use(handle).ok_or(WRONG_DATA)?;
    let credential = &authenticator.credentials[position];
    let counter = credential.sign_count.to_be_bytes();
    let signed = [application, &[presence], &counter, challenge].concat();
    let signature = credential.key.sign(&signed);
    Ok([&[presence], &counter[..], &signature].concat())
}

/// Splits a challenge parameter from an application parameter.
fn halves(data: &[u8]) -> Option<(&[u8], &[u8])> {
    (data.len() == 64).then(|| data.split_at(32))
}
