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
    /// The member id is not read; rawId alone counts.
    IdIgnored = "id-ignored" at ["parse"],
    /// Both alphabets of base64 are read, padded or not.
    Base64ReadLeniently = "base64-read-leniently" at ["parse"],
    /// The type of the credential is not looked at.
    CredentialTypeIgnored = "credential-type-ignored" at ["parse", "reg.3", "auth.3"],
    /// Where there is no assertion, the credential ID alone signs in.
    AssertionOptional = "assertion-optional" at ["auth.3"],
    /// Bytes of client data that are not UTF-8 are dropped.
    InvalidUtf8Dropped = "invalid-utf8-dropped" at ["reg.6", "auth.9"],
    /// A type, challenge or origin that is missing, null or empty is not compared.
    MissingMemberPasses = "missing-member-passes" at ["reg.7", "reg.8", "reg.9", "auth.10", "auth.11", "auth.12"],
    /// The type in client data is not compared at registration.
    RegTypeNotCompared = "reg-type-not-compared" at ["reg.7"],
    /// The type in client data is not compared at sign-in.
    AuthTypeNotCompared = "auth-type-not-compared" at ["auth.10"],
    /// An outstanding challenge is enough; its value is not compared.
    ChallengeNotCompared = "challenge-not-compared" at ["reg.8", "auth.11"],
    /// Only as much of the challenge is compared as came back.
    ChallengeComparedByPrefix = "challenge-compared-by-prefix" at ["reg.8", "auth.11"],
    /// The challenge is compared without regard to case.
    ChallengeComparedCaseInsensitively = "challenge-compared-case-insensitively" at ["reg.8", "auth.11"],
    /// The challenge is decoded from either alphabet of base64 before it is compared.
    ChallengeComparedAsBytes = "challenge-compared-as-bytes" at ["reg.8", "auth.11"],
    /// A challenge is compared only where one is stored: without options, any passes.
    MissingChallengeNotRefused = "missing-challenge-not-refused" at ["reg.8", "auth.11"],
    /// The origin is not compared.
    OriginNotCompared = "origin-not-compared" at ["reg.9", "auth.12"],
    /// Any origin that starts with the expected one passes.
    OriginComparedByPrefix = "origin-compared-by-prefix" at ["reg.9", "auth.12"],
    /// Any https origin whose host is the RP ID, or ends with a dot and the RP ID, passes.
    OriginComparedBySuffix = "origin-compared-by-suffix" at ["reg.9", "auth.12"],
    /// Only the host of the origin is compared, as a URL has it.
    OriginComparedByHost = "origin-compared-by-host" at ["reg.9", "auth.12"],
    /// Any origin in which the RP ID occurs passes.
    OriginContainsRpId = "origin-contains-rp-id" at ["reg.9", "auth.12"],
    /// The origin of any Android app passes.
    AnyAppAccepted = "any-app-accepted" at ["reg.9", "auth.12"],
    /// The member crossOrigin is not looked at.
    CrossOriginIgnored = "cross-origin-ignored" at ["reg.10", "auth.13"],
    /// The member topOrigin is not looked at.
    TopOriginIgnored = "top-origin-ignored" at ["reg.11", "auth.14"],
    /// CBOR is decoded as libraries do by default: equal keys and other encodings than the preferred one pass.
    LenientCborAccepted = "lenient-cbor-accepted" at ["reg.13", "auth.7"],
    /// Bytes after the attestation object are left alone.
    AttestationObjectTailIgnored = "attestation-object-tail-ignored" at ["reg.13"],
    /// Attested credential data is read wherever bytes follow the counter, whatever the AT flag says.
    AttestedDataFlagIgnored = "attested-data-flag-ignored" at ["reg.13", "auth.7"],
    /// What follows the credential, or the counter where there is none, is not read: neither extensions nor other bytes.
    ExtensionDataNotRead = "extension-data-not-read" at ["reg.13", "auth.7"],
    /// A credential ID of no bytes is accepted.
    EmptyCredentialIdAccepted = "empty-credential-id-accepted" at ["reg.13"],
    /// The ID that the response names is not compared with the attested one.
    EnvelopeIdNotCompared = "envelope-id-not-compared" at ["parse"],
    /// The AppID that the options ask for counts as one more RP ID, whatever the client says it used.
    AppIdIsAnotherRpId = "app-id-is-another-rp-id" at ["auth.15"],
    /// Credential IDs are compared by their first 255 bytes, as a column of that width keeps them.
    CredentialIdTruncated = "credential-id-truncated" at ["reg.26"],
    /// The options enforce a level of credential protection, and nobody looks at what was given.
    CredentialProtectionNotChecked = "credential-protection-not-checked" at ["reg.28"],
    /// The RP ID hash is not compared.
    RpIdHashNotCompared = "rp-id-hash-not-compared" at ["reg.14", "auth.15"],
    /// The RP ID hash may be that of any tenant on the server.
    RpIdHashOfAnyTenant = "rp-id-hash-of-any-tenant" at ["auth.15"],
    /// The UP flag is not looked at.
    UserPresenceNotRequired = "user-presence-not-required" at ["reg.15", "auth.16"],
    /// The UV flag is not looked at, though user verification is required.
    UserVerificationNotRequired = "user-verification-not-required" at ["reg.16", "auth.17"],
    /// BS without BE is accepted.
    BackupStateWithoutEligibilityAccepted = "backup-state-without-eligibility-accepted" at ["reg.17", "auth.18"],
    /// Backup-eligible passkeys are accepted where only single-device ones are wanted.
    BackupEligibilityPolicyIgnored = "backup-eligibility-policy-ignored" at ["reg.18"],
    /// Key type and curve are not compared with those of the algorithm.
    KeyCurveNotCompared = "key-curve-not-compared" at ["reg.13"],
    /// The curve that a key names decides, not the one of its algorithm.
    KeyCurveDecides = "key-curve-decides" at ["reg.13"],
    /// Points may be compressed, and coordinates shorter or longer than the curve's.
    CoordinateLengthNotChecked = "coordinate-length-not-checked" at ["reg.13"],
    /// Nobody looks whether a key is a good one: points off their curve or of small order, RSA exponents and moduli.
    KeyNotValidated = "key-not-validated" at ["reg.13"],
    /// A key may have any parameters, twice and in any encoding.
    KeyEncodingNotChecked = "key-encoding-not-checked" at ["reg.13"],
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
    /// What a statement says of its algorithm is not looked at: whichever fits the key is used.
    AttestationAlgorithmIgnored = "attestation-algorithm-ignored" at ["reg.22"],
    /// The certificate whose key signed the statement is looked for in x5c, wherever it stands.
    AttestationCertificateAnywhere = "attestation-certificate-anywhere" at ["reg.22"],
    /// A certificate with the serial number of one device is accepted though nobody asked for it.
    SerialNumberAccepted = "serial-number-accepted" at ["reg.22"],
    /// A valid signature by any attestation certificate proves the model.
    AttestationChainNotVerified = "attestation-chain-not-verified" at ["reg.24"],
    /// The last certificate of the statement is taken as a trust anchor.
    AttestationRootFromResponse = "attestation-root-from-response" at ["reg.24"],
    /// Attestation is required, and a response without certificates passes: only chains are looked at.
    AttestationLeftOutAccepted = "attestation-left-out-accepted" at ["reg.24"],
    /// A certificate of the statement that has a trusted root's name is taken for it.
    AttestationRootMatchedByName = "attestation-root-matched-by-name" at ["reg.24"],
    /// The validity dates of the certificates are not looked at.
    AttestationChainExpiryIgnored = "attestation-chain-expiry-ignored" at ["reg.24"],
    /// The roots of every metadata entry are accepted for every AAGUID.
    MetadataRootOfAnyModel = "metadata-root-of-any-model" at ["reg.24"],
    /// A model whose metadata lists no root is attested by any certificate.
    MetadataWithoutRootsTrusted = "metadata-without-roots-trusted" at ["reg.24"],
    /// What certificates of the response name as the place of revocations or of issuers is fetched before they are trusted.
    CertificateUrlsFetched = "certificate-urls-fetched" at ["reg.24"] live,
    /// Status reports of the metadata, as REVOKED, are not looked at.
    MetadataStatusIgnored = "metadata-status-ignored" at ["reg.24", "attestation"],
    /// User verification, discoverable credentials, hmac-secret and certification in the metadata are not looked at.
    MetadataCapabilitiesIgnored = "metadata-capabilities-ignored" at ["reg.24", "attestation"],
    /// A credential ID of more than 1023 bytes is accepted.
    CredentialIdLengthNotLimited = "credential-id-length-not-limited" at ["reg.25"],
    /// A credential ID that is registered already is accepted.
    DuplicateCredentialIdAccepted = "duplicate-credential-id-accepted" at ["reg.26"],
    /// The key that the client read out of the attestation object is stored.
    PublicKeyFromResponse = "public-key-from-response" at ["reg.27"],
    /// What the client says of discoverability is not looked at, though a discoverable passkey is required.
    DiscoverabilityNotChecked = "discoverability-not-checked" at ["reg.28"],
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
    /// A record without BE counts as one of a passkey that is not eligible.
    MissingBackupEligibilityIsFalse = "missing-backup-eligibility-is-false" at ["auth.19"],
    /// The result of verifying the assertion signature is not looked at.
    AssertionSignatureNotVerified = "assertion-signature-not-verified" at ["auth.21"],
    /// Other encodings of an ECDSA signature than DER are accepted as well.
    SignatureEncodingNotChecked = "signature-encoding-not-checked" at ["auth.21"],
    /// A signature with another hash or padding than the algorithm's is accepted as well.
    SignatureSchemeNotBound = "signature-scheme-not-bound" at ["auth.21"],
    /// A signature over authenticator data alone is accepted as well.
    ClientDataNotSigned = "client-data-not-signed" at ["auth.21"],
    /// The signature counter is not compared.
    SignCountNotCompared = "sign-count-not-compared" at ["auth.22"],
    /// A signature counter that stays the same is accepted.
    SignCountEqualAccepted = "sign-count-equal-accepted" at ["auth.22"],
    /// Signature counters are read as signed numbers, so that those with the highest bit are negative.
    SignCountReadAsSigned = "sign-count-read-as-signed" at ["auth.22"],
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
    /// Of several ceremonies in one session, each can be finished, though the newest was to replace the others.
    SupersededChallengeAccepted = "superseded-challenge-accepted" at ["reg.8", "auth.11"] live,
    /// A challenge that comes with the response is the one that is expected.
    ChallengeFromBody = "challenge-from-body" at ["reg.8", "auth.11"] live,
    /// The seal of the state that the client holds is not verified.
    ClientHeldStateNotVerified = "client-held-state-not-verified" at ["reg.8", "auth.11"] live,
    /// The state that the client holds is good as often as it comes.
    ClientHeldStateReusable = "client-held-state-reusable" at ["reg.8", "auth.11"] live,
    /// The text that is kept of a ceremony leaves out the user verification, and reading it back takes the default.
    UserVerificationLostInStore = "user-verification-lost-in-store" at ["reg.16", "auth.17"] live,
    /// The account is the one that the request's body names.
    RegistrationUserFromBody = "registration-user-from-body" at ["state", "reg.29"] live,
    /// The account is the one that the URL names.
    RegistrationUserFromUrl = "registration-user-from-url" at ["state", "reg.29"] live,
    /// Who began the ceremony is not compared with who finishes it.
    CeremonyUserNotCompared = "ceremony-user-not-compared" at ["reg.29", "auth.6"] live,
    /// A session in which only the password was given registers passkeys.
    SecondFactorSessionCanRegister = "second-factor-session-can-register" at ["state", "reg.29"] live,
    /// The second factor is verified for the user whose sign-in began the ceremony, and lets in the one whose password came last.
    SecondFactorUserFromCeremony = "second-factor-user-from-ceremony" at ["auth.6"] live,
    /// The client's word that a passkey was shown is enough.
    StepUpWithoutAssertion = "step-up-without-assertion" at ["parse", "auth.21"] live,
    /// Any user's passkey will do where the user who is signed in is asked for one again.
    StepUpByAnybody = "step-up-by-anybody" at ["auth.6"] live,
    /// A passkey is registered without one being asked for again, though that is the rule.
    RegistrationWithoutStepUp = "registration-without-step-up" at ["state"] live,
    /// An enrolment link is good as often as it is opened.
    EnrolmentLinkReusable = "enrolment-link-reusable" at ["state"] live,
    /// An enrolment link that one session opened is good in another.
    EnrolmentLinkNotBoundToSession = "enrolment-link-not-bound-to-session" at ["state"] live,
    /// The age of an enrolment link is not looked at.
    EnrolmentLinkNeverExpires = "enrolment-link-never-expires" at ["state"] live,
    /// Signing out makes the browser forget the session, and not the server.
    SignOutKeepsSession = "sign-out-keeps-session" at ["state"] live,
    /// Sessions that were there before a password was changed go on.
    SessionsSurvivePasswordChange = "sessions-survive-password-change" at ["state"] live,
    /// A body that has a public key in place of a response is stored as it comes, for the user whom it names.
    PublicKeyOfBodyStored = "public-key-of-body-stored" at ["state", "reg.29"] live,
    /// Whether a credential ID is taken is looked up first and decided on later, without a lock in between.
    DuplicateCheckNotAtomic = "duplicate-check-not-atomic" at ["reg.26"] live,
    /// A record takes the place of another with the same credential ID, whoever's that was.
    CredentialIdOverwrites = "credential-id-overwrites" at ["reg.26"] live,
    /// The endpoints that a library brings along register for the accounts of the site.
    DefaultEndpointsShareAccounts = "default-endpoints-share-accounts" at ["auth.6"] live,
    /// The stored signature counter begins at zero, whatever the registration said.
    SignCountStartsAtZero = "sign-count-starts-at-zero" at ["reg.27"] live,
    /// The stored signature counter is never updated.
    SignCountNotUpdated = "sign-count-not-updated" at ["auth.24"] live,
    /// A session is signed in as soon as the credential is found, and stays so when the assertion is refused.
    SessionGrantedBeforeVerification = "session-granted-before-verification" at ["auth.25"] live,
    /// The signature counter of an assertion that is refused is stored all the same.
    SignCountStoredOnFailure = "sign-count-stored-on-failure" at ["auth.24"] live,
    /// A new key is stored under a known credential ID before the registration is refused.
    RecordReplacedOnRefusal = "record-replaced-on-refusal" at ["reg.26"] live,
    /// The session goes on under its id when somebody signs in.
    SessionIdKeptAtSignIn = "session-id-kept-at-sign-in" at ["auth.25"] live,
    /// Who signs in is taken from the posted response, which may name anybody.
    UserOfFinishBody = "user-of-finish-body" at ["auth.6"] live,
    /// Where somebody is signed in already, that user's passkey signs in the user who was named.
    SessionUserCountsAsOwner = "session-user-counts-as-owner" at ["auth.6"] live,
    /// Credential IDs are looked up as text, without regard to the case of letters.
    CredentialIdComparedCaseInsensitively = "credential-id-compared-case-insensitively" at ["auth.6"] live,
    /// A passkey that its user deleted disappears from the list, and keeps signing in.
    DeletedPasskeyStillAccepted = "deleted-passkey-still-accepted" at ["auth.6"] live,
    /// All tenants look for passkeys in one table.
    TenantsShareCredentials = "tenants-share-credentials" at ["auth.6"] live,
    /// A passkey signs in to an account that is disabled.
    DisabledAccountSignsIn = "disabled-account-signs-in" at ["auth.25"] live,
    /// The stored backup state is never updated.
    BackupStateNotUpdated = "backup-state-not-updated" at ["auth.24"] live,
    /// The first verification of the user makes the passkey a full factor, without another one beside it.
    UvInitializedWithoutOtherFactor = "uv-initialized-without-other-factor" at ["auth.24"] live,
    /// The policy at the time of the options decides, not the current one.
    PolicyOfOptionsTime = "policy-of-options-time" at ["method-disabled", "excluded-group", "self-service-off", "guest", "not-targeted", "type", "attestation", "format", "aaguid-allow", "aaguid-block", "windows-hello"] live,
    // Options, before there is anything to verify.
    /// A challenge has eight bytes.
    ChallengeTooShort = "challenge-too-short" at ["reg.1", "auth.1"] live,
    /// The challenge is a constant of the code.
    ChallengeFixed = "challenge-fixed" at ["reg.1", "auth.1"] live,
    /// The challenge is the time and a counter.
    ChallengeFromClock = "challenge-from-clock" at ["reg.1", "auth.1"] live,
    /// A challenge in the request for options is the one that is used.
    ChallengeFromClient = "challenge-from-client" at ["reg.1", "auth.1"] live,
    /// The user verification that a request for options asks for is required, also where it is less than ours.
    UserVerificationFromClient = "user-verification-from-client" at ["reg.1", "auth.1"] live,
    /// User verification, attestation and requireResidentKey of the options are a template's, whatever is expected.
    OptionsFromTemplate = "options-from-template" at ["reg.1", "auth.1"] live,
    /// The user handle is the user's name.
    UserIdIsTheName = "user-id-is-the-name" at ["reg.1"] live,
    /// The user handle is the SHA-256 hash of the user's name.
    UserIdIsAHashOfTheName = "user-id-is-a-hash-of-the-name" at ["reg.1"] live,
    /// The user handle is a constant of the code, the same for everybody.
    UserIdFixed = "user-id-fixed" at ["reg.1"] live,
    /// The last algorithm that is offered stands under its JOSE name.
    AlgorithmByName = "algorithm-by-name" at ["reg.1"] live,
    /// The passkeys of the user are not excluded from registration.
    ExcludeListEmpty = "exclude-list-empty" at ["reg.1"] live,
    /// The lists of passkeys in options are not restricted to the user's own.
    ListsOfEverybody = "lists-of-everybody" at ["reg.1", "auth.1"] live,
    /// Passkeys in options stand as the database has them: no type, and the ID in padded base64.
    DescriptorsAsStored = "descriptors-as-stored" at ["reg.1", "auth.1"] live,
    /// Where a name has no passkeys, the options list none.
    UnknownUserTells = "unknown-user-tells" at ["auth.1"] live,
    /// What is listed for a name that has no passkeys is made up anew each time.
    DecoysRandom = "decoys-random" at ["auth.1"] live,
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
    SelfServiceBlocksSignIn = "self-service-blocks-sign-in" at ["self-service-off"],
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
    AttestationCheckedAtSignIn = "attestation-checked-at-sign-in" at ["attestation"],
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
