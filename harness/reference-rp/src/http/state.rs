//! What the relying party does, behind one lock.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    Config,
    finish::{attestation_level, passkey_type},
    memory::{Ceremony, Memory, Session, random_id, user_handle},
    pages::Site,
    seen::Log,
};
use crate::{
    defects::Defect,
    parse::{base64url, to_base64url},
    policy::{self, BrokenRule},
    recorded::Recorded,
    verify::{Record, Refusal, refuse},
};

/// How long a store of another machine would take to answer.
const ROUND_TRIP: Duration = Duration::from_millis(50);

/// The relying party's memory, with what can be done to it.
#[derive(Debug)]
pub(super) struct State {
    memory: Mutex<Memory>,
    pub site: Site,
    pub seen: Log,
}

pub(super) type Answer = Result<Value, Refusal>;

impl State {
    pub(super) fn new(config: Config) -> Self {
        Self {
            site: Site::new(&config),
            seen: Log::default(),
            memory: Mutex::new(Memory::new(config)),
        }
    }

    /// A panic of one request is not the end of the others.
    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has(&self, defect: Defect) -> bool {
        self.memory().defects.has(defect)
    }

    pub(super) fn advance_clock(&self, seconds: u64) {
        let mut memory = self.memory();
        memory.ahead = memory.ahead.saturating_add(seconds);
    }

    pub(super) fn set_user(&self, name: &str, groups: Option<Vec<String>>, guest: Option<bool>) {
        if let Some(user) = self.memory().users.get_mut(name) {
            user.groups = groups.unwrap_or_else(|| user.groups.clone());
            user.guest = guest.unwrap_or(user.guest);
        }
    }

    pub(super) fn recorded(&self) -> Vec<Recorded> {
        self.memory().recorded.clone()
    }

    pub(super) fn take_recorded(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.memory().recorded)
    }

    pub(super) fn policy(&self) -> Option<Value> {
        self.memory().expected.policy.clone()
    }

    /// Puts a patch over the policy in force, if the whole keeps the rules.
    pub(super) fn set_policy(&self, patch: &Value) -> Result<(), BrokenRule> {
        let mut memory = self.memory();
        if patch["@odata.type"] != "#microsoft.graph.fido2AuthenticationMethodConfiguration" {
            return Err(BrokenRule {
                rule: "policy.missing-field",
                message: "@odata.type is missing or another type's".to_owned(),
            });
        }
        let previous = memory.expected.policy.clone();
        let mut policy = previous.clone().unwrap_or_else(|| json!({}));
        if let (Some(policy), Some(patch)) = (policy.as_object_mut(), patch.as_object()) {
            policy.extend(patch.clone());
        }
        policy::validate(
            &policy,
            previous.as_ref(),
            &memory.expected.switches,
            &memory.limits,
            &memory.defects,
        )?;
        Arc::make_mut(&mut memory.expected).policy = Some(policy);
        Ok(())
    }

    /// Lets a user in with the temporary access pass; returns the new session's id.
    pub(super) fn bootstrap(&self, body: &Value) -> Option<String> {
        let mut memory = self.memory();
        let user = memory.users.get(body["username"].as_str()?)?;
        if body["temporaryAccessPass"].as_str()? != user.temporary_access_pass {
            return None;
        }
        let user = user.name.clone();
        Some(memory.let_in(user, Session::default()))
    }

    /// Says who is signed in, and what a page tells the browser's password manager of that.
    pub(super) fn who(&self, session: Option<&str>) -> Value {
        let memory = self.memory();
        let user = memory.signed_in(session).ok().map(|(user, _)| user);
        let handle = user.as_deref().map(user_handle);
        json!({
            "user": user,
            "userHandle": handle.map(|handle| to_base64url(&handle)),
            "rpId": memory.expected.rp_id,
        })
    }

    pub(super) fn sign_out(&self, session: Option<&str>) {
        if let Some(session) = session {
            self.memory().sessions.remove(session);
        }
    }

    /// Returns the session if it is one, or else a new id: nobody chooses the id of a session.
    pub(super) fn session_or_new(&self, session: Option<String>) -> String {
        session
            .filter(|id| self.memory().sessions.contains_key(id))
            .unwrap_or_else(random_id)
    }

    pub(super) fn registration_options(&self, session: Option<&str>, body: &Value) -> Answer {
        let mut memory = self.memory();
        let (name, situation) = memory.signed_in(session)?;
        if let Some(policy) = &memory.expected.policy
            && let Err(clause) = policy::admit_request(
                policy,
                &memory.expected.switches,
                &memory.defects,
                &situation.subject,
                true,
            )
        {
            return refuse(clause, "passkeys cannot be registered");
        }
        let mut ceremony = memory.ceremony(true, Some(name.clone()));
        ceremony.conditional = body["mediation"] == "conditional";
        let mut options = memory.creation_options(&name, &ceremony.challenge);
        if let Some(attachment @ ("platform" | "cross-platform")) =
            body["authenticatorAttachment"].as_str()
        {
            options["authenticatorSelection"]["authenticatorAttachment"] = json!(attachment);
        }
        if let Some(session) = session {
            memory.begin(session, ceremony);
        }
        Ok(options)
    }

    pub(super) fn request_options(&self, session: &str, body: &Value) -> Value {
        let mut memory = self.memory();
        let username = body["username"].as_str().map(str::to_owned);
        let mut ceremony = memory.ceremony(false, username.clone());
        ceremony.allowed = username
            .map(|name| memory.allowed_for(&name))
            .unwrap_or_default();
        let descriptors: Vec<Value> = ceremony
            .allowed
            .iter()
            .map(|id| memory.descriptor(id))
            .collect();
        let options = json!({
            "challenge": to_base64url(&ceremony.challenge),
            "rpId": memory.expected.rp_id,
            "timeout": memory.options_timeout,
            "userVerification": memory.expected.user_verification,
            "allowCredentials": descriptors,
        });
        memory.begin(session, ceremony);
        options
    }

    /// Takes the ceremony that a response answers.
    pub(super) async fn take_ceremony(
        &self,
        session: Option<&str>,
        registering: bool,
        response: &Value,
    ) -> Option<Ceremony> {
        let (ceremony, late) = {
            let mut memory = self.memory();
            let late = memory
                .defects
                .has(Defect::ChallengeConsumedAfterVerification);
            (memory.take_ceremony(session, registering, response), late)
        };
        if late {
            tokio::time::sleep(ROUND_TRIP).await;
        }
        ceremony
    }

    /// Finishes a registration of the user who is signed in.
    pub(super) fn register(
        &self,
        session: Option<&str>,
        ceremony: Option<Ceremony>,
        response: Value,
    ) -> Answer {
        let mut memory = self.memory();
        memory.drop_ceremony(session, &response);
        let (user, situation) = memory.signed_in(session)?;
        memory.finish_registration(user, situation, ceremony, response)
    }

    /// Verifies an assertion; returns the answer and the id of the new session.
    pub(super) fn authenticate(
        &self,
        session: Option<&str>,
        ceremony: Option<Ceremony>,
        response: Value,
    ) -> Result<(Value, String), Refusal> {
        let mut memory = self.memory();
        memory.drop_ceremony(session, &response);
        let user = memory.finish_authentication(ceremony, response)?;
        // The session goes on under an id that nobody knew before.
        let kept = session.and_then(|session| memory.sessions.remove(session));
        let new = memory.let_in(user.clone(), kept.unwrap_or_default());
        Ok((json!({ "user": user }), new))
    }

    /// Lists the passkeys of the user who is signed in.
    pub(super) fn own_passkeys(&self, session: Option<&str>) -> Answer {
        let memory = self.memory();
        let (user, _) = memory.signed_in(session)?;
        let mine = memory.records.iter().filter(|record| record.user == user);
        let own = |record: &Record| {
            json!({
                "id": to_base64url(&record.id),
                "transports": record.transports,
                "passkeyType": passkey_type(record),
                "aaguid": policy::guid(record.aaguid),
                "madeAt": record.made_at,
            })
        };
        Ok(mine.map(own).collect())
    }

    /// Deletes a passkey of the user who is signed in; tells whether there was such a one.
    pub(super) fn delete_passkey(&self, session: Option<&str>, id: &str) -> Result<bool, Refusal> {
        let mut memory = self.memory();
        let (user, _) = memory.signed_in(session)?;
        let Some(id) = base64url(id) else {
            return Ok(false);
        };
        let before = memory.records.len();
        memory
            .records
            .retain(|record| record.user != user || record.id != id);
        Ok(memory.records.len() < before)
    }

    /// Tells whether the credential that a response names is registered.
    pub(super) fn knows(&self, id: Option<&[u8]>) -> bool {
        let memory = self.memory();
        memory
            .records
            .iter()
            .any(|record| Some(record.id.as_slice()) == id)
    }

    /// A read-only view of a user's stored records.
    pub(super) fn passkeys(&self, name: &str) -> Value {
        let memory = self.memory();
        let mine = memory.records.iter().filter(|record| record.user == name);
        mine.map(view).collect()
    }
}

fn view(record: &Record) -> Value {
    json!({
        "credentialId": to_base64url(&record.id),
        "signCount": record.sign_count,
        "transports": record.transports,
        "backupEligible": record.backup_eligible,
        "backupState": record.backup_state,
        "aaGuid": policy::guid(record.aaguid),
        "attestationFormat": record.format,
        "attestationLevel": attestation_level(record),
        "passkeyType": passkey_type(record),
    })
}
