//! Tries a target that has nothing but its own pages: by the row that registers, signs in and shows a wrong signature.

use passkey_model::{
    lane::{AuthenticatorKind, Driver},
    row::Row,
    verdict::{Outcome, Verdict},
};

use super::{Came, Tried};
use crate::run::{RowResult, Runner};

/// The scenario that does all of it.
const SCENARIO: &str = "sig.bitflip";
const WHAT: [&str; 3] = ["registration", "sign-in", "a wrong signature"];

/// Returns the row by which such a target is tried.
pub(crate) fn row_of_smoke(rows: &[Row]) -> Option<&Row> {
    rows.iter().find(|row| {
        let provider = row.lane.driver == Driver::Page
            && row.lane.authenticator == AuthenticatorKind::Software;
        provider && row.name.to_string().contains(&format!("::{SCENARIO}::"))
    })
}

/// Plays a row, and says what came of each of its steps; stops where nothing more can be told.
pub(crate) async fn smoke_on_pages(runner: &Runner, row: &Row) -> Vec<Tried> {
    let result = runner.run_row(row).await;
    let mut tried = steps(&result);
    let stopped = tried.iter().any(|it| matches!(it.came, Came::Missing(_)));
    let because = &result.judgement.because;
    let verdict = result.judgement.verdict;
    let shown = matches!(
        verdict,
        Verdict::Conforms | Verdict::Deviates | Verdict::KnownDeviation
    );
    if !shown && !stopped {
        let what = WHAT.get(tried.len()).copied().unwrap_or("the pages");
        let came = Came::Missing(because.clone());
        tried.push(Tried { what, came });
    }
    tried
}

fn steps(result: &RowResult) -> Vec<Tried> {
    let mut tried = Vec::new();
    for (record, what) in result.records.iter().zip(WHAT) {
        let wrong = what == WHAT[2];
        let came = match &record.outcome {
            Outcome::Accepted if wrong => Came::Missing(
                "it was accepted: whoever knows a user's credential ID can sign in; verify the signature, or see accepted in the target's file"
                    .to_owned(),
            ),
            Outcome::Accepted => Came::Well("accepted, as the page shows".to_owned()),
            refused @ Outcome::Rejected { .. } if wrong => Came::Well(refused.to_string()),
            other => Came::Missing(format!("{other}: see page in the target's file")),
        };
        let ends = matches!(came, Came::Missing(_));
        tried.push(Tried { what, came });
        if ends {
            break;
        }
    }
    tried
}
