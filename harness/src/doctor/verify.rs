//! Runs the checks in one browser.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use passkey_authenticators::webdriver::{CommandError, extension};
use passkey_model::{
    expand,
    lane::{Browser, Fixed},
    library::Library,
    platform::UserAgent,
};
use tokio::time::timeout;

use super::{bench::Bench, checks, site::PROVIDER};
use crate::browser::{BrowserError, Extension, Look, Place, Session};

/// How long a check may take.
const LIMIT: Duration = Duration::from_secs(15);

/// What came of the checks in one browser.
#[derive(Debug)]
pub struct Verification {
    /// The browser's version, as its driver says; empty when it did not start.
    pub version: String,
    /// The checks, in their order.
    pub checks: Vec<Verified>,
}

impl Verification {
    /// Tells whether every check passed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.checks.iter().all(|check| check.result.is_ok())
    }
}

/// What came of one check.
#[derive(Debug)]
pub struct Verified {
    /// What should be so.
    pub title: &'static str,
    /// Whether it is.
    pub result: Result<(), Wrong>,
}

/// Says what is otherwise than the harness relies on.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// The browser does something else.
    #[error("expected {expected}, saw {seen}")]
    Other {
        /// What it should do.
        expected: String,
        /// What it did.
        seen: String,
    },
    /// It could not be asked.
    #[error(transparent)]
    Browser(#[from] BrowserError),
    /// Its driver refused a command of WebAuthn's.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// It took too long.
    #[error("took longer than {} s", LIMIT.as_secs())]
    Late,
}

impl Wrong {
    pub(super) fn new(expected: impl fmt::Display, seen: impl fmt::Display) -> Self {
        Self::Other {
            expected: expected.to_string(),
            seen: seen.to_string(),
        }
    }
}

/// A check that is under way.
pub(super) type Checking<'a> = Pin<Box<dyn Future<Output = Result<(), Wrong>> + 'a>>;

/// One thing that the harness relies on.
pub(super) struct Check {
    /// What should be so.
    pub title: &'static str,
    /// The only browser in which it is.
    pub only: Option<Browser>,
    /// Looks whether it is so.
    pub run: for<'a> fn(&'a Bench) -> Checking<'a>,
}

/// Checks a browser in two sessions of its own, side by side: one without and one with the extension.
pub async fn verify(kind: Browser, place: &Place, library: &Library) -> Verification {
    let write = move |folder: &std::path::Path| extension::write(folder, kind, PROVIDER);
    let extension: Extension = Arc::new(write);
    let about = (fixed(library, kind), user_agent(library));
    let native = async {
        let started = start(kind, place, None, &about).await;
        in_session("the browser starts", started, checks::NATIVE).await
    };
    let behind_extension = async {
        let started = start(kind, place, Some(&extension), &about).await;
        let title = "the browser starts with the extension";
        in_session(title, started, checks::EXTENSION).await
    };
    let (mut verification, with_extension) = tokio::join!(native, behind_extension);
    verification.checks.extend(with_extension.checks);
    verification
}

/// Runs the checks for a browser in its session, one after the other.
async fn in_session(
    start: &'static str,
    started: Result<Bench, Wrong>,
    checks: &[Check],
) -> Verification {
    let mut verification = Verification {
        version: String::new(),
        checks: Vec::new(),
    };
    let Some(bench) = verification.note(start, started) else {
        return verification;
    };
    verification.version = version(&bench.session);
    let kind = bench.session.browser();
    for check in checks {
        if check.only.is_some_and(|only| only != kind) {
            continue;
        }
        let checked = one(&bench, check).await;
        verification.note(check.title, checked);
    }
    bench.session.close().await;
    verification
}

impl Verification {
    /// Notes what came of a check, and hands on what it made.
    fn note<T>(&mut self, title: &'static str, result: Result<T, Wrong>) -> Option<T> {
        let (made, result) = match result {
            Ok(made) => (Some(made), Ok(())),
            Err(wrong) => (None, Err(wrong)),
        };
        self.checks.push(Verified { title, result });
        made
    }
}

async fn start(
    kind: Browser,
    place: &Place,
    extension: Option<&Extension>,
    (fixed, user_agent): &(Fixed, Option<UserAgent>),
) -> Result<Bench, Wrong> {
    let session = Session::start(kind, place, Look::default(), extension).await?;
    Bench::new(session, fixed.clone(), user_agent.clone()).await
}

/// Runs a check on a fresh page, and takes its authenticators away.
async fn one(bench: &Bench, check: &Check) -> Result<(), Wrong> {
    let checking = async {
        bench.open().await?;
        let checked = (check.run)(bench).await;
        let detached = bench.detach_all().await;
        checked.and(detached.map_err(Wrong::from))
    };
    timeout(LIMIT, checking).await.unwrap_or(Err(Wrong::Late))
}

/// Returns what the lane with the browser's own authenticators says that they cannot choose.
fn fixed(library: &Library, kind: Browser) -> Fixed {
    let lanes = expand::lanes(library);
    let lane = lanes
        .iter()
        .find(|lane| lane.browser == Some(kind) && lane.is_native());
    lane.map(|lane| lane.fixed.clone()).unwrap_or_default()
}

fn user_agent(library: &Library) -> Option<UserAgent> {
    let mut platforms = library.platforms.iter();
    platforms.find_map(|platform| platform.value.user_agents.first().cloned())
}

fn version(session: &Session) -> String {
    let capabilities = session.client().capabilities();
    let version = capabilities.and_then(|found| found.get("browserVersion")?.as_str());
    version.unwrap_or("of an unknown version").to_owned()
}
