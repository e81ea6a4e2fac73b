//! The api driver: our HTTP client, in the dialect of the reference relying party's L3 JSON API.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request,
    body::Bytes,
    client::conn::http1::{self, Connection, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use passkey_model::{
    target::Answered,
    verdict::{Outcome, Reason},
};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};

use super::REQUEST_LIMIT;
use crate::target::ReadyTarget;

pub(super) const LARGEST_ANSWER: usize = 1024 * 1024;
/// A request that is larger may be refused before it was read: by 413, or by closing the connection on it, which one of the two a
/// client sees is left to chance (RFC 9110, 15.5.14).
const LARGE_REQUEST: usize = 1024 * 1024;

/// A connection to a relying party, with a session for each user.
pub(super) struct Api {
    address: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
    /// What reads and writes; nothing once it has ended.
    connection: Option<Connection<TokioIo<TcpStream>, Full<Bytes>>>,
    host: String,
    sessions: BTreeMap<String, String>,
    /// The status and the body of the last answer.
    answered: (u16, Vec<u8>),
    reader: Reader,
}

/// Knows how a relying party says that it refuses.
#[derive(Clone, Debug)]
pub(super) enum Reader {
    /// The reference relying party, which names its reasons.
    Reference,
    /// A target, in its own words.
    Target(Arc<ReadyTarget>),
}

/// An answer, or what happened in its place.
pub(super) enum Answer {
    Json(Value),
    Refused(Outcome),
}

impl Answer {
    pub(super) const fn crashed(how: String) -> Self {
        Self::Refused(Outcome::Crashed { how })
    }

    pub(super) const fn hung() -> Self {
        Self::Refused(Outcome::Hung)
    }

    /// Returns what an answer means for a step that needs nothing of its JSON.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Json(_) => Outcome::Accepted,
            Self::Refused(outcome) => outcome,
        }
    }
}

/// A connection that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to the relying party at {address}: {cause}")]
pub(crate) struct ConnectError {
    address: SocketAddr,
    cause: String,
}

impl Api {
    pub(super) async fn connect(
        address: SocketAddr,
        host: &str,
        reader: Reader,
    ) -> Result<Self, ConnectError> {
        let (sender, connection) = open(address).await?;
        Ok(Self {
            address,
            sender,
            connection: Some(connection),
            host: host.to_owned(),
            sessions: BTreeMap::new(),
            answered: (0, Vec::new()),
            reader,
        })
    }

    /// Makes a second connection with the same sessions.
    pub(super) async fn twin(&self, address: SocketAddr) -> Result<Self, ConnectError> {
        let mut twin = Self::connect(address, &self.host, self.reader.clone()).await?;
        twin.sessions.clone_from(&self.sessions);
        Ok(twin)
    }

    pub(super) fn forget(&mut self, user: &str) {
        self.sessions.remove(user);
    }

    pub(super) fn has_session(&self, user: &str) -> bool {
        self.sessions.contains_key(user)
    }

    /// Returns the status and the body of the last answer.
    pub(super) fn answered(&self) -> (u16, &[u8]) {
        (self.answered.0, &self.answered.1)
    }

    /// Returns the cookie of a user's session.
    pub(super) fn cookie(&self, user: &str) -> Option<&String> {
        self.sessions.get(user)
    }

    /// Puts a cookie in the place of a user's session.
    pub(super) fn keep(&mut self, user: &str, cookie: String) {
        self.sessions.insert(user.to_owned(), cookie);
    }

    pub(super) async fn get(&mut self, user: &str, path: &str) -> Answer {
        self.send(Method::GET, user, path, &Value::Null).await
    }

    pub(super) async fn delete(&mut self, user: &str, path: &str) -> Answer {
        self.send(Method::DELETE, user, path, &Value::Null).await
    }

    pub(super) async fn post(&mut self, user: &str, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, user, path, body).await
    }

    pub(super) async fn patch(&mut self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, "", path, body).await
    }

    /// Posts, and reads nothing out of what was answered; `Err` where there is no answer.
    pub(super) async fn ask(
        &mut self,
        user: &str,
        path: &str,
        body: &Value,
    ) -> Result<Answered, Outcome> {
        self.exchange(Method::POST, user, path, body).await
    }

    async fn send(&mut self, method: Method, user: &str, path: &str, body: &Value) -> Answer {
        match self.exchange(method, user, path, body).await {
            Ok(said) => {
                let answer = self.reader.read(path, &said);
                self.answered = (said.status, said.body);
                answer
            }
            Err(outcome) => Answer::Refused(outcome),
        }
    }

    async fn exchange(
        &mut self,
        method: Method,
        user: &str,
        path: &str,
        body: &Value,
    ) -> Result<Answered, Outcome> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(session) = self.sessions.get(user) {
            request = request.header(header::COOKIE, session);
        }
        let written = match body {
            Value::Null => Vec::new(),
            // JSON that is a value already can always be written.
            body => serde_json::to_vec(body).unwrap_or_default(),
        };
        let crashed = |how: String| Outcome::Crashed { how };
        // It may have been closed since the last answer, which is no crash.
        if let Some(open) = &mut self.connection
            && poll_fn(|context| Poll::Ready(Pin::new(&mut *open).poll(context).is_ready())).await
        {
            self.connection = None;
        }
        if self.connection.is_none() {
            let opened = open(self.address).await;
            let (sender, connection) = opened.map_err(|error| crashed(error.to_string()))?;
            self.sender = sender;
            self.connection = Some(connection);
        }
        let size = written.len();
        let request = request
            .body(Full::new(Bytes::from(written)))
            .map_err(|error| crashed(format!("the request cannot be made: {error}")))?;
        let exchange = async {
            // A request that is sent before the connection is polled for the first time is cancelled.
            self.sender
                .ready()
                .await
                .map_err(|error| error.to_string())?;
            let response = self
                .sender
                .send_request(request)
                .await
                .map_err(|error| error.to_string())?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LARGEST_ANSWER)
                .collect()
                .await
                .map_err(|error| error.to_string())?;
            Ok::<_, String>((head, body.to_bytes()))
        };
        let driven = timeout(REQUEST_LIMIT, drive(&mut self.connection, exchange)).await;
        if size > LARGE_REQUEST {
            // Whether or not it was read to its end, the next request has a connection of its own.
            self.connection = None;
        }
        let (head, body) = match driven {
            Err(_) => return Err(Outcome::Hung),
            Ok(Err(error)) if size > LARGE_REQUEST => return Err(too_large(size, &error)),
            Ok(Err(error)) => return Err(crashed(error)),
            Ok(Ok(answer)) => answer,
        };
        if size > LARGE_REQUEST && head.status == 413 && !matches!(self.reader, Reader::Reference) {
            return Err(too_large(size, "status 413"));
        }
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(pair) = text(header::SET_COOKIE).and_then(|cookie| cookie.split(';').next()) {
            self.sessions.insert(user.to_owned(), pair.to_owned());
        }
        let content_type = text(header::CONTENT_TYPE).unwrap_or_default();
        Ok(Answered::new(head.status.as_u16(), content_type, &body))
    }
}

type Opened = (
    SendRequest<Full<Bytes>>,
    Connection<TokioIo<TcpStream>, Full<Bytes>>,
);

async fn open(address: SocketAddr) -> Result<Opened, ConnectError> {
    let failed = |cause: String| ConnectError { address, cause };
    let stream = timeout(REQUEST_LIMIT, TcpStream::connect(address)).await;
    let stream = stream
        .map_err(|_| failed("time-out".to_owned()))?
        .map_err(|error| failed(error.to_string()))?;
    stream
        .set_nodelay(true)
        .map_err(|error| failed(error.to_string()))?;
    let opened = http1::handshake(TokioIo::new(stream)).await;
    opened.map_err(|error| failed(error.to_string()))
}

/// A request was refused for its size.
fn too_large(size: usize, how: &str) -> Outcome {
    Outcome::Rejected {
        reasons: vec![Reason::Unknown],
        message: format!("a request of {size} bytes is not taken: {how}"),
    }
}

/// Lets a connection read and write for as long as an exchange takes.
///
/// A task of its own would do it too, at the price of waking another thread twice a request.
async fn drive<T>(
    connection: &mut Option<Connection<TokioIo<TcpStream>, Full<Bytes>>>,
    exchange: impl Future<Output = T>,
) -> T {
    let mut exchange = pin!(exchange);
    if let Some(open) = connection {
        tokio::select! {
            biased;
            answer = &mut exchange => return answer,
            // What went wrong shows in the exchange.
            _ = open => *connection = None,
        }
    }
    exchange.await
}

impl Reader {
    /// Reads an answer to a request for a path.
    pub(super) fn read(&self, path: &str, said: &Answered) -> Answer {
        let json = if said.body.is_empty() {
            Some(Value::Null)
        } else {
            said.json()
        };
        if let Self::Target(target) = self
            && let Some(refused) = target.refused(path, said)
        {
            return Answer::Refused(refused);
        }
        match (said.status, json, self) {
            (200..=299, Some(json), _) => Answer::Json(json),
            (200..=299, None, _) => Answer::crashed(format!("status {} without JSON", said.status)),
            (500..=599, ..) => Answer::crashed(said.to_string()),
            (400 | 403 | 413, Some(json), Self::Reference) if json.get("error").is_some() => {
                Answer::Refused(refusal(&json["error"]))
            }
            _ => Answer::Refused(Outcome::OtherRefusal {
                what: said.to_string(),
            }),
        }
    }
}

/// The reference relying party names its reasons; a policy's refusal stands where Graph puts it.
fn refusal(error: &Value) -> Outcome {
    let listed = error["reasons"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let inner = error.pointer("/innerError/reason");
    let reasons = listed.iter().chain(inner).filter_map(Value::as_str);
    Outcome::Rejected {
        // A reason that nobody knows is none: it never is the one that was expected.
        reasons: reasons.filter_map(|reason| reason.parse().ok()).collect(),
        message: error["message"].as_str().unwrap_or_default().to_owned(),
    }
}
