//! Which steps of the specification the conformance cases cover, in which lanes.

use std::{collections::BTreeSet, fmt};

use passkey_model::{
    expand,
    library::Library,
    row::{Role, Row},
    scenario::{Expected, Suite, VerificationStep},
};
use serde::Serialize;

/// Counts cases by step and lane.
#[derive(Clone, Debug, Serialize)]
pub struct Coverage {
    /// The lanes, in the order in which they are told.
    pub lanes: Vec<String>,
    /// The steps, in the order of the specification.
    pub steps: Vec<StepCoverage>,
}

/// Counts the cases of one step.
#[derive(Clone, Debug, Serialize)]
pub struct StepCoverage {
    /// `reg.17` or `auth.21`.
    pub step: String,
    /// What the step says.
    pub says: String,
    /// Its cases in each lane, in the order of [`Coverage::lanes`].
    pub by_lane: Vec<Counts>,
    /// Why there is no case that has to be accepted, if there is none.
    pub no_positive: Option<String>,
    /// Why there is no case that has to be refused, if there is none.
    pub no_negative: Option<String>,
}

/// Counts cases, each once however many rows it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Those that have to be accepted.
    pub positive: usize,
    /// Those that have to be refused.
    pub negative: usize,
}

impl Coverage {
    /// Counts the cases of a library.
    #[must_use]
    pub fn of(library: &Library, rows: &[Row]) -> Self {
        let lanes: Vec<String> = expand::lanes(library)
            .iter()
            .map(|lane| lane.id.clone())
            .collect();
        let steps = library.steps.iter().flat_map(|file| &file.value.steps);
        Self {
            steps: steps.map(|step| covered(step, &lanes, rows)).collect(),
            lanes,
        }
    }

    /// Says which steps lack cases without a reason, and which reasons are not needed.
    #[must_use]
    pub fn gaps(&self) -> Vec<String> {
        self.steps.iter().flat_map(StepCoverage::gaps).collect()
    }
}

impl StepCoverage {
    fn gaps(&self) -> Vec<String> {
        let has = |some: fn(&Counts) -> bool| self.by_lane.iter().any(some);
        let sides = [
            (
                "has to be accepted",
                has(|counts| counts.positive > 0),
                &self.no_positive,
            ),
            (
                "has to be refused",
                has(|counts| counts.negative > 0),
                &self.no_negative,
            ),
        ];
        let step = &self.step;
        sides
            .into_iter()
            .filter_map(|(kind, covered, why)| match (covered, why) {
                (false, None) => Some(format!(
                    "{step} has no case that {kind}, and nothing says why"
                )),
                (true, Some(_)) => Some(format!(
                    "{step} has a case that {kind}, and yet a reason why there is none"
                )),
                _ => None,
            })
            .collect()
    }
}

fn covered(step: &VerificationStep, lanes: &[String], rows: &[Row]) -> StepCoverage {
    let of_lane = |lane: &String| {
        let cases = |expected| {
            let cases = rows
                .iter()
                .filter(|row| row.lane.id == *lane && is_about(row, &step.step, expected));
            cases
                .map(|row| &row.scenario)
                .collect::<BTreeSet<_>>()
                .len()
        };
        Counts {
            positive: cases(Expected::Accepted),
            negative: cases(Expected::Rejected),
        }
    };
    StepCoverage {
        step: step.step.clone(),
        says: step.says.clone(),
        by_lane: lanes.iter().map(of_lane).collect(),
        no_positive: step.no_positive.clone(),
        no_negative: step.no_negative.clone(),
    }
}

/// Tells whether a row runs, is about a step, and expects that of its subject.
fn is_about(row: &Row, step: &str, expected: Expected) -> bool {
    let judged = row.steps.iter().find(|step| step.role == Role::Subject);
    row.suite == Suite::Conformance
        && row.not_applicable.is_none()
        // The step of a case stands before its sources.
        && row.grounds.spec.first().is_some_and(|first| first == step)
        && judged.is_some_and(|judged| judged.expect == expected)
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:8}", "step")?;
        for lane in &self.lanes {
            write!(f, " {lane:>18}")?;
        }
        writeln!(f, "  says")?;
        for step in &self.steps {
            write!(f, "{:8}", step.step)?;
            for counts in &step.by_lane {
                let shown = if *counts == Counts::default() {
                    "-".to_owned()
                } else {
                    format!("+{} -{}", counts.positive, counts.negative)
                };
                write!(f, " {shown:>18}")?;
            }
            writeln!(f, "  {}", step.says)?;
            let reasons = [("no +", &step.no_positive), ("no -", &step.no_negative)];
            for (side, why) in reasons {
                if let Some(why) = why {
                    writeln!(f, "{:8} {side}: {why}", "")?;
                }
            }
        }
        writeln!(
            f,
            "\n+ cases that have to be accepted, - cases that have to be refused; a case counts once, however many rows it has"
        )
    }
}
