//! Real browsers: they reach the site that is set and nothing else, and leave nothing behind, whenever and however they end.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "tests")]

#[path = "browser_sessions/descendants.rs"]
mod descendants;

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::Path,
    pin::Pin,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use descendants::{Alone, Process};
use passkey_harness::browser::{
    Browser, BrowserError, Extension, Look, Place, Pool, Request, Response, Session, Site,
    processes,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::time::{sleep, timeout};

const KINDS: [Browser; 2] = [Browser::Chromium, Browser::Firefox];
const LIMIT: Duration = Duration::from_secs(20);
const CHILD: &str = "BROWSER_SESSIONS_CHILD";

/// Returns where a browser is started; without a driver says so, and fails if the lane is required.
fn place(kind: Browser) -> Option<Place> {
    match passkey_harness::browser::find(kind) {
        Ok(found) => Some(Place::Local(found)),
        Err(missing) => {
            let required = env::var("PASSKEY_REQUIRED_LANES").unwrap_or_default();
            let lane = kind.to_string();
            assert!(
                !required.split(',').any(|name| name.trim() == lane),
                "{missing}"
            );
            eprintln!("{kind} is not tested: {missing}");
            None
        }
    }
}

fn places() -> impl Iterator<Item = (Browser, Place)> {
    KINDS
        .into_iter()
        .filter_map(|kind| Some((kind, place(kind)?)))
}

async fn start(kind: Browser, place: &Place) -> Session {
    Session::start(kind, place, Look::default(), None)
        .await
        .unwrap()
}

async fn go(session: &Session, url: &str) -> Result<(), String> {
    let going = session.limited("loading the page", LIMIT, session.client().goto(url));
    going.await.map_err(|error| error.to_string())
}

async fn script(session: &Session, script: &str) -> Value {
    let run = session.client().execute_async(script, vec![]);
    session
        .limited("running a script", LIMIT, run)
        .await
        .unwrap()
}

/// A site that answers with its name, and what it was asked for.
struct Named(&'static str);

impl Site for Named {
    fn serves(&self, host: &str) -> bool {
        host == "login.rp.test"
    }

    fn answer(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send + '_>> {
        let Request {
            host,
            method,
            target,
            body,
            ..
        } = request;
        let (name, body) = (self.0, String::from_utf8_lossy(&body).into_owned());
        let text = format!("<title>{name}</title>{name} {method} {host} {target} {body}");
        let response = http::Response::builder().header("content-type", "text/html");
        Box::pin(async move { response.body(text.into()).unwrap() })
    }
}

const ASK: &str = "const done = arguments[0];
    fetch('/asked?a=b', {method: 'POST', body: 'body'}).then(async r => done([r.status, await r.text()]), e => done(String(e)));";

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_reaches_the_site_that_is_set_and_nothing_else() {
    let alone = Alone::new().await;
    for (kind, place) in places() {
        let session = start(kind, &place).await;
        session.route(Some(Arc::new(Named("one"))));
        go(&session, "https://login.rp.test/page").await.unwrap();
        let title = session.limited("reading the title", LIMIT, session.client().title());
        assert_eq!(title.await.unwrap(), "one");
        let origin = script(&session, "arguments[0]([location.origin, isSecureContext])").await;
        assert_eq!(origin, serde_json::json!(["https://login.rp.test", true]));
        let answer = script(&session, ASK).await;
        assert_eq!(
            answer[1],
            "<title>one</title>one POST login.rp.test /asked?a=b body"
        );

        // The connection stays open, the site changes.
        session.route(Some(Arc::new(Named("two"))));
        let answer = script(&session, ASK).await;
        assert_eq!(
            answer[1],
            "<title>two</title>two POST login.rp.test /asked?a=b body"
        );
        session.route(None);
        assert_eq!(script(&session, ASK).await[0], 503);

        session.route(Some(Arc::new(Named("three"))));
        go(&session, "https://other.rp.test/").await.unwrap_err();
        let plain = go(&session, "http://login.rp.test/plain").await;
        let source = session.limited("reading the page", LIMIT, session.client().source());
        let source = source.await.unwrap();
        assert!(
            plain.is_err() || source.contains("plain http is not served"),
            "{source}"
        );
        session.close().await;
        alone.assert_nothing_is_left();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extension_is_loaded() {
    let alone = Alone::new().await;
    let extension: Extension = Arc::new(|folder: &Path| {
        fs::create_dir_all(folder)?;
        let manifest = r#"{"manifest_version": 3, "name": "test", "version": "1",
            "browser_specific_settings": {"gecko": {"id": "test@rp.test"}},
            "content_scripts": [{"matches": ["https://login.rp.test/*"], "js": ["mark.js"], "run_at": "document_start"}]}"#;
        fs::write(folder.join("manifest.json"), manifest)?;
        let mark = "document.documentElement.dataset.mark = 'there'";
        fs::write(folder.join("mark.js"), mark)?;
        Ok(folder.to_owned())
    });
    for (kind, place) in places() {
        let session = Session::start(kind, &place, Look::default(), Some(&extension))
            .await
            .unwrap();
        session.route(Some(Arc::new(Named("one"))));
        go(&session, "https://login.rp.test/").await.unwrap();
        let mark = script(
            &session,
            "arguments[0](document.documentElement.dataset.mark)",
        )
        .await;
        assert_eq!(mark, "there", "{kind}");
        drop(session);
        alone.assert_nothing_is_left();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_dropped_leaves_nothing() {
    let alone = Alone::new().await;
    for (kind, place) in places() {
        let session = start(kind, &place).await;
        assert!(
            descendants::living().len() > 3,
            "{kind} has processes of its own"
        );
        drop(session);
        alone.assert_nothing_is_left();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_is_given_up_at_any_moment_leaves_nothing() {
    let alone = Alone::new().await;
    for (kind, place) in places() {
        for patience in moments(12, 125) {
            let start = Session::start(kind, &place, Look::default(), None);
            if let Ok(started) = timeout(patience, start).await {
                drop(started.unwrap());
            }
            eprintln!("{kind}, given up after {patience:?}");
            alone.assert_nothing_is_left();
        }
    }
}

/// Moments so many milliseconds apart, which are others in every run: a start has more of them than one run has time for.
fn moments(count: u64, apart: u64) -> impl Iterator<Item = Duration> {
    let first = u64::from(std::process::id()) % apart;
    (0..count).map(move |moment| Duration::from_millis(first + moment * apart))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_reuses_sessions_and_replaces_those_that_broke() {
    let alone = Alone::new().await;
    for (kind, place) in places() {
        let pool = Pool::of(kind, place, Look::default(), None, 1);
        let session = pool.take().await.unwrap();
        let first = session.client().session_id().await.unwrap();
        pool.give_back(session).await;
        for victim in [descendants::browser, descendants::driver] {
            let session = pool.take().await.unwrap();
            kill(victim());
            let before = Instant::now();
            session.route(Some(Arc::new(Named("one"))));
            go(&session, "https://login.rp.test/").await.unwrap_err();
            assert!(before.elapsed() <= LIMIT + Duration::from_secs(1));
            pool.give_back(session).await;
        }
        let session = pool.take().await.unwrap();
        assert_ne!(session.client().session_id().await.unwrap(), first);
        session.route(Some(Arc::new(Named("one"))));
        go(&session, "https://login.rp.test/").await.unwrap();
        let working = session.client().session_id().await.unwrap();
        pool.give_back(session).await;

        let session = pool.take().await.unwrap();
        assert_eq!(session.client().session_id().await.unwrap(), working);
        let full = timeout(Duration::from_millis(50), pool.take()).await;
        assert!(full.is_err(), "there is one place, and it is taken");
        pool.give_back(session).await;
        kill(descendants::browser());
        let session = pool.take().await.unwrap();
        assert_ne!(session.client().session_id().await.unwrap(), working);
        pool.give_back(session).await;
        pool.close_all().await;
        assert!(pool.take().await.is_err(), "a closed pool starts nothing");
        alone.assert_nothing_is_left();
    }
}

fn kill(process: Process) {
    kill_process(Pid::from_raw(process.id).unwrap(), Signal::KILL).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_ends_early_is_quoted() {
    let alone = Alone::new().await;
    let folder = env::temp_dir().join(format!("browser-driver-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let driver = folder.join("driver");
    fs::write(&driver, "#!/bin/sh\necho no such library >&2\nexit 1\n").unwrap();
    fs::set_permissions(&driver, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let place = Place::Local(passkey_harness::browser::Found {
        driver,
        browser: None,
    });
    let error = Session::start(Browser::Chromium, &place, Look::default(), None)
        .await
        .err()
        .unwrap();
    let error = error.to_string();
    assert!(
        error.contains("it ended before it said where it listens"),
        "{error}"
    );
    assert!(error.ends_with("\n  no such library"), "{error}");
    fs::remove_dir_all(folder).unwrap();
    alone.assert_nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_at_any_moment_leaves_nothing() {
    let alone = Alone::new().await;
    if places().next().is_none() {
        return;
    }
    for (signal, number) in [(Signal::TERM, 15), (Signal::INT, 2)] {
        let mut most = 0;
        for moment in moments(6, 500) {
            let child = child("wait");
            let harness = child.id();
            sleep(moment).await;
            most = most.max(descendants::living().len());
            kill_process(Pid::from_child(&child), signal).unwrap();
            assert_eq!(code(child).await, Some(128 + number), "after {moment:?}");
            alone.assert_nothing_is_left_of(harness);
        }
        assert!(most > 4, "signals came while there were browsers");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harness_that_ends_without_dropping_its_sessions_leaves_nothing() {
    let alone = Alone::new().await;
    if places().next().is_none() {
        return;
    }
    let child = child("exit");
    let harness = child.id();
    assert_eq!(code(child).await, Some(7));
    alone.assert_nothing_is_left_of(harness);
}

/// Starts this program again, as one that starts two sessions, and returns when it is ready for signals.
fn child(then: &str) -> Child {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "what_the_child_does", "--nocapture"])
        .env(CHILD, then)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.any(|line| line.unwrap().contains("child is ready"));
    assert!(ready);
    child
}

async fn code(mut child: Child) -> Option<i32> {
    let wait = tokio::task::spawn_blocking(move || child.wait());
    let status = timeout(Duration::from_secs(90), wait)
        .await
        .expect("the child ends");
    status.unwrap().unwrap().code()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_child_does() {
    let Ok(then) = env::var(CHILD) else { return };
    processes::end_on_signals().unwrap();
    println!("child is ready");
    let places: Vec<_> = places().collect();
    let (first, second) = (places.first().unwrap(), places.last().unwrap());
    let look = Look::default();
    let sessions = tokio::join!(
        Session::start(first.0, &first.1, look, None),
        Session::start(second.0, &second.1, look, None)
    );
    if then == "wait" {
        // Also when a start failed because the signal came: this test must not end before the process does.
        sleep(Duration::from_secs(60)).await;
    }
    assert!(sessions.0.is_ok() && sessions.1.is_ok());
    std::mem::forget(sessions);
    processes::end_all();
    let refused = Session::start(first.0, &first.1, look, None)
        .await
        .err()
        .unwrap();
    assert!(matches!(refused, BrowserError::Ending), "{refused}");
    std::process::exit(7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_a_driver_that_runs_already_ends_without_the_driver() {
    let alone = Alone::new().await;
    let Some(Place::Local(found)) = place(Browser::Chromium) else {
        return;
    };
    let mut driver = Command::new(found.driver)
        .arg("--port=0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let text = "started successfully on port ";
    let mut ports =
        lines.filter_map(|line| Some(line.unwrap().split_once(text)?.1.replace('.', "")));
    let url = format!("http://127.0.0.1:{}", ports.next().unwrap());
    let asked =
        serde_json::json!({ "goog:chromeOptions": { "args": ["--user-agent=asked of the grid"] } });
    let place = Place::Remote {
        url,
        capabilities: asked.as_object().unwrap().clone(),
    };
    let session = start(Browser::Chromium, &place).await;
    session.route(Some(Arc::new(Named("one"))));
    go(&session, "https://login.rp.test/").await.unwrap();
    let asks = session
        .client()
        .execute("return navigator.userAgent", vec![]);
    let agent = asks.await.unwrap();
    assert_eq!(agent, "asked of the grid");
    drop(session);
    let quits = async {
        while descendants::living().len() > 1 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, quits).await.expect("the browser quits");
    driver.kill().unwrap();
    driver.wait().unwrap();
    alone.assert_nothing_is_left();
}
