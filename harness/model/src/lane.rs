//! Lanes: named pairs of how the relying party is reached and what makes the credential, with what each of them can.
//!
//! A lane is data. What a row needs is held against what its lane can (`expand::needs`); nothing else asks which lane it is.

mod differences;
mod pattern;

use std::{collections::BTreeSet, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use differences::{Difference, Differences, Field};
pub use pattern::Pattern;

use crate::{
    Aaguid,
    library::ProviderInContext,
    platform::Context,
    provider::{Algorithm, AttestationKind, PasskeyType, Transport},
};

/// Lists the lanes, in the order in which they are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Lanes {
    /// The lanes.
    pub lanes: Vec<Lane>,
}

/// Describes one lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Lane {
    /// The name in rows.
    pub id: String,
    /// What it is for.
    pub title: String,
    /// How the relying party is reached.
    pub driver: Driver,
    /// The browser, where a page is driven.
    #[serde(default)]
    pub browser: Option<Browser>,
    /// What makes the credentials.
    pub authenticator: AuthenticatorKind,
    /// What it cannot choose, with the value that it always has.
    #[serde(default)]
    pub fixed: Fixed,
    /// What it can.
    #[serde(default)]
    pub can: BTreeSet<Capability>,
    /// The rows that it shows, by their names without the lane: `*` stands for anything, `!` in front takes out again; the
    /// last pattern that matches decides.
    pub rows: Vec<Pattern>,
    /// Rows of which it shows only the first of each case, by the same patterns: what the others differ in is the relying party's to
    /// tell apart, and other lanes show them.
    #[serde(default)]
    pub first_of_case: Vec<Pattern>,
}

/// Tells how a relying party is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// By our HTTP client.
    Api,
    /// By a browser on the relying party's own page.
    Page,
}

/// Names a browser.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Browser {
    /// Chromium, over chromedriver.
    Chromium,
    /// Firefox, over geckodriver.
    Firefox,
}

impl Browser {
    /// Returns the name as scenarios spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chromium => "chromium",
            Self::Firefox => "firefox",
        }
    }
}

impl fmt::Display for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Names what makes credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuthenticatorKind {
    /// Our model.
    Software,
    /// The browser's own virtual authenticator (WebAuthn L3, 11).
    Virtual,
    /// A security key that is plugged in.
    Usb,
}

/// Names something that a lane can do and another cannot.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Changes a response on its way, its signatures left as they are.
    Change,
    /// Makes the signature of an assertion anew after a change.
    ResignAssertions,
    /// Makes an attestation signature anew after a change.
    ResignAttestations,
    /// Signs with the keys of the test CA, so that what a certificate says can be changed.
    Certificates,
    /// Leaves user verification out, or claims it, where its provider does otherwise.
    ChooseUserVerification,
    /// Uses a passkey that the options do not list, or makes one that they exclude.
    IgnoreLists,
    /// Sends requests that no page sends: in another session, for another ceremony, several at once, or once more.
    FreeRequests,
    /// Asks for a passkey while the page goes on (mediation `conditional`) when signing in.
    ConditionalGet,
    /// Makes a passkey without asking the user (mediation `conditional`).
    ConditionalCreate,
    /// Claims to run in an iframe of another origin.
    ClaimEmbedding,
    /// Has another program's code make the credential (webauthn-authenticator-rs).
    OtherEngines,
}

/// States what a lane cannot choose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Fixed {
    /// The AAGUID of every credential.
    #[serde(default)]
    pub aaguid: Option<Aaguid>,
    /// The attestation when the relying party asks for `direct`.
    #[serde(default)]
    pub attestation: Option<AttestationKind>,
    /// The BE flag, and with it BS.
    #[serde(default)]
    pub backup_eligible: Option<bool>,
    /// The algorithm.
    #[serde(default)]
    pub algorithm: Option<Algorithm>,
}

impl Fixed {
    /// Replaces in a claim and its model what cannot be chosen.
    pub fn replace(&self, made: &mut ProviderInContext) {
        if let Some(aaguid) = self.aaguid {
            made.claim.aaguid = aaguid;
            made.model.aaguid = aaguid;
        }
        if let Some(attestation) = self.attestation {
            made.claim.attestation = attestation;
            made.model.attestation = attestation;
        }
        if let Some(eligible) = self.backup_eligible {
            made.model.backup_eligible = eligible;
            made.model.backup_state = eligible;
        }
        if self.aaguid.is_some() || self.backup_eligible.is_some() {
            // A first-party app is known by its AAGUID: without it, BE alone tells the type.
            made.claim.passkey_type = if made.model.backup_eligible {
                PasskeyType::Synced
            } else {
                PasskeyType::DeviceBound
            };
        }
        if let Some(algorithm) = self.algorithm {
            made.model.algorithms = vec![algorithm];
        }
    }
}

impl Lane {
    /// The lane that is always there: everything over HTTP, with software keys.
    pub const SOFTWARE: &'static str = "software";
    /// The lane in which Chromium's page is answered for by software keys, behind an extension.
    pub const CHROMIUM_PROVIDER: &'static str = "chromium-provider";

    /// Returns that lane.
    #[must_use]
    pub fn software() -> Self {
        Self {
            id: Self::SOFTWARE.to_owned(),
            title: "our HTTP client and seeded software keys".to_owned(),
            driver: Driver::Api,
            browser: None,
            authenticator: AuthenticatorKind::Software,
            fixed: Fixed::default(),
            can: BTreeSet::from([
                Capability::Change,
                Capability::ResignAssertions,
                Capability::ResignAttestations,
                Capability::Certificates,
                Capability::ChooseUserVerification,
                Capability::IgnoreLists,
                Capability::FreeRequests,
                Capability::ConditionalGet,
                Capability::ConditionalCreate,
                Capability::ClaimEmbedding,
                Capability::OtherEngines,
            ]),
            rows: vec![Pattern::everything()],
            first_of_case: Vec::new(),
        }
    }

    /// Tells whether the lane shows a row, by its name without the lane; `later_of_case` says that another row of the
    /// same case stands before it.
    #[must_use]
    pub fn shows(&self, name: &str, later_of_case: bool) -> bool {
        chosen(&self.rows, name) && !(later_of_case && chosen(&self.first_of_case, name))
    }

    /// Tells whether the lane can do something.
    #[must_use]
    pub fn can(&self, capability: Capability) -> bool {
        self.can.contains(&capability)
    }

    /// Tells whether a security key that is plugged in makes the credentials.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.authenticator == AuthenticatorKind::Usb
    }

    /// Tells whether the browser's own authenticator makes the credentials.
    #[must_use]
    pub fn is_native(&self) -> bool {
        self.authenticator == AuthenticatorKind::Virtual
    }
}

/// Tells whether the last pattern that matches takes a name in.
fn chosen(patterns: &[Pattern], name: &str) -> bool {
    let decides = patterns.iter().rfind(|pattern| pattern.matches(name));
    decides.is_some_and(|pattern| !pattern.takes_out)
}

/// Returns the transport over which a client sees an authenticator: `hybrid` across devices, otherwise the model's first.
#[must_use]
pub fn transport(context: Option<&Context>, transports: &[Transport]) -> Transport {
    if context.is_some_and(Context::is_cross_device) {
        return Transport::Hybrid;
    }
    let local = transports
        .iter()
        .find(|transport| **transport != Transport::Hybrid);
    local.copied().unwrap_or(Transport::Internal)
}
