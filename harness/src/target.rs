//! Targets that run on their own: read from a file, with their secret from the environment, and asked whether they are there.

use std::{env, path::Path, time::Duration};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use passkey_model::target::Target;
use tokio::{net::TcpStream, time::timeout};

use crate::load::{self, LoadError};

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

/// Reads a target's file and its secret.
///
/// # Errors
/// When the file is wrong or the environment has no such variable.
pub fn load(file: &Path) -> Result<ReadyTarget, TargetError> {
    let read = load::read::<Target>(file)?;
    let pass = env::var(&read.value.pass_from).map_err(|_| TargetError::Secret {
        file: read.at("/pass-from").to_string(),
        variable: read.value.pass_from.clone(),
    })?;
    Ok(ReadyTarget {
        file: read.value,
        pass,
    })
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
