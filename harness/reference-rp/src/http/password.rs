//! Accounts with a password, to which a passkey is the second factor.
//!
//! Until the passkey was shown, the session is nobody's: it only remembers whose password was right.

use axum::{
    Extension, Router,
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::post,
};
use serde_json::{Value, json};

use super::{
    body::{Body, error},
    memory::{Ceremony, Memory, Session, random_id},
    routes::{App, answer, refused, session_id, with_session},
    state::{Answer, State},
};
use crate::{
    defects::Defect,
    verify::{Refusal, refuse},
};

/// Makes the router of the four paths.
pub(super) fn router() -> Router {
    Router::new()
        .route("/password/sign-in", post(sign_in))
        .route("/password/change", post(change))
        .route("/password/second-factor/options", post(options))
        .route("/password/second-factor", post(second_factor))
}

async fn sign_in(Extension(state): App, headers: HeaderMap, Body(body): Body) -> Response {
    match state.password_sign_in(session_id(&headers).as_deref(), &body) {
        Some((body, id)) => with_session(&id, body),
        None => error(StatusCode::UNAUTHORIZED, &[], "wrong name or password"),
    }
}

async fn change(Extension(state): App, headers: HeaderMap, Body(body): Body) -> Response {
    answer(state.change_password(session_id(&headers).as_deref(), &body))
}

async fn options(Extension(state): App, headers: HeaderMap) -> Response {
    answer(state.second_factor_options(session_id(&headers).as_deref()))
}

async fn second_factor(Extension(state): App, headers: HeaderMap, Body(body): Body) -> Response {
    let session = session_id(&headers);
    let session = session.as_deref();
    let ceremony = state.take_ceremony(session, false, &body).await;
    match state.second_factor(session, ceremony, body) {
        Ok((body, id)) => with_session(&id, body),
        Err(refusal) => refused(&refusal),
    }
}

impl Memory {
    fn pending(&self, session: Option<&str>) -> Result<String, Refusal> {
        let session = session.and_then(|id| self.sessions.get(id));
        match session.and_then(|session| session.pending.clone()) {
            Some(user) => Ok(user),
            None => refuse("state", "no password was given"),
        }
    }

    fn has_password(&self, user: &str, password: &Value) -> bool {
        let own = self.accounts.passwords.get(user).map(String::as_str);
        own.is_some() && own == password.as_str()
    }
}

impl State {
    /// Takes a password; returns the answer and the id of the new session.
    fn password_sign_in(&self, session: Option<&str>, body: &Value) -> Option<(Value, String)> {
        let mut memory = self.memory();
        let user = body["username"].as_str()?.to_owned();
        if memory.disabled.contains(&user) || !memory.has_password(&user, &body["password"]) {
            return None;
        }
        let kept = session.and_then(|session| memory.sessions.remove(session));
        let kept = kept.unwrap_or_default();
        if memory.records.iter().all(|record| record.user != user) {
            let id = memory.let_in(user.clone(), kept);
            return Some((json!({ "user": user }), id));
        }
        let pending = Session {
            user: None,
            pending: Some(user),
            ..kept
        };
        let id = random_id();
        memory.sessions.insert(id.clone(), pending);
        Some((json!({ "secondFactor": true }), id))
    }

    fn second_factor_options(&self, session: Option<&str>) -> Answer {
        let user = self.memory().pending(session)?;
        Ok(self.request_options(session.unwrap_or_default(), &json!({ "username": user })))
    }

    /// Takes the passkey of the user whose password was given in this session.
    fn second_factor(
        &self,
        session: Option<&str>,
        ceremony: Option<Ceremony>,
        response: Value,
    ) -> Result<(Value, String), Refusal> {
        let mut memory = self.memory();
        memory.drop_ceremony(session, &response);
        let user = memory.pending(session)?;
        let identified = if memory.defects.has(Defect::SecondFactorUserFromCeremony) {
            ceremony.as_ref().and_then(|begun| begun.username.clone())
        } else {
            memory.is_begun_for(ceremony.as_ref(), &user, "auth.6")?;
            Some(user.clone())
        };
        memory.finish_authentication_of(identified, None, ceremony, response)?;
        let kept = session.and_then(|session| memory.sessions.remove(session));
        let id = memory.let_in(user.clone(), kept.unwrap_or_default());
        Ok((json!({ "user": user }), id))
    }

    /// Changes a password, which ends every other session of the user.
    fn change_password(&self, session: Option<&str>, body: &Value) -> Answer {
        let mut memory = self.memory();
        let (user, _) = memory.signed_in(session)?;
        let (true, Some(new)) = (
            memory.has_password(&user, &body["oldPassword"]),
            body["newPassword"].as_str(),
        ) else {
            return refuse("state", "the old password is wrong, or the new one missing");
        };
        memory
            .accounts
            .passwords
            .insert(user.clone(), new.to_owned());
        if !memory.defects.has(Defect::SessionsSurvivePasswordChange) {
            memory.end_sessions_of(&user, session);
        }
        Ok(json!({}))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{
        http::{Accounts, Config},
        sample::{Sample, expected},
    };

    fn state() -> State {
        State::new(Config {
            accounts: Accounts {
                passwords: [("alice".to_owned(), "secret".to_owned())].into(),
                ..Accounts::default()
            },
            ..Config::new(expected())
        })
    }

    fn given(state: &State, password: &str) -> Option<(Value, String)> {
        let body = json!({ "username": "alice", "password": password });
        state.password_sign_in(None, &body)
    }

    #[test]
    fn a_password_alone_signs_in_who_has_no_passkey() {
        let state = state();
        assert!(given(&state, "another").is_none());
        let (_, session) = given(&state, "secret").unwrap();
        let signed_in = state.memory().signed_in(Some(&session)).unwrap();
        assert_eq!(signed_in.0, "alice");
    }

    #[test]
    fn with_a_passkey_the_session_is_nobodys_until_it_was_shown() {
        let state = state();
        state.memory().records.push(Sample::new().record());
        let (answer, session) = given(&state, "secret").unwrap();
        assert_eq!(answer, json!({ "secondFactor": true }));
        let memory = state.memory();
        assert!(memory.signed_in(Some(&session)).is_err());
        assert_eq!(memory.pending(Some(&session)).unwrap(), "alice");
    }

    #[test]
    fn a_new_password_ends_the_users_other_sessions() {
        let state = state();
        let (_, first) = given(&state, "secret").unwrap();
        let (_, second) = given(&state, "secret").unwrap();
        let body = json!({ "oldPassword": "secret", "newPassword": "another" });
        assert!(state.change_password(Some(&second), &body).is_ok());
        let memory = state.memory();
        assert!(memory.signed_in(Some(&first)).is_err());
        assert!(memory.signed_in(Some(&second)).is_ok());
    }
}
