//! Every process that a session starts ends: with the session, with the harness, and on a signal.
//!
//! A session's processes are a `Family`. It is registered before it can start anything, starting happens under the registry's lock, and
//! once ending began the registry takes no family and starts no process. So whoever ends all has seen every process that there is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Write as _},
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    path::{Path, PathBuf},
    process::{self, Child, Command, ExitStatus},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
};

use super::{BrowserError, folder, remote::RemoteSession, scan};

/// The environment variable that marks everything that a session starts: `<id of the harness>-<number>`.
pub const MARKER: &str = "PASSKEY_HARNESS_SESSION";

/// How long ending the processes of a session and removing its folder may take.
const LIMIT: Duration = Duration::from_secs(8);
/// How often processes are looked for while they die; the system tells of its own children only.
const LOOK: Duration = Duration::from_millis(10);
/// How many looks in a row have to find nothing: a process can start another one while we look, and a program that is just being
/// loaded has no environment yet.
const QUIET: usize = 3;

static REGISTRY: Mutex<Registry> = Mutex::new(Registry {
    ending: false,
    signal: None,
    next: 1,
    members: BTreeMap::new(),
    hooks: BTreeMap::new(),
});

struct Registry {
    /// Nothing is started any more.
    ending: bool,
    /// The signal that ends us.
    signal: Option<i32>,
    next: u64,
    members: BTreeMap<u64, Arc<Member>>,
    /// What is done before anything is ended.
    hooks: BTreeMap<u64, Hook>,
}

/// What is done before anything is ended: it has to return soon.
pub(crate) type Hook = Box<dyn FnOnce() + Send>;

struct Member {
    number: u64,
    folder: PathBuf,
    state: Mutex<State>,
}

struct State {
    child: Option<Child>,
    remote: Option<RemoteSession>,
    traces: scan::Traces,
    ended: bool,
}

/// The processes and the folder of one session. Dropping it ends them before it returns.
pub(crate) struct Family(Arc<Member>);

impl Family {
    /// Registers a session and makes its folder.
    ///
    /// # Errors
    /// When the harness ends, or the folder cannot be made.
    pub(crate) fn new() -> Result<Self, BrowserError> {
        let mut registry = lock(&REGISTRY);
        if registry.ending {
            return Err(BrowserError::Ending);
        }
        let number = registry.next;
        registry.next += 1;
        let folder = folder::path(number);
        folder::make(&folder).map_err(|cause| BrowserError::Folder {
            folder: folder.clone(),
            cause,
        })?;
        let traces = scan::Traces {
            marker: format!("{MARKER}={}", mark(number)),
            groups: BTreeSet::new(),
        };
        let member = Arc::new(Member {
            number,
            folder,
            state: Mutex::new(State {
                child: None,
                remote: None,
                traces,
                ended: false,
            }),
        });
        registry.members.insert(number, Arc::clone(&member));
        Ok(Self(member))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// Starts the driver, in a process group of its own, and lets `take` have its pipes.
    ///
    /// # Errors
    /// When the harness ends, or the program cannot be run.
    pub(crate) fn spawn<T>(
        &self,
        command: &mut Command,
        take: impl FnOnce(&mut Child) -> T,
    ) -> Result<T, BrowserError> {
        command.env(MARKER, mark(self.0.number)).process_group(0);
        // Held until the child is written down: who ends all waits for it.
        let registry = lock(&REGISTRY);
        if registry.ending {
            return Err(BrowserError::Ending);
        }
        let mut state = lock(&self.0.state);
        let mut child = command.spawn().map_err(|cause| BrowserError::Spawn {
            driver: command.get_program().into(),
            cause,
        })?;
        let taken = take(&mut child);
        state.traces.groups.extend(id(&child));
        state.child = Some(child);
        drop(registry);
        Ok(taken)
    }

    /// Says how the program ended, if it did.
    pub(crate) fn has_ended(&self) -> Option<ExitStatus> {
        let mut state = lock(&self.0.state);
        state.child.as_mut()?.try_wait().ok()?
    }

    /// Ends a session of somebody else's driver together with this family.
    pub(super) fn adopt(&self, session: RemoteSession) {
        lock(&self.0.state).remote = Some(session);
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Member {
    /// Ends the processes and removes the folder; returns when that is done, also when another thread does it.
    fn end(&self) {
        let mut state = lock(&self.state);
        if !state.ended {
            if let Some(session) = state.remote.take() {
                session.end();
            }
            let deadline = Instant::now() + LIMIT;
            let left = state.kill(deadline);
            let folder = folder::remove(&self.folder, deadline);
            state.ended = true;
            self.complain(&left, folder);
        }
        // Before the registry is locked: who starts a process locks in the other order.
        drop(state);
        lock(&REGISTRY).members.remove(&self.number);
    }

    /// Tells a person what is left for them to remove; there is nobody to return it to.
    fn complain(&self, left: &BTreeSet<i32>, folder: io::Result<()>) {
        if !left.is_empty() {
            complain(&format!("these browser processes do not end: {left:?}"));
        }
        if let Err(cause) = folder {
            let folder = self.folder.display();
            complain(&format!("{folder} cannot be removed: {cause}"));
        }
    }
}

impl State {
    /// Kills until several looks in a row find nothing. Returns what lives at the deadline.
    fn kill(&mut self, deadline: Instant) -> BTreeSet<i32> {
        let Some(child) = &mut self.child else {
            return BTreeSet::new();
        };
        let mut quiet = 0;
        loop {
            // Looked for before anything is killed, while all still have their parents. Without /proc there is the group alone.
            let living = scan::living(&mut self.traces).unwrap_or_default();
            // As long as we have not waited for it, nobody else can get its id.
            let waited = matches!(child.try_wait(), Ok(Some(_)) | Err(_));
            if !waited && let Some(group) = id(child).and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            for process in living.iter().copied().filter_map(Pid::from_raw) {
                let _ = kill_process(process, Signal::KILL);
            }
            quiet = if waited && living.is_empty() {
                quiet + 1
            } else {
                0
            };
            if quiet == QUIET || Instant::now() >= deadline {
                return living;
            }
            thread::sleep(LOOK);
        }
    }
}

/// Has something done before anything is ended, unless it is forgotten before; returns what names it.
pub(crate) fn before_ending(hook: Hook) -> u64 {
    let mut registry = lock(&REGISTRY);
    let number = registry.next;
    registry.next += 1;
    registry.hooks.insert(number, hook);
    number
}

/// Forgets what was to be done before anything is ended.
pub(crate) fn forget(hook: u64) {
    lock(&REGISTRY).hooks.remove(&hook);
}

/// Ends every session's processes and lets none start from now on. Call it before the process ends, however it ends.
///
/// After a signal it does not return but ends the process as the signal wants it.
pub fn end_all() {
    let hooks = std::mem::take(&mut lock(&REGISTRY).hooks);
    hooks.into_values().for_each(|hook| hook());
    end_members();
    let signal = lock(&REGISTRY).signal;
    if let Some(signal) = signal {
        process::exit(128 + signal);
    }
}

/// From now on SIGINT, SIGTERM and SIGHUP end all sessions and then this process, with the exit code 128 + the signal's number.
///
/// # Errors
/// When the system does not let us.
pub fn end_on_signals() -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let inside = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    drop(inside);
    // A thread of its own: it must not wait for the run's threads, which may be busy or blocked.
    let wait = move || {
        let kind = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => SignalKind::interrupt(),
                _ = terminate.recv() => SignalKind::terminate(),
                _ = hangup.recv() => SignalKind::hangup(),
            }
        });
        lock(&REGISTRY).signal = Some(kind.as_raw_value());
        end_all();
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(wait)?;
    Ok(())
}

fn end_members() {
    let members: Vec<_> = {
        let mut registry = lock(&REGISTRY);
        registry.ending = true;
        registry.members.values().cloned().collect()
    };
    // Side by side: what would be ended last does not go on working meanwhile, and one that hangs holds up no other.
    thread::scope(|scope| {
        for member in &members {
            let ending = thread::Builder::new().name("ending".to_owned());
            if ending.spawn_scoped(scope, || member.end()).is_err() {
                member.end();
            }
        }
    });
}

/// Tells a person something while everything ends; there is nobody to return it to.
pub(crate) fn complain(what: &str) {
    // Not through the lock of standard error: the command line holds it, perhaps waiting for something to end.
    let Ok(stderr) = io::stderr().as_fd().try_clone_to_owned() else {
        return;
    };
    let _ = writeln!(File::from(stderr), "passkey-harness: {what}");
}

fn mark(number: u64) -> String {
    format!("{}-{number}", process::id())
}

fn id(child: &Child) -> Option<i32> {
    i32::try_from(child.id()).ok()
}

/// Locks, also after a thread panicked with the lock: what is behind it is whole after every statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
