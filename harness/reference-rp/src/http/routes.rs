//! The routes: JSON in, JSON out.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, LazyLock},
    task::Poll,
};

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, Path, Request, State as Shared},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodRouter, any_service, delete, get, post},
};
use serde_json::{Value, json};

use super::{
    accounts::{self, Named},
    body::{Body, LARGEST_BODY, error, error_body},
    certificate_urls, conformance, enrolment,
    pages::{self, browsers},
    password,
    state::State,
    step_up,
};
use crate::{defects::Defect, parse::base64url, verify::Refusal};

const COOKIE: &str = "session";
/// Where Microsoft Graph has the policy.
const POLICY: &str =
    "/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/fido2";

/// Makes the router of a relying party.
pub(super) fn router(state: Arc<State>) -> MethodRouter {
    // All relying parties have the same routes: a request brings along whose it is.
    static ROUTES: LazyLock<Router> = LazyLock::new(routes);
    guarded(ROUTES.clone(), state)
}

fn routes() -> Router {
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
        .route("/passkeys", get(own_passkeys))
        .route("/passkeys/{id}", delete(delete_passkey))
        .route("/admin/users/{name}/passkeys", get(passkeys))
        .route(POLICY, get(policy).patch(set_policy))
        .merge(conformance::router())
        .merge(accounts::router())
        .merge(password::router())
        .merge(step_up::router())
        .merge(enrolment::router())
        .merge(pages::router())
}

/// Hands the state to requests, notes them, bounds their bodies, and answers for a handler that panics.
///
/// A router's layers go around each of its routes anew; around the one service that holds them all they are made once.
fn guarded(routes: Router, state: Arc<State>) -> MethodRouter {
    let guard = |Shared(state): Shared<Arc<State>>, mut request: Request, next: Next| async {
        state.seen.note(&request);
        DefaultBodyLimit::max(LARGEST_BODY).apply(&mut request);
        let host = request.headers().get(header::HOST);
        let tenant = host.and_then(|host| state.tenant(host.to_str().ok()?));
        request.extensions_mut().insert(tenant.unwrap_or(state));
        let mut response = caught(next.run(request)).await.unwrap_or_else(|| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            error(status, &[], "something went wrong here")
        });
        pages::forbid_storing(&mut response);
        response
    };
    any_service(routes).layer(from_fn_with_state(state, guard))
}

/// Waits for an answer; a panic ends the wait for it, and nothing else.
async fn caught(answer: impl Future<Output = Response>) -> Option<Response> {
    let mut answer = pin!(answer);
    // What a panic leaves half done is left to `State::memory`, as with any other lock.
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context)));
        polled.map_or(Poll::Ready(None), |polled| polled.map(Some))
    })
    .await
}

pub(super) type App = Extension<Arc<State>>;

/// Finds the session in the cookies.
pub(super) fn session_id(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    let pairs = cookies
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .filter(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value.to_owned())
        .next()
}

/// Answers, and sets the session's cookie.
pub(super) fn with_session(id: &str, body: Value) -> Response {
    with_cookie(id, body, "Strict")
}

fn with_cookie(id: &str, body: Value, same_site: &str) -> Response {
    let cookie = format!("{COOKIE}={id}; Path=/; HttpOnly; Secure; SameSite={same_site}");
    let mut response = Json(body).into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

pub(super) fn refused(refusal: &Refusal) -> Response {
    error(status_of(refusal), &refusal.reasons, &refusal.message)
}

fn status_of(refusal: &Refusal) -> StatusCode {
    let by_policy = refusal
        .reasons
        .iter()
        .all(|reason| !reason.contains('.') && reason != "parse" && reason != "state");
    if by_policy {
        StatusCode::FORBIDDEN
    } else {
        StatusCode::BAD_REQUEST
    }
}

pub(super) fn answer(result: Result<Value, Refusal>) -> Response {
    result.map_or_else(
        |refusal| refused(&refusal),
        |body| Json(body).into_response(),
    )
}

async fn session(Extension(state): App, headers: HeaderMap) -> Json<Value> {
    Json(state.who(session_id(&headers).as_deref()))
}

async fn bootstrap(Extension(state): App, Body(body): Body) -> Response {
    match state.bootstrap(&body) {
        Some(id) => with_cookie(
            &id,
            json!({ "user": body["username"] }),
            state.site.same_site,
        ),
        None => error(StatusCode::UNAUTHORIZED, &[], "wrong name or pass"),
    }
}

async fn sign_out(Extension(state): App, headers: HeaderMap) -> Json<Value> {
    state.sign_out(session_id(&headers).as_deref());
    Json(json!({}))
}

async fn registration_options(
    Extension(state): App,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    registration_options_for(&state, None, &headers, &body)
}

/// Answers with creation options, whether or not the URL names an account.
pub(super) fn registration_options_for(
    state: &State,
    in_url: Option<String>,
    headers: &HeaderMap,
    body: &Value,
) -> Response {
    if let Err(refusal) = browsers::admit(&state.memory().defects, headers) {
        return refused(&refusal);
    }
    let session = session_id(headers);
    let id = state.session_or_new(session.clone());
    let options = state.registration_options(&id, &Named::new(in_url, body), body);
    match options {
        // Only a relying party that asks for no session has to begin one here.
        Ok(options) if session.is_none() => with_cookie(&id, options, state.site.same_site),
        options => answer(options),
    }
}

async fn register(Extension(state): App, headers: HeaderMap, Body(body): Body) -> Response {
    register_for(&state, None, &headers, body).await
}

/// Takes the response of a registration, whether or not the URL names an account.
pub(super) async fn register_for(
    state: &State,
    in_url: Option<String>,
    headers: &HeaderMap,
    body: Value,
) -> Response {
    let session = session_id(headers);
    let session = session.as_deref();
    let ceremony = state.take_ceremony(session, true, &body).await;
    if state.has(Defect::CertificateUrlsFetched) {
        certificate_urls::fetch(&body).await;
    }
    answer(state.register(session, &Named::new(in_url, &body), ceremony, body))
}

async fn authentication_options(
    Extension(state): App,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let admitted = browsers::admit(&state.memory().defects, &headers);
    if let Err(refusal) = admitted {
        return refused(&refusal);
    }
    let id = state.session_or_new(session_id(&headers));
    let options = state.request_options(&id, &body);
    with_cookie(&id, options, state.site.same_site)
}

async fn authenticate(Extension(state): App, headers: HeaderMap, Body(body): Body) -> Response {
    let session = session_id(&headers);
    let session = session.as_deref();
    let ceremony = state.take_ceremony(session, false, &body).await;
    let credential = body["rawId"].as_str().and_then(base64url);
    match state.authenticate(session, ceremony, body) {
        Ok((body, id)) => with_cookie(&id, body, state.site.same_site),
        Err(refusal) => {
            let mut body = error_body(&refusal.reasons, &refusal.message);
            // A page passes it on with `signalUnknownCredential`, upon which the passkey is gone: only of one that is really named.
            if credential.is_some_and(|id| !state.knows(&id)) {
                body["error"]["unknownCredential"] = json!(true);
            }
            (status_of(&refusal), Json(body)).into_response()
        }
    }
}

async fn own_passkeys(Extension(state): App, headers: HeaderMap) -> Response {
    answer(state.own_passkeys(session_id(&headers).as_deref()))
}

async fn delete_passkey(
    Extension(state): App,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    match state.delete_passkey(session_id(&headers).as_deref(), &id) {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => error(StatusCode::NOT_FOUND, &[], "you have no such passkey"),
        Err(refusal) => refused(&refusal),
    }
}

async fn passkeys(Extension(state): App, Path(name): Path<String>) -> Json<Value> {
    Json(state.passkeys(&name))
}

async fn policy(Extension(state): App) -> Response {
    match state.policy() {
        Some(policy) => Json(policy).into_response(),
        None => error(StatusCode::NOT_FOUND, &[], "there is no policy"),
    }
}

/// Answers as Graph does: 204, or an error with an inner reason.
async fn set_policy(Extension(state): App, Body(body): Body) -> Response {
    match state.set_policy(&body) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(broken) => {
            let error = json!({
                "code": "badRequest",
                "message": broken.message,
                "innerError": { "reason": broken.rule },
            });
            (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::http::Config;

    async fn panics() -> &'static str {
        panic!("a handler's mistake")
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_answered_for() {
        let state = Arc::new(State::new(Config::new(crate::sample::expected())));
        let router = guarded(Router::new().route("/", get(panics)), state);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        // The connection goes on: both requests are answered on it.
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = "GET / HTTP/1.1\r\nhost: rp.test\r\n";
        let requests = format!("{request}\r\n{request}connection: close\r\n\r\n");
        stream.write_all(requests.as_bytes()).await.unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();
        assert_eq!(answers.matches("HTTP/1.1 500").count(), 2, "{answers}");
        assert!(answers.contains("\"error\""));
    }
}
