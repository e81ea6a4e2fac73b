//! The model as a token of the crate, and what stands between a token and the crate's CTAP stack.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use passkey_model::provider::Transport;
use webauthn_authenticator_rs::{
    error::{CtapError, WebauthnCError},
    transport::Token,
    types::{CableRequestType, CableState, EnrollSampleStatus},
    ui::UiCallback,
};
use webauthn_rs_proto::AuthenticatorTransport;

use crate::{
    cbor::Cbor,
    ctap::{self, GET_ASSERTION, MAKE_CREDENTIAL, Status},
    software::SoftwareAuthenticator,
};

/// The software authenticator as a CTAP2 token (CTAP 2.1, 6).
#[derive(Debug)]
pub struct ModelToken<'a>(pub &'a mut SoftwareAuthenticator);

#[async_trait]
impl Token for ModelToken<'_> {
    type Id = ();

    fn get_transport(&self) -> AuthenticatorTransport {
        match self.0.model.transports.first() {
            Some(Transport::Nfc) => AuthenticatorTransport::Nfc,
            Some(Transport::Ble) => AuthenticatorTransport::Ble,
            Some(Transport::Internal) => AuthenticatorTransport::Internal,
            Some(Transport::Hybrid) => AuthenticatorTransport::Hybrid,
            Some(Transport::Usb | Transport::SmartCard) | None => AuthenticatorTransport::Usb,
        }
    }

    async fn transmit_raw<U>(&mut self, cbor: &[u8], _ui: &U) -> Result<Vec<u8>, WebauthnCError>
    where
        U: UiCallback,
    {
        match ctap::handle(self.0, cbor) {
            (Status::Ok, body) => Ok(body),
            (status, _) => Err(CtapError::from(status.code()).into()),
        }
    }

    async fn cancel(&mut self) -> Result<(), WebauthnCError> {
        Ok(())
    }

    async fn init(&mut self) -> Result<(), WebauthnCError> {
        Ok(())
    }

    async fn close(&mut self) -> Result<(), WebauthnCError> {
        Ok(())
    }
}

/// What is added to the commands of the crate's stack, which sends neither options nor extensions of a client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Additions {
    /// Sends `rk: true` with makeCredential (CTAP 2.1, 6.1).
    pub discoverable: bool,
    /// Leaves `uv: true` in; the stack sends it to every key with built-in verification, also where it is discouraged.
    pub user_verification: bool,
    /// Sends this credProtect level with makeCredential (CTAP 2.1, 12.1).
    pub protection: Option<u8>,
}

/// The user handle of the last assertion, which the crate's stack drops.
#[derive(Clone, Debug, Default)]
pub struct UserHandle(Arc<Mutex<Vec<u8>>>);

impl UserHandle {
    /// Returns the user handle; nothing in it when the answer had none (WebAuthn L3, 5.2.2).
    #[must_use]
    pub fn get(&self) -> Vec<u8> {
        self.0.lock().map(|kept| kept.clone()).unwrap_or_default()
    }

    /// Keeps the user handle of a getAssertion answer (CTAP 2.1, 6.2: `user`, 0x04).
    fn keep(&self, answer: &[u8]) {
        let answer = Cbor::decode(answer);
        let user = answer
            .as_ref()
            .and_then(|answer| answer.get("4")?.get("id"));
        if let (Ok(mut kept), Some(id)) = (self.0.lock(), user.and_then(Cbor::as_bytes)) {
            *kept = id.to_vec();
        }
    }
}

/// A token between another one and the crate's stack, with what that stack leaves out.
#[derive(Debug)]
pub struct Interposed<T> {
    token: T,
    additions: Additions,
    user_handle: UserHandle,
}

impl<T> Interposed<T> {
    /// Stands in front of a token; returns also where the user handle will be.
    pub fn new(token: T, additions: Additions) -> (Self, UserHandle) {
        let user_handle = UserHandle::default();
        let interposed = Self {
            token,
            additions,
            user_handle: user_handle.clone(),
        };
        (interposed, user_handle)
    }
}

impl Additions {
    /// Returns the command with the additions; other commands and those that cannot be read as they are.
    fn applied(self, command: &[u8]) -> Vec<u8> {
        let changed = || {
            let (code, payload) = command.split_first()?;
            let (options, extensions) = match *code {
                MAKE_CREDENTIAL => (7, Some(6)),
                GET_ASSERTION => (5, None),
                _ => return None,
            };
            let mut request = Cbor::decode(payload)?;
            if !self.user_verification {
                request.change_map(options, |map| map.retain(|(name, _)| !name.is_named("uv")));
            }
            if let Some(extensions) = extensions {
                if self.discoverable {
                    let rk = (Cbor::text("rk"), Cbor::Bool(true));
                    request.change_map(options, |map| map.push(rk));
                }
                if let Some(level) = self.protection {
                    let level = Cbor::Int(i64::from(level));
                    request.change_map(extensions, |map| {
                        map.push((Cbor::text("credProtect"), level));
                    });
                }
            }
            Some([&[*code], request.encode().as_slice()].concat())
        };
        changed().unwrap_or_else(|| command.to_vec())
    }
}

#[async_trait]
impl<T: Token> Token for Interposed<T> {
    type Id = T::Id;

    fn has_button(&self) -> bool {
        self.token.has_button()
    }

    fn get_transport(&self) -> AuthenticatorTransport {
        self.token.get_transport()
    }

    async fn transmit_raw<U>(&mut self, cbor: &[u8], ui: &U) -> Result<Vec<u8>, WebauthnCError>
    where
        U: UiCallback,
    {
        let command = self.additions.applied(cbor);
        let answer = self.token.transmit_raw(&command, ui).await?;
        if command.first() == Some(&GET_ASSERTION) {
            self.user_handle.keep(&answer);
        }
        Ok(answer)
    }

    async fn cancel(&mut self) -> Result<(), WebauthnCError> {
        self.token.cancel().await
    }

    async fn init(&mut self) -> Result<(), WebauthnCError> {
        self.token.init().await
    }

    async fn close(&mut self) -> Result<(), WebauthnCError> {
        self.token.close().await
    }
}

/// Nobody: there is no PIN to ask for, and nothing has to be touched.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl UiCallback for Silent {
    fn request_pin(&self) -> Option<String> {
        None
    }

    fn request_touch(&self) {}

    fn processing(&self) {}

    fn fingerprint_enrollment_feedback(&self, _: u32, _: Option<EnrollSampleStatus>) {}

    fn cable_qr_code(&self, _: CableRequestType, _: String) {}

    fn dismiss_qr_code(&self) {}

    fn cable_status_update(&self, _: CableState) {}
}
