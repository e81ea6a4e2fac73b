//! What the relying party does, behind one lock.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    Config,
    accounts::{Named, record_of_body},
    finish::{attestation_level, passkey_type},
    memory::{Ceremony, Memory, Session, random_id},
    pages::Site,
    seen::Log,
    tenants::Tenants,
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
    tenants: Tenants,
}

pub(super) type Answer = Result<Value, Refusal>;

impl State {
    pub(super) fn new(mut config: Config) -> Self {
        Self {
            tenants: Tenants::new(std::mem::take(&mut config.tenants)),
            site: Site::new(&config),
            seen: Log::default(),
            memory: Mutex::new(Memory::new(config)),
        }
    }

    /// Returns the other tenant that is reached under a host, if one is.
    pub(super) fn tenant(&self, host: &str) -> Option<Arc<Self>> {
        self.tenants.at(host)
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

    pub(super) fn set_user(
        &self,
        name: &str,
        groups: Option<Vec<String>>,
        guest: Option<bool>,
        disabled: Option<bool>,
    ) {
        if let Some(user) = self.memory().users.get_mut(name) {
            user.groups = groups.unwrap_or_else(|| user.groups.clone());
            user.guest = guest.unwrap_or(user.guest);
        }
        match disabled {
            Some(true) => self.memory().disable(name),
            Some(false) => drop(self.memory().disabled.remove(name)),
            None => {}
        }
    }

    pub(super) fn recorded(&self) -> Vec<Recorded> {
        self.memory().recorded.clone()
    }

    pub(super) fn take_recorded(&self) -> Vec<Recorded> {
        let mut recorded = std::mem::take(&mut self.memory().recorded);
        recorded.extend(self.tenants.all().flat_map(|tenant| tenant.take_recorded()));
        recorded
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
        let name = body["username"].as_str()?;
        let user = memory
            .users
            .get(name)
            .filter(|_| !memory.disabled.contains(name))?;
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
        let handle = user.as_deref().map(|user| memory.user_handle(user));
        json!({
            "user": user,
            "userHandle": handle.map(|handle| to_base64url(&handle)),
            "rpId": memory.expected.rp_id,
        })
    }

    pub(super) fn sign_out(&self, session: Option<&str>) {
        let mut memory = self.memory();
        // Whoever has the cookie still could go on, if only the browser forgot it.
        let forgets = !memory.defects.has(Defect::SignOutKeepsSession);
        if let Some(session) = session.filter(|_| forgets) {
            memory.sessions.remove(session);
        }
    }

    /// Returns the session if it is one, or else a new id: nobody chooses the id of a session.
    pub(super) fn session_or_new(&self, session: Option<String>) -> String {
        session
            .filter(|id| self.memory().sessions.contains_key(id))
            .unwrap_or_else(random_id)
    }

    pub(super) fn registration_options(
        &self,
        session: &str,
        named: &Named,
        body: &Value,
    ) -> Answer {
        let mut memory = self.memory();
        let (name, situation) = memory.registrant(Some(session), named, None)?;
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
        memory.grant(&mut ceremony, body);
        let mut options = memory.creation_options(&name, &mut ceremony);
        if let Some(attachment @ ("platform" | "cross-platform")) =
            body["authenticatorAttachment"].as_str()
        {
            options["authenticatorSelection"]["authenticatorAttachment"] = json!(attachment);
        }
        memory.hand_out(session, &ceremony, &mut options);
        memory.begin(session, ceremony);
        Ok(options)
    }

    pub(super) fn request_options(&self, session: &str, body: &Value) -> Value {
        let mut memory = self.memory();
        let username = body["username"].as_str().map(str::to_owned);
        let mut ceremony = memory.ceremony(false, username.clone());
        memory.grant(&mut ceremony, body);
        ceremony.allowed = match &username {
            Some(name) => memory.allowed_for(name),
            None if memory.defects.has(Defect::ListsOfEverybody) => memory.listed(""),
            None => Vec::new(),
        };
        let descriptors: Vec<Value> = ceremony
            .allowed
            .iter()
            .map(|id| memory.descriptor(id))
            .collect();
        ceremony.extensions = memory.extensions_for(&ceremony.allowed);
        let mut options = json!({
            "challenge": to_base64url(&ceremony.challenge),
            "rpId": memory.expected.rp_id,
            "timeout": memory.options_timeout,
            "userVerification": memory.asked_verification(&ceremony),
            "allowCredentials": descriptors,
        });
        if !ceremony.extensions.is_empty() {
            options["extensions"] = json!(ceremony.extensions);
        }
        memory.hand_out(session, &ceremony, &mut options);
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
                .has(Defect::ChallengeConsumedAfterVerification)
                || memory.defects.has(Defect::DuplicateCheckNotAtomic);
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
        named: &Named,
        ceremony: Option<Ceremony>,
        response: Value,
    ) -> Answer {
        let mut memory = self.memory();
        memory.drop_ceremony(session, &response);
        if memory.defects.has(Defect::PublicKeyOfBodyStored)
            && let Some(record) = record_of_body(&response, memory.now())
        {
            memory.records.push(record);
            return Ok(json!({}));
        }
        let (user, situation) = memory.registrant(session, named, ceremony.as_ref())?;
        let answer = memory.finish_registration(user, situation, ceremony, response)?;
        if memory.defects.has(Defect::TenantsShareCredentials) {
            // One table for all, searched by the credential ID alone.
            self.tenants.share(memory.records.last());
        }
        Ok(answer)
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
        let already = session.and_then(|id| memory.sessions.get(id)?.user.clone());
        memory.let_in_early(session, &response);
        let user = memory.finish_authentication(already, ceremony, response)?;
        // The session goes on under an id that nobody knew before.
        let kept = session.and_then(|session| memory.sessions.remove(session));
        let new = memory.let_in(user.clone(), kept.unwrap_or_default());
        let keeps_id = memory.defects.has(Defect::SessionIdKeptAtSignIn);
        let id = match session.filter(|_| keeps_id) {
            Some(old) => memory.rename_session(&new, old),
            None => new,
        };
        Ok((json!({ "user": user }), id))
    }

    /// Lists the passkeys of the user who is signed in.
    pub(super) fn own_passkeys(&self, session: Option<&str>) -> Answer {
        let memory = self.memory();
        let (user, _) = memory.signed_in(session)?;
        let mine = memory
            .records
            .iter()
            .filter(|record| record.user == user && !memory.unlisted.contains(&record.id));
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
        if memory.defects.has(Defect::DeletedPasskeyStillAccepted) {
            let mine = |record: &Record| record.user == user && record.id == id;
            return Ok(memory.records.iter().any(mine) && memory.unlisted.insert(id.clone()));
        }
        let before = memory.records.len();
        memory
            .records
            .retain(|record| record.user != user || record.id != id);
        Ok(memory.records.len() < before)
    }

    /// Tells whether the credential that a response names is registered.
    pub(super) fn knows(&self, id: &[u8]) -> bool {
        let memory = self.memory();
        memory.records.iter().any(|record| record.id == id)
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
        "publicKey": record.key.subject_public_key_info().map(|key| to_base64url(&key)),
        "keyFingerprint": to_base64url(&record.key.fingerprint()),
        "signCount": record.sign_count,
        "uvInitialized": record.uv_initialized,
        "transports": record.transports,
        "backupEligible": record.backup_eligible,
        "backupState": record.backup_state,
        "aaGuid": policy::guid(record.aaguid),
        "attestationFormat": record.format,
        "attestationLevel": attestation_level(record),
        "passkeyType": passkey_type(record),
    })
}
