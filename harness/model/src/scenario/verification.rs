//! The verification steps of the specification, what cannot be shown of them, and the cases that were not built.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Lists the steps of WebAuthn L3, 7.1 and 7.2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VerificationSteps {
    /// The steps, in the order of the specification.
    pub steps: Vec<VerificationStep>,
}

/// One step of a ceremony, as a relying party has to take it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VerificationStep {
    /// `reg.17` or `auth.21`.
    pub step: String,
    /// What it says, in a sentence of ours.
    pub says: String,
    /// Why no case that has to be accepted is about it, if none is.
    #[serde(default)]
    pub no_positive: Option<String>,
    /// Why no case that has to be refused is about it, if none is.
    #[serde(default)]
    pub no_negative: Option<String>,
}

/// Lists cases that other catalogues have and this one has not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NotBuilt {
    /// The cases.
    pub cases: Vec<NotBuiltCase>,
}

/// Cases that were not built for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NotBuiltCase {
    /// The ids that they would have.
    pub ids: Vec<String>,
    /// Why they were not built.
    pub why: String,
}
