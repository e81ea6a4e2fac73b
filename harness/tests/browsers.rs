//! Browsers and drivers that die in mid-run cost their row and nothing else, and whatever ends a run leaves no process behind.
//!
//! Without a driver a test says so and passes, unless PASSKEY_REQUIRED_LANES names its lane.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "tests"
)]

#[allow(dead_code, reason = "shared with another test target")]
#[path = "browser_sessions/descendants.rs"]
mod descendants;
#[path = "browsers/gate.rs"]
mod gate;

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use descendants::{Alone, Process};
use gate::Gate;
use passkey_harness::browser::{Browser, Look, Place, Session, find};
use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take that is waited for.
const LIMIT: Duration = Duration::from_secs(60);
/// How long a run may take to end after a signal.
const END_LIMIT: Duration = Duration::from_secs(10);
/// How often processes are looked for.
const LOOK: Duration = Duration::from_millis(5);
const CHILD: &str = "BROWSERS_CHILD";
const ROWS: [&str; 4] = [
    "conformance::cd.type-missing::authentication",
    "conformance::cd.type-swapped::authentication",
    "conformance::cd.type-other::empty::authentication",
    "conformance::cd.type-other::number::authentication",
];
const CHROMIUM: &[Browser] = &[Browser::Chromium];
const FIREFOX: &[Browser] = &[Browser::Firefox];

/// Tells whether the drivers are there; without one says so, and fails if the lane is required.
fn are_there(browsers: &[Browser]) -> bool {
    let required = env::var("PASSKEY_REQUIRED_LANES").unwrap_or_default();
    browsers.iter().all(|browser| {
        let Err(missing) = find(*browser) else {
            return true;
        };
        let mut lanes = required.split(',').map(str::trim);
        assert!(lanes.all(|lane| lane != browser.name()), "{missing}");
        eprintln!("{browser} is not tested: {missing}");
        false
    })
}

/// A run of a few rows, one after the other, against the relying party behind a gate.
struct Run {
    child: Child,
    /// Nothing once nobody reads any more.
    out: Option<BufReader<ChildStdout>>,
}

impl Run {
    fn start(gate: &Gate, browsers: &[Browser]) -> Self {
        let file = format!("gate-{}.yaml", gate.address.port());
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
        let text = format!(
            "target: gate\naddress: {}\nrp-id: rp.test\norigin: https://login.rp.test\npass-from: PASSKEY_TEST_PASS\n",
            gate.address
        );
        fs::write(&file, text).unwrap();
        let rows = ROWS.iter().flat_map(|row| {
            browsers
                .iter()
                .map(move |browser| format!("{row}::{browser}"))
        });
        let mut child = Command::new(env!("CARGO_BIN_EXE_passkey-harness"))
            .env("PASSKEY_TEST_PASS", "temporary access pass")
            .env("PASSKEY_BROWSERS", "1")
            .env_remove("PASSKEY_SHARD")
            .env_remove("PASSKEY_REQUIRED_LANES")
            .args(["run", "--exact", "--target", file.to_str().unwrap()])
            .arg("--report")
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("browsers-report"))
            .args(rows)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = child.stdout.take().map(BufReader::new);
        Self { child, out }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the run's end; returns its code, what it said on standard output from now on, and what on standard error.
    fn end(&mut self, limit: Duration) -> (Option<i32>, String, String) {
        let mut stderr = self.child.stderr.take().unwrap();
        let said = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        // The pipes are open as long as anybody has them: who waits for the process first does not hang.
        let code = until("the run ends", limit, || self.child.try_wait().unwrap());
        let mut out = String::new();
        let reader = self.out.as_mut().unwrap();
        reader.read_to_string(&mut out).unwrap();
        (code.code(), out, said.join().unwrap())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the right to start processes.
fn alone() -> Alone {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(Alone::new())
}

/// Looks until something is there.
fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        thread::sleep(LOOK);
    }
}

/// The driver, if it runs.
fn driver() -> Option<Process> {
    let mut living = descendants::living().into_iter();
    living.find(|process| ["chromedriver", "geckodriver"].contains(&process.name.as_str()))
}

/// The browser's main process, if it runs: the driver's child.
fn browser() -> Option<Process> {
    let driver = driver()?;
    let mut living = descendants::living().into_iter();
    living.find(|process| process.parent == driver.id)
}

fn kill(victim: Option<Process>) {
    let victim = Pid::from_raw(victim.unwrap().id).unwrap();
    kill_process(victim, Signal::KILL).unwrap();
}

fn deaths_cost_their_rows_only(browsers: &'static [Browser]) {
    if !are_there(browsers) {
        return;
    }
    let alone = alone();
    let mut gate = Gate::open();
    let mut run = Run::start(&gate, browsers);
    for victim in [browser, driver] {
        let stopped = gate.next(LIMIT);
        let before = victim().map(|process| process.id);
        kill(victim());
        until("it dies", LIMIT, || {
            (victim().map(|process| process.id) != before).then_some(())
        });
        drop(stopped);
    }
    gate.stand_open();
    let (code, out, err) = run.end(LIMIT);
    let died = out.matches("harness-error").count();
    let conforming = out.matches("conforms").count();
    assert_eq!((code, died, conforming), (Some(6), 2, 2), "{out}\n{err}");
    let name = browsers[0];
    let told =
        format!("{name} or its driver died or hangs, which says nothing of the relying party");
    assert_eq!(err.matches(&told).count(), 2, "{err}");
    assert_eq!(err.matches("Run the row again").count(), 2, "{err}");
    assert_nothing_is_left(&alone, gate, &run);
}

fn assert_nothing_is_left(alone: &Alone, gate: Gate, run: &Run) {
    drop(gate);
    alone.assert_nothing_is_left_of(run.child.id());
}

#[test]
fn a_chromium_and_a_chromedriver_that_are_killed_cost_their_rows_only() {
    deaths_cost_their_rows_only(CHROMIUM);
}

#[test]
fn a_firefox_and_a_geckodriver_that_are_killed_cost_their_rows_only() {
    deaths_cost_their_rows_only(FIREFOX);
}

/// When a signal comes.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// As soon as there is a driver.
    Driver,
    /// As soon as there is a browser.
    Browser,
    /// In a ceremony.
    Ceremony,
}

fn signals_leave_nothing(browsers: &'static [Browser], moments: &[(Moment, Signal, i32)]) {
    if !are_there(browsers) {
        return;
    }
    let alone = alone();
    for (moment, signal, code) in moments {
        let gate = Gate::open();
        let mut run = Run::start(&gate, browsers);
        let stopped = match moment {
            Moment::Driver => {
                until("a driver is there", LIMIT, driver);
                None
            }
            Moment::Browser => {
                until("a browser is there", LIMIT, browser);
                None
            }
            Moment::Ceremony => Some(gate.next(LIMIT)),
        };
        run.signal(*signal);
        let (ended, out, err) = run.end(END_LIMIT);
        assert_eq!(ended, Some(*code), "{moment:?}: {out}\n{err}");
        drop(stopped);
        assert_nothing_is_left(&alone, gate, &run);
    }
}

const INT: (Signal, i32) = (Signal::INT, 130);
const TERM: (Signal, i32) = (Signal::TERM, 143);

#[test]
fn signals_at_any_moment_leave_nothing_of_chromium() {
    let moments = [
        (Moment::Driver, INT.0, INT.1),
        (Moment::Browser, TERM.0, TERM.1),
        (Moment::Ceremony, INT.0, INT.1),
        (Moment::Ceremony, TERM.0, TERM.1),
    ];
    signals_leave_nothing(CHROMIUM, &moments);
}

#[test]
fn signals_at_any_moment_leave_nothing_of_firefox() {
    let moments = [
        (Moment::Driver, TERM.0, TERM.1),
        (Moment::Browser, INT.0, INT.1),
        (Moment::Ceremony, TERM.0, TERM.1),
    ];
    signals_leave_nothing(FIREFOX, &moments);
}

#[test]
fn a_run_that_nobody_reads_ends_and_leaves_nothing() {
    let both = &[Browser::Chromium, Browser::Firefox];
    if !are_there(both) {
        return;
    }
    let alone = alone();
    let mut gate = Gate::open();
    gate.stand_open();
    let mut run = Run::start(&gate, both);
    let mut line = String::new();
    run.out.as_mut().unwrap().read_line(&mut line).unwrap();
    assert!(line.starts_with("conforms"), "{line}");
    drop(run.out.take());
    let status = until("the run ends", LIMIT, || run.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    assert_nothing_is_left(&alone, gate, &run);
}

/// Starts this program again, as one that panics with a session in its hands.
#[test]
fn a_panic_leaves_nothing() {
    for browser in [Browser::Chromium, Browser::Firefox] {
        if !are_there(&[browser]) {
            continue;
        }
        let alone = alone();
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "what_the_child_does", "--nocapture"])
            .env(CHILD, browser.name())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let status = until("the child ends", LIMIT, || child.try_wait().unwrap());
        assert_eq!(status.code(), Some(101), "{browser}");
        alone.assert_nothing_is_left_of(child.id());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_child_does() {
    let Ok(name) = env::var(CHILD) else { return };
    let kinds = [Browser::Chromium, Browser::Firefox];
    let kind = kinds.into_iter().find(|kind| kind.name() == name).unwrap();
    let place = Place::Local(find(kind).unwrap());
    let session = Session::start(kind, &place, Look::default(), None);
    let _session = session.await.unwrap();
    panic!("with a session");
}
