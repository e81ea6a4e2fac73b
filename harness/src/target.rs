//! Targets that run on their own: read from a file, with their secret from the environment, and asked whether they are there.

mod adapter;
mod adapters;
mod lines;
mod policy;
mod secrets;
mod start;

use std::{
    collections::BTreeMap,
    env, fmt,
    hash::{BuildHasher as _, RandomState},
    net::{Ipv4Addr, SocketAddr},
    path::{self, Path},
    sync::Arc,
    time::Duration,
};

use http_body_util::Empty;
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use passkey_authenticators::{SoftwareAuthenticator, seed::Seed};
use passkey_model::{
    library::Library,
    scenario::{CeremonyKind, PerCeremony},
    target::{Answered, Dialect, Driver, Refusing, Start, Target},
    verdict::{Outcome, known::Listed},
};
use tokio::{net::TcpStream, sync::Mutex, time::timeout};

pub(crate) use adapter::{Ability, Trouble};
pub(crate) use adapters::{Adapters, Lease};
pub use policy::{Control, PolicyError};
pub(crate) use secrets::{Secrets, Veiling};
pub use start::Started;
use start::{Anchors, Captured};

use crate::{
    load::{self, LoadError},
    run,
};

/// How long a target may take until it answers for the first time.
pub const READY_LIMIT: Duration = Duration::from_secs(5);
/// What stands for the status of whoever takes connections and is not asked anything.
const TAKES_CONNECTIONS: u16 = 200;

/// A target with what the run needs of it.
#[derive(Clone)]
pub struct ReadyTarget {
    /// What its file says.
    pub file: Target,
    /// Where it listens; nowhere, if it is an adapter.
    pub address: SocketAddr,
    /// What lets users in before there is a passkey; empty where it needs nothing.
    pub pass: String,
    /// Its secrets, by the names that its file gives them.
    pub secrets: BTreeMap<String, String>,
    /// What it wrote when it was started last.
    pub(crate) captured: Captured,
    /// The passkey with which its only account is let in, made by the first row that needs it, or why there is none.
    pub(crate) kept: Kept,
    /// How it is spoken to; nothing of the reference relying party's own API.
    pub dialect: Option<Arc<Dialect>>,
    /// The bearer token for its policy.
    pub policy_token: Option<String>,
    /// What controls its policy, where its file says how and it was met.
    pub policy: Option<Arc<Control>>,
    /// How fast it is asked; as fast as can be when there is none.
    pub(crate) pace: Option<Arc<run::Pace>>,
    /// What was kept of the requests that all rows share.
    pub(crate) kept_for_all: Arc<run::KeptForAll>,
    /// How it refuses a response: what its file says of that, or else what was learned.
    pub refusals: PerCeremony<Option<Refusing>>,
    /// The processes of an adapter, where it is one.
    pub(crate) adapters: Option<Arc<Adapters>>,
    /// Where it is known to deviate.
    pub deviations: Vec<Listed>,
}

/// The passkey with which the only account of a target is let in.
pub(crate) type Kept = Arc<Mutex<Option<Result<SoftwareAuthenticator, String>>>>;

/// Says why a target cannot be tested.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Its file is wrong: the scenario author's fault.
    #[error("{}", in_lines(.0))]
    File(Vec<LoadError>),
    /// Its secret is missing: the environment's fault.
    #[error("{place}: the environment has no variable {variable}")]
    Secret {
        /// Where the target's file names it.
        place: String,
        /// The variable.
        variable: String,
    },
    /// It cannot be started: the target's fault.
    #[error("target {name} cannot be started: {cause}")]
    Start {
        /// Its name.
        name: String,
        /// What happened.
        cause: String,
    },
    /// It does not answer as a relying party does: the target's fault.
    #[error("target {name} at {address} is unreachable: {cause}; start it, or correct its address")]
    Unreachable {
        /// Its name.
        name: String,
        /// Its address.
        address: SocketAddr,
        /// What happened.
        cause: String,
    },
}

impl TargetError {
    fn without(mut self, secrets: &Secrets) -> Self {
        match &mut self {
            Self::Start { cause, .. } | Self::Unreachable { cause, .. } => secrets.veil(cause),
            Self::File(_) | Self::Secret { .. } => {}
        }
        self
    }
}

fn in_lines(mistakes: &[LoadError]) -> String {
    let lines: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Without its secrets.
impl fmt::Debug for ReadyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyTarget")
            .field("target", &self.file.target)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl ReadyTarget {
    /// Makes a target of what its file says, with its secret.
    #[must_use]
    pub fn new(mut file: Target, pass: String) -> Self {
        if let Some(port) = file.address.map(|at| at.port()).filter(|port| *port != 0) {
            file.listens_on(port);
        }
        let refusals = PerCeremony {
            registration: file.refuses_as(),
            authentication: file.refuses_as(),
        };
        let pace = file.pacing.requests_per_second;
        let pace = pace.map(|in_a_second| Arc::new(run::Pace::of(in_a_second)));
        Self {
            // Nobody connects to the address of an adapter.
            address: file
                .address
                .unwrap_or_else(|| (Ipv4Addr::UNSPECIFIED, 0).into()),
            dialect: file.dialect().map(Arc::new),
            file,
            pass,
            secrets: BTreeMap::new(),
            policy_token: None,
            policy: None,
            pace,
            kept_for_all: Arc::default(),
            captured: Captured::default(),
            kept: Kept::default(),
            refusals,
            adapters: None,
            deviations: Vec::new(),
        }
    }

    /// Waits for the target, and learns how it refuses where its file does not say so; returns what people should know of that.
    ///
    /// `seed` is what the keys derive from that it is shown: a target that keeps what it is given wants another every time.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn meet(&mut self, seed: u64) -> Result<Vec<String>, TargetError> {
        // An adapter has introduced itself, and its protocol says how it refuses.
        if self.adapters.is_some() {
            return Ok(Vec::new());
        }
        probe(self).await?;
        self.policy = Control::of(self);
        // On pages, the file says what a refusal looks like.
        if self.file.refusal.is_some() || self.file.driver == Driver::Page {
            return Ok(Vec::new());
        }
        let learned = run::learn(self, seed).await;
        let learned = learned.map_err(|error| TargetError::Unreachable {
            name: self.file.target.clone(),
            address: self.address,
            cause: error.to_string(),
        })?;
        self.refusals = learned.refusals;
        Ok(learned.notes)
    }

    /// Returns what an answer to a request for a path means, if it is a refusal of a response or of its options.
    pub(crate) fn refused(&self, path: &str, said: &Answered) -> Option<Outcome> {
        let ceremony = run::ceremony_of(path)?;
        let shape = self.refusals.of(ceremony).as_ref()?;
        shape.fits(said).then(|| self.file.refused(said))
    }

    /// Says how it refuses the responses of a ceremony, in words.
    #[must_use]
    pub fn refuses_with(&self, ceremony: CeremonyKind) -> String {
        let shape = self.refusals.of(ceremony).as_ref();
        shape.map_or_else(
            || "in a way that is not known".to_owned(),
            ToString::to_string,
        )
    }
}

/// Reads a target's file and its secrets.
///
/// # Errors
/// When the file is wrong or the environment lacks a secret that nobody can make up.
pub fn load(file: &Path) -> Result<ReadyTarget, TargetError> {
    let read = load::target(file).map_err(TargetError::File)?;
    let deviations = load::deviations(&read).map_err(TargetError::File)?;
    let missing = |at: &str, variable: &String| TargetError::Secret {
        place: format!("{}: {}", read.at(at), at.trim_start_matches('/')),
        variable: variable.clone(),
    };
    let pass = match &read.value.pass_from {
        None => String::new(),
        Some(variable) => env::var(variable).map_err(|_| missing("/pass-from", variable))?,
    };
    let graph = read.value.policy.as_ref();
    let graph = graph.and_then(|policy| policy.graph.as_ref());
    let policy_token = match graph.and_then(|graph| graph.token_from.as_ref()) {
        None => None,
        Some(variable) => {
            let token = env::var(variable);
            Some(token.map_err(|_| missing("/policy/graph/token-from", variable))?)
        }
    };
    let mut secrets = BTreeMap::new();
    for (name, variable) in &read.value.secrets {
        let secret = match env::var(variable) {
            Ok(secret) => secret,
            Err(_) if read.value.start.is_some() => made_up(name),
            Err(_) => return Err(missing(&format!("/secrets/{name}"), variable)),
        };
        secrets.insert(name.clone(), secret);
    }
    let mut target = ReadyTarget::new(read.value, pass);
    target.secrets = secrets;
    target.deviations = deviations;
    target.policy_token = policy_token;
    Ok(target)
}

/// Makes up a secret for a target that we start, which keeps it no longer than the run.
fn made_up(name: &str) -> String {
    let random = RandomState::new().hash_one(name);
    let digits = Seed::new(random, name).bytes("a secret");
    digits.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Starts a target where its file says how, and meets it; returns what keeps it running, and what people should know of it.
///
/// # Errors
/// When it cannot be started, or is not there.
pub async fn prepare(
    target: &mut ReadyTarget,
    folder: &Path,
    library: &Arc<Library>,
    seed: u64,
) -> Result<(Option<Arc<Started>>, Vec<String>), TargetError> {
    let secrets = Secrets::of(target);
    let begun = begin(target, folder, library).await;
    let (started, mut notes) = begun.map_err(|error| error.without(&secrets))?;
    let met = target.meet(seed).await;
    let learned = met.map_err(|error| error.without(&secrets))?;
    notes.extend(learned.into_iter().map(|note| secrets.veiled(note)));
    let started = started.map(Arc::new);
    if let (Some(started), Some(control)) = (&started, &target.policy) {
        control.runs(Arc::clone(started)).await;
    }
    Ok((started, notes))
}

/// Starts a target where its file says how; returns what keeps it running, and what people should know of it.
///
/// # Errors
/// When it cannot be started.
pub async fn begin(
    target: &mut ReadyTarget,
    folder: &Path,
    library: &Arc<Library>,
) -> Result<(Option<Started>, Vec<String>), TargetError> {
    if let Some(how) = adapter_of(target) {
        let anchors = Anchors::of(library).map_err(|error| TargetError::Start {
            name: target.file.target.clone(),
            cause: error.to_string(),
        })?;
        let note = introduce(target, how, folder, anchors).await?;
        return Ok((None, vec![note]));
    }
    let Some(how) = target.file.start.clone() else {
        return Ok((None, Vec::new()));
    };
    let started = start::start(target, how, folder, Arc::clone(library)).await?;
    Ok((Some(started), Vec::new()))
}

/// Starts an adapter that trusts one root of attestation alone; returns what library it speaks for.
///
/// # Errors
/// When the target is no adapter, or cannot be started.
pub async fn prepare_adapter(
    target: &mut ReadyTarget,
    folder: &Path,
    root: Option<Vec<u8>>,
) -> Result<String, TargetError> {
    let Some(how) = adapter_of(target) else {
        return Err(TargetError::Start {
            name: target.file.target.clone(),
            cause: "it is no adapter: expected driver: command, with start".to_owned(),
        });
    };
    introduce(target, how, folder, Anchors::only(root.as_deref())).await
}

/// Returns how a target is started that is an adapter.
fn adapter_of(target: &ReadyTarget) -> Option<Start> {
    let start = target.file.start.clone();
    start.filter(|_| target.file.driver == Driver::Command)
}

/// Starts an adapter, and says what library it speaks for.
async fn introduce(
    target: &mut ReadyTarget,
    how: Start,
    folder: &Path,
    anchors: Anchors,
) -> Result<String, TargetError> {
    let name = target.file.target.clone();
    let failed = |cause: String| TargetError::Start {
        name: name.clone(),
        cause,
    };
    let folder = path::absolute(folder).map_err(|error| failed(error.to_string()))?;
    let adapters = Adapters::new(target, how, folder, anchors);
    let met = adapters.meet().await;
    let met = met.map_err(|trouble| failed(trouble.to_string()))?;
    target.adapters = Some(Arc::new(adapters));
    let language = met.language.map(|language| format!(" ({language})"));
    Ok(format!(
        "target {name} is {} {}{}",
        met.name,
        met.version,
        language.unwrap_or_default()
    ))
}

/// Asks a target whether it is there: one that speaks as the reference relying party does has to answer `GET /healthz` with 200,
/// any other one has to answer with a status below 500.
///
/// # Errors
/// When it refuses the connection, does not answer in time, or answers anything else.
pub async fn probe(target: &ReadyTarget) -> Result<(), TargetError> {
    if target.adapters.is_some() {
        return Ok(());
    }
    let reference = target.file.driver == Driver::Reference;
    let start = target.file.start.as_ref();
    let path = match start {
        _ if reference => "/healthz",
        Some(start) => &start.ready,
        None => "/",
    };
    let cause = match answers(target, path).await {
        Ok(200) => return Ok(()),
        Ok(status) if status < 500 && !reference => return Ok(()),
        Ok(status) => format!("GET {path} answered {status}"),
        Err(error) => error,
    };
    Err(TargetError::Unreachable {
        name: target.file.target.clone(),
        address: target.address,
        cause,
    })
}

/// Returns the status with which a target answers `GET` of a path.
async fn answers(target: &ReadyTarget, path: &str) -> Result<u16, String> {
    let own = target.file.pacing.answers_within_seconds;
    let limit = own
        .map_or(READY_LIMIT, Duration::from_secs)
        .max(READY_LIMIT);
    let answer = timeout(limit, status_of(target, path)).await;
    answer.unwrap_or_else(|_| Err(format!("no answer within {} s", limit.as_secs())))
}

async fn status_of(target: &ReadyTarget, path: &str) -> Result<u16, String> {
    let said = |error: hyper::Error| error.to_string();
    let stream = TcpStream::connect(target.address)
        .await
        .map_err(|error| error.to_string())?;
    if target.file.page.as_ref().is_some_and(|pages| pages.tls) {
        // A browser will speak TLS with it: that it is there is all that can be told.
        return Ok(TAKES_CONNECTIONS);
    }
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(said)?;
    // The task ends with the connection; what went wrong shows in the request.
    tokio::spawn(connection);
    let request = Request::get(path)
        .header(header::HOST, target.file.host())
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    sender.ready().await.map_err(said)?;
    // That it answers is enough: how large its page is does not matter.
    let response = sender.send_request(request).await.map_err(said)?;
    Ok(response.status().as_u16())
}
