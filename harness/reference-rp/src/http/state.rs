//! What the relying party remembers, behind one lock.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::fill,
};
use serde_json::{Value, json};

use super::{Config, User};
use crate::{
    parse::{base64url, to_base64url},
    policy::{self, Subject},
    verify::{
        Authentication, Expected, Record, Refusal, Registration, Situation, verify_authentication,
        verify_registration,
    },
};

/// A ceremony that is under way in a session.
#[derive(Clone, Debug)]
struct Ceremony {
    challenge: Vec<u8>,
    registering: bool,
    conditional: bool,
    username: Option<String>,
    allowed: Vec<Vec<u8>>,
    expires: u64,
}

#[derive(Clone, Debug, Default)]
struct Session {
    user: Option<String>,
    mfa_at: u64,
    ceremony: Option<Ceremony>,
}

#[derive(Debug)]
struct Memory {
    expected: Expected,
    users: BTreeMap<String, User>,
    now: u64,
    lifetime: u64,
    sessions: BTreeMap<String, Session>,
    records: Vec<Record>,
}

/// The relying party's memory.
#[derive(Debug)]
pub(super) struct State(Mutex<Memory>);

type Answer = Result<Value, Refusal>;

fn refuse<T>(reason: &str, message: &str) -> Result<T, Refusal> {
    Err(Refusal {
        reasons: vec![reason.to_owned()],
        message: message.to_owned(),
    })
}

impl State {
    pub(super) fn new(config: Config) -> Self {
        Self(Mutex::new(Memory {
            expected: config.expected,
            users: config
                .users
                .into_iter()
                .map(|user| (user.name.clone(), user))
                .collect(),
            now: config.now,
            lifetime: config.challenge_lifetime,
            sessions: BTreeMap::new(),
            records: Vec::new(),
        }))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn advance_clock(&self, seconds: u64) {
        self.memory().now += seconds;
    }

    pub(super) fn set_user(&self, name: &str, groups: Option<Vec<String>>, guest: Option<bool>) {
        if let Some(user) = self.memory().users.get_mut(name) {
            user.groups = groups.unwrap_or_else(|| user.groups.clone());
            user.guest = guest.unwrap_or(user.guest);
        }
    }

    pub(super) fn policy(&self) -> Option<Value> {
        self.memory().expected.policy.clone()
    }

    pub(super) fn set_policy(&self, patch: &Value) -> Result<(), &'static str> {
        let mut memory = self.memory();
        if patch["@odata.type"] != "#microsoft.graph.fido2AuthenticationMethodConfiguration" {
            return Err("policy.missing-field");
        }
        let previous = memory.expected.policy.clone();
        let mut policy = previous.clone().unwrap_or_else(|| json!({}));
        if let (Some(policy), Some(patch)) = (policy.as_object_mut(), patch.as_object()) {
            policy.extend(patch.clone());
        }
        policy::validate(&policy, previous.as_ref())?;
        memory.expected.policy = Some(policy);
        Ok(())
    }

    /// Lets a user in with the temporary access pass; returns the new session's id.
    pub(super) fn bootstrap(&self, body: &Value) -> Option<String> {
        let mut memory = self.memory();
        let user = memory.users.get(body["username"].as_str()?)?;
        if body["temporaryAccessPass"].as_str()? != user.temporary_access_pass {
            return None;
        }
        let session = Session {
            user: Some(user.name.clone()),
            mfa_at: memory.now,
            ceremony: None,
        };
        let id = random_id();
        memory.sessions.insert(id.clone(), session);
        Some(id)
    }

    pub(super) fn session_user(&self, session: Option<&str>) -> Option<String> {
        self.memory().sessions.get(session?)?.user.clone()
    }

    pub(super) fn sign_out(&self, session: Option<&str>) {
        if let Some(session) = session {
            self.memory().sessions.remove(session);
        }
    }

    pub(super) fn registration_options(&self, session: Option<&str>, body: &Value) -> Answer {
        let mut memory = self.memory();
        let (name, situation) = memory.signed_in(session)?;
        if let Some(policy) = &memory.expected.policy
            && let Err(clause) = policy::admit_request(policy, &situation.subject, true)
        {
            return refuse(clause, "passkeys cannot be registered");
        }
        let conditional = body["mediation"] == "conditional";
        let ceremony = memory.ceremony(true, conditional, Some(name.clone()), Vec::new());
        let options = memory.creation_options(&name, &ceremony.challenge);
        memory.begin(session, ceremony);
        Ok(options)
    }

    pub(super) fn register(&self, session: Option<&str>, response: Value) -> Answer {
        let mut memory = self.memory();
        let (user, situation) = memory.signed_in(session)?;
        let ceremony = memory.take_ceremony(session, true);
        let exchange = Registration {
            response,
            conditional: ceremony
                .as_ref()
                .is_some_and(|ceremony| ceremony.conditional),
            challenge: ceremony.map(|ceremony| ceremony.challenge),
            user,
            registered: memory
                .records
                .iter()
                .map(|record| record.id.clone())
                .collect(),
            situation,
        };
        let record = verify_registration(&exchange, &memory.expected)?;
        let answer = json!({
            "credentialId": to_base64url(&record.id),
            "passkeyType": if record.synced { "synced" } else { "deviceBound" },
            "attestationLevel": if record.attested { "attested" } else { "notAttested" },
        });
        memory.records.push(record);
        Ok(answer)
    }

    pub(super) fn request_options(&self, session: &str, body: &Value) -> Value {
        let mut memory = self.memory();
        let username = body["username"].as_str().map(str::to_owned);
        let mine = memory
            .records
            .iter()
            .filter(|record| Some(&record.user) == username.as_ref());
        let mut allowed: Vec<Vec<u8>> = mine.map(|record| record.id.clone()).collect();
        // An unknown name gets an ID as well, the same one every time (14.6.2).
        if let Some(name) = username.as_ref().filter(|_| allowed.is_empty()) {
            allowed.push(
                digest(&SHA256, format!("no such user {name}").as_bytes())
                    .as_ref()
                    .to_vec(),
            );
        }
        let descriptors: Vec<Value> = allowed.iter().map(|id| memory.descriptor(id)).collect();
        let ceremony = memory.ceremony(false, false, username, allowed);
        let options = json!({
            "challenge": to_base64url(&ceremony.challenge),
            "rpId": memory.expected.rp_id,
            "timeout": 300_000,
            "userVerification": memory.expected.user_verification,
            "allowCredentials": descriptors,
        });
        memory.sessions.entry(session.to_owned()).or_default();
        memory.begin(Some(session), ceremony);
        options
    }

    /// Verifies an assertion; returns the answer and the id of the new session.
    pub(super) fn authenticate(
        &self,
        session: Option<&str>,
        response: Value,
    ) -> Result<(Value, String), Refusal> {
        let mut memory = self.memory();
        let ceremony = memory.take_ceremony(session, false);
        let id = response["rawId"].as_str().and_then(base64url);
        let record = memory
            .records
            .iter()
            .find(|record| Some(&record.id) == id.as_ref())
            .cloned();
        let owner = record
            .as_ref()
            .map(|record| record.user.clone())
            .unwrap_or_default();
        let exchange = Authentication {
            response,
            identified: ceremony
                .as_ref()
                .and_then(|ceremony| ceremony.username.clone()),
            allowed: ceremony
                .as_ref()
                .map(|ceremony| ceremony.allowed.clone())
                .unwrap_or_default(),
            challenge: ceremony.map(|ceremony| ceremony.challenge),
            record: record.map(|record| (record, user_handle(&owner))),
            situation: memory.situation(&owner, memory.now),
        };
        let signed = verify_authentication(&exchange, &memory.expected)?;
        if let Some(record) = memory
            .records
            .iter_mut()
            .find(|record| Some(&record.id) == id.as_ref())
        {
            record.sign_count = signed.sign_count;
            record.backup_state = signed.backup_state;
        }
        if let Some(session) = session {
            memory.sessions.remove(session);
        }
        let new = random_id();
        let session = Session {
            user: Some(signed.user.clone()),
            mfa_at: memory.now,
            ceremony: None,
        };
        memory.sessions.insert(new.clone(), session);
        Ok((json!({ "user": signed.user }), new))
    }

    /// A read-only view of a user's stored records.
    pub(super) fn passkeys(&self, name: &str) -> Value {
        let memory = self.memory();
        let view = |record: &Record| {
            json!({
                "credentialId": to_base64url(&record.id),
                "signCount": record.sign_count,
                "transports": record.transports,
                "backupEligible": record.backup_eligible,
                "backupState": record.backup_state,
                "aaGuid": policy::guid(record.aaguid),
                "attestationFormat": record.format,
                "attestationLevel": if record.attested { "attested" } else { "notAttested" },
                "passkeyType": if record.synced { "synced" } else { "deviceBound" },
            })
        };
        memory
            .records
            .iter()
            .filter(|record| record.user == name)
            .map(view)
            .collect()
    }
}

impl Memory {
    fn situation(&self, user: &str, mfa_at: u64) -> Situation {
        let known = self.users.get(user);
        let subject = Subject {
            groups: known
                .map(|user| user.groups.iter().cloned().collect())
                .unwrap_or_default(),
            guest: known.is_some_and(|user| user.guest),
            mfa_age_seconds: self.now - mfa_at,
        };
        Situation {
            subject,
            now: self.now,
        }
    }

    fn signed_in(&self, session: Option<&str>) -> Result<(String, Situation), Refusal> {
        let session = session.and_then(|id| self.sessions.get(id));
        match session.and_then(|session| Some((session.user.clone()?, session.mfa_at))) {
            Some((user, mfa_at)) => Ok((user.clone(), self.situation(&user, mfa_at))),
            None => refuse("state", "nobody is signed in"),
        }
    }

    fn ceremony(
        &self,
        registering: bool,
        conditional: bool,
        username: Option<String>,
        allowed: Vec<Vec<u8>>,
    ) -> Ceremony {
        let expires = self.now + self.lifetime;
        Ceremony {
            challenge: random().to_vec(),
            registering,
            conditional,
            username,
            allowed,
            expires,
        }
    }

    fn begin(&mut self, session: Option<&str>, ceremony: Ceremony) {
        if let Some(session) = session.and_then(|id| self.sessions.get_mut(id)) {
            session.ceremony = Some(ceremony);
        }
    }

    /// Takes the ceremony out of the session, whatever becomes of it: a challenge is good once.
    fn take_ceremony(&mut self, session: Option<&str>, registering: bool) -> Option<Ceremony> {
        let now = self.now;
        let ceremony = self.sessions.get_mut(session?)?.ceremony.take()?;
        Some(ceremony)
            .filter(|ceremony| ceremony.registering == registering && now <= ceremony.expires)
    }

    fn creation_options(&self, name: &str, challenge: &[u8]) -> Value {
        let mine = self.records.iter().filter(|record| record.user == name);
        let excluded: Vec<Value> = mine.map(|record| self.descriptor(&record.id)).collect();
        let algorithms = self.expected.algorithms.iter();
        let parameters: Vec<Value> = algorithms
            .map(|alg| json!({ "type": "public-key", "alg": alg }))
            .collect();
        json!({
            "rp": { "id": self.expected.rp_id, "name": "Reference RP" },
            "user": { "id": to_base64url(&user_handle(name)), "name": name, "displayName": name },
            "challenge": to_base64url(challenge),
            "pubKeyCredParams": parameters,
            "timeout": 300_000,
            "excludeCredentials": excluded,
            "authenticatorSelection": {
                "residentKey": "required",
                "requireResidentKey": true,
                "userVerification": self.expected.user_verification,
            },
            "attestation": self.expected.attestation,
            "extensions": { "credProps": true },
        })
    }

    fn descriptor(&self, id: &[u8]) -> Value {
        let transports = self
            .records
            .iter()
            .find(|record| record.id == id)
            .map(|record| record.transports.clone());
        json!({ "type": "public-key", "id": to_base64url(id), "transports": transports.unwrap_or_default() })
    }
}

/// Opaque, stable, and not to be told from the name (14.6.1): 64 bytes.
fn user_handle(name: &str) -> Vec<u8> {
    digest(
        &aws_lc_rs::digest::SHA512,
        format!("user handle {name}").as_bytes(),
    )
    .as_ref()
    .to_vec()
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    // The system's generator does not fail once it is seeded.
    let _ = fill(&mut bytes);
    bytes
}

/// Makes the id of a session.
pub(super) fn random_id() -> String {
    to_base64url(&random())
}
