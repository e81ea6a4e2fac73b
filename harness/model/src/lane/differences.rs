//! The fields in which what a browser's own authenticator makes is not what the software lane makes, each with a reason.

use std::{collections::BTreeSet, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Lists every field in which the ceremony of a native lane may differ from that of the software lane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Differences {
    /// The fields, grouped by what explains them.
    pub differences: Vec<Difference>,
}

/// Lists fields that differ for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Difference {
    /// The native lanes in which they differ.
    pub lanes: BTreeSet<String>,
    /// The fields; each of them differs in a row of each of the lanes, but for those that differ by chance.
    pub fields: BTreeSet<Field>,
    /// Whether they differ in some runs only, so that a run in which none does says nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_chance: bool,
    /// Why they differ.
    pub reason: String,
}

/// Names a field of a ceremony, or several: `register/response/authData/aaguid`, with `*` for any one segment.
///
/// The first segment is the step's action. In a list of objects, `*` stands for the place of one of them. Flags are a field each:
/// `authData/flags/BE`.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Field(String);

/// Says why a text names no field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' names no field: write the step's action and the members below it, joined by '/', with '*' for any one of them but the last"
)]
pub struct ParseFieldError(String);

impl Field {
    /// Tells whether a field, written without `*`, is meant.
    #[must_use]
    pub fn matches(&self, field: &str) -> bool {
        let mut found = field.split('/');
        let all = self.0.split('/').all(|wanted| {
            found
                .next()
                .is_some_and(|part| wanted == "*" || wanted == part)
        });
        all && found.next().is_none()
    }

    /// Tells whether the field, or one that it stands for, is the relying party's: an outcome, or options.
    ///
    /// The transports of a descriptor are not: the relying party repeats there what a browser said.
    #[must_use]
    pub fn is_of_relying_party(&self) -> bool {
        let mut below_step = self.0.split('/').skip(1);
        match below_step.next() {
            Some("response") => false,
            Some("options") => self.0.rsplit('/').next() != Some("transports"),
            _ => true,
        }
    }
}

impl FromStr for Field {
    type Err = ParseFieldError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('/').collect();
        let named = parts.iter().all(|part| !part.is_empty());
        // A field that may be anything would be a list of nothing.
        if named && parts.len() > 1 && parts.last() != Some(&"*") {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseFieldError(text.to_owned()))
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Field {
    type Error = ParseFieldError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Field> for String {
    fn from(field: Field) -> Self {
        field.0
    }
}
