//! Starts targets that do not run already, waits until they are ready, and ends them with everything that they started.

mod captures;

use std::{
    fs,
    io::{self, Read},
    net::{Ipv4Addr, TcpListener},
    path::{self, Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use passkey_authenticators::ca;
use passkey_model::{
    library::Library,
    target::{Driver, Start},
};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

pub(super) use captures::Captured;
use captures::Captures;

use super::{Control, ReadyTarget, TargetError, answers};
use crate::{
    browser::{BrowserError, Tail, processes::Family},
    lines::lines,
    run::trust_anchors,
};

/// How often a target is asked whether it is ready: it has no way to tell us.
const LOOK: Duration = Duration::from_millis(50);

/// A target that was started. Dropping it ends all its processes before the drop returns.
pub struct Started {
    target: ReadyTarget,
    /// The folder of its file.
    folder: PathBuf,
    library: Arc<Library>,
    state: Mutex<State>,
}

/// How it is started, and what runs; nothing does after a start that failed.
struct State {
    start: Start,
    /// How often it has ended on its own and was started again.
    deaths: usize,
    running: Option<Running>,
}

/// Its processes, and what they say.
struct Running {
    family: Family,
    tail: Tail,
    captures: Captures,
}

impl std::fmt::Debug for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}

impl Started {
    /// Starts it again where it has ended, as it may have done at what a row showed it, under the policy that was set; other rows are
    /// not to suffer from that.
    ///
    /// # Errors
    /// When it does not start again, or the policy cannot be set.
    pub async fn revive(&self, control: Option<&Control>) -> Result<(), TargetError> {
        let mut state = self.state.lock().await;
        let running = state.running.as_ref();
        if running.is_some_and(|running| running.family.has_ended().is_none()) {
            return Ok(());
        }
        state.deaths += 1;
        self.launch(&mut state).await?;
        let Some(control) = control else {
            return Ok(());
        };
        let set = control.set_again().await;
        if set.is_err() {
            // Under no policy it is not what the next row needs, which starts it again.
            state.running = None;
        }
        set.map_err(|error| failed(&self.target, error.to_string()))
    }

    /// Returns how often it has ended on its own so far.
    pub async fn deaths(&self) -> usize {
        let state = self.state.lock().await;
        let running = state.running.as_ref();
        let has_ended = running.is_none_or(|running| running.family.has_ended().is_some());
        state.deaths + usize::from(has_ended)
    }

    /// Starts it again in another way, whether or not it has ended.
    ///
    /// # Errors
    /// When it does not start again.
    pub(super) async fn again(&self, start: Start) -> Result<(), TargetError> {
        let mut state = self.state.lock().await;
        state.start = start;
        self.launch(&mut state).await
    }

    async fn launch(&self, state: &mut State) -> Result<(), TargetError> {
        // Ended first: it has the port.
        state.running = None;
        *self.target.kept_for_all.lock().await = None;
        *self.target.kept.lock().await = None;
        let running = launch(&self.target, &state.start, &self.folder, &self.library).await?;
        state.running = Some(running);
        Ok(())
    }
}

/// Starts a target, whose file is in `folder`, and waits until it answers.
///
/// # Errors
/// When it cannot be started, ends early, or does not answer in time.
pub async fn start(
    target: &mut ReadyTarget,
    start: Start,
    folder: &Path,
    library: Arc<Library>,
) -> Result<Started, TargetError> {
    let failed = |error: io::Error| failed(target, error.to_string());
    let folder = path::absolute(folder).map_err(failed)?;
    if target.address.port() == 0 {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let free = free.and_then(|listener| listener.local_addr());
        target.address = free.map_err(failed)?;
    }
    target.file.listens_on(target.address.port());
    let running = launch(target, &start, &folder, &library).await?;
    Ok(Started {
        target: target.clone(),
        folder,
        library,
        state: Mutex::new(State {
            start,
            deaths: 0,
            running: Some(running),
        }),
    })
}

fn failed(target: &ReadyTarget, cause: String) -> TargetError {
    TargetError::Start {
        name: target.file.target.clone(),
        cause,
    }
}

async fn launch(
    target: &ReadyTarget,
    start: &Start,
    folder: &Path,
    library: &Library,
) -> Result<Running, TargetError> {
    let failed = |cause: String| failed(target, cause);
    let in_words = |error: BrowserError| failed(error.to_string());
    let family = Family::new().map_err(in_words)?;
    let anchors = Anchors::of(library).map_err(|error| failed(error.to_string()))?;
    let anchors = anchors.write(family.folder());
    let anchors =
        anchors.map_err(|error| failed(format!("the trust anchors cannot be written: {error}")))?;
    let mut command = command(target, start, folder).map_err(failed)?;
    command.env("TRUST_ANCHORS", anchors);
    let tail = Tail::default();
    let captures = Captures::new(&start.capture);
    family
        .spawn(&mut command, |child| {
            follow(child.stdout.take(), &tail, &captures);
            follow(child.stderr.take(), &tail, &captures);
        })
        .map_err(in_words)?;
    let running = Running {
        family,
        tail,
        captures,
    };
    let limit = Duration::from_secs(start.within_seconds);
    wait(&running, target, &start.ready, limit)
        .await
        .map_err(|cause| {
            let words = running.tail.words().to_string();
            failed(if words.is_empty() {
                cause
            } else {
                format!("{cause}\nit said:\n{words}")
            })
        })?;
    target.captured.set(running.captures.found());
    Ok(running)
}

/// Returns the command that starts a target, but for its pipes and its trust anchors.
pub(super) fn command(
    target: &ReadyTarget,
    start: &Start,
    folder: &Path,
) -> Result<Command, String> {
    let (program, arguments) = start
        .command
        .split_first()
        .ok_or("start: command: expected a program")?;
    // A path is one from the target's file; a bare name is looked for as the shell does.
    let program = if program.contains('/') {
        folder.join(program)
    } else {
        PathBuf::from(program)
    };
    let secrets = target.secrets.iter().filter_map(|(name, value)| {
        let variable = target.file.secrets.get(name)?;
        Some((variable.as_str(), value.as_str()))
    });
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .envs(secrets)
        .env("RP_ID", &target.file.rp_id)
        .env("ORIGIN", &target.file.origin)
        .envs(&start.environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if target.file.driver != Driver::Command {
        command.env("PORT", target.address.port().to_string());
    }
    Ok(command)
}

/// The roots of the test CA and their metadata.
pub(super) struct Anchors {
    roots: String,
    metadata: String,
}

impl Anchors {
    /// Returns those of the providers of a library.
    pub(super) fn of(library: &Library) -> serde_json::Result<Self> {
        let roots = [ca::known(), ca::first_party()].into_iter().flatten();
        Ok(Self {
            roots: roots.map(|ca| pem(ca.root())).collect(),
            metadata: serde_json::to_string_pretty(&trust_anchors(library))?,
        })
    }

    /// Returns one root, of which no metadata is known.
    pub(super) fn only(root: Option<&[u8]>) -> Self {
        Self {
            roots: root.map(pem).unwrap_or_default(),
            metadata: r#"{"entries":[]}"#.to_owned(),
        }
    }

    /// Writes them into a folder of their own below another one, and returns it.
    pub(super) fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        let folder = folder.join("trust-anchors");
        fs::create_dir(&folder)?;
        fs::write(folder.join("roots.pem"), &self.roots)?;
        fs::write(folder.join("metadata.json"), &self.metadata)?;
        Ok(folder)
    }
}

/// Writes a certificate as RFC 7468 does.
fn pem(certificate: &[u8]) -> String {
    let text = passkey_model::target::Code::Base64.write(certificate);
    let text: Vec<char> = text.as_str().unwrap_or_default().chars().collect();
    let lines: String = text
        .chunks(64)
        .map(|line| line.iter().collect::<String>() + "\n")
        .collect();
    format!("-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n")
}

async fn wait(
    running: &Running,
    target: &ReadyTarget,
    ready: &str,
    limit: Duration,
) -> Result<(), String> {
    let deadline = Instant::now() + limit;
    loop {
        let next = Instant::now() + LOOK;
        let why = match answers(target, ready).await {
            Ok(status) if status < 500 => match running.captures.missing() {
                None => return Ok(()),
                Some(name) => format!("it did not write what start: capture: {name} looks for"),
            },
            Ok(status) => format!("GET {ready} is answered with {status}"),
            Err(error) => error,
        };
        if let Some(status) = running.family.has_ended() {
            return Err(format!("it ended before it was ready: {status}"));
        }
        if Instant::now() >= deadline {
            return Err(format!(
                "it was not ready within {} s: {why}",
                limit.as_secs()
            ));
        }
        sleep_until(next).await;
    }
}

/// Reads until the last process that could write has ended, so that none of them ever waits for us.
fn follow(pipe: Option<impl Read + Send + 'static>, tail: &Tail, captures: &Captures) {
    let Some(pipe) = pipe else { return };
    let (tail, captures) = (tail.clone(), captures.clone());
    let read = move || {
        for line in lines(pipe) {
            captures.read(&line);
            tail.push(&line);
        }
    };
    // Without a thread its words are lost; it runs all the same, until a pipe is full.
    let _ = thread::Builder::new()
        .name("target-output".to_owned())
        .spawn(read);
}
