use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};

use super::*;

struct Echo;

impl Site for Echo {
    fn serves(&self, host: &str) -> bool {
        host == "login.rp.test"
    }

    fn answer(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send + '_>> {
        Box::pin(async move { Response::new(request.body.len().to_string().into()) })
    }
}

async fn proxy() -> Proxy {
    let proxy = Proxy::start().await.unwrap();
    proxy.route(Some(Arc::new(Echo)));
    proxy
}

/// Sends the head of a request to the proxy and returns the status of the answer, with the connection.
async fn send(proxy: &Proxy, head: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream
        .write_all(format!("{head}\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut buffer = [0; 1024];
    let count = stream.read(&mut buffer).await.unwrap();
    (
        String::from_utf8_lossy(&buffer[9..12.min(count)]).into_owned(),
        stream,
    )
}

async fn tunnel(proxy: &Proxy) -> TlsStream<TcpStream> {
    let (status, stream) = send(proxy, "CONNECT login.rp.test:443 HTTP/1.1").await;
    assert_eq!(status, "200");
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TakesAll))
        .with_no_client_auth();
    let name = ServerName::try_from("login.rp.test").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap()
}

/// Posts a body of some length, and returns the answer.
async fn post(stream: &mut TlsStream<TcpStream>, length: usize) -> String {
    let head =
        format!("POST / HTTP/1.1\r\nHost: login.rp.test\r\nContent-Length: {length}\r\n\r\n");
    let mut request = head.into_bytes();
    request.resize(request.len() + length, 0);
    // The proxy may answer, and stop to read, before it has everything.
    let _ = stream.write_all(&request).await;
    let mut buffer = [0; 4096];
    let count = stream.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..count]).into_owned()
}

#[tokio::test]
async fn a_tunnel_is_opened_to_the_hosts_of_the_site_alone() {
    let proxy = proxy().await;
    for (host, status) in [
        ("login.rp.test", "200"),
        ("LOGIN.rp.test", "200"),
        ("rp.test", "403"),
    ] {
        let (got, _) = send(&proxy, &format!("CONNECT {host}:443 HTTP/1.1")).await;
        assert_eq!(got, status, "{host}");
    }
    proxy.route(None);
    let (got, _) = send(&proxy, "CONNECT login.rp.test:443 HTTP/1.1").await;
    assert_eq!(got, "503");
}

#[tokio::test]
async fn plain_http_is_refused_for_every_host() {
    let proxy = proxy().await;
    for host in ["login.rp.test", "other.test"] {
        let (got, _) = send(
            &proxy,
            &format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}"),
        )
        .await;
        assert_eq!(got, "403", "{host}");
    }
}

#[tokio::test]
async fn one_connection_carries_many_requests_and_each_meets_the_site_of_its_moment() {
    let proxy = proxy().await;
    let mut stream = tunnel(&proxy).await;
    for length in [1, 70_000] {
        assert!(
            post(&mut stream, length)
                .await
                .ends_with(&format!("\r\n\r\n{length}"))
        );
    }
    proxy.route(None);
    assert!(post(&mut stream, 1).await.starts_with("HTTP/1.1 503 "));
    proxy.route(Some(Arc::new(Echo)));
    assert!(post(&mut stream, 1).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_body_that_is_too_large_does_not_reach_the_site() {
    let proxy = proxy().await;
    let answer = post(&mut tunnel(&proxy).await, LARGEST_BODY).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer = post(&mut tunnel(&proxy).await, LARGEST_BODY + 1).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn connections_end_with_the_proxy() {
    let proxy = proxy().await;
    let mut stream = tunnel(&proxy).await;
    drop(proxy);
    let read = timeout(HANDSHAKE_LIMIT, stream.read(&mut [0]))
        .await
        .unwrap();
    assert!(matches!(read, Ok(0) | Err(_)));
}

/// Does what `acceptInsecureCerts` tells a browser to do.
#[derive(Debug)]
struct TakesAll;

impl ServerCertVerifier for TakesAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
