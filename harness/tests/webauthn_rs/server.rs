//! A small server in front of webauthn-rs: sessions, users and challenges, as its documentation leaves them to the application.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::{Bytes, to_bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;
use webauthn_rs::prelude::WebauthnError;

/// The RP ID.
pub const RP_ID: &str = "rp.test";
/// The only origin.
pub const ORIGIN: &str = "https://login.rp.test";

/// A use of the library: its two ceremonies, and the passkeys that it keeps.
pub trait Passkeys: Send + 'static {
    /// What it wants back when a registration is finished.
    type Registration: Send;
    /// What it wants back when a sign-in is finished.
    type SignIn: Send;

    /// Starts a registration, of which a request may ask something: the options, and what the session keeps.
    fn start_registration(
        &self,
        user: Uuid,
        name: &str,
        asked: &Value,
    ) -> Result<(Value, Self::Registration), Refusal>;
    /// Finishes a registration with what was posted.
    fn register(
        &mut self,
        user: Uuid,
        posted: &[u8],
        begun: Self::Registration,
    ) -> Result<(), Refusal>;
    /// Starts a sign-in, of a user who gave a name or of anybody.
    fn start_sign_in(
        &self,
        user: Option<Uuid>,
        asked: &Value,
    ) -> Result<(Value, Self::SignIn), Refusal>;
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
    Registration(Uuid, P::Registration),
    SignIn(P::SignIn),
}

struct Session<P: Passkeys> {
    user: Option<Uuid>,
    begun: Option<Begun<P>>,
}

struct Memory<P: Passkeys> {
    passkeys: P,
    /// Everybody who gave a name, in the order in which they first did.
    users: Vec<String>,
    /// Those with a passkey: only they themselves add others.
    registered: HashSet<Uuid>,
    sessions: HashMap<String, Session<P>>,
}

type App<P> = State<Arc<Mutex<Memory<P>>>>;

/// Serves on loopback until the runtime ends; returns the address.
pub async fn serve<P: Passkeys>(passkeys: P) -> SocketAddr {
    listen(router(passkeys)).await
}

/// Serves what a router answers.
pub async fn listen(router: Router) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Returns what answers for a use of the library, in its own words and in those of FIDO's API.
pub fn router<P: Passkeys>(passkeys: P) -> Router {
    let memory = Memory {
        passkeys,
        users: Vec::new(),
        registered: HashSet::new(),
        sessions: HashMap::new(),
    };
    let fidos = Router::new()
        .route("/attestation/options", post(start_registration::<P>))
        .route("/attestation/result", post(register::<P>))
        .route("/assertion/options", post(start_sign_in::<P>))
        .route("/assertion/result", post(sign_in::<P>))
        .route_layer(map_response(in_fidos_words));
    Router::new()
        .merge(fidos)
        .route("/session", get(session::<P>).delete(sign_out::<P>))
        .route("/registration/options", post(start_registration::<P>))
        .route("/registration", post(register::<P>))
        .route("/authentication/options", post(start_sign_in::<P>))
        .route("/authentication", post(sign_in::<P>))
        .with_state(Arc::new(Mutex::new(memory)))
}

/// Says an answer as the API of FIDO's conformance tests has it: "Conformance Test API", ServerResponse.
async fn in_fidos_words(answer: Response) -> Response {
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    if status.is_success() {
        body["status"] = json!("ok");
        body["errorMessage"] = json!("");
    } else {
        body = json!({ "status": "failed", "errorMessage": body["error"]["message"] });
    }
    let mut answer = (status, Json(body)).into_response();
    if let Some(cookie) = headers.get(header::SET_COOKIE) {
        let headers = answer.headers_mut();
        headers.insert(header::SET_COOKIE, cookie.clone());
    }
    answer
}

impl<P: Passkeys> Memory<P> {
    /// Returns the user that a request names, who is new if nobody had the name.
    fn named(&mut self, body: &Value) -> Option<Uuid> {
        let name = body["username"].as_str()?;
        let known = self.users.iter().position(|user| user == name);
        let index = known.unwrap_or_else(|| {
            self.users.push(name.to_owned());
            self.users.len() - 1
        });
        Some(Uuid::from_u128(index as u128 + 1))
    }

    fn name_of(&self, user: Uuid) -> String {
        self.users[user.as_u128() as usize - 1].clone()
    }

    fn session(&mut self, headers: &HeaderMap) -> Option<&mut Session<P>> {
        self.sessions.get_mut(id_of(headers)?)
    }

    fn user(&mut self, headers: &HeaderMap) -> Option<Uuid> {
        self.session(headers).and_then(|session| session.user)
    }

    /// Answers in a new session.
    fn answer(&mut self, user: Option<Uuid>, begun: Option<Begun<P>>, body: Value) -> Response {
        let id = Uuid::new_v4().to_string();
        let cookie = format!("session={id}; Path=/; HttpOnly; Secure; SameSite=Strict");
        self.sessions.insert(id, Session { user, begun });
        ([(header::SET_COOKIE, cookie)], Json(body)).into_response()
    }

    /// Signs in, and ends the session of before.
    fn signed_in(&mut self, user: Uuid, headers: &HeaderMap) -> Response {
        id_of(headers).and_then(|before| self.sessions.remove(before));
        let body = json!({ "user": self.name_of(user) });
        self.answer(Some(user), None, body)
    }

    /// Takes what a session has begun: a challenge is good once.
    fn take(&mut self, headers: &HeaderMap) -> Result<Begun<P>, Refusal> {
        let begun = self
            .session(headers)
            .and_then(|session| session.begun.take());
        begun.ok_or_else(|| Refusal::new("NothingBegun", "no ceremony is under way"))
    }
}

fn id_of(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, "session")
}

/// Returns the value of a cookie that a request has.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut pairs = headers.get(header::COOKIE)?.to_str().ok()?.split("; ");
    pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

async fn session<P: Passkeys>(State(app): App<P>, headers: HeaderMap) -> Json<Value> {
    let mut memory = app.lock().unwrap();
    let user = memory.user(&headers);
    Json(json!({ "user": user.map(|user| memory.name_of(user)) }))
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
    Json(body): Json<Value>,
) -> Result<Response, Refusal> {
    let mut memory = app.lock().unwrap();
    let named = memory.named(&body);
    let user = named.ok_or_else(|| Refusal::new("NoName", "expected a username"))?;
    let signed_in = memory.user(&headers);
    if memory.registered.contains(&user) && signed_in != Some(user) {
        return Err(Refusal::new("NotSignedIn", "somebody else has that name"));
    }
    let name = memory.name_of(user);
    let (mut options, state) = memory.passkeys.start_registration(user, &name, &body)?;
    let begun = Begun::Registration(user, state);
    Ok(memory.answer(signed_in, Some(begun), options["publicKey"].take()))
}

async fn register<P: Passkeys>(
    State(app): App<P>,
    headers: HeaderMap,
    posted: Bytes,
) -> Result<Response, Refusal> {
    let mut memory = app.lock().unwrap();
    let Begun::Registration(user, state) = memory.take(&headers)? else {
        return Err(Refusal::new("NothingBegun", "a sign-in is under way"));
    };
    memory.passkeys.register(user, &posted, state)?;
    memory.registered.insert(user);
    Ok(memory.signed_in(user, &headers))
}

async fn start_sign_in<P: Passkeys>(
    State(app): App<P>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Response, Refusal> {
    let mut memory = app.lock().unwrap();
    let named = memory.named(&body);
    let (mut options, state) = memory.passkeys.start_sign_in(named, &body)?;
    let signed_in = memory.user(&headers);
    let begun = Begun::SignIn(state);
    Ok(memory.answer(signed_in, Some(begun), options["publicKey"].take()))
}

async fn sign_in<P: Passkeys>(
    State(app): App<P>,
    headers: HeaderMap,
    posted: Bytes,
) -> Result<Response, Refusal> {
    let mut memory = app.lock().unwrap();
    let Begun::SignIn(state) = memory.take(&headers)? else {
        return Err(Refusal::new("NothingBegun", "a registration is under way"));
    };
    let user = memory.passkeys.sign_in(&posted, state)?;
    Ok(memory.signed_in(user, &headers))
}
