//! A relying party on webauthn-rs: its passkey API as its documentation and its tutorial's server show it, and sign-in without a name by
//! its conditional API. State is in memory. Endpoints are named as the tutorial names them (tutorial/server/axum).

use std::{collections::HashMap, env, sync::Arc};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Mutex};
use uuid::Uuid;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey, PasskeyAuthentication, PasskeyRegistration,
    PublicKeyCredential, RegisterPublicKeyCredential, Url, Webauthn, WebauthnBuilder,
    WebauthnError,
};

/// The ceremony that a session has begun; another takes its place.
enum Begun {
    Registration(String, Uuid, PasskeyRegistration),
    Named(Uuid, PasskeyAuthentication),
    Anybody(DiscoverableAuthentication),
}

#[derive(Default)]
struct Session {
    user: Option<Uuid>,
    begun: Option<Begun>,
}

struct Memory {
    webauthn: Webauthn,
    name_to_id: HashMap<String, Uuid>,
    keys: HashMap<Uuid, (String, Vec<Passkey>)>,
    sessions: HashMap<String, Session>,
}

type App = State<Arc<Mutex<Memory>>>;
type Answer = Result<Response, Refusal>;

/// Why something is not done: the name of the library's error, and its words.
struct Refusal(String, String);

/// This server's own.
fn refusal(code: &str, message: &str) -> Refusal {
    Refusal(code.to_owned(), message.to_owned())
}

impl From<WebauthnError> for Refusal {
    fn from(error: WebauthnError) -> Self {
        let variant = format!("{error:?}");
        let name = variant.split(['(', ' ']).next().unwrap_or_default();
        refusal(name, &error.to_string())
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        // Where it stands depends on the length of a signature.
        let text = error.to_string();
        refusal(
            "BadJson",
            text.split(" at line ").next().unwrap_or_default(),
        )
    }
}

impl IntoResponse for Refusal {
    /// The tutorial's server answers 400 when webauthn-rs refuses, without a word; here are the library's.
    fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.0, "message": self.1 } });
        (StatusCode::BAD_REQUEST, Json(body)).into_response()
    }
}

#[tokio::main]
async fn main() {
    let set = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let (rp_id, port) = (set("RP_ID", "rp.test"), set("PORT", "8080"));
    // The documentation of webauthn_rs, "Getting started".
    let rp_origin = Url::parse(&set("ORIGIN", "https://login.rp.test")).expect("Invalid URL");
    let builder = WebauthnBuilder::new(&rp_id, &rp_origin).expect("Invalid configuration");
    let webauthn = builder.build().expect("Invalid configuration");
    let memory = Memory {
        webauthn,
        name_to_id: HashMap::new(),
        keys: HashMap::new(),
        sessions: HashMap::new(),
    };
    let router = Router::new()
        .route("/register_start/{username}", post(start_register))
        .route("/register_finish", post(finish_register))
        .route("/login_start/{username}", post(start_authentication))
        .route("/login_start", post(start_discoverable_authentication))
        .route("/login_finish", post(finish_authentication))
        .route("/session", get(session))
        .route("/sign_out", post(sign_out))
        .route("/passkeys", get(list_passkeys))
        .route("/passkeys/{id}", delete(delete_passkey))
        .with_state(Arc::new(Mutex::new(memory)));
    let address = format!("127.0.0.1:{port}");
    let listener = TcpListener::bind(&address).await.expect("PORT is free");
    eprintln!("webauthn-rs on http://{address} for {rp_origin}");
    axum::serve(listener, router).await.expect("serves");
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    cookies
        .split("; ")
        .find_map(|cookie| cookie.strip_prefix("session="))
}

impl Memory {
    fn user(&self, headers: &HeaderMap) -> Option<Uuid> {
        self.sessions.get(cookie(headers)?)?.user
    }

    fn signed_in(&self, headers: &HeaderMap) -> Result<Uuid, Refusal> {
        self.user(headers)
            .ok_or_else(|| refusal("NotSignedIn", "nobody is signed in"))
    }

    /// Answers in a new session.
    fn answer(&mut self, headers: &HeaderMap, session: Session, body: impl IntoResponse) -> Answer {
        if let Some(old) = cookie(headers) {
            self.sessions.remove(old);
        }
        let id = Uuid::new_v4().to_string();
        let set = format!("session={id}; Path=/; HttpOnly; Secure; SameSite=Strict");
        self.sessions.insert(id, session);
        Ok(([(header::SET_COOKIE, set)], body).into_response())
    }

    fn begin(&mut self, headers: &HeaderMap, begun: Begun, options: impl IntoResponse) -> Answer {
        let session = Session {
            user: self.user(headers),
            begun: Some(begun),
        };
        self.answer(headers, session, options)
    }

    /// Takes what a session has begun: a challenge is good once.
    fn take(&mut self, headers: &HeaderMap) -> Result<Begun, Refusal> {
        let session = cookie(headers).and_then(|id| self.sessions.get_mut(id));
        let begun = session.and_then(|session| session.begun.take());
        begun.ok_or_else(|| refusal("NothingBegun", "no ceremony is under way"))
    }

    fn sign_in(&mut self, headers: &HeaderMap, user: Uuid) -> Answer {
        let body = json!({ "username": self.keys.get(&user).map(|(name, _)| name) });
        self.answer(
            headers,
            Session {
                user: Some(user),
                begun: None,
            },
            Json(body),
        )
    }
}

async fn start_register(
    State(app): App,
    headers: HeaderMap,
    Path(username): Path<String>,
) -> Answer {
    let mut memory = app.lock().await;
    let known = memory.name_to_id.get(&username).copied();
    // The tutorial's server adds a passkey to whatever user is named: an application asks who is signed in.
    if known.is_some() && known != memory.user(&headers) {
        return Err(refusal(
            "NotSignedIn",
            "this user name is taken: sign in to add a passkey",
        ));
    }
    // tutorial/server/axum/src/auth.rs, step 2.
    let user_unique_id = known.unwrap_or_else(Uuid::new_v4);
    let keys = memory.keys.get(&user_unique_id);
    let exclude = keys.map(|(_, keys)| keys.iter().map(|key| key.cred_id().clone()).collect());
    let (ccr, reg_state) = memory.webauthn.start_passkey_registration(
        user_unique_id,
        &username,
        &username,
        exclude,
    )?;
    let begun = Begun::Registration(username, user_unique_id, reg_state);
    memory.begin(&headers, begun, Json(ccr))
}

async fn finish_register(State(app): App, headers: HeaderMap, posted: Bytes) -> Answer {
    let mut memory = app.lock().await;
    let Begun::Registration(username, user, reg_state) = memory.take(&headers)? else {
        return Err(refusal("NothingBegun", "a sign-in is under way"));
    };
    let reg: RegisterPublicKeyCredential = serde_json::from_slice(&posted)?;
    // tutorial/server/axum/src/auth.rs, step 3.
    let key = memory
        .webauthn
        .finish_passkey_registration(&reg, &reg_state)?;
    // finish_passkey_registration: "You MUST assert that the registered CredentialID has not previously been registered."
    let mut all = memory.keys.values().flat_map(|(_, keys)| keys);
    if all.any(|known| known.cred_id() == key.cred_id()) {
        return Err(WebauthnError::CredentialAlreadyExists.into());
    }
    // Who was first to finish has the name.
    if *memory.name_to_id.entry(username.clone()).or_insert(user) != user {
        return Err(refusal(
            "NotSignedIn",
            "this user name is taken: sign in to add a passkey",
        ));
    }
    let (_, keys) = memory
        .keys
        .entry(user)
        .or_insert_with(|| (username, Vec::new()));
    keys.push(key);
    memory.sign_in(&headers, user)
}

async fn start_authentication(
    State(app): App,
    headers: HeaderMap,
    Path(username): Path<String>,
) -> Answer {
    let mut memory = app.lock().await;
    // tutorial/server/axum/src/auth.rs, step 4, with its errors.
    let user = memory.name_to_id.get(&username).copied();
    let user = user.ok_or_else(|| refusal("UserNotFound", "User Not Found"))?;
    let keys = memory.keys.get(&user).map_or(&[][..], |(_, keys)| keys);
    if keys.is_empty() {
        return Err(refusal("UserHasNoCredentials", "User Has No Credentials"));
    }
    let (rcr, auth_state) = memory.webauthn.start_passkey_authentication(keys)?;
    memory.begin(&headers, Begun::Named(user, auth_state), Json(rcr))
}

/// The documentation of start_discoverable_authentication: "this relies on the client to discover what credential and user id to use".
async fn start_discoverable_authentication(State(app): App, headers: HeaderMap) -> Answer {
    let mut memory = app.lock().await;
    let (rcr, auth_state) = memory.webauthn.start_discoverable_authentication()?;
    memory.begin(&headers, Begun::Anybody(auth_state), Json(rcr))
}

async fn finish_authentication(State(app): App, headers: HeaderMap, posted: Bytes) -> Answer {
    let mut memory = app.lock().await;
    let begun = memory.take(&headers)?;
    let auth: PublicKeyCredential = serde_json::from_slice(&posted)?;
    let webauthn = &memory.webauthn;
    let (user, result) = match begun {
        // tutorial/server/axum/src/auth.rs, step 5.
        Begun::Named(user, state) => (user, webauthn.finish_passkey_authentication(&auth, &state)?),
        // The documentation of identify_discoverable_authentication: "You must use this information to locate the user's Credential".
        Begun::Anybody(state) => {
            let (user, id) = webauthn.identify_discoverable_authentication(&auth)?;
            let mut keys = memory
                .keys
                .get(&user)
                .into_iter()
                .flat_map(|(_, keys)| keys);
            let key = keys.find(|key| key.cred_id() == id);
            let key = key.ok_or(WebauthnError::CredentialNotFound)?;
            (
                user,
                webauthn.finish_discoverable_authentication_v2(&auth, state, key)?,
            )
        }
        Begun::Registration(..) => {
            return Err(refusal("NothingBegun", "a registration is under way"));
        }
    };
    // A passkey may have been deleted while its sign-in was under way.
    let mut keys = memory
        .keys
        .get_mut(&user)
        .into_iter()
        .flat_map(|(_, keys)| keys);
    let key = keys.find(|key| key.cred_id() == result.cred_id());
    key.ok_or(WebauthnError::CredentialNotFound)?
        .update_credential(&result);
    memory.sign_in(&headers, user)
}

async fn session(State(app): App, headers: HeaderMap) -> Json<Value> {
    let memory = app.lock().await;
    let user = memory
        .user(&headers)
        .and_then(|user| memory.keys.get(&user));
    Json(json!({ "username": user.map(|(name, _)| name) }))
}

async fn sign_out(State(app): App, headers: HeaderMap) -> Answer {
    let mut memory = app.lock().await;
    memory.answer(&headers, Session::default(), Json(json!({})))
}

async fn list_passkeys(State(app): App, headers: HeaderMap) -> Result<Json<Value>, Refusal> {
    let memory = app.lock().await;
    let keys = memory.keys.get(&memory.signed_in(&headers)?);
    let ids = keys.into_iter().flat_map(|(_, keys)| keys);
    Ok(Json(
        ids.map(|key| json!({ "id": key.cred_id() })).collect(),
    ))
}

async fn delete_passkey(
    State(app): App,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let mut memory = app.lock().await;
    let user = memory.signed_in(&headers)?;
    let (_, keys) = memory
        .keys
        .get_mut(&user)
        .ok_or(WebauthnError::CredentialNotFound)?;
    let at = keys
        .iter()
        .position(|key| json!(key.cred_id()) == json!(id));
    keys.remove(at.ok_or(WebauthnError::CredentialNotFound)?);
    Ok(Json(json!({})))
}
