//! A security key: CTAP 2.1 with a PIN and credential management, and U2F beside it.

use passkey_model::provider::Algorithm;

use super::{
    CLIENT_PIN, CREDENTIAL_MANAGEMENT, CREDENTIAL_MANAGEMENT_PREVIEW, GET_ASSERTION, GET_INFO,
    GET_NEXT_ASSERTION, MAKE_CREDENTIAL, PinProtocol, RESET, Remembered, SELECTION, Status,
    assert::{get_assertion, next_assertion},
    info::{self, KeyInfo},
    make::make_credential,
    management::discoverable,
    pin::ClientPin,
    request::{GetAssertion, MakeCredential, Options, Parameters},
    token::{ASSERT, MAKE},
    u2f,
};
use crate::{cbor::Cbor, ctaphid::Application, seed::Seed, software::SoftwareAuthenticator};

/// How a security key is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySettings {
    /// The PIN that is set; without one, there is no user verification.
    pub pin: Option<String>,
    /// How many wrong PINs block the key for good (CTAP 2.1, 6.5.1: at most 8).
    pub pin_retries: u8,
    /// How many code points a new PIN has at least (CTAP 2.1, 6.4: `minPINLength`).
    pub min_pin_length: usize,
    /// The PIN/UV auth protocols, the preferred first; a key without any knows no PINs, and nothing of CTAP 2.1.
    pub pin_protocols: Vec<PinProtocol>,
    /// Whether the key knows nothing but U2F.
    pub u2f_only: bool,
    /// How many discoverable credentials there is room for.
    pub capacity: usize,
}

impl Default for KeySettings {
    fn default() -> Self {
        Self {
            pin: None,
            pin_retries: 8,
            min_pin_length: 4,
            pin_protocols: vec![PinProtocol::Two, PinProtocol::One],
            u2f_only: false,
            capacity: 25,
        }
    }
}

/// A security key at the level of its commands: what comes in over CTAPHID_CBOR and CTAPHID_MSG is answered with bytes.
///
/// The user is verified by the PIN alone, whatever the model says; everybody who is asked for a touch gives it at once.
/// There is no clock: a token and a sequence of assertions last until they are used up or the key is unplugged, and a
/// reset is taken at any time. It says `FIDO_2_1` without the hmac-secret that goes with it (CTAP 2.1, 9). Two keys of one seed that are asked the same give the same answers.
#[derive(Clone, Debug)]
pub struct SecurityKey {
    pub(super) authenticator: SoftwareAuthenticator,
    pub(super) pin: ClientPin,
    /// What the next command may go on with.
    pub(super) sequence: Option<Sequence>,
    u2f_only: bool,
    protocols: Vec<PinProtocol>,
    min_pin_length: usize,
    capacity: usize,
}

/// What a command leaves for the next one of its kind; any other command ends it.
#[derive(Clone, Debug)]
pub(super) enum Sequence {
    /// For getNextAssertion.
    Assertions(Remembered),
    /// For enumerateRPsGetNextRP, the next RP ID last.
    Rps(Vec<String>),
    /// For enumerateCredentialsGetNextCredential, the next credential ID last.
    Credentials(Vec<Vec<u8>>),
}

impl SecurityKey {
    /// Makes a key around an authenticator; its PIN tokens and key agreement keys derive from the seed.
    #[must_use]
    pub fn new(authenticator: SoftwareAuthenticator, settings: KeySettings, seed: &Seed) -> Self {
        Self {
            authenticator,
            pin: ClientPin::new(&settings, seed.derive("security key")),
            sequence: None,
            u2f_only: settings.u2f_only,
            protocols: settings.pin_protocols,
            min_pin_length: settings.min_pin_length,
            capacity: settings.capacity,
        }
    }

    /// Tells whether the key knows U2F, for which it needs ES256 (CTAP 2.1, 11.2.9.1.3: otherwise CAPABILITY_NMSG).
    #[must_use]
    pub fn speaks_u2f(&self) -> bool {
        self.authenticator
            .model
            .algorithms
            .contains(&Algorithm::ES256)
    }

    /// Returns the authenticator, which keeps the credentials.
    #[must_use]
    pub const fn authenticator(&self) -> &SoftwareAuthenticator {
        &self.authenticator
    }

    /// Returns the authenticator to change it.
    pub const fn authenticator_mut(&mut self) -> &mut SoftwareAuthenticator {
        &mut self.authenticator
    }

    /// How many more discoverable credentials there is room for.
    pub(super) fn remaining(&self) -> usize {
        let existing = discoverable(&self.authenticator).count();
        self.capacity.saturating_sub(existing)
    }

    fn answer(&mut self, request: &[u8]) -> Result<Option<Cbor>, Status> {
        if self.u2f_only {
            return Err(Status::InvalidCommand);
        }
        let (code, payload) = request.split_first().ok_or(Status::InvalidLength)?;
        let before = self.sequence.take();
        match (*code, payload) {
            (MAKE_CREDENTIAL, _) => self.make(payload).map(Some),
            (GET_ASSERTION, _) => self.assert(payload).map(Some),
            (GET_INFO, []) => Ok(Some(self.info())),
            (CLIENT_PIN, _) => self.pin.answer(&Parameters::read(payload)?),
            (GET_NEXT_ASSERTION, []) => self.next(before).map(Some),
            (CREDENTIAL_MANAGEMENT | CREDENTIAL_MANAGEMENT_PREVIEW, _) => {
                self.manage(&Parameters::read(payload)?, before)
            }
            (RESET, []) => {
                self.authenticator.credentials.clear();
                self.pin.reset();
                Ok(None)
            }
            (SELECTION, []) => Ok(None),
            (GET_INFO | GET_NEXT_ASSERTION | RESET | SELECTION, _) => Err(Status::InvalidLength),
            _ => Err(Status::InvalidCommand),
        }
    }

    fn info(&self) -> Cbor {
        let mut versions = vec!["FIDO_2_0"];
        // What came with PIN/UV auth tokens is promised by the second.
        versions.extend((!self.protocols.is_empty()).then_some("FIDO_2_1"));
        versions.extend(self.speaks_u2f().then_some("U2F_V2"));
        let key = KeyInfo {
            versions,
            client_pin: self.pin.is_set(),
            protocols: self.protocols.clone(),
            min_pin_length: self.min_pin_length,
            remaining: self.remaining(),
        };
        info::of_key(&self.authenticator.model, &key)
    }

    /// authenticatorMakeCredential (CTAP 2.1, 6.1.2).
    fn make(&mut self, payload: &[u8]) -> Result<Cbor, Status> {
        let request = MakeCredential::read(&Parameters::read(payload)?)?;
        self.pin.parameter(&request.pin)?;
        let names = request.user.names.clone();
        let pin = &mut self.pin;
        let verify = |_: &_, asked: &MakeCredential| {
            let about = (asked.rp_id.as_str(), asked.client_data_hash.as_slice());
            let given = pin.parameter(&asked.pin)?;
            let uv = verified(pin, given, &asked.options, about, MAKE)?;
            // makeCredUvNotRqd: what is not discoverable is made without a PIN.
            if pin.is_set() && !uv && asked.options.rk == Some(true) {
                return Err(Status::PuatRequired);
            }
            Ok(uv)
        };
        let made = make_credential(&mut self.authenticator, request, verify, self.capacity)?;
        if let Some(credential) = self.authenticator.credentials.last_mut() {
            credential.user_names = names;
        }
        self.spend_token();
        Ok(made)
    }

    /// authenticatorGetAssertion (CTAP 2.1, 6.2.2).
    fn assert(&mut self, payload: &[u8]) -> Result<Cbor, Status> {
        let request = GetAssertion::read(&Parameters::read(payload)?)?;
        self.pin.parameter(&request.pin)?;
        let touched = request.options.up != Some(false);
        let pin = &mut self.pin;
        let verify = |_: &_, asked: &GetAssertion| {
            let about = (asked.rp_id.as_str(), asked.client_data_hash.as_slice());
            let given = pin.parameter(&asked.pin)?;
            verified(pin, given, &asked.options, about, ASSERT)
        };
        let (answer, rest) = get_assertion(&mut self.authenticator, request, verify)?;
        self.sequence = rest.map(Sequence::Assertions);
        if touched {
            self.spend_token();
        }
        Ok(answer)
    }

    /// authenticatorGetNextAssertion (CTAP 2.1, 6.3).
    fn next(&mut self, before: Option<Sequence>) -> Result<Cbor, Status> {
        let Some(Sequence::Assertions(remembered)) = before else {
            return Err(Status::NotAllowed);
        };
        let (answer, rest) = next_assertion(&mut self.authenticator, remembered)?;
        self.sequence = rest.map(Sequence::Assertions);
        Ok(answer)
    }

    /// A touch ends what a token permits.
    fn spend_token(&mut self) {
        if let Some(token) = self.pin.token() {
            token.spend();
        }
    }
}

/// Tells whether a PIN verifies the user for a relying party and a client data hash (CTAP 2.1, 6.1.2 step 11).
///
/// A parameter stands over the option `uv`, which asks for verification that is built in; there is none.
fn verified(
    pin: &mut ClientPin,
    given: Option<(PinProtocol, &[u8])>,
    options: &Options,
    (rp_id, client_data_hash): (&str, &[u8]),
    permission: u8,
) -> Result<bool, Status> {
    match given {
        None if options.uv == Some(true) => Err(Status::InvalidOption),
        None => Ok(false),
        Some(parameter) => {
            let token = pin.token().ok_or(Status::PinAuthInvalid)?;
            token.check(parameter, client_data_hash, permission)?;
            token.bind(rp_id)?;
            Ok(true)
        }
    }
}

impl Application for SecurityKey {
    fn cbor(&mut self, request: &[u8]) -> Vec<u8> {
        match self.answer(request) {
            Ok(body) => {
                let body = body.map_or_else(Vec::new, |body| body.encode());
                [&[Status::Ok.code()], &body[..]].concat()
            }
            Err(status) => vec![status.code()],
        }
    }

    fn message(&mut self, request: &[u8]) -> Vec<u8> {
        self.sequence = None;
        if self.speaks_u2f() {
            u2f::answer(&mut self.authenticator, request)
        } else {
            u2f::UNKNOWN_INSTRUCTION.to_vec()
        }
    }

    /// A request that cannot be read counts by its command: it is answered at once all the same.
    fn waits_for_touch(&self, request: &[u8], is_message: bool) -> bool {
        if is_message {
            return self.speaks_u2f() && u2f::waits_for_touch(request);
        }
        match request.split_first() {
            _ if self.u2f_only => false,
            Some((&(MAKE_CREDENTIAL | RESET | SELECTION), _)) => true,
            Some((&GET_ASSERTION, payload)) => {
                let asked = Parameters::read(payload).and_then(|read| GetAssertion::read(&read));
                asked.is_ok_and(|asked| asked.options.up != Some(false))
            }
            _ => false,
        }
    }

    fn speaks_cbor(&self) -> bool {
        !self.u2f_only
    }

    /// Credentials, the PIN and its retries stay; tokens, key agreement keys, sequences and the count of wrong PINs in a row are gone.
    fn power_cycle(&mut self) {
        self.sequence = None;
        self.pin.power_cycle();
    }
}
