//! A browser on the doctor's page, with virtual authenticators that come and go with a check.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use passkey_authenticators::webdriver::{
    self, AuthenticatorId, CommandError, Credential, Protocol, Transport, VirtualAuthenticator,
    chromium,
};
use passkey_model::{
    lane::{Browser, Fixed},
    platform::UserAgent,
};
use serde_json::{Value, json};

use super::{
    site::{DoctorSite, ORIGIN, RP_ID},
    verify::Wrong,
};
use crate::browser::{BrowserError, Session, page};

/// Shorter than a check may take, so that what hangs is named.
const LIMIT: Duration = Duration::from_secs(5);
/// The time-out of the ceremonies: nobody has to be waited for.
const TIMEOUT_MS: u64 = 2000;

const ASK: &str = include_str!("ask.js");

/// What checks work with.
pub(super) struct Bench {
    pub session: Session,
    pub site: Arc<DoctorSite>,
    /// What the browser's native lane says that its authenticators cannot choose.
    pub fixed: Fixed,
    /// A user agent that is not the browser's.
    pub user_agent: Option<UserAgent>,
    attached: Mutex<Vec<AuthenticatorId>>,
}

impl Bench {
    /// Shows the session the doctor's site.
    ///
    /// # Errors
    /// When Chromium does not turn on its virtual authenticators.
    pub(super) async fn new(
        session: Session,
        fixed: Fixed,
        user_agent: Option<UserAgent>,
    ) -> Result<Self, Wrong> {
        let site = Arc::new(DoctorSite::new());
        session.route(Some(Arc::clone(&site) as _));
        if session.browser() == Browser::Chromium {
            // As every row does.
            chromium::enable_virtual_authenticators(session.client()).await?;
        }
        Ok(Self {
            session,
            site,
            fixed,
            user_agent,
            attached: Mutex::default(),
        })
    }

    pub(super) async fn open(&self) -> Result<(), BrowserError> {
        page::open(&self.session, &format!("{ORIGIN}/")).await
    }

    /// Has the page do something; what it refuses is the error's name.
    pub(super) async fn ask(
        &self,
        what: &str,
        options: &Value,
    ) -> Result<Result<Value, String>, Wrong> {
        let question = json!({ "what": what, "options": options });
        let asked = self.session.client().execute_async(ASK, vec![question]);
        let mut answer = self.session.limited(what, LIMIT, asked).await?;
        Ok(match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["ok"].take()),
        })
    }

    /// Makes a passkey, and returns its `RegistrationResponseJSON`.
    pub(super) async fn create(&self) -> Result<Value, Wrong> {
        let made = self.ask("create", &creation()).await?;
        let mut made = made.map_err(|error| Wrong::new("a passkey", error))?;
        Ok(made["credential"].take())
    }

    /// Uses the passkey, and returns the `AuthenticationResponseJSON`.
    pub(super) async fn get(&self, options: &Value) -> Result<Value, Wrong> {
        let made = self.ask("get", options).await?;
        let mut made = made.map_err(|error| Wrong::new("an assertion", error))?;
        Ok(made["credential"].take())
    }

    /// Attaches a virtual authenticator until the check is over.
    pub(super) async fn attach(
        &self,
        wanted: &VirtualAuthenticator,
    ) -> Result<AuthenticatorId, Wrong> {
        let client = self.session.client();
        let id = webdriver::add_virtual_authenticator(client, wanted).await?;
        let mut attached = self.attached.lock().unwrap_or_else(PoisonError::into_inner);
        attached.push(id.clone());
        Ok(id)
    }

    /// Takes away every authenticator that is attached.
    pub(super) async fn detach_all(&self) -> Result<(), CommandError> {
        let attached = {
            let mut attached = self.attached.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *attached)
        };
        for id in attached {
            webdriver::remove_virtual_authenticator(self.session.client(), &id).await?;
        }
        Ok(())
    }

    /// Returns what an authenticator keeps, with the RP ID, which drivers may leave out.
    pub(super) async fn kept(&self, id: &AuthenticatorId) -> Result<Vec<Credential>, Wrong> {
        let mut kept = webdriver::get_credentials(self.session.client(), id).await?;
        for credential in &mut kept {
            credential.rp_id.get_or_insert_with(|| RP_ID.to_owned());
        }
        Ok(kept)
    }
}

/// Returns an authenticator that keeps passkeys and verifies its user.
pub(super) fn authenticator(transport: Transport) -> VirtualAuthenticator {
    VirtualAuthenticator {
        has_resident_key: Some(true),
        has_user_verification: Some(true),
        is_user_verified: Some(true),
        ..VirtualAuthenticator::new(Protocol::Ctap2_1, transport)
    }
}

/// Returns the options of a registration (`PublicKeyCredentialCreationOptionsJSON`, WebAuthn L3, 5.1.9).
pub(super) fn creation() -> Value {
    json!({
        "rp": { "id": RP_ID, "name": "doctor" },
        "user": { "id": "ZG9jdG9y", "name": "doctor", "displayName": "doctor" },
        "challenge": "ZG9jdG9yIHdobyBsb29rcw",
        "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }, { "type": "public-key", "alg": -257 }],
        "attestation": "direct",
        "authenticatorSelection": { "residentKey": "required", "requireResidentKey": true, "userVerification": "required" },
        "timeout": TIMEOUT_MS,
    })
}

/// Returns the options of a sign-in without a user name (`PublicKeyCredentialRequestOptionsJSON`, WebAuthn L3, 5.1.10).
pub(super) fn request() -> Value {
    json!({
        "rpId": RP_ID,
        "challenge": "ZG9jdG9yIHdobyBsb29rcw",
        "userVerification": "required",
        "timeout": TIMEOUT_MS,
    })
}
