//! The security key of a step: how it is, and what its holder does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Describes the security key of a step, where it is another than one that is ready and whose holder does as asked.
///
/// `register` makes the key, with all of this; later steps of the row find it as it was left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KeySpec {
    /// `register`: the state of its PIN; when left out, one is set where the provider verifies users.
    #[serde(default)]
    pub pin: Option<PinState>,
    /// The PIN that its holder types.
    #[serde(default)]
    pub typed: Typed,
    /// Whether its holder never touches it.
    #[serde(default)]
    pub untouched: bool,
    /// `register`: whether it has no room for another discoverable credential.
    #[serde(default)]
    pub full: bool,
    /// `register`: whether it speaks U2F alone (CTAP 2.1, 11.1), as keys did before CTAP2.
    #[serde(default)]
    pub u2f_only: bool,
    /// What it does wrong when it makes or uses the passkey.
    #[serde(default)]
    pub fault: Option<KeyFault>,
    /// Whether another key, with nothing on it, is plugged in beside it.
    #[serde(default)]
    pub beside_another: bool,
}

/// Names the state of a key's PIN (CTAP 2.1, 6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PinState {
    /// The key knows no PINs.
    Unknown,
    /// None was ever set.
    NotSet,
    /// One is set.
    Set,
    /// One is set, and was typed wrong too often: only a reset helps.
    Blocked,
}

/// Names what a holder types when the PIN is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Typed {
    /// The key's PIN.
    #[default]
    Right,
    /// Another one.
    Wrong,
}

/// Names what a key does wrong (CTAP 2.1, 11.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyFault {
    /// It is pulled out in the middle of its answer.
    Unplug,
    /// It never answers.
    Stall,
    /// It asks for patience without end.
    KeepaliveForever,
    /// Its answer is on a channel that nobody has.
    WrongChannel,
    /// The last packet of its answer never comes.
    TruncatedMessage,
    /// It answers CTAPHID_INIT as if somebody else had sent it.
    WrongNonce,
}

impl KeyFault {
    /// Returns the name as scenarios spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unplug => "unplug",
            Self::Stall => "stall",
            Self::KeepaliveForever => "keepalive-forever",
            Self::WrongChannel => "wrong-channel",
            Self::TruncatedMessage => "truncated-message",
            Self::WrongNonce => "wrong-nonce",
        }
    }
}

/// Names when a credential may be found and used (CTAP 2.1, 12.1.1), by the client's words for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialProtection {
    /// Always.
    UserVerificationOptional,
    /// Without user verification only by whoever knows its ID.
    UserVerificationOptionalWithCredentialIdList,
    /// Only with user verification.
    UserVerificationRequired,
}

impl CredentialProtection {
    /// Returns the value of `credentialProtectionPolicy`.
    #[must_use]
    pub const fn policy(self) -> &'static str {
        match self {
            Self::UserVerificationOptional => "userVerificationOptional",
            Self::UserVerificationOptionalWithCredentialIdList => {
                "userVerificationOptionalWithCredentialIDList"
            }
            Self::UserVerificationRequired => "userVerificationRequired",
        }
    }
}
