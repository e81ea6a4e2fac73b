//! Enrolment links: one registration for one user, without a session of that user's.
//!
//! A link is good once, for a day, and in the session that opened it first.

use axum::{Extension, Router, http::HeaderMap, response::Response, routing::post};
use serde_json::Value;

use super::{
    body::Body,
    memory::{Ceremony, Memory, random_id},
    routes::{App, answer, refused, session_id, with_session},
    state::{Answer, State},
};
use crate::{
    defects::Defect,
    verify::{Refusal, refuse},
};

const DAY: u64 = 24 * 60 * 60;

/// A link that was sent to a user.
#[derive(Debug)]
pub(super) struct Link {
    user: String,
    expires: u64,
    /// The session that opened it first.
    opened_by: Option<String>,
    used: bool,
}

/// Makes the router of the two paths.
pub(super) fn router() -> Router {
    Router::new()
        .route("/enrolment/options", post(options))
        .route("/enrolment", post(enrol))
}

async fn options(Extension(state): App, headers: HeaderMap, Body(body): Body) -> Response {
    let session = state.session_or_new(session_id(&headers));
    match state.enrolment_options(&session, &body) {
        Ok(options) => with_session(&session, options),
        Err(refusal) => refused(&refusal),
    }
}

async fn enrol(Extension(state): App, headers: HeaderMap, Body(body): Body) -> Response {
    let session = session_id(&headers);
    let session = session.as_deref();
    let ceremony = state.take_ceremony(session, true, &body).await;
    answer(state.enrol(session, ceremony, body))
}

impl Memory {
    /// Opens a link in a session; returns its user.
    fn open_link(&mut self, session: &str, token: &str) -> Result<String, Refusal> {
        let (now, defects) = (self.now(), self.defects);
        let owner = self.links.get(token).map(|link| &link.user);
        if owner.is_some_and(|owner| self.disabled.contains(owner)) {
            return refuse("state", "the account is disabled");
        }
        let Some(link) = self.links.get_mut(token) else {
            return refuse("state", "there is no such link");
        };
        if link.used && !defects.has(Defect::EnrolmentLinkReusable) {
            return refuse("state", "the link was used before");
        }
        if now > link.expires && !defects.has(Defect::EnrolmentLinkNeverExpires) {
            return refuse("state", "the link has expired");
        }
        let first = link.opened_by.get_or_insert_with(|| session.to_owned());
        if first != session && !defects.has(Defect::EnrolmentLinkNotBoundToSession) {
            return refuse("state", "the link was opened elsewhere before");
        }
        Ok(link.user.clone())
    }
}

impl State {
    /// Makes a link for a user; returns its token.
    pub(super) fn enrolment_link(&self, user: &str) -> String {
        let mut memory = self.memory();
        let token = random_id();
        let link = Link {
            user: user.to_owned(),
            expires: memory.now().saturating_add(DAY),
            opened_by: None,
            used: false,
        };
        memory.links.insert(token.clone(), link);
        token
    }

    fn enrolment_options(&self, session: &str, body: &Value) -> Answer {
        let mut memory = self.memory();
        let token = body["token"].as_str().unwrap_or_default();
        let user = memory.open_link(session, token)?;
        let mut ceremony = memory.ceremony(true, Some(user.clone()));
        let mut options = memory.creation_options(&user, &mut ceremony);
        memory.hand_out(session, &ceremony, &mut options);
        memory.begin(session, ceremony);
        let opened = memory.sessions.entry(session.to_owned()).or_default();
        opened.enrols = Some(token.to_owned());
        Ok(options)
    }

    /// Registers for the user of the link that the session opened.
    fn enrol(&self, session: Option<&str>, ceremony: Option<Ceremony>, response: Value) -> Answer {
        let mut memory = self.memory();
        memory.drop_ceremony(session, &response);
        let opened = session.and_then(|id| Some((id, memory.sessions.get(id)?.enrols.clone()?)));
        let Some((session, token)) = opened else {
            return refuse("state", "no link was opened");
        };
        let user = memory.open_link(session, &token)?;
        memory.is_begun_for(ceremony.as_ref(), &user, "reg.29")?;
        let situation = memory.situation(&user, memory.now());
        let answer = memory.finish_registration(user, situation, ceremony, response)?;
        if let Some(link) = memory.links.get_mut(&token) {
            link.used = true;
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{defects::Defects, http::Config, sample};

    fn opened(
        defects: impl Into<Defects>,
        by: &str,
        change: impl FnOnce(&mut Memory, &str),
    ) -> bool {
        let state = State::new(Config {
            defects: defects.into(),
            ..Config::new(sample::expected())
        });
        let token = state.enrolment_link("alice");
        let mut memory = state.memory();
        assert_eq!(memory.open_link("first", &token).unwrap(), "alice");
        change(&mut memory, &token);
        memory.open_link(by, &token).is_ok()
    }

    fn used(memory: &mut Memory, token: &str) {
        memory.links.get_mut(token).unwrap().used = true;
    }

    fn late(memory: &mut Memory, _: &str) {
        memory.ahead = DAY + 1;
    }

    #[test]
    fn a_link_is_good_once_for_a_day_and_where_it_was_opened_first() {
        assert!(opened(Defects::NONE, "first", |_, _| {}));
        assert!(!opened(Defects::NONE, "second", |_, _| {}));
        assert!(!opened(Defects::NONE, "first", used));
        assert!(!opened(Defects::NONE, "first", late));
    }

    #[test]
    fn each_of_the_three_can_be_left_out() {
        let bound = Defect::EnrolmentLinkNotBoundToSession;
        assert!(opened(bound, "second", |_, _| {}));
        assert!(opened(Defect::EnrolmentLinkReusable, "first", used));
        assert!(opened(Defect::EnrolmentLinkNeverExpires, "first", late));
    }
}
