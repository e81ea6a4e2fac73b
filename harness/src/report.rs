//! Reporters: they see a run through its events and nothing else.

mod failure;
mod files;
mod json;
mod junit;
mod terminal;

use std::{collections::BTreeMap, io, time::Duration};

use passkey_model::{
    row::Row,
    verdict::{Verdict, known::Listed},
};

pub use failure::failure;
pub use files::{Files, write_files};
pub use json::{JsonLines, to_json};
pub use terminal::Terminal;

use crate::run::RowResult;

/// What happens in a run, in the order of the plan.
#[derive(Debug)]
pub enum Event<'a> {
    /// So many rows were chosen.
    Started {
        /// How many of them can run.
        runnable: usize,
    },
    /// A row was judged.
    Judged {
        /// The row.
        row: &'a Row,
        /// What became of it.
        result: &'a RowResult,
    },
    /// Every row was judged.
    Finished {
        /// How many rows have each verdict.
        counts: &'a BTreeMap<Verdict, usize>,
        /// The known deviations that no row of the whole plan can show.
        unmatched: &'a [Listed],
        /// How long it took.
        elapsed: Duration,
    },
}

/// Writes down what happens in a run.
pub trait Reporter {
    /// Takes note of an event.
    ///
    /// # Errors
    /// When its output cannot be written.
    fn event(&mut self, event: &Event<'_>) -> io::Result<()>;
}

/// Says what is wrong with a known deviation that no row can show.
fn matches_nothing(listed: &Listed) -> String {
    format!(
        "{}: the known deviation '{}' is of no row that this target can show: remove the entry",
        listed.at, listed.deviation.rows
    )
}

/// Returns verdicts with their numbers: `685 conforms, 2 deviates`.
pub(crate) fn counted(counts: &BTreeMap<Verdict, usize>) -> String {
    let words: Vec<String> = counts
        .iter()
        .map(|(verdict, count)| format!("{count} {}", verdict.name()))
        .collect();
    words.join(", ")
}
