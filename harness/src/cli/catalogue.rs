//! Commands about the catalogue of conformance cases: `self-check`, `coverage`, `extract`, `docs`.

use std::{
    fs,
    io::{self, Write},
    path::Path,
    sync::Arc,
    time::Instant,
};

use passkey_model::{lane::Lane, library::Library, row::Row};
use passkey_reference_rp::Defect;

use super::{
    EXIT_HARNESS, EXIT_NOTHING, EXIT_OK, EXIT_RED, arguments::Format, report_mistakes, rows,
    show::no_such_row,
};
use crate::{coverage::Coverage, docs, extract, run::Runner, self_check};

/// Runs the self-check, prints the kill matrix, and says what is wrong.
pub(super) fn self_check(
    scenarios: &Path,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    let (library, rows) = match rows(scenarios) {
        Ok(found) => found,
        Err(mistakes) => return report_mistakes(&mistakes, err),
    };
    let start = Instant::now();
    writeln!(
        err,
        "every row of the software lane runs once, and once more with each defect that it names"
    )?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let check = match runtime.block_on(self_check::self_check(Arc::new(library), rows)) {
        Ok(check) => check,
        Err(error) => {
            writeln!(err, "{error}")?;
            return Ok(EXIT_HARNESS);
        }
    };
    write!(out, "{}", check.matrix.render())?;
    for mistake in &check.mistakes {
        writeln!(err, "{mistake}")?;
    }
    writeln!(
        err,
        "{} defects, {} kills by rows that name them, {} rows without a defect, {} mistakes, {:.1} s",
        Defect::ALL.len(),
        check.matrix.kills(),
        check.rows,
        check.mistakes.len(),
        start.elapsed().as_secs_f64()
    )?;
    Ok(if check.mistakes.is_empty() {
        EXIT_OK
    } else {
        EXIT_RED
    })
}

/// Prints how many cases each step of the specification has.
pub(super) fn coverage(
    library: &Library,
    rows: &[Row],
    format: Format,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    let coverage = Coverage::of(library, rows);
    match format {
        Format::Text => write!(out, "{coverage}")?,
        Format::Json => writeln!(
            out,
            "{}",
            serde_json::to_string(&coverage).map_err(io::Error::other)?
        )?,
    }
    let gaps = coverage.gaps();
    gaps.iter().try_for_each(|gap| writeln!(err, "{gap}"))?;
    Ok(if gaps.is_empty() { EXIT_OK } else { EXIT_RED })
}

/// Runs one row of the software lane and writes its exchange down as a fixture.
pub(super) fn extract(
    library: &Library,
    rows: &[Row],
    (wanted, file): (&str, Option<&Path>),
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    let in_lane = format!("{wanted}::{}", Lane::SOFTWARE);
    let is_wanted = |row: &&Row| {
        let name = row.name.to_string();
        row.lane.id == Lane::SOFTWARE && (name == wanted || name == in_lane)
    };
    let Some(row) = rows.iter().find(is_wanted) else {
        let software = rows.iter().filter(|row| row.lane.id == Lane::SOFTWARE);
        let names: Vec<String> = software.map(|row| row.name.to_string()).collect();
        writeln!(err, "{}", no_such_row(&names, wanted))?;
        return Ok(EXIT_NOTHING);
    };
    let runner = Runner {
        library: Arc::new(library.clone()),
        ..Runner::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(runner.run_row(row));
    if !result.judgement.verdict.has_run() || result.records.is_empty() {
        writeln!(err, "{}: {}", row.name, result.judgement.because)?;
        return Ok(EXIT_NOTHING);
    }
    let fixture = serde_json::to_string_pretty(&extract::fixture(row, &result));
    let fixture = fixture.map_err(io::Error::other)? + "\n";
    match file {
        None => out.write_all(fixture.as_bytes())?,
        Some(file) => {
            fs::write(file, fixture).map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("cannot write {}: {error}", file.display()),
                )
            })?;
            writeln!(err, "{}: {}", file.display(), row.name)?;
        }
    }
    Ok(EXIT_OK)
}

/// Prints the page about the cases for people who write relying parties.
pub(super) fn docs(library: &Library, rows: &[Row], out: &mut impl Write) -> io::Result<u8> {
    write!(out, "{}", docs::page(library, rows))?;
    Ok(EXIT_OK)
}
