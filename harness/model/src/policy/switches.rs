//! The readings of what the documentation leaves open, each with a default.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Chooses a reading of every open question; never a silent choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Switches {
    /// Whether Windows Hello has to be allowed expressly.
    pub windows_hello: WindowsHello,
    /// How the type of a passkey is told at registration.
    pub type_detection: TypeDetection,
    /// Whether an assertion's BE flag has to be that of the record (WebAuthn L3, 7.2 step 19).
    pub backup_eligibility_at_sign_in: BackupEligibilityAtSignIn,
    /// What an enforced allow list without entries allows.
    pub empty_allow_list: EmptyAllowList,
    /// How lists treat the all-zero AAGUID.
    pub zero_aaguid: ZeroAaguid,
    /// Whether packed self attestation is taken where attestation is not enforced.
    pub packed_self: AcceptOrRefuse,
    /// Whether android-key, apple, fido-u2f and compound count as custom formats where attestation is not enforced.
    pub registered_formats: AcceptOrRefuse,
    /// Whether an invalid statement matters where attestation is not enforced.
    pub invalid_statement: InvalidStatement,
    /// What level a valid attestation has where none is enforced.
    pub attestation_level: AttestationLevel,
    /// Whether a profile that lost `synced` stops synced passkeys that another profile still takes.
    pub synced_removed_in_one_profile: SyncedRemoved,
    /// What becomes of a profile that enforces attestation and takes synced passkeys.
    pub attestation_with_synced: AttestationWithSynced,
}

macro_rules! switch {
    ($(#[$doc:meta])* $name:ident { $(#[$first_doc:meta])* $first:ident, $(#[$second_doc:meta])* $second:ident }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $(#[$first_doc])*
            #[default]
            $first,
            $(#[$second_doc])*
            $second,
        }
    };
}

switch!(
    /// Tells whether Windows Hello has to be allowed expressly.
    WindowsHello {
        /// It has, as the preview is documented.
        DefaultDeny,
        /// It is a passkey like others, as announced for general availability.
        Ga
    }
);
switch!(
    /// Tells how the type of a passkey is told at registration.
    TypeDetection {
        /// By the BE flag; attested passkeys of first-party apps are device-bound.
        BeWithFirstPartyOverride,
        /// By the BE flag alone.
        BeOnly
    }
);
switch!(
    /// Tells whether an assertion's BE flag has to be that of the record.
    BackupEligibilityAtSignIn {
        /// It has, as WebAuthn L3 says.
        WebauthnStrict,
        /// It is not looked at, as field reports of Entra suggest.
        EntraObserved
    }
);
switch!(
    /// Tells what an enforced allow list without entries allows.
    EmptyAllowList {
        /// Nothing.
        RejectAll,
        /// Everything.
        AcceptAll
    }
);
switch!(
    /// Tells how lists treat the all-zero AAGUID.
    ZeroAaguid {
        /// Like any other.
        AsListed,
        /// It passes every list.
        AlwaysAllowed
    }
);
switch!(
    /// Tells whether something is taken.
    AcceptOrRefuse {
        /// It is.
        Accepted,
        /// It is not.
        Refused
    }
);
switch!(
    /// Tells whether an invalid statement matters where attestation is not enforced.
    InvalidStatement {
        /// It is refused.
        Refused,
        /// It is ignored.
        Ignored
    }
);
switch!(
    /// Tells what level a valid attestation has where none is enforced.
    AttestationLevel {
        /// The one that was verified.
        AsVerified,
        /// None.
        NotAttested
    }
);
switch!(
    /// Tells whether a profile that lost `synced` stops synced passkeys that another profile takes.
    SyncedRemoved {
        /// It does not: the profiles are united.
        Union,
        /// It does.
        AnyProfileBlocks
    }
);
switch!(
    /// Tells what becomes of a profile that enforces attestation and takes synced passkeys.
    AttestationWithSynced {
        /// The policy is refused.
        Refused,
        /// The profile takes device-bound passkeys only.
        StripsSynced
    }
);
