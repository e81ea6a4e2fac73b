//! A small server in front of webauthn-rs that speaks the L3 JSON API: sessions, users and challenges, as its documentation leaves
//! them to the application.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;
use webauthn_rs::prelude::WebauthnError;

/// What lets a user in before there is a passkey.
pub const PASS: &str = "temporary access pass";
/// The RP ID.
pub const RP_ID: &str = "rp.test";
/// The only origin.
pub const ORIGIN: &str = "https://login.rp.test";
const USERS: [(&str, u128); 3] = [("alice", 0xa11ce), ("bob", 0xb0b), ("mallory", 0x3a11)];

/// A use of the library: its two ceremonies, and the passkeys that it keeps.
pub trait Passkeys: Send + 'static {
    /// What it wants back when a registration is finished.
    type Registration: Send;
    /// What it wants back when a sign-in is finished.
    type SignIn: Send;

    /// Starts a registration: the options, and what the session keeps.
    fn start_registration(
        &self,
        user: Uuid,
        name: &str,
    ) -> Result<(Value, Self::Registration), Refusal>;
    /// Finishes a registration with what was posted.
    fn register(
        &mut self,
        user: Uuid,
        posted: &[u8],
        begun: Self::Registration,
    ) -> Result<(), Refusal>;
    /// Starts a sign-in, of a user who gave a name or of anybody.
    fn start_sign_in(&self, user: Option<Uuid>) -> Result<(Value, Self::SignIn), Refusal>;
    /// Finishes a sign-in with what was posted; returns who signed in.
    fn sign_in(&mut self, posted: &[u8], begun: Self::SignIn) -> Result<Uuid, Refusal>;
}

/// Why a response is not taken.
#[derive(Debug)]
pub struct Refusal {
    code: String,
    message: String,
}

impl Refusal {
    pub fn new(code: &str, message: &str) -> Self {
        Self {
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }
}

impl From<WebauthnError> for Refusal {
    /// The library's errors, by the names of their variants.
    fn from(error: WebauthnError) -> Self {
        let variant = format!("{error:?}");
        let name = variant.split(['(', ' ']).next().unwrap();
        Self::new(name, &error.to_string())
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        // Where it stands depends on the length of a signature.
        let text = error.to_string();
        let message = text.split(" at line ").next().unwrap();
        Self::new("BadJson", message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.code, "message": self.message } });
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    }
}

/// The ceremony that a session has begun; a new one takes its place.
enum Begun<P: Passkeys> {
    Registration(P::Registration),
    SignIn(P::SignIn),
}

struct Session<P: Passkeys> {
    user: Option<Uuid>,
    begun: Option<Begun<P>>,
}

struct Memory<P: Passkeys> {
    passkeys: P,
    sessions: HashMap<String, Session<P>>,
}

type App<P> = State<Arc<Mutex<Memory<P>>>>;

/// Serves on loopback until the runtime ends; returns the address.
pub async fn serve<P: Passkeys>(passkeys: P) -> SocketAddr {
    let memory = Memory {
        passkeys,
        sessions: HashMap::new(),
    };
    let router = Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/session/bootstrap", post(bootstrap::<P>))
        .route("/session/sign-out", post(sign_out::<P>))
        .route(
            "/webauthn/registration/options",
            post(start_registration::<P>),
        )
        .route("/webauthn/registration", post(register::<P>))
        .route("/webauthn/authentication/options", post(start_sign_in::<P>))
        .route("/webauthn/authentication", post(sign_in::<P>))
        .with_state(Arc::new(Mutex::new(memory)));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

impl<P: Passkeys> Memory<P> {
    fn session(&mut self, headers: &HeaderMap) -> Option<&mut Session<P>> {
        let cookie = headers.get(header::COOKIE)?.to_str().ok()?;
        self.sessions.get_mut(cookie.strip_prefix("session=")?)
    }

    fn user(&mut self, headers: &HeaderMap) -> Result<Uuid, Refusal> {
        let session = self.session(headers);
        let user = session.and_then(|session| session.user);
        user.ok_or_else(|| Refusal::new("NotSignedIn", "nobody is signed in"))
    }

    /// Answers in a new session.
    fn answer(&mut self, user: Option<Uuid>, begun: Option<Begun<P>>, body: Value) -> Response {
        let id = Uuid::new_v4().to_string();
        let cookie = format!("session={id}; Path=/; HttpOnly; Secure; SameSite=Strict");
        self.sessions.insert(id, Session { user, begun });
        ([(header::SET_COOKIE, cookie)], Json(body)).into_response()
    }

    /// Takes what a session has begun: a challenge is good once.
    fn take(&mut self, headers: &HeaderMap) -> Result<Begun<P>, Refusal> {
        let begun = self
            .session(headers)
            .and_then(|session| session.begun.take());
        begun.ok_or_else(|| Refusal::new("NothingBegun", "no ceremony is under way"))
    }
}

fn named(body: &Value) -> Option<Uuid> {
    let name = body["username"].as_str()?;
    let (_, id) = USERS.iter().find(|(known, _)| *known == name)?;
    Some(Uuid::from_u128(*id))
}

fn name_of(user: Uuid) -> &'static str {
    let known = USERS.iter().find(|(_, id)| *id == user.as_u128());
    known.unwrap().0
}

async fn bootstrap<P: Passkeys>(State(app): App<P>, Json(body): Json<Value>) -> Response {
    match named(&body) {
        Some(user) if body["temporaryAccessPass"] == PASS => {
            let mut memory = app.lock().unwrap();
            memory.answer(Some(user), None, json!({ "user": name_of(user) }))
        }
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn sign_out<P: Passkeys>(State(app): App<P>, headers: HeaderMap) -> Json<Value> {
    if let Some(session) = app.lock().unwrap().session(&headers) {
        *session = Session {
            user: None,
            begun: None,
        };
    }
    Json(json!({}))
}

async fn start_registration<P: Passkeys>(
    State(app): App<P>,
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    let mut memory = app.lock().unwrap();
    let user = memory.user(&headers)?;
    let (mut options, state) = memory.passkeys.start_registration(user, name_of(user))?;
    let session = memory.session(&headers).unwrap();
    session.begun = Some(Begun::Registration(state));
    Ok(Json(options["publicKey"].take()))
}

async fn register<P: Passkeys>(
    State(app): App<P>,
    headers: HeaderMap,
    posted: Bytes,
) -> Result<Json<Value>, Refusal> {
    let mut memory = app.lock().unwrap();
    let user = memory.user(&headers)?;
    match memory.take(&headers)? {
        Begun::Registration(state) => memory.passkeys.register(user, &posted, state)?,
        Begun::SignIn(_) => return Err(Refusal::new("NothingBegun", "a sign-in is under way")),
    }
    Ok(Json(json!({})))
}

async fn start_sign_in<P: Passkeys>(
    State(app): App<P>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Response, Refusal> {
    let mut memory = app.lock().unwrap();
    let (mut options, state) = memory.passkeys.start_sign_in(named(&body))?;
    let user = memory.user(&headers).ok();
    Ok(memory.answer(
        user,
        Some(Begun::SignIn(state)),
        options["publicKey"].take(),
    ))
}

async fn sign_in<P: Passkeys>(
    State(app): App<P>,
    headers: HeaderMap,
    posted: Bytes,
) -> Result<Response, Refusal> {
    let mut memory = app.lock().unwrap();
    let user = match memory.take(&headers)? {
        Begun::SignIn(state) => memory.passkeys.sign_in(&posted, state)?,
        Begun::Registration(_) => {
            return Err(Refusal::new("NothingBegun", "a registration is under way"));
        }
    };
    Ok(memory.answer(Some(user), None, json!({ "user": name_of(user) })))
}
