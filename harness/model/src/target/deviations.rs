//! Known deviations: where a target is known not to do what is expected, and what was found about it.
//!
//! ```yaml
//! deviations:
//!   - rows: conformance::cd.cross-origin*           # the names of rows, with or without their lane; * stands for any text
//!     verdict: deviates                             # or inconclusive
//!     of: library                                   # or application, deployment
//!     found: "verifyRegistrationResponse does not read crossOrigin."
//!     link: https://shop.example/docs/registration
//! ```
//!
//! An entry whose row conforms is red, and so is one that no row of the whole plan matches: the list says what is, not what was. What does
//! not always show, as the outcome of a race, is listed with `by-chance: true`: its row may conform.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{lane::Pattern, row::Row, verdict::Verdict};

/// The known deviations of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Deviations {
    /// The entries; the first one counts that matches a row and its verdict.
    pub deviations: Vec<Deviation>,
}

/// Rows that are known not to conform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Deviation {
    /// The names of the rows, with or without their lane; `*` stands for any text.
    pub rows: Pattern,
    /// What the verdict would be without the entry.
    pub verdict: ListedVerdict,
    /// Whether it does not always show, as what two requests at once come to: a row that conforms is a known deviation then, too.
    #[serde(default)]
    pub by_chance: bool,
    /// Whose it is.
    pub of: Whose,
    /// What the source or the documentation says.
    pub found: String,
    /// Where it says so.
    pub link: String,
}

/// A verdict that can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ListedVerdict {
    /// The outcome is not the expected one.
    Deviates,
    /// Nothing can be said: the control is refused, or the refusal has another shape.
    Inconclusive,
}

impl ListedVerdict {
    /// Returns the verdict that is listed.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Deviates => Verdict::Deviates,
            Self::Inconclusive => Verdict::Inconclusive,
        }
    }
}

/// Whose a deviation is: who would have to mend it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// The WebAuthn library's.
    Library,
    /// That of the application around it.
    Application,
    /// That of how it is set up.
    Deployment,
}

impl Whose {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 3] = [Self::Library, Self::Application, Self::Deployment];

    /// Returns the word of files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::Application => "application",
            Self::Deployment => "deployment",
        }
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Deviation {
    /// Tells whether the entry speaks of a row.
    #[must_use]
    pub fn is_about(&self, row: &Row) -> bool {
        self.rows.matches(&row.name.to_string()) || self.rows.matches(&row.name.without_lane())
    }
}

impl Deviations {
    /// Lists what is wrong although each part of the file has the right shape: the JSON pointer of the part, and the mistake.
    #[must_use]
    pub fn mistakes(&self) -> Vec<(String, &'static str)> {
        let mut mistakes = Vec::new();
        for (index, entry) in self.deviations.iter().enumerate() {
            let mut add = |member: &str, mistake| {
                mistakes.push((format!("/deviations/{index}/{member}"), mistake));
            };
            if entry.rows.takes_out {
                add(
                    "rows",
                    "an entry cannot take rows out: write a pattern without '!'",
                );
            }
            if entry.found.trim().is_empty() {
                add(
                    "found",
                    "expected what the source or the documentation says",
                );
            }
            if !entry.link.starts_with("https://") {
                add(
                    "link",
                    "expected the https:// address where that can be read",
                );
            }
        }
        mistakes
    }
}
