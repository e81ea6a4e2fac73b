//! A site that has nothing but its own pages is tested through them, as its target's file says.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(clippy::print_stderr, reason = "tests")]

#[path = "pages/site.rs"]
mod site;

use std::{fs, path::Path, process::Command, sync::Arc};

use passkey_harness::{
    browser::Look,
    cli,
    lanes::{self, Places},
    run::{Browsers, RowResult, Runner},
    target::ReadyTarget,
};
use passkey_model::{expand, row::Row, target::Target, verdict::Verdict};
use serde_json::{Value, json};
use site::{Fault, serve};

/// Registers, signs in, and signs in with a wrong signature.
const BITFLIP: &str = "conformance::sig.bitflip::authentication::chromium-provider";
/// Registers twice, the second time for another challenge.
const CHALLENGE: &str = "conformance::cd.chal-other::registration::chromium-provider";

fn pages() -> Value {
    json!({
        "within-seconds": 5,
        "let-in": { "steps": [
            { "open": "/sign-up" }, { "fill": "#name", "with": "{$USER}" }, { "click": "#make" }, { "wait-for": "#profile" },
        ] },
        "register": {
            "steps": [{ "open": "/" }, { "click": "#add" }],
            "accepted": [{ "css": "#said.done", "text": "was added$" }],
            "refused": [{ "css": "#said.error" }],
        },
        "sign-out": [{ "click": "#out" }, { "wait-for": "iframe.dialog" }],
        "sign-in": {
            "steps": [{ "open": "/" }, { "enter-frame": "iframe.dialog" }, { "click": "#in" }],
            "accepted": [{ "css": "#profile", "gone": "iframe.dialog", "cookie": "name" }],
            "refused": [{ "frame": "iframe.dialog", "css": "#said.error" }],
        },
    })
}

/// Plays a row on a site; nothing where there is no Chromium.
async fn play(
    (rp_id, origin): (&'static str, &str),
    fault: Fault,
    name: &str,
    change: impl FnOnce(&mut Value),
) -> Option<RowResult> {
    let (library, rows) = cli::rows(Path::new("scenarios")).unwrap();
    let lanes = expand::lanes(&library);
    let places = Places::look(&lanes);
    let row: &Row = rows
        .iter()
        .find(|row| row.name.to_string() == name)
        .unwrap();
    if let Some(why) = places.lacking(row) {
        assert!(lanes::missing(&lanes, &places).is_empty(), "{why}");
        eprintln!("pages are not tested: {why}");
        return None;
    }
    let mut file = json!({
        "target": "own-pages", "address": serve(rp_id, fault).await, "rp-id": rp_id, "origin": origin,
        "driver": "page", "page": pages(),
        "declares": {
            "relying-party": { "attestation": "none", "algorithms": ["ES256"], "user-verification": "preferred" },
            "features": ["usernameless", "several-passkeys"],
        },
        "reasons": [{ "text": "challenge", "is": ["reg.8", "auth.11"] }, { "text": "signature", "is": ["auth.21"] }],
    });
    change(&mut file);
    let file: Target = serde_json::from_value(file).unwrap();
    assert_eq!(file.mistakes(), []);
    let mut target = ReadyTarget::new(file, String::new());
    target.meet(0).await.unwrap();
    let browsers = Browsers::of(&lanes, places, Look::default()).unwrap();
    let runner = Runner {
        library: Arc::new(library),
        target: Some(Arc::new(target)),
        browsers: Arc::new(browsers),
        ..Runner::default()
    };
    let result = runner.run_row(row).await;
    runner.browsers.close().await;
    Some(result)
}

const HERE: (&str, &str) = ("localhost", "http://localhost:{$PORT}");

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_signature_is_refused_on_the_page_in_its_words() {
    let Some(result) = play(HERE, Fault::None, BITFLIP, |_| ()).await else {
        return;
    };
    let judgement = &result.judgement;
    assert_eq!(judgement.verdict, Verdict::Conforms, "{judgement:?}");
    assert!(
        judgement
            .because
            .contains("rejected (auth.21): The signature is wrong"),
        "{judgement:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_takes_any_signature_deviates() {
    let fault = Fault::SignatureNotVerified;
    if let Some(result) = play(HERE, fault, BITFLIP, |_| ()).await {
        assert_eq!(
            result.judgement.verdict,
            Verdict::Deviates,
            "{:?}",
            result.judgement
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_https_site_that_speaks_plain_http_is_served_under_its_origin() {
    if let Some(result) = play(THERE, Fault::None, CHALLENGE, |_| ()).await {
        assert_eq!(
            result.judgement.verdict,
            Verdict::Conforms,
            "{:?}",
            result.judgement
        );
        assert!(
            result
                .judgement
                .because
                .contains("rejected (reg.8, auth.11)"),
            "{:?}",
            result.judgement
        );
    }
}

const THERE: (&str, &str) = ("shop.test", "https://login.shop.test");

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_shows_nothing_that_is_recognised_proves_nothing() {
    let short = |file: &mut Value| file["page"]["within-seconds"] = json!(3);
    if let Some(result) = play(HERE, Fault::Silent, BITFLIP, short).await {
        let because = &result.judgement.because;
        assert_eq!(result.judgement.verdict, Verdict::Inconclusive, "{because}");
        let told = "neither of page/sign-in/accepted and page/sign-in/refused is seen";
        assert!(because.contains(told), "{because}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_breaks_down_and_shows_nothing_of_it_has_crashed() {
    let short = |file: &mut Value| file["page"]["within-seconds"] = json!(3);
    for place in [HERE, THERE] {
        if let Some(result) = play(place, Fault::Broken, BITFLIP, short).await {
            let because = &result.judgement.because;
            assert_eq!(result.judgement.verdict, Verdict::Deviates, "{because}");
            let how = "/in was answered with status 500, and the page shows nothing of it";
            assert!(because.contains(how), "{because}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_page_does_not_show_is_told_by_the_status_of_its_requests() {
    let by_status = |file: &mut Value| {
        file["page"]["register"]["accepted"] = json!([{ "status": 200, "path": "^/add$" }]);
        file["page"]["register"]["refused"] = json!([{ "status": 422 }]);
    };
    for place in [HERE, THERE] {
        if let Some(result) = play(place, Fault::Mute, CHALLENGE, by_status).await {
            let because = &result.judgement.because;
            assert_eq!(result.judgement.verdict, Verdict::Conforms, "{because}");
            assert!(because.contains("/add: status 422"), "{because}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_shown_before_a_ceremony_is_not_what_came_of_it() {
    let always_there = |file: &mut Value| {
        file["page"]["within-seconds"] = json!(3);
        file["page"]["register"]["accepted"] = json!([{ "css": "#profile" }]);
    };
    if let Some(result) = play(HERE, Fault::None, CHALLENGE, always_there).await {
        let because = &result.judgement.because;
        assert_eq!(result.judgement.verdict, Verdict::Inconclusive, "{because}");
        assert!(because.contains("The passkey was added"), "{because}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_whose_element_is_missing_is_named() {
    let other = |file: &mut Value| {
        file["page"]["within-seconds"] = json!(2);
        file["page"]["register"]["steps"][1]["click"] = json!("#add-a-passkey");
    };
    if let Some(result) = play(HERE, Fault::None, CHALLENGE, other).await {
        let because = &result.judgement.because;
        assert_eq!(result.judgement.verdict, Verdict::HarnessError, "{because}");
        for part in ["page/register/steps/1", "'#add-a-passkey'", "Sign out"] {
            assert!(because.contains(part), "{because}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_never_asks_for_a_passkey_is_no_outcome() {
    let other = |file: &mut Value| {
        file["page"]["within-seconds"] = json!(2);
        file["page"]["register"]["steps"][1]["click"] = json!("#profile p");
    };
    if let Some(result) = play(HERE, Fault::None, CHALLENGE, other).await {
        let because = &result.judgement.because;
        assert_eq!(result.judgement.verdict, Verdict::HarnessError, "{because}");
        assert!(because.contains("asks for no passkey"), "{because}");
    }
}

#[tokio::test]
async fn rows_of_a_lane_without_pages_are_not_applicable() {
    let (library, rows) = cli::rows(Path::new("scenarios")).unwrap();
    let file = json!({
        "target": "own-pages", "address": "127.0.0.1:1", "rp-id": "localhost", "origin": "http://localhost:1",
        "driver": "page", "page": pages(),
    });
    let file: Target = serde_json::from_value(file).unwrap();
    for (name, part) in [
        (
            "conformance::sig.bitflip::authentication::software",
            "through its pages alone",
        ),
        (
            "conformance::sig.bitflip::authentication::chromium",
            "extension",
        ),
    ] {
        let row = rows
            .iter()
            .find(|row| row.name.to_string() == name)
            .unwrap();
        let why = file.cannot_show(&library, row).unwrap();
        assert!(why.contains(part), "{why}");
    }
}

/// Tries a site with `smoke`; nothing where there is no Chromium.
async fn smoke(fault: Fault) -> Option<String> {
    let (library, rows) = cli::rows(Path::new("scenarios")).unwrap();
    let places = Places::look(&expand::lanes(&library));
    let row = rows.iter().find(|row| row.name.to_string() == BITFLIP);
    if places.lacking(row.unwrap()).is_some() {
        return None;
    }
    let file = json!({
        "target": "own-pages", "address": serve(HERE.0, fault).await, "rp-id": HERE.0, "origin": HERE.1,
        "driver": "page", "page": pages(),
        "declares": { "features": ["usernameless", "several-passkeys"] },
    });
    let name = format!("pages-smoke-{}-{}.yaml", std::process::id(), fault as u8);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, file.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_passkey-harness"));
    command.args(["smoke", "--target"]).arg(&path);
    let said = tokio::task::spawn_blocking(move || command.output());
    let said = said.await.unwrap().unwrap();
    fs::remove_file(&path).unwrap();
    Some(String::from_utf8(said.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn smoke_tries_the_pages() {
    let Some(said) = smoke(Fault::None).await else {
        return;
    };
    for line in [
        "ok       registration: accepted",
        "ok       sign-in: accepted",
        "ok       a wrong signature: rejected",
    ] {
        assert!(said.contains(line), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn smoke_says_that_a_wrong_signature_lets_anybody_in() {
    if let Some(said) = smoke(Fault::SignatureNotVerified).await {
        assert!(
            said.contains("missing  a wrong signature: it was accepted"),
            "{said}"
        );
    }
}
