//! What the relying party remembers: sessions, ceremonies, records.

use std::{collections::BTreeMap, sync::Arc};

use aws_lc_rs::{
    digest::{SHA256, SHA512, digest},
    rand::fill,
};
use serde_json::{Value, json};

use super::{Clock, Config, User};
use crate::{
    defects::{Defect, Defects},
    parse::{base64url, to_base64url},
    policy::{Limits, Subject},
    recorded::Recorded,
    verify::{Expected, Record, Refusal, Situation, refuse},
};

const MOST_RECORDED: usize = 10_000;
/// Five minutes, in milliseconds.
const USUAL_TIMEOUT: u64 = 300_000;

/// A ceremony that is under way in a session.
#[derive(Clone, Debug)]
pub(super) struct Ceremony {
    pub challenge: Vec<u8>,
    pub registering: bool,
    pub conditional: bool,
    pub username: Option<String>,
    pub allowed: Vec<Vec<u8>>,
    /// The user verification that the options asked for, where it is not the usual one.
    pub user_verification: Option<String>,
    expires: u64,
    /// What was expected when the options were made.
    expected: Arc<Expected>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    pub user: Option<String>,
    pub mfa_at: u64,
    pub ceremony: Option<Ceremony>,
}

#[derive(Debug)]
pub(super) struct Memory {
    pub expected: Arc<Expected>,
    pub defects: Defects,
    pub limits: Limits,
    pub lists_credentials: bool,
    /// In milliseconds.
    pub options_timeout: u64,
    pub resident_key: String,
    pub credential_protection: Option<String>,
    pub users: BTreeMap<String, User>,
    pub sessions: BTreeMap<String, Session>,
    pub records: Vec<Record>,
    pub recorded: Vec<Recorded>,
    pub ahead: u64,
    clock: Clock,
    lifetime: u64,
}

impl Memory {
    pub(super) fn new(config: Config) -> Self {
        let users = config.users.into_iter();
        Self {
            expected: Arc::new(config.expected),
            defects: config.defects,
            limits: config.limits,
            lists_credentials: config.lists_credentials,
            options_timeout: config.options_timeout.unwrap_or(USUAL_TIMEOUT),
            resident_key: config.resident_key,
            credential_protection: config.credential_protection,
            users: users.map(|user| (user.name.clone(), user)).collect(),
            sessions: BTreeMap::new(),
            records: Vec::new(),
            recorded: Vec::new(),
            ahead: 0,
            clock: config.clock,
            lifetime: config.challenge_lifetime,
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.clock.now().saturating_add(self.ahead)
    }

    pub(super) fn situation(&self, user: &str, mfa_at: u64) -> Situation {
        let known = self.users.get(user);
        let now = self.now();
        let subject = Subject {
            groups: known
                .map(|user| user.groups.iter().cloned().collect())
                .unwrap_or_default(),
            guest: known.is_some_and(|user| user.guest),
            mfa_age_seconds: now.saturating_sub(mfa_at),
        };
        Situation { subject, now }
    }

    pub(super) fn signed_in(&self, session: Option<&str>) -> Result<(String, Situation), Refusal> {
        let session = session.and_then(|id| self.sessions.get(id));
        match session.and_then(|session| Some((session.user.clone()?, session.mfa_at))) {
            Some((user, mfa_at)) => {
                let situation = self.situation(&user, mfa_at);
                Ok((user, situation))
            }
            None => refuse("state", "nobody is signed in"),
        }
    }

    pub(super) fn ceremony(&self, registering: bool, username: Option<String>) -> Ceremony {
        Ceremony {
            challenge: random().to_vec(),
            registering,
            conditional: false,
            username,
            allowed: Vec::new(),
            user_verification: None,
            expires: self.now().saturating_add(self.lifetime),
            expected: Arc::clone(&self.expected),
        }
    }

    /// Keeps a ceremony in its session, where it takes the place of an earlier one.
    pub(super) fn begin(&mut self, session: &str, ceremony: Ceremony) {
        let session = self.sessions.entry(session.to_owned()).or_default();
        session.ceremony = Some(ceremony);
    }

    /// Takes the ceremony out of its session, whatever becomes of it: a challenge is good once.
    pub(super) fn take_ceremony(
        &mut self,
        session: Option<&str>,
        registering: bool,
        response: &Value,
    ) -> Option<Ceremony> {
        let now = self.now();
        let defects = self.defects;
        let stays = defects.has(Defect::ChallengeReusable)
            || defects.has(Defect::ChallengeConsumedAfterVerification);
        let slot = self.ceremony_slot(session, response)?;
        let ceremony = if stays { slot.clone() } else { slot.take() };
        ceremony.filter(|ceremony| {
            (ceremony.registering == registering
                || defects.has(Defect::ChallengeNotBoundToCeremony))
                && (now <= ceremony.expires || defects.has(Defect::ChallengeNeverExpires))
        })
    }

    /// Removes a ceremony that was only read.
    pub(super) fn drop_ceremony(&mut self, session: Option<&str>, response: &Value) {
        if self.defects.has(Defect::ChallengeConsumedAfterVerification)
            && let Some(slot) = self.ceremony_slot(session, response)
        {
            *slot = None;
        }
    }

    fn ceremony_slot(
        &mut self,
        session: Option<&str>,
        response: &Value,
    ) -> Option<&mut Option<Ceremony>> {
        if !self.defects.has(Defect::ChallengeNotBoundToSession) {
            return Some(&mut self.sessions.get_mut(session?)?.ceremony);
        }
        let challenge = challenge_of(response)?;
        self.sessions
            .values_mut()
            .map(|session| &mut session.ceremony)
            .find(|slot| {
                slot.as_ref()
                    .is_some_and(|ceremony| ceremony.challenge == challenge)
            })
    }

    /// Returns what is expected of the response to a ceremony's options.
    pub(super) fn expected_of(&self, ceremony: Option<&Ceremony>) -> Arc<Expected> {
        let Some(ceremony) = ceremony else {
            return Arc::clone(&self.expected);
        };
        let mut expected = if self.defects.has(Defect::PolicyOfOptionsTime) {
            Arc::clone(&ceremony.expected)
        } else {
            Arc::clone(&self.expected)
        };
        if let Some(wanted) = &ceremony.user_verification
            && *wanted != expected.user_verification
        {
            Arc::make_mut(&mut expected)
                .user_verification
                .clone_from(wanted);
        }
        expected
    }

    pub(super) fn record(&mut self, ceremony: Recorded) {
        if self.recorded.len() < MOST_RECORDED {
            self.recorded.push(ceremony);
        }
    }

    pub(super) fn creation_options(&self, name: &str, challenge: &[u8]) -> Value {
        let mine = self.records.iter().filter(|record| record.user == name);
        let excluded = mine.map(|record| self.descriptor(&record.id)).collect();
        let algorithms = self.expected.algorithms.iter();
        let parameters = algorithms
            .map(|alg| json!({ "type": "public-key", "alg": alg }))
            .collect();
        let mut options = json!({
            "rp": { "id": self.expected.rp_id, "name": "Reference RP" },
            "user": { "id": to_base64url(&user_handle(name)), "name": name, "displayName": name },
            "challenge": to_base64url(challenge),
            "pubKeyCredParams": null,
            "timeout": self.options_timeout,
            "excludeCredentials": null,
            "authenticatorSelection": {
                "residentKey": self.resident_key,
                "requireResidentKey": self.resident_key == "required",
                "userVerification": self.expected.user_verification,
            },
            "attestation": self.expected.attestation,
            "extensions": { "credProps": true },
        });
        // The macro would make a second list of each.
        options["pubKeyCredParams"] = parameters;
        options["excludeCredentials"] = excluded;
        if let Some(policy) = &self.credential_protection {
            options["extensions"]["credentialProtectionPolicy"] = json!(policy);
        }
        options
    }

    /// Lists the credentials of a named user; nobody learns from it whether there is such a user (14.6.2).
    pub(super) fn allowed_for(&self, username: &str) -> Vec<Vec<u8>> {
        if !self.lists_credentials {
            return Vec::new();
        }
        let mine = self.records.iter().filter(|record| record.user == username);
        let allowed: Vec<Vec<u8>> = mine.map(|record| record.id.clone()).collect();
        if allowed.is_empty() {
            // The same ID every time, as if it were a credential's.
            let decoy = digest(&SHA256, format!("no such user {username}").as_bytes());
            return vec![decoy.as_ref().to_vec()];
        }
        allowed
    }

    pub(super) fn descriptor(&self, id: &[u8]) -> Value {
        let record = self.records.iter().find(|record| record.id == id);
        let transports = record.map(|record| record.transports.clone());
        json!({ "type": "public-key", "id": to_base64url(id), "transports": transports.unwrap_or_default() })
    }
}

/// Reads the challenge that a response says it answers.
fn challenge_of(response: &Value) -> Option<Vec<u8>> {
    let client_data = base64url(response.pointer("/response/clientDataJSON")?.as_str()?)?;
    let client_data: Value = serde_json::from_slice(&client_data).ok()?;
    base64url(client_data.get("challenge")?.as_str()?)
}

/// Opaque, stable, and not to be told from the name (14.6.1): 64 bytes.
pub(super) fn user_handle(name: &str) -> Vec<u8> {
    digest(&SHA512, format!("user handle {name}").as_bytes())
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
