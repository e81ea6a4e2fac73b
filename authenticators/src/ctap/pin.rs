//! authenticatorClientPIN: the PIN, its retries and the tokens that it gives (CTAP 2.1, 6.5).

use p256::ecdsa::SigningKey;
use passkey_model::provider::Algorithm;
use sha2::{Digest as _, Sha256};

use super::{
    KeySettings, PinProtocol, Status, labelled,
    pin_protocol::{public_cose, shared_point},
    request::{Parameters, Pin, map},
    token::{ASSERT, MAKE, MANAGE, Token},
};
use crate::{cbor::Cbor, key::Key, seed::Seed};

const GET_RETRIES: i64 = 0x01;
const GET_KEY_AGREEMENT: i64 = 0x02;
const SET_PIN: i64 = 0x03;
const CHANGE_PIN: i64 = 0x04;
const GET_PIN_TOKEN: i64 = 0x05;
const GET_TOKEN_WITH_PERMISSIONS: i64 = 0x09;
/// How many wrong PINs in a row block the PIN until the key is unplugged.
const WRONG_IN_A_ROW: u8 = 3;
/// A new PIN is padded to this many bytes with zeros, of which there is at least one.
const PADDED: usize = 64;

/// The PIN of a key with everything that hangs on it.
#[derive(Clone, Debug)]
pub(super) struct ClientPin {
    protocols: Vec<PinProtocol>,
    min_length: usize,
    max_retries: u8,
    /// The first 16 bytes of the PIN's SHA-256.
    hash: Option<Vec<u8>>,
    retries: u8,
    wrong_in_a_row: u8,
    token: Option<Token>,
    /// The key agreement key; nothing only when the seed gives none.
    agreement: Option<Box<SigningKey>>,
    seed: Seed,
    /// How often the seed was drawn from.
    draws: u64,
}

/// What the platform sends under a shared secret.
struct Session {
    protocol: PinProtocol,
    secret: Vec<u8>,
}

impl ClientPin {
    pub(super) fn new(settings: &KeySettings, seed: Seed) -> Self {
        let mut own = Self {
            protocols: settings.pin_protocols.clone(),
            min_length: settings.min_pin_length,
            max_retries: settings.pin_retries,
            hash: settings.pin.as_deref().map(|pin| hash(pin.as_bytes())),
            retries: settings.pin_retries,
            wrong_in_a_row: 0,
            token: None,
            agreement: None,
            seed,
            draws: 0,
        };
        own.power_cycle();
        own
    }

    /// Tells whether a PIN is set.
    pub(super) const fn is_set(&self) -> bool {
        self.hash.is_some()
    }

    /// Forgets what a key without power forgets (CTAP 2.1, 6.5.5.1 and 6.5.6 `initialize`).
    pub(super) fn power_cycle(&mut self) {
        self.wrong_in_a_row = 0;
        self.token = None;
        self.regenerate();
    }

    /// Forgets the PIN, as a reset does.
    pub(super) fn reset(&mut self) {
        self.hash = None;
        self.retries = self.max_retries;
        self.power_cycle();
    }

    /// The token that is in use.
    pub(super) fn token(&mut self) -> Option<&mut Token> {
        self.token.as_mut()
    }

    /// Reads the protocol and the parameter of a command, if it has one (CTAP 2.1, 6.1.2 steps 1 and 2).
    pub(super) fn parameter<'a>(
        &self,
        pin: &'a Pin,
    ) -> Result<Option<(PinProtocol, &'a [u8])>, Status> {
        match pin.parameter.as_deref() {
            None => Ok(None),
            Some([]) if self.is_set() => Err(Status::PinInvalid),
            Some([]) => Err(Status::PinNotSet),
            Some(parameter) => {
                let number = pin.protocol.ok_or(Status::MissingParameter)?;
                Ok(Some((self.protocol(number)?, parameter)))
            }
        }
    }

    /// Answers authenticatorClientPIN.
    pub(super) fn answer(&mut self, parameters: &Parameters) -> Result<Option<Cbor>, Status> {
        match parameters.required(2, Cbor::as_int)? {
            GET_RETRIES => Ok(Some(self.retries())),
            GET_KEY_AGREEMENT => {
                self.protocol(parameters.required(1, Cbor::as_int)?)?;
                let own = self.agreement.as_deref().ok_or(Status::Other)?;
                Ok(Some(labelled([(1, public_cose(own))])))
            }
            SET_PIN => self.set(parameters).map(|()| None),
            CHANGE_PIN => self.change(parameters).map(|()| None),
            GET_PIN_TOKEN => self.give_default_token(parameters).map(Some),
            GET_TOKEN_WITH_PERMISSIONS => self.give_token(parameters).map(Some),
            _ => Err(Status::InvalidSubcommand),
        }
    }

    /// getPINRetries (6.5.5.2).
    fn retries(&self) -> Cbor {
        let blocked = self.wrong_in_a_row >= WRONG_IN_A_ROW;
        labelled([
            (3, Cbor::Int(i64::from(self.retries))),
            (4, Cbor::Bool(blocked)),
        ])
    }

    /// setPIN (6.5.5.5).
    fn set(&mut self, parameters: &Parameters) -> Result<(), Status> {
        let encrypted = parameters.bytes(5)?;
        let mac = parameters.bytes(4)?;
        let session = self.session(parameters)?;
        if self.is_set() || !session.verify(&encrypted, &mac) {
            return Err(Status::PinAuthInvalid);
        }
        self.keep(&session, &encrypted)
    }

    /// changePIN (6.5.5.6).
    fn change(&mut self, parameters: &Parameters) -> Result<(), Status> {
        let (encrypted, old) = (parameters.bytes(5)?, parameters.bytes(6)?);
        let mac = parameters.bytes(4)?;
        let session = self.session(parameters)?;
        self.open()?;
        if !session.verify(&[&encrypted[..], &old].concat(), &mac) {
            return Err(Status::PinAuthInvalid);
        }
        self.try_pin(&session, &old)?;
        self.keep(&session, &encrypted)?;
        self.token = None;
        Ok(())
    }

    /// getPinToken (6.5.5.7.1), which permits making and using credentials of any one relying party.
    fn give_default_token(&mut self, parameters: &Parameters) -> Result<Cbor, Status> {
        let given = parameters
            .optional(9, Some)?
            .or(parameters.optional(10, Some)?);
        if given.is_some() {
            return Err(Status::InvalidParameter);
        }
        self.new_token(parameters, MAKE | ASSERT, None)
    }

    /// getPinUvAuthTokenUsingPinWithPermissions (6.5.5.7.2).
    fn give_token(&mut self, parameters: &Parameters) -> Result<Cbor, Status> {
        let permissions = parameters.required(9, Cbor::as_int)?;
        let permissions = u8::try_from(permissions).map_err(|_| Status::InvalidParameter)?;
        let rp_id = parameters.optional(10, Cbor::as_text)?.map(str::to_owned);
        if permissions == 0 {
            return Err(Status::InvalidParameter);
        }
        if permissions & !(MAKE | ASSERT | MANAGE) != 0 {
            return Err(Status::UnauthorizedPermission);
        }
        if permissions & (MAKE | ASSERT) != 0 && rp_id.is_none() {
            return Err(Status::MissingParameter);
        }
        self.new_token(parameters, permissions, rp_id)
    }

    fn new_token(
        &mut self,
        parameters: &Parameters,
        permissions: u8,
        rp_id: Option<String>,
    ) -> Result<Cbor, Status> {
        let pin = parameters.bytes(6)?;
        let session = self.session(parameters)?;
        self.open()?;
        self.try_pin(&session, &pin)?;
        let token = Token {
            protocol: session.protocol,
            bytes: self.draw("token").bytes("token"),
            permissions,
            rp_id,
            user_verified: true,
        };
        let mut iv = [0; 16];
        iv.copy_from_slice(&self.draw("iv").bytes("iv")[..16]);
        let encrypted = session.protocol.encrypt(&session.secret, iv, &token.bytes);
        self.token = Some(token);
        let encrypted = encrypted.ok_or(Status::Other)?;
        Ok(labelled([(2, Cbor::Bytes(encrypted))]))
    }

    /// Agrees on a shared secret with the platform (`decapsulate`).
    fn session(&self, parameters: &Parameters) -> Result<Session, Status> {
        let protocol = self.protocol(parameters.required(1, Cbor::as_int)?)?;
        let peer = parameters.required(3, map)?;
        let own = self.agreement.as_deref().ok_or(Status::Other)?;
        let z = shared_point(own, peer).ok_or(Status::InvalidParameter)?;
        Ok(Session {
            protocol,
            secret: protocol.derive(&z),
        })
    }

    /// Fails when no PIN can be tried.
    const fn open(&self) -> Result<(), Status> {
        if !self.is_set() {
            return Err(Status::PinNotSet);
        }
        if self.retries == 0 {
            return Err(Status::PinBlocked);
        }
        if self.wrong_in_a_row >= WRONG_IN_A_ROW {
            return Err(Status::PinAuthBlocked);
        }
        Ok(())
    }

    /// Compares an encrypted hash of a PIN, which costs a retry unless it is right (6.5.5.7.1, steps 6 to 9).
    fn try_pin(&mut self, session: &Session, encrypted: &[u8]) -> Result<(), Status> {
        self.retries = self.retries.saturating_sub(1);
        let tried = session.protocol.decrypt(&session.secret, encrypted);
        if tried.is_some() && tried == self.hash {
            self.retries = self.max_retries;
            self.wrong_in_a_row = 0;
            return Ok(());
        }
        self.regenerate();
        self.wrong_in_a_row += 1;
        if self.retries == 0 {
            Err(Status::PinBlocked)
        } else if self.wrong_in_a_row >= WRONG_IN_A_ROW {
            Err(Status::PinAuthBlocked)
        } else {
            Err(Status::PinInvalid)
        }
    }

    /// Keeps a new PIN, if it is one (6.5.1: at least so many code points, at most 63 bytes).
    fn keep(&mut self, session: &Session, encrypted: &[u8]) -> Result<(), Status> {
        let padded = session.protocol.decrypt(&session.secret, encrypted);
        let padded = padded.filter(|padded| padded.len() == PADDED);
        let padded = padded.ok_or(Status::InvalidParameter)?;
        let zeros = padded.iter().rev().take_while(|byte| **byte == 0).count();
        let pin = &padded[..PADDED - zeros];
        let text = std::str::from_utf8(pin).map_err(|_| Status::PinPolicyViolation)?;
        if zeros == 0 || text.chars().count() < self.min_length {
            return Err(Status::PinPolicyViolation);
        }
        self.hash = Some(hash(pin));
        self.retries = self.max_retries;
        Ok(())
    }

    fn protocol(&self, number: i64) -> Result<PinProtocol, Status> {
        let known = self.protocols.iter();
        let mut known = known.filter(|protocol| protocol.number() == number);
        known.next().copied().ok_or(Status::InvalidParameter)
    }

    /// Makes a new key agreement key (`regenerate`).
    fn regenerate(&mut self) {
        let seed = self.draw("key agreement");
        let key = Key::new(Algorithm::ES256, &seed);
        self.agreement = key.as_ref().and_then(Key::p256).cloned().map(Box::new);
    }

    fn draw(&mut self, purpose: &str) -> Seed {
        self.draws += 1;
        self.seed.derive(&format!("{purpose} {}", self.draws))
    }
}

impl Session {
    fn verify(&self, message: &[u8], mac: &[u8]) -> bool {
        self.protocol.verify(&self.secret, message, mac)
    }
}

/// What a key keeps of a PIN: LEFT(SHA-256(PIN), 16).
fn hash(pin: &[u8]) -> Vec<u8> {
    Sha256::digest(pin)[..16].to_vec()
}
