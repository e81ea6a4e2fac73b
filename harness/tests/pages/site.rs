//! A site with pages of its own: an account by a form, a passkey by a click, and a sign-in in an iframe. It verifies the challenge and the signature.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use p256::{
    ecdsa::{Signature, VerifyingKey, signature::Verifier as _},
    pkcs8::DecodePublicKey as _,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const CHALLENGE: &str = "dGhlIG9ubHkgY2hhbGxlbmdlIG9mIHRoZSBzaXRl";

/// What is wrong with the site, if anything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Any signature is taken.
    SignatureNotVerified,
    /// What comes of a sign-in is shown nowhere.
    Silent,
    /// The same, and it is answered with 500.
    Broken,
    /// What comes of a registration is shown nowhere, but by its status.
    Mute,
}

struct Site {
    rp_id: &'static str,
    fault: Fault,
    passkeys: Mutex<BTreeMap<String, (String, VerifyingKey)>>,
}

type Shared = State<Arc<Site>>;

/// Serves a site on a free port.
pub async fn serve(rp_id: &'static str, fault: Fault) -> SocketAddr {
    let site = Site {
        rp_id,
        fault,
        passkeys: Mutex::default(),
    };
    let page = || async { Html(include_str!("page.html")) };
    let router = Router::new()
        .route("/", get(page))
        .route("/dialog", get(page))
        .route("/sign-up", get(page).post(sign_up))
        .route("/challenge", post(challenge))
        .route("/who", post(who))
        .route("/add", post(add))
        .route("/in", post(sign_in))
        .route("/out", post(|| async { with_name("", json!({})) }))
        .with_state(Arc::new(site));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn with_name(name: &str, body: Value) -> Response {
    let cookie = format!("name={name}; Path=/");
    ([(header::SET_COOKIE, cookie)], Json(body)).into_response()
}

fn name_of(headers: &HeaderMap) -> String {
    let cookies = headers.get(header::COOKIE);
    let cookies = cookies
        .and_then(|text| text.to_str().ok())
        .unwrap_or_default();
    let name = cookies
        .split("; ")
        .find_map(|one| one.strip_prefix("name="));
    name.unwrap_or_default().to_owned()
}

async fn sign_up(Json(body): Json<Value>) -> Response {
    with_name(body["name"].as_str().unwrap(), json!({}))
}

async fn who(headers: HeaderMap) -> Json<Value> {
    Json(json!({ "name": name_of(&headers) }))
}

async fn challenge(State(site): Shared, headers: HeaderMap) -> Json<Value> {
    Json(json!({ "challenge": CHALLENGE, "rpId": site.rp_id, "name": name_of(&headers) }))
}

fn bytes(body: &Value, name: &str) -> Vec<u8> {
    STANDARD.decode(body[name].as_str().unwrap()).unwrap()
}

/// Returns the client data, or says that its challenge is another.
fn client_data(body: &Value) -> Result<Vec<u8>, Value> {
    let data = bytes(body, "clientDataJSON");
    let read: Value = serde_json::from_slice(&data).unwrap_or(Value::Null);
    if read["challenge"] == CHALLENGE {
        Ok(data)
    } else {
        Err(json!({ "error": "The challenge is another" }))
    }
}

async fn add(
    State(site): Shared,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let mute = site.fault == Fault::Mute;
    if let Err(error) = client_data(&body) {
        let shown = if mute {
            json!({ "silent": true })
        } else {
            error
        };
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(shown));
    }
    let key = VerifyingKey::from_public_key_der(&bytes(&body, "key")).unwrap();
    let id = body["id"].as_str().unwrap().to_owned();
    let mut passkeys = site.passkeys.lock().unwrap();
    passkeys.insert(id, (name_of(&headers), key));
    (StatusCode::OK, Json(json!({ "silent": mute })))
}

async fn sign_in(State(site): Shared, Json(body): Json<Value>) -> Response {
    let silent = || Json(json!({ "silent": true }));
    match site.fault {
        Fault::Silent => return silent().into_response(),
        Fault::Broken => return (StatusCode::INTERNAL_SERVER_ERROR, silent()).into_response(),
        _ => {}
    }
    let data = match client_data(&body) {
        Ok(data) => data,
        Err(error) => return Json(error).into_response(),
    };
    let passkeys = site.passkeys.lock().unwrap();
    let Some((name, key)) = passkeys.get(body["id"].as_str().unwrap()) else {
        return Json(json!({ "error": "This passkey is not known" })).into_response();
    };
    let mut signed = bytes(&body, "authenticatorData");
    signed.extend(hash(&data));
    let signature = Signature::from_der(&bytes(&body, "signature"));
    let verified = signature.is_ok_and(|signature| key.verify(&signed, &signature).is_ok());
    if verified || site.fault == Fault::SignatureNotVerified {
        return with_name(name, json!({}));
    }
    Json(json!({ "error": "The signature is wrong" })).into_response()
}

fn hash(data: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, data)
        .as_ref()
        .to_vec()
}
