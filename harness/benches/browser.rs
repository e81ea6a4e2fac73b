//! A row in the chromium lane beside a bare script of the same WebDriver commands on the same page.
//!
//! Each has a browser, a proxy and a relying party of its own, both run in turns in the same run since machines differ, and the one
//! that is first changes with every pair. The bench fails when the row's median is above 1.25 times the script's.
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench speaks to the terminal"
)]

#[path = "browser/script.rs"]
mod script;
#[path = "browser/site.rs"]
mod site;

use std::{
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use passkey_harness::{
    browser::{Look, Place, processes},
    cli,
    lanes::Places,
    run::{Browsers, Runner},
};
use passkey_model::{
    expand, lane::Browser, library::Library, platform::UserAgent, row::Row, verdict::Verdict,
};
use tokio::runtime::Runtime;

use script::Script;

const ROW: &str = "matrix::register-then-sign-in::all-types::apple-passwords::ios-current.same-device::ios-current.same-device::chromium";
/// Enough for a median that another process's burst of work does not move.
const PAIRS: usize = 60;
/// The browsers start, load the page for the first time and put the user agent on, which is no part of a row.
const WARM_UP_PAIRS: usize = 3;
const MOST: f64 = 1.25;

/// The harness with one row.
struct Harness {
    runner: Runner,
    row: Row,
}

impl Harness {
    fn load(library: Library, rows: Vec<Row>) -> Self {
        let lanes = expand::lanes(&library);
        let places = Places::look(&lanes);
        let browsers = Browsers::of(&lanes, places, Look::default()).expect("browsers");
        let row = rows.into_iter().find(|row| row.name.to_string() == ROW);
        Self {
            runner: Runner {
                library: Arc::new(library),
                browsers: Arc::new(browsers),
                ..Runner::default()
            },
            row: row.expect("the row"),
        }
    }

    /// Returns the user agent of the row's platform, which is the same in both ceremonies.
    fn user_agent(&self) -> UserAgent {
        let context = self.row.steps[0].spec.context.as_ref().expect("a context");
        let mut platforms = self.runner.library.platforms.iter();
        let at = &context.client;
        let platform = platforms.find(|platform| platform.value.id == at.platform);
        let user_agent = platform.and_then(|platform| platform.value.user_agent(at.version));
        user_agent.expect("a user agent").clone()
    }

    async fn once(&self) {
        let result = self.runner.run_row(&self.row).await;
        let judgement = &result.judgement;
        assert_eq!(
            judgement.verdict,
            Verdict::Conforms,
            "{}",
            judgement.because
        );
    }
}

async fn timed(future: impl Future<Output = ()>) -> Duration {
    let start = Instant::now();
    future.await;
    start.elapsed()
}

/// Runs both in turns and returns how long each took, the row's first.
async fn in_turns(
    harness: &Harness,
    script: &Script,
    users: impl Iterator<Item = usize>,
) -> (Vec<Duration>, Vec<Duration>) {
    let (mut rows, mut scripts) = (Vec::new(), Vec::new());
    for user in users {
        if user % 2 == 0 {
            rows.push(timed(harness.once()).await);
        }
        scripts.push(timed(script.once(user)).await);
        if user % 2 == 1 {
            rows.push(timed(harness.once()).await);
        }
    }
    (rows, scripts)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// Returns the median, and prints it with the quartiles.
fn median(what: &str, mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    let at = |share: usize| milliseconds(times[(times.len() - 1) * share / 4]);
    println!(
        "{what}: median {:.1} ms, quartiles {:.1} and {:.1} ms",
        at(2),
        at(1),
        at(3)
    );
    at(2)
}

/// Measures, and returns how many times as long as the script a row takes.
async fn measure(place: &Place, harness: &Harness) -> f64 {
    let script = Script::start(place, &harness.user_agent(), WARM_UP_PAIRS + PAIRS).await;
    in_turns(harness, &script, 0..WARM_UP_PAIRS).await;
    let users = WARM_UP_PAIRS..WARM_UP_PAIRS + PAIRS;
    let (rows, scripts) = in_turns(harness, &script, users).await;
    println!("{PAIRS} pairs, in turns: {ROW}");
    let ratio = median("row", rows) / median("bare script", scripts);
    script.close().await;
    harness.runner.browsers.close().await;
    ratio
}

fn main() -> ExitCode {
    let root = Path::new("scenarios");
    let (library, rows) = cli::rows(root).expect("scenarios");
    let place = match Place::from_environment(Browser::Chromium) {
        Ok(place) => place,
        Err(missing) => {
            eprintln!("nothing was measured: {missing}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = Runtime::new().expect("a runtime");
    processes::end_on_signals().expect("signals");
    let ratio = runtime.block_on(measure(&place, &Harness::load(library, rows)));
    processes::end_all();
    println!("a row costs {ratio:.2} times the bare script; at most {MOST} are allowed");
    if ratio > MOST {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
