//! The command line as a person meets it: exit codes, what bad files are told, what goes where.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

const ROW: &str = "matrix::register-then-sign-in::all-types::bitwarden::windows-current.same-device::windows-current.same-device::software";

fn root() -> &'static Path {
    Path::new(".")
}

fn harness(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_passkey-harness"));
    command
        .current_dir(root())
        .args(arguments)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A copy of the scenarios that goes away with it.
struct Copy(PathBuf);

impl Copy {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("scenarios-{}-{number}", std::process::id()));
        copy_folder(&root().join("scenarios"), &folder);
        Self(folder)
    }

    fn change(&self, file: &str, from: &str, to: &str) {
        let path = self.0.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no '{from}'");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    fn write(&self, file: &str, bytes: &[u8]) {
        fs::write(self.0.join(file), bytes).unwrap();
    }

    /// Runs every row, which has to be refused, and returns what is said.
    fn refused(&self) -> String {
        let output = harness(&["--scenarios", self.0.to_str().unwrap(), "run"]);
        assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
        assert_eq!(stdout(&output), "", "nothing may run");
        stderr(&output).replace(self.0.to_str().unwrap(), "")
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}

/// Changes one text of one file and checks what is said of it.
#[track_caller]
fn is_told(file: &str, from: &str, to: &str, wanted: &[&str]) {
    let copy = Copy::new();
    copy.change(file, from, to);
    let said = copy.refused();
    for part in wanted {
        assert!(said.contains(part), "'{part}' is not in: {said}");
    }
}

#[test]
fn an_unknown_provider_is_named_with_its_place_and_the_nearest() {
    is_told(
        "contexts.yaml",
        "provider: bitwarden",
        "provider: bitwardn",
        &[
            "/contexts.yaml:",
            ":15: unknown provider 'bitwardn'; did you mean 'bitwarden'?",
        ],
    );
}

#[test]
fn an_unknown_profile_is_named_with_its_place_and_the_nearest() {
    is_told(
        "matrix/refused-registration.yaml",
        "control: all-types",
        "control: al-types",
        &[
            "/matrix/refused-registration.yaml:5:10: unknown profile 'al-types'; did you mean 'all-types'?",
        ],
    );
}

#[test]
fn an_unknown_platform_is_named_with_its_place_and_the_nearest() {
    is_told(
        "contexts.yaml",
        "registration: ios-min.same-device",
        "registration: io-min.same-device",
        &["/contexts.yaml:3:19: unknown platform 'io'; did you mean 'ios'?"],
    );
}

#[test]
fn an_unknown_field_is_named_with_its_place_and_the_nearest() {
    is_told(
        "providers/bitwarden.yaml",
        "sign-counter:",
        "sign-conter:",
        &[
            "/providers/bitwarden.yaml:",
            "unknown field `sign-conter`",
            "did you mean `sign-counter`?",
        ],
    );
}

#[test]
fn a_version_that_is_none_is_told_what_versions_are() {
    is_told(
        "contexts.yaml",
        "registration: ios-min.same-device",
        "registration: ios-16.same-device",
        &[
            "/contexts.yaml:3:19:",
            "'ios-16.same-device' is not a context",
            "below-min, min or current",
        ],
    );
}

#[test]
fn a_scenario_of_the_same_name_is_refused_with_both_places() {
    is_told(
        "matrix/refused-registration.yaml",
        "scenario: refused-registration",
        "scenario: register-then-sign-in",
        &[
            "/matrix/register-then-sign-in.yaml:2:11: scenario 'register-then-sign-in' is already at",
            "/matrix/refused-registration.yaml:2:11",
        ],
    );
}

#[test]
fn a_cell_that_the_grid_lacks_is_named() {
    is_told(
        "grid.yaml",
        "  - provider: apple-passwords\n    profile: all-types\n    registration: accepted\n    sign-in: accepted\n    source: \"how-to-authentication-passkey-profiles: the profile takes both types, no attestation, no list\"\n",
        "",
        &["the grid has no entry for apple-passwords under all-types"],
    );
}

#[test]
fn files_that_are_no_scenario_are_refused_with_their_place() {
    let cases: [(&[u8], &str); 7] = [
        (b"", "/profiles/x.yaml:1:1: the file is empty"),
        (
            b"id: a\n---\nid: b\n",
            "/profiles/x.yaml:2:1: a second document begins here",
        ),
        (
            b"id: &x a\ntitle: *x\n",
            "/profiles/x.yaml:2:8: aliases are not allowed",
        ),
        (
            b"id: &x [*x]\n",
            "/profiles/x.yaml:1:9: aliases are not allowed",
        ),
        (
            b"id: a\nid: b\n",
            "/profiles/x.yaml:2:1: 'id' stands here a second time",
        ),
        (
            b"id: a\ntitle: \xff\n",
            "/profiles/x.yaml:2:8: is not UTF-8",
        ),
        (b"id: [a\n", "/profiles/x.yaml:2:1: "),
    ];
    for (bytes, wanted) in cases {
        let copy = Copy::new();
        copy.write("profiles/x.yaml", bytes);
        let said = copy.refused();
        assert!(said.contains(wanted), "'{wanted}' is not in: {said}");
    }
}

#[test]
fn a_file_of_ten_megabytes_is_refused_unread() {
    let copy = Copy::new();
    copy.write("profiles/x.yaml", &vec![b'#'; 10 * 1024 * 1024]);
    assert!(
        copy.refused()
            .contains("/profiles/x.yaml:1:1: has 10485760 bytes")
    );
}

#[test]
fn a_folder_without_scenarios_is_refused() {
    let empty = Path::new(env!("CARGO_TARGET_TMPDIR")).join("empty");
    fs::create_dir_all(&empty).unwrap();
    for folder in [empty.to_str().unwrap(), "no-such-folder"] {
        let output = harness(&["--scenarios", folder, "run"]);
        assert_eq!(output.status.code(), Some(4));
        assert!(
            stderr(&output).contains("no scenarios here"),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn one_row_runs_alone_and_json_has_standard_output_for_itself() {
    let output = harness(&["run", "--exact", ROW, "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lines: Vec<String> = stdout(&output).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 1);
    let row: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(row["row"], ROW);
    assert_eq!(row["verdict"], "conforms");
    let members = [
        "row",
        "suite",
        "scenario",
        "lane",
        "target",
        "expected",
        "outcome",
        "reason",
        "verdict",
        "severity",
        "basis",
        "spec",
        "duration_ms",
        "exchange",
    ];
    for member in members {
        assert!(row.get(member).is_some(), "{member} is missing");
    }
}

#[test]
fn explain_cites_the_cell_of_the_published_table() {
    let output = harness(&["explain", ROW]);
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    assert!(text.contains("Check for browser extension[2]"), "{text}");
    assert!(
        text.contains("scenarios/matrix/register-then-sign-in.yaml:"),
        "{text}"
    );
}

#[test]
fn what_matches_nothing_is_no_success() {
    assert_eq!(harness(&["run", "no-such-row"]).status.code(), Some(3));
    assert_eq!(harness(&["list", "no-such-row"]).status.code(), Some(3));
    assert_eq!(harness(&["explain", "no-such-row"]).status.code(), Some(3));
    assert_eq!(
        harness(&["accept", "no-such-scenario"]).status.code(),
        Some(3)
    );
}

#[test]
fn a_bad_flag_is_a_usage_error() {
    assert_eq!(harness(&["run", "--no-such-flag"]).status.code(), Some(2));
    assert_eq!(harness(&["run", "--format", "xml"]).status.code(), Some(2));
}

#[test]
fn help_states_the_exit_codes() {
    let output = harness(&["--help"]);
    assert!(stdout(&output).contains("3 nothing executed"));
}

#[test]
fn a_report_holds_junit_and_json_lines() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    let output = harness(&["run", "--exact", ROW, "--report", folder.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    let junit = fs::read_to_string(folder.join("junit.xml")).unwrap();
    assert!(
        junit.contains(&format!("<testcase name=\"{ROW}\"")),
        "{junit}"
    );
    let rows = fs::read_to_string(folder.join("rows.jsonl")).unwrap();
    assert_eq!(rows.lines().count(), 1);
}

#[test]
fn a_model_that_is_not_its_provider_is_a_harness_error_with_transcript_and_rerun_command() {
    let copy = Copy::new();
    let report = copy.0.join("report");
    copy.change(
        "providers/bitwarden.yaml",
        "backup-eligible: true",
        "backup-eligible: false",
    );
    let arguments = [
        "--scenarios",
        copy.0.to_str().unwrap(),
        "run",
        "--exact",
        ROW,
        "--report",
        report.to_str().unwrap(),
    ];
    let output = harness(&arguments);
    assert_eq!(output.status.code(), Some(6));
    let said = stderr(&output);
    assert!(
        said.contains(&format!(
            "passkey-harness --scenarios {} run --exact '{ROW}'",
            copy.0.display()
        )),
        "{said}"
    );
    let line = said
        .lines()
        .find(|line| line.trim_start().starts_with("transcript"))
        .unwrap();
    let file = line.split_whitespace().last().unwrap();
    assert!(
        fs::read_to_string(file)
            .unwrap()
            .contains("flags: UP UV BS AT")
    );
}

/// A relying party that is none: it answers each connection with the next of its answers, or keeps it open without a word.
fn hostile(answers: Vec<Option<&'static str>>) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut open = Vec::new();
        for (stream, answer) in listener.incoming().zip(answers) {
            let mut stream = stream.unwrap();
            if let Some(answer) = answer {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(answer.as_bytes());
            } else {
                open.push(stream);
            }
        }
        // Connections that never get an answer stay open until the test ends.
        loop {
            thread::park();
        }
    });
    address
}

fn run_against(address: SocketAddr, row: &str) -> Output {
    let name = format!("target-{}.yaml", address.port());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let text = format!(
        "target: hostile\naddress: {address}\nrp-id: rp.test\norigin: https://login.rp.test\npass-from: PASSKEY_TEST_PASS\nrefusal: {{ statuses: [400] }}\n"
    );
    fs::write(&file, text).unwrap();
    let started = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_passkey-harness"))
        .current_dir(root())
        .env("PASSKEY_TEST_PASS", "pass")
        .args(["run", "--exact", row, "--target", file.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "it has a time limit"
    );
    output
}

const CASE: &str = "conformance::cd.type-swapped::registration::software";
const HEALTHY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const GARBAGE: &str = "garbage\r\n\r\n";

#[test]
fn a_target_that_is_not_there_is_unreachable() {
    let gone = TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap();
    let output = run_against(gone, CASE);
    assert_eq!(output.status.code(), Some(5));
    assert!(
        stderr(&output).contains("target hostile at"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_target_that_never_answers_is_unreachable_in_time() {
    let output = run_against(hostile(vec![None]), CASE);
    assert_eq!(output.status.code(), Some(5));
    assert!(
        stderr(&output).contains("no answer within 5 s"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_target_that_answers_with_garbage_is_unreachable() {
    let output = run_against(hostile(vec![Some(GARBAGE)]), CASE);
    assert_eq!(output.status.code(), Some(5));
}

#[test]
fn garbage_once_the_target_was_ready_is_its_own() {
    let output = run_against(hostile(vec![Some(HEALTHY), Some(GARBAGE)]), CASE);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("was crashed:"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_server_error_is_no_refusal() {
    let broken = "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n";
    let output = run_against(hostile(vec![Some(HEALTHY), Some(broken)]), CASE);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("was crashed: status 500"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_hang_once_the_target_was_ready_is_its_own_and_ends_in_time() {
    let output = run_against(hostile(vec![Some(HEALTHY), None]), CASE);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("was hung"), "{}", stderr(&output));
}

#[test]
fn a_row_that_needs_a_policy_is_not_applicable_on_a_target_without_one() {
    let output = run_against(hostile(vec![Some(HEALTHY)]), ROW);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("the policy of target hostile cannot be set"));
}

#[test]
fn a_target_without_its_secret_is_told_which_variable_is_missing() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-secret.yaml");
    let text = "target: t\naddress: 127.0.0.1:1\nrp-id: rp.test\norigin: https://login.rp.test\npass-from: PASSKEY_NO_SUCH_VARIABLE\n";
    fs::write(&file, text).unwrap();
    let output = harness(&["run", "--target", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("no-secret.yaml:5:12: pass-from: the environment has no variable PASSKEY_NO_SUCH_VARIABLE"), "{}", stderr(&output));
}

#[test]
fn a_target_file_that_is_wrong_is_told_where() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bad-target.yaml");
    fs::write(&file, "target: t\nadress: 127.0.0.1:1\n").unwrap();
    let output = harness(&["check", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(4));
    assert!(
        stderr(&output).contains("bad-target.yaml:2:1: unknown field `adress`"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn every_part_of_a_target_file_that_does_not_fit_is_told() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("three-mistakes.yaml");
    let text = "target: t\naddress: 127.0.0.1:1\nrp-id: rp.test\norigin: https://login.rp.test\nusers: somebody\ncode-at: code\n";
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let checked = harness(&["check", file]);
    let run = harness(&["run", "--target", file]);
    for output in [&checked, &run] {
        assert_eq!(output.status.code(), Some(4));
        let said = stderr(output);
        assert!(
            said.contains("the driver reference needs pass-from"),
            "{said}"
        );
        assert!(said.contains("three-mistakes.yaml:5:8: "), "{said}");
        assert!(
            said.contains("three-mistakes.yaml:6:10: expected a JSON pointer"),
            "{said}"
        );
    }
    assert!(
        stderr(&checked).ends_with("3 mistakes; nothing was run\n"),
        "{}",
        stderr(&checked)
    );
}

#[test]
fn a_mistake_in_what_a_target_says_of_its_refusals_is_told_where() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bad-reasons.yaml");
    let head = "target: t\naddress: 127.0.0.1:1\nrp-id: rp.test\norigin: https://login.rp.test\npass-from: P\n";
    let told = |more: &str| {
        fs::write(&file, format!("{head}{more}")).unwrap();
        let output = harness(&["check", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(4));
        stderr(&output)
    };
    let features = "declares:\n  features: [usernameles]\n";
    let reasons = "reasons:\n  - { text: a, is: [attestaton] }\n";
    let cases = [
        (features, "bad-reasons.yaml:7:14: "),
        (features, "did you mean `usernameless`?"),
        (reasons, "bad-reasons.yaml:7:"),
        (reasons, "did you mean 'attestation'?"),
        ("refusal:\n  statuses: [503]\n", "bad-reasons.yaml:7:13: "),
        (
            "reasons:\n  - { code: a, is: [parse] }\n",
            "bad-reasons.yaml:7:13: the file does not say where",
        ),
    ];
    for (more, expected) in cases {
        let said = told(more);
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn a_port_in_use_is_told_what_to_do() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = harness(&["serve", "--port", &port]);
    assert_eq!(output.status.code(), Some(6));
    assert!(
        stderr(&output).contains("choose another with --port"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_member_of_a_policy_that_is_not_known_is_warned_about() {
    let copy = Copy::new();
    copy.change(
        "profiles/all-types.yaml",
        "  state: enabled\n",
        "  state: enabled\n  createdBy: somebody\n",
    );
    let output = harness(&["check", copy.0.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        stderr(&output).contains("warning: the policy's member 'createdBy' is not known here"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_platform_whose_name_would_be_read_as_another_is_refused() {
    is_told(
        "platforms/ios.yaml",
        "id: ios",
        "id: ios-below",
        &["/platforms/ios.yaml:1:5: a platform cannot be named 'ios-below'"],
    );
}

#[test]
fn one_row_alone_is_shown_in_full_with_the_change_marked_and_its_grounds() {
    let output = harness(&[
        "run",
        "--exact",
        "conformance::ad.bs-without-be::registration::software",
    ]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for wanted in [
        "\n>         flags: UP UV BS AT\n",
        "\n          aaguid: ",
        "authData.flags: \"UP UV AT\" -> \"UP UV BS AT\"\n",
        "bytes of authenticatorData from 32: 45 -> 55\n",
        "basis Must, severity Low\n",
        "says reg.17\n",
    ] {
        assert!(text.contains(wanted), "{text}\nlacks: {wanted}");
    }
    assert!(!text.contains("\n>   - {sign-in"), "{text}");
}

#[test]
fn an_exchange_is_written_down_as_a_fixture() {
    let output = harness(&["extract", "conformance::sig.bitflip::authentication"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let fixture: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(fixture["expect"], "rejected");
    assert_eq!(fixture["step"], "auth.21");
    assert_eq!(fixture["relyingParty"]["rpId"], "rp.test");
    let exchanges = fixture["exchanges"].as_array().unwrap();
    let subject = exchanges
        .iter()
        .find(|exchange| exchange["role"] == "subject")
        .unwrap();
    assert_eq!(subject["outcome"], "rejected");
    assert!(subject["response"]["response"]["signature"].is_string());
    assert!(subject["options"]["challenge"].is_string());
    assert_eq!(exchanges[0]["ceremony"], "registration");

    let unknown = harness(&["extract", "conformance::sig.bitflop::authentication"]);
    assert_eq!(unknown.status.code(), Some(3));
    assert!(stderr(&unknown).contains("did you mean conformance::sig.bitflip"));
}

#[test]
fn coverage_tells_the_cases_of_each_step_by_lane() {
    let output = harness(&["coverage", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let coverage: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(coverage["lanes"][0], "software");
    let steps = coverage["steps"].as_array().unwrap();
    let challenge = steps.iter().find(|step| step["step"] == "auth.11").unwrap();
    assert!(challenge["by_lane"][0]["negative"].as_u64().unwrap() >= 5);
}
