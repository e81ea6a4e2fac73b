//! JSON lines: one object for each row that ran.

use std::io::{self, Write};

use passkey_model::{
    row::{Role, Row},
    verdict::{Outcome, expectation},
};
use serde_json::{Value, json};

use super::{Event, Reporter};
use crate::run::RowResult;

/// Writes one JSON object a line for each row that ran.
#[derive(Debug)]
pub struct JsonLines<W> {
    /// Where the lines go.
    pub out: W,
    /// The target's name.
    pub target: String,
}

impl<W: Write> Reporter for JsonLines<W> {
    fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::Judged { row, result } if result.judgement.verdict.has_run() => {
                writeln!(self.out, "{}", to_json(row, result, &self.target))
            }
            Event::Finished { .. } => self.out.flush(),
            _ => Ok(()),
        }
    }
}

/// Returns a row's result as the JSON object of `run --format json`.
///
/// `expected` and `outcome` speak of the step that decided: the first that did not do what was expected, otherwise the last
/// that the row is about.
#[must_use]
pub fn to_json(row: &Row, result: &RowResult, target: &str) -> Value {
    let ran = result.records.len();
    let stopped_early = ran > 0 && ran < row.steps.len();
    let disagrees = result.judgement.verdict.is_red() || result.known.is_some();
    let decided = if stopped_early || disagrees {
        ran.checked_sub(1)
    } else {
        row.steps
            .iter()
            .rposition(|step| step.role == Role::Subject)
    };
    let step = decided.and_then(|index| row.steps.get(index));
    let outcome = decided
        .and_then(|index| result.records.get(index))
        .map(|record| &record.outcome);
    json!({
        "row": row.name.to_string(),
        "suite": row.suite,
        "scenario": row.scenario,
        "lane": row.lane.id,
        "target": target,
        "expected": step.map(expectation),
        "outcome": outcome.map(Outcome::name),
        "reason": outcome.map(Outcome::reasons).unwrap_or_default(),
        "verdict": result.judgement.verdict,
        "because": result.judgement.because,
        "known": result.known.as_ref().map(|known| json!({
            "of": known.of, "found": known.found, "link": known.link,
        })),
        "severity": row.grounds.severity,
        "basis": row.grounds.basis,
        "spec": row.grounds.spec,
        "exchange": result.exchange,
        "duration_ms": u64::try_from(result.duration.as_millis()).unwrap_or(u64::MAX),
    })
}
