//! Runs rows: one relying party a row, its steps in order, then the verdict.

mod api;
mod play;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use passkey_model::{
    library::Library,
    row::Row,
    transcript::{self, StepRecord},
    verdict::{Judgement, Outcome, Verdict, judge},
};
use passkey_reference_rp::{Defects, Recorded};

/// How long one request may take.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// How many rows of the software lane run at once.
pub const SOFTWARE_CAPACITY: usize = 8;

/// Runs rows of one library against relying parties of their own.
#[derive(Clone, Debug, Default)]
pub struct Runner {
    /// Providers and profiles.
    pub library: Arc<Library>,
    /// What keys and credential IDs derive from, beside the row's name.
    pub seed: u64,
    /// Whether rows whose basis is a SHOULD are red too.
    pub strict: bool,
    /// The mistakes that the relying party makes.
    pub defects: Defects,
}

/// What became of one row.
#[derive(Clone, Debug)]
pub struct RowResult {
    /// The verdict and why.
    pub judgement: Judgement,
    /// What happened in each step; empty when nothing ran.
    pub records: Vec<StepRecord>,
    /// The whole transcript, redacted; empty when nothing ran.
    pub transcript: String,
    /// The part of the transcript that is compared across rows and lanes.
    pub ceremony: String,
    /// What tells this exchange from others: 64 hexadecimal digits.
    pub exchange: String,
    /// What the relying party verified, to be verified again.
    pub recorded: Vec<Recorded>,
    /// How long it took.
    pub duration: Duration,
}

impl RowResult {
    fn without_run(judgement: Judgement, duration: Duration) -> Self {
        Self {
            judgement,
            records: Vec::new(),
            transcript: String::new(),
            ceremony: String::new(),
            exchange: String::new(),
            recorded: Vec::new(),
            duration,
        }
    }

    /// Returns what the relying party did last.
    #[must_use]
    pub fn last_outcome(&self) -> Option<&Outcome> {
        self.records.last().map(|record| &record.outcome)
    }
}

impl Runner {
    /// Runs one row against a relying party of its own.
    pub async fn run_row(&self, row: &Row) -> RowResult {
        let start = Instant::now();
        let harness_error = |because: String| Judgement {
            verdict: Verdict::HarnessError,
            because,
        };
        if let Some(why) = &row.not_applicable {
            let judgement = Judgement {
                verdict: Verdict::NotApplicable,
                because: why.clone(),
            };
            return RowResult::without_run(judgement, start.elapsed());
        }
        let played = match play::play(self, row).await {
            Ok(played) => played,
            Err(error) => {
                return RowResult::without_run(harness_error(error.to_string()), start.elapsed());
            }
        };
        let records = played.records;
        let outcomes: Vec<Outcome> = records
            .iter()
            .map(|record| record.outcome.clone())
            .collect();
        let written = transcript::write(row, &records, play::RP_ID);
        RowResult {
            judgement: played.unfaithful.map_or_else(
                || judge(row, &outcomes, self.strict),
                |why| harness_error(format!("the row is not about what it says: {why}")),
            ),
            transcript: written.transcript,
            ceremony: written.ceremony,
            exchange: written.exchange,
            duration: start.elapsed(),
            records,
            recorded: played.recorded,
        }
    }
}
