//! `run`: rows side by side, as many at once as their lane takes, reported in the order of the plan.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use passkey_model::{row::Row, verdict::Verdict};
use tokio::sync::Semaphore;

use super::{EXIT_HARNESS, EXIT_NOTHING, EXIT_OK, EXIT_RED, Format};
use crate::{
    report::{Event, Files, JsonLines, Reporter, Terminal},
    run::{RowResult, Runner},
};

/// Where transcripts of red rows go when no report is asked for.
const DEFAULT_REPORT: &str = "passkey-report";

/// How a run is reported.
pub(super) struct Reporting {
    pub format: Format,
    pub report: Option<PathBuf>,
    /// The command that runs a row again, up to its name.
    pub command: String,
}

/// Runs rows and returns the exit code.
pub(super) fn run(
    runner: Runner,
    rows: Vec<Row>,
    jobs: usize,
    reporting: &Reporting,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    if rows.is_empty() {
        writeln!(err, "no row matches; passkey-harness list shows them all")?;
        return Ok(EXIT_NOTHING);
    }
    let folder = reporting
        .report
        .clone()
        .unwrap_or_else(|| DEFAULT_REPORT.into());
    let target = runner.target_name().to_owned();
    let create = |folder: &Path| Files::create(folder, &target, &reporting.command);
    let mut files = reporting.report.as_deref().map(create).transpose()?;
    let text = reporting.format == Format::Text;
    let interactive = text && io::stderr().is_terminal() && io::stdout().is_terminal();
    let (for_people, for_programs) = if text {
        (Some(&mut *out), None)
    } else {
        (None, Some(&mut *out))
    };
    let mut terminal = Terminal::new(
        for_people,
        &mut *err,
        folder,
        reporting.command.clone(),
        interactive,
    );
    let mut json = for_programs.map(|out| JsonLines {
        out,
        target: target.clone(),
    });
    let mut report = |event: &Event<'_>| {
        terminal.event(event)?;
        json.as_mut().map_or(Ok(()), |json| json.event(event))?;
        files.as_mut().map_or(Ok(()), |files| files.event(event))
    };
    let counts = play(runner, rows, jobs, &mut report)?;
    if let Some(folder) = &reporting.report {
        writeln!(err, "report: {}", folder.display())?;
    }
    Ok(exit_code(&counts))
}

fn play(
    runner: Runner,
    rows: Vec<Row>,
    jobs: usize,
    report: &mut impl FnMut(&Event<'_>) -> io::Result<()>,
) -> io::Result<BTreeMap<Verdict, usize>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let start = Instant::now();
    let runnable = rows
        .iter()
        .filter(|row| runner.not_applicable(row).is_none())
        .count();
    report(&Event::Started { runnable })?;
    let (runner, places) = (Arc::new(runner), Arc::new(Semaphore::new(jobs.max(1))));
    let tasks: Vec<_> = rows
        .into_iter()
        .map(|row| runtime.spawn(one(Arc::clone(&runner), Arc::clone(&places), row)))
        .collect();
    let mut counts = BTreeMap::new();
    for task in tasks {
        let (row, result) = runtime.block_on(task).map_err(io::Error::other)?;
        *counts.entry(result.judgement.verdict).or_default() += 1;
        report(&Event::Judged {
            row: &row,
            result: &result,
        })?;
    }
    report(&Event::Finished {
        counts: &counts,
        elapsed: start.elapsed(),
    })?;
    Ok(counts)
}

async fn one(runner: Arc<Runner>, places: Arc<Semaphore>, row: Row) -> (Row, RowResult) {
    // The semaphore is never closed; without a place the row would only run at once.
    let _place = places.acquire().await;
    let result = runner.run_row(&row).await;
    (row, result)
}

fn exit_code(counts: &BTreeMap<Verdict, usize>) -> u8 {
    let executed = counts
        .keys()
        .any(|verdict| *verdict != Verdict::NotApplicable);
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
