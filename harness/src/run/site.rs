//! What a row's browser reaches: the row's relying party under its own hosts, and the harness where its provider should be.
//!
//! Every request goes to the relying party as it is, and every answer back as it is. What is posted as JSON is told to the row, which
//! lets options go on to the page when it has done what happens in between.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Mutex, PoisonError},
};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use passkey_model::target::Answered;
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    api::{Answer, Reader},
    http::exchange,
};
use crate::browser::{Request, Response, Site};

/// The host under which the extension finds its provider.
pub(super) const PROVIDER: &str = "provider.test";
/// How many bytes a script or a picture of a page may have.
const LARGEST_PART: usize = 8 * 1024 * 1024;
/// The path that the extension asks.
const CALL: &str = "/call";

/// Something that happened on the row's page.
pub(super) enum Event {
    /// The extension asks what to answer the page.
    Call {
        /// What it says: kind, origin, options.
        call: Value,
        /// Takes what the extension is to do.
        answer: oneshot::Sender<Value>,
    },
    /// The page posted JSON, and the relying party answered; options reach the page when `go_on` is dropped.
    Posted {
        path: String,
        request: Value,
        answer: Answer,
        go_on: oneshot::Sender<()>,
    },
}

/// What a request said of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub path: String,
    pub user_agent: String,
    /// The `Sec-CH-UA-*` headers, lower case, sorted.
    pub hints: Vec<(String, String)>,
}

/// The site of one row.
pub(super) struct RowSite {
    rp: SocketAddr,
    /// The domain under which every host is the relying party's.
    domain: String,
    hosts: Vec<String>,
    /// Whether the relying party speaks TLS itself.
    tls: bool,
    /// Whether options wait until the row has done what happens in between.
    holds: bool,
    events: mpsc::UnboundedSender<Event>,
    said: Mutex<Vec<Said>>,
    asked: Mutex<Vec<AskedFor>>,
    reader: Reader,
}

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AskedFor {
    /// Its path and query.
    pub path: String,
    /// Whether it only reads, as what waits for news does.
    pub reads: bool,
    /// The status of the answer; nothing while there is none.
    pub status: Option<u16>,
}

impl RowSite {
    /// Makes the site of a relying party that listens at an address; it is reached under its RP ID, every host below that, and other
    /// hosts that are named.
    pub(super) fn new(
        rp: SocketAddr,
        rp_id: &str,
        hosts: Vec<String>,
        reader: Reader,
    ) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (events, received) = mpsc::unbounded_channel();
        let site = Self {
            rp,
            domain: rp_id.to_owned(),
            hosts,
            tls: false,
            holds: true,
            events,
            said: Mutex::default(),
            asked: Mutex::default(),
            reader,
        };
        (site, received)
    }

    /// Makes it the site of a target's own pages, of which the row sees nothing in between; one that speaks TLS itself is not looked into.
    pub(super) const fn of_own_pages(mut self, tls: bool) -> Self {
        self.tls = tls;
        self.holds = false;
        self
    }

    /// Returns what was asked of the relying party, in order.
    pub(super) fn asked(&self) -> Vec<AskedFor> {
        let asked = self.asked.lock();
        asked.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes that something is asked, and returns its place.
    fn note_asked(&self, request: &Request) -> usize {
        let asked = self.asked.lock();
        let mut asked = asked.unwrap_or_else(PoisonError::into_inner);
        asked.push(AskedFor {
            path: request.target.clone(),
            reads: request.method == Method::GET,
            status: None,
        });
        asked.len() - 1
    }

    fn note_answered(&self, place: usize, status: StatusCode) {
        let asked = self.asked.lock();
        let mut asked = asked.unwrap_or_else(PoisonError::into_inner);
        asked[place].status = Some(status.as_u16());
    }

    /// Returns what the requests for pages and the requests of their scripts said of the client, in order.
    pub(super) fn said(&self) -> Vec<Said> {
        self.said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, request: &Request) {
        if request.target.starts_with("/pages/") {
            return;
        }
        let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = &request.headers;
        let mut hints: Vec<_> = headers
            .iter()
            .filter(|(name, _)| name.as_str().starts_with("sec-ch-ua"))
            .map(|(name, value)| (name.as_str().to_owned(), text(value)))
            .collect();
        hints.sort();
        let said = Said {
            path: request.target.clone(),
            user_agent: headers
                .get(header::USER_AGENT)
                .map(text)
                .unwrap_or_default(),
            hints,
        };
        self.said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(said);
    }

    async fn relying_party(&self, request: Request) -> Response {
        self.note(&request);
        let posted = (request.method == Method::POST)
            .then(|| serde_json::from_slice(&request.body).unwrap_or(Value::Null));
        let path = request.target.clone();
        let place = self.note_asked(&request);
        let forwarded = timeout(self.reader.limit(), self.forward(request)).await;
        match &forwarded {
            Ok(Ok(response)) => self.note_answered(place, response.status()),
            Ok(Err(_)) => self.note_answered(place, StatusCode::BAD_GATEWAY),
            // It stays without one.
            Err(_) => {}
        }
        let (response, answer) = match forwarded {
            Ok(Ok(response)) => {
                let answer = self.reader.read(&path, &answered(&response));
                (response, answer)
            }
            Ok(Err(how)) => (gateway(&how), Answer::crashed(how)),
            Err(_) => (gateway("no answer in time"), Answer::hung()),
        };
        if let Some(request) = posted {
            let are_options = path.ends_with("/options");
            let (go_on, gone_on) = oneshot::channel();
            let event = Event::Posted {
                path,
                request,
                answer,
                go_on,
            };
            // A row that is over listens no more, and neither does its page.
            if self.events.send(event).is_ok() && are_options && self.holds {
                let _ = gone_on.await;
            }
        }
        response
    }

    async fn forward(&self, request: Request) -> Result<Response, String> {
        let stream = TcpStream::connect(self.rp)
            .await
            .map_err(|error| error.to_string())?;
        stream
            .set_nodelay(true)
            .map_err(|error| error.to_string())?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        // Ends with the connection; what went wrong shows in the exchange.
        tokio::spawn(connection);
        let mut forwarded = http::Request::builder()
            .method(request.method)
            .uri(request.target)
            .body(Full::new(request.body))
            .map_err(|error| error.to_string())?;
        *forwarded.headers_mut() = of_message(request.headers);
        if !forwarded.headers().contains_key(header::HOST) {
            let host = HeaderValue::from_str(&request.host).map_err(|error| error.to_string())?;
            forwarded.headers_mut().insert(header::HOST, host);
        }
        let (head, body) = exchange(&mut sender, forwarded, LARGEST_PART).await?;
        let mut response = Response::new(body);
        *response.status_mut() = head.status;
        *response.headers_mut() = of_message(head.headers);
        Ok(response)
    }

    async fn provider(&self, request: Request) -> Response {
        let call = serde_json::from_slice(&request.body);
        let (Ok(call), true) = (call, request.target == CALL) else {
            return plain(StatusCode::NOT_FOUND, "the provider answers POST /call");
        };
        let (answer, answered) = oneshot::channel();
        let nobody = || json!({ "do": "error", "name": "NotAllowedError", "message": "no row asks for a passkey" });
        let answer = match self.events.send(Event::Call { call, answer }) {
            Ok(()) => answered.await.unwrap_or_else(|_| nobody()),
            Err(_) => nobody(),
        };
        let mut response = plain(StatusCode::OK, &answer.to_string());
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }
}

impl Site for RowSite {
    fn serves(&self, host: &str) -> bool {
        let below = host.strip_suffix(&self.domain);
        host == PROVIDER
            || below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            || self.hosts.iter().any(|known| known == host)
    }

    fn tunnel(&self, host: &str) -> Option<SocketAddr> {
        (self.tls && host != PROVIDER).then_some(self.rp)
    }

    fn answer(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send + '_>> {
        Box::pin(async move {
            if request.host == PROVIDER {
                self.provider(request).await
            } else {
                self.relying_party(request).await
            }
        })
    }
}

/// Leaves out the headers that belong to a connection, not to the message (RFC 9110, 7.6.1): both sides have connections of their own.
fn of_message(mut headers: HeaderMap) -> HeaderMap {
    for name in [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::CONTENT_LENGTH,
        header::UPGRADE,
        header::TE,
    ] {
        headers.remove(name);
    }
    headers
}

fn answered(response: &Response) -> Answered {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    Answered::new(response.status().as_u16(), kind, response.body())
}

fn gateway(how: &str) -> Response {
    plain(StatusCode::BAD_GATEWAY, how)
}

fn plain(status: StatusCode, text: &str) -> Response {
    let mut response = Response::new(Bytes::from(text.to_owned()));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use axum::{Router, extract::Path, routing};

    use super::*;

    /// Asks a site whose server tells the host that it was asked under, and answers with as many bytes as it is asked for.
    async fn asked(target: &str, headers: HeaderMap) -> Response {
        let part = |Path(size): Path<usize>| async move { "x".repeat(size) };
        let host = |headers: HeaderMap| async move { headers["host"].to_str().unwrap().to_owned() };
        let app = Router::new()
            .route("/host", routing::get(host))
            .route("/part/{size}", routing::get(part));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        let (site, _events) = RowSite::new(address, "rp.test", Vec::new(), Reader::Reference);
        let request = Request {
            host: "login.rp.test".to_owned(),
            method: Method::GET,
            target: target.to_owned(),
            headers,
            body: Bytes::new(),
        };
        site.answer(request).await
    }

    #[tokio::test]
    async fn a_server_sees_the_host_that_the_browser_names_with_its_port() {
        let named = HeaderValue::from_static("login.rp.test:8443");
        let headers = HeaderMap::from_iter([(header::HOST, named)]);
        assert_eq!(asked("/host", headers).await.body(), "login.rp.test:8443");
        let over_http2 = HeaderMap::new();
        assert_eq!(asked("/host", over_http2).await.body(), "login.rp.test");
    }

    #[tokio::test]
    async fn a_part_of_a_page_has_eight_mebibytes_and_not_a_byte_more() {
        let largest = asked(&format!("/part/{LARGEST_PART}"), HeaderMap::new()).await;
        assert_eq!(largest.status(), StatusCode::OK);
        assert_eq!(largest.body().len(), 8 * 1024 * 1024);
        let more = asked(&format!("/part/{}", LARGEST_PART + 1), HeaderMap::new()).await;
        assert_eq!(more.status(), StatusCode::BAD_GATEWAY);
        let how = String::from_utf8_lossy(more.body());
        assert!(how.contains("length limit exceeded"), "{how}");
    }
}
