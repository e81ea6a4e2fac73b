//! The API of FIDO's conformance tools (FIDO2 server, "Transport Binding Profile").
//!
//! It has no authentication: whoever knows a name registers for it. So its accounts are apart from all others, and nobody is
//! signed in by it. The requests choose user verification and attestation, which no other relying party should let them.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};

use super::{
    body::{BadBody, Body},
    memory::Memory,
    routes::{session_id, with_session},
    state::{Answer, State},
};
use crate::{
    defects::Defect,
    parse::to_base64url,
    verify::{Refusal, refuse},
};

type App = Extension<Arc<State>>;
type Posted = Result<Body, BadBody>;

/// Makes the router of the four paths.
pub(super) fn router() -> Router {
    Router::new()
        .route("/attestation/options", post(attestation_options))
        .route("/attestation/result", post(attestation_result))
        .route("/assertion/options", post(assertion_options))
        .route("/assertion/result", post(assertion_result))
}

fn failed(status: StatusCode, message: &str) -> Response {
    let body = json!({ "status": "failed", "errorMessage": message });
    (status, Json(body)).into_response()
}

fn ok(mut body: Value) -> Value {
    body["status"] = json!("ok");
    body["errorMessage"] = json!("");
    body
}

fn options(session: &str, answer: Answer) -> Response {
    match answer {
        Ok(options) => with_session(session, ok(options)),
        Err(refusal) => failed(StatusCode::BAD_REQUEST, &refusal.to_string()),
    }
}

fn result(result: Result<(), Refusal>) -> Response {
    match result {
        Ok(()) => Json(ok(json!({}))).into_response(),
        Err(refusal) => failed(StatusCode::BAD_REQUEST, &refusal.to_string()),
    }
}

async fn attestation_options(
    Extension(state): App,
    headers: HeaderMap,
    posted: Posted,
) -> Response {
    match posted {
        Ok(Body(body)) => {
            let session = state.session_or_new(session_id(&headers));
            options(&session, state.attestation_options(&session, &body))
        }
        Err(bad) => failed(bad.status, &bad.message),
    }
}

async fn attestation_result(Extension(state): App, headers: HeaderMap, posted: Posted) -> Response {
    let session = session_id(&headers);
    let response = match posted {
        Ok(Body(body)) => with_raw_id(body),
        Err(bad) => return failed(bad.status, &bad.message),
    };
    let ceremony = state
        .take_ceremony(session.as_deref(), true, &response)
        .await;
    let mut memory = state.memory();
    memory.drop_ceremony(session.as_deref(), &response);
    let user = ceremony
        .as_ref()
        .and_then(|ceremony| ceremony.username.clone())
        .filter(|name| memory.is_account_here(name));
    let Some(user) = user else {
        return result(refuse("state", "no ceremony is under way"));
    };
    let situation = memory.situation(&user, memory.now());
    let answer = memory.finish_registration(user, situation, ceremony, response);
    result(answer.map(|_| ()))
}

async fn assertion_options(Extension(state): App, headers: HeaderMap, posted: Posted) -> Response {
    match posted {
        Ok(Body(body)) => {
            let session = state.session_or_new(session_id(&headers));
            options(&session, state.assertion_options(&session, &body))
        }
        Err(bad) => failed(bad.status, &bad.message),
    }
}

async fn assertion_result(Extension(state): App, headers: HeaderMap, posted: Posted) -> Response {
    let session = session_id(&headers);
    let response = match posted {
        Ok(Body(body)) => with_raw_id(body),
        Err(bad) => return failed(bad.status, &bad.message),
    };
    let ceremony = state
        .take_ceremony(session.as_deref(), false, &response)
        .await;
    let mut memory = state.memory();
    memory.drop_ceremony(session.as_deref(), &response);
    let ceremony = ceremony.filter(|ceremony| {
        let name = ceremony.username.as_deref();
        name.is_some_and(|name| memory.is_account_here(name))
    });
    let answer = memory.finish_authentication(None, ceremony, response);
    result(answer.map(|_| ()))
}

/// What sets the accounts of this API apart.
const ACCOUNTS: &str = "conformance:";

impl Memory {
    fn account_here(&self, name: &str) -> String {
        if self.defects.has(Defect::DefaultEndpointsShareAccounts) {
            return name.to_owned();
        }
        format!("{ACCOUNTS}{name}")
    }

    fn is_account_here(&self, account: &str) -> bool {
        account.starts_with(ACCOUNTS) || self.defects.has(Defect::DefaultEndpointsShareAccounts)
    }
}

/// The API has no `rawId`: it is what `id` says.
fn with_raw_id(mut body: Value) -> Value {
    if let Some(members) = body.as_object_mut()
        && let Some(id) = members.get("id").cloned()
    {
        members.entry("rawId").or_insert(id);
    }
    body
}

fn username(body: &Value) -> Result<&str, Refusal> {
    match body["username"].as_str().filter(|name| !name.is_empty()) {
        Some(name) => Ok(name),
        None => refuse("parse", "username is missing or no text"),
    }
}

/// Finds a word of an enumeration, or takes its default.
fn word<'a>(
    value: Option<&'a Value>,
    known: &[&str],
    default: &'a str,
) -> Result<&'a str, Refusal> {
    match value {
        None | Some(Value::Null) => Ok(default),
        Some(Value::String(word)) if known.contains(&word.as_str()) => Ok(word),
        Some(other) => refuse(
            "parse",
            format!("{other} is not one of {}", known.join(", ")),
        ),
    }
}

const USER_VERIFICATION: [&str; 3] = ["required", "preferred", "discouraged"];
const CONVEYANCE: [&str; 4] = ["none", "indirect", "direct", "enterprise"];

impl State {
    fn attestation_options(&self, session: &str, body: &Value) -> Answer {
        let name = username(body)?;
        let Some(display_name) = body["displayName"].as_str() else {
            return refuse("parse", "displayName is missing or no text");
        };
        let selection = body.get("authenticatorSelection");
        let wanted = selection.and_then(|selection| selection.get("userVerification"));
        let user_verification = word(wanted, &USER_VERIFICATION, "preferred")?;
        let attestation = word(body.get("attestation"), &CONVEYANCE, "none")?;
        let mut memory = self.memory();
        let account = memory.account_here(name);
        let mut ceremony = memory.ceremony(true, Some(account.clone()));
        ceremony.user_verification = Some(user_verification.to_owned());
        let mut options = memory.creation_options(&account, &mut ceremony);
        options["user"]["name"] = json!(name);
        options["user"]["displayName"] = json!(display_name);
        options["attestation"] = json!(attestation);
        options["authenticatorSelection"] = selection.cloned().unwrap_or_else(|| json!({}));
        let asked = body.get("extensions").and_then(Value::as_object);
        ceremony.extensions = asked.cloned().unwrap_or_default();
        options["extensions"] = json!(ceremony.extensions);
        memory.begin(session, ceremony);
        Ok(options)
    }

    fn assertion_options(&self, session: &str, body: &Value) -> Answer {
        let name = username(body)?;
        let user_verification = word(
            body.get("userVerification"),
            &USER_VERIFICATION,
            "preferred",
        )?;
        let mut memory = self.memory();
        let account = memory.account_here(name);
        let mut ceremony = memory.ceremony(false, Some(account.clone()));
        ceremony.user_verification = Some(user_verification.to_owned());
        ceremony.allowed = memory.allowed_for(&account);
        let descriptors: Vec<Value> = ceremony
            .allowed
            .iter()
            .map(|id| memory.descriptor(id))
            .collect();
        let options = json!({
            "challenge": to_base64url(&ceremony.challenge),
            "rpId": memory.expected.rp_id,
            "timeout": 300_000,
            "userVerification": user_verification,
            "allowCredentials": descriptors,
            "extensions": body.get("extensions").cloned().unwrap_or_else(|| json!({})),
        });
        memory.begin(session, ceremony);
        Ok(options)
    }
}
