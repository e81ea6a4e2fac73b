//! `run`: rows side by side, as many at once as their lane takes, reported in the order of the plan.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use passkey_model::{expand, lane::Lane, row::Row, verdict::Verdict};

use super::{
    EXIT_BAD_FILE, EXIT_HARNESS, EXIT_NOTHING, EXIT_OK, EXIT_RED, EXIT_UNREACHABLE, EXIT_USAGE,
    arguments::{EMBEDDED, Format, RunArguments, SCENARIOS},
};
use crate::{
    browser::{Look, processes},
    filter::Filter,
    inspect::inspect,
    lanes::{self, Places, Shard},
    report::{Event, Files, JsonLines, Reporter, Terminal},
    run::{Browsers, CapacityError, RowResult, Runner, Turns, capacity},
    target::{self, ReadyTarget, TargetError},
};

/// Where transcripts of red rows go when no report is asked for.
const DEFAULT_REPORT: &str = "passkey-report";

/// Runs the rows that are chosen and returns the exit code.
pub(super) fn run(
    scenarios: &Path,
    told: &RunArguments,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    processes::end_on_signals()?;
    // Also when a row panics: nothing that was started outlives the run.
    let _ending = Ending;
    let (library, rows) = match super::rows(scenarios) {
        Ok(found) => found,
        Err(mistakes) => return super::report_mistakes(&mistakes, err),
    };
    super::warn(&library, err)?;
    let seed = told.seed.unwrap_or_else(|| default_seed(&told.target));
    let target = match find_target(&told.target, scenarios, seed) {
        Ok((target, notes)) => {
            notes.iter().try_for_each(|note| writeln!(err, "{note}"))?;
            target.map(Arc::new)
        }
        Err(error) => return target_error(&error, err),
    };
    let lanes = expand::lanes(&library);
    let filter = Filter {
        texts: told.filter.clone(),
        exact: told.exact,
        lanes: told.lane.clone(),
    };
    if let Some(mistake) = filter.unknown_lane(&lanes) {
        writeln!(err, "{mistake}")?;
        return Ok(EXIT_USAGE);
    }
    let places = Places::look(&lanes);
    let missing = lanes::missing(&lanes, &places);
    if !missing.is_empty() {
        missing
            .iter()
            .try_for_each(|(_, why)| writeln!(err, "{why}"))?;
        return Ok(EXIT_RED);
    }
    let look = Look {
        headed: told.headed,
        pause: Duration::from_millis(told.slow_motion),
    };
    let (shard, capacity, browsers) = match in_environment(&lanes, places, look) {
        Ok(found) => found,
        Err(mistake) => {
            writeln!(err, "{mistake}")?;
            return Ok(EXIT_USAGE);
        }
    };
    let runner = Runner {
        seed,
        library: Arc::new(library),
        strict: told.strict,
        target,
        browsers: Arc::new(browsers),
        turns: Turns::of(&lanes, told.jobs, capacity),
        ..Runner::default()
    };
    let chosen = rows.into_iter().filter(|row| filter.chooses(row)).collect();
    let chosen = lanes::in_shard(chosen, shard);
    let command = command_again(scenarios, &told.target);
    report(runner, chosen, told, command, out, err)
}

/// Ends every process of the run when it goes.
pub(super) struct Ending;

impl Drop for Ending {
    fn drop(&mut self) {
        processes::end_all();
    }
}

/// Runs rows and reports them.
fn report(
    runner: Runner,
    rows: Vec<Row>,
    told: &RunArguments,
    command: String,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    if rows.is_empty() {
        writeln!(err, "no row matches; passkey-harness list shows them all")?;
        return Ok(EXIT_NOTHING);
    }
    if let Some(words) = runner.browsers.keys().announcement(&rows) {
        writeln!(err, "{words}")?;
    }
    let folder = told.report.clone().unwrap_or_else(|| DEFAULT_REPORT.into());
    let target = runner.target_name().to_owned();
    let create = |folder: &Path| Files::create(folder, &target, &command);
    let mut files = told.report.as_deref().map(create).transpose()?;
    let text = told.format == Format::Text;
    let interactive = text && io::stderr().is_terminal() && io::stdout().is_terminal();
    let (for_people, for_programs) = if text {
        (Some(&mut *out), None)
    } else {
        (None, Some(&mut *out))
    };
    let mut terminal = Terminal::new(for_people, &mut *err, folder, command.clone(), interactive);
    let mut json = for_programs.map(|out| JsonLines {
        out,
        target: target.clone(),
    });
    let mut report = |event: &Event<'_>| {
        terminal.event(event)?;
        json.as_mut().map_or(Ok(()), |json| json.event(event))?;
        files.as_mut().map_or(Ok(()), |files| files.event(event))
    };
    let in_full = told.exact && text && rows.len() == 1;
    let runner = Arc::new(runner);
    let (counts, shown) = play(&runner, rows, in_full, &mut report)?;
    write!(out, "{shown}")?;
    if let Some(folder) = &told.report {
        writeln!(err, "report: {}", folder.display())?;
    }
    Ok(exit_code(&counts))
}

/// Plays rows and reports them; returns the verdicts, and what there is to see of the rows where they are shown in full.
fn play(
    runner: &Arc<Runner>,
    rows: Vec<Row>,
    in_full: bool,
    report: &mut impl FnMut(&Event<'_>) -> io::Result<()>,
) -> io::Result<(BTreeMap<Verdict, usize>, String)> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let start = Instant::now();
    let runnable = rows
        .iter()
        .filter(|row| runner.does_not_run(row).is_none())
        .count();
    report(&Event::Started { runnable })?;
    let tasks: Vec<_> = rows
        .into_iter()
        .map(|row| runtime.spawn(one(Arc::clone(runner), row)))
        .collect();
    let mut counts = BTreeMap::new();
    let mut shown = String::new();
    for task in tasks {
        let (row, result) = runtime.block_on(task).map_err(io::Error::other)?;
        *counts.entry(result.judgement.verdict).or_default() += 1;
        report(&Event::Judged {
            row: &row,
            result: &result,
        })?;
        if in_full {
            shown += &runtime.block_on(inspect(runner, &row, &result));
        }
    }
    runtime.block_on(runner.browsers.close());
    report(&Event::Finished {
        counts: &counts,
        elapsed: start.elapsed(),
    })?;
    Ok((counts, shown))
}

async fn one(runner: Arc<Runner>, row: Row) -> (Row, RowResult) {
    let result = runner.run_row(&row).await;
    (row, result)
}

fn exit_code(counts: &BTreeMap<Verdict, usize>) -> u8 {
    let executed = counts.keys().any(|verdict| verdict.has_run());
    if counts.contains_key(&Verdict::HarnessError) {
        EXIT_HARNESS
    } else if counts.keys().any(|verdict| verdict.is_red()) {
        EXIT_RED
    } else if executed {
        EXIT_OK
    } else {
        EXIT_NOTHING
    }
}

/// Reads what the environment says of browsers.
fn in_environment(
    lanes: &[Arc<Lane>],
    places: Places,
    look: Look,
) -> Result<(Option<Shard>, usize, Browsers), String> {
    let shard = Shard::from_environment().map_err(|error| error.to_string())?;
    let wrong = |error: CapacityError| error.to_string();
    let capacity = capacity().map_err(wrong)?;
    let browsers = Browsers::of(lanes, places, look).map_err(wrong)?;
    Ok((shard, capacity, browsers))
}

/// Returns the command that runs a row again, up to its name.
fn command_again(scenarios: &Path, target: &str) -> String {
    let mut command = "passkey-harness".to_owned();
    if scenarios != Path::new(SCENARIOS) {
        command += &format!(" --scenarios {}", scenarios.display());
    }
    command += " run";
    if target != EMBEDDED {
        command += &format!(" --target {target}");
    }
    command + " --exact"
}

/// Finds the target that is named, and what there is to say of it; nothing stands for the embedded one.
fn find_target(
    named: &str,
    scenarios: &Path,
    seed: u64,
) -> Result<(Option<ReadyTarget>, Vec<String>), TargetError> {
    if named == EMBEDDED {
        return Ok((None, Vec::new()));
    }
    let in_folder = scenarios.join("targets").join(format!("{named}.yaml"));
    let file = if in_folder.exists() {
        in_folder
    } else {
        PathBuf::from(named)
    };
    let mut target = target::load(&file)?;
    let runtime = tokio::runtime::Runtime::new().map_err(TargetError::Runtime)?;
    let notes = runtime.block_on(target.meet(seed))?;
    Ok((Some(target), notes))
}

fn target_error(error: &TargetError, err: &mut impl Write) -> std::io::Result<u8> {
    writeln!(err, "{error}")?;
    Ok(match error {
        TargetError::File(_) | TargetError::Secret { .. } => EXIT_BAD_FILE,
        TargetError::Unreachable { .. } => EXIT_UNREACHABLE,
        TargetError::Runtime(_) => EXIT_HARNESS,
    })
}

/// A target that runs on its own keeps what it is given: the same credential IDs would be refused the second time.
fn default_seed(target: &str) -> u64 {
    if target == EMBEDDED {
        return 0;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        since.as_secs() << 20 | u64::from(since.subsec_micros())
    })
}
