//! The bare script's relying party, and what stands between it and the browser: each request goes on as it is, over connections
//! that stay open.

use std::{net::SocketAddr, pin::Pin};

use http::Uri;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use passkey_harness::browser::{Request, Response, Site};
use passkey_reference_rp::{Config, Expected, RunningRp, User};
use tokio::net::TcpListener;

pub(super) const ORIGIN: &str = "https://login.rp.test/";
pub(super) const PASS: &str = "temporary access pass";
const HOST: &str = "login.rp.test";

/// Returns the name of a user.
pub(super) fn user(number: usize) -> String {
    format!("alice-{number}")
}

/// Starts a relying party that asks for what a row's asks for; each user registers once, as in a row.
pub(super) async fn relying_party(users: usize) -> RunningRp {
    let expected = Expected {
        algorithms: vec![-7, -8, -35, -257],
        ..Expected::new("rp.test", "https://login.rp.test")
    };
    let user = |number| User {
        name: user(number),
        groups: Vec::new(),
        guest: false,
        temporary_access_pass: PASS.to_owned(),
    };
    let config = Config {
        users: (0..users).map(user).collect(),
        ..Config::new(expected)
    };
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    RunningRp::start(config, listener).expect("a relying party")
}

/// A site of one host.
pub(super) struct Minimal {
    relying_party: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Minimal {
    pub(super) fn of(relying_party: SocketAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            relying_party,
            client: Client::builder(TokioExecutor::new()).build(connector),
        }
    }
}

impl Site for Minimal {
    fn serves(&self, host: &str) -> bool {
        host == HOST
    }

    fn answer(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send + '_>> {
        Box::pin(async move {
            let address = format!("http://{}{}", self.relying_party, request.target);
            let mut forwarded = http::Request::new(Full::new(request.body));
            *forwarded.method_mut() = request.method;
            *forwarded.uri_mut() = address.parse::<Uri>().expect("an address");
            *forwarded.headers_mut() = request.headers;
            let answer = self.client.request(forwarded).await.expect("an answer");
            let (head, body) = answer.into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            Response::from_parts(head, body)
        })
    }
}
