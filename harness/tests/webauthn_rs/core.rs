//! webauthn-rs-core, asked for direct attestation by any root: what webauthn-rs asks for nowhere, so that its verification of
//! attestation statements is reached with every kind of passkey. All else is as webauthn-rs does it for passkeys.

use std::{collections::HashMap, time::Duration};

use serde_json::Value;
use url::Url;
use uuid::Uuid;
use webauthn_rs_core::{
    WebauthnCore,
    error::WebauthnError,
    proto::{
        AttestationConveyancePreference, AuthenticationState, COSEAlgorithm, Credential,
        PublicKeyCredential, RegisterPublicKeyCredential, RegistrationState,
        UserVerificationPolicy,
    },
};

use super::server::{ORIGIN, Passkeys, RP_ID, Refusal};

const TIMEOUT: Duration = Duration::from_secs(300);

/// Credentials of webauthn-rs-core by user.
pub struct WithAttestation {
    core: WebauthnCore,
    kept: HashMap<Uuid, Vec<Credential>>,
}

impl WithAttestation {
    pub fn new() -> Self {
        let origins = vec![Url::parse(ORIGIN).unwrap()];
        let name = "webauthn-rs-core";
        Self {
            core: WebauthnCore::new_unsafe_experts_only(name, RP_ID, origins, TIMEOUT, None, None),
            kept: HashMap::new(),
        }
    }

    fn of(&self, user: Uuid) -> &[Credential] {
        self.kept.get(&user).map_or(&[], Vec::as_slice)
    }
}

/// Direct attestation, unless a request asks for another.
fn attestation(asked: &Value) -> AttestationConveyancePreference {
    match asked.as_str() {
        Some("none") => AttestationConveyancePreference::None,
        Some("indirect") => AttestationConveyancePreference::Indirect,
        _ => AttestationConveyancePreference::Direct,
    }
}

/// User verification is required, unless a request asks for another.
fn user_verification(asked: &Value) -> UserVerificationPolicy {
    match asked.as_str() {
        Some("preferred") => UserVerificationPolicy::Preferred,
        Some("discouraged") => UserVerificationPolicy::Discouraged_DO_NOT_USE,
        _ => UserVerificationPolicy::Required,
    }
}

impl Passkeys for WithAttestation {
    type Registration = RegistrationState;
    /// Who gave a name, and the library's part.
    type SignIn = (Option<Uuid>, AuthenticationState);

    fn start_registration(
        &self,
        user: Uuid,
        name: &str,
        asked: &Value,
    ) -> Result<(Value, RegistrationState), Refusal> {
        let verified = &asked["authenticatorSelection"]["userVerification"];
        let kept = self.of(user).iter();
        let exclude = kept.map(|credential| credential.cred_id.clone()).collect();
        let asked = self
            .core
            .new_challenge_register_builder(user.as_bytes(), name, name)?
            .attestation(attestation(&asked["attestation"]))
            .credential_algorithms(COSEAlgorithm::secure_algs())
            .require_resident_key(true)
            .user_verification_policy(user_verification(verified))
            .exclude_credentials(Some(exclude));
        let (options, state) = self.core.generate_challenge_register(asked)?;
        Ok((serde_json::to_value(options)?, state))
    }

    fn register(
        &mut self,
        user: Uuid,
        posted: &[u8],
        begun: RegistrationState,
    ) -> Result<(), Refusal> {
        let response: RegisterPublicKeyCredential = serde_json::from_slice(posted)?;
        let credential = self.core.register_credential(&response, &begun, None)?;
        let mut all = self.kept.values().flatten();
        if all.any(|known| known.cred_id == credential.cred_id) {
            return Err(WebauthnError::CredentialAlreadyExists.into());
        }
        self.kept.entry(user).or_default().push(credential);
        Ok(())
    }

    fn start_sign_in(
        &self,
        user: Option<Uuid>,
        asked: &Value,
    ) -> Result<(Value, Self::SignIn), Refusal> {
        let listed = user.map_or_else(Vec::new, |user| self.of(user).to_vec());
        let verified = user_verification(&asked["userVerification"]);
        let asked = self
            .core
            .new_challenge_authenticate_builder(listed, Some(verified))?
            .allow_backup_eligible_upgrade(true);
        let (options, state) = self.core.generate_challenge_authenticate(asked)?;
        Ok((serde_json::to_value(options)?, (user, state)))
    }

    fn sign_in(&mut self, posted: &[u8], begun: Self::SignIn) -> Result<Uuid, Refusal> {
        let response: PublicKeyCredential = serde_json::from_slice(posted)?;
        let (named, mut state) = begun;
        let user = match named {
            Some(user) => user,
            None => {
                let handle = response.get_user_unique_id();
                let user = handle.and_then(|handle| Uuid::from_slice(handle).ok());
                let user = user.ok_or(WebauthnError::InvalidUserUniqueId)?;
                state.set_allowed_credentials(self.of(user).to_vec());
                user
            }
        };
        let result = self.core.authenticate_credential(&response, &state)?;
        for credential in self.kept.entry(user).or_default() {
            if credential.cred_id == *result.cred_id() {
                credential.counter = credential.counter.max(result.counter());
                credential.backup_state = result.backup_state();
                credential.backup_eligible |= result.backup_eligible();
            }
        }
        Ok(user)
    }
}
