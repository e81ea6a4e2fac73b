//! Commands that run nothing: `list`, `explain`, `check`, `accept`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use passkey_model::{expand, library::Library, row::Row};
use serde_json::json;

use super::{EXIT_NOTHING, EXIT_OK, arguments::Format, report_mistakes, rows, warn};
use crate::{explain::explain, filter::Filter, lanes::Places, load, snapshot};

/// Loads and validates scenarios and targets.
pub(super) fn check(
    paths: &[PathBuf],
    out: &mut impl Write,
    err: &mut impl Write,
) -> std::io::Result<u8> {
    let mut mistakes = Vec::new();
    for path in paths {
        if path.is_file() {
            match load::target(path) {
                Err(found) => mistakes.extend(found.iter().map(ToString::to_string)),
                Ok(_) => writeln!(out, "{}: a target", path.display())?,
            }
            continue;
        }
        match rows(path) {
            Err(found) => mistakes.extend(found),
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
    if mistakes.is_empty() {
        Ok(EXIT_OK)
    } else {
        report_mistakes(&mistakes, err)
    }
}

/// Prints the rows that are chosen.
pub(super) fn list(
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
        "lane": row.lane.id,
        "source": row.source.to_string(),
        "severity": row.grounds.severity,
        "basis": row.grounds.basis,
        "spec": row.grounds.spec,
        "not_applicable": row.not_applicable,
    })
}

/// Explains one row.
pub(super) fn explain_row(
    library: &Library,
    rows: &[Row],
    wanted: &str,
    out: &mut impl Write,
    err: &mut impl Write,
) -> std::io::Result<u8> {
    if let Some(row) = rows.iter().find(|row| row.name.to_string() == wanted) {
        write!(out, "{}", explain(row))?;
        let places = Places::look(&expand::lanes(library));
        if let Some(why) = places.lacking(row) {
            writeln!(out, "  blocked: {why}")?;
        }
        return Ok(EXIT_OK);
    }
    let names: Vec<String> = rows.iter().map(|row| row.name.to_string()).collect();
    writeln!(err, "{}", no_such_row(&names, wanted))?;
    Ok(EXIT_NOTHING)
}

/// Says that no row has that name, and which name is nearest.
pub(super) fn no_such_row(names: &[String], wanted: &str) -> String {
    let nearest = passkey_model::suggest::nearest(wanted, names.iter().map(String::as_str));
    let hint = nearest
        .map(|name| format!("; did you mean {name}?"))
        .unwrap_or_default();
    format!("no row is named {wanted}{hint}")
}

/// Takes over the pending transcripts of a scenario.
pub(super) fn accept(
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
