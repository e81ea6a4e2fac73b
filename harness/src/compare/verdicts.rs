//! Verdicts of a target that are kept: one text file for each of its versions.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use super::Column;

/// What became of the verdicts since they were committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Since {
    /// Nobody looked.
    Uncommitted,
    /// There is no such file.
    NoFile(PathBuf),
    /// They were written there now.
    Written(PathBuf),
    /// They are held against that file.
    Held(PathBuf, Vec<Change>),
}

/// A verdict that is another one now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The row.
    pub row: String,
    /// The verdict that was committed; `not-run` where there is none.
    pub before: String,
    /// The verdict now; `not-run` where it did not run.
    pub now: String,
}

const NOT_RUN: &str = "not-run";

/// Says why a file cannot be compared with.
#[derive(Debug, thiserror::Error)]
pub enum VerdictsError {
    /// It cannot be read or written.
    #[error("{file}: {cause}")]
    Io {
        /// The file.
        file: PathBuf,
        /// What happened.
        cause: io::Error,
    },
    /// It is not as it was written.
    #[error("{file}:{line}: expected 'row verdict'; compare --update writes the file anew")]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from one.
        line: usize,
    },
}

/// Returns the file with the verdicts of a target.
#[must_use]
pub fn file(folder: &Path, column: &Column) -> PathBuf {
    let version = column.version.iter().map(String::as_str);
    let parts: Vec<&str> = [column.target.as_str()]
        .into_iter()
        .chain(version)
        .collect();
    let safe = |it: char| {
        if it.is_ascii_alphanumeric() || "._+-".contains(it) {
            it
        } else {
            '-'
        }
    };
    let name: String = parts.join("-").chars().map(safe).collect();
    folder.join(format!("{name}.txt"))
}

/// Writes the verdicts of a target: those of rows that ran, and of the others the reasons with their numbers.
#[must_use]
pub fn text(column: &Column) -> String {
    let mut text = format!(
        "# The verdicts of {}. Written by: passkey-harness compare --update\n",
        column.label()
    );
    for (because, count) in &column.not_run {
        // A String takes all that is written to it.
        let _ = writeln!(text, "# not run, {count}: {}", because.replace('\n', " "));
    }
    for (row, cell) in &column.cells {
        let _ = writeln!(text, "{row} {}", cell.verdict.name());
    }
    text
}

/// Writes the file.
///
/// # Errors
/// When it cannot be written.
pub fn write(folder: &Path, column: &Column) -> Result<Since, VerdictsError> {
    let file = file(folder, column);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&file, text(column)));
    match written {
        Ok(()) => Ok(Since::Written(file)),
        Err(cause) => Err(VerdictsError::Io { file, cause }),
    }
}

/// Holds verdicts against the file; where only some rows were chosen, only those.
///
/// # Errors
/// When there is a file, and it cannot be read.
pub fn hold(
    folder: &Path,
    column: &Column,
    chosen: Option<&BTreeSet<String>>,
) -> Result<Since, VerdictsError> {
    let file = file(folder, column);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Since::NoFile(file)),
        Err(cause) => return Err(VerdictsError::Io { file, cause }),
    };
    match read(&text) {
        Ok(before) => {
            let changes = changes(&before, column, chosen);
            Ok(Since::Held(file, changes))
        }
        Err(line) => Err(VerdictsError::Line { file, line }),
    }
}

/// Reads the file's rows and verdicts; the number of the line that is not one of them.
fn read(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(index, line)| {
            let (row, verdict) = line.split_once(' ').ok_or(index + 1)?;
            Ok((row.to_owned(), verdict.to_owned()))
        })
        .collect()
}

fn changes(
    before: &BTreeMap<String, String>,
    column: &Column,
    chosen: Option<&BTreeSet<String>>,
) -> Vec<Change> {
    let rows: BTreeSet<&String> = before.keys().chain(column.cells.keys()).collect();
    let rows = rows
        .into_iter()
        .filter(|row| chosen.is_none_or(|chosen| chosen.contains(*row)));
    let change = |row: &String| {
        let before = before.get(row).map_or(NOT_RUN, String::as_str);
        let now = column.cells.get(row);
        let now = now.map_or(NOT_RUN, |cell| cell.verdict.name());
        (before != now).then(|| Change {
            row: row.clone(),
            before: before.to_owned(),
            now: now.to_owned(),
        })
    };
    rows.filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use passkey_model::verdict::Verdict;

    use super::{super::Cell, *};

    fn column(cells: &[(&str, Verdict)]) -> Column {
        let mut column = Column::new("shop/eu", Some("1.2"));
        for (row, verdict) in cells {
            let cell = Cell {
                verdict: *verdict,
                because: String::new(),
                known: None,
            };
            column.cells.insert((*row).to_owned(), cell);
        }
        column.not_run.insert("no lane".to_owned(), 3);
        column
    }

    #[test]
    fn what_is_written_is_read_again_without_a_change() {
        let column = column(&[
            ("a::b::c", Verdict::Conforms),
            ("a::b::d", Verdict::Deviates),
        ]);
        let text = text(&column);
        assert!(
            text.contains("\n# not run, 3: no lane\na::b::c conforms\n"),
            "{text}"
        );
        assert_eq!(
            read(&text).map(|before| changes(&before, &column, None)),
            Ok(Vec::new())
        );
        assert_eq!(
            file(Path::new("v"), &column),
            Path::new("v/shop-eu-1.2.txt")
        );
    }

    #[test]
    fn a_change_is_a_verdict_that_is_another_and_a_row_that_came_or_went() {
        let before = read("a::b::c conforms\na::b::gone conforms\n").unwrap_or_default();
        let column = column(&[
            ("a::b::c", Verdict::Deviates),
            ("a::b::new", Verdict::Conforms),
        ]);
        let told = |chosen| -> Vec<String> {
            let changes = changes(&before, &column, chosen);
            let told = changes
                .iter()
                .map(|it| format!("{} {} {}", it.row, it.before, it.now));
            told.collect()
        };
        assert_eq!(
            told(None),
            [
                "a::b::c conforms deviates",
                "a::b::gone conforms not-run",
                "a::b::new not-run conforms"
            ]
        );
        let chosen = BTreeSet::from(["a::b::new".to_owned()]);
        assert_eq!(told(Some(&chosen)), ["a::b::new not-run conforms"]);
        assert_eq!(read("# head\nno-verdict\n"), Err(2));
    }
}
