//! Rows: what runs, has a name, passes or fails.

use std::{fmt, str::FromStr, sync::Arc};

use serde_json::Value;

use crate::{
    lane::Lane,
    policy::Switches,
    scenario::{
        Basis, Expected, Feature, RelyingPartySettings, Severity, StepSpec, Suite, UserSpec,
    },
    verdict::Reason,
};

/// One expanded point of a scenario.
#[derive(Clone, Debug)]
pub struct Row {
    /// The name, stable for ever.
    pub name: RowName,
    /// The suite.
    pub suite: Suite,
    /// The scenario, or the case's id.
    pub scenario: String,
    /// The lane that it runs in.
    pub lane: Arc<Lane>,
    /// What it shows, in a sentence.
    pub title: String,
    /// Where it is written.
    pub source: SourceRef,
    /// Where its expectation is written: an entry of the grid, or the case.
    pub expected_at: SourceRef,
    /// Whether another row of the same case stands before it.
    pub later_of_case: bool,
    /// The axes and their values, in the order of the name.
    pub axes: Vec<(&'static str, String)>,
    /// What a relying party has to have, beside its set-up.
    pub requires: Vec<Feature>,
    /// How the relying party is set up.
    pub relying_party: RelyingPartySettings,
    /// The readings of open questions.
    pub switches: Switches,
    /// The users by name.
    pub users: Vec<(String, UserSpec)>,
    /// The policy at the start, in Graph's shape; none for a relying party without passkey profiles.
    pub policy: Option<NamedPolicy>,
    /// Every policy that a step names.
    pub policies: Vec<NamedPolicy>,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// Why it may be red, how bad it is, and who says so.
    pub grounds: Grounds,
    /// The defects of the reference relying party that it has to reveal.
    pub defects: Vec<String>,
    /// Why it reveals no defect although it demands a refusal, if so.
    pub reveals_nothing: Option<String>,
    /// Why it cannot be shown in its lane, if so.
    pub not_applicable: Option<String>,
}

/// A policy with the name that scenarios give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPolicy {
    /// The name.
    pub name: String,
    /// The policy in Graph's shape; many rows share it.
    pub document: Arc<Value>,
}

impl NamedPolicy {
    /// Names a policy.
    #[must_use]
    pub fn new(name: &str, document: &Value) -> Self {
        Self {
            name: name.to_owned(),
            document: Arc::new(document.clone()),
        }
    }
}

/// One step of a row, with what is expected of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub spec: StepSpec,
    /// What part it plays.
    pub role: Role,
    /// What the relying party has to do.
    pub expect: Expected,
    /// The reasons of which a refusal has to name one.
    pub reasons: Vec<Reason>,
    /// The reasons that are as right on a relying party that reads in another order than the specification.
    pub as_right: Vec<Reason>,
    /// The name of the DOMException that has to end it, where no credential is expected.
    pub error: Option<String>,
}

/// Tells what part a step plays in the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It has to succeed, or nothing can be said of the subject.
    Control,
    /// It is what the row is about.
    Subject,
}

/// States why a row may be red.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grounds {
    /// Why the row may be red.
    pub basis: Basis,
    /// How bad it is when it is.
    pub severity: Severity,
    /// The section of the specification or the page of the documentation.
    pub spec: Vec<String>,
}

/// A place in a scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRef {
    /// The file, as the user would open it.
    pub file: String,
    /// The line, from one.
    pub line: usize,
    /// The column, from one.
    pub column: usize,
}

impl fmt::Display for SourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// The name of a row: parts of lower-case letters, digits, `-` and `.`, joined by `::`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowName(Vec<String>);

/// Says why a text is not the name of a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not the name of a row: parts of lower-case letters, digits, '-' and '.', joined by '::'"
)]
pub struct ParseRowNameError(String);

impl RowName {
    /// Makes a name of its parts.
    ///
    /// # Errors
    /// When there are fewer than three parts, or one has a character that names may not have.
    pub fn new(parts: Vec<String>) -> Result<Self, ParseRowNameError> {
        let well_formed = parts.len() >= 3 && parts.iter().all(|part| is_part(part));
        if well_formed {
            Ok(Self(parts))
        } else {
            Err(ParseRowNameError(parts.join("::")))
        }
    }

    /// Returns the parts: suite, scenario, axis values, lane.
    #[must_use]
    pub fn parts(&self) -> &[String] {
        &self.0
    }

    /// Returns the name without its lane: what the row is about, wherever it runs.
    #[must_use]
    pub fn without_lane(&self) -> String {
        self.0[..self.0.len() - 1].join("::")
    }

    /// Returns the name of the same row in another lane; a lane's name is a part of one.
    #[must_use]
    pub(crate) fn in_lane(&self, lane: &str) -> Self {
        let mut parts = self.0.clone();
        if let Some(last) = parts.last_mut() {
            lane.clone_into(last);
        }
        Self(parts)
    }
}

fn is_part(part: &str) -> bool {
    !part.is_empty()
        && part.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.'
        })
}

impl fmt::Display for RowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("::"))
    }
}

impl FromStr for RowName {
    type Err = ParseRowNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text.split("::").map(str::to_owned).collect())
    }
}
