//! What the relying party did, and our judgement of it.

pub mod aftermath;
pub mod known;

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
    /// It refused as it refuses, and nobody knows why: judged by the refusal alone.
    Unknown,
}

/// The steps at which a response is taken apart: what cannot be read shows at one of them, whichever comes first.
const READING: [&str; 8] = [
    "reg.3", "reg.5", "reg.6", "reg.13", "auth.3", "auth.7", "auth.8", "auth.9",
];

impl Reason {
    /// Tells whether it says that something could not be read.
    fn is_reading(&self) -> bool {
        match self {
            Self::Parse => true,
            Self::Step(step) => READING.contains(&step.as_str()),
            _ => false,
        }
    }
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
    /// What it sends, keeps or shows is not what it has to be.
    Differs {
        /// What is there, and what has to be.
        how: String,
    },
}

impl Outcome {
    /// Tells whether it crashed or hung, which nobody may, whether or not anything demands what a row expects.
    #[must_use]
    pub const fn broke_down(&self) -> bool {
        matches!(self, Self::Crashed { .. } | Self::Hung)
    }

    /// Returns the words that somebody else chose, if there are any.
    pub const fn words_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Rejected { message: words, .. }
            | Self::Crashed { how: words }
            | Self::NoCredential { error: words }
            | Self::OtherRefusal { what: words }
            | Self::Differs { how: words } => Some(words),
            Self::Accepted | Self::Hung => None,
        }
    }

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
            Self::Differs { .. } => "differs",
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
            Self::Differs { how } => f.write_str(how),
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
    /// It is not, as the target's list of known deviations says.
    KnownDeviation,
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
            Self::KnownDeviation => "known-deviation",
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

/// What a relying party is held to, beside what the specification demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demands {
    /// Whether rows whose basis is a SHOULD are red too.
    pub should: bool,
    /// Whether rows whose basis is FIDO's conformance tests are red.
    pub fido: bool,
    /// Whether what cannot be read may be refused at another step than the specification's: programs read in orders of their own.
    pub any_order: bool,
}

impl Demands {
    /// Tells whether they are those on the embedded relying party, which is known to be right.
    const fn embedded(self) -> bool {
        !self.any_order
    }

    fn cover(self, basis: Basis) -> bool {
        match basis {
            Basis::Should => self.should,
            Basis::Fido => self.fido,
            Basis::Must | Basis::Security | Basis::Policy => true,
        }
    }
}

/// Judges a row by what the relying party did with each of its steps.
///
/// `outcomes` has one outcome for each step that ran, in order; a row stops at the first step that did not do what was
/// expected. A row that deviates from what is not demanded is observed, unless the relying party broke down.
#[must_use]
pub fn judge(row: &Row, outcomes: &[Outcome], demands: Demands) -> Judgement {
    for (index, step) in row.steps.iter().enumerate() {
        let Some(outcome) = outcomes.get(index) else {
            return Judgement {
                verdict: Verdict::HarnessError,
                because: format!("step {} did not run", index + 1),
            };
        };
        if agrees(step, outcome, demands) {
            continue;
        }
        let because = format!(
            "step {} ({}): expected {}, was {outcome}",
            index + 1,
            action(step),
            expectation(step)
        );
        return Judgement {
            verdict: disagreement(row, step, outcome, demands),
            because,
        };
    }
    let reported = row
        .steps
        .iter()
        .rposition(|step| step.role == Role::Subject && step.expect == Expected::Reported);
    if let Some(outcome) = reported.and_then(|index| outcomes.get(index)) {
        return Judgement {
            verdict: Verdict::Observed,
            because: format!("reported: {outcome}"),
        };
    }
    Judgement {
        verdict: Verdict::Conforms,
        because: as_expected(row, outcomes),
    }
}

/// Says what came of the subject, not of the control after it, and which refusals are as expected only as far as anybody can tell.
fn as_expected(row: &Row, outcomes: &[Outcome]) -> String {
    let subjects = row.steps.iter().zip(outcomes);
    let mut subjects = subjects.filter(|(step, _)| step.role == Role::Subject);
    let last = subjects.next_back().map(|(_, outcome)| outcome);
    let last = last.or(outcomes.last());
    let mut because = String::from("as expected: ");
    because += &last.map(ToString::to_string).unwrap_or_default();
    for (index, outcome) in outcomes.iter().enumerate() {
        if let Outcome::Rejected { reasons, message } = outcome
            && reasons.contains(&Reason::Unknown)
        {
            because += &format!(
                "; why step {} was refused is not known: {message}",
                index + 1
            );
        }
    }
    because
}

fn agrees(step: &Step, outcome: &Outcome, demands: Demands) -> bool {
    match (step.expect, outcome) {
        (Expected::Accepted, Outcome::Accepted) => true,
        // Whatever it decides, it has to decide.
        (Expected::Reported, outcome) => !outcome.broke_down(),
        (Expected::NoCredential, Outcome::NoCredential { error }) => {
            step.error.as_ref().is_none_or(|expected| expected == error)
        }
        (Expected::Rejected | Expected::PolicyRefused, Outcome::Rejected { reasons, .. }) => {
            let other_order = |reason: &Reason| {
                let both_read = reason.is_reading() && step.reasons.iter().any(Reason::is_reading);
                demands.any_order && (both_read || step.as_right.contains(reason))
            };
            let fits = |reason: &Reason| {
                *reason == Reason::Unknown || step.reasons.contains(reason) || other_order(reason)
            };
            step.reasons.is_empty() || reasons.iter().any(fits)
        }
        _ => false,
    }
}

fn disagreement(row: &Row, step: &Step, outcome: &Outcome, demands: Demands) -> Verdict {
    let refused_control = step.role == Role::Control && matches!(outcome, Outcome::Rejected { .. });
    let no_credential = matches!(outcome, Outcome::NoCredential { .. });
    // Of a relying party that is not ours the options may ask for what no client gives.
    let of_its_options = no_credential && !demands.embedded();
    if refused_control || of_its_options || matches!(outcome, Outcome::OtherRefusal { .. }) {
        Verdict::Inconclusive
    } else if no_credential {
        Verdict::HarnessError
    } else if outcome.broke_down() || demands.cover(row.grounds.basis) {
        Verdict::Deviates
    } else {
        Verdict::Observed
    }
}

fn action(step: &Step) -> &'static str {
    use crate::scenario::Action;
    match step.spec.action {
        Action::Register => "register",
        Action::SignIn => "sign-in",
        Action::Replay => "replay",
        Action::ReadOptions => "read-options",
        Action::SetPolicy => "set-policy",
        Action::AdvanceClock => "advance-clock",
        Action::SetUser => "set-user",
        Action::SignOut => "sign-out",
        Action::DeleteAtProvider => "delete-at-provider",
        Action::DeleteAtRelyingParty => "delete-at-relying-party",
        Action::PasswordSignIn => "password-sign-in",
        Action::Send => "send",
        Action::Read => "read",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Action, StepSpec};

    const STRICT: Demands = Demands {
        should: false,
        fido: true,
        any_order: false,
    };

    #[test]
    fn whatever_a_case_leaves_open_an_answer_is_due() {
        let step = Step {
            spec: StepSpec::new(Action::Register),
            role: Role::Subject,
            expect: Expected::Reported,
            reasons: Vec::new(),
            as_right: Vec::new(),
            error: None,
        };
        let how = || "status 500".to_owned();
        let refused = Outcome::Rejected {
            reasons: Vec::new(),
            message: String::new(),
        };
        let agrees = |outcome: &Outcome| agrees(&step, outcome, STRICT);
        assert!(agrees(&Outcome::Accepted) && agrees(&refused));
        assert!(!agrees(&Outcome::Crashed { how: how() }));
        assert!(!agrees(&Outcome::Hung));
    }

    #[test]
    fn what_cannot_be_read_may_be_refused_at_another_step_where_the_order_is_free() {
        let step = Step {
            spec: StepSpec::new(Action::Register),
            role: Role::Subject,
            expect: Expected::Rejected,
            reasons: vec![Reason::Step("reg.13".to_owned())],
            as_right: vec![Reason::Step("reg.21".to_owned())],
            error: None,
        };
        let free = Demands {
            any_order: true,
            ..STRICT
        };
        let refused = |reason: Reason| Outcome::Rejected {
            reasons: vec![reason],
            message: String::new(),
        };
        for also_right in [Reason::Parse, Reason::Step("reg.21".to_owned())] {
            assert!(agrees(&step, &refused(also_right.clone()), free));
            assert!(!agrees(&step, &refused(also_right), STRICT));
        }
        assert!(!agrees(
            &step,
            &refused(Reason::Step("reg.8".to_owned())),
            free
        ));
    }
}
