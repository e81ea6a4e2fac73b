//! The routes: JSON in, JSON out.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State as Shared},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use super::state::{State, random_id};
use crate::verify::Refusal;

const COOKIE: &str = "session";
const LARGEST_BODY: usize = 1024 * 1024;
/// Where Microsoft Graph has the policy.
const POLICY: &str =
    "/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/fido2";

/// Makes the router of a relying party.
pub(super) fn router(state: Arc<State>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/session", get(session))
        .route("/session/bootstrap", post(bootstrap))
        .route("/session/sign-out", post(sign_out))
        .route("/webauthn/registration/options", post(registration_options))
        .route("/webauthn/registration", post(register))
        .route(
            "/webauthn/authentication/options",
            post(authentication_options),
        )
        .route("/webauthn/authentication", post(authenticate))
        .route("/admin/users/{name}/passkeys", get(passkeys))
        .route(POLICY, get(policy).patch(set_policy))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(state)
}

type App = Shared<Arc<State>>;

fn session_id(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    let pairs = cookies
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .filter(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value.to_owned())
        .next()
}

fn with_session(id: &str, body: Value) -> Response {
    let cookie = format!("{COOKIE}={id}; Path=/; HttpOnly; Secure; SameSite=Strict");
    let mut response = Json(body).into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn refused(refusal: &Refusal) -> Response {
    let by_policy = refusal
        .reasons
        .iter()
        .all(|reason| !reason.contains('.') && reason != "parse" && reason != "state");
    let status = if by_policy {
        StatusCode::FORBIDDEN
    } else {
        StatusCode::BAD_REQUEST
    };
    let body = json!({ "error": { "reasons": refusal.reasons, "message": refusal.message } });
    (status, Json(body)).into_response()
}

fn answer(result: Result<Value, Refusal>) -> Response {
    result.map_or_else(
        |refusal| refused(&refusal),
        |body| Json(body).into_response(),
    )
}

async fn session(Shared(state): App, headers: HeaderMap) -> Json<Value> {
    Json(json!({ "user": state.session_user(session_id(&headers).as_deref()) }))
}

async fn bootstrap(Shared(state): App, Json(body): Json<Value>) -> Response {
    match state.bootstrap(&body) {
        Some(id) => with_session(&id, json!({ "user": body["username"] })),
        None => (
            StatusCode::UNAUTHORIZED,
            Json(json!({ "error": { "message": "wrong name or pass" } })),
        )
            .into_response(),
    }
}

async fn sign_out(Shared(state): App, headers: HeaderMap) -> Json<Value> {
    state.sign_out(session_id(&headers).as_deref());
    Json(json!({}))
}

async fn registration_options(
    Shared(state): App,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    answer(state.registration_options(session_id(&headers).as_deref(), &body))
}

async fn register(Shared(state): App, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    answer(state.register(session_id(&headers).as_deref(), body))
}

async fn authentication_options(
    Shared(state): App,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let id = session_id(&headers).unwrap_or_else(random_id);
    let options = state.request_options(&id, &body);
    with_session(&id, options)
}

async fn authenticate(Shared(state): App, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    match state.authenticate(session_id(&headers).as_deref(), body) {
        Ok((body, id)) => with_session(&id, body),
        Err(refusal) => refused(&refusal),
    }
}

async fn passkeys(Shared(state): App, Path(name): Path<String>) -> Json<Value> {
    Json(state.passkeys(&name))
}

async fn policy(Shared(state): App) -> Response {
    match state.policy() {
        Some(policy) => Json(policy).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn set_policy(Shared(state): App, Json(body): Json<Value>) -> Response {
    match state.set_policy(&body) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(rule) => {
            let error =
                json!({ "code": "badRequest", "message": rule, "innerError": { "reason": rule } });
            (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response()
        }
    }
}
