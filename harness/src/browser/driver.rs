//! WebDriver servers: starting one, learning its port, and listening to what it says.

use std::{
    collections::VecDeque,
    io::Read,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use tokio::{sync::mpsc, time::timeout};

use super::{Browser, BrowserError, Found, Words, patience::patient, processes::Family};
use crate::lines::lines;

/// How long a driver may take until it says where it listens.
const PORT_LIMIT: Duration = Duration::from_secs(20);
const LAST_LINES: usize = 50;
const LONGEST_LINE: usize = 500;

/// The last lines that a driver wrote, still growing.
#[derive(Clone, Default)]
pub(crate) struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    pub(crate) fn words(&self) -> Words {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Words(lines.iter().cloned().collect())
    }

    pub(crate) fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(line.chars().take(LONGEST_LINE).collect());
    }
}

/// Starts a driver and returns its address, as in `http://127.0.0.1:4444`.
///
/// # Errors
/// When it cannot be started, ends early, or is silent for 20 s.
pub(super) async fn start(
    family: &Family,
    kind: Browser,
    found: &Found,
    tail: &Tail,
) -> Result<String, BrowserError> {
    let mut command = command(kind, &found.driver, family.folder());
    let (say, mut said) = mpsc::channel(1);
    family.spawn(&mut command, |child| {
        listen(child.stdout.take(), tail, &say);
        listen(child.stderr.take(), tail, &say);
    })?;
    drop(say);
    let cause = match timeout(patient(PORT_LIMIT), said.recv()).await {
        Ok(Some(port)) => return Ok(format!("http://127.0.0.1:{port}")),
        Ok(None) => "it ended before it said where it listens".to_owned(),
        Err(_) => format!(
            "it did not say where it listens within {} s",
            PORT_LIMIT.as_secs()
        ),
    };
    Err(BrowserError::Driver {
        driver: found.driver.clone(),
        cause,
        words: tail.words(),
    })
}

fn command(kind: Browser, driver: &Path, folder: &Path) -> Command {
    let mut command = Command::new(driver);
    match kind {
        Browser::Chromium => command.arg("--port=0"),
        Browser::Firefox => command
            .args(["--port", "0", "--websocket-port", "0"])
            // Preferences are set while it runs (emulation).
            .arg("--allow-system-access")
            .arg("--profile-root")
            .arg(folder),
    };
    command
        // What they leave behind goes when the folder goes.
        .env("TMPDIR", folder)
        .env("XDG_CONFIG_HOME", folder)
        .env("XDG_CACHE_HOME", folder)
        .env("MOZ_CRASHREPORTER_DISABLE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Reads until the last process that could write has ended, so that none of them ever waits for us.
fn listen(pipe: Option<impl Read + Send + 'static>, tail: &Tail, say: &mpsc::Sender<u16>) {
    let Some(pipe) = pipe else { return };
    let (tail, mut say) = (tail.clone(), Some(say.clone()));
    let read = move || {
        for line in lines(pipe) {
            if let Some(port) = port(&line)
                && let Some(say) = say.take()
            {
                // Nobody waits any more when the start was given up.
                let _ = say.try_send(port);
            }
            tail.push(&line);
        }
    };
    // Without a thread the pipe closes, and the start fails for want of a port.
    let _ = thread::Builder::new()
        .name("driver-output".to_owned())
        .spawn(read);
}

/// Reads the port out of `ChromeDriver was started successfully on port 4444.` and `... Listening on 127.0.0.1:4444`.
fn port(line: &str) -> Option<u16> {
    let chromium = || Some(line.split_once("started successfully on port ")?.1);
    let firefox = || Some(line.split_once("Listening on ")?.1.rsplit_once(':')?.1);
    let text = chromium().or_else(firefox)?;
    text.trim().trim_end_matches('.').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_what_either_driver_says() {
        assert_eq!(
            port("ChromeDriver was started successfully on port 44155."),
            Some(44155)
        );
        assert_eq!(
            port("1700000000000\tgeckodriver\tINFO\tListening on 127.0.0.1:4444"),
            Some(4444)
        );
        assert_eq!(
            port("Starting ChromeDriver 156.0.8078.108 (730482a9) on port 0"),
            None
        );
    }

    #[test]
    fn the_tail_keeps_the_last_lines_only() {
        let tail = Tail::default();
        (0..LAST_LINES + 2).for_each(|line| tail.push(&line.to_string()));
        let words = tail.words().0;
        assert_eq!(
            (words.len(), words.first().map(String::as_str)),
            (LAST_LINES, Some("2"))
        );
    }
}
