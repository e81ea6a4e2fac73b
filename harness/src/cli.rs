//! The command line: parses flags, calls the library, prints, and returns the exit code.

mod run;
mod serve;

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{Parser, Subcommand, ValueEnum};
use passkey_model::{expand, library::Library, row::Row, target::Target};
use serde_json::json;

use crate::{
    explain::explain,
    filter::Filter,
    lanes, load,
    run::{Runner, SOFTWARE_CAPACITY},
    snapshot,
    target::{self, ReadyTarget, TargetError},
};

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
/// The target cannot be reached.
pub const EXIT_UNREACHABLE: u8 = 5;
/// The harness itself failed.
pub const EXIT_HARNESS: u8 = 6;

/// The folder with the scenarios, where nothing else is said.
const SCENARIOS: &str = "scenarios";
/// The target that comes along.
const EMBEDDED: &str = "embedded";

/// Tests whether a relying party accepts the passkeys it should and refuses those it must.
#[derive(Debug, Parser)]
#[command(name = "passkey-harness", version, after_help = EXIT_CODES)]
pub struct Arguments {
    /// The folder with the scenarios.
    #[arg(
        long,
        global = true,
        default_value = SCENARIOS,
        env = "PASSKEY_SCENARIOS"
    )]
    scenarios: PathBuf,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 nothing red; 1 rows deviate or are inconclusive; 2 usage; 3 nothing executed; 4 bad scenario or target file; 5 target unreachable; 6 harness error; where several apply, 6 before 5 before 1.";

#[derive(Debug, Subcommand)]
enum Command {
    /// List the rows whose names hold any of the texts.
    List {
        /// Texts; every row when there is none.
        filter: Vec<String>,
        /// Only rows of this lane.
        #[arg(long, value_parser = lanes::LANES)]
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
        #[arg(long, value_parser = lanes::LANES)]
        lane: Vec<String>,
        /// The relying party: `embedded`, a file, or the name of one in the scenarios' folder targets.
        #[arg(long, default_value = EMBEDDED, value_name = "NAME|FILE")]
        target: String,
        /// Rows whose basis is a SHOULD are red too.
        #[arg(long)]
        strict: bool,
        /// How many rows run at once.
        #[arg(long, default_value_t = SOFTWARE_CAPACITY)]
        jobs: usize,
        /// What keys and credential IDs derive from, beside the row's name; 0 when left out, on a target that runs on its own
        /// another one each time.
        #[arg(long)]
        seed: Option<u64>,
        /// Write JUnit XML, JSON lines and the transcripts of red rows there.
        #[arg(long, value_name = "DIR")]
        report: Option<PathBuf>,
        /// How to print the results; with json nothing else is on stdout.
        #[arg(long, default_value = "text")]
        format: Format,
    },
    /// Explain one row: where it is written, what is expected and who says so.
    Explain {
        /// The row's whole name.
        row: String,
    },
    /// Serve the reference relying party on its own, for people.
    Serve {
        /// The port on loopback; 0 for any.
        #[arg(long, default_value_t = 8080)]
        port: u16,
        /// The passkey profile in force; none when left out.
        #[arg(long)]
        profile: Option<String>,
    },
    /// Load and validate scenarios and targets without running anything.
    Check {
        /// Folders of scenarios, or files of targets; the folder of --scenarios when there is none.
        paths: Vec<PathBuf>,
    },
    /// Take over the pending transcripts (*.snap.new) of one scenario, after you have read them.
    Accept {
        /// The scenario, as in the second part of a row's name.
        scenario: String,
        /// The folder with the snapshots.
        #[arg(long, default_value = "snapshots")]
        snapshots: PathBuf,
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
            target,
            strict,
            jobs,
            seed,
            report,
            format,
        } => {
            let filter = Filter {
                texts: filter.clone(),
                exact: *exact,
                lanes: lane.clone(),
            };
            let reporting = run::Reporting {
                format: *format,
                report: report.clone(),
                command: command_again(&arguments.scenarios, target),
            };
            let missing = lanes::missing();
            for (_, why) in &missing {
                writeln!(err, "{why}")?;
            }
            if !missing.is_empty() {
                return Ok(EXIT_RED);
            }
            let (library, rows) = match rows(&arguments.scenarios) {
                Ok(found) => found,
                Err(mistakes) => return report_mistakes(&mistakes, err),
            };
            let target = match find_target(target, &arguments.scenarios) {
                Ok(target) => target.map(Arc::new),
                Err(error) => return target_error(&error, err),
            };
            let runner = Runner {
                seed: seed.unwrap_or_else(|| default_seed(target.is_some())),
                library: Arc::new(library),
                strict: *strict,
                target,
                ..Runner::default()
            };
            let chosen = rows.into_iter().filter(|row| filter.chooses(row)).collect();
            run::run(runner, chosen, *jobs, &reporting, out, err)
        }
        Command::Serve { port, profile } => match rows(&arguments.scenarios) {
            Ok((library, _)) => {
                let serving = serve::Serving {
                    port: *port,
                    profile: profile.as_deref(),
                };
                serve::serve(&library, &serving, out, err)
            }
            Err(mistakes) => report_mistakes(&mistakes, err),
        },
        Command::Accept {
            scenario,
            snapshots,
        } => accept(scenario, snapshots, out, err),
        Command::Explain { row } => with_rows(&arguments.scenarios, err, |rows, err| {
            explain_row(rows, row, out, err)
        }),
    }
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

/// Finds the target that is named; nothing stands for the embedded one.
fn find_target(named: &str, scenarios: &Path) -> Result<Option<ReadyTarget>, TargetError> {
    if named == EMBEDDED {
        return Ok(None);
    }
    let in_folder = scenarios.join("targets").join(format!("{named}.yaml"));
    let file = if in_folder.exists() {
        in_folder
    } else {
        PathBuf::from(named)
    };
    let target = target::load(&file)?;
    let runtime = tokio::runtime::Runtime::new().map_err(TargetError::Runtime)?;
    runtime.block_on(target::probe(&target.file))?;
    Ok(Some(target))
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
fn default_seed(keeps_state: bool) -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    if keeps_state {
        since.map_or(0, |since| {
            since.as_secs() << 20 | u64::from(since.subsec_micros())
        })
    } else {
        0
    }
}

fn with_rows<W: Write>(
    root: &Path,
    err: &mut W,
    then: impl FnOnce(&[Row], &mut W) -> std::io::Result<u8>,
) -> std::io::Result<u8> {
    match rows(root) {
        Ok((library, rows)) => {
            warn(&library, err)?;
            then(&rows, err)
        }
        Err(mistakes) => report_mistakes(&mistakes, err),
    }
}

/// Loads and expands the scenarios below a folder.
///
/// # Errors
/// Every mistake, one line each.
pub fn rows(root: &Path) -> Result<(Library, Vec<Row>), Vec<String>> {
    let lines =
        |errors: Vec<load::LoadError>| errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    let library = load::library(root).map_err(lines)?;
    let rows = expand::expand(&library)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    Ok((library, rows))
}

fn warn(library: &Library, err: &mut impl Write) -> std::io::Result<()> {
    expand::warnings(library)
        .iter()
        .try_for_each(|warning| writeln!(err, "{warning}"))
}

fn report_mistakes(mistakes: &[String], err: &mut impl Write) -> std::io::Result<u8> {
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
        if path.is_file() {
            if let Err(error) = load::read::<Target>(path) {
                return report_mistakes(&[error.to_string()], err);
            }
            writeln!(out, "{}: a target", path.display())?;
            continue;
        }
        match rows(path) {
            Err(mistakes) => return report_mistakes(&mistakes, err),
            Ok((library, rows)) => {
                warn(&library, err)?;
                writeln!(
                    out,
                    "{}: {} providers, {} profiles, {} rows, {} of them not applicable in their lane",
                    path.display(),
                    library.providers.len(),
                    library.profiles.len(),
                    rows.len(),
                    rows.iter()
                        .filter(|row| row.not_applicable.is_some())
                        .count()
                )?;
            }
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

fn accept(
    scenario: &str,
    snapshots: &Path,
    out: &mut impl Write,
    err: &mut impl Write,
) -> std::io::Result<u8> {
    let accepted = snapshot::accept(snapshots, scenario)?;
    for file in &accepted {
        writeln!(out, "{}", file.display())?;
    }
    if accepted.is_empty() {
        writeln!(
            err,
            "no pending transcript of scenario {scenario} under {}",
            snapshots.display()
        )?;
        return Ok(EXIT_NOTHING);
    }
    Ok(EXIT_OK)
}
