//! The course of a row: its steps, one after the other, as far as they do what is expected of them.

use std::collections::BTreeMap;

use passkey_authenticators::seed::Seed;
use passkey_model::{row::Row, scenario::Expected, transcript::StepRecord, verdict::Outcome};
use serde_json::Value;

use super::{Api, Browsers, Canary, KeyRing, PlayError, Player, Rp, Runner, page::OnPage, values};

impl<'a> Player<'a> {
    /// Connects to the relying party of a row.
    pub(super) async fn new(runner: &'a Runner, row: &'a Row, rp: Rp) -> Result<Self, PlayError> {
        let seed = Seed::new(runner.seed, &row.name.without_lane());
        let of_row = rp.of_row(row, &seed);
        let api = Api::connect(rp.address(), rp.host(), rp.reader(), &of_row).await?;
        let canary = Canary::for_row(row).await.map_err(PlayError::Canary)?;
        Ok(Self {
            library: &runner.library,
            row,
            rp,
            api,
            seed,
            passkeys: BTreeMap::new(),
            keys: KeyRing::new(runner.browsers.keys().clone()),
            values: values::at_start(row, &seed, canary.as_ref()),
            canary,
            options: Value::Null,
            last: None,
            held_state: None,
            links: BTreeMap::new(),
            messages: Vec::new(),
            unfaithful: None,
            observed: None,
            registered: Vec::new(),
            unanswered: Vec::new(),
            owners: BTreeMap::new(),
            admitted: None,
            kept_session: None,
            aftermaths: Vec::new(),
        })
    }

    /// Plays the steps, as far as they go on; says what broke, if something of ours or of the environment's did.
    pub(super) async fn run(
        &mut self,
        mut page: Option<&mut OnPage>,
    ) -> (Vec<StepRecord>, Option<String>) {
        let row = self.row;
        let mut records = Vec::new();
        let mut broken = None;
        for (index, step) in row.steps.iter().enumerate() {
            let played = self.look_around(index, step, page.as_deref_mut()).await;
            let outcome = match played {
                Ok(outcome) => match &self.canary {
                    Some(canary) => canary.after(outcome),
                    None => outcome,
                },
                Err(message) => {
                    let message = match &page {
                        Some(page) => Browsers::diagnose(row, &page.session, message).await,
                        None => message,
                    };
                    broken = Some(format!("step {}: {message}", index + 1));
                    break;
                }
            };
            let went_on = goes_on(step.expect, &outcome);
            records.push(StepRecord {
                messages: std::mem::take(&mut self.messages),
                outcome,
                client: page.as_deref_mut().and_then(OnPage::take_shown),
            });
            if !went_on {
                break;
            }
        }
        if let Err(stays) = self.keys.finish().await {
            broken = broken.or(Some(stays));
        }
        (records, broken)
    }
}

const fn goes_on(expected: Expected, outcome: &Outcome) -> bool {
    matches!(
        (outcome, expected),
        (Outcome::Accepted, Expected::Accepted)
            | (
                Outcome::Rejected { .. },
                Expected::Rejected | Expected::PolicyRefused
            )
            | (Outcome::NoCredential { .. }, Expected::NoCredential)
            | (_, Expected::Reported)
    )
}
