//! Targets that run on their own: read from a file, with their secret from the environment, and asked whether they are there.

use std::{env, path::Path, time::Duration};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use passkey_model::{
    scenario::{CeremonyKind, PerCeremony},
    target::{Answered, Refusing, Target},
    verdict::Outcome,
};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    load::{self, LoadError},
    run,
};

/// How long a target may take until it answers for the first time.
pub const READY_LIMIT: Duration = Duration::from_secs(5);
const LARGEST_ANSWER: usize = 64 * 1024;

/// A target with what the run needs of it.
#[derive(Clone, Debug)]
pub struct ReadyTarget {
    /// What its file says.
    pub file: Target,
    /// What lets users in before there is a passkey.
    pub pass: String,
    /// How it refuses a response: what its file says of that, or else what was learned.
    pub refusals: PerCeremony<Option<Refusing>>,
}

/// Says why a target cannot be tested.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Its file is wrong: the scenario author's fault.
    #[error(transparent)]
    File(#[from] LoadError),
    /// Its secret is missing: the environment's fault.
    #[error("{file}: pass-from: the environment has no variable {variable}")]
    Secret {
        /// The target's file.
        file: String,
        /// The variable.
        variable: String,
    },
    /// It does not answer as a relying party does: the target's fault.
    #[error("target {name} at {address} is unreachable: {cause}; start it, or correct its address")]
    Unreachable {
        /// Its name.
        name: String,
        /// Its address.
        address: std::net::SocketAddr,
        /// What happened.
        cause: String,
    },
    /// We cannot ask: our environment's fault.
    #[error("cannot start to ask the target: {0}")]
    Runtime(#[source] std::io::Error),
}

impl ReadyTarget {
    /// Makes a target of what its file says, with its secret.
    #[must_use]
    pub fn new(file: Target, pass: String) -> Self {
        let refusals = PerCeremony {
            registration: file.refusal.clone(),
            authentication: file.refusal.clone(),
        };
        Self {
            file,
            pass,
            refusals,
        }
    }

    /// Waits for the target, and learns how it refuses where its file does not say so; returns what people should know of that.
    ///
    /// `seed` is what the keys derive from that it is shown: a target that keeps what it is given wants another every time.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn meet(&mut self, seed: u64) -> Result<Vec<String>, TargetError> {
        probe(&self.file).await?;
        if self.file.refusal.is_some() {
            return Ok(Vec::new());
        }
        let learned = run::learn(self, seed).await;
        let learned = learned.map_err(|error| TargetError::Unreachable {
            name: self.file.target.clone(),
            address: self.file.address,
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

/// Reads a target's file and its secret.
///
/// # Errors
/// When the file is wrong or the environment has no such variable.
pub fn load(file: &Path) -> Result<ReadyTarget, TargetError> {
    let read = load::target(file)?;
    let pass = env::var(&read.value.pass_from).map_err(|_| TargetError::Secret {
        file: read.at("/pass-from").to_string(),
        variable: read.value.pass_from.clone(),
    })?;
    Ok(ReadyTarget::new(read.value, pass))
}
/// Asks a target whether it is there: `GET /healthz` has to be answered with 200 in time.
///
/// # Errors
/// When it refuses the connection, does not answer in time, or answers anything else.
pub async fn probe(target: &Target) -> Result<(), TargetError> {
    let cause = match timeout(READY_LIMIT, health(target)).await {
        Ok(Ok(200)) => return Ok(()),
        Ok(Ok(status)) => format!("GET /healthz answered {status}"),
        Ok(Err(error)) => error,
        Err(_) => format!("no answer within {} s", READY_LIMIT.as_secs()),
    };
    Err(TargetError::Unreachable {
        name: target.target.clone(),
        address: target.address,
        cause,
    })
}

async fn health(target: &Target) -> Result<u16, String> {
    let said = |error: hyper::Error| error.to_string();
    let stream = TcpStream::connect(target.address)
        .await
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(said)?;
    // The task ends with the connection; what went wrong shows in the request.
    tokio::spawn(connection);
    let request = Request::get("/healthz")
        .header(header::HOST, target.host())
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    sender.ready().await.map_err(said)?;
    let response = sender.send_request(request).await.map_err(said)?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), LARGEST_ANSWER);
    body.collect().await.map_err(|error| error.to_string())?;
    Ok(status)
}
