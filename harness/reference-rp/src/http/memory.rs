//! What the relying party remembers: sessions, ceremonies, records.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aws_lc_rs::{
    hmac::{HMAC_SHA256, Key},
    rand::fill,
};
use serde_json::{Map, Value};

use super::{
    Clock, Config, User,
    accounts::Accounts,
    enrolment::Link,
    kept::{Keeper, Kept},
};
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
    /// The extensions that the options asked for.
    pub extensions: Map<String, Value>,
    /// The user verification that the options asked for, where it is not the usual one.
    pub user_verification: Option<String>,
    /// The credential IDs that were registered when the response came, where they were read too early.
    pub registered: Option<Vec<Vec<u8>>>,
    pub expires: u64,
    /// What was expected when the options were made.
    pub expected: Arc<Expected>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    pub user: Option<String>,
    pub mfa_at: u64,
    pub ceremony: Option<Ceremony>,
    /// Ceremonies that were begun before that one and can be finished too.
    pub older: Vec<Ceremony>,
    /// Whose password was given, while the second factor is awaited.
    pub pending: Option<String>,
    /// The enrolment link that was opened.
    pub enrols: Option<String>,
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
    pub registration_extensions: Map<String, Value>,
    pub authentication_extensions: Map<String, Value>,
    pub users: BTreeMap<String, User>,
    pub sessions: BTreeMap<String, Session>,
    pub records: Vec<Record>,
    /// Whether records are stored without BE, as before it was known.
    pub legacy_records: bool,
    /// The users whose accounts are disabled.
    pub disabled: BTreeSet<String>,
    /// The passkeys that their users do not see in their lists.
    pub unlisted: BTreeSet<Vec<u8>>,
    pub recorded: Vec<Recorded>,
    pub ahead: u64,
    pub accounts: Accounts,
    pub keeper: Keeper,
    /// Enrolment links by token.
    pub links: BTreeMap<String, Link>,
    /// What the passkeys derive from that nobody has.
    pub secret: Key,
    /// How many challenges were made.
    pub challenges: u64,
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
            registration_extensions: config.registration_extensions,
            authentication_extensions: config.authentication_extensions,
            users: users.map(|user| (user.name.clone(), user)).collect(),
            sessions: BTreeMap::new(),
            records: Vec::new(),
            legacy_records: config.legacy_records,
            disabled: BTreeSet::new(),
            unlisted: BTreeSet::new(),
            recorded: Vec::new(),
            ahead: 0,
            accounts: config.accounts,
            keeper: Keeper::new(),
            links: BTreeMap::new(),
            secret: Key::new(HMAC_SHA256, &random()),
            challenges: 0,
            clock: config.clock,
            lifetime: config.challenge_lifetime,
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.clock.now().saturating_add(self.ahead)
    }

    /// Disables an account; whoever is signed in to it is no more.
    pub(super) fn disable(&mut self, name: &str) {
        self.disabled.insert(name.to_owned());
        self.end_sessions_of(name, None);
    }

    /// Ends the sessions in which a user is signed in, or has given the password, but for one.
    pub(super) fn end_sessions_of(&mut self, name: &str, but: Option<&str>) {
        let is_of = |user: &Option<String>| user.as_deref() == Some(name);
        self.sessions.retain(|id, session| {
            Some(id.as_str()) == but || !(is_of(&session.user) || is_of(&session.pending))
        });
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

    pub(super) fn ceremony(&mut self, registering: bool, username: Option<String>) -> Ceremony {
        Ceremony {
            challenge: self.challenge(),
            registering,
            conditional: false,
            username,
            allowed: Vec::new(),
            extensions: Map::new(),
            user_verification: None,
            registered: None,
            expires: self.now().saturating_add(self.lifetime),
            expected: Arc::clone(&self.expected),
        }
    }

    /// Keeps a ceremony in its session, where it takes the place of an earlier one unless all may be finished.
    pub(super) fn begin(&mut self, session: &str, ceremony: Ceremony) {
        match self.accounts.kept {
            Kept::InMemory => {}
            Kept::InStore => return self.put_in_store(session, &ceremony),
            Kept::AtTheClient => return,
        }
        let all =
            self.accounts.all_ceremonies || self.defects.has(Defect::SupersededChallengeAccepted);
        let now = self.now();
        let session = self.sessions.entry(session.to_owned()).or_default();
        session.older.retain(|older| now <= older.expires);
        let before = session.ceremony.replace(ceremony);
        session.older.extend(before.filter(|_| all));
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
        let mut ceremony = match self.accounts.kept {
            Kept::InMemory => self.take_from_memory(session, response),
            Kept::InStore => self.take_from_store(session),
            Kept::AtTheClient => self.take_from_client(session, response),
        }?;
        if registering && defects.has(Defect::DuplicateCheckNotAtomic) {
            ceremony.registered = Some(self.credential_ids());
        }
        if defects.has(Defect::ChallengeFromBody)
            && let Some(sent) = response["challenge"].as_str().and_then(base64url)
        {
            ceremony.challenge = sent;
        }
        let kind =
            ceremony.registering == registering || defects.has(Defect::ChallengeNotBoundToCeremony);
        let in_time = now <= ceremony.expires || defects.has(Defect::ChallengeNeverExpires);
        (kind && in_time).then_some(ceremony)
    }

    fn take_from_memory(&mut self, session: Option<&str>, response: &Value) -> Option<Ceremony> {
        let stays = self.defects.has(Defect::ChallengeReusable)
            || self.defects.has(Defect::ChallengeConsumedAfterVerification);
        if let Some(older) = self.take_older(session, response) {
            return Some(older);
        }
        let slot = self.ceremony_slot(session, response)?;
        if stays { slot.clone() } else { slot.take() }
    }

    /// Takes the ceremony that a response answers, if it is one that was begun before the session's newest.
    fn take_older(&mut self, session: Option<&str>, response: &Value) -> Option<Ceremony> {
        let older = &mut self.sessions.get_mut(session?)?.older;
        if older.is_empty() {
            return None;
        }
        let challenge = challenge_of(response)?;
        let index = older
            .iter()
            .position(|ceremony| ceremony.challenge == challenge)?;
        Some(older.swap_remove(index))
    }

    /// Lists every credential ID that is registered, to anybody.
    pub(super) fn credential_ids(&self) -> Vec<Vec<u8>> {
        self.records
            .iter()
            .map(|record| record.id.clone())
            .collect()
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

    /// Returns the extensions that a sign-in asks for: a credential that U2F made is found by its ID alone, so the AppID is of
    /// no use where no IDs are listed.
    pub(super) fn extensions_for(&self, allowed: &[Vec<u8>]) -> Map<String, Value> {
        let mut extensions = self.authentication_extensions.clone();
        if allowed.is_empty() {
            extensions.remove("appid");
        }
        extensions
    }
}

/// Reads the challenge that a response says it answers.
fn challenge_of(response: &Value) -> Option<Vec<u8>> {
    let client_data = base64url(response.pointer("/response/clientDataJSON")?.as_str()?)?;
    let client_data: Value = serde_json::from_slice(&client_data).ok()?;
    base64url(client_data.get("challenge")?.as_str()?)
}

pub(super) fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    // The system's generator does not fail once it is seeded.
    let _ = fill(&mut bytes);
    bytes
}

/// Makes the id of a session.
pub(super) fn random_id() -> String {
    to_base64url(&random())
}
