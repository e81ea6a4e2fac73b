//! A relying party of other people, webauthn-rs, tested as any other: what it takes that it should not is on a committed list.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod derived;

#[path = "webauthn_rs/core.rs"]
mod core;
#[path = "webauthn_rs/list.rs"]
mod list;
#[path = "webauthn_rs/passkeys.rs"]
mod passkeys;
#[path = "webauthn_rs/server.rs"]
mod server;
#[path = "webauthn_rs/ways.rs"]
mod ways;

use std::{collections::BTreeSet, fs, net::SocketAddr, path::Path, sync::Arc};

use passkey_harness::{
    cli, load,
    run::{Runner, SOFTWARE_CAPACITY, Turns},
    target::ReadyTarget,
};
use passkey_model::{
    expand,
    lane::Lane,
    library::Library,
    row::Row,
    scenario::{Basis, CeremonyKind, Suite},
    verdict::Verdict,
};

use crate::{core::WithAttestation, list::Judged, passkeys::WithPasskeys};

const REASONS: &str = include_str!("webauthn_rs/reasons.yaml");
const LIST: &str = "harness/tests/webauthn_rs/deviations.txt";
/// How the server is spoken to.
const WORDS: &str = "\
driver: json
json:
  registration:
    options: { request: POST /registration/options, body: { username: $USER } }
    result: { request: POST /registration, body: $RESPONSE }
  authentication:
    options: { request: POST /authentication/options, body: { username: $REQUEST/username } }
    result: { request: POST /authentication, body: $RESPONSE }
  session: { request: GET /session, gives: $ANSWER/user }
  sign-out: { request: DELETE /session }
";
/// What webauthn-rs asks for when it makes passkeys.
const PASSKEYS: &str = "\
declares:
  relying-party:
    user-verification: required
    attestation: none
    credential-protection: user-verification-required
    algorithms: [ES256, ES384, RS256]
    counter: reject
    resident-key: discouraged
";
/// Only those who gave their name sign in.
const NAMED: &str = "  features: [username-flow, several-passkeys, uses-backup-state]\n";
const ANYBODY: &str =
    "  features: [username-flow, usernameless, several-passkeys, uses-backup-state]\n";
const ATTESTATION: &str = "\
declares:
  relying-party:
    user-verification: required
    attestation: direct
    algorithms: [ES256, ES384, RS256]
    counter: reject
";

/// Writes a target file and meets the target, as the command line does.
async fn target(name: &str, address: SocketAddr, more: &str, seed: u64) -> ReadyTarget {
    let origin = server::ORIGIN;
    let head = format!(
        "target: {name}\naddress: {address}\nrp-id: {}\norigin: {origin}\n",
        server::RP_ID
    );
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.yaml"));
    fs::write(&file, format!("{head}{more}")).unwrap();
    let read = load::target(&file).unwrap();
    let mut target = ReadyTarget::new(read.value, String::new());
    target.meet(seed).await.unwrap();
    target
}

/// Runs rows against a target, as many at once as the lane takes.
async fn run(library: &Arc<Library>, rows: &[Row], target: &ReadyTarget, seed: u64) -> Vec<Judged> {
    let runner = Arc::new(Runner {
        library: Arc::clone(library),
        seed,
        strict: true,
        target: Some(Arc::new(target.clone())),
        turns: Turns::of(&expand::lanes(library), SOFTWARE_CAPACITY, 1),
        ..Runner::default()
    });
    let tasks: Vec<_> = rows
        .iter()
        .cloned()
        .map(|row| {
            let runner = Arc::clone(&runner);
            tokio::spawn(async move {
                let result = runner.run_row(&row).await;
                Judged::new(&runner, &row, result.judgement)
            })
        })
        .collect();
    let mut judged = Vec::new();
    for task in tasks {
        judged.push(task.await.unwrap());
    }
    judged
}

fn rows() -> (Arc<Library>, Vec<Row>) {
    let (library, mut rows) = cli::rows(Path::new("scenarios")).unwrap();
    rows.retain(|row| row.suite == Suite::Conformance && row.lane.id == Lane::SOFTWARE);
    (Arc::new(library), rows)
}

fn of<'a>(judged: &'a [Judged], target: &str, case: &str) -> Vec<&'a Judged> {
    let chosen = judged
        .iter()
        .filter(|judged| judged.target == target && judged.case == case);
    chosen.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_webauthn_rs_takes_and_refuses_is_what_is_known_of_it() {
    let (library, rows) = rows();
    let mut runs = Vec::new();
    for seed in [1, 2] {
        // Both times anew: what they keep of the first run is nothing for the second, where a row's credential ID is fixed.
        let targets = [
            (
                "webauthn-rs",
                server::serve(WithPasskeys::new()).await,
                format!("{PASSKEYS}{ANYBODY}"),
            ),
            (
                "webauthn-rs-by-name",
                server::serve(WithPasskeys::new()).await,
                format!("{PASSKEYS}{NAMED}"),
            ),
            (
                "webauthn-rs-core",
                server::serve(WithAttestation::new()).await,
                format!("{ATTESTATION}{ANYBODY}"),
            ),
        ];
        let mut judged = Vec::new();
        // What one shows the second time, the others would too.
        let again = if seed == 1 { targets.len() } else { 1 };
        for (name, address, declares) in targets.into_iter().take(again) {
            let more = format!("{WORDS}{declares}{REASONS}");
            let target = target(name, address, &more, seed).await;
            let learned = target.refuses_with(CeremonyKind::Authentication);
            assert_eq!(learned, "400 application/json with error");
            judged.extend(run(&library, &rows, &target, seed).await);
        }
        runs.push(judged);
    }
    let [first, second] = runs.try_into().unwrap();
    assert_eq!(second.len(), rows.len());
    for (once, again) in first.iter().zip(&second) {
        assert_eq!(
            (&once.row, once.verdict),
            (&again.row, again.verdict),
            "run twice"
        );
    }
    let ours =
        |judged: &&Judged| matches!(judged.verdict, Verdict::HarnessError | Verdict::Blocked);
    let broken: Vec<&Judged> = first.iter().filter(ours).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    assert_known(&first);
    derived::hold("webauthn_rs", Path::new(LIST), &list::render(&first));
    let red = first.iter().filter(|judged| judged.verdict.is_red());
    let red: BTreeSet<&str> = red.map(|judged| judged.case.as_str()).collect();
    let noted: BTreeSet<&str> = list::NOTES.iter().map(|(case, _)| *case).collect();
    assert_eq!(
        red, noted,
        "each deviation was looked at, and no note is of another"
    );
}

/// What has to be found, whatever else is.
fn assert_known(judged: &[Judged]) {
    let known = [
        ("webauthn-rs-by-name", "be.flip-0-1", Basis::Policy),
        ("webauthn-rs", "ad.trailing", Basis::Should),
        ("webauthn-rs", "ad.credid-1024", Basis::Should),
        ("webauthn-rs", "cd.xo-true-unexpected", Basis::Must),
    ];
    for (target, case, basis) in known {
        let rows = of(judged, target, case);
        let red = rows.iter().any(|row| {
            row.verdict == Verdict::Deviates
                && row.basis == basis
                && row.because.contains("was accepted")
        });
        assert!(red, "{target} takes {case}: {rows:?}");
    }
    for target in ["webauthn-rs", "webauthn-rs-by-name", "webauthn-rs-core"] {
        let conforming = judged
            .iter()
            .filter(|row| row.target == target && row.verdict == Verdict::Conforms);
        assert!(conforming.count() > 150, "{target}");
    }
}
