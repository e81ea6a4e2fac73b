//! A relying party that verifies nothing but the challenge of a registration, and refuses as it is told to.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use passkey_authenticators::client::from_base64url;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A way to refuse.
#[derive(Clone, Copy, Debug)]
pub struct Refuses {
    pub status: u16,
    pub content_type: &'static str,
    pub body: &'static str,
}

impl Refuses {
    pub const fn with(status: u16, content_type: &'static str, body: &'static str) -> Self {
        Self {
            status,
            content_type,
            body,
        }
    }
}

/// What it does.
pub struct Fake {
    /// How it refuses, one after the other, the last for ever; it takes everything when there is none.
    pub refusals: Vec<Refuses>,
    /// Whether it refuses every registration.
    pub refuses_all: bool,
}

struct App {
    fake: Fake,
    refused: AtomicUsize,
    given: Mutex<Vec<String>>,
}

impl Fake {
    pub fn new(refusals: Vec<Refuses>) -> Self {
        Self {
            refusals,
            refuses_all: false,
        }
    }

    pub async fn serve(self) -> SocketAddr {
        let app = App {
            fake: self,
            refused: AtomicUsize::new(0),
            given: Mutex::default(),
        };
        let taken = || async { Json(json!({})) };
        let router = Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route("/session/bootstrap", post(taken))
            .route("/webauthn/registration/options", post(creation))
            .route("/webauthn/registration", post(register))
            .route("/webauthn/authentication/options", post(request))
            .route("/webauthn/authentication", post(taken))
            .with_state(Arc::new(app));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }
}

/// Returns a challenge that was not given out before: base64url of 32 bytes.
fn challenge(app: &App) -> String {
    let mut given = app.given.lock().unwrap();
    let challenge = format!("{:0>42}A", given.len());
    given.push(challenge.clone());
    challenge
}

async fn creation(State(app): State<Arc<App>>) -> Json<Value> {
    Json(json!({
        "rp": { "id": "rp.test", "name": "Fake" },
        "user": { "id": "YWxpY2U", "name": "alice", "displayName": "alice" },
        "challenge": challenge(&app),
        "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }],
        "authenticatorSelection": { "userVerification": "required" },
        "attestation": "direct",
    }))
}

async fn request(State(app): State<Arc<App>>) -> Json<Value> {
    let challenge = challenge(&app);
    Json(json!({ "challenge": challenge, "rpId": "rp.test", "userVerification": "required" }))
}

async fn register(State(app): State<Arc<App>>, posted: Bytes) -> Response {
    let posted: Value = serde_json::from_slice(&posted).unwrap();
    let client_data = posted["response"]["clientDataJSON"].as_str().unwrap();
    let client_data = from_base64url(client_data).unwrap();
    let client_data: Value = serde_json::from_slice(&client_data).unwrap();
    let given = app.given.lock().unwrap();
    let known = given.iter().any(|given| client_data["challenge"] == *given);
    let refusals = &app.fake.refusals;
    if refusals.is_empty() || (known && !app.fake.refuses_all) {
        return Json(json!({})).into_response();
    }
    let turn = app.refused.fetch_add(1, Ordering::Relaxed);
    let refuses = refusals[turn.min(refusals.len() - 1)];
    let status = StatusCode::from_u16(refuses.status).unwrap();
    let headers = [(header::CONTENT_TYPE, refuses.content_type)];
    (status, headers, refuses.body).into_response()
}
