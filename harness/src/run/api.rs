//! The api driver: our HTTP client, in the dialect of the reference relying party's L3 JSON API.

use std::{collections::BTreeMap, net::SocketAddr, pin::pin};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request,
    body::Bytes,
    client::conn::http1::{self, Connection, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use passkey_model::verdict::{Outcome, Reason};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};

use super::REQUEST_LIMIT;

pub(super) const LARGEST_ANSWER: usize = 1024 * 1024;

/// A connection to a relying party, with a session for each user.
pub(super) struct Api {
    sender: SendRequest<Full<Bytes>>,
    /// What reads and writes; nothing once it has ended.
    connection: Option<Connection<TokioIo<TcpStream>, Full<Bytes>>>,
    host: String,
    sessions: BTreeMap<String, String>,
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
pub(super) struct ConnectError {
    address: SocketAddr,
    cause: String,
}

impl Api {
    pub(super) async fn connect(address: SocketAddr, host: &str) -> Result<Self, ConnectError> {
        let failed = |cause: String| ConnectError { address, cause };
        let stream = timeout(REQUEST_LIMIT, TcpStream::connect(address)).await;
        let stream = stream
            .map_err(|_| failed("time-out".to_owned()))?
            .map_err(|error| failed(error.to_string()))?;
        stream
            .set_nodelay(true)
            .map_err(|error| failed(error.to_string()))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            sender,
            connection: Some(connection),
            host: host.to_owned(),
            sessions: BTreeMap::new(),
        })
    }

    /// Makes a second connection with the same sessions.
    pub(super) async fn twin(&self, address: SocketAddr) -> Result<Self, ConnectError> {
        let mut twin = Self::connect(address, &self.host).await?;
        twin.sessions.clone_from(&self.sessions);
        Ok(twin)
    }

    pub(super) fn forget(&mut self, user: &str) {
        self.sessions.remove(user);
    }

    pub(super) fn has_session(&self, user: &str) -> bool {
        self.sessions.contains_key(user)
    }

    pub(super) async fn post(&mut self, user: &str, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, user, path, body).await
    }

    pub(super) async fn patch(&mut self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, "", path, body).await
    }

    async fn send(&mut self, method: Method, user: &str, path: &str, body: &Value) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(session) = self.sessions.get(user) {
            request = request.header(header::COOKIE, session);
        }
        // JSON that is a value already can always be written.
        let written = serde_json::to_vec(body).unwrap_or_default();
        let request = match request.body(Full::new(Bytes::from(written))) {
            Ok(request) => request,
            Err(error) => return Answer::crashed(format!("the request cannot be made: {error}")),
        };
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
        let driven = drive(&mut self.connection, exchange);
        let (head, body) = match timeout(REQUEST_LIMIT, driven).await {
            Err(_) => return Answer::hung(),
            Ok(Err(error)) => return Answer::crashed(error),
            Ok(Ok(answer)) => answer,
        };
        let cookie = head
            .headers
            .get(header::SET_COOKIE)
            .and_then(|value| value.to_str().ok());
        if let Some(pair) = cookie.and_then(|cookie| cookie.split(';').next()) {
            self.sessions.insert(user.to_owned(), pair.to_owned());
        }
        read(head.status.as_u16(), &body)
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

/// Reads an answer by its status and body.
pub(super) fn read(status: u16, body: &[u8]) -> Answer {
    let json: Option<Value> = if body.is_empty() {
        Some(Value::Null)
    } else {
        serde_json::from_slice(body).ok()
    };
    match (status, json) {
        (200..=299, Some(json)) => Answer::Json(json),
        (200..=299, None) => Answer::crashed(format!("status {status} without JSON")),
        (400 | 403, Some(json)) if json.get("error").is_some() => {
            Answer::Refused(refusal(&json["error"]))
        }
        (500..=599, _) => Answer::crashed(format!("status {status}")),
        _ => Answer::Refused(Outcome::OtherRefusal {
            what: format!("status {status}"),
        }),
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
        reasons: reasons
            .map(|reason| reason.parse().unwrap_or(Reason::Unknown))
            .collect(),
        message: error["message"].as_str().unwrap_or_default().to_owned(),
    }
}
