//! The proxy of a session: it ends TLS for the hosts of the site that is set, hands each request to it, and refuses everything else.
//!
//! So origins are fixed and without ports, and a browser cannot talk to the network.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::patience::patient;
use super::{BrowserError, certificates::Certificates};

const LARGEST_BODY: usize = 4 * 1024 * 1024;
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long receiving a request and answering it may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// How long to wait when the system has no more file handles; they come back when others are closed.
const PAUSE: Duration = Duration::from_millis(100);

/// A request of a browser over https.
#[derive(Clone, Debug)]
pub struct Request {
    /// The host that the connection is for, in lower case and without a port.
    pub host: String,
    /// The method.
    pub method: Method,
    /// Path and query, as in `/sign-in?next=%2F`.
    pub target: String,
    /// The headers as the browser sent them.
    pub headers: HeaderMap,
    /// The body, of at most 4 MiB.
    pub body: Bytes,
}

/// An answer to a browser.
pub type Response = http::Response<Bytes>;

/// What stands behind one or several hosts.
pub trait Site: Send + Sync {
    /// Says whether a host, in lower case and without a port, is one of this site's.
    fn serves(&self, host: &str) -> bool;

    /// Returns where connections to one of its hosts end, whose TLS is the host's own; nothing where the proxy ends it.
    fn tunnel(&self, _host: &str) -> Option<SocketAddr> {
        None
    }

    /// Answers a request to one of its hosts.
    fn answer(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send + '_>>;
}

/// A proxy that listens until it is dropped; then its connections end too.
pub(super) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    site: RwLock<Option<Arc<dyn Site>>>,
    certificates: Certificates,
}

/// An answer of the proxy's own, which says why so that nobody takes it for the site's.
struct Refusal(StatusCode, &'static str);

/// A tunnel that a browser asked for, and the host at its end.
type Tunnel = (String, OnUpgrade);

impl Proxy {
    /// Starts to listen on a free port of 127.0.0.1, without a site.
    ///
    /// # Errors
    /// When there is no port.
    pub(super) async fn start() -> Result<Self, BrowserError> {
        let failed = |error: std::io::Error| BrowserError::Proxy(error.to_string());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::<Shared>::default();
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            task,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn route(&self, site: Option<Arc<dyn Site>>) {
        *self
            .shared
            .site
            .write()
            .unwrap_or_else(PoisonError::into_inner) = site;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// Returns the site that is set now, if the host is one of its, or the refusal.
    fn site(&self, host: &str) -> Result<Arc<dyn Site>, Refusal> {
        let site = self.site.read().unwrap_or_else(PoisonError::into_inner);
        match site.as_ref() {
            None => Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, "no site is set")),
            Some(site) if site.serves(host) => Ok(Arc::clone(site)),
            Some(_) => Err(Refusal(
                StatusCode::FORBIDDEN,
                "this host is not the site's",
            )),
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Aborts the connections when this task is aborted.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(stream, Arc::clone(&shared)))),
                Err(_) => sleep(PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one connection of the browser: refusals, then at most one tunnel. A connection that breaks is the browser's affair.
async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let tunnel = Mutex::new(None);
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let answer = match open(request, &shared) {
            Ok(opened) => {
                *tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
                Response::default()
            }
            Err(refusal) => refusal.into(),
        };
        async { Ok::<_, Infallible>(answer.map(Full::new)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let served = connection.await;
    let tunnel = tunnel.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let (Ok(()), Some(tunnel)) = (served, tunnel) {
        serve_tunnel(tunnel, &shared).await;
    }
}

/// Opens a tunnel, or says why not. Plain http is refused whatever the host, since a site is asked for by https alone.
fn open(mut request: hyper::Request<Incoming>, shared: &Shared) -> Result<Tunnel, Refusal> {
    if request.method() != Method::CONNECT {
        return Err(Refusal(StatusCode::FORBIDDEN, "plain http is not served"));
    }
    let host = request
        .uri()
        .host()
        .unwrap_or_default()
        .to_ascii_lowercase();
    shared.site(&host)?;
    Ok((host, hyper::upgrade::on(&mut request)))
}

async fn serve_tunnel((host, upgrade): Tunnel, shared: &Shared) {
    let Ok(stream) = upgrade.await else { return };
    let own = shared.site(&host).ok().and_then(|site| site.tunnel(&host));
    if let Some(address) = own {
        // What breaks is between the browser and the host.
        if let Ok(mut end) = TcpStream::connect(address).await {
            let _ = copy_bidirectional(&mut TokioIo::new(stream), &mut end).await;
        }
        return;
    }
    let Ok(config) = shared.certificates.of(&host) else {
        return;
    };
    let handshake = TlsAcceptor::from(config).accept(TokioIo::new(stream));
    let Ok(Ok(stream)) = timeout(patient(HANDSHAKE_LIMIT), handshake).await else {
        return;
    };
    let service = service_fn(|request| async {
        const LATE: Refusal = Refusal(StatusCode::GATEWAY_TIMEOUT, "no answer in time");
        let answer = timeout(ANSWER_LIMIT, answer(&host, request, shared)).await;
        let answer = answer.unwrap_or(Err(LATE)).unwrap_or_else(Response::from);
        Ok::<_, Infallible>(answer.map(Full::new))
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// Lets the site that is set when the request arrives answer it, however old the connection is.
async fn answer(
    host: &str,
    request: hyper::Request<Incoming>,
    shared: &Shared,
) -> Result<Response, Refusal> {
    let site = shared.site(host)?;
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, LARGEST_BODY).collect().await;
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            Refusal(StatusCode::PAYLOAD_TOO_LARGE, "the body exceeds 4 MiB")
        } else {
            Refusal(StatusCode::BAD_REQUEST, "the body cannot be read")
        }
    })?;
    let target = parts.uri.path_and_query();
    let request = Request {
        host: host.to_owned(),
        method: parts.method,
        target: target.map_or_else(|| "/".to_owned(), ToString::to_string),
        headers: parts.headers,
        body: body.to_bytes(),
    };
    let mut response = site.answer(request).await;
    // About the connection that the site's answer came over, not about this one.
    for name in [header::CONNECTION, header::TRANSFER_ENCODING] {
        response.headers_mut().remove(name);
    }
    Ok(response)
}

impl From<Refusal> for Response {
    fn from(Refusal(status, why): Refusal) -> Self {
        let mut response = Self::new(Bytes::from(format!("passkey-harness: {why}\n")));
        *response.status_mut() = status;
        let text = header::HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        response
    }
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
