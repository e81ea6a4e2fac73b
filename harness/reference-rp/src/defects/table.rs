//! The list of defects: name, place, and whether a replay can show it.

macro_rules! defects {
    (@live live) => { true };
    (@live) => { false };
    (
        $(#[doc = $description:literal] $defect:ident = $name:literal at [$($place:literal),+] $($live:ident)?,)+
        of pages:
        $(#[doc = $page_description:literal] $page:ident = $page_name:literal at [$($page_place:literal),+],)+
    ) => {
        /// A realistic mistake that the relying party can be told to make.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Defect {
            $(#[doc = $description] $defect,)+
            $(#[doc = $page_description] $page,)+
        }

        impl Defect {
            /// Every defect that a response can show, whatever client made it.
            pub const ALL: &'static [Self] = &[$(Self::$defect),+];

            /// Every defect that only a browser on the relying party's page can show.
            pub const PAGE: &'static [Self] = &[$(Self::$page),+];

            /// Returns the name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$defect => $name,)+ $(Self::$page => $page_name),+ }
            }

            /// Returns the ids of the steps, clauses or policy rules where it sits, or `page`.
            #[must_use]
            pub const fn places(self) -> &'static [&'static str] {
                match self { $(Self::$defect => &[$($place),+],)+ $(Self::$page => &[$($page_place),+]),+ }
            }

            /// Tells whether it sits outside verification, so that replaying an exchange cannot show it.
            #[must_use]
            pub const fn live_only(self) -> bool {
                match self { $(Self::$defect => defects!(@live $($live)?),)+ $(Self::$page)|+ => true }
            }

            /// Describes the mistake in one sentence.
            #[must_use]
            pub const fn description(self) -> &'static str {
                // Documentation keeps the blank behind its slashes.
                match self {
                    $(Self::$defect => $description.trim_ascii_start(),)+
                    $(Self::$page => $page_description.trim_ascii_start()),+
                }
            }
        }
    };
}

defects! {
    // Steps of the ceremonies.
    /// The type in client data is not compared at registration.
    RegTypeNotCompared = "reg-type-not-compared" at ["reg.7"],
    /// The type in client data is not compared at sign-in.
    AuthTypeNotCompared = "auth-type-not-compared" at ["auth.10"],
    /// An outstanding challenge is enough; its value is not compared.
    ChallengeNotCompared = "challenge-not-compared" at ["reg.8", "auth.11"],
    /// The origin is not compared.
    OriginNotCompared = "origin-not-compared" at ["reg.9", "auth.12"],
    /// Any origin that starts with the expected one passes.
    OriginComparedByPrefix = "origin-compared-by-prefix" at ["reg.9", "auth.12"],
    /// Any https origin whose host is the RP ID, or ends with a dot and the RP ID, passes.
    OriginComparedBySuffix = "origin-compared-by-suffix" at ["reg.9", "auth.12"],
    /// The member crossOrigin is not looked at.
    CrossOriginIgnored = "cross-origin-ignored" at ["reg.10", "auth.13"],
    /// The member topOrigin is not looked at.
    TopOriginIgnored = "top-origin-ignored" at ["reg.11", "auth.14"],
    /// The RP ID hash is not compared.
    RpIdHashNotCompared = "rp-id-hash-not-compared" at ["reg.14", "auth.15"],
    /// The UP flag is not looked at.
    UserPresenceNotRequired = "user-presence-not-required" at ["reg.15", "auth.16"],
    /// The UV flag is not looked at, though user verification is required.
    UserVerificationNotRequired = "user-verification-not-required" at ["reg.16", "auth.17"],
    /// BS without BE is accepted.
    BackupStateWithoutEligibilityAccepted = "backup-state-without-eligibility-accepted" at ["reg.17", "auth.18"],
    /// Backup-eligible passkeys are accepted where only single-device ones are wanted.
    BackupEligibilityPolicyIgnored = "backup-eligibility-policy-ignored" at ["reg.18"],
    /// The algorithms that were offered are not consulted.
    AlgorithmNotChecked = "algorithm-not-checked" at ["reg.20"],
    /// An attestation format that is not supported counts as none.
    UnknownFormatAccepted = "unknown-format-accepted" at ["reg.21"],
    /// The signature of a packed statement with certificates is not verified.
    AttestationSignatureNotVerified = "attestation-signature-not-verified" at ["reg.22"],
    /// The signature and the algorithm of a packed self attestation are not verified.
    SelfAttestationNotVerified = "self-attestation-not-verified" at ["reg.22"],
    /// A statement of format none that is not empty is accepted.
    NoneStatementNotChecked = "none-statement-not-checked" at ["reg.22"],
    /// Version, subject and CA flag of the attestation certificate are not checked.
    AttestationCertificateNotChecked = "attestation-certificate-not-checked" at ["reg.22"],
    /// The AAGUID extension of the certificate is not compared with authenticator data.
    AttestationAaguidNotCompared = "attestation-aaguid-not-compared" at ["reg.22"],
    /// A valid signature by any attestation certificate proves the model.
    AttestationChainNotVerified = "attestation-chain-not-verified" at ["reg.24"],
    /// The last certificate of the statement is taken as a trust anchor.
    AttestationRootFromResponse = "attestation-root-from-response" at ["reg.24"],
    /// The validity dates of the certificates are not looked at.
    AttestationChainExpiryIgnored = "attestation-chain-expiry-ignored" at ["reg.24"],
    /// The roots of every metadata entry are accepted for every AAGUID.
    MetadataRootOfAnyModel = "metadata-root-of-any-model" at ["reg.24"],
    /// Status reports of the metadata, as REVOKED, are not looked at.
    MetadataStatusIgnored = "metadata-status-ignored" at ["reg.24", "attestation"],
    /// User verification, discoverable credentials, hmac-secret and certification in the metadata are not looked at.
    MetadataCapabilitiesIgnored = "metadata-capabilities-ignored" at ["reg.24", "attestation"],
    /// A credential ID of more than 1023 bytes is accepted.
    CredentialIdLengthNotLimited = "credential-id-length-not-limited" at ["reg.25"],
    /// A credential ID that is registered already is accepted.
    DuplicateCredentialIdAccepted = "duplicate-credential-id-accepted" at ["reg.26"],
    /// A credential that the options did not allow is accepted.
    AllowCredentialsIgnored = "allow-credentials-ignored" at ["auth.5"],
    /// The user handle is not compared with that of the owner.
    UserHandleNotCompared = "user-handle-not-compared" at ["auth.6"],
    /// Where nobody was named and there is no handle, the owner of the credential ID is signed in.
    MissingUserHandleAccepted = "missing-user-handle-accepted" at ["auth.6"],
    /// Where the user was named first, the credential may be anybody's.
    CredentialOwnerNotCompared = "credential-owner-not-compared" at ["auth.6"],
    /// The BE flag may differ from that at registration.
    BackupEligibilityChangeAccepted = "backup-eligibility-change-accepted" at ["auth.19"],
    /// The result of verifying the assertion signature is not looked at.
    AssertionSignatureNotVerified = "assertion-signature-not-verified" at ["auth.21"],
    /// A signature over authenticator data alone is accepted as well.
    ClientDataNotSigned = "client-data-not-signed" at ["auth.21"],
    /// The signature counter is not compared.
    SignCountNotCompared = "sign-count-not-compared" at ["auth.22"],
    /// A signature counter that stays the same is accepted.
    SignCountEqualAccepted = "sign-count-equal-accepted" at ["auth.22"],
    // State and concurrency, outside verification.
    /// The ceremony is read, not taken, so that a response can be posted again.
    ChallengeReusable = "challenge-reusable" at ["reg.8", "auth.11"] live,
    /// The challenges of all sessions are one pool.
    ChallengeNotBoundToSession = "challenge-not-bound-to-session" at ["reg.8", "auth.11"] live,
    /// A challenge of one ceremony serves the other.
    ChallengeNotBoundToCeremony = "challenge-not-bound-to-ceremony" at ["reg.8", "auth.11"] live,
    /// The age of a challenge is not looked at.
    ChallengeNeverExpires = "challenge-never-expires" at ["reg.8", "auth.11"] live,
    /// The challenge is removed only after verification, without a lock in between.
    ChallengeConsumedAfterVerification = "challenge-consumed-after-verification" at ["auth.11"] live,
    /// The stored signature counter is never updated.
    SignCountNotUpdated = "sign-count-not-updated" at ["auth.24"] live,
    /// The policy at the time of the options decides, not the current one.
    PolicyOfOptionsTime = "policy-of-options-time" at ["method-disabled", "excluded-group", "self-service-off", "guest", "not-targeted", "type", "attestation", "format", "aaguid-allow", "aaguid-block", "windows-hello"] live,
    // Passkey profiles.
    /// A disabled method is not looked at.
    MethodDisabledIgnored = "method-disabled-ignored" at ["method-disabled"],
    /// Excluded groups are not looked at.
    ExcludedGroupIgnored = "excluded-group-ignored" at ["excluded-group"],
    /// An include target of one of the user's groups outweighs the exclusion.
    IncludeBeatsExclude = "include-beats-exclude" at ["excluded-group"],
    /// Users register passkeys themselves though that is off.
    SelfServiceIgnored = "self-service-ignored" at ["self-service-off"],
    /// Self-service being off stops sign-in too.
    SelfServiceBlocksSignIn = "self-service-blocks-sign-in" at ["self-service-off", "applied", "at", "sign-in", "too"],
    /// Guests register passkeys.
    GuestIgnored = "guest-ignored" at ["guest"],
    /// The age of the last multifactor authentication is not looked at.
    StepUpIgnored = "step-up-ignored" at ["step-up"],
    /// Every profile is everybody's.
    TargetsIgnored = "targets-ignored" at ["not-targeted"],
    /// The types that a profile takes are not looked at.
    TypeIgnored = "type-ignored" at ["type"],
    /// The types that a profile takes are not looked at when signing in.
    TypeNotCheckedAtSignIn = "type-not-checked-at-sign-in" at ["type"],
    /// The AAGUID of a first-party app alone makes a passkey device-bound.
    FirstPartyOverrideUnattested = "first-party-override-unattested" at ["type"],
    /// Attestation enforcement is not looked at.
    AttestationIgnored = "attestation-ignored" at ["attestation"],
    /// Attestation is enforced at sign-in too.
    AttestationCheckedAtSignIn = "attestation-checked-at-sign-in" at ["attestation", "evaluated", "at", "sign-in", "too", "(an", "unattested", "registered", "passkey", "is", "refused)"],
    /// The attestation format is not looked at where attestation is not enforced.
    FormatIgnored = "format-ignored" at ["format"],
    /// Allow lists are not looked at.
    AaguidAllowIgnored = "aaguid-allow-ignored" at ["aaguid-allow"],
    /// Block lists are not looked at.
    AaguidBlockIgnored = "aaguid-block-ignored" at ["aaguid-block"],
    /// AAGUID lists are not looked at when signing in.
    AaguidListsNotCheckedAtSignIn = "aaguid-lists-not-checked-at-sign-in" at ["aaguid-allow", "aaguid-block"],
    /// The first three groups of an AAGUID are read in little-endian byte order.
    AaguidByteOrderSwapped = "aaguid-byte-order-swapped" at ["aaguid-allow", "aaguid-block"],
    /// A listed AAGUID in upper case is not recognised.
    AaguidComparedCaseSensitively = "aaguid-compared-case-sensitively" at ["aaguid-allow", "aaguid-block"],
    /// The all-zero AAGUID passes an allow list.
    ZeroAaguidPassesLists = "zero-aaguid-passes-lists" at ["aaguid-allow"],
    /// Windows Hello need not be allowed expressly.
    WindowsHelloNotSpecial = "windows-hello-not-special" at ["windows-hello"],
    /// Each clause may be satisfied by another profile.
    ClausesOfProfilesMixed = "clauses-of-profiles-mixed" at ["type", "attestation", "format", "aaguid-allow", "aaguid-block", "windows-hello"],
    /// Only the first of the user's profiles is evaluated.
    FirstProfileOnly = "first-profile-only" at ["type", "attestation", "format", "aaguid-allow", "aaguid-block", "windows-hello"],
    /// A block list of one profile refuses what another admits.
    BlockInAnyProfileBlocks = "block-in-any-profile-blocks" at ["aaguid-block"],
    /// A policy may have any number of profiles.
    ProfileLimitIgnored = "profile-limit-ignored" at ["policy.profile-limit"] live,
    /// A policy may have any size.
    SizeLimitIgnored = "size-limit-ignored" at ["policy.size-limit"] live,
    /// A profile may enforce attestation and take synced passkeys.
    AttestationWithSyncedAccepted = "attestation-with-synced-accepted" at ["policy.attestation-with-synced"] live,
    /// A profile that is still assigned can be deleted.
    ProfileInUseDeletable = "profile-in-use-deletable" at ["policy.profile-in-use"] live,
    /// A target may name a profile that never existed.
    UnknownProfileAccepted = "unknown-profile-accepted" at ["policy.unknown-profile"] live,
    /// The default profile can be deleted.
    DefaultProfileDeletable = "default-profile-deletable" at ["policy.default-profile"] live,
    /// A list may hold texts that are no AAGUIDs.
    MalformedAaguidAccepted = "malformed-aaguid-accepted" at ["policy.malformed-aaguid"] live,
    /// A profile may lack required members.
    MissingFieldAccepted = "missing-field-accepted" at ["policy.missing-field"] live,

    of pages:
    /// A browser whose user agent names neither Windows, Mac nor iPhone is turned away.
    UserAgentAllowList = "user-agent-allow-list" at ["page"],
    /// The system's version is read out of the user agent, where browsers freeze it, and a low one is turned away.
    UserAgentVersionGate = "user-agent-version-gate" at ["page"],
    /// A passkey on this device is offered whether or not the client can make one.
    SameDeviceAlwaysOffered = "same-device-always-offered" at ["page"],
}
