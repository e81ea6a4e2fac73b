//! The browser's own virtual authenticators: one is attached for each ceremony, with the passkeys that it is to have.
//!
//! A row may have several authenticators and an authenticator several passkeys, but a ceremony has one authenticator: so a
//! browser never chooses between them, and keys that it made are known here.

use std::collections::BTreeMap;

use passkey_authenticators::{
    Key, Observed,
    webdriver::{
        self, AuthenticatorId, Bytes, CommandError, Credential, Protocol, VirtualAuthenticator,
    },
};
use passkey_model::{
    lane,
    provider::{AuthenticatorModel, Transport, UserVerification},
    scenario::{StepSpec, UserDoes},
};
use serde_json::Value;

use super::page::Played;
use crate::browser::Session;

/// Longer than any of these commands takes: they touch nothing but the browser's memory.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// What the browser's authenticators of a row keep, by the names of the passkeys.
pub(super) struct Native {
    rp_id: String,
    /// Whether authenticators have BE and BS flags.
    has_backup_flags: bool,
    kept: BTreeMap<String, Kept>,
}

struct Kept {
    model: AuthenticatorModel,
    credentials: Vec<Credential>,
}

impl Native {
    pub(super) const fn new(rp_id: String, has_backup_flags: bool) -> Self {
        Self {
            rp_id,
            has_backup_flags,
            kept: BTreeMap::new(),
        }
    }

    /// Attaches the authenticator that keeps a passkey, or a new one that is as the model says.
    pub(super) async fn attach(
        &mut self,
        session: &Session,
        (passkey, model, spec): (&str, Option<&AuthenticatorModel>, &StepSpec),
    ) -> Played<AuthenticatorId> {
        if let Some(model) = model.filter(|_| !self.kept.contains_key(passkey)) {
            let kept = Kept {
                model: model.clone(),
                credentials: Vec::new(),
            };
            self.kept.insert(passkey.to_owned(), kept);
        }
        let has_backup_flags = self.has_backup_flags;
        let kept = self
            .kept
            .get_mut(passkey)
            .ok_or_else(|| format!("no passkey '{passkey}' was registered before"))?;
        let mut model = kept.model.clone();
        model.override_with(spec);
        if let Some(state) = spec.backup_state {
            for credential in &mut kept.credentials {
                credential.backup_state = Some(state);
            }
        }
        let does = spec.user_does;
        let verifies = model.user_verification != UserVerification::Never;
        let transport = lane::transport(spec.context.as_ref(), &model.transports);
        let wanted = VirtualAuthenticator {
            has_resident_key: Some(true),
            has_user_verification: Some(verifies),
            is_user_verified: Some(verifies && does != Some(UserDoes::FailsVerification)),
            is_user_consenting: Some(!matches!(does, Some(UserDoes::Nothing | UserDoes::Cancels))),
            default_backup_eligibility: has_backup_flags.then_some(model.backup_eligible),
            default_backup_state: has_backup_flags.then_some(model.backup_state),
            ..VirtualAuthenticator::new(Protocol::Ctap2_1, transport)
        };
        let client = session.client();
        let added = webdriver::add_virtual_authenticator(client, &wanted);
        let authenticator = limited("adding a virtual authenticator", added).await?;
        for credential in &kept.credentials {
            let added = webdriver::add_credential(client, &authenticator, credential);
            limited("putting a passkey back", added).await?;
        }
        Ok(authenticator)
    }

    /// Returns the transport over which a step sees the authenticator of a passkey, if it has been attached before.
    pub(super) fn transport(&self, passkey: &str, spec: &StepSpec) -> Option<Transport> {
        let kept = self.kept.get(passkey)?;
        let transports = &kept.model.transports;
        Some(lane::transport(spec.context.as_ref(), transports))
    }

    /// Forgets a passkey, as when its user deletes it.
    pub(super) fn forget(&mut self, passkey: &str) {
        if let Some(kept) = self.kept.get_mut(passkey) {
            kept.credentials.clear();
        }
    }

    /// Takes an authenticator away, and keeps its passkeys.
    pub(super) async fn detach(
        &mut self,
        session: &Session,
        passkey: &str,
        authenticator: &AuthenticatorId,
    ) -> Played<()> {
        let client = session.client();
        let listed = webdriver::get_credentials(client, authenticator);
        let mut credentials = limited("reading the passkeys", listed).await?;
        for credential in &mut credentials {
            // A driver may leave it out when it lists, and wants it back.
            credential.rp_id.get_or_insert_with(|| self.rp_id.clone());
        }
        if let Some(kept) = self.kept.get_mut(passkey) {
            kept.credentials = credentials;
        }
        remove(session, authenticator).await
    }

    /// Returns the private key of the passkey whose response is given: one that is kept, or one that was only just made.
    pub(super) async fn key(
        &self,
        session: &Session,
        authenticator: &AuthenticatorId,
        made: &Value,
    ) -> Played<Option<Key>> {
        let id = made["id"].as_str().unwrap_or_default();
        let is_it = |credential: &&Credential| credential.credential_id.to_string() == id;
        let mut kept = self.kept.values().flat_map(|kept| &kept.credentials);
        if let Some(credential) = kept.find(is_it) {
            return read(&credential.private_key).map(Some);
        }
        let listed = webdriver::get_credentials(session.client(), authenticator);
        let listed = limited("reading the passkeys", listed).await?;
        let found = listed.iter().find(is_it);
        found
            .map(|credential| read(&credential.private_key))
            .transpose()
    }
}

/// Attaches an authenticator without passkeys: an internal one is what a page looks for before it offers passkeys of this device.
pub(super) async fn attach_empty(
    session: &Session,
    transport: Transport,
) -> Played<AuthenticatorId> {
    let wanted = VirtualAuthenticator {
        has_resident_key: Some(true),
        has_user_verification: Some(true),
        is_user_verified: Some(true),
        ..VirtualAuthenticator::new(Protocol::Ctap2_1, transport)
    };
    let added = webdriver::add_virtual_authenticator(session.client(), &wanted);
    limited("adding an empty authenticator", added).await
}

/// Takes an authenticator away, with whatever it keeps.
pub(super) async fn remove(session: &Session, authenticator: &AuthenticatorId) -> Played<()> {
    let removed = webdriver::remove_virtual_authenticator(session.client(), authenticator);
    limited("removing a virtual authenticator", removed).await
}

fn read(key: &Bytes) -> Played<Key> {
    Key::from_pkcs8(&key.0).map_err(|error| error.to_string())
}

async fn limited<T>(
    what: &str,
    command: impl Future<Output = Result<T, CommandError>>,
) -> Played<T> {
    match tokio::time::timeout(LIMIT, command).await {
        Ok(done) => done.map_err(|error| format!("{what}: {error}")),
        Err(_) => Err(format!("{what} took longer than {} s", LIMIT.as_secs())),
    }
}

/// Returns what a registration response says of its authenticator.
pub(super) fn observed(response: &Value) -> Played<Observed> {
    passkey_authenticators::native::observed(response).map_err(|error| error.to_string())
}
