//! Register + sign-in pairs per second through the whole harness, beside a floor: the same cryptography and the same number
//! of bare HTTP round trips, without everything that makes it a ceremony.
//!
//! Both are measured in turns in the same run, since machines differ; the bench fails below half of the floor's rate.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench speaks to the terminal"
)]

use std::{
    hint::black_box,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use axum::{Router, body::Bytes, routing::post};
use criterion::Criterion;
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use p256::ecdsa::{Signature, SigningKey, signature::Signer};
use passkey_harness::{cli, run::Runner};
use passkey_model::{row::Row, verdict::Verdict};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};

const ROW: &str = "matrix::register-then-sign-in::all-types::apple-passwords::ios-current.same-device::ios-current.same-device::software";
/// Bootstrap, and options and response of each ceremony.
const ROUND_TRIPS: usize = 5;
/// One key pair, one signature, one verification: the attestation is none.
const CRYPTOGRAPHY: &str = "1 P-256 key pair, 1 signature, 1 verification";
const ROUNDS: u32 = 20;
/// What is made once per process (test CAs, seeds of generators) is no part of a pair.
const WARM_UP_ROUNDS: u32 = 2;
const PAIRS_A_ROUND: u32 = 25;
const LEAST_SHARE: f64 = 0.5;

/// The harness with one row.
struct Harness {
    runner: Runner,
    row: Row,
}

impl Harness {
    fn load() -> Self {
        let root = Path::new("scenarios");
        let (library, rows) = cli::rows(root).expect("scenarios");
        let row = rows.into_iter().find(|row| row.name.to_string() == ROW);
        Self {
            runner: Runner {
                library: Arc::new(library),
                ..Runner::default()
            },
            row: row.expect("the row"),
        }
    }

    async fn pair(&self) {
        let result = self.runner.run_row(&self.row).await;
        assert_eq!(result.judgement.verdict, Verdict::Conforms);
    }
}

/// A bare server and a connection to it.
struct Floor {
    sender: SendRequest<Full<Bytes>>,
}

impl Floor {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address: SocketAddr = listener.local_addr().expect("an address");
        let router = Router::new().route("/", post(|body: Bytes| async { body }));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("HTTP");
        tokio::spawn(connection);
        Self { sender }
    }

    async fn pair(&mut self, number: u32) {
        cryptography(number);
        for _ in 0..ROUND_TRIPS {
            let request = Request::post("/").header("host", "floor.test");
            let request = request
                .body(Full::new(Bytes::from_static(b"{}")))
                .expect("a request");
            self.sender.ready().await.expect("a connection");
            let response = self.sender.send_request(request).await.expect("an answer");
            black_box(response.into_body().collect().await.expect("a body"));
        }
    }
}

fn cryptography(number: u32) {
    let mut scalar = [1; 32];
    scalar[28..].copy_from_slice(&number.to_be_bytes());
    let key = SigningKey::from_slice(&scalar).expect("a scalar");
    let signature: Signature = key.sign(b"authenticator data and client data hash");
    let public = key.verifying_key().to_sec1_point(false);
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public.as_bytes())
        .verify(
            b"authenticator data and client data hash",
            signature.to_der().as_bytes(),
        )
        .expect("the signature");
}

/// Measures both in turns and returns pairs per second of the harness and of the floor.
fn in_turns(runtime: &Runtime, harness: &Harness, floor: &mut Floor, rounds: u32) -> (f64, f64) {
    let (mut with_harness, mut on_floor) = (Duration::ZERO, Duration::ZERO);
    runtime.block_on(async {
        for round in 0..rounds {
            let start = Instant::now();
            for _ in 0..PAIRS_A_ROUND {
                harness.pair().await;
            }
            with_harness += start.elapsed();
            let start = Instant::now();
            for pair in 0..PAIRS_A_ROUND {
                floor.pair(round * PAIRS_A_ROUND + pair).await;
            }
            on_floor += start.elapsed();
        }
    });
    let pairs = f64::from(rounds * PAIRS_A_ROUND);
    (
        pairs / with_harness.as_secs_f64(),
        pairs / on_floor.as_secs_f64(),
    )
}

fn main() {
    let runtime = Runtime::new().expect("a runtime");
    let harness = Harness::load();
    let mut floor = runtime.block_on(Floor::start());
    println!(
        "floor: {CRYPTOGRAPHY}, {ROUND_TRIPS} bare HTTP round trips; {} pairs each, in turns",
        ROUNDS * PAIRS_A_ROUND
    );
    in_turns(&runtime, &harness, &mut floor, WARM_UP_ROUNDS);
    let (harness_rate, floor_rate) = in_turns(&runtime, &harness, &mut floor, ROUNDS);
    let share = harness_rate / floor_rate;
    println!(
        "harness {harness_rate:.0} pairs/s, floor {floor_rate:.0} pairs/s: {:.0} % of the floor",
        share * 100.0
    );
    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("pair through the harness", |bencher| {
        bencher.iter(|| runtime.block_on(harness.pair()));
    });
    criterion.bench_function("pair on the floor", |bencher| {
        bencher.iter(|| runtime.block_on(floor.pair(1)));
    });
    criterion.final_summary();
    assert!(
        share >= LEAST_SHARE,
        "the harness has less than half of the floor's rate"
    );
}
