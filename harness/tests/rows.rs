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
    path::{self, Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use libtest_mimic::{Arguments, Failed, Trial};
use passkey_harness::{
    browser::{Look, processes},
    cli,
    differences::{self, Ledger},
    lanes::{self, Places, Shard},
    report,
    run::{self, Browsers, RowResult, Runner, SOFTWARE_CAPACITY, Turns},
    snapshot::{self, Owners},
};
use passkey_model::{expand, lane::Lane, row::Row, scenario::Suite, transcript::Written};
use tokio::runtime::Handle;

/// What runs a row again, up to its name.
const COMMAND: &str = "cargo test --test rows -- --exact";
/// The seed of the run; transcripts are the same whatever it is.
const SEED: &str = "PASSKEY_SEED";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let (library, rows) = match cli::rows(Path::new("scenarios")) {
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
    processes::end_on_signals().expect("signals can be listened to");
    let lanes = expand::lanes(&library);
    let places = Places::look(&lanes);
    let missing = lanes::missing(&lanes, &places);
    let shard = Shard::from_environment().expect("PASSKEY_SHARD is k/n");
    let rows = lanes::in_shard(rows, shard);
    let capacity = run::capacity().expect("PASSKEY_BROWSERS is a number from 1 on");
    let turns = Turns::of(&lanes, SOFTWARE_CAPACITY, capacity);
    let at_once = turns.at_once();
    let browsers = Browsers::of(&lanes, places, Look::default()).expect("browsers");
    let shared = Arc::new(Trials {
        owners: Owners::of(&library, of_chosen_scenarios(&rows, &arguments)),
        in_software: in_software(&rows, &arguments),
        ledger: Ledger::of(library.differences.as_ref()),
        runner: Runner {
            library: Arc::new(library),
            seed: seed(),
            browsers: Arc::new(browsers),
            turns,
            ..Runner::default()
        },
        // Absolute, since insta would look beside this file.
        snapshots: path::absolute("snapshots").expect("a working directory"),
        handle: runtime.handle().clone(),
    });
    if !arguments.list {
        say_what_is_ignored(&shared.runner, &rows, &arguments);
    }
    let trials = Trials::all(&shared, rows, missing);
    if let Some(filter) = &arguments.filter
        && matches_nothing(filter, arguments.exact, &trials)
    {
        eprintln!("no row matches {filter}");
        return ExitCode::FAILURE;
    }
    let (arguments, trials) = without_ignored(arguments, trials, at_once);
    let conclusion = libtest_mimic::run(&arguments, trials);
    runtime.block_on(shared.runner.browsers.close());
    processes::end_all();
    if shard.is_none() && is_whole(&arguments) && !shared.list_is_true(&lanes) {
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// Tells whether every row runs that can.
fn is_whole(arguments: &Arguments) -> bool {
    arguments.filter.is_none() && arguments.skip.is_empty() && !arguments.list && !arguments.ignored
}

/// A row that its lane cannot show is never run, not even with --include-ignored or --ignored; it is listed with them.
fn without_ignored(
    arguments: Arguments,
    mut trials: Vec<Trial>,
    at_once: usize,
) -> (Arguments, Vec<Trial>) {
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
        test_threads: arguments.test_threads.or(Some(at_once)),
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
    Suite::ALL
        .iter()
        .any(|suite| filter.starts_with(suite.name()))
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

/// Returns the software lane's rows of the native rows that are chosen, by their names without the lane.
fn in_software(rows: &[Row], arguments: &Arguments) -> BTreeMap<String, Row> {
    let chosen = of_chosen_scenarios(rows, arguments);
    let native = chosen.iter().filter(|row| row.lane.is_native());
    let compared: BTreeSet<String> = native.map(|row| row.name.without_lane()).collect();
    let software = chosen
        .iter()
        .filter(|row| row.lane.id == Lane::SOFTWARE && row.not_applicable.is_none());
    let named = software.map(|row| (row.name.without_lane(), (*row).clone()));
    named.filter(|(name, _)| compared.contains(name)).collect()
}

/// Sums up on standard error why rows are ignored.
fn say_what_is_ignored(runner: &Runner, rows: &[Row], arguments: &Arguments) {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let chosen = |row: &&Row| {
        let filter = arguments.filter.as_deref().unwrap_or_default();
        row.name.to_string().contains(filter)
    };
    for row in rows.iter().filter(chosen) {
        if let Some(judgement) = runner.does_not_run(row) {
            let why = format!("{}: {}", judgement.verdict.name(), judgement.because);
            *reasons.entry(why).or_default() += 1;
        }
    }
    for (why, count) in reasons {
        eprintln!("{count:>5} ignored, {why}");
    }
}

/// Makes trials of rows.
struct Trials {
    owners: Owners,
    /// The rows that native lanes are compared with, by their names without the lane.
    in_software: BTreeMap<String, Row>,
    ledger: Ledger,
    runner: Runner,
    snapshots: PathBuf,
    handle: Handle,
}

impl Trials {
    fn all(shared: &Arc<Self>, rows: Vec<Row>, missing: Vec<(String, String)>) -> Vec<Trial> {
        let of_row = |row: Row| {
            let trials = Arc::clone(shared);
            let ignored = trials.runner.does_not_run(&row).is_some();
            let trial = Trial::test(row.name.to_string(), move || trials.run(&row));
            trial.with_ignored_flag(ignored)
        };
        // A lane that is required and not there is a failing trial.
        let failing = |(lane, why): (String, String)| {
            Trial::test(format!("required-lane::{lane}"), move || Err(why.into()))
        };
        rows.into_iter()
            .map(of_row)
            .chain(missing.into_iter().map(failing))
            .collect()
    }

    fn run(&self, row: &Row) -> Result<(), Failed> {
        let result = self.handle.block_on(self.runner.run_row(row));
        let drift = self.drift(row, &result);
        if result.judgement.verdict.is_red() {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
            let files = report::write_files(folder, row, &result)?;
            return Err(report::failure(row, &result, &files, COMMAND).into());
        }
        drift.map_or(Ok(()), |drift| Err(drift.into()))
    }

    /// Says how a transcript differs from its snapshot, and hands the owner's to insta.
    fn drift(&self, row: &Row, result: &RowResult) -> Option<String> {
        let written = result.written(row);
        if row.lane.is_native() {
            return self.differs(row, &written);
        }
        let owner = self.owners.owner(row)?;
        let file = snapshot::file(&self.snapshots, owner);
        let committed = snapshot::read(&file);
        if !self.owners.tells(row) {
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

    /// Says in which fields the ceremony of a native lane is not that of the software lane although nobody listed them.
    fn differs(&self, row: &Row, written: &Written) -> Option<String> {
        let told = self.in_software.get(&row.name.without_lane())?;
        let software = self.handle.block_on(self.runner.run_row(told));
        if software.records.is_empty() {
            let because = software.judgement.because;
            return Some(format!(
                "{} says nothing to compare with: {because}",
                told.name
            ));
        }
        let found = differences::compare(&software.written(told).value, &written.value);
        let unlisted = self.ledger.unlisted(&row.lane.id, found);
        if unlisted.is_empty() {
            return None;
        }
        let lines: Vec<String> = unlisted
            .iter()
            .map(|found| format!("\n  {found}"))
            .collect();
        Some(format!(
            "the ceremony differs from that of {} in fields that scenarios/differences.yaml does not list:{}",
            told.name,
            lines.concat()
        ))
    }

    /// Tells, after every row ran, whether each difference that is listed is there; says on standard error which is not.
    fn list_is_true(&self, lanes: &[Arc<Lane>]) -> bool {
        let ran = lanes
            .iter()
            .filter(|lane| self.runner.browsers.blocked(lane).is_none());
        let names: Vec<&str> = ran.map(|lane| lane.id.as_str()).collect();
        let unused = self.ledger.unused(&names);
        for what in &unused {
            eprintln!("{what}");
        }
        unused.is_empty()
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
