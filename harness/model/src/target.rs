//! Targets: relying parties under test that run on their own.
//!
//! A target file says how a relying party is reached, what it is like, and how it refuses:
//!
//! ```yaml
//! target: shop                        # its name in reports
//! address: 127.0.0.1:8080             # where it listens, over plain HTTP
//! rp-id: shop.example
//! origin: https://login.shop.example  # its host is sent as Host
//! pass-from: SHOP_PASS                # the environment variable with the pass that lets alice, bob and mallory in
//! declares:                           # what it is like; a row that needs anything else is not-applicable
//!   relying-party:                    # its set-up, in the words of scenarios
//!     user-verification: required
//!     attestation: none
//!     algorithms: [ES256, RS256]
//!     counter: reject
//!   features: [usernameless, username-flow, several-passkeys]
//!   fido: true                        # what only FIDO's conformance tests demand is red, too
//! refusal:                            # how it refuses; learned before the rows run when left out
//!   statuses: [400]
//!   content-types: [application/json]
//!   members: [error]                  # what the JSON of every refusal has at the top
//!   body: '"error"'                   # a regular expression that every refusal matches
//! code-at: /error/code                # where a refusal has its code, and its words: JSON pointers
//! message-at: /error/message
//! reasons:                            # what its refusals mean; the first entry that fits counts
//!   - { code: "^bad_challenge$", is: [reg.8, auth.11] }
//!   - { text: signature, is: [auth.21] }
//!   - { status: 409, is: [reg.26] }
//! ```
//!
//! Everything but the first five is optional. Without `declares` it is taken for a relying party that is set up as the scenarios
//! presume, in which a user has several passkeys and may sign in with or without a name; without `usernameless` among its features,
//! users give their name first wherever a row does not ask for the contrary. A refusal that no entry of `reasons` knows is judged
//! by the refusal alone.

mod declares;
mod refusal;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{library::Library, row::Row, scenario::Feature};
pub use declares::{Declares, is_set};
pub use refusal::{Answered, Pattern, ReasonClass, ReasonRule, Refusing, Status};

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
    /// What it is like.
    #[serde(default)]
    pub declares: Declares,
    /// How it refuses a response; learned from two responses that it has to refuse when left out.
    #[serde(default)]
    pub refusal: Option<Refusing>,
    /// Where the JSON of a refusal has its code: a JSON pointer.
    #[serde(default)]
    pub code_at: Option<String>,
    /// Where the JSON of a refusal has its words: a JSON pointer; the whole body when left out.
    #[serde(default)]
    pub message_at: Option<String>,
    /// What its refusals mean: the first entry that fits counts.
    #[serde(default)]
    pub reasons: Vec<ReasonRule>,
}

impl Target {
    /// Returns the host of the origin, as requests name it.
    #[must_use]
    pub fn host(&self) -> &str {
        self.origin
            .split_once("://")
            .map_or(self.origin.as_str(), |(_, host)| host)
    }

    /// Tells whether users can sign in without giving their name.
    #[must_use]
    pub fn signs_in_without_name(&self) -> bool {
        self.declares.has(Feature::Usernameless)
    }

    /// Tells whether it asks for `direct` attestation, as relying parties do that declare nothing else.
    #[must_use]
    pub fn asks_for_attestation(&self) -> bool {
        let asked = self.declares.relying_party.attestation.as_deref();
        asked.is_none_or(|asked| asked == "direct")
    }

    /// Says what a row needs of a relying party that this one does not declare, or cannot be told; nothing when it can run here.
    #[must_use]
    pub fn cannot_show(&self, library: &Library, row: &Row) -> Option<String> {
        let name = &self.target;
        if let Some(what) = declares::to_be_told(row) {
            return Some(format!("the {what} of target {name} cannot be set"));
        }
        let why = self.declares.lacks(library, row)?;
        Some(format!("target {name} {why}"))
    }

    /// Lists what is wrong although each part of the file has the right shape: the JSON pointer of the part, and the mistake.
    #[must_use]
    pub fn mistakes(&self) -> Vec<(String, String)> {
        let mut mistakes = Vec::new();
        let mut add = |at: String, mistake: &str| mistakes.push((at, mistake.to_owned()));
        for (name, pointer) in [("code-at", &self.code_at), ("message-at", &self.message_at)] {
            if pointer.as_ref().is_some_and(|text| !text.starts_with('/')) {
                add(
                    format!("/{name}"),
                    "expected a JSON pointer, as /error/code",
                );
            }
        }
        for (index, rule) in self.reasons.iter().enumerate() {
            if rule.status.is_none() && rule.code.is_none() && rule.text.is_none() {
                add(
                    format!("/reasons/{index}"),
                    "says of no refusal what it means: expected status, code or text",
                );
            }
            if rule.code.is_some() && self.code_at.is_none() {
                add(
                    format!("/reasons/{index}/code"),
                    "the file does not say where a refusal has its code: expected code-at",
                );
            }
            if rule.is.is_empty() {
                add(
                    format!("/reasons/{index}/is"),
                    "expected a reason, as reg.8; a refusal without a known reason needs no entry",
                );
            }
        }
        if let Some(refusal) = &self.refusal
            && let Some(mistake) = refusal.mistake()
        {
            add("/refusal".to_owned(), mistake);
        }
        let features = self.declares.features.as_deref().unwrap_or_default();
        if let Some(index) = features.iter().position(|known| *known == Feature::Clock) {
            add(
                format!("/declares/features/{index}"),
                "the clock of a target cannot be set, only the embedded relying party's",
            );
        }
        mistakes
    }
}

#[cfg(test)]
mod tests;
