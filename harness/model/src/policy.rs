//! Passkey policies in the shape of Microsoft Graph's fido2AuthenticationMethodConfiguration, and the oracle that evaluates them.
//!
//! A user's profiles are those that any include target gives to the user. A request is admitted when the request-level
//! checks pass and **some** profile admits the credential with **all** its clauses; clauses of several profiles never mix.
//! Source: learn.microsoft.com, passkey profiles (how-to-authentication-passkey-profiles) and Graph's reference of
//! fido2AuthenticationMethodConfiguration and passkeyProfile.

mod document;
mod members;
mod oracle;
mod story;
mod switches;

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use document::{IncludeTarget, KeyRestriction, Limits, Policy, PolicyProfile, PolicyRefusal};
pub use members::unknown_members;
pub use oracle::{
    CredentialFacts, Decision, Operation, UserFacts, deciding_clauses, evaluate, passkey_type,
};
pub use story::{OBSERVED_AAGUID, OBSERVED_AAGUID_BYTES_SWAPPED, Story, Told, name_observed};
pub use switches::{
    AcceptOrRefuse, AttestationLevel, AttestationWithSynced, BackupEligibilityAtSignIn,
    EmptyAllowList, InvalidStatement, Switches, SyncedRemoved, TypeDetection, WindowsHello,
    ZeroAaguid,
};

/// Names one condition of a policy.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Clause {
    /// The method is disabled for everybody.
    MethodDisabled,
    /// The user is in an excluded group; that beats every include.
    ExcludedGroup,
    /// Users may not register passkeys themselves.
    SelfServiceOff,
    /// The user is a guest, who cannot register.
    Guest,
    /// The user's last multifactor authentication is older than five minutes.
    StepUp,
    /// No include target names the user, or none gives the user a profile.
    NotTargeted,
    /// The profile does not take passkeys of this type.
    Type,
    /// The profile enforces attestation, and the passkey is not attested.
    Attestation,
    /// The attestation format is none that is taken without enforcement.
    Format,
    /// The AAGUID is not in the profile's allow list.
    AaguidAllow,
    /// The AAGUID is in the profile's block list.
    AaguidBlock,
    /// Windows Hello's AAGUID is not expressly allowed.
    WindowsHello,
}

impl Clause {
    /// Every clause with its name: first those of the request, in the order of evaluation, then those of a profile.
    pub const ALL: [(Self, &'static str); 12] = [
        (Self::MethodDisabled, "method-disabled"),
        (Self::ExcludedGroup, "excluded-group"),
        (Self::SelfServiceOff, "self-service-off"),
        (Self::Guest, "guest"),
        (Self::StepUp, "step-up"),
        (Self::NotTargeted, "not-targeted"),
        (Self::Type, "type"),
        (Self::Attestation, "attestation"),
        (Self::Format, "format"),
        (Self::AaguidAllow, "aaguid-allow"),
        (Self::AaguidBlock, "aaguid-block"),
        (Self::WindowsHello, "windows-hello"),
    ];

    /// Returns the clause's id.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Says why a text names no clause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no clause of a policy")]
pub struct ParseClauseError(String);

impl FromStr for Clause {
    type Err = ParseClauseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.iter().find(|(_, name)| *name == text);
        known
            .map(|(clause, _)| *clause)
            .ok_or_else(|| ParseClauseError(text.to_owned()))
    }
}
