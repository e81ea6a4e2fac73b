//! The lock on USB keys, within a process and across processes.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{self, Command, Stdio},
    thread,
    time::Duration,
};

use passkey_authenticators::usb::{UsbError, UsbLock};

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(30);
const PATH: &str = "PASSKEY_TEST_LOCK";

fn path(name: &str) -> PathBuf {
    env::temp_dir().join(format!("passkey-usb-lock-{name}-{}", process::id()))
}

#[test]
fn a_second_taker_waits_for_the_first() {
    let path = path("threads");
    let first = UsbLock::take_at(&path, SHORT).unwrap();
    let held = UsbLock::take_at(&path, SHORT).unwrap_err();
    assert_eq!(held, UsbError::InUse(format!("process {}", process::id())));
    let waiting = {
        let path = path.clone();
        thread::spawn(move || UsbLock::take_at(&path, LONG))
    };
    drop(first);
    drop(waiting.join().unwrap().unwrap());
    fs::remove_file(path).unwrap();
}

#[test]
fn the_lock_holds_across_processes_and_ends_with_its_holder() {
    let path = path("processes");
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "lock::holder", "--ignored", "--nocapture"])
        .env(PATH, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(
        lines
            .map_while(Result::ok)
            .any(|line| line.contains("held"))
    );
    let error = UsbLock::take_at(&path, SHORT).unwrap_err();
    assert_eq!(error, UsbError::InUse(format!("process {}", child.id())));
    // Killed, it has no chance to clean up.
    child.kill().unwrap();
    child.wait().unwrap();
    drop(UsbLock::take_at(&path, LONG).unwrap());
    fs::remove_file(path).unwrap();
}

/// The other process: holds the lock until its standard input ends.
#[test]
#[ignore = "a part of the test above"]
#[allow(clippy::print_stdout, reason = "tells the test that the lock is held")]
fn holder() {
    // Run by --ignored without the test above, there is nothing to hold.
    let Some(path) = env::var_os(PATH) else {
        return;
    };
    let _lock = UsbLock::take_at(&PathBuf::from(path), LONG).unwrap();
    println!("held");
    std::io::stdin().lines().for_each(drop);
}
