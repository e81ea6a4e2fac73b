//! Holds verdicts against a target's list of known deviations.

use super::{Judgement, Verdict};
use crate::{
    row::{Row, SourceRef},
    target::Deviation,
};

/// A known deviation, and where it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The entry.
    pub deviation: Deviation,
    /// Its place.
    pub at: SourceRef,
}

/// Holds a judgement against the list: what deviates as listed is known, and what is listed and conforms is red.
///
/// Returns the entry by which the deviation is known, if it is.
#[must_use]
pub fn hold(judgement: Judgement, row: &Row, listed: &[Listed]) -> (Judgement, Option<Deviation>) {
    let about_row = || listed.iter().filter(|it| it.deviation.is_about(row));
    let verdict = judgement.verdict;
    if verdict == Verdict::Conforms {
        return hold_conforming(judgement, about_row().collect());
    }
    if !matches!(verdict, Verdict::Deviates | Verdict::Inconclusive) {
        return (judgement, None);
    }
    if let Some(it) = about_row().find(|it| it.deviation.verdict.verdict() == verdict) {
        let entry = &it.deviation;
        let because = format!(
            "known, of the {}: {} ({}); {}",
            entry.of, entry.found, entry.link, judgement.because
        );
        let judgement = Judgement {
            verdict: Verdict::KnownDeviation,
            because,
        };
        return (judgement, Some(entry.clone()));
    }
    let Some(other) = about_row().next() else {
        return (judgement, None);
    };
    let because = format!(
        "{}; listed as {} at {}",
        judgement.because,
        other.deviation.verdict.verdict().name(),
        other.at
    );
    (Judgement { verdict, because }, None)
}

/// What conforms is not listed, unless the deviation shows by chance: that it did not this time does not mend it.
fn hold_conforming(
    judgement: Judgement,
    about_row: Vec<&Listed>,
) -> (Judgement, Option<Deviation>) {
    let always = about_row.iter().find(|it| !it.deviation.by_chance);
    if let Some(it) = always {
        let because = format!(
            "listed as a known deviation at {}, and it conforms: remove the entry, or take the row out of its pattern '{}'; {}",
            it.at, it.deviation.rows, judgement.because
        );
        return (
            Judgement {
                verdict: Verdict::Deviates,
                because,
            },
            None,
        );
    }
    let Some(it) = about_row.first() else {
        return (judgement, None);
    };
    let entry = &it.deviation;
    let because = format!(
        "known, of the {}, by chance, and not this time: {} ({}); {}",
        entry.of, entry.found, entry.link, judgement.because
    );
    (
        Judgement {
            verdict: Verdict::KnownDeviation,
            because,
        },
        Some(entry.clone()),
    )
}

/// Returns the entries that speak of none of the rows that can run.
#[must_use]
pub fn unmatched(listed: &[Listed], runnable: &[&Row]) -> Vec<Listed> {
    let unmatched = |it: &&Listed| runnable.iter().all(|row| !it.deviation.is_about(row));
    listed.iter().filter(unmatched).cloned().collect()
}
