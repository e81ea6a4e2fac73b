//! How a target is started.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Pattern;

/// Starts a target before the rows, and ends it, with everything that it started, after them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Start {
    /// The program and its arguments, run in the folder of the target's file. Its environment has `PORT`, `RP_ID`, `ORIGIN`, the secrets
    /// of the file, and in `TRUST_ANCHORS` a folder with the roots of the test CA (`roots.pem`) and their metadata (`metadata.json`).
    pub command: Vec<String>,
    /// More of its environment.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// The path that answers, with any status below 500, as soon as it is ready; an adapter answers `start`.
    #[serde(default = "root")]
    pub ready: String,
    /// How long it may take until it is ready, what it installs the first time included, in seconds.
    #[serde(default = "usual_limit")]
    pub within_seconds: u64,
    /// What it writes when it starts that is needed later: a regular expression whose first group, in the first line that matches, is
    /// `{$STARTED/<name>}` on its pages. It is not ready before it has written all of this.
    #[serde(default)]
    pub capture: BTreeMap<String, Pattern>,
}

fn root() -> String {
    "/".to_owned()
}

const fn usual_limit() -> u64 {
    60
}
