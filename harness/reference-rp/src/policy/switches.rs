//! Readings of what the documentation leaves open, each with a default.

use serde_json::Value;

/// Says which switch has no such name or value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the switch '{switch}' has no value {value}")]
pub struct UnknownSwitch {
    /// The switch.
    pub switch: String,
    /// The value.
    pub value: String,
}

macro_rules! switches {
    ($(
        #[doc = $field_doc:literal]
        $field:ident = $key:literal: $kind:ident;
    )+) => {
        /// Chooses a reading of every open question.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Switches {
            $(#[doc = $field_doc] pub $field: $kind,)+
        }

        impl Switches {
            /// Reads switches from a JSON object; what is left out has its default.
            ///
            /// # Errors
            /// The first switch that does not exist or has no such value.
            pub fn from_json(json: &Value) -> Result<Self, UnknownSwitch> {
                let mut switches = Self::default();
                let Some(members) = json.as_object() else {
                    return Err(UnknownSwitch { switch: String::new(), value: json.to_string() });
                };
                for (name, value) in members {
                    let unknown = || UnknownSwitch { switch: name.clone(), value: value.to_string() };
                    match name.as_str() {
                        $($key => {
                            let word = value.as_str().ok_or_else(unknown)?;
                            switches.$field = $kind::from_name(word).ok_or_else(unknown)?;
                        })+
                        _ => return Err(unknown()),
                    }
                }
                Ok(switches)
            }
        }
    };
}

macro_rules! choice {
    (
        #[doc = $doc:literal]
        $name:ident {
            #[doc = $first_doc:literal] $first:ident = $first_name:literal,
            #[doc = $second_doc:literal] $second:ident = $second_name:literal $(,)?
        }
    ) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name {
            #[doc = $first_doc]
            #[default]
            $first,
            #[doc = $second_doc]
            $second,
        }

        impl $name {
            fn from_name(name: &str) -> Option<Self> {
                match name {
                    $first_name => Some(Self::$first),
                    $second_name => Some(Self::$second),
                    _ => None,
                }
            }
        }
    };
}

switches! {
    /// Whether Windows Hello has to be allowed expressly.
    windows_hello = "windows-hello": WindowsHello;
    /// How the type of a passkey is told at registration.
    type_detection = "type-detection": TypeDetection;
    /// Whether an assertion's BE flag has to be that of the record (WebAuthn L3, 7.2 step 19).
    backup_eligibility_at_sign_in = "backup-eligibility-at-sign-in": BackupEligibilityAtSignIn;
    /// What an enforced allow list without entries allows.
    empty_allow_list = "empty-allow-list": EmptyAllowList;
    /// How lists treat the all-zero AAGUID.
    zero_aaguid = "zero-aaguid": ZeroAaguid;
    /// Whether packed self attestation is taken where attestation is not enforced.
    packed_self = "packed-self": AcceptOrRefuse;
    /// Whether android-key, apple, fido-u2f and compound are taken where attestation is not enforced.
    registered_formats = "registered-formats": AcceptOrRefuse;
    /// Whether an invalid statement matters where attestation is not enforced.
    invalid_statement = "invalid-statement": InvalidStatement;
    /// What level a valid attestation has where none is enforced.
    attestation_level = "attestation-level": AttestationLevel;
    /// Whether one profile without synced passkeys stops those that another profile takes.
    synced_removed_in_one_profile = "synced-removed-in-one-profile": SyncedRemoved;
    /// What becomes of a profile that enforces attestation and takes synced passkeys.
    attestation_with_synced = "attestation-with-synced": AttestationWithSynced;
}

choice! {
    /// Tells whether Windows Hello has to be allowed expressly.
    WindowsHello {
        /// It has, as the preview is documented.
        DefaultDeny = "default-deny",
        /// It is a passkey like others, as announced for general availability.
        Ga = "ga",
    }
}
choice! {
    /// Tells how the type of a passkey is told at registration.
    TypeDetection {
        /// By the BE flag; attested passkeys of first-party apps are device-bound.
        BeWithFirstPartyOverride = "be-with-first-party-override",
        /// By the BE flag alone.
        BeOnly = "be-only",
    }
}
choice! {
    /// Tells whether an assertion's BE flag has to be that of the record.
    BackupEligibilityAtSignIn {
        /// It has, as WebAuthn L3 says.
        WebauthnStrict = "webauthn-strict",
        /// It is not looked at, as field reports suggest.
        EntraObserved = "entra-observed",
    }
}
choice! {
    /// Tells what an enforced allow list without entries allows.
    EmptyAllowList {
        /// Nothing.
        RejectAll = "reject-all",
        /// Everything.
        AcceptAll = "accept-all",
    }
}
choice! {
    /// Tells how lists treat the all-zero AAGUID.
    ZeroAaguid {
        /// Like any other.
        AsListed = "as-listed",
        /// It passes every list.
        AlwaysAllowed = "always-allowed",
    }
}
choice! {
    /// Tells whether something is taken.
    AcceptOrRefuse {
        /// It is.
        Accepted = "accepted",
        /// It is not.
        Refused = "refused",
    }
}
choice! {
    /// Tells whether an invalid statement matters where attestation is not enforced.
    InvalidStatement {
        /// It is refused.
        Refused = "refused",
        /// It is ignored.
        Ignored = "ignored",
    }
}
choice! {
    /// Tells what level a valid attestation has where none is enforced.
    AttestationLevel {
        /// The one that was verified.
        AsVerified = "as-verified",
        /// None.
        NotAttested = "not-attested",
    }
}
choice! {
    /// Tells whether one profile without synced passkeys stops those that another profile takes.
    SyncedRemoved {
        /// It does not: the profiles are united.
        Union = "union",
        /// It does.
        AnyProfileBlocks = "any-profile-blocks",
    }
}
choice! {
    /// Tells what becomes of a profile that enforces attestation and takes synced passkeys.
    AttestationWithSynced {
        /// The policy is refused.
        Refused = "refused",
        /// The profile takes device-bound passkeys only.
        StripsSynced = "strips-synced",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_left_out_has_its_default() {
        assert_eq!(Switches::from_json(&json!({})), Ok(Switches::default()));
        let switches = Switches::from_json(&json!({ "windows-hello": "ga" }));
        assert!(switches.is_ok_and(|switches| switches.windows_hello == WindowsHello::Ga));
    }

    #[test]
    fn unknown_names_and_values_are_errors() {
        for wrong in [
            json!([]),
            json!({ "hello": "ga" }),
            json!({ "windows-hello": "gA" }),
            json!({ "windows-hello": true }),
        ] {
            assert!(Switches::from_json(&wrong).is_err(), "{wrong}");
        }
    }
}
