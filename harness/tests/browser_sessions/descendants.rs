//! What the tests started, seen from outside: orphans are given to this process, so everything is a descendant of it, whatever it did to
//! its environment and its process group.

use std::{env, fs, path::PathBuf, process};

use rustix::process::{getpid, set_child_subreaper};
use tokio::sync::{Mutex, MutexGuard};

static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// The right to start processes: one test has it at a time.
pub struct Alone(#[allow(dead_code, reason = "held")] MutexGuard<'static, ()>);

impl Alone {
    pub async fn new() -> Self {
        let guard = ONE_AT_A_TIME.lock().await;
        set_child_subreaper(Some(getpid())).unwrap();
        let alone = Self(guard);
        alone.assert_nothing_is_left();
        alone
    }

    /// There is no process but this one, and no folder of a session.
    pub fn assert_nothing_is_left(&self) {
        self.assert_nothing_is_left_of(process::id());
    }

    /// There is no process but this one, and no folder of a session of `harness`, a child of this process.
    pub fn assert_nothing_is_left_of(&self, harness: u32) {
        let living = living();
        assert!(living.is_empty(), "{living:#?}");
        let folders = folders(&[process::id(), harness]);
        assert!(folders.is_empty(), "{folders:?}");
    }
}

#[derive(Clone, Debug)]
pub struct Process {
    pub id: i32,
    pub parent: i32,
    pub name: String,
    #[allow(dead_code, reason = "shown when a test fails")]
    state: String,
}

/// The descendants of this process that live.
pub fn living() -> Vec<Process> {
    let all: Vec<Process> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(read)
        .collect();
    let mut found = vec![i32::try_from(process::id()).unwrap()];
    let mut count = 0;
    while count < found.len() {
        let parent = found[count];
        let children = all.iter().filter(|process| process.parent == parent);
        found.extend(children.map(|process| process.id));
        count += 1;
    }
    let ours = |process: &Process| found[1..].contains(&process.id) && process.state != "Z";
    all.into_iter().filter(ours).collect()
}

pub fn driver() -> Process {
    named(&["chromedriver", "geckodriver"])
}

/// The browser's main process: the driver's child.
pub fn browser() -> Process {
    let driver = driver();
    let browser = living()
        .into_iter()
        .find(|process| process.parent == driver.id);
    browser.expect("the driver has a child")
}

fn named(names: &[&str]) -> Process {
    let mut living = living().into_iter();
    living
        .find(|process| names.contains(&process.name.as_str()))
        .unwrap()
}

fn read(id: i32) -> Option<Process> {
    let stat = fs::read(format!("/proc/{id}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    let (before, after) = stat.rsplit_once(')')?;
    let mut fields = after.split_ascii_whitespace();
    Some(Process {
        id,
        name: before.split_once('(')?.1.to_owned(),
        state: fields.next()?.to_owned(),
        parent: fields.next()?.parse().ok()?,
    })
}

/// Folders of sessions of these processes.
fn folders(harnesses: &[u32]) -> Vec<PathBuf> {
    let prefixes: Vec<String> = harnesses.iter().map(|id| format!("pk-{id}-")).collect();
    let ours = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let entries = fs::read_dir(env::temp_dir()).unwrap().flatten();
    entries
        .filter(|entry| ours(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .collect()
}
