//! Step-up: a user who is signed in shows a passkey again before something delicate, as adding another passkey.

use axum::{Extension, Router, http::HeaderMap, response::Response, routing::post};
use serde_json::{Value, json};

use super::{
    body::Body,
    memory::Ceremony,
    routes::{App, answer, session_id},
    state::{Answer, State},
};
use crate::defects::Defect;

/// Makes the router of the two paths.
pub(super) fn router() -> Router {
    Router::new()
        .route("/step-up/options", post(options))
        .route("/step-up", post(step_up))
}

async fn options(Extension(state): App, headers: HeaderMap) -> Response {
    answer(state.step_up_options(session_id(&headers).as_deref()))
}

async fn step_up(Extension(state): App, headers: HeaderMap, Body(body): Body) -> Response {
    let session = session_id(&headers);
    let session = session.as_deref();
    let ceremony = state.take_ceremony(session, false, &body).await;
    answer(state.step_up(session, ceremony, body))
}

impl State {
    fn step_up_options(&self, session: Option<&str>) -> Answer {
        let (user, _) = self.memory().signed_in(session)?;
        Ok(self.request_options(session.unwrap_or_default(), &json!({ "username": user })))
    }

    /// Takes a passkey of the user who is signed in, and notes when it was shown.
    fn step_up(
        &self,
        session: Option<&str>,
        ceremony: Option<Ceremony>,
        response: Value,
    ) -> Answer {
        let mut memory = self.memory();
        memory.drop_ceremony(session, &response);
        let (user, _) = memory.signed_in(session)?;
        memory.is_begun_for(ceremony.as_ref(), &user, "auth.6")?;
        let defects = memory.defects;
        let taken_at_its_word = defects.has(Defect::StepUpWithoutAssertion)
            && response["method"] == "passkey"
            && response.get("response").is_none();
        if !taken_at_its_word {
            let identified = (!defects.has(Defect::StepUpByAnybody)).then_some(user);
            memory.finish_authentication_of(identified, None, ceremony, response)?;
        }
        let now = memory.now();
        if let Some(session) = session.and_then(|id| memory.sessions.get_mut(id)) {
            session.mfa_at = now;
        }
        Ok(json!({}))
    }
}
