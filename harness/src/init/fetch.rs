//! Fetches over plain HTTP: bounded in time and size, and no redirect is followed.

use std::{net::SocketAddr, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use url::{Position, Url};

const LIMIT: Duration = Duration::from_secs(5);
const LARGEST: usize = 4 * 1024 * 1024;

/// What was answered.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    body: Bytes,
}

impl Got {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// Asks for a URL at the address of its host; a body that is not null is sent as JSON.
pub(super) async fn fetch(
    address: SocketAddr,
    url: &Url,
    method: Method,
    body: &Value,
) -> Result<Got, String> {
    let answer = timeout(LIMIT, exchange(address, url, method, body)).await;
    answer.unwrap_or_else(|_| Err(format!("no answer within {} s", LIMIT.as_secs())))
}

async fn exchange(
    address: SocketAddr,
    url: &Url,
    method: Method,
    body: &Value,
) -> Result<Got, String> {
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|error| error.to_string())?;
    let said = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(said)?;
    // The task ends with the connection; what went wrong shows in the request.
    tokio::spawn(connection);
    let sent = match body {
        Value::Null => Bytes::new(),
        body => Bytes::from(body.to_string()),
    };
    let mut request = Request::builder()
        .method(method)
        .uri(&url[Position::BeforePath..Position::AfterQuery])
        .header(
            header::HOST,
            &url[Position::BeforeHost..Position::AfterPort],
        )
        .header(header::ACCEPT, "*/*");
    if !sent.is_empty() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let request = request.body(Full::new(sent));
    let request = request.map_err(|error| error.to_string())?;
    sender.ready().await.map_err(said)?;
    let response = sender.send_request(request).await.map_err(said)?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), LARGEST).collect().await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    Ok(Got { status, body })
}
