//! The credential-provider extension on a page with a strict policy, answered by a provider of the test's.

use crate::{
    driver::{Folder, in_session},
    platform_authenticator,
    site::{Provider, call, serve_pages},
};
use fantoccini::Client;
use passkey_authenticators::webdriver::{self, extension, firefox};
use passkey_model::lane::Browser;
use serde_json::{Value, json};
use std::io::ErrorKind;

/// Runs a test on the page, with the extension in the browser.
async fn with_extension<Test>(
    browser: Browser,
    provider: &str,
    test: impl FnOnce(Client, String) -> Test + Send + 'static,
) where
    Test: Future<Output = ()> + Send + 'static,
{
    let folder = Folder::new();
    let written = extension::write(&folder.0, browser, provider).unwrap();
    let loaded = written.clone();
    in_session(browser, Some(&written), |client| async move {
        if browser == Browser::Firefox {
            firefox::install_addon(&client, &loaded).await.unwrap();
        }
        let page = serve_pages().await;
        client.goto(&page).await.unwrap();
        test(client, page).await;
    })
    .await;
}

fn registration() -> Value {
    json!({
        "id": "AQI", "rawId": "AQI", "type": "public-key", "authenticatorAttachment": "platform",
        "clientExtensionResults": { "credProps": { "rk": true } },
        "response": {
            "clientDataJSON": "e30", "attestationObject": "oA", "authenticatorData": "-_8", "publicKey": "MA",
            "publicKeyAlgorithm": -7, "transports": ["internal", "hybrid"],
        },
        "unknownMember": [1, { "two": null }],
    })
}

fn assertion() -> Value {
    json!({
        "id": "AQI", "rawId": "AQI", "type": "public-key",
        "clientExtensionResults": { "prf": { "results": { "first": "_w" } } },
        "response": { "clientDataJSON": "e30", "authenticatorData": "-_8", "signature": "MA" },
    })
}

/// The provider's credential is what the page reads, and the provider sees what the page asked for.
async fn answers_the_page(client: &Client, page: &str, provider: &Provider) {
    provider.answers(json!({ "do": "credential", "credential": registration() }));
    let read = call(client, "createAndRead", json!([])).await;
    assert_eq!(
        provider.next().await,
        json!({
            "kind": "create", "origin": page, "topOrigin": null, "crossOrigin": false, "mediation": null,
            "options": {
                "rp": { "name": "tests", "id": "localhost" },
                "user": { "id": "AQID", "name": "ada", "displayName": "Ada" },
                "challenge": "-_8", "timeout": 10000,
                "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }],
                "authenticatorSelection": { "residentKey": "required", "userVerification": "preferred" },
            },
        })
    );
    let text = read["json"].as_str().unwrap_or_else(|| panic!("{read}"));
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), registration());
    let mut read = read.clone();
    read.as_object_mut().unwrap().remove("json");
    assert_eq!(
        read,
        json!({
            "instances": [true, true], "id": "AQI", "rawId": "0102", "type": "public-key",
            "authenticatorAttachment": "platform", "clientDataJSON": "7b7d", "attestationObject": "a0",
            "authenticatorData": "fbff", "publicKey": "30", "algorithm": -7, "transports": ["internal", "hybrid"],
            "extensions": { "credProps": { "rk": true } },
        })
    );

    provider.answers(json!({ "do": "credential", "credential": assertion() }));
    let read = call(client, "getAndRead", json!([])).await;
    let request = provider.next().await;
    assert_eq!(
        (&request["kind"], &request["mediation"]),
        (&json!("get"), &json!("conditional"))
    );
    let text = read["json"].as_str().unwrap_or_else(|| panic!("{read}"));
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), assertion());
    assert_eq!(read["instances"], json!([true, true]));
    assert_eq!(read["authenticatorAttachment"], Value::Null);
    assert_eq!(read["authenticatorData"], "fbff");
    assert_eq!(read["signature"], "30");
    assert_eq!(read["userHandle"], Value::Null);
    assert_eq!(read["prf"], "ff");
}

/// The provider's error is the page's, and what is not a passkey's ceremony does not reach the provider.
async fn refuses_and_leaves_alone(client: &Client, provider: &Provider) {
    provider.answers(
        json!({ "do": "error", "name": "InvalidStateError", "message": "is there already" }),
    );
    let refused = call(client, "create", json!([])).await;
    assert_eq!(
        refused,
        json!({ "error": "InvalidStateError", "message": "is there already", "exception": true })
    );
    assert_eq!(provider.next().await["kind"], "create");

    let malformed = call(client, "createWithoutBytes", json!([])).await;
    assert_eq!(
        (&malformed["error"], &malformed["exception"]),
        (&json!("TypeError"), &json!(false))
    );
    call(client, "getWithPassword", json!([])).await;
    // The next request is this one: neither of the two before it was sent.
    provider.answers(json!({ "do": "error", "name": "NotAllowedError", "message": "" }));
    call(client, "get", json!([])).await;
    assert_eq!(provider.next().await["kind"], "get");
}

/// The browser's own authenticator answers where the provider says so, and the provider may change what it made.
async fn hands_over_to_the_browser(client: &Client, provider: &Provider) {
    let authenticator = platform_authenticator();
    let id = webdriver::add_virtual_authenticator(client, &authenticator)
        .await
        .unwrap();
    provider.answers(json!({ "do": "browser" }));
    let made = call(client, "create", json!([])).await;
    provider.next().await;
    let listed = webdriver::get_credentials(client, &id).await.unwrap();
    assert_eq!(made["id"], listed[0].credential_id.to_string());

    provider.answers(json!({ "do": "change" }));
    provider.answers(json!({ "do": "credential", "credential": assertion() }));
    let changed = call(client, "get", json!([])).await;
    let asked = provider.next().await;
    let reported = provider.next().await;
    assert_eq!(
        (&reported["kind"], &reported["ceremony"]),
        (&json!("made"), &json!("get"))
    );
    assert_eq!(reported["options"], asked["options"]);
    assert_eq!(reported["origin"], asked["origin"]);
    assert_eq!(reported["credential"]["id"], made["id"]);
    assert_eq!(changed, assertion());

    // The browser refuses: the page sees that, and the provider is not asked again.
    webdriver::remove_all_credentials(client, &id)
        .await
        .unwrap();
    provider.answers(json!({ "do": "change" }));
    let refused = call(client, "get", json!([{ "timeout": 500 }])).await;
    assert_eq!(refused["error"], "NotAllowedError");
    assert_eq!(provider.next().await["kind"], "get");
    webdriver::remove_virtual_authenticator(client, &id)
        .await
        .unwrap();
}

/// A page that aborts has its reason, and the provider's request ends.
async fn forgets_what_the_page_aborts(client: &Client, provider: &Provider) {
    call(client, "start", json!([])).await;
    assert_eq!(provider.next().await["kind"], "get");
    let aborted = call(client, "abort", json!([])).await;
    assert_eq!(aborted["error"], "RangeError");
    assert_eq!(aborted["message"], "the page gave up");
    assert_eq!(provider.next().await, "forgotten");
}

/// A frame of another origin says where it is.
async fn answers_in_a_frame_of_another_origin(client: &Client, page: &str, provider: &Provider) {
    let frame = serve_pages().await;
    client
        .goto(&format!("{page}/?frame={frame}/"))
        .await
        .unwrap();
    client.enter_frame(0).await.unwrap();
    provider.answers(json!({ "do": "credential", "credential": assertion() }));
    assert_eq!(call(client, "get", json!([])).await, assertion());
    let request = provider.next().await;
    assert_eq!(request["origin"], frame);
    assert_eq!(request["crossOrigin"], true);
    assert_eq!(request["topOrigin"], page);
}

async fn serves_the_page(browser: Browser) {
    let provider = Provider::start().await;
    let origin = provider.origin.clone();
    with_extension(browser, &origin, move |client, page| async move {
        answers_the_page(&client, &page, &provider).await;
        refuses_and_leaves_alone(&client, &provider).await;
        hands_over_to_the_browser(&client, &provider).await;
        forgets_what_the_page_aborts(&client, &provider).await;
        answers_in_a_frame_of_another_origin(&client, &page, &provider).await;
    })
    .await;
}

#[tokio::test]
async fn the_extension_serves_a_page_in_chromium() {
    serves_the_page(Browser::Chromium).await;
}

#[tokio::test]
async fn the_extension_serves_a_page_in_firefox() {
    serves_the_page(Browser::Firefox).await;
}

async fn says_that_nobody_answers(browser: Browser) {
    // Nothing listens on port 1.
    with_extension(browser, "http://localhost:1", |client, _| async move {
        let failed = call(&client, "get", json!([])).await;
        assert_eq!(failed["error"], "UnknownError");
        let message = failed["message"].as_str().unwrap();
        assert!(
            message.starts_with("no answer from the credential provider at http://localhost:1: "),
            "{message}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_page_in_chromium_is_told_when_no_provider_answers() {
    says_that_nobody_answers(Browser::Chromium).await;
}

#[tokio::test]
async fn a_page_in_firefox_is_told_when_no_provider_answers() {
    says_that_nobody_answers(Browser::Firefox).await;
}

#[test]
fn a_providers_address_that_is_no_origin_is_refused() {
    for wrong in ["provider.test", "ftp://provider.test", "", "file:///call"] {
        let folder = Folder::new();
        let refusal = extension::write(&folder.0, Browser::Chromium, wrong).unwrap_err();
        assert_eq!(refusal.kind(), ErrorKind::InvalidInput, "{wrong}");
    }
}
