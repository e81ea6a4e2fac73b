//! The command line: parses flags, calls the library, prints, and returns the exit code.

mod arguments;
mod catalogue;
mod compare;
mod doctor;
mod init;
mod keys;
mod run;
mod serve;
mod show;
mod smoke;
mod target;
mod vectors;

use std::{io::Write, path::Path};

use passkey_model::{expand, library::Library, row::Row};

pub use arguments::Arguments;

use crate::{filter::Filter, load};
use arguments::Command;

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
            show::check(paths, out, err)
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
            with_rows(&arguments.scenarios, err, |library, rows, err| {
                if let Some(mistake) = filter.unknown_lane(&expand::lanes(library)) {
                    writeln!(err, "{mistake}")?;
                    return Ok(EXIT_USAGE);
                }
                show::list(rows, &filter, *format, out, err)
            })
        }
        Command::Run(told) => run::run(&arguments.scenarios, told, out, err),
        Command::Vectors(told) => vectors::vectors(&arguments.scenarios, told, out, err),
        Command::Init { url, out: file } => init::init(url, file.as_deref(), out, err),
        Command::Compare(told) => compare::compare(&arguments.scenarios, told, out, err),
        Command::Smoke { target } => smoke::smoke(&arguments.scenarios, target, out, err),
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
        } => show::accept(scenario, snapshots, out, err),
        Command::Keys => keys::keys(out, err),
        Command::VirtualKey(told) => keys::virtual_key(told, out, err),
        Command::Doctor { verify } => with_rows(&arguments.scenarios, err, |library, rows, err| {
            doctor::doctor(library, rows, *verify, out, err)
        }),
        Command::SelfCheck => catalogue::self_check(&arguments.scenarios, out, err),
        Command::Coverage { format } => {
            with_rows(&arguments.scenarios, err, |library, rows, err| {
                catalogue::coverage(library, rows, *format, out, err)
            })
        }
        Command::Extract { row, out: file } => {
            with_rows(&arguments.scenarios, err, |library, rows, err| {
                catalogue::extract(library, rows, (row, file.as_deref()), out, err)
            })
        }
        Command::Docs => with_rows(&arguments.scenarios, err, |library, rows, _| {
            catalogue::docs(library, rows, out)
        }),
        Command::Explain { row } => with_rows(&arguments.scenarios, err, |library, rows, err| {
            show::explain_row(library, rows, row, out, err)
        }),
    }
}

fn with_rows<W: Write>(
    root: &Path,
    err: &mut W,
    then: impl FnOnce(&Library, &[Row], &mut W) -> std::io::Result<u8>,
) -> std::io::Result<u8> {
    match rows(root) {
        Ok((library, rows)) => {
            warn(&library, err)?;
            then(&library, &rows, err)
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
    writeln!(err, "{} {word}; nothing was run", mistakes.len())?;
    Ok(EXIT_BAD_FILE)
}
