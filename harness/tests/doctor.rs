//! `doctor` as a person meets it, and what a row that went wrong in a browser leaves to look at.
//!
//! Without a driver a test says so and passes, unless PASSKEY_REQUIRED_LANES names its browser.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "tests"
)]

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Mutex, MutexGuard, PoisonError},
};

use passkey_harness::browser::{Browser, find};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// What the environment may say of browsers.
const VARIABLES: [&str; 6] = [
    "CHROMEDRIVER",
    "GECKODRIVER",
    "WEBDRIVER_URL",
    "PASSKEY_BROWSERS",
    "PASSKEY_SHARD",
    "PASSKEY_REQUIRED_LANES",
];

fn root() -> &'static Path {
    Path::new(".")
}

/// Returns a folder of a test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("doctor-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn harness(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_passkey-harness"));
    command.current_dir(root()).args(arguments);
    command
}

/// Returns the command on a machine where nothing is installed but what stands in a folder.
fn on_machine(programs: &Path, arguments: &[&str]) -> Command {
    let mut command = harness(arguments);
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command.env("PATH", programs).env("PASSKEY_CACHE", programs);
    command
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn by(command: &mut Command) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = command.output().unwrap();
        Self {
            code: status.code().unwrap(),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }

    #[track_caller]
    fn has(&self, text: &str) -> &Self {
        assert!(self.out.contains(text), "'{text}' is not in: {}", self.out);
        self
    }
}

/// Lets one test at a time start browsers: they take a machine's cores from each other.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells whether a browser can be driven; fails where it has to be.
fn is_there(kind: Browser) -> bool {
    let Err(missing) = find(kind) else {
        return true;
    };
    let required = env::var("PASSKEY_REQUIRED_LANES").unwrap_or_default();
    let mut required = required.split(',').map(str::trim);
    assert!(!required.any(|lane| lane == kind.name()), "{missing}");
    eprintln!("{kind} is not tested: {missing}");
    false
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Returns scenarios with one text of one file changed.
fn changed(name: &str, file: &str, from: &str, to: &str) -> PathBuf {
    let scenarios = folder(name).join("scenarios");
    copy(&root().join("scenarios"), &scenarios);
    let path = scenarios.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no '{from}'");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
    scenarios
}

#[test]
fn without_drivers_it_names_what_to_install_and_the_lanes_that_are_blocked() {
    let nothing = folder("nothing");
    let said = Said::by(&mut on_machine(&nothing, &["doctor"]));
    assert_eq!(said.code, 0, "{}", said.err);
    said.has("driver   chromedriver not found: run ci/install-chromium")
        .has("driver   geckodriver not found: run ci/install-firefox")
        .has("browser  not on PATH")
        .has("  firefox-provider   blocked: geckodriver not found: run ci/install-firefox")
        .has("  software           runs: ")
        .has(" not applicable\n")
        .has("PASSKEY_BROWSERS        not set: rows of a browser lane at once: 1")
        .has("WEBDRIVER_URL           not set: ");
}

#[test]
fn a_required_lane_that_is_blocked_is_an_exit_code() {
    let nothing = folder("required");
    let mut command = on_machine(&nothing, &["doctor"]);
    let said = Said::by(command.env("PASSKEY_REQUIRED_LANES", "software"));
    assert_eq!(said.code, 0, "{}", said.err);
    let said = Said::by(command.env("PASSKEY_REQUIRED_LANES", "software,chromium"));
    assert_eq!(said.code, 1);
    said.has("PASSKEY_REQUIRED_LANES  software,chromium");
    let why = "PASSKEY_REQUIRED_LANES names the lane 'chromium': chromedriver not found";
    assert!(said.err.contains(why), "{}", said.err);
}

#[test]
fn verifying_nothing_is_no_success() {
    let nothing = folder("unverified");
    let said = Said::by(&mut on_machine(&nothing, &["doctor", "--verify"]));
    assert_eq!(said.code, 3, "{}", said.err);
    said.has("chromium is not verified: chromedriver not found: run ci/install-chromium")
        .has("firefox is not verified: geckodriver not found: run ci/install-firefox");
}

#[test]
fn programs_are_named_with_their_places_and_versions() {
    let programs = folder("programs");
    let program = |name: &str, script: &str| {
        let file = programs.join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file.display().to_string()
    };
    let driver = program("chromedriver", "echo 'ChromeDriver 1.2.3 (commit)'");
    let browser = program("chromium", "exit 1");
    let said = Said::by(&mut on_machine(&programs, &["doctor"]));
    said.has(&format!("driver   {driver} (ChromeDriver 1.2.3)\n"))
        .has(&format!("browser  {browser} (says nothing to --version"))
        .has("  chromium           runs: ");
}

#[test]
fn it_says_what_the_environment_says() {
    let nothing = folder("environment");
    let mut command = on_machine(&nothing, &["doctor"]);
    let all = Said::by(&mut command).out;
    command
        .env("WEBDRIVER_URL", "http://127.0.0.1:4444")
        .env("PASSKEY_BROWSERS", "3")
        .env("PASSKEY_SHARD", "1/2");
    let said = Said::by(&mut command);
    said.has("http://127.0.0.1:4444: every browser is started there, and has to reach the proxies of this machine on 127.0.0.1")
        .has("PASSKEY_BROWSERS        rows of a browser lane at once: 3")
        .has("PASSKEY_SHARD           1/2")
        .has("  chromium           runs: ");
    // What runs over HTTP is not shared out.
    let software = |out: &str| {
        let mut lines = out.lines();
        let line = lines.find(|line| line.starts_with("  software"));
        line.unwrap().to_owned()
    };
    assert_eq!(software(&all), software(&said.out));
    let said = Said::by(command.env("PASSKEY_BROWSERS", "none"));
    assert_eq!(said.code, 2);
    assert!(
        said.err.contains("PASSKEY_BROWSERS is 'none'"),
        "{}",
        said.err
    );
}

#[test]
fn help_tells_of_verify() {
    let said = Said::by(&mut harness(&["doctor", "--help"]));
    assert_eq!(said.code, 0);
    said.has("--verify");
}

#[test]
fn the_browsers_here_do_what_is_relied_on() {
    let _alone = alone();
    let there: Vec<Browser> = [Browser::Chromium, Browser::Firefox]
        .into_iter()
        .filter(|kind| is_there(*kind))
        .collect();
    if there.is_empty() {
        return;
    }
    let said = Said::by(harness(&["doctor", "--verify"]).env_remove("PASSKEY_REQUIRED_LANES"));
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    for kind in there {
        said.has(&format!("verifying {kind} "));
        let ok = format!("  ok      {kind} ");
        let checks = said.out.lines().filter(|line| line.starts_with(&ok));
        let checks = checks.count();
        assert!(checks >= 12, "{kind}: {checks} checks: {}", said.out);
    }
}

#[test]
fn a_browser_that_is_not_what_its_lane_says_fails() {
    let _alone = alone();
    if !is_there(Browser::Chromium) {
        return;
    }
    let scenarios = changed(
        "other-aaguid",
        "lanes.yaml",
        "aaguid: 01020304-0506-0708-0102-030405060708",
        "aaguid: 01020304-0506-0708-0102-030405060709",
    );
    let mut command = harness(&["doctor", "--verify", "--scenarios"]);
    command
        .arg(scenarios)
        .env("GECKODRIVER", root().join("no-geckodriver"))
        .env_remove("PASSKEY_REQUIRED_LANES");
    let said = Said::by(&mut command);
    assert_eq!(said.code, 6, "{}{}", said.out, said.err);
    let failed = said.out.lines().filter(|line| line.contains("FAILED"));
    let failed: Vec<&str> = failed.collect();
    let [failed] = failed.as_slice() else {
        panic!("one check fails: {}", said.out);
    };
    let words = "AAGUID, attestation and algorithm are the lane's: expected 01020304-0506-0708-0102-030405060709, saw 01020304-0506-0708-0102-030405060708";
    assert!(failed.contains(words), "{failed}");
    said.has("firefox is not verified: GECKODRIVER names ");
}

/// Runs a red row and a green one, looks at what the red one left, and returns the console's words.
fn leaves_evidence(lane: &str, scenarios: &Path, rows: [&str; 2]) -> String {
    let _alone = alone();
    let report = folder(&format!("evidence-{lane}"));
    let rows = rows.map(|row| format!("{row}::{lane}"));
    let mut command = harness(&["run", "--exact", &rows[0], &rows[1], "--scenarios"]);
    command.arg(scenarios).arg("--report").arg(&report);
    command
        .env("PASSKEY_BROWSERS", "1")
        .env_remove("PASSKEY_REQUIRED_LANES");
    let said = Said::by(&mut command);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    said.has(&format!("deviates        {}", rows[0]))
        .has(&format!("conforms        {}", rows[1]));
    let parts: PathBuf = rows[0].split("::").collect();
    let place = report.join("transcripts").join(parts);
    for (what, ending) in [
        ("transcript", "txt"),
        ("screenshot", "png"),
        ("page", "html"),
        ("console", "console.txt"),
    ] {
        let line = format!("  {what:<10}  {}.{ending}\n", place.display());
        assert!(said.err.contains(&line), "'{line}' is not in: {}", said.err);
    }
    let file = |ending: &str| format!("{}.{ending}", place.display());
    let picture = fs::read(file("png")).unwrap();
    assert!(picture.starts_with(PNG) && picture.len() > 1000);
    let page = fs::read_to_string(file("html")).unwrap();
    assert!(
        page.contains("<html") && page.contains("Reference RP"),
        "{page}"
    );
    let green: PathBuf = rows[1].split("::").collect();
    let green = report.join("transcripts").join(green);
    let nothing = ["txt", "png", "html", "console.txt"];
    for ending in nothing {
        assert!(!Path::new(&format!("{}.{ending}", green.display())).exists());
    }
    fs::read_to_string(file("console.txt")).unwrap()
}

#[test]
fn a_red_row_in_chromium_leaves_a_picture_the_page_and_the_console() {
    if !is_there(Browser::Chromium) {
        return;
    }
    let scenarios = changed(
        "wrong-in-chromium",
        "policy/types.yaml",
        "apple-passwords }\n    expect: rejected\n    clauses: [type]\n    defects: [type-ignored]",
        "apple-passwords }\n    expect: accepted",
    );
    let rows = [
        "policy::types::synced-under-device-bound",
        "policy::types::device-bound-under-device-bound",
    ];
    let console = leaves_evidence("chromium", &scenarios, rows);
    let refused = "https://login.rp.test/webauthn/registration - Failed to load resource: the server responded with a status of 403";
    assert!(console.contains(refused), "{console}");
}

#[test]
fn a_red_row_in_firefox_leaves_a_picture_the_page_and_the_console() {
    if !is_there(Browser::Firefox) {
        return;
    }
    let scenarios = changed(
        "wrong-in-firefox",
        "policy/observed-aaguid.yaml",
        "expect: accepted",
        "expect: rejected\n    clauses: [aaguid-block]",
    );
    let rows = [
        "policy::observed-aaguid::allowed-registers",
        "policy::observed-aaguid::allowed-signs-in",
    ];
    let console = leaves_evidence("firefox", &scenarios, rows);
    // What the browser says of itself is left out.
    let of_pages = |line: &str| line.contains("https://login.rp.test") || line.starts_with('(');
    assert!(console.lines().all(of_pages), "{console}");
}
