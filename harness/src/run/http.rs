//! HTTP: one connection to a relying party, opened again when it was closed.

use std::{
    future::poll_fn,
    net::SocketAddr,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use http::response::Parts;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    HeaderMap, Method, Request,
    body::Bytes,
    client::conn::http1::{self, Connection, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use passkey_model::{target::Answered, verdict::Outcome};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};

use super::REQUEST_LIMIT;

const LARGEST_ANSWER: usize = 1024 * 1024;
/// A request that is larger may be refused before it was read: by 413, or by closing the connection on it, which one of the two a
/// client sees is left to chance (RFC 9110, 15.5.14).
pub(super) const LARGE_REQUEST: usize = 1024 * 1024;

/// Sends a request and reads the answer to its end, but no more bytes of it than `largest`.
pub(super) async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    largest: usize,
) -> Result<(Parts, Bytes), String> {
    // A request that is sent before the connection is polled for the first time is cancelled.
    sender.ready().await.map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await;
    let (head, body) = answer.map_err(|error| error.to_string())?.into_parts();
    let body = Limited::new(body, largest).collect().await;
    let body = body.map_err(|error| error.to_string())?;
    Ok((head, body.to_bytes()))
}

/// A connection to a relying party.
pub(super) struct Link {
    address: SocketAddr,
    host: String,
    sender: SendRequest<Full<Bytes>>,
    /// What reads and writes; nothing once it has ended.
    connection: Option<Connection<TokioIo<TcpStream>, Full<Bytes>>>,
    /// How long one request may take.
    limit: Duration,
}

/// A connection that could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to the relying party at {address}: {cause}")]
pub(crate) struct ConnectError {
    address: SocketAddr,
    cause: String,
}

/// What is sent.
pub(super) struct Message {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Message {
    /// Makes a message of JSON, or of nothing where that is null.
    pub(super) fn json(method: Method, path: &str, body: &Value) -> Self {
        let kind = (
            header::CONTENT_TYPE.to_string(),
            "application/json".to_owned(),
        );
        Self {
            method,
            path: path.to_owned(),
            headers: vec![kind],
            body: match body {
                Value::Null => Vec::new(),
                // JSON that is a value already can always be written.
                body => serde_json::to_vec(body).unwrap_or_default(),
            },
        }
    }
}

impl Link {
    pub(super) async fn connect(address: SocketAddr, host: &str) -> Result<Self, ConnectError> {
        let (sender, connection) = open(address).await?;
        Ok(Self {
            address,
            host: host.to_owned(),
            sender,
            connection: Some(connection),
            limit: REQUEST_LIMIT,
        })
    }

    /// Connects to another host of the same server, as patiently.
    pub(super) async fn again(&self, host: &str) -> Result<Self, ConnectError> {
        let link = Self::connect(self.address, host).await?;
        Ok(link.with_limit(self.limit))
    }

    /// Gives a relying party that is slow more time for each request.
    pub(super) const fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Sends a message and returns what is answered, or what happened in its place.
    pub(super) async fn exchange(
        &mut self,
        message: Message,
    ) -> Result<(Answered, HeaderMap), Outcome> {
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
        let mut request = Request::builder()
            .method(message.method)
            .uri(message.path)
            .header(header::HOST, &self.host);
        for (name, value) in message.headers {
            request = request.header(name, value);
        }
        let size = message.body.len();
        let request = request
            .body(Full::new(Bytes::from(message.body)))
            .map_err(|error| crashed(format!("the request cannot be made: {error}")))?;
        let exchange = exchange(&mut self.sender, request, LARGEST_ANSWER);
        let driven = timeout(self.limit, drive(&mut self.connection, exchange)).await;
        if size > LARGE_REQUEST || !matches!(driven, Ok(Ok(_))) {
            // Whether or not it was read to its end, the next request has a connection of its own.
            self.connection = None;
        }
        let (head, body) = match driven {
            Err(_) => return Err(Outcome::Hung),
            Ok(answer) => answer.map_err(crashed)?,
        };
        let content_type = head.headers.get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok());
        let said = Answered::new(
            head.status.as_u16(),
            content_type.unwrap_or_default(),
            &body,
        );
        Ok((said, head.headers))
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
