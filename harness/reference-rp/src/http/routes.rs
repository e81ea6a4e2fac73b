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
    response::{Html, IntoResponse, Response},
    routing::{MethodRouter, any_service, get, post},
};
use serde_json::{Value, json};

use super::{
    body::{Body, error},
    conformance,
    state::State,
};
use crate::verify::Refusal;

const COOKIE: &str = "session";
const LARGEST_BODY: usize = 1024 * 1024;
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
        .route("/", get(|| async { Html(include_str!("index.html")) }))
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
        .merge(conformance::router())
}

/// Hands the state to requests, bounds their bodies, and answers for a handler that panics.
///
/// A router's layers go around each of its routes anew; around the one service that holds them all they are made once.
fn guarded<S: Clone + Send + Sync + 'static>(routes: Router, state: S) -> MethodRouter {
    let guard = |Shared(state): Shared<S>, mut request: Request, next: Next| async {
        DefaultBodyLimit::max(LARGEST_BODY).apply(&mut request);
        request.extensions_mut().insert(state);
        caught(next.run(request)).await.unwrap_or_else(|| {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            error(status, &[], "something went wrong here")
        })
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

type App = Extension<Arc<State>>;

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
    error(status, &refusal.reasons, &refusal.message)
}

fn answer(result: Result<Value, Refusal>) -> Response {
    result.map_or_else(
        |refusal| refused(&refusal),
        |body| Json(body).into_response(),
    )
}

async fn session(Extension(state): App, headers: HeaderMap) -> Json<Value> {
    Json(json!({ "user": state.session_user(session_id(&headers).as_deref()) }))
}

async fn bootstrap(Extension(state): App, Body(body): Body) -> Response {
    match state.bootstrap(&body) {
        Some(id) => with_session(&id, json!({ "user": body["username"] })),
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
    answer(state.registration_options(session_id(&headers).as_deref(), &body))
}

async fn register(Extension(state): App, headers: HeaderMap, Body(body): Body) -> Response {
    let session = session_id(&headers);
    let session = session.as_deref();
    let ceremony = state.take_ceremony(session, true, &body).await;
    answer(state.register(session, ceremony, body))
}

async fn authentication_options(
    Extension(state): App,
    headers: HeaderMap,
    Body(body): Body,
) -> Response {
    let id = state.session_or_new(session_id(&headers));
    let options = state.request_options(&id, &body);
    with_session(&id, options)
}

async fn authenticate(Extension(state): App, headers: HeaderMap, Body(body): Body) -> Response {
    let session = session_id(&headers);
    let session = session.as_deref();
    let ceremony = state.take_ceremony(session, false, &body).await;
    match state.authenticate(session, ceremony, body) {
        Ok((body, id)) => with_session(&id, body),
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

    async fn panics() -> &'static str {
        panic!("a handler's mistake")
    }

    #[tokio::test]
    async fn a_handler_that_panics_is_answered_for() {
        let router = guarded(Router::new().route("/", get(panics)), ());
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
