//! The command line: parses flags, calls the library, prints, and returns the exit code.

use std::{collections::BTreeMap, io::Write, path::PathBuf, sync::Arc, time::Instant};

use clap::{Parser, Subcommand, ValueEnum};
use passkey_model::{expand, library::Library, row::Row, verdict::Verdict};
use serde_json::json;

use crate::{explain::explain, filter::Filter, load, run};

/// Nothing red.
pub const EXIT_OK: u8 = 0;
/// Rows deviate or are inconclusive.
pub const EXIT_RED: u8 = 1;
/// The command line cannot be understood.
pub const EXIT_USAGE: u8 = 2;
/// Nothing was chosen, so nothing was done.
pub const EXIT_NOTHING: u8 = 3;
/// A scenario or target file is wrong.
pub const EXIT_BAD_FILE: u8 = 4;
/// The harness itself failed.
pub const EXIT_HARNESS: u8 = 6;

/// Tests whether a relying party accepts the passkeys it should and refuses those it must.
#[derive(Debug, Parser)]
#[command(name = "passkey-harness", version, after_help = EXIT_CODES)]
pub struct Arguments {
    /// The folder with the scenarios.
    #[arg(
        long,
        global = true,
        default_value = "scenarios",
        env = "PASSKEY_SCENARIOS"
    )]
    scenarios: PathBuf,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 nothing red; 1 rows deviate or are inconclusive; 2 usage; 3 nothing executed; 4 bad scenario file; 6 harness error; where several apply, 6 before 1.";

#[derive(Debug, Subcommand)]
enum Command {
    /// List the rows whose names hold any of the texts.
    List {
        /// Texts; every row when there is none.
        filter: Vec<String>,
        /// Only rows of this lane.
        #[arg(long)]
        lane: Vec<String>,
        /// How to print them.
        #[arg(long, default_value = "text")]
        format: Format,
    },
    /// Run the rows whose names hold any of the texts, each against a relying party of its own.
    Run {
        /// Texts; every row when there is none.
        filter: Vec<String>,
        /// A text is a whole name.
        #[arg(long)]
        exact: bool,
        /// Only rows of this lane.
        #[arg(long)]
        lane: Vec<String>,
        /// Rows whose basis is a SHOULD are red too.
        #[arg(long)]
        strict: bool,
        /// How many rows run at once.
        #[arg(long, default_value_t = 8)]
        jobs: usize,
        /// What keys and credential IDs derive from, beside the row's name.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// How to print the results; with json nothing else is on stdout.
        #[arg(long, default_value = "text")]
        format: Format,
    },
    /// Explain one row: where it is written, what is expected and who says so.
    Explain {
        /// The row's whole name.
        row: String,
    },
    /// Load and validate scenarios without running anything.
    Check {
        /// Folders of scenarios; the one of --scenarios when there is none.
        paths: Vec<PathBuf>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One name a line.
    Text,
    /// One JSON object a line.
    Json,
}

/// Runs a command and returns the exit code.
///
/// # Errors
/// When output cannot be written.
pub fn execute(
    arguments: &Arguments,
    out: &mut impl Write,
    err: &mut impl Write,
) -> std::io::Result<u8> {
    match &arguments.command {
        Command::Check { paths } => {
            let paths = if paths.is_empty() {
                std::slice::from_ref(&arguments.scenarios)
            } else {
                paths.as_slice()
            };
            check(paths, out, err)
        }
        Command::List {
            filter,
            lane,
            format,
        } => {
            let filter = Filter {
                texts: filter.clone(),
                exact: false,
                lanes: lane.clone(),
            };
            with_rows(&arguments.scenarios, err, |rows, err| {
                list(rows, &filter, *format, out, err)
            })
        }
        Command::Run {
            filter,
            exact,
            lane,
            strict,
            jobs,
            seed,
            format,
        } => {
            let filter = Filter {
                texts: filter.clone(),
                exact: *exact,
                lanes: lane.clone(),
            };
            let how = How {
                strict: *strict,
                jobs: *jobs,
                seed: *seed,
            };
            match rows(&arguments.scenarios) {
                Ok((library, rows)) => run_rows(library, rows, &filter, &how, *format, out, err),
                Err(mistakes) => report(&mistakes, err),
            }
        }
        Command::Explain { row } => with_rows(&arguments.scenarios, err, |rows, err| {
            explain_row(rows, row, out, err)
        }),
    }
}

/// How rows are run.
struct How {
    strict: bool,
    jobs: usize,
    seed: u64,
}

fn run_rows(
    library: Library,
    rows: Vec<Row>,
    filter: &Filter,
    how: &How,
    format: Format,
    out: &mut impl Write,
    err: &mut impl Write,
) -> std::io::Result<u8> {
    let chosen: Vec<Row> = rows.into_iter().filter(|row| filter.chooses(row)).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let start = Instant::now();
    let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
    let library = Arc::new(library);
    for batch in chosen.chunks(how.jobs.max(1)) {
        let tasks: Vec<_> = batch
            .iter()
            .cloned()
            .map(|row| {
                let (library, seed, strict) = (Arc::clone(&library), how.seed, how.strict);
                runtime.spawn(async move {
                    let result = run::run_row(&library, &row, seed, strict).await;
                    (row, result)
                })
            })
            .collect();
        for task in tasks {
            let (row, result) = runtime.block_on(task).map_err(std::io::Error::other)?;
            *counts.entry(result.judgement.verdict).or_default() += 1;
            print_result(&row, &result, format, out, err)?;
        }
    }
    let words: Vec<String> = counts
        .iter()
        .map(|(verdict, count)| format!("{count} {}", verdict.name()))
        .collect();
    writeln!(
        err,
        "{} rows in {:.1} s: {}",
        chosen.len(),
        start.elapsed().as_secs_f64(),
        words.join(", ")
    )?;
    Ok(exit_code(&counts))
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

fn print_result(
    row: &Row,
    result: &run::RowResult,
    format: Format,
    out: &mut impl Write,
    err: &mut impl Write,
) -> std::io::Result<()> {
    let verdict = result.judgement.verdict;
    match format {
        Format::Json if verdict != Verdict::NotApplicable => {
            writeln!(out, "{}", run::to_json(row, result))?
        }
        Format::Text if verdict != Verdict::NotApplicable => {
            writeln!(out, "{:<13} {}", verdict.name(), row.name)?
        }
        _ => {}
    }
    if verdict.is_red() {
        writeln!(err, "{}", run::failure(row, result))?;
    }
    Ok(())
}

fn with_rows<W: Write>(
    root: &std::path::Path,
    err: &mut W,
    then: impl FnOnce(&[Row], &mut W) -> std::io::Result<u8>,
) -> std::io::Result<u8> {
    match rows(root) {
        Ok((_, rows)) => then(&rows, err),
        Err(mistakes) => report(&mistakes, err),
    }
}

/// Loads and expands the scenarios below a folder.
///
/// # Errors
/// Every mistake, one line each.
pub fn rows(root: &std::path::Path) -> Result<(Library, Vec<Row>), Vec<String>> {
    let lines =
        |errors: Vec<load::LoadError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    let library = load::library(root).map_err(lines)?;
    let rows = expand::expand(&library)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    Ok((library, rows))
}

fn report(mistakes: &[String], err: &mut impl Write) -> std::io::Result<u8> {
    for mistake in mistakes {
        writeln!(err, "{mistake}")?;
    }
    let word = if mistakes.len() == 1 {
        "mistake"
    } else {
        "mistakes"
    };
    writeln!(
        err,
        "{} {word} in the scenarios; nothing was run",
        mistakes.len()
    )?;
    Ok(EXIT_BAD_FILE)
}

fn check(paths: &[PathBuf], out: &mut impl Write, err: &mut impl Write) -> std::io::Result<u8> {
    for path in paths {
        match rows(path) {
            Err(mistakes) => return report(&mistakes, err),
            Ok((library, rows)) => writeln!(
                out,
                "{}: {} providers, {} profiles, {} rows, {} of them not applicable in their lane",
                path.display(),
                library.providers.len(),
                library.profiles.len(),
                rows.len(),
                rows.iter()
                    .filter(|row| row.not_applicable.is_some())
                    .count()
            )?,
        }
    }
    Ok(EXIT_OK)
}

fn list(
    rows: &[Row],
    filter: &Filter,
    format: Format,
    out: &mut impl Write,
    err: &mut impl Write,
) -> std::io::Result<u8> {
    let chosen: Vec<&Row> = rows.iter().filter(|row| filter.chooses(row)).collect();
    if chosen.is_empty() {
        writeln!(
            err,
            "no row of {} matches {}",
            rows.len(),
            filter.texts.join(", ")
        )?;
        return Ok(EXIT_NOTHING);
    }
    for row in chosen {
        match format {
            Format::Text => writeln!(out, "{}", row.name)?,
            Format::Json => writeln!(out, "{}", row_json(row))?,
        }
    }
    Ok(EXIT_OK)
}

fn row_json(row: &Row) -> serde_json::Value {
    json!({
        "row": row.name.to_string(),
        "suite": row.suite,
        "scenario": row.scenario,
        "lane": row.lane,
        "source": row.source.to_string(),
        "severity": row.grounds.severity,
        "basis": row.grounds.basis,
        "spec": row.grounds.spec,
        "not_applicable": row.not_applicable,
    })
}

fn explain_row(
    rows: &[Row],
    wanted: &str,
    out: &mut impl Write,
    err: &mut impl Write,
) -> std::io::Result<u8> {
    if let Some(row) = rows.iter().find(|row| row.name.to_string() == wanted) {
        write!(out, "{}", explain(row))?;
        return Ok(EXIT_OK);
    }
    let names: Vec<String> = rows.iter().map(|row| row.name.to_string()).collect();
    let nearest = passkey_model::suggest::nearest(wanted, names.iter().map(String::as_str));
    let hint = nearest
        .map(|name| format!("; did you mean {name}?"))
        .unwrap_or_default();
    writeln!(err, "no row is named {wanted}{hint}")?;
    Ok(EXIT_NOTHING)
}
