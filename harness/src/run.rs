//! Runs rows: one relying party a row, its steps in order, then the verdict.

mod administer;
mod api;
mod beside;
mod browsers;
mod command;
mod csrf;
mod epochs;
mod evidence;
mod http;
mod learn;
mod pace;
mod play;
mod site;
mod smoke;
mod speech;
mod turns;

pub(crate) use administer::{set_policy, tell};
pub use beside::Beside;
pub use browsers::{Browsers, CapacityError, capacity};
pub(crate) use command::{Asked, Heard, Settings, accepts, hear, options_in};
pub use epochs::{Epoch, Lease, epochs};
pub use evidence::{Evidence, Piece};
pub(crate) use learn::learn;
pub(crate) use pace::Pace;
pub(crate) use play::{ceremony_of, of_models as trust_anchors, setup as embedded};
pub use smoke::{Came, Tried};
pub(crate) use smoke::{row_of_smoke, smoke, smoke_on_pages};
pub(crate) use speech::KeptForAll;
pub use turns::Turns;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use passkey_model::{
    library::Library,
    row::Row,
    target::Deviation,
    transcript::{self, StepRecord, Written},
    verdict::{
        Demands, Judgement, Outcome, Verdict,
        aftermath::{Aftermath, with_aftermath},
        judge, known,
    },
};
use passkey_reference_rp::{Defects, Recorded};

use crate::target::{ReadyTarget, Secrets, Started};

/// How long one request may take.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(5);
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
    /// The mistakes that the embedded relying party makes.
    pub defects: Defects,
    /// The relying party that runs on its own; the embedded one, one a row, when there is none.
    pub target: Option<Arc<ReadyTarget>>,
    /// What keeps the target running, where it was started for the run.
    pub started: Option<Arc<Started>>,
    /// The browsers of the lanes that need some.
    pub browsers: Arc<Browsers>,
    /// How many rows of each lane run at once; without bounds, as many as there are callers.
    pub turns: Turns,
    /// Which rows run at once on a target that they share.
    pub beside: Arc<Beside>,
}

/// What became of one row.
#[derive(Clone, Debug)]
pub struct RowResult {
    /// The verdict and why.
    pub judgement: Judgement,
    /// The entry by which its deviation is known, if it is.
    pub known: Option<Deviation>,
    /// What happened in each step; empty when nothing ran.
    pub records: Vec<StepRecord>,
    /// The RP ID that the ceremonies were about.
    rp_id: String,
    /// What tells this exchange from others: 64 hexadecimal digits.
    pub exchange: String,
    /// What the relying party verified, to be verified again.
    pub recorded: Vec<Recorded>,
    /// What its browser showed, where it is red and has one.
    pub evidence: Evidence,
    /// How long it took.
    pub duration: Duration,
}

impl RowResult {
    fn without_run(judgement: Judgement, duration: Duration) -> Self {
        Self {
            judgement,
            known: None,
            records: Vec::new(),
            rp_id: String::new(),
            exchange: String::new(),
            recorded: Vec::new(),
            evidence: Evidence::default(),
            duration,
        }
    }

    /// Returns what becomes of a row whose policy could not be put in force.
    #[must_use]
    pub fn not_begun(why: String) -> Self {
        Self::without_run(harness_error(why), Duration::ZERO)
    }

    /// Writes down what happened, redacted; nothing when nothing ran.
    #[must_use]
    pub fn written(&self, row: &Row) -> Written {
        if self.records.is_empty() {
            return Written::default();
        }
        transcript::write(row, &self.records, &self.rp_id)
    }

    /// Returns what the relying party did last.
    #[must_use]
    pub fn last_outcome(&self) -> Option<&Outcome> {
        self.records.last().map(|record| &record.outcome)
    }
}

impl Runner {
    /// Returns the target's name.
    #[must_use]
    pub fn target_name(&self) -> &str {
        let name = self.target.as_ref().map(|target| &target.file.target);
        name.map_or("embedded", String::as_str)
    }

    /// Returns where the target is known to deviate.
    #[must_use]
    pub fn listed(&self) -> &[known::Listed] {
        let target = self.target.as_ref();
        target.map_or(&[], |target| target.deviations.as_slice())
    }

    /// Says why a row cannot be shown in its lane or on the target; nothing when it can run.
    #[must_use]
    pub fn not_applicable(&self, row: &Row) -> Option<String> {
        let on_target = |target: &Arc<ReadyTarget>| target.file.cannot_show(&self.library, row);
        row.not_applicable
            .clone()
            .or_else(|| self.target.as_ref().and_then(on_target))
    }

    /// Says why a row does not run: its lane or target cannot show it, or the lane is not there.
    #[must_use]
    pub fn does_not_run(&self, row: &Row) -> Option<Judgement> {
        if let Some(because) = self.not_applicable(row) {
            let verdict = Verdict::NotApplicable;
            return Some(Judgement { verdict, because });
        }
        let because = self.browsers.lacking(row)?;
        let verdict = Verdict::Blocked;
        Some(Judgement { verdict, because })
    }

    fn rp_id(&self) -> &str {
        let id = self.target.as_ref().map(|target| &target.file.rp_id);
        id.map_or(embedded::RP_ID, String::as_str)
    }

    /// Runs one row when it is its turn, against a relying party of its own unless the target runs on its own.
    pub async fn run_row(&self, row: &Row) -> RowResult {
        let _turn = self.turns.wait(&row.lane).await;
        if let Some(judgement) = self.does_not_run(row) {
            return RowResult::without_run(judgement, Duration::ZERO);
        }
        let target = self.target.as_ref();
        if target.is_none_or(|target| target.adapters.is_some()) {
            return self.run_now(row).await;
        }
        let visit = self.beside.enter().await;
        let deaths = self.deaths().await;
        let result = self.run_now(row).await;
        let has_hung = result.records.iter().any(|it| it.outcome == Outcome::Hung);
        if !visit.had_company() || !(has_hung || deaths != self.deaths().await) {
            return result;
        }
        drop(visit);
        let _alone = self.beside.alone().await;
        // With users and passkeys of its own: those of the first time may be there.
        let anew = Self {
            seed: self.seed.wrapping_add(1),
            ..self.clone()
        };
        let mut alone = anew.run_now(row).await;
        alone.judgement.because +=
            "; run alone, since the target hung or ended when other rows ran beside it";
        alone
    }

    /// Returns how often a target that was started has ended on its own.
    async fn deaths(&self) -> usize {
        match &self.started {
            Some(started) => started.deaths().await,
            None => 0,
        }
    }

    async fn run_now(&self, row: &Row) -> RowResult {
        let mut result = self.run_as_it_is(row).await;
        if let Some(target) = &self.target {
            let secrets = Secrets::of(target);
            secrets.veil(&mut result.judgement.because);
            for record in &mut result.records {
                secrets.veil_record(record);
            }
        }
        result
    }

    async fn run_as_it_is(&self, row: &Row) -> RowResult {
        let start = Instant::now();
        if let Some(started) = &self.started
            && let Err(error) = started.revive(self.control().map(Arc::as_ref)).await
        {
            return RowResult::without_run(harness_error(error.to_string()), start.elapsed());
        }
        let played = match play::play(self, row).await {
            Ok(played) => played,
            Err(error) => {
                return RowResult::without_run(harness_error(error.to_string()), start.elapsed());
            }
        };
        let records = played.records;
        let (judgement, known) = known::hold(played.judgement, row, self.listed());
        RowResult {
            judgement,
            known,
            exchange: transcript::exchange(row, &records, self.rp_id()),
            rp_id: self.rp_id().to_owned(),
            duration: start.elapsed(),
            records,
            recorded: played.recorded,
            evidence: played.evidence,
        }
    }

    /// Judges what was played; `fault` says why that is nothing of the relying party's.
    fn judge(
        &self,
        row: &Row,
        records: &[StepRecord],
        aftermaths: &[Aftermath],
        fault: Option<String>,
    ) -> Judgement {
        let outcomes: Vec<Outcome> = records
            .iter()
            .map(|record| record.outcome.clone())
            .collect();
        if let Some(because) = fault {
            return harness_error(because);
        }
        let target = self.target.as_ref();
        let demands = Demands {
            should: self.strict,
            fido: target.is_none_or(|target| target.file.declares.fido),
            any_order: target.is_some(),
        };
        let sent: Vec<_> = records.iter().flat_map(StepRecord::options).collect();
        let otherwise = target.and_then(|target| target.file.sends_otherwise(row, &sent));
        // Whatever the options say, nobody may break down.
        if let Some(because) = otherwise.filter(|_| !outcomes.iter().any(Outcome::broke_down)) {
            let verdict = Verdict::NotApplicable;
            return Judgement { verdict, because };
        }
        let judgement = judge(row, &outcomes, demands);
        with_aftermath(judgement, row, &outcomes, aftermaths)
    }
}

const fn harness_error(because: String) -> Judgement {
    Judgement {
        verdict: Verdict::HarnessError,
        because,
    }
}
