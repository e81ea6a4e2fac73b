//! A relying party's page under a strict policy, and a provider that answers as a test tells it.

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::header,
    response::IntoResponse,
    routing::{get, post},
};
use fantoccini::Client;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
    time::timeout,
};

/// How long a test waits for what has to happen.
const LIMIT: Duration = Duration::from_secs(20);

/// Serves the page; returns its origin.
pub async fn serve_pages() -> String {
    let router = Router::new()
        .route("/", get(page))
        .route("/page.js", get(script));
    serve(router).await
}

/// Answers with an empty page, or with a frame in it that shows the address in `frame`.
async fn page(RawQuery(query): RawQuery) -> impl IntoResponse {
    let address = query
        .as_deref()
        .and_then(|query| query.strip_prefix("frame="));
    let frame = address.map(|address| {
        format!(
            "<iframe src=\"{address}\" allow=\"publickey-credentials-create *; publickey-credentials-get *\"></iframe>"
        )
    });
    let page = format!(
        "<!doctype html><title>page</title><script src=\"/page.js\"></script>{}",
        frame.unwrap_or_default()
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; frame-src http://localhost:*",
        ),
    ];
    (headers, page)
}

async fn script() -> impl IntoResponse {
    let script = include_str!("page.js");
    ([(header::CONTENT_TYPE, "text/javascript")], script)
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://localhost:{port}")
}

/// Awaits a function of the page's own script.
pub async fn call(client: &Client, function: &str, arguments: Value) -> Value {
    let script = format!(
        "const done = arguments[1]; window.{function}(...arguments[0]).then(done, (e) => done(`unexpected: ${{e}}`));"
    );
    client
        .execute_async(&script, vec![arguments])
        .await
        .unwrap()
}

/// The provider's side of the extension.
#[derive(Clone)]
pub struct Provider {
    pub origin: String,
    state: Arc<Calls>,
}

struct Calls {
    requests: mpsc::UnboundedSender<Value>,
    seen: Mutex<mpsc::UnboundedReceiver<Value>>,
    answers: Mutex<mpsc::UnboundedReceiver<Value>>,
    queue: mpsc::UnboundedSender<Value>,
}

impl Provider {
    pub async fn start() -> Self {
        let (requests, seen) = mpsc::unbounded_channel();
        let (queue, answers) = mpsc::unbounded_channel();
        let state = Arc::new(Calls {
            requests,
            seen: Mutex::new(seen),
            answers: Mutex::new(answers),
            queue,
        });
        let router = Router::new()
            .route("/call", post(answer))
            .with_state(Arc::clone(&state));
        let origin = serve(router).await;
        Self { origin, state }
    }

    /// Answers the next request with this; a request without an answer waits for one.
    pub fn answers(&self, answer: Value) {
        self.state.queue.send(answer).unwrap();
    }

    /// Returns the next thing that reached the provider.
    pub async fn next(&self) -> Value {
        let mut seen = self.state.seen.lock().await;
        let next = timeout(LIMIT, seen.recv()).await;
        next.expect("the request arrives in time").unwrap()
    }
}

/// Reports a request that ended before it was answered.
struct Forgotten<'a>(&'a Calls, bool);

impl Drop for Forgotten<'_> {
    fn drop(&mut self) {
        if self.1 {
            let _ = self.0.requests.send(json!("forgotten"));
        }
    }
}

async fn answer(State(calls): State<Arc<Calls>>, Json(request): Json<Value>) -> Json<Value> {
    calls.requests.send(request).unwrap();
    let mut forgotten = Forgotten(&calls, true);
    let answer = calls.answers.lock().await.recv().await.unwrap();
    forgotten.1 = false;
    Json(answer)
}
