//! Targets are judged by what they declare, and by refusals in their own shape.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "targets/fake.rs"]
mod fake;
mod reference;

use std::{path::Path, sync::Arc};

use fake::{Fake, Refuses};
use passkey_harness::{
    cli,
    run::{RowResult, Runner},
    target::ReadyTarget,
};
use passkey_model::{
    library::Library,
    row::Row,
    scenario::{CeremonyKind, CounterPolicy, Feature},
    target::Target,
    verdict::{Outcome, Verdict},
};
use passkey_reference_rp::{Expected, RunningRp};
use serde_json::{Value, json};

/// Its control and its subject are registrations; the subject has to be refused at step 8.
const CHALLENGE: &str = "conformance::cd.chal-other::registration::software";
const BAD: Refuses = Refuses::with(400, "application/json", r#"{"error":"bad challenge"}"#);

fn rows() -> (Arc<Library>, Vec<Row>) {
    let (library, rows) = cli::rows(Path::new("scenarios")).unwrap();
    (Arc::new(library), rows)
}

fn row<'a>(rows: &'a [Row], name: &str) -> &'a Row {
    let found = rows.iter().find(|row| row.name.to_string() == name);
    found.unwrap_or_else(|| panic!("there is no row {name}"))
}

fn target(address: std::net::SocketAddr, more: &Value) -> ReadyTarget {
    let mut file = json!({
        "target": "other", "address": address, "rp-id": "rp.test",
        "origin": "https://login.rp.test", "pass-from": "P",
    });
    for (name, value) in more.as_object().unwrap() {
        file[name] = value.clone();
    }
    let file: Target = serde_json::from_value(file).unwrap();
    ReadyTarget::new(file, reference::PASS.to_owned())
}

async fn run(target: ReadyTarget, name: &str) -> RowResult {
    let (library, rows) = rows();
    let runner = Runner {
        library,
        target: Some(Arc::new(target)),
        ..Runner::default()
    };
    runner.run_row(row(&rows, name)).await
}

/// Meets a target that answers its first refusal, the one that is learned from, and those after it in its own ways.
async fn run_fake(fake: Fake, more: &Value) -> RowResult {
    let mut target = target(fake.serve().await, more);
    target.meet(0).await.unwrap();
    run(target, CHALLENGE).await
}

async fn reference(user_verification: &str) -> RunningRp {
    let expected = Expected {
        user_verification: user_verification.to_owned(),
        ..reference::expected()
    };
    reference::start(reference::config(expected, &[])).await
}

#[test]
fn a_policy_of_graphs_shape_is_refused_only_by_targets_that_are_told_it() {
    let (library, rows) = rows();
    let about_fields = row(
        &rows,
        "policy::fields-of-profiles::without-odata-type::software",
    );
    let cannot_show = |policy: Value| {
        let target = target(([127, 0, 0, 1], 1).into(), &json!({ "policy": policy }));
        target.file.cannot_show(&library, about_fields)
    };
    let why = "target other has no policy in Graph's shape that it could refuse";
    assert_eq!(
        cannot_show(json!({ "requests": { "clear": [] } })).as_deref(),
        Some(why)
    );
    assert_eq!(
        cannot_show(json!({ "graph": { "group": "testers" } })),
        None
    );
}

#[tokio::test]
async fn how_a_target_refuses_is_learned_before_rows_run() {
    let rp = reference("required").await;
    let mut target = target(rp.address(), &json!({}));
    let notes = target.meet(0).await.unwrap();
    let shape = "400 application/json with error";
    for ceremony in [CeremonyKind::Registration, CeremonyKind::Authentication] {
        assert_eq!(target.refuses_with(ceremony), shape);
    }
    let expected = [
        format!("target other refuses registrations with {shape}"),
        format!("target other refuses sign-ins with {shape}"),
    ];
    assert_eq!(notes, expected);
}

#[tokio::test]
async fn a_refusal_whose_reason_nobody_knows_is_judged_by_the_refusal_alone() {
    let rp = reference("required").await;
    let mut target = target(rp.address(), &json!({ "message-at": "/error/message" }));
    target.meet(0).await.unwrap();
    let result = run(target, CHALLENGE).await;
    let because = &result.judgement.because;
    assert_eq!(result.judgement.verdict, Verdict::Conforms, "{because}");
    assert!(
        because.contains("why step 3 was refused is not known: "),
        "{because}"
    );
}

#[tokio::test]
async fn a_reason_that_is_known_has_to_be_the_expected_one() {
    for (is, verdict) in [("reg.8", Verdict::Conforms), ("reg.9", Verdict::Deviates)] {
        let reasons = json!({
            "code-at": "/error/reasons/0",
            "reasons": [{ "code": r"^reg\.8$", "is": [is] }],
        });
        let rp = reference("required").await;
        let mut target = target(rp.address(), &reasons);
        target.meet(0).await.unwrap();
        let result = run(target, CHALLENGE).await;
        assert_eq!(
            result.judgement.verdict, verdict,
            "{}",
            result.judgement.because
        );
    }
}

#[tokio::test]
async fn a_target_that_takes_what_it_has_to_refuse_deviates() {
    let takes_all = Fake::new(Vec::new());
    let mut target = target(takes_all.serve().await, &json!({}));
    let notes = target.meet(0).await.unwrap();
    assert!(
        notes[0].contains("it took a registration for another challenge"),
        "{notes:?}"
    );
    let result = run(target, CHALLENGE).await;
    assert_eq!(result.judgement.verdict, Verdict::Deviates);
    assert!(result.judgement.because.contains("was accepted"));
}

#[tokio::test]
async fn a_refusal_in_another_shape_proves_nothing() {
    for other in [
        Refuses::with(401, "application/json", r#"{"error":"who are you?"}"#),
        Refuses::with(403, "text/html", "<h1>Forbidden</h1>"),
        Refuses::with(429, "application/json", r#"{"error":"slow down"}"#),
        Refuses::with(400, "text/html", "<h1>Blocked</h1>"),
        Refuses::with(400, "application/json", r#"{"retry":true}"#),
    ] {
        let result = run_fake(Fake::new(vec![BAD, other]), &json!({})).await;
        let because = &result.judgement.because;
        assert_eq!(result.judgement.verdict, Verdict::Inconclusive, "{because}");
        assert!(
            because.contains(other.body),
            "its words are told: {because}"
        );
    }
}

#[tokio::test]
async fn a_failure_of_the_server_is_a_finding() {
    let broken = Refuses::with(500, "application/json", r#"{"error":"oops"}"#);
    let result = run_fake(Fake::new(vec![BAD, broken]), &json!({})).await;
    assert_eq!(result.judgement.verdict, Verdict::Deviates);
    assert!(matches!(
        result.last_outcome(),
        Some(Outcome::Crashed { .. })
    ));
}

#[tokio::test]
async fn a_refusal_with_a_status_of_success_is_told_by_its_body() {
    let failed = Refuses::with(200, "application/json", r#"{"status":"failed"}"#);
    let refusal = json!({ "refusal": { "statuses": [200], "body": "\"failed\"" } });
    let result = run_fake(Fake::new(vec![failed]), &refusal).await;
    let because = &result.judgement.because;
    // The control before and after it is taken.
    assert_eq!(result.judgement.verdict, Verdict::Conforms, "{because}");
}

#[tokio::test]
async fn a_control_that_is_refused_makes_the_row_inconclusive_in_the_targets_words() {
    let fake = Fake {
        refuses_all: true,
        ..Fake::new(vec![BAD])
    };
    let result = run_fake(fake, &json!({})).await;
    let because = &result.judgement.because;
    assert_eq!(result.judgement.verdict, Verdict::Inconclusive, "{because}");
    assert!(because.starts_with("step 1 (register): expected accepted, was rejected (unknown)"));
    assert!(because.contains("bad challenge"), "{because}");
}

/// Says why a row does not run on a target that declares this.
fn why_not(declares: &Value, chosen: impl Fn(&Row) -> bool) -> Option<String> {
    let (library, rows) = rows();
    let target = target(([127, 0, 0, 1], 1).into(), &json!({ "declares": declares }));
    let mut row = rows.iter().find(|row| chosen(row)).unwrap().clone();
    row.not_applicable = None;
    target.file.cannot_show(&library, &row)
}

#[test]
fn what_a_row_needs_has_to_be_declared() {
    let named = |name: &'static str| move |row: &Row| row.name.to_string() == name;
    let report = |row: &Row| row.relying_party.counter == Some(CounterPolicy::Report);
    assert_eq!(
        why_not(&json!({}), report).as_deref(),
        Some("target other does not declare counter: report")
    );
    let declared = json!({ "relying-party": { "counter": "report" } });
    assert_eq!(why_not(&declared, report), None);
    let verified = |row: &Row| {
        row.grounds.spec[0] == "auth.17" && row.relying_party.user_verification.is_none()
    };
    let preferred = json!({ "relying-party": { "user-verification": "preferred" } });
    assert_eq!(
        why_not(&preferred, verified).as_deref(),
        Some("target other declares user-verification: preferred, and the row presumes required")
    );
    assert_eq!(why_not(&preferred, named(CHALLENGE)), None);
    let rsa = json!({ "relying-party": { "algorithms": ["RS256"] } });
    let why = why_not(&rsa, named(CHALLENGE)).unwrap();
    assert!(
        why.contains("does not declare an algorithm of 1password: "),
        "{why}"
    );
    let nameless = json!({ "features": ["usernameless"] });
    let with_name = |row: &Row| row.scenario == "user.uh-mismatch-identified";
    assert_eq!(
        why_not(&nameless, with_name).as_deref(),
        Some("target other does not declare username-flow")
    );
}

#[test]
fn a_feature_that_a_case_requires_has_to_be_declared() {
    let (library, rows) = rows();
    let mut row = row(&rows, CHALLENGE).clone();
    row.requires = vec![Feature::TrustAnchors];
    let address = ([127, 0, 0, 1], 1).into();
    let without = target(address, &json!({}));
    assert_eq!(
        without.file.cannot_show(&library, &row).as_deref(),
        Some("target other does not declare trust-anchors")
    );
    let features = json!({ "features": ["usernameless", "trust-anchors"] });
    let with = target(address, &json!({ "declares": features }));
    assert_eq!(with.file.cannot_show(&library, &row), None);
}

#[tokio::test]
async fn users_give_their_name_first_where_nobody_signs_in_without() {
    let rp = reference("required").await;
    let features = json!({ "declares": { "features": ["username-flow"] } });
    let mut target = target(rp.address(), &features);
    target.meet(0).await.unwrap();
    let name = "conformance::cd.chal-other::authentication::software";
    let result = run(target, name).await;
    assert_eq!(
        result.judgement.verdict,
        Verdict::Conforms,
        "{}",
        result.judgement.because
    );
    let (_, rows) = rows();
    let written = result.written(row(&rows, name)).ceremony;
    assert!(written.contains("username"), "{written}");
}
