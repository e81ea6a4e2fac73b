//! Libraries behind adapters: `driver: command`. This program is the adapter too, when it is told so.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test target speaks to the terminal"
)]

#[path = "command/adapter.rs"]
mod adapter;
mod reference;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Arc,
};

use libtest_mimic::{Arguments, Failed, Trial};
use passkey_authenticators::{
    Client, SoftwareAuthenticator, Values, client::from_base64url, seed::Seed,
};
use passkey_harness::{
    cli,
    run::{RowResult, Runner},
    target::{self, ReadyTarget},
};
use passkey_model::{
    Aaguid,
    provider::{
        Algorithm, AttestationKind, AuthenticatorModel, Engine, SignCounter, Transport,
        UserVerification,
    },
    verdict::{Outcome, Verdict},
};
use serde_json::{Value, json};

/// Refused for another challenge, at step 8.
const CHALLENGE: &str = "conformance::cd.chal-other::registration::software";
const SIGNATURE: &str = "conformance::sig.other-key::authentication::software";
const VALID: &str = "conformance::sig.valid::authentication::software";
const REPLAY: &str = "conformance::auth.state.replay::authentication::software";
const TWICE: &str = "conformance::reg.dup.other-user::registration::software";

fn main() -> ExitCode {
    let told: Vec<String> = env::args().collect();
    if let [_, word, mode] = told.as_slice()
        && word == "adapter"
    {
        adapter::serve(mode);
        return ExitCode::SUCCESS;
    }
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok::<(), Failed>(())
        })
    };
    let trials = vec![
        trial(
            "a_library_is_judged_by_what_it_accepts_and_why_it_refuses",
            judged,
        ),
        trial("a_library_that_accepts_too_much_deviates", lenient),
        trial(
            "an_adapter_that_breaks_is_the_targets_and_is_started_again",
            broken,
        ),
        trial("an_adapter_that_says_nothing_hangs", hung),
        trial(
            "what_a_library_cannot_do_is_not_applicable_with_the_link",
            skipped,
        ),
        trial("what_the_application_does_is_not_applicable", application),
        trial(
            "an_adapter_that_does_not_start_is_unreachable_in_its_own_words",
            unreachable,
        ),
        trial("no_process_is_left", none_left),
        trial("mistakes_in_the_file_have_their_place", mistakes),
        trial("vectors_are_played_with_their_own_challenges", vectors),
        trial("the_specifications_vectors_are_accepted", published),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("passkey-command-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.join(name);
        fs::write(&file, text).unwrap();
        file
    }

    /// Writes the file of a target whose adapter does something in the place of a refusal.
    fn target(&self, mode: &str) -> PathBuf {
        let program = env::current_exe().unwrap();
        let file = json!({
            "target": "library",
            "start": { "command": [program, "adapter", mode] },
            "rp-id": "rp.test",
            "origin": "https://login.rp.test",
            "driver": "command",
            "reasons": [
                { "code": r"^reg\.8$", "is": ["reg.8"] },
                { "code": r"^auth\.21$", "is": ["auth.21"] },
            ],
        });
        // JSON is YAML.
        self.write(&format!("{mode}.yaml"), &file.to_string())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().build().unwrap()
}

/// Runs rows, one after the other, against an adapter; the target is gone when they have run.
fn run(mode: &str, rows: &[&str]) -> Vec<RowResult> {
    let folder = Folder::new(mode);
    let (library, all) = cli::rows(Path::new("scenarios")).unwrap();
    let library = Arc::new(library);
    runtime().block_on(async {
        let target = ready(&folder, mode, &library).await.unwrap();
        let runner = Runner {
            library,
            target: Some(Arc::new(target)),
            ..Runner::default()
        };
        let mut results = Vec::new();
        for name in rows {
            let row = all.iter().find(|row| row.name.to_string() == *name);
            results.push(runner.run_row(row.unwrap()).await);
        }
        results
    })
}

async fn ready(
    folder: &Folder,
    mode: &str,
    library: &Arc<passkey_model::library::Library>,
) -> Result<ReadyTarget, target::TargetError> {
    let mut target = target::load(&folder.target(mode)).unwrap();
    target::prepare(&mut target, &folder.0, library, 0).await?;
    Ok(target)
}

#[track_caller]
fn is(result: &RowResult, verdict: Verdict, says: &str) {
    let because = &result.judgement.because;
    assert_eq!(result.judgement.verdict, verdict, "{because}");
    assert!(because.contains(says), "{because}");
}

fn judged() {
    let results = run("good", &[VALID, CHALLENGE, SIGNATURE]);
    is(&results[0], Verdict::Conforms, "");
    for (result, reason) in results[1..].iter().zip(["reg.8", "auth.21"]) {
        is(result, Verdict::Conforms, "");
        let mut outcomes = result.records.iter().map(|record| &record.outcome);
        let known = [reason.parse().unwrap()];
        assert!(
            outcomes.any(|outcome| outcome.reasons() == known),
            "{reason}"
        );
    }
}

fn lenient() {
    let results = run("lenient", &[CHALLENGE, VALID]);
    is(&results[0], Verdict::Deviates, "was accepted");
    is(&results[1], Verdict::Conforms, "");
}

fn broken() {
    let ways = [
        (
            "dies",
            "exit status: 7); on standard error it said:\nout of cheese",
        ),
        ("chats", "it wrote what is no JSON"),
        ("wrong-id", "it was asked "),
        ("repeats", "and answers 0"),
        ("never-ends", "it wrote a line of more than 1024 KiB"),
        ("fails", "index out of range"),
    ];
    for (mode, says) in ways {
        let results = run(mode, &[CHALLENGE, VALID]);
        is(&results[0], Verdict::Deviates, says);
        let outcome = results[0].last_outcome().unwrap();
        assert!(
            matches!(outcome, Outcome::Crashed { .. }),
            "{mode}: {outcome}"
        );
        is(&results[1], Verdict::Conforms, "");
    }
}

fn hung() {
    let results = run("hangs", &[CHALLENGE, VALID]);
    is(&results[0], Verdict::Deviates, "");
    assert_eq!(results[0].last_outcome(), Some(&Outcome::Hung));
    is(&results[1], Verdict::Conforms, "");
}

fn skipped() {
    let results = run("skips", &[CHALLENGE]);
    let says = "the library cannot: challenges are not compared (https://docs.example/limits)";
    is(&results[0], Verdict::NotApplicable, says);
}

fn application() {
    let results = run("good", &[REPLAY, TWICE]);
    is(&results[0], Verdict::NotApplicable, "the application");
    is(
        &results[1],
        Verdict::NotApplicable,
        "somebody has this passkey already",
    );
}

fn unreachable() {
    let folder = Folder::new("dies-at-once");
    let (library, _) = cli::rows(Path::new("scenarios")).unwrap();
    let library = Arc::new(library);
    let error =
        runtime().block_on(async { ready(&folder, "dies-at-once", &library).await.unwrap_err() });
    let said = error.to_string();
    assert!(
        said.starts_with("target library cannot be started: it ended"),
        "{said}"
    );
    assert!(said.contains("exit status: 3"), "{said}");
    assert!(said.ends_with("no library here"), "{said}");
}

fn none_left() {
    run("quietly", &[VALID]);
    let lines = fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = lines.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    let ours = env::current_exe().unwrap();
    let ours = format!("{}\0adapter\0quietly\0", ours.display());
    assert_eq!(lines.filter(|line| *line == ours.as_bytes()).count(), 0);
}

fn mistakes() {
    const USUAL: &str = "target: library\nrp-id: rp.test\norigin: https://rp.test\n";
    let folder = Folder::new("mistakes");
    let said = |name: &str, text: &str| {
        let file = folder.write(name, &format!("{USUAL}{text}"));
        let error = target::load(&file).unwrap_err().to_string();
        error.rsplit_once(name).unwrap().1.to_owned()
    };
    let nowhere = said("nowhere.yaml", "pass-from: P\n");
    assert!(
        nowhere.starts_with(":1:9: ") && nowhere.contains("expected address"),
        "{nowhere}"
    );
    let idle = said("idle.yaml", "driver: command\n");
    assert!(
        idle.starts_with(":4:9: ") && idle.contains("needs start"),
        "{idle}"
    );
    let start = "driver: command\nstart: { command: [./a] }\n";
    let listens = said("listens.yaml", &format!("{start}address: 127.0.0.1:80\n"));
    assert!(
        listens.starts_with(":6:10: ") && listens.contains("listens nowhere"),
        "{listens}"
    );
    let shaped = said("shaped.yaml", &format!("{start}code-at: /error\n"));
    assert!(
        shaped.starts_with(":6:10: ") && shaped.contains("protocol"),
        "{shaped}"
    );
}

/// Makes a file with one vector, of a passkey of ours.
fn vector(folder: &Folder, name: &str, spoil: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let model = AuthenticatorModel {
        aaguid: Aaguid::ZERO,
        backup_eligible: false,
        backup_state: false,
        attestation: AttestationKind::None,
        transports: vec![Transport::Usb],
        user_verification: UserVerification::Verifies,
        algorithms: vec![Algorithm::ES256],
        sign_counter: SignCounter::Zero,
        engine: Engine::Model,
    };
    let client = Client {
        origin: "https://example.org".to_owned(),
        top_origin: None,
        cross_platform: true,
        conditional: false,
    };
    let mut key = SoftwareAuthenticator::new(model, Seed::new(0, name));
    let (first, second) = ("Zmlyc3QgY2hhbGxlbmdlIQ", "c2Vjb25kIGNoYWxsZW5nZQ");
    let values = Values::default();
    let options = json!({
        "rp": { "id": "example.org", "name": "" },
        "user": { "id": "dXNlciBoYW5kbGU", "name": "alice", "displayName": "alice" },
        "challenge": first, "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }],
    });
    let made = client
        .create(&mut key, &options, None, &values)
        .unwrap()
        .response;
    let options = json!({ "challenge": second, "rpId": "example.org" });
    let used = client
        .get(&mut key, &options, None, &values)
        .unwrap()
        .response;
    let bytes = |value: &Value| from_base64url(value.as_str().unwrap()).unwrap();
    let hex = |bytes: Vec<u8>| {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        json!({ "hex": digits })
    };
    let of = |value: &Value| hex(bytes(value));
    let mut signature = bytes(&used["response"]["signature"]);
    spoil(&mut signature);
    let text = json!({
        "rp_id": "example.org", "origin": "https://example.org", "top_origin": "https://example.com",
        "vectors": [{
            "id": "none-es256",
            "registration": {
                "challenge": of(&json!(first)), "credential_id": of(&made["id"]),
                "clientDataJSON": of(&made["response"]["clientDataJSON"]),
                "attestationObject": of(&made["response"]["attestationObject"]),
            },
            "authentication": {
                "challenge": of(&json!(second)),
                "clientDataJSON": of(&used["response"]["clientDataJSON"]),
                "authenticatorData": of(&used["response"]["authenticatorData"]),
                "signature": hex(signature),
            },
        }],
    });
    folder.write(name, &text.to_string())
}

/// Runs the command line, and returns its exit code and what it printed.
fn play(target: &Path, vectors: &Path) -> (Option<i32>, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_passkey-harness"))
        .args(["vectors", "--target"])
        .arg(target)
        .arg("--vectors")
        .arg(vectors)
        .output()
        .unwrap();
    (run.status.code(), String::from_utf8(run.stdout).unwrap())
}

fn vectors() {
    let folder = Folder::new("vectors");
    let target = folder.target("good");
    let good = vector(&folder, "good.json", |_| {});
    let (code, said) = play(&target, &good);
    assert_eq!(
        (code, said.as_str()),
        (
            Some(0),
            "accepted  none-es256\n1 vectors: 1 accepted, 0 refused, 0 skipped, 0 failed\n"
        )
    );
    let bad = vector(&folder, "bad.json", |signature| signature[20] ^= 1);
    let (code, said) = play(&target, &bad);
    assert_eq!(code, Some(1));
    assert!(
        said.starts_with("refused   none-es256") && said.contains("authentication: auth.21: "),
        "{said}"
    );
}

fn published() {
    let Ok(vectors) = env::var("PASSKEY_W3C_VECTORS") else {
        eprintln!("left out: PASSKEY_W3C_VECTORS names no file with the W3C test vectors");
        return;
    };
    let folder = Folder::new("published");
    let (_, said) = play(&folder.target("good"), Path::new(&vectors));
    let accepted = said.lines().filter(|line| line.starts_with("accepted "));
    // Ed448, TPM, Android, Apple and U2F are not built.
    assert_eq!(accepted.count(), 10, "{said}");
    assert!(!said.contains("failed  "), "{said}");
}
