//! Passkey profiles as this relying party keeps them: its own reading of the documentation.
//!
//! Source: learn.microsoft.com, "passkey profiles in Microsoft Entra ID" and Graph's reference of
//! fido2AuthenticationMethodConfiguration. A policy stays as it was sent; what it means is read when it is needed.

mod decide;
mod document;
mod switches;
#[cfg(test)]
mod tests;
mod validate;

use std::collections::BTreeSet;

pub(crate) use decide::{Enforcement, enforcement};
pub use decide::{admit_request, decide, is_synced};
use document::Document;
pub use switches::{
    AcceptOrRefuse, AttestationLevel, AttestationWithSynced, BackupEligibilityAtSignIn,
    EmptyAllowList, InvalidStatement, Switches, SyncedRemoved, TypeDetection, UnknownSwitch,
    WindowsHello, ZeroAaguid,
};
pub use validate::{BrokenRule, Limits, validate};

/// Writes an AAGUID as a lower-case GUID, in the order of its bytes.
#[must_use]
pub fn guid(aaguid: [u8; 16]) -> String {
    let digits = format!("{:032x}", u128::from_be_bytes(aaguid));
    [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ]
    .join("-")
}

/// Tells whether a text is a GUID: five groups of hexadecimal digits.
pub(crate) fn is_guid(text: &str) -> bool {
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// What decides besides the policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The user's groups.
    pub groups: BTreeSet<String>,
    /// Whether the user is a guest.
    pub guest: bool,
    /// How long ago the user passed multifactor authentication, in seconds.
    pub mfa_age_seconds: u64,
}

/// What is known of the credential, from its registration on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Whether it is stored as synced.
    pub synced: bool,
    /// The AAGUID.
    pub aaguid: [u8; 16],
    /// The attestation statement format.
    pub format: String,
    /// Whether the statement was signed with the credential's own key.
    pub self_attested: bool,
    /// Whether the model is proven.
    pub attested: bool,
}
