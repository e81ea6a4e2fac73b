//! webauthn-rs as its documentation shows it: passkeys, and sign-in without a name by its conditional API.

use std::collections::HashMap;

use serde_json::Value;
use uuid::Uuid;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey, PasskeyAuthentication, PasskeyRegistration,
    PublicKeyCredential, RegisterPublicKeyCredential, Url, Webauthn, WebauthnBuilder,
    WebauthnError,
};

use super::server::{ORIGIN, Passkeys, RP_ID, Refusal};

/// Passkeys of webauthn-rs by user.
pub struct WithPasskeys {
    webauthn: Webauthn,
    kept: HashMap<Uuid, Vec<Passkey>>,
}

/// A sign-in that is under way.
pub enum SignIn {
    Named(Uuid, PasskeyAuthentication),
    Anybody(DiscoverableAuthentication),
}

impl WithPasskeys {
    pub fn new() -> Self {
        let origin = Url::parse(ORIGIN).unwrap();
        let builder = WebauthnBuilder::new(RP_ID, &origin).unwrap();
        Self {
            webauthn: builder.rp_name("webauthn-rs").build().unwrap(),
            kept: HashMap::new(),
        }
    }

    fn of(&self, user: Uuid) -> &[Passkey] {
        self.kept.get(&user).map_or(&[], Vec::as_slice)
    }
}

impl Passkeys for WithPasskeys {
    type Registration = PasskeyRegistration;
    type SignIn = SignIn;

    fn start_registration(
        &self,
        user: Uuid,
        name: &str,
        _asked: &Value,
    ) -> Result<(Value, PasskeyRegistration), Refusal> {
        let kept = self.of(user).iter();
        let exclude = kept.map(|passkey| passkey.cred_id().clone()).collect();
        let (options, state) =
            self.webauthn
                .start_passkey_registration(user, name, name, Some(exclude))?;
        Ok((serde_json::to_value(options)?, state))
    }

    fn register(
        &mut self,
        user: Uuid,
        posted: &[u8],
        begun: PasskeyRegistration,
    ) -> Result<(), Refusal> {
        let response: RegisterPublicKeyCredential = serde_json::from_slice(posted)?;
        let passkey = self
            .webauthn
            .finish_passkey_registration(&response, &begun)?;
        // "You MUST assert that the registered CredentialID has not previously been registered."
        let mut all = self.kept.values().flatten();
        if all.any(|known| known.cred_id() == passkey.cred_id()) {
            return Err(WebauthnError::CredentialAlreadyExists.into());
        }
        self.kept.entry(user).or_default().push(passkey);
        Ok(())
    }

    fn start_sign_in(
        &self,
        user: Option<Uuid>,
        _asked: &Value,
    ) -> Result<(Value, SignIn), Refusal> {
        Ok(match user {
            Some(user) => {
                let kept = self.of(user);
                let (options, state) = self.webauthn.start_passkey_authentication(kept)?;
                (serde_json::to_value(options)?, SignIn::Named(user, state))
            }
            None => {
                let (options, state) = self.webauthn.start_discoverable_authentication()?;
                (serde_json::to_value(options)?, SignIn::Anybody(state))
            }
        })
    }

    fn sign_in(&mut self, posted: &[u8], begun: SignIn) -> Result<Uuid, Refusal> {
        let response: PublicKeyCredential = serde_json::from_slice(posted)?;
        let webauthn = &self.webauthn;
        let (user, result) = match begun {
            SignIn::Named(user, state) => (
                user,
                webauthn.finish_passkey_authentication(&response, &state)?,
            ),
            SignIn::Anybody(state) => {
                let (user, id) = webauthn.identify_discoverable_authentication(&response)?;
                let mut kept = self.of(user).iter();
                let passkey = kept.find(|passkey| passkey.cred_id() == id);
                let passkey = passkey.ok_or(WebauthnError::CredentialNotFound)?;
                let result =
                    webauthn.finish_discoverable_authentication_v2(&response, state, passkey)?;
                (user, result)
            }
        };
        for passkey in self.kept.entry(user).or_default() {
            passkey.update_credential(&result);
        }
        Ok(user)
    }
}
