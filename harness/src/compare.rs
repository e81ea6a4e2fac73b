//! What targets did with the same rows, side by side: as Markdown, as JSON and as a page of HTML.

mod html;
mod json;
mod markdown;
pub mod verdicts;

use std::collections::{BTreeMap, BTreeSet};

use passkey_model::{
    row::Row,
    scenario::Suite,
    target::{Deviation, Whose},
    verdict::Verdict,
};

pub use html::html;
pub use json::json;
pub use markdown::markdown;
use verdicts::Since;

use crate::{docs, report::counted, run::RowResult};

/// Targets side by side.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// The rows that ran on any of the targets, in the order of the plan.
    pub lines: Vec<Line>,
    /// The targets, in the order of the command line.
    pub columns: Vec<Column>,
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its whole name.
    pub row: String,
    /// The case.
    pub case: String,
    /// What tells it from the other rows of the case.
    pub rest: String,
    /// What it shows.
    pub title: String,
    /// How bad it is when it is red.
    pub severity: &'static str,
    /// Why it may be red.
    pub basis: &'static str,
    /// Who says so.
    pub spec: Vec<String>,
    /// Where the page about the cases describes it, if it does.
    pub anchor: Option<String>,
}

/// One target.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub target: String,
    /// Its version, where the file says it.
    pub version: Option<String>,
    /// What came of the rows that ran, by their names.
    pub cells: BTreeMap<String, Cell>,
    /// Why the others did not run, with how many.
    pub not_run: BTreeMap<String, usize>,
    /// What changed since its verdicts were committed.
    pub since: Since,
}

/// What came of a row on a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The verdict.
    pub verdict: Verdict,
    /// The sentence that explains it.
    pub because: String,
    /// The entry by which its deviation is known.
    pub known: Option<Deviation>,
}

impl Line {
    /// Describes a row.
    #[must_use]
    pub fn of(row: &Row) -> Self {
        let rest = row.name.parts().iter().skip(2).map(String::as_str);
        Self {
            row: row.name.to_string(),
            case: row.scenario.clone(),
            rest: rest.collect::<Vec<_>>().join(" "),
            title: row.title.clone(),
            severity: docs::severity(row.grounds.severity),
            basis: docs::basis(row.grounds.basis),
            spec: row.grounds.spec.clone(),
            anchor: (row.suite == Suite::Conformance).then(|| anchor(&row.scenario)),
        }
    }
}

/// Returns the anchor that a heading has on GitHub.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|it| it.is_ascii_alphanumeric() || "-_ ".contains(*it));
    kept.map(|it| if it == ' ' { '-' } else { it }).collect()
}

impl Column {
    /// Makes a column without results.
    #[must_use]
    pub fn new(target: &str, version: Option<&str>) -> Self {
        Self {
            target: target.to_owned(),
            version: version.map(str::to_owned),
            cells: BTreeMap::new(),
            not_run: BTreeMap::new(),
            since: Since::Uncommitted,
        }
    }

    /// Takes note of what came of a row.
    pub fn note(&mut self, row: &Row, result: &RowResult) {
        let judgement = &result.judgement;
        if !judgement.verdict.has_run() {
            let because = judgement.because.clone();
            *self.not_run.entry(because).or_default() += 1;
            return;
        }
        let cell = Cell {
            verdict: judgement.verdict,
            because: judgement.because.clone(),
            known: result.known.clone(),
        };
        self.cells.insert(row.name.to_string(), cell);
    }

    /// Returns its name with its version.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.version {
            Some(version) => format!("{} {version}", self.target),
            None => self.target.clone(),
        }
    }

    /// Counts the verdicts of the rows that ran.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Verdict, usize> {
        let mut counts = BTreeMap::new();
        for cell in self.cells.values() {
            *counts.entry(cell.verdict).or_default() += 1;
        }
        counts
    }

    /// Returns the counts in words: `685 conforms, 2 deviates`.
    #[must_use]
    pub fn counted(&self) -> String {
        counted(&self.counts())
    }
}

/// The same thing found in several rows of a target.
#[derive(Clone, Debug)]
pub struct Finding<'a> {
    /// The target, with its version.
    pub target: String,
    /// What was found, or what happened where nobody looked yet.
    pub found: &'a str,
    /// Where it can be read.
    pub link: Option<&'a str>,
    /// The rows, in the order of their names.
    pub rows: Vec<&'a str>,
}

impl Comparison {
    /// Makes a comparison of the columns; `plan` are the rows in their order.
    #[must_use]
    pub fn of(plan: &[Line], columns: Vec<Column>) -> Self {
        let ran: BTreeSet<&String> = columns.iter().flat_map(|it| it.cells.keys()).collect();
        let lines = plan.iter().filter(|line| ran.contains(&line.row));
        Self {
            lines: lines.cloned().collect(),
            columns,
        }
    }

    /// Returns the known deviations of the library, the application or the deployment.
    #[must_use]
    pub fn findings(&self, of: Whose) -> Vec<Finding<'_>> {
        self.gather(|cell| {
            let known = cell.known.as_ref().filter(|known| known.of == of)?;
            Some((known.found.as_str(), Some(known.link.as_str())))
        })
    }

    /// Returns what is red, and therefore nobody's yet: a row is a finding of its own.
    #[must_use]
    pub fn unexplained(&self) -> Vec<Finding<'_>> {
        self.gather(|cell| {
            let red = cell.verdict.is_red();
            red.then_some((cell.because.as_str(), None))
        })
    }

    fn gather<'a>(
        &'a self,
        told: impl Fn(&'a Cell) -> Option<(&'a str, Option<&'a str>)>,
    ) -> Vec<Finding<'a>> {
        let mut findings = Vec::new();
        for column in &self.columns {
            let mut by_words: BTreeMap<_, Vec<&str>> = BTreeMap::new();
            for (row, cell) in &column.cells {
                if let Some(words) = told(cell) {
                    by_words.entry(words).or_default().push(row);
                }
            }
            let of_column = by_words.into_iter().map(|((found, link), rows)| Finding {
                target: column.label(),
                found,
                link,
                rows,
            });
            findings.extend(of_column);
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_anchor_is_what_github_makes_of_the_heading() {
        assert_eq!(super::anchor("key.alg.es384"), "keyalges384");
        assert_eq!(super::anchor("cd.chal-other"), "cdchal-other");
    }
}
