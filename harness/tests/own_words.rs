//! A relying party with a wire format of its own: its file describes what its pages send, and what only an attacker sends reaches it too.
#![allow(clippy::unwrap_used, reason = "tests")]

mod reference;

use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

use passkey_harness::{cli, run::Runner, target::ReadyTarget};
use passkey_model::{library::Library, row::Row, target::Target, verdict::Verdict};
use passkey_reference_rp::{Config, Defect, Defects, Expected};
use reference::PASS;
use serde_json::{Value, json};

static ROWS: LazyLock<(Arc<Library>, Vec<Row>)> = LazyLock::new(|| {
    let (library, rows) = cli::rows(Path::new("scenarios")).unwrap();
    (Arc::new(library), rows)
});

/// Describes the reference relying party as a site of its own: requests say what its pages say.
fn file(address: std::net::SocketAddr) -> Value {
    let response = json!({
        "id": "$RESPONSE/id", "rawId": "$RESPONSE/rawId", "type": "$RESPONSE/type", "response": "$RESPONSE/response",
        "clientExtensionResults": "$RESPONSE/clientExtensionResults",
    });
    json!({
        "target": "shop", "address": address, "rp-id": "rp.test", "origin": "https://login.rp.test", "pass-from": "P",
        "driver": "json", "users": "$USER",
        "json": {
            "let-in": [{
                "request": "POST /session/bootstrap", "body": { "username": "$USER", "temporaryAccessPass": "$PASS" },
            }],
            "registration": {
                "options": { "request": "POST /webauthn/registration/options", "body": {} },
                "result": { "request": "POST /webauthn/registration", "body": response },
            },
            "authentication": {
                "options": {
                    "request": "POST /webauthn/authentication/options", "body": { "username": "$REQUEST/username" },
                },
                "result": { "request": "POST /webauthn/authentication", "body": response },
            },
            "session": { "request": "GET /session", "gives": "$ANSWER/user" },
            "sign-out": { "request": "POST /session/sign-out", "body": {} },
        },
        "declares": { "features": ["username-flow", "usernameless", "several-passkeys", "refuses-other-names"] },
        "refusal": { "statuses": [400, 403], "members": ["error"] },
    })
}

async fn verdict(
    row: &str,
    defect: Option<Defect>,
    change: impl FnOnce(&mut Value),
) -> (Verdict, String) {
    verdict_of(reference::expected(), row, defect, change).await
}

async fn verdict_of(
    expected: Expected,
    row: &str,
    defect: Option<Defect>,
    change: impl FnOnce(&mut Value),
) -> (Verdict, String) {
    let config = Config {
        defects: defect.map_or(Defects::NONE, Defects::from),
        ..reference::config(expected, &[])
    };
    let rp = reference::start(config).await;
    let mut file = file(rp.address());
    change(&mut file);
    let file: Target = serde_json::from_value(file).unwrap();
    assert_eq!(file.mistakes(), []);
    let mut target = ReadyTarget::new(file, PASS.to_owned());
    target.meet(0).await.unwrap();
    let (library, rows) = &*ROWS;
    let runner = Runner {
        library: Arc::clone(library),
        target: Some(Arc::new(target)),
        ..Runner::default()
    };
    let name = format!("conformance::{row}::software");
    let is_it = |known: &&Row| known.name.to_string() == name;
    let row = rows.iter().find(is_it).unwrap();
    let judged = runner.run_row(row).await.judgement;
    (judged.verdict, judged.because)
}

#[tokio::test]
async fn what_no_page_says_is_sent_all_the_same() {
    const SENT: [(&str, &str); 9] = [
        (
            "opt.reg.client-cannot-lower-uv::registration",
            "user-verification-from-client",
        ),
        (
            "opt.auth.client-cannot-lower-uv::authentication",
            "user-verification-from-client",
        ),
        (
            "opt.reg.client-cannot-pick-challenge::registration",
            "challenge-from-client",
        ),
        (
            "opt.auth.client-cannot-pick-challenge::authentication",
            "challenge-from-client",
        ),
        (
            "auth.state.client-challenge::authentication",
            "challenge-from-body",
        ),
        ("user.flow-switch::authentication", "user-of-finish-body"),
        (
            "user.finish-names-other::authentication",
            "user-of-finish-body",
        ),
        (
            "reg.state.unauthenticated::registration",
            "registration-user-from-body",
        ),
        (
            "reg.state.userid-in-body::of-response::registration",
            "registration-user-from-body",
        ),
    ];
    for (row, defect) in SENT {
        let (right, because) = verdict(row, None, |_| ()).await;
        let is_right = matches!(right, Verdict::Conforms | Verdict::Observed);
        assert!(is_right, "{row}: {right:?}, {because}");
        let defect: Defect = defect.parse().unwrap();
        let (wrong, because) = verdict(row, Some(defect), |_| ()).await;
        assert_eq!(wrong, Verdict::Deviates, "{row}: {because}");
    }
}

#[tokio::test]
async fn a_cookie_that_was_copied_is_tried_after_its_user_signed_out() {
    const ROW: &str = "reg.state.after-logout::registration";
    let (right, because) = verdict(ROW, None, |_| ()).await;
    assert_eq!(right, Verdict::Conforms, "{because}");
    let defect = "sign-out-keeps-session".parse().unwrap();
    let (wrong, because) = verdict(ROW, Some(defect), |_| ()).await;
    assert_eq!(wrong, Verdict::Deviates, "{because}");
}

#[tokio::test]
async fn whoever_was_named_for_the_options_is_named_with_the_response() {
    let by_name = |file: &mut Value| {
        file["json"]["registration"]["result"]["body"]["username"] = json!("$USER");
    };
    let defect = "registration-user-from-body".parse().unwrap();
    let row = "reg.state.unauthenticated::registration";
    let (wrong, because) = verdict(row, Some(defect), by_name).await;
    assert_eq!(wrong, Verdict::Deviates, "{because}");
}

#[tokio::test]
async fn where_whoever_asks_chooses_it_is_no_defect_that_they_do() {
    let chooses = |file: &mut Value| {
        let body = &mut file["json"]["authentication"]["options"]["body"];
        body["userVerification"] = json!("$WANTED/user-verification");
    };
    let row = "opt.auth.client-cannot-lower-uv::authentication";
    let (verdict, because) = verdict(row, None, chooses).await;
    assert_eq!(verdict, Verdict::NotApplicable, "{because}");
}

#[tokio::test]
async fn what_is_not_declared_is_as_the_options_say() {
    let row = "ad.uv-0-required::registration";
    let (as_presumed, because) = verdict(row, None, |_| ()).await;
    assert_eq!(as_presumed, Verdict::Conforms, "{because}");
    let expected = || Expected {
        user_verification: "preferred".to_owned(),
        ..reference::expected()
    };
    let (otherwise, because) = verdict_of(expected(), row, None, |_| ()).await;
    assert_eq!(otherwise, Verdict::NotApplicable, "{because}");
    let why =
        "sends user-verification: preferred, and the row presumes required; declare which it is";
    assert!(because.contains(why), "{because}");
    // Who declares it has to keep it.
    let declares = |file: &mut Value| {
        file["declares"]["relying-party"]["user-verification"] = json!("required");
    };
    let (declared, because) = verdict_of(expected(), row, None, declares).await;
    assert_eq!(declared, Verdict::Deviates, "{because}");
}

#[tokio::test]
async fn whom_an_administrator_registers_is_not_signed_out() {
    let by_administrator = |file: &mut Value| {
        let json = &mut file["json"];
        let token = json!({ "request": "GET /session", "keep": { "token": "$ANSWER/user" } });
        json["shared"] = json!({ "requests": [token] });
        json["registration"]["options"]["headers"] = json!({ "Authorization": "{$KEPT/token}" });
    };
    let row = "reg.state.unauthenticated::registration";
    let (verdict, because) = verdict(row, None, by_administrator).await;
    assert_eq!(verdict, Verdict::NotApplicable, "{because}");
}

#[tokio::test]
async fn a_passkey_is_deleted_by_the_name_that_it_has_in_its_users_list() {
    const ROW: &str = "user.deleted-cred::authentication";
    let by_list = |file: &mut Value| {
        let json = &mut file["json"];
        json["list"] = json!({ "passkeys": { "request": "GET /passkeys" }, "id-at": "/id" });
        json["delete"] = json!({ "request": "DELETE /passkeys/{$LISTED/id}" });
        let features = file["declares"]["features"].as_array_mut().unwrap();
        features.push(json!("management"));
    };
    let (right, because) = verdict(ROW, None, by_list).await;
    assert_eq!(right, Verdict::Conforms, "{because}");
    let defect = "deleted-passkey-still-accepted".parse().unwrap();
    let (wrong, because) = verdict(ROW, Some(defect), by_list).await;
    assert_eq!(wrong, Verdict::Deviates, "{because}");
    let elsewhere = |file: &mut Value| {
        by_list(file);
        file["json"]["list"]["id-at"] = json!("/aaguid");
    };
    let (unlisted, because) = verdict(ROW, None, elsewhere).await;
    assert_eq!(unlisted, Verdict::Inconclusive, "{because}");
    assert!(because.contains("is not in the list"), "{because}");
}

#[tokio::test]
async fn a_session_is_renewed_as_far_as_its_user_can_be_seen() {
    let rows = ["user.session-not-swapped::of-nobody::authentication"];
    for row in rows {
        let (right, because) = verdict(row, None, |_| ()).await;
        assert_eq!(right, Verdict::Conforms, "{because}");
        let unseen = |file: &mut Value| file["json"]["session"] = Value::Null;
        let (unseen, because) = verdict(row, None, unseen).await;
        assert_eq!(unseen, Verdict::NotApplicable, "{because}");
    }
}
