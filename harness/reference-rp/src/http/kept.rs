//! Ceremonies as text: in a store that several servers share, or with the client, under a seal.

use std::{collections::BTreeMap, sync::Arc};

use aws_lc_rs::{
    digest::{SHA256, digest},
    hmac,
};
use serde_json::{Value, json};

use super::memory::{Ceremony, Memory, random};
use crate::{
    defects::Defect,
    parse::{base64url, to_base64url},
    verify::Expected,
};

/// Where a ceremony is kept until its response comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kept {
    /// In the server's memory.
    #[default]
    InMemory,
    /// As text, in a store that several servers share.
    InStore,
    /// With the client, in the member `state` of the options, which comes back with the response.
    AtTheClient,
}

/// What keeps ceremonies that are text.
#[derive(Debug)]
pub(super) struct Keeper {
    /// By session.
    store: BTreeMap<String, String>,
    seal: hmac::Key,
    /// The challenges that came back once, with their end: the client can send their state as often as it likes.
    used: BTreeMap<Vec<u8>, u64>,
}

impl Keeper {
    pub(super) fn new() -> Self {
        Self {
            store: BTreeMap::new(),
            seal: hmac::Key::new(hmac::HMAC_SHA256, &random()),
            used: BTreeMap::new(),
        }
    }
}

impl Memory {
    pub(super) fn put_in_store(&mut self, session: &str, ceremony: &Ceremony) {
        let text = self.text(session, ceremony).to_string();
        self.keeper.store.insert(session.to_owned(), text);
    }

    pub(super) fn take_from_store(&mut self, session: Option<&str>) -> Option<Ceremony> {
        let text = self.keeper.store.remove(session?)?;
        let text = serde_json::from_str(&text).ok()?;
        ceremony(&text, &self.expected)
    }

    /// Gives the client a ceremony to hold, where the relying party keeps none: `<base64url of JSON>.<base64url of HMAC>`.
    pub(super) fn hand_out(&self, session: &str, ceremony: &Ceremony, options: &mut Value) {
        if self.accounts.kept == Kept::AtTheClient {
            let text = to_base64url(self.text(session, ceremony).to_string().as_bytes());
            let seal = hmac::sign(&self.keeper.seal, text.as_bytes());
            options["state"] = json!(format!("{text}.{}", to_base64url(seal.as_ref())));
        }
    }

    pub(super) fn take_from_client(
        &mut self,
        session: Option<&str>,
        response: &Value,
    ) -> Option<Ceremony> {
        let (text, seal) = response["state"].as_str()?.split_once('.')?;
        let sealed = hmac::verify(&self.keeper.seal, text.as_bytes(), &base64url(seal)?).is_ok();
        if !sealed && !self.defects.has(Defect::ClientHeldStateNotVerified) {
            return None;
        }
        let text: Value = serde_json::from_slice(&base64url(text)?).ok()?;
        let ceremony = ceremony(&text, &self.expected)?;
        let now = self.now();
        let used = &mut self.keeper.used;
        used.retain(|_, expires| now <= *expires);
        let before = used.insert(ceremony.challenge.clone(), ceremony.expires);
        let first = before.is_none();
        let reusable = self.defects.has(Defect::ClientHeldStateReusable);
        let same_session = text["session"] == fingerprint(session?)
            || self.defects.has(Defect::ChallengeNotBoundToSession);
        ((first || reusable) && same_session).then_some(ceremony)
    }

    fn text(&self, session: &str, ceremony: &Ceremony) -> Value {
        let allowed: Vec<String> = ceremony.allowed.iter().map(|id| to_base64url(id)).collect();
        let mut text = json!({
            "session": fingerprint(session),
            "challenge": to_base64url(&ceremony.challenge),
            "registering": ceremony.registering,
            "conditional": ceremony.conditional,
            "username": ceremony.username,
            "allowed": allowed,
            "expires": ceremony.expires,
            "extensions": ceremony.extensions,
        });
        if !self.defects.has(Defect::UserVerificationLostInStore) {
            let wanted = ceremony.user_verification.as_ref();
            text["userVerification"] = json!(wanted.unwrap_or(&self.expected.user_verification));
        }
        text
    }
}

fn fingerprint(session: &str) -> String {
    to_base64url(digest(&SHA256, session.as_bytes()).as_ref())
}

fn ceremony(text: &Value, expected: &Arc<Expected>) -> Option<Ceremony> {
    let ids = text["allowed"].as_array()?.iter();
    Some(Ceremony {
        challenge: base64url(text["challenge"].as_str()?)?,
        registering: text["registering"].as_bool()?,
        conditional: text["conditional"].as_bool()?,
        username: text["username"].as_str().map(str::to_owned),
        allowed: ids
            .map(|id| base64url(id.as_str()?))
            .collect::<Option<_>>()?,
        // The default of the member in options (WebAuthn L3, 5.4.4 and 5.5).
        user_verification: Some(
            text["userVerification"]
                .as_str()
                .unwrap_or("preferred")
                .to_owned(),
        ),
        registered: None,
        extensions: text["extensions"].as_object().cloned().unwrap_or_default(),
        expires: text["expires"].as_u64()?,
        expected: Arc::clone(expected),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        defects::Defects,
        http::{Accounts, Config},
        sample,
    };

    fn memory(kept: Kept, defects: impl Into<Defects>) -> Memory {
        Memory::new(Config {
            defects: defects.into(),
            accounts: Accounts {
                kept,
                ..Accounts::default()
            },
            ..Config::new(sample::expected())
        })
    }

    fn begun(memory: &mut Memory) -> Ceremony {
        Ceremony {
            allowed: vec![vec![1], vec![2]],
            ..memory.ceremony(true, Some("alice".to_owned()))
        }
    }

    #[test]
    fn a_store_gives_back_once_what_it_was_given() {
        let mut memory = memory(Kept::InStore, Defects::NONE);
        let ceremony = begun(&mut memory);
        memory.begin("session", ceremony.clone());
        let mut take = || memory.take_ceremony(Some("session"), true, &Value::Null);
        let back = take().unwrap();
        assert_eq!(back.challenge, ceremony.challenge);
        assert_eq!(back.allowed, ceremony.allowed);
        assert_eq!(back.username.as_deref(), Some("alice"));
        assert_eq!(back.user_verification.as_deref(), Some("required"));
        assert!(take().is_none());
    }

    #[test]
    fn a_careless_store_forgets_that_user_verification_was_required() {
        let mut memory = memory(Kept::InStore, Defect::UserVerificationLostInStore);
        let ceremony = begun(&mut memory);
        memory.begin("session", ceremony);
        let back = memory.take_ceremony(Some("session"), true, &Value::Null);
        assert_eq!(
            back.unwrap().user_verification.as_deref(),
            Some("preferred")
        );
    }

    #[test]
    fn a_state_at_the_client_counts_in_its_session_and_once() {
        let mut memory = memory(Kept::AtTheClient, Defects::NONE);
        let mut options = json!({});
        let ceremony = begun(&mut memory);
        memory.hand_out("session", &ceremony, &mut options);
        assert!(memory.take_from_client(None, &options).is_none());
        let mut other = json!({});
        let ceremony = begun(&mut memory);
        memory.hand_out("session", &ceremony, &mut other);
        assert!(memory.take_from_client(Some("another"), &other).is_none());
        let mut third = json!({});
        let ceremony = begun(&mut memory);
        memory.hand_out("session", &ceremony, &mut third);
        assert!(memory.take_from_client(Some("session"), &third).is_some());
        assert!(memory.take_from_client(Some("session"), &third).is_none());
    }

    #[test]
    fn a_state_that_was_changed_counts_only_where_its_seal_is_not_verified() {
        for (defects, counts) in [
            (Defects::NONE, false),
            (Defect::ClientHeldStateNotVerified.into(), true),
        ] {
            let mut memory = memory(Kept::AtTheClient, defects);
            let mut options = json!({});
            let ceremony = begun(&mut memory);
            memory.hand_out("session", &ceremony, &mut options);
            let (text, seal) = options["state"].as_str().unwrap().split_once('.').unwrap();
            let mut text: Value = serde_json::from_slice(&base64url(text).unwrap()).unwrap();
            text["username"] = json!("mallory");
            let text = to_base64url(text.to_string().as_bytes());
            let forged = json!({ "state": format!("{text}.{seal}") });
            let taken = memory.take_from_client(Some("session"), &forged);
            assert_eq!(taken.is_some(), counts);
        }
    }
}
