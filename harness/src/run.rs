//! Runs rows: one relying party a row, its steps in order, then the verdict.

mod api;
mod script;

use std::time::{Duration, Instant};

use passkey_model::{
    library::Library,
    row::Row,
    verdict::{Judgement, Outcome, Verdict, expectation, judge},
};
use serde_json::{Value, json};

/// How long one request may take.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// What became of one row.
#[derive(Clone, Debug)]
pub struct RowResult {
    /// The verdict and why.
    pub judgement: Judgement,
    /// What the relying party did with each step.
    pub outcomes: Vec<Outcome>,
    /// How long it took.
    pub duration: Duration,
}

/// Runs one row against a relying party of its own.
///
/// Keys and user names derive from the row's name and `seed`.
pub async fn run_row(library: &Library, row: &Row, seed: u64, strict: bool) -> RowResult {
    let start = Instant::now();
    if let Some(why) = &row.not_applicable {
        let judgement = Judgement {
            verdict: Verdict::NotApplicable,
            because: why.clone(),
        };
        return RowResult {
            judgement,
            outcomes: Vec::new(),
            duration: start.elapsed(),
        };
    }
    let (judgement, outcomes) = match script::play(library, row, seed).await {
        Ok(outcomes) => (judge(row, &outcomes, strict), outcomes),
        Err(error) => (
            Judgement {
                verdict: Verdict::HarnessError,
                because: error.to_string(),
            },
            Vec::new(),
        ),
    };
    RowResult {
        judgement,
        outcomes,
        duration: start.elapsed(),
    }
}

/// Returns what a person needs to know of a red row: what was expected, what happened, who says so, how to run it again.
#[must_use]
pub fn failure(row: &Row, result: &RowResult) -> String {
    let judgement = &result.judgement;
    let says: Vec<String> = row
        .grounds
        .spec
        .iter()
        .map(|source| format!("  says {source}\n"))
        .collect();
    format!(
        "{}: {}\n  {}\n  written at {}\n{}  run it again: passkey-harness run --exact '{}'",
        judgement.verdict.name(),
        row.name,
        judgement.because,
        row.source,
        says.concat(),
        row.name
    )
}

/// Returns the row's result as the JSON object of `run --format json`.
#[must_use]
pub fn to_json(row: &Row, result: &RowResult) -> Value {
    let subject = row.steps.last();
    let outcome = result.outcomes.last();
    json!({
        "row": row.name.to_string(),
        "suite": row.suite,
        "scenario": row.scenario,
        "lane": row.lane,
        "target": "embedded",
        "expected": subject.map(expectation),
        "outcome": outcome.map(Outcome::name),
        "reason": outcome.map(Outcome::reasons).unwrap_or_default(),
        "verdict": result.judgement.verdict,
        "because": result.judgement.because,
        "severity": row.grounds.severity,
        "basis": row.grounds.basis,
        "spec": row.grounds.spec,
        "duration_ms": u64::try_from(result.duration.as_millis()).unwrap_or(u64::MAX),
    })
}
