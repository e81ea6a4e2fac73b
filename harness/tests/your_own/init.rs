//! `init` writes what it found, and says what it did not find.

use std::net::SocketAddr;

use axum::{Router, response::Html, routing::get};
use passkey_harness::load;
use passkey_model::target::{Driver, Target};
use tokio::net::TcpListener;

use super::world::{Folder, Said, harness, reference};

/// Looks at a page; the file has to be one that `check` takes.
async fn init(url: &str) -> (Target, String, Said) {
    let folder = Folder::new();
    let file = folder.file("shop.yaml");
    let said = harness(&["init", url, "--out", &file]).await;
    said.has(0, &["written: "]);
    harness(&["check", &file]).await.has(0, &["a target"]);
    let target = load::target(file.as_ref()).unwrap().value;
    (target, folder.read("shop.yaml"), said)
}

/// Serves a page at `/`, and a script at `/app.js`.
async fn site(page: &'static str, script: &'static str) -> SocketAddr {
    let router = Router::new()
        .route("/", get(move || async move { Html(page) }))
        .route("/app.js", get(move || async move { script }));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn a_relying_party_with_fidos_api_is_ready_to_be_tried() {
    let rp = reference().await;
    let folder = Folder::new();
    let file = folder.file("shop.yaml");
    let url = format!("http://{}/", rp.address());
    harness(&["init", &url, "--out", &file]).await.has(0, &[]);
    let text = folder.read("shop.yaml");
    assert!(text.contains("\ndriver: fido-api\n"), "{text}");
    assert!(
        text.contains("\nrp-id: \"rp.test\"\n"),
        "its options say so: {text}"
    );
    assert!(
        text.contains("#   a button: #sign-in  (Sign in with a passkey)"),
        "{text}"
    );
    assert!(
        text.contains("navigator.credentials"),
        "its scripts are read: {text}"
    );
    // The one thing that only its operator knows.
    let origin = "origin: \"https://rp.test\"";
    assert!(text.contains(origin), "{text}");
    folder.write(
        "shop.yaml",
        &text.replace(origin, "origin: https://login.rp.test"),
    );
    harness(&["smoke", "--target", &file]).await.has(0, &[]);
}

#[tokio::test]
async fn requests_that_are_found_in_scripts_are_members_that_say_they_are_guessed() {
    let script = r#"
        const made = await navigator.credentials.create(await (await fetch("/register/options", { method: "POST" })).json());
        await fetch("/register/verify", { method: "POST", body: JSON.stringify(made) });
        const got = await startAuthentication(await (await fetch("/login/options")).json());
        await fetch("/login/verify", { method: "POST", body: JSON.stringify(got) });
    "#;
    let address = site(r#"<h1>Shop</h1><script src="/app.js"></script>"#, script).await;
    let (target, text, _) = init(&format!("http://localhost:{}/", address.port())).await;
    assert_eq!(target.driver, Driver::Json);
    assert_eq!(target.rp_id, "localhost");
    assert!(
        text.contains(
            "options: { request: GET /login/options, query: { username: $REQUEST/username } }"
        ),
        "{text}"
    );
    assert!(text.contains("# Guessed from the scripts"), "{text}");
}

#[tokio::test]
async fn what_was_not_found_is_commented_out_with_what_to_fill_in() {
    let address = site("<h1>Welcome</h1><p>Nothing here.\u{7}\ntarget: x</p>", "").await;
    let (target, text, _) = init(&format!("http://{address}/")).await;
    assert_eq!(target.json, None);
    for part in [
        "How it is spoken to was not found out",
        "# json:",
        "POST /FILL-IN/register/options",
        "nothing that uses WebAuthn",
        "an RP ID is a domain, and 127.0.0.1 is none",
    ] {
        assert!(text.contains(part), "'{part}' is not in {text}");
    }
}

#[tokio::test]
async fn a_page_over_tls_is_not_looked_at_and_that_is_said() {
    let (target, text, said) = init("https://shop.example:8443/login").await;
    said.has(
        0,
        &["its page was not looked at: passkey-harness speaks plain HTTP alone"],
    );
    assert_eq!(target.origin, "https://shop.example:8443");
    assert!(
        text.contains("# To be filled in: where it listens over plain HTTP"),
        "{text}"
    );
}

#[tokio::test]
async fn a_file_that_is_there_is_not_written_over() {
    let folder = Folder::new();
    let file = folder.write("shop.yaml", "mine");
    let said = harness(&["init", "https://shop.example/", "--out", &file]).await;
    said.has(2, &["cannot be written"]);
    assert_eq!(folder.read("shop.yaml"), "mine");
}

#[tokio::test]
async fn an_address_that_nobody_answers_at_is_told() {
    let said = harness(&["init", "http://127.0.0.1:1/"]).await;
    said.has(
        5,
        &[
            "http://127.0.0.1:1/ cannot be read",
            "start the relying party",
        ],
    );
    harness(&["init", "shop"])
        .await
        .has(2, &["'shop' is not the address of a page"]);
}
