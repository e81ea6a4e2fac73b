//! Every row is a trial under its own name: the verdict first, then the transcript against its snapshot.
#![allow(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test target speaks to the terminal"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use libtest_mimic::{Arguments, Failed, Trial};
use passkey_harness::{
    cli, lanes, report,
    run::{RowResult, Runner, SOFTWARE_CAPACITY},
    snapshot::{self, Owners},
};
use passkey_model::{row::Row, scenario::Suite};
use tokio::runtime::Handle;

/// What runs a row again, up to its name.
const COMMAND: &str = "cargo test --test rows -- --exact";
/// The seed of the run; transcripts are the same whatever it is.
const SEED: &str = "PASSKEY_SEED";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (library, rows) = match cli::rows(&root.join("scenarios")) {
        Ok(found) => found,
        Err(mistakes) => {
            eprintln!("{}", mistakes.join("\n"));
            return ExitCode::from(cli::EXIT_BAD_FILE);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let trials = Trials {
        owners: Owners::of(&library, of_chosen_scenarios(&rows, &arguments)),
        runner: Runner {
            library: Arc::new(library),
            seed: seed(),
            ..Runner::default()
        },
        snapshots: root.join("snapshots"),
        handle: runtime.handle().clone(),
    };
    if !arguments.list {
        say_what_is_ignored(&rows, &arguments);
    }
    let trials = trials.all(rows);
    if let Some(filter) = &arguments.filter
        && matches_nothing(filter, arguments.exact, &trials)
    {
        eprintln!("no row matches {filter}");
        return ExitCode::FAILURE;
    }
    let (arguments, trials) = without_ignored(arguments, trials);
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A row that its lane cannot show is never run, not even with --include-ignored or --ignored; it is listed with them.
fn without_ignored(arguments: Arguments, mut trials: Vec<Trial>) -> (Arguments, Vec<Trial>) {
    if arguments.list {
        return (arguments, trials);
    }
    if arguments.ignored {
        eprintln!("rows that are ignored cannot be run: their lane cannot show them");
        trials.clear();
    }
    let arguments = Arguments {
        include_ignored: false,
        ignored: false,
        test_threads: arguments.test_threads.or(Some(SOFTWARE_CAPACITY)),
        ..arguments
    };
    (arguments, trials)
}

fn seed() -> u64 {
    let text = env::var(SEED).unwrap_or_else(|_| "0".to_owned());
    text.parse().expect("PASSKEY_SEED is a number")
}

/// A filter that begins with a suite's name is meant for us; any other may be another test target's.
fn matches_nothing(filter: &str, exact: bool, trials: &[Trial]) -> bool {
    let suites = [Suite::Conformance, Suite::Matrix, Suite::Policy];
    suites.iter().any(|suite| filter.starts_with(suite.name()))
        && !trials
            .iter()
            .any(|trial| trial.name() == filter || (!exact && trial.name().contains(filter)))
}

/// Returns the rows of every scenario of which a row is chosen: under nextest a process runs one row, and shall not look at all.
fn of_chosen_scenarios<'a>(rows: &'a [Row], arguments: &Arguments) -> Vec<&'a Row> {
    let filter = arguments.filter.as_deref().unwrap_or_default();
    let chosen: BTreeSet<&str> = rows
        .iter()
        .filter(|row| !arguments.list && row.name.to_string().contains(filter))
        .map(|row| row.scenario.as_str())
        .collect();
    let wanted = |row: &&Row| chosen.contains(row.scenario.as_str());
    rows.iter().filter(wanted).collect()
}

/// Sums up on standard error why rows are ignored.
fn say_what_is_ignored(rows: &[Row], arguments: &Arguments) {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let chosen = |row: &&Row| {
        let filter = arguments.filter.as_deref().unwrap_or_default();
        row.name.to_string().contains(filter)
    };
    for row in rows.iter().filter(chosen) {
        if let Some(why) = &row.not_applicable {
            *reasons.entry(why).or_default() += 1;
        }
    }
    for (why, count) in reasons {
        eprintln!("{count:>5} ignored: {why}");
    }
}

/// Makes trials of rows.
struct Trials {
    owners: Owners,
    runner: Runner,
    snapshots: PathBuf,
    handle: Handle,
}

impl Trials {
    fn all(self, rows: Vec<Row>) -> Vec<Trial> {
        let shared = Arc::new(self);
        let of_row = |row: Row| {
            let (trials, ignored) = (Arc::clone(&shared), row.not_applicable.is_some());
            let trial = Trial::test(row.name.to_string(), move || trials.run(&row));
            trial.with_ignored_flag(ignored)
        };
        rows.into_iter()
            .map(of_row)
            .chain(missing_lanes())
            .collect()
    }

    fn run(&self, row: &Row) -> Result<(), Failed> {
        let result = self.handle.block_on(self.runner.run_row(row));
        let drift = self.drift(row, &result);
        if result.judgement.verdict.is_red() {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
            let file = report::write_transcript(folder, row, &result.written(row).transcript)?;
            return Err(report::failure(row, &result, file.as_deref(), COMMAND).into());
        }
        drift.map_or(Ok(()), |drift| Err(drift.into()))
    }

    /// Says how a transcript differs from its snapshot, and hands the owner's to insta.
    fn drift(&self, row: &Row, result: &RowResult) -> Option<String> {
        let owner = self.owners.owner(row)?;
        let written = result.written(row);
        let file = snapshot::file(&self.snapshots, owner);
        let committed = snapshot::read(&file);
        if owner != row.name.without_lane() {
            let Ok(committed) = committed else {
                return Some(format!(
                    "its transcript has to look like that of {owner}, which has no snapshot yet"
                ));
            };
            let difference =
                snapshot::first_difference(snapshot::ceremony(&committed), &written.ceremony)?;
            return Some(format!(
                "the ceremony is not that of {owner} ({}): {difference}",
                file.display()
            ));
        }
        let difference = match &committed {
            Ok(committed) => snapshot::first_difference(committed, &written.transcript)?,
            Err(error) => error.to_string(),
        };
        self.offer(owner, &written.transcript).then(|| {
            format!(
                "the transcript changed: {}: {difference}\n  review it with: cargo insta review",
                file.display()
            )
        })
    }

    /// Lets insta write the pending snapshot; tells whether it did not take the transcript over itself.
    fn offer(&self, owner: &str, transcript: &str) -> bool {
        let (folder, name) = snapshot::place(&self.snapshots, owner);
        let mut settings = insta::Settings::new();
        settings.set_snapshot_path(folder);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let assert = || insta::assert_snapshot!(name, transcript);
        settings.bind(|| catch_unwind(AssertUnwindSafe(assert)).is_err())
    }
}

/// A lane that is required and not there is a failing trial.
fn missing_lanes() -> Vec<Trial> {
    let failing = |(lane, why): (String, String)| {
        Trial::test(format!("required-lane::{lane}"), move || Err(why.into()))
    };
    lanes::missing().into_iter().map(failing).collect()
}
