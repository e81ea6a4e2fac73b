//! Whose account a registration is for, and how accounts and sessions are set up.

use std::collections::BTreeMap;

use axum::{Extension, Router, extract::Path, http::HeaderMap, response::Response, routing::post};
use serde_json::Value;

use super::{
    body::Body,
    kept::Kept,
    memory::{Ceremony, Memory},
    routes::{self, App},
};
use crate::{
    defects::{Defect, Defects},
    parse::{CoseKey, base64url},
    verify::{Record, Refusal, Situation, refuse},
};

/// How long ago a user may have shown a passkey who is not asked for one again, in seconds.
const LATELY: u64 = 300;

/// How accounts and sessions are set up.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// The passwords, by user; who has one and a passkey signs in with both.
    pub passwords: BTreeMap<String, String>,
    /// Whether a user who registers a passkey has to have shown one lately.
    pub registration_asks_again: bool,
    /// Whether all ceremonies of a session can be finished, not the newest alone.
    pub all_ceremonies: bool,
    /// Where ceremonies are kept until their response comes.
    pub kept: Kept,
}

/// The accounts that the requests of a registration name. Nobody has to name one: the session says who it is.
#[derive(Debug, Default)]
pub(super) struct Named {
    pub in_url: Option<String>,
    pub in_body: Option<String>,
}

impl Named {
    pub(super) fn new(in_url: Option<String>, body: &Value) -> Self {
        let in_body = body["username"].as_str().map(str::to_owned);
        Self { in_url, in_body }
    }
}

impl Memory {
    /// Returns whose account a registration is for: that of the user who is signed in, whatever account the request names.
    pub(super) fn registrant(
        &self,
        session: Option<&str>,
        named: &Named,
        begun: Option<&Ceremony>,
    ) -> Result<(String, Situation), Refusal> {
        if let Some(user) = self.believed(session, named, begun) {
            let situation = self.situation(&user, self.now());
            return Ok((user, situation));
        }
        let (user, situation) = self.signed_in(session)?;
        if [&named.in_url, &named.in_body]
            .into_iter()
            .flatten()
            .any(|name| *name != user)
        {
            return refuse("state", "that is another user's account");
        }
        if self.accounts.registration_asks_again
            && situation.subject.mfa_age_seconds > LATELY
            && !self.defects.has(Defect::RegistrationWithoutStepUp)
        {
            return refuse("state", "a passkey has to be shown again first");
        }
        self.is_begun_for(begun, &user, "reg.29")?;
        // A forged state is believed as a whole.
        let forged = begun.filter(|_| self.defects.has(Defect::ClientHeldStateNotVerified));
        let forged = forged.and_then(|ceremony| ceremony.username.clone());
        Ok((forged.unwrap_or(user), situation))
    }

    /// Refuses at a step when a ceremony was begun for another user than the one who finishes it: somebody else may have signed in
    /// in the same session meanwhile.
    pub(super) fn is_begun_for(
        &self,
        begun: Option<&Ceremony>,
        user: &str,
        step: &str,
    ) -> Result<(), Refusal> {
        let has = |defect| self.defects.has(defect);
        // Where challenges are a pool, or state is believed unseen, whose they are is not known.
        let careless = has(Defect::CeremonyUserNotCompared)
            || has(Defect::ChallengeNotBoundToSession)
            || has(Defect::ClientHeldStateNotVerified);
        let begun_for = begun.and_then(|ceremony| ceremony.username.as_deref());
        if begun_for.is_some_and(|name| name != user) && !careless {
            return refuse(step, "the ceremony was begun for another user");
        }
        Ok(())
    }

    /// Returns the user whom a careless relying party believes instead of the session.
    fn believed(
        &self,
        session: Option<&str>,
        named: &Named,
        begun: Option<&Ceremony>,
    ) -> Option<String> {
        let has = |defect| self.defects.has(defect);
        let begun_for = || begun.and_then(|ceremony| ceremony.username.clone());
        let of_url = || named.in_url.clone();
        let of_body = || named.in_body.clone().or_else(begun_for);
        let pending = || self.sessions.get(session?)?.pending.clone();
        None.or_else(|| has(Defect::RegistrationUserFromUrl).then(of_url)?)
            .or_else(|| has(Defect::RegistrationUserFromBody).then(of_body)?)
            .or_else(|| has(Defect::SecondFactorSessionCanRegister).then(pending)?)
    }
}

/// Reads a record from a body that no authenticator had a hand in: `{ userId, id, publicKey }`, the key as COSE in base64url.
pub(super) fn record_of_body(body: &Value, now: u64) -> Option<Record> {
    let key = base64url(body["publicKey"].as_str()?)?;
    Some(Record {
        id: base64url(body["id"].as_str()?)?,
        user: body["userId"].as_str()?.to_owned(),
        key: CoseKey::parse(&mut key.as_slice(), &Defects::NONE).ok()?,
        sign_count: 0,
        uv_initialized: false,
        transports: Vec::new(),
        backup_eligible: Some(false),
        backup_state: false,
        aaguid: [0; 16],
        format: "none".to_owned(),
        self_attested: false,
        attested: false,
        synced: false,
        made_at: now,
    })
}

/// Makes the router of the endpoints whose URL names the account.
pub(super) fn router() -> Router {
    let path = "/users/{name}/webauthn/registration";
    Router::new()
        .route(&format!("{path}/options"), post(options))
        .route(path, post(register))
}

async fn options(
    Extension(state): App,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    routes::registration_options_for(&state, Some(name), &headers, &body)
}

async fn register(
    Extension(state): App,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    routes::register_for(&state, Some(name), &headers, body).await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::{
        defects::Defects,
        http::{Config, memory::Session},
        sample,
    };

    fn memory(defects: impl Into<Defects>) -> (Memory, String) {
        let config = Config {
            defects: defects.into(),
            accounts: Accounts {
                registration_asks_again: true,
                ..Accounts::default()
            },
            ..Config::new(sample::expected())
        };
        let mut memory = Memory::new(config);
        let session = memory.let_in("mallory".to_owned(), Session::default());
        (memory, session)
    }

    fn registers(memory: &Memory, session: Option<&str>, named: &Named) -> Option<String> {
        memory
            .registrant(session, named, None)
            .ok()
            .map(|(user, _)| user)
    }

    fn in_url() -> Named {
        Named::new(Some("alice".to_owned()), &json!({}))
    }

    #[test]
    fn the_session_says_whose_account_it_is() {
        let (memory, session) = memory(Defects::NONE);
        let session = Some(session.as_str());
        let nobody = Named::default();
        let in_body = Named::new(None, &json!({ "username": "alice" }));
        assert_eq!(registers(&memory, session, &nobody).unwrap(), "mallory");
        assert_eq!(registers(&memory, session, &in_url()), None);
        assert_eq!(registers(&memory, session, &in_body), None);
        assert_eq!(registers(&memory, None, &in_url()), None);
    }

    #[test]
    fn a_careless_relying_party_believes_the_url() {
        let (memory, _) = memory(Defect::RegistrationUserFromUrl);
        assert_eq!(registers(&memory, None, &in_url()).unwrap(), "alice");
    }

    #[test]
    fn who_has_shown_a_passkey_lately_registers_and_nobody_else() {
        let (mut memory, session) = memory(Defects::NONE);
        let nobody = Named::default();
        memory.ahead = LATELY;
        assert!(registers(&memory, Some(&session), &nobody).is_some());
        memory.ahead += 1;
        assert_eq!(registers(&memory, Some(&session), &nobody), None);
    }
}
