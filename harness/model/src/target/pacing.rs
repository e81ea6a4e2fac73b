//! How fast a target may be asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Pages, Target};

/// Bounds how fast a target is asked, where it has limits of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pacing {
    /// How many rows run at once, of all lanes together.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub rows_at_once: Option<usize>,
    /// How many requests the rows make in a second, all together; what a browser asks is not counted.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub requests_per_second: Option<u32>,
    /// How long it may take to answer a request, in seconds: 5 when left out. What takes longer hangs, which is a finding.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub answers_within_seconds: Option<u64>,
}

impl Target {
    /// Returns how many rows may run at once, where there is a bound: rows that share one account would sign each other out.
    #[must_use]
    pub fn rows_at_once(&self) -> Option<usize> {
        let pages = self.page.as_ref();
        let one_account = pages.is_some_and(Pages::has_one_account);
        if one_account {
            Some(1)
        } else {
            self.pacing.rows_at_once
        }
    }
}

impl Pacing {
    /// Says what is wrong although each part has the right shape: the JSON pointer of the part, and the mistake.
    pub(super) fn mistake(&self) -> Option<(String, &'static str)> {
        let at = match (self.rows_at_once, self.requests_per_second) {
            (Some(0), _) => "/pacing/rows-at-once",
            (_, Some(0)) => "/pacing/requests-per-second",
            _ if self.answers_within_seconds == Some(0) => "/pacing/answers-within-seconds",
            _ => return None,
        };
        Some((at.to_owned(), "nothing would ever run: expected 1 or more"))
    }
}
