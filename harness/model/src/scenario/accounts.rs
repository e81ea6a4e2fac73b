//! What a relying party has beside the two ceremonies: passwords, step-up, enrolment links, and where it keeps ceremonies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// States what accounts and sessions are like at the relying party, where a scenario needs more than the two ceremonies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AccountSettings {
    /// Whether accounts have a password, to which a passkey is the second factor.
    #[serde(default)]
    pub passwords: bool,
    /// Whether links let a user enrol a passkey without a session.
    #[serde(default)]
    pub enrolment_links: bool,
    /// Whether a user who registers a passkey has to have shown one in the last five minutes.
    #[serde(default)]
    pub registration_asks_again: bool,
    /// Whether it refuses a passkey of which the client says that it is not discoverable (`credProps.rk`).
    #[serde(default)]
    pub discoverable_required: bool,
    /// Which ceremonies of one session can be finished; the newest when left out.
    #[serde(default)]
    pub ceremonies: Option<CeremoniesOfSession>,
    /// Where a ceremony is kept until its response comes; in the server's memory when left out.
    #[serde(default)]
    pub ceremonies_kept: Option<CeremoniesKept>,
}

/// Names which ceremonies of one session can be finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CeremoniesOfSession {
    /// The newest: it takes the place of an earlier one.
    Newest,
    /// All that have not expired, as when pages are open side by side.
    All,
}

/// Names where a ceremony is kept until its response comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CeremoniesKept {
    /// As text, in a store that several servers share.
    InAStore,
    /// With the client, as a text under the relying party's seal: `<base64url of JSON>.<seal>` in the member `state` of the options, which comes back in the member `state` of the response.
    AtTheClient,
}
