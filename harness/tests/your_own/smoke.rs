//! `smoke` says in plain words what is missing.

use std::net::SocketAddr;

use axum::{Json, Router, http::StatusCode, routing::post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    fake::{Fake, Refuses},
    world::{Folder, Said, harness, reference},
};

async fn smoke(address: SocketAddr, more: &str) -> Said {
    let folder = Folder::new();
    let target = folder.target(address, more);
    harness(&["smoke", "--target", &target]).await
}

/// Serves FIDO's endpoints for options and registration, with these answers.
async fn serve(options: Value, status: StatusCode, result: Value) -> SocketAddr {
    let router = Router::new()
        .route("/attestation/options", post(|| async { Json(options) }))
        .route(
            "/attestation/result",
            post(move || async move { (status, Json(result)) }),
        );
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn options() -> Value {
    json!({
        "status": "ok",
        "rp": { "id": "rp.test", "name": "Shop" },
        "user": { "id": "YWxpY2U", "name": "alice", "displayName": "alice" },
        "challenge": "Y2hhbGxlbmdlIG9mIDMyIGJ5dGVzIGF0IGxlYXN0Li4",
        "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }],
    })
}

#[tokio::test]
async fn a_target_that_does_what_it_should_is_told_so() {
    let rp = reference().await;
    let said = smoke(rp.address(), "pass-from: SHOP_PASS\n").await;
    said.has(
        0,
        &[
            "ok       registration: accepted",
            "ok       session: the user is signed in",
            "ok       a wrong signature: refused with status 400",
        ],
    );
    assert!(!said.out.contains("missing"), "{}", said.out);
}

#[tokio::test]
async fn a_target_that_is_not_there_is_not_started() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let said = smoke(address, "driver: fido-api\n").await;
    said.has(5, &["missing  target shop: not started", "unreachable"]);
}

#[tokio::test]
async fn options_that_are_not_there_or_not_whole_are_named() {
    let refused = smoke(
        serve(json!({}), StatusCode::OK, json!({})).await,
        "driver: fido-api\n",
    );
    let said = refused.await;
    said.has(1, &["no options at POST /attestation/options"]);
    let mut without = options();
    without["user"]["id"] = Value::Null;
    let address = serve(without, StatusCode::OK, json!({})).await;
    let said = smoke(address, "driver: fido-api\n").await;
    said.has(
        1,
        &[
            "options incomplete: user.id is missing",
            "1 thing is missing",
        ],
    );
}

#[tokio::test]
async fn another_rp_id_than_the_files_is_told() {
    let rp = reference().await;
    let folder = Folder::new();
    let file = folder.target(rp.address(), "driver: fido-api\n");
    let text = folder
        .read("shop.yaml")
        .replace("rp-id: rp.test", "rp-id: login.rp.test");
    folder.write("shop.yaml", &text);
    let said = harness(&["smoke", "--target", &file]).await;
    said.has(
        1,
        &["rp.id is rp.test, and the target's file says rp-id: login.rp.test"],
    );
}

#[tokio::test]
async fn the_words_of_a_refusal_are_told_with_the_origin_that_was_named() {
    let words = json!({ "status": "failed", "errorMessage": "unexpected origin" });
    let address = serve(options(), StatusCode::BAD_REQUEST, words).await;
    let said = smoke(address, "driver: fido-api\n").await;
    said.has(
        1,
        &[
            "the response was refused at POST /attestation/result",
            "unexpected origin",
            "without fault for the origin https://login.rp.test",
        ],
    );
}

#[tokio::test]
async fn a_wrong_signature_that_is_taken_and_no_session_are_told() {
    let address = Fake::new(Vec::new()).serve().await;
    let said = smoke(address, "pass-from: SHOP_PASS\n").await;
    said.has(
        1,
        &[
            "missing  session: who is signed in cannot be seen after the sign-in",
            "missing  a wrong signature: it was accepted",
            "2 things are missing",
        ],
    );
}

#[tokio::test]
async fn a_refusal_in_another_shape_than_the_files_is_not_recognised() {
    let rp = reference().await;
    let other = "pass-from: SHOP_PASS\nrefusal: { statuses: [422] }\n";
    let said = smoke(rp.address(), other).await;
    said.has(
        1,
        &["missing  a wrong signature: the refusal is not recognised: status 400"],
    );
}

#[tokio::test]
async fn a_registration_that_is_refused_ends_the_attempt() {
    let fake = Fake {
        refuses_all: true,
        ..Fake::new(vec![Refuses::with(
            400,
            "application/json",
            r#"{"error":"closed"}"#,
        )])
    };
    let said = smoke(fake.serve().await, "pass-from: SHOP_PASS\n").await;
    said.has(
        1,
        &["missing  registration: the response was refused", "closed"],
    );
    assert!(!said.out.contains("sign-in"), "{}", said.out);
}
