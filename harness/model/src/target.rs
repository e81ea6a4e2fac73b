//! Targets: relying parties under test that run on their own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    row::Row,
    scenario::{Action, RelyingPartySettings, UserSpec},
};

/// Describes a relying party that speaks the reference relying party's L3 JSON API and runs on its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Target {
    /// Its name in reports.
    pub target: String,
    /// Where it listens: an IP address and a port, spoken to over plain HTTP.
    pub address: std::net::SocketAddr,
    /// Its RP ID.
    pub rp_id: String,
    /// Its origin; its host is sent as `Host`.
    pub origin: String,
    /// The environment variable that holds the pass which lets alice, bob and mallory in before they have passkeys.
    pub pass_from: String,
}

impl Target {
    /// Returns the host of the origin, as requests name it.
    #[must_use]
    pub fn host(&self) -> &str {
        self.origin
            .split_once("://")
            .map_or(self.origin.as_str(), |(_, host)| host)
    }

    /// Says what a row needs of a relying party that this one cannot be told; nothing when it can run here.
    #[must_use]
    pub fn cannot_show(&self, row: &Row) -> Option<String> {
        let needs = |step: &crate::row::Step| {
            let spec = &step.spec;
            let moves_clock = spec.action == Action::AdvanceClock || spec.wait_seconds.is_some();
            let sets_policy = spec.action == Action::SetPolicy || spec.switch_policy.is_some();
            match () {
                () if moves_clock => Some("clock"),
                () if sets_policy => Some("policy"),
                () if spec.action == Action::SetUser => Some("users"),
                () => None,
            }
        };
        let what = if row.policy.is_some() {
            Some("policy")
        } else if row.relying_party != RelyingPartySettings::default() {
            Some("set-up")
        } else if row
            .users
            .iter()
            .any(|(_, user)| *user != UserSpec::default())
        {
            Some("users")
        } else {
            row.steps.iter().find_map(needs)
        };
        what.map(|what| format!("the {what} of target {} cannot be set", self.target))
    }
}
