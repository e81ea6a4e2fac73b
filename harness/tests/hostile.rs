//! A target may answer anything: the row ends in time, memory stays within bounds, and the verdict says what was answered.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use passkey_harness::{
    cli,
    run::{RowResult, Runner},
    target::ReadyTarget,
};
use passkey_model::{library::Library, row::Row, target::Target, verdict::Verdict};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

const ROW: &str = "conformance::cd.chal-other::registration::software";
/// A row asks a few times, at most 5 s each; a target that never answers is asked once.
const LIMIT: Duration = Duration::from_secs(20);
/// By how much a row may make the harness grow, in KiB: the largest answer that is read, several times over.
const GROWTH: u64 = 8 * 1024;
/// How many rows run side by side.
const ROWS: u64 = 17;

/// What a target answers to every POST.
#[derive(Clone)]
enum Answers {
    /// Bytes, and the connection is closed.
    With(Vec<u8>),
    /// A head, and then these bytes without end.
    Endless(Vec<u8>, Vec<u8>),
    /// A head, and then one byte of the body every so often.
    Slowly(Vec<u8>),
    /// Nothing at all.
    Never,
}

fn head(more: &str, length: usize) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{more}content-length: {length}\r\n\r\n"
    )
}

fn with(more: &str, body: &str) -> Answers {
    Answers::With((head(more, body.len()) + body).into_bytes())
}

async fn serve(answers: Answers) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that has enough goes away.
            tokio::spawn(answer(stream, answers.clone()));
        }
    });
    address
}

async fn answer(mut stream: TcpStream, answers: Answers) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        let read = stream.read(&mut part).await?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&part[..read]);
    }
    if request.starts_with(b"GET") {
        return stream
            .write_all((head("connection: close\r\n", 2) + "{}").as_bytes())
            .await;
    }
    match answers {
        Answers::With(bytes) => stream.write_all(&bytes).await,
        Answers::Endless(head, bytes) => {
            stream.write_all(&head).await?;
            loop {
                stream.write_all(&bytes).await?;
            }
        }
        Answers::Slowly(head) => {
            stream.write_all(&head).await?;
            loop {
                stream.write_all(b" ").await?;
                sleep(Duration::from_millis(200)).await;
            }
        }
        Answers::Never => {
            let _ = stream.read(&mut part).await?;
            std::future::pending().await
        }
    }
}

fn library() -> (Arc<Library>, Arc<Row>) {
    let (library, rows) = cli::rows(Path::new("scenarios")).unwrap();
    let row = rows.into_iter().find(|row| row.name.to_string() == ROW);
    (Arc::new(library), Arc::new(row.unwrap()))
}

/// Meets a target that answers so, and runs a row against it.
async fn run(answers: Answers, (library, row): (Arc<Library>, Arc<Row>)) -> RowResult {
    let address = serve(answers).await;
    let file: Target = serde_json::from_value(json!({
        "target": "hostile", "address": address, "rp-id": "rp.test",
        "origin": "https://login.rp.test", "driver": "fido-api",
    }))
    .unwrap();
    let mut target = ReadyTarget::new(file, String::new());
    target.meet(0).await.unwrap();
    let runner = Runner {
        library,
        target: Some(Arc::new(target)),
        ..Runner::default()
    };
    runner.run_row(&row).await
}

/// Returns how much memory this process has had at most, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let digits = line.unwrap().trim().trim_end_matches(" kB");
    digits.parse().unwrap()
}

fn options(more: &str) -> String {
    format!(
        r#"{{"status":"ok","errorMessage":"","challenge":"AAAAAAAAAAAAAAAAAAAAAA","rp":{{"id":"rp.test","name":"x"}},
        "user":{{"id":"AAAA","name":"x","displayName":"x"}},"pubKeyCredParams":[{{"type":"public-key","alg":-7}}]{more}}}"#
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_target_answers_the_row_ends_in_time_and_says_what_it_was() {
    let endless = head("", 1 << 40).into_bytes();
    let chunked =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let redirect =
        "HTTP/1.1 302 Found\r\nlocation: /attestation/options\r\ncontent-length: 0\r\n\r\n";
    let cookies: String = (0..80)
        .map(|at| format!("set-cookie: flood{at}={}\r\n", "x".repeat(1000)))
        .collect();
    let many_cookies: String = (0..90)
        .map(|at| format!("set-cookie: c{at}=1\r\n"))
        .collect();
    let large_header = format!("x-large: {}\r\n", "x".repeat(64 * 1024));
    let nested = "[".repeat(100_000) + &"]".repeat(100_000);
    let long_list = r#"{"type":"public-key","id":"AAAA"},"#.repeat(20_000);
    let list = format!(
        r#","excludeCredentials":[{}]"#,
        long_list.trim_end_matches(',')
    );
    let text = |text: &str| text.as_bytes().to_vec();
    let cases: [(&str, Answers, &str); ROWS as usize] = [
        (
            "an endless body",
            Answers::Endless(endless, vec![b' '; 65536]),
            "length limit",
        ),
        (
            "endless chunks",
            Answers::Endless(
                chunked.to_vec(),
                [b"10000\r\n", &[b'x'; 65536][..], b"\r\n"].concat(),
            ),
            "length limit",
        ),
        (
            "an endless header",
            Answers::Endless(text("HTTP/1.1 200 OK\r\nx: "), vec![b'x'; 65536]),
            "too large",
        ),
        (
            "headers without end",
            Answers::Endless(text("HTTP/1.1 200 OK\r\n"), text("x: y\r\n")),
            "too large",
        ),
        (
            "a body that drips",
            Answers::Slowly(head("", 100_000).into_bytes()),
            "hung",
        ),
        ("no answer", Answers::Never, "hung"),
        ("a closed connection", Answers::With(Vec::new()), "crashed"),
        (
            "no HTTP",
            Answers::With(text("SSH-2.0-OpenSSH_9.9\r\n")),
            "crashed",
        ),
        (
            "a body that is cut off",
            Answers::With((head("", 1000) + "{").into_bytes()),
            "crashed",
        ),
        (
            "HTML",
            Answers::With(text(
                "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\n\r\n<html>",
            )),
            "without JSON",
        ),
        ("deep JSON", with("", &nested), "without JSON"),
        (
            "redirects",
            Answers::With(text(redirect)),
            "refused in another way: status 302",
        ),
        ("64 KB of header", with(&large_header, "{}"), ""),
        ("large cookies", with(&cookies, "{}"), ""),
        ("many cookies", with(&many_cookies, &options("")), ""),
        (
            "a list of 20,000 credentials",
            with("", &options(&list)),
            "",
        ),
        (
            "absurd values",
            with(
                "",
                &options(r#","timeout":-1e308,"attestation":{"x":[]},"hints":7,"extensions":"x""#),
            ),
            "",
        ),
    ];
    // What the library takes once is not the target's.
    let read = library();
    run(Answers::With(Vec::new()), read.clone()).await;
    let before = peak();
    let mut rows = JoinSet::new();
    for (what, answers, words) in cases {
        let read = read.clone();
        rows.spawn(async move {
            let start = Instant::now();
            let result = timeout(2 * LIMIT, run(answers, read)).await;
            (what, words, result, start.elapsed())
        });
    }
    while let Some(row) = rows.join_next().await {
        let (what, words, result, elapsed) = row.unwrap();
        let result = result.unwrap_or_else(|_| panic!("{what}: the row does not end"));
        let (verdict, because) = (result.judgement.verdict, &result.judgement.because);
        assert!(elapsed < LIMIT, "{what}: {elapsed:?}");
        assert!(verdict.is_red(), "{what}: {verdict:?}: {because}");
        assert_ne!(verdict, Verdict::HarnessError, "{what}: {because}");
        assert!(because.contains(words), "{what}: {because}");
    }
    let growth = peak() - before;
    assert!(growth < ROWS * GROWTH, "the harness grew by {growth} KiB");
}
