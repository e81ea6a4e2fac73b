//! Asks programs for their versions.

use std::{
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// Browsers read their whole binary before they say anything.
const LIMIT: Duration = Duration::from_secs(10);

/// Returns the first line that a program says to `--version`, up to what it adds in parentheses (commit, code name).
///
/// # Errors
/// When it cannot be started, says nothing, or takes too long; then it is ended.
pub(super) fn version(program: &Path) -> Result<String, String> {
    let mut child = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))?;
    let pipe = child.stdout.take();
    let (say, said) = mpsc::channel();
    // Ends when the program closes its end of the pipe.
    thread::spawn(move || {
        let mut text = String::new();
        let read = pipe.map(|mut pipe| pipe.read_to_string(&mut text));
        // Nobody listens any more when the time was over.
        let _ = say.send(read.is_some_and(|read| read.is_ok()).then_some(text));
    });
    let text = said.recv_timeout(LIMIT);
    // It has said all that there is to be said, or says nothing.
    let _ = child.kill();
    let _ = child.wait();
    let text = text.map_err(|_| {
        format!(
            "gave no answer to --version within {} s; install it again",
            LIMIT.as_secs()
        )
    })?;
    let text = text.unwrap_or_default();
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    line.map(|line| line.split_once(" (").map_or(line, |(version, _)| version))
        .map(str::to_owned)
        .ok_or_else(|| "says nothing to --version; install it again".to_owned())
}
