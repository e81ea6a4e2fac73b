//! What the relying party did, and our judgement of it.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};

use crate::{
    policy::Clause,
    row::{Role, Row, Step},
    scenario::{Basis, Expected},
};

/// Says why a relying party refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// A clause of the policy in force.
    Clause(Clause),
    /// A step of WebAuthn L3, 7.1 (`reg.17`) or 7.2 (`auth.21`).
    Step(String),
    /// A rule that policies themselves have to keep: `policy.profile-limit`.
    PolicyRule(String),
    /// The response could not be read.
    Parse,
    /// No ceremony was under way.
    State,
    /// It refused as it refuses, and does not say why.
    Unknown,
}

/// Says why a text names no reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is neither a clause, nor a step (reg.1 to reg.29, auth.1 to auth.25), nor policy.<rule>, parse, state or unknown"
)]
pub struct ParseReasonError(String);

impl FromStr for Reason {
    type Err = ParseReasonError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let step_in = |prefix: &str, last: u8| {
            let number = text.strip_prefix(prefix);
            // As it is written: `reg.07` would never be the relying party's `reg.7`.
            number.is_some_and(|number| (1..=last).any(|known| known.to_string() == number))
        };
        match text {
            "parse" => Ok(Self::Parse),
            "state" => Ok(Self::State),
            "unknown" => Ok(Self::Unknown),
            _ if step_in("reg.", 29) || step_in("auth.", 25) => Ok(Self::Step(text.to_owned())),
            _ if text
                .strip_prefix("policy.")
                .is_some_and(|rule| !rule.is_empty()) =>
            {
                Ok(Self::PolicyRule(text.to_owned()))
            }
            _ => text
                .parse()
                .map(Self::Clause)
                .map_err(|_| ParseReasonError(text.to_owned())),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clause(clause) => fmt::Display::fmt(clause, f),
            Self::Step(text) | Self::PolicyRule(text) => f.write_str(text),
            Self::Parse => f.write_str("parse"),
            Self::State => f.write_str("state"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Says what the relying party did with one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took the response.
    Accepted,
    /// It refused, in its own shape of refusing.
    Rejected {
        /// The reasons that it gave.
        reasons: Vec<Reason>,
        /// Its words.
        message: String,
    },
    /// It answered with 5xx, with garbage, or dropped the connection.
    Crashed {
        /// What it did instead of answering.
        how: String,
    },
    /// It did not answer in time.
    Hung,
    /// The client refused, and nothing reached it.
    NoCredential {
        /// The name of the DOMException.
        error: String,
    },
    /// It refused in a shape that is not its own shape of refusing.
    OtherRefusal {
        /// What it answered.
        what: String,
    },
}

impl Outcome {
    /// Returns the outcome in one word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected { .. } => "rejected",
            Self::Crashed { .. } => "crashed",
            Self::Hung => "hung",
            Self::NoCredential { .. } => "no-credential",
            Self::OtherRefusal { .. } => "other-refusal",
        }
    }

    /// Returns the reasons that the relying party gave.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        if let Self::Rejected { reasons, .. } = self {
            reasons
        } else {
            &[]
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected { reasons, message } => {
                let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                write!(f, "rejected ({}): {message}", reasons.join(", "))
            }
            Self::Crashed { how } => write!(f, "crashed: {how}"),
            Self::NoCredential { error } => {
                write!(f, "no credential: the client refused with {error}")
            }
            Self::OtherRefusal { what } => write!(f, "refused in another way: {what}"),
            Self::Accepted | Self::Hung => f.write_str(self.name()),
        }
    }
}

/// Our judgement of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The outcome is the expected one, for the expected reason.
    Conforms,
    /// It is not.
    Deviates,
    /// The case only reports.
    Observed,
    /// The control was refused, or the refusal is not in the target's own shape of refusing.
    Inconclusive,
    /// The lane cannot express the row's point.
    NotApplicable,
    /// The lane is not there.
    Blocked,
    /// Our fault, or the environment's.
    HarnessError,
}

impl Verdict {
    /// Tells whether the verdict turns the run red.
    #[must_use]
    pub const fn is_red(self) -> bool {
        matches!(
            self,
            Self::Deviates | Self::Inconclusive | Self::HarnessError
        )
    }

    /// Tells whether the row ran, or was to run.
    #[must_use]
    pub const fn has_run(self) -> bool {
        !matches!(self, Self::NotApplicable | Self::Blocked)
    }

    /// Returns the verdict as reports spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conforms => "conforms",
            Self::Deviates => "deviates",
            Self::Observed => "observed",
            Self::Inconclusive => "inconclusive",
            Self::NotApplicable => "not-applicable",
            Self::Blocked => "blocked",
            Self::HarnessError => "harness-error",
        }
    }
}

/// A verdict and the sentence that explains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// What was expected, what happened, and at which step.
    pub because: String,
}

/// Judges a row by what the relying party did with each of its steps.
///
/// `outcomes` has one outcome for each step that ran, in order; a row stops at the first step that did not do what was
/// expected. With `strict`, rows whose basis is a SHOULD are red too.
#[must_use]
pub fn judge(row: &Row, outcomes: &[Outcome], strict: bool) -> Judgement {
    for (index, step) in row.steps.iter().enumerate() {
        let Some(outcome) = outcomes.get(index) else {
            return Judgement {
                verdict: Verdict::HarnessError,
                because: format!("step {} did not run", index + 1),
            };
        };
        if step.expect == Expected::Reported || agrees(step, outcome) {
            continue;
        }
        let because = format!(
            "step {} ({}): expected {}, was {outcome}",
            index + 1,
            action(step),
            expectation(step)
        );
        return Judgement {
            verdict: disagreement(row, step, outcome, strict),
            because,
        };
    }
    let reports = row
        .steps
        .iter()
        .any(|step| step.expect == Expected::Reported);
    let verdict = if reports {
        Verdict::Observed
    } else {
        Verdict::Conforms
    };
    let last = outcomes.last().map(ToString::to_string).unwrap_or_default();
    Judgement {
        verdict,
        because: format!("as expected: {last}"),
    }
}

fn agrees(step: &Step, outcome: &Outcome) -> bool {
    match (step.expect, outcome) {
        (Expected::Accepted, Outcome::Accepted) => true,
        (Expected::NoCredential, Outcome::NoCredential { error }) => {
            step.error.as_ref().is_none_or(|expected| expected == error)
        }
        (Expected::Rejected | Expected::PolicyRefused, Outcome::Rejected { reasons, .. }) => {
            step.reasons.is_empty() || reasons.iter().any(|reason| step.reasons.contains(reason))
        }
        _ => false,
    }
}

fn disagreement(row: &Row, step: &Step, outcome: &Outcome, strict: bool) -> Verdict {
    let refused_control = step.role == Role::Control && matches!(outcome, Outcome::Rejected { .. });
    if refused_control || matches!(outcome, Outcome::OtherRefusal { .. }) {
        Verdict::Inconclusive
    } else if matches!(outcome, Outcome::NoCredential { .. }) {
        Verdict::HarnessError
    } else if row.grounds.basis == Basis::Should && !strict {
        Verdict::Observed
    } else {
        Verdict::Deviates
    }
}

fn action(step: &Step) -> &'static str {
    use crate::scenario::Action;
    match step.spec.action {
        Action::Register => "register",
        Action::SignIn => "sign-in",
        Action::Replay => "replay",
        Action::SetPolicy => "set-policy",
        Action::AdvanceClock => "advance-clock",
        Action::SetUser => "set-user",
        Action::SignOut => "sign-out",
        Action::DeleteAtProvider => "delete-at-provider",
        Action::DeleteAtRelyingParty => "delete-at-relying-party",
    }
}

/// Returns what is expected of a step, in words: `rejected (type or aaguid-allow)`.
#[must_use]
pub fn expectation(step: &Step) -> String {
    let word = match step.expect {
        Expected::Accepted => "accepted",
        Expected::Rejected => "rejected",
        Expected::PolicyRefused => "the policy refused",
        Expected::NoCredential => "no credential",
        Expected::Reported => "anything (reported)",
    };
    let reasons: Vec<String> = step
        .reasons
        .iter()
        .map(ToString::to_string)
        .chain(step.error.clone())
        .collect();
    if reasons.is_empty() {
        return word.to_owned();
    }
    format!("{word} ({})", reasons.join(" or "))
}
