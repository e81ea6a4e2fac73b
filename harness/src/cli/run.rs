//! `run`: rows side by side, as many at once as their lane takes, reported in the order of the plan, policy by policy where
//! the target has one for all of them.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use passkey_model::{
    expand,
    lane::Lane,
    row::Row,
    verdict::{Verdict, known, known::Listed},
};
use tokio::runtime::Runtime;

use super::{
    EXIT_HARNESS, EXIT_NOTHING, EXIT_OK, EXIT_RED, EXIT_UNREACHABLE, EXIT_USAGE,
    arguments::{EMBEDDED, Format, RunArguments, SCENARIOS},
    target,
};
use crate::{
    browser::{Look, processes},
    filter::Filter,
    inspect::inspect,
    lanes::{self, Places, Shard},
    report::{Event, Files, JsonLines, Reporter, Terminal},
    run::{Browsers, CapacityError, Epoch, Lease, RowResult, Runner, Turns, capacity, epochs},
};

/// Where transcripts of red rows go when no report is asked for.
const DEFAULT_REPORT: &str = "passkey-report";
/// Where the former policies of targets go.
const FORMER_POLICIES: &str = "passkey-former-policies";

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
    let prepared = match prepare(scenarios, told, err)? {
        Ok(prepared) => prepared,
        Err(code) => return Ok(code),
    };
    let command = command_again(scenarios, &told.target);
    report(&prepared, told, command, out, err)
}

/// What a run needs, with the rows that were chosen.
pub(super) struct Prepared {
    pub runner: Arc<Runner>,
    pub rows: Vec<Row>,
    /// The known deviations that no row of the whole plan can show; not looked for where only some rows were chosen.
    pub unmatched: Vec<Listed>,
    /// Ended, with everything that it started, when the rows have run.
    pub runtime: Runtime,
}

/// Loads the scenarios, starts and meets the target, and looks which lanes are there; an exit code where nothing can run.
pub(super) fn prepare(
    scenarios: &Path,
    told: &RunArguments,
    err: &mut impl Write,
) -> io::Result<Result<Prepared, u8>> {
    let (library, rows) = match super::rows(scenarios) {
        Ok((library, rows)) => (Arc::new(library), rows),
        Err(mistakes) => return super::report_mistakes(&mistakes, err).map(Err),
    };
    super::warn(&library, err)?;
    let seed = told
        .seed
        .unwrap_or_else(|| target::default_seed(&told.target));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let found = target::find(&told.target, scenarios).and_then(|found| match found {
        None => Ok((None, None)),
        Some((mut ready, file)) => {
            target::announce(&ready, err);
            let folder = file.parent().unwrap_or(Path::new(""));
            let meeting = crate::target::prepare(&mut ready, folder, &library, seed);
            let (started, notes) = runtime.block_on(meeting)?;
            Ok((Some((ready, notes)), started))
        }
    });
    let (target, started) = match found {
        Ok((Some((target, notes)), started)) => {
            notes.iter().try_for_each(|note| writeln!(err, "{note}"))?;
            (Some(Arc::new(target)), started)
        }
        Ok((None, started)) => (None, started),
        Err(error) => return target::error(&error, err).map(Err),
    };
    let lanes = expand::lanes(&library);
    let filter = Filter {
        texts: told.filter.clone(),
        exact: told.exact,
        lanes: told.lane.clone(),
    };
    if let Some(mistake) = filter.unknown_lane(&lanes) {
        writeln!(err, "{mistake}")?;
        return Ok(Err(EXIT_USAGE));
    }
    let places = Places::look(&lanes);
    let missing = lanes::missing(&lanes, &places);
    if !missing.is_empty() {
        missing
            .iter()
            .try_for_each(|(_, why)| writeln!(err, "{why}"))?;
        return Ok(Err(EXIT_RED));
    }
    let look = Look {
        headed: told.headed,
        pause: Duration::from_millis(told.slow_motion),
    };
    let (shard, capacity, browsers) = match in_environment(&lanes, places, look) {
        Ok(found) => found,
        Err(mistake) => {
            writeln!(err, "{mistake}")?;
            return Ok(Err(EXIT_USAGE));
        }
    };
    let at_most = target
        .as_ref()
        .and_then(|target| target.file.rows_at_once());
    let runner = Runner {
        seed,
        library,
        strict: told.strict,
        started,
        browsers: Arc::new(browsers),
        turns: Turns::of(&lanes, told.jobs, capacity).at_most(at_most),
        beside: Arc::default(),
        target,
        ..Runner::default()
    };
    let whole_plan = told.filter.is_empty() && told.lane.is_empty() && shard.is_none();
    let unmatched = if whole_plan {
        let can_show = |row: &&Row| runner.not_applicable(row).is_none();
        let shown: Vec<&Row> = rows.iter().filter(can_show).collect();
        known::unmatched(runner.listed(), &shown)
    } else {
        Vec::new()
    };
    let chosen = rows.into_iter().filter(|row| filter.chooses(row)).collect();
    let chosen = lanes::in_shard(chosen, shard);
    if chosen.is_empty() {
        writeln!(err, "no row matches; passkey-harness list shows them all")?;
        return Ok(Err(EXIT_NOTHING));
    }
    if let Some(words) = runner.browsers.keys().announcement(&chosen) {
        writeln!(err, "{words}")?;
    }
    Ok(Ok(Prepared {
        runner: Arc::new(runner),
        rows: chosen,
        unmatched,
        runtime,
    }))
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
    prepared: &Prepared,
    told: &RunArguments,
    command: String,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    let runner = &prepared.runner;
    let ByPolicy { epochs, lease } = match by_policy(prepared, err)? {
        Ok(found) => found,
        Err(code) => return Ok(code),
    };
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
    let in_full = told.exact && text && prepared.rows.len() == 1;
    let (counts, shown) = play(prepared, epochs, in_full, &mut report)?;
    if let Some(code) = end(lease, err)? {
        return Ok(code);
    }
    write!(out, "{shown}")?;
    if let Some(folder) = &told.report {
        writeln!(err, "report: {}", folder.display())?;
    }
    Ok(exit_code(&counts, &prepared.unmatched))
}

/// The rows, ordered by policy.
pub(super) struct ByPolicy {
    pub epochs: Vec<Epoch>,
    /// The target's policy, where they need it.
    pub lease: Option<Lease>,
}

/// Orders rows by policy, and takes the target's policy where they need it; an exit code where it cannot be taken.
pub(super) fn by_policy(
    prepared: &Prepared,
    err: &mut impl Write,
) -> io::Result<Result<ByPolicy, u8>> {
    let Prepared {
        runner, runtime, ..
    } = prepared;
    let epochs = epochs(runner, prepared.rows.clone());
    let leased = runtime.block_on(runner.lease(&epochs, Path::new(FORMER_POLICIES)));
    let leased = match leased {
        Ok(leased) => leased,
        Err(mistake) => {
            writeln!(err, "{mistake}")?;
            return Ok(Err(EXIT_UNREACHABLE));
        }
    };
    let (lease, note) = leased.unzip();
    note.flatten()
        .iter()
        .try_for_each(|note| writeln!(err, "{note}"))?;
    Ok(Ok(ByPolicy { epochs, lease }))
}

/// Restores the target's policy where it was taken; an exit code where it cannot be restored.
pub(super) fn end(lease: Option<Lease>, err: &mut impl Write) -> io::Result<Option<u8>> {
    let Some(Err(mistake)) = lease.map(Lease::end) else {
        return Ok(None);
    };
    writeln!(err, "the former policy is not restored: {mistake}")?;
    Ok(Some(EXIT_HARNESS))
}

/// Plays rows and reports them; returns the verdicts, and what there is to see of the rows where they are shown in full.
pub(super) fn play(
    prepared: &Prepared,
    epochs: Vec<Epoch>,
    in_full: bool,
    report: &mut impl FnMut(&Event<'_>) -> io::Result<()>,
) -> io::Result<(BTreeMap<Verdict, usize>, String)> {
    let start = Instant::now();
    let Prepared {
        runner, runtime, ..
    } = prepared;
    let rows = epochs.iter().flat_map(|epoch| &epoch.rows);
    let runnable = rows
        .filter(|row| runner.does_not_run(row).is_none())
        .count();
    report(&Event::Started { runnable })?;
    let mut counts = BTreeMap::new();
    let mut shown = String::new();
    for epoch in epochs {
        let began = Arc::new(runtime.block_on(epoch.begin(runner)));
        let rows = epoch.rows.into_iter();
        let tasks: Vec<_> = rows
            .map(|row| runtime.spawn(one(Arc::clone(runner), Arc::clone(&began), row)))
            .collect();
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
    }
    runtime.block_on(runner.browsers.close());
    report(&Event::Finished {
        counts: &counts,
        unmatched: &prepared.unmatched,
        elapsed: start.elapsed(),
    })?;
    Ok((counts, shown))
}

/// Runs a row under the policy that was put in force, if it was.
async fn one(runner: Arc<Runner>, began: Arc<Result<(), String>>, row: Row) -> (Row, RowResult) {
    let result = match began.as_ref() {
        Ok(()) => runner.run_row(&row).await,
        Err(why) => RowResult::not_begun(why.clone()),
    };
    (row, result)
}

/// Returns the exit code of rows that ran; a list of known deviations that says too much is red as well.
pub(super) fn exit_code(counts: &BTreeMap<Verdict, usize>, unmatched: &[Listed]) -> u8 {
    let executed = counts.keys().any(|verdict| verdict.has_run());
    if counts.contains_key(&Verdict::HarnessError) {
        EXIT_HARNESS
    } else if !unmatched.is_empty() || counts.keys().any(|verdict| verdict.is_red()) {
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
