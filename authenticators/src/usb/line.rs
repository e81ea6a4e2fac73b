//! The line to a key: what may be said on it, for how long, and what went wrong.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use passkey_model::Aaguid;
use tokio::time::{Instant, timeout_at};
use webauthn_authenticator_rs::{
    error::WebauthnCError,
    transport::Token,
    types::{CableRequestType, CableState, EnrollSampleStatus},
    ui::UiCallback,
};
use webauthn_rs_proto::AuthenticatorTransport;

use super::{Person, UsbError};
use crate::{
    cbor::Cbor,
    ctap::{
        CLIENT_PIN, CREDENTIAL_MANAGEMENT, CREDENTIAL_MANAGEMENT_PREVIEW, GET_ASSERTION, GET_INFO,
        GET_NEXT_ASSERTION, MAKE_CREDENTIAL,
    },
};

/// What is sent to a key at all: authenticatorReset and the configuration commands are not among it.
const COMMANDS: [u8; 6] = [
    MAKE_CREDENTIAL,
    GET_ASSERTION,
    GET_INFO,
    GET_NEXT_ASSERTION,
    CREDENTIAL_MANAGEMENT,
    CREDENTIAL_MANAGEMENT_PREVIEW,
];
/// The clientPIN subcommands that set or change a PIN (CTAP 2.1, 6.5.5).
const CHANGES_OF_PIN: [i64; 2] = [3, 4];
const GET_PIN_RETRIES: i64 = 1;
/// With no more attempts than this left, the PIN is not tried.
const TOO_FEW_ATTEMPTS: i64 = 3;

/// A key that outlives the crate's stack, which takes its token for good, with the limits of one use of it.
pub(super) struct Line<T> {
    token: Arc<futures::lock::Mutex<T>>,
    /// When a command is given up.
    until: Instant,
    /// Hides from the crate's stack that the key could verify its user: it would do so whether asked for or not.
    hide_verification: bool,
    failure: Arc<Mutex<Option<UsbError>>>,
}

impl<T> Clone for Line<T> {
    fn clone(&self) -> Self {
        Self {
            token: Arc::clone(&self.token),
            until: self.until,
            hide_verification: self.hide_verification,
            failure: Arc::clone(&self.failure),
        }
    }
}

impl<T> fmt::Debug for Line<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

impl<T> Line<T> {
    pub(super) fn new(token: T) -> Self {
        Self {
            token: Arc::new(futures::lock::Mutex::new(token)),
            until: Instant::now(),
            hide_verification: false,
            failure: Arc::default(),
        }
    }

    /// Returns the line for one use of the key.
    pub(super) fn within(&self, limit: Duration, hide_verification: bool) -> Self {
        Self {
            token: Arc::clone(&self.token),
            until: Instant::now() + limit,
            hide_verification,
            failure: Arc::default(),
        }
    }

    /// Returns what went wrong on the line, which the crate's stack tells in part only.
    pub(super) fn failure(&self) -> Option<UsbError> {
        let failure = self.failure.lock();
        failure.unwrap_or_else(PoisonError::into_inner).take()
    }

    fn fail(&self, failure: UsbError, error: WebauthnCError) -> WebauthnCError {
        let mut kept = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get_or_insert(failure);
        error
    }

    /// Says what the stack is told of a key whose user is not to be verified.
    fn shown(&self, command: u8, answer: Vec<u8>) -> Vec<u8> {
        let hidden = || {
            let mut info = Cbor::decode(&answer)?;
            info.change_map(4, |options| {
                options.retain(|(name, _)| !name.is_named("uv") && !name.is_named("clientPin"));
            });
            Some(info.encode())
        };
        if command == GET_INFO && self.hide_verification {
            return hidden().unwrap_or(answer);
        }
        answer
    }
}

/// Fails for what must not be sent to a key.
fn permitted(command: &[u8]) -> Result<(), UsbError> {
    let code = command.first().copied().unwrap_or_default();
    let leaves_pin = subcommand(command).is_some_and(|sub| !CHANGES_OF_PIN.contains(&sub));
    if COMMANDS.contains(&code) || (code == CLIENT_PIN && leaves_pin) {
        Ok(())
    } else {
        Err(UsbError::Forbidden(code))
    }
}

/// Reads the subcommand of clientPIN.
fn subcommand(command: &[u8]) -> Option<i64> {
    let (&code, payload) = command.split_first()?;
    let payload = (code == CLIENT_PIN).then(|| Cbor::decode(payload))??;
    payload.get("2")?.as_int()
}

/// Fails when an answer to getPINRetries leaves no attempt to risk (CTAP 2.1, 6.5.5.2).
fn enough_attempts(answer: &[u8]) -> Result<(), UsbError> {
    let answer = Cbor::decode(answer);
    let left = answer.and_then(|answer| answer.get("3")?.as_int());
    match left {
        Some(0) => Err(UsbError::PinBlocked),
        Some(few) if few <= TOO_FEW_ATTEMPTS => Err(UsbError::FewAttempts(few)),
        Some(_) => Ok(()),
        None => Err(UsbError::Unexpected(
            "it does not say how many PIN attempts are left".to_owned(),
        )),
    }
}

#[async_trait]
impl<T: Token> Token for Line<T> {
    type Id = T::Id;

    fn get_transport(&self) -> AuthenticatorTransport {
        AuthenticatorTransport::Usb
    }

    async fn transmit_raw<U>(&mut self, cbor: &[u8], ui: &U) -> Result<Vec<u8>, WebauthnCError>
    where
        U: UiCallback,
    {
        permitted(cbor).map_err(|failure| self.fail(failure, WebauthnCError::Security))?;
        let mut token = self.token.lock().await;
        let Ok(answer) = timeout_at(self.until, token.transmit_raw(cbor, ui)).await else {
            // Otherwise the key blinks on, and answers when nobody listens any more.
            drop(token.cancel().await);
            return Err(self.fail(UsbError::TooSlow, WebauthnCError::Cancelled));
        };
        let answer = answer.map_err(|error| self.fail(UsbError::from(&error), error))?;
        if subcommand(cbor) == Some(GET_PIN_RETRIES) {
            let enough = enough_attempts(&answer);
            enough.map_err(|failure| self.fail(failure, WebauthnCError::Cancelled))?;
        }
        Ok(self.shown(cbor.first().copied().unwrap_or_default(), answer))
    }

    async fn cancel(&mut self) -> Result<(), WebauthnCError> {
        self.token.lock().await.cancel().await
    }

    /// The key was initialised when it was opened.
    async fn init(&mut self) -> Result<(), WebauthnCError> {
        Ok(())
    }

    async fn close(&mut self) -> Result<(), WebauthnCError> {
        Ok(())
    }
}

impl<T: Token> Line<T> {
    /// Sets up the channel to the key (CTAPHID_INIT).
    pub(super) async fn initialise(&self) -> Result<(), WebauthnCError> {
        self.token.lock().await.init().await
    }
}

/// The person as the crate asks for one: the PIN was asked for before, and touch is told once a use.
#[derive(Debug)]
pub(super) struct Ui {
    pub person: Arc<dyn Person>,
    pub aaguid: Aaguid,
    pub pin: Option<String>,
    pub told: AtomicBool,
}

impl UiCallback for Ui {
    fn request_pin(&self) -> Option<String> {
        self.pin.clone()
    }

    fn request_touch(&self) {
        if !self.told.swap(true, Ordering::Relaxed) {
            self.person.touch(self.aaguid);
        }
    }

    fn processing(&self) {}

    fn fingerprint_enrollment_feedback(&self, _: u32, _: Option<EnrollSampleStatus>) {}

    fn cable_qr_code(&self, _: CableRequestType, _: String) {}

    fn dismiss_qr_code(&self) {}

    fn cable_status_update(&self, _: CableState) {}
}
