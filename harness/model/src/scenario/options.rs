//! What a step reads in the options that a relying party sends.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CeremonyKind;

/// States what has to hold of options that are read and not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OptionsSpec {
    /// What has to hold.
    pub property: OptionsProperty,
    /// The ceremony whose options are read; the case's own when left out.
    #[serde(default)]
    pub of: Option<CeremonyKind>,
}

/// Names something that may hold of options (WebAuthn L3, 5.4 and 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OptionsProperty {
    /// Required members are there, and every known member has its JSON type.
    Shape,
    /// Challenge, user handle and credential IDs are base64url without padding.
    Base64url,
    /// The challenge has 16 bytes or more (13.4.3).
    ChallengeLength,
    /// Fifty challenges are all different, and have neither a beginning nor an end in common.
    ChallengeFresh,
    /// Two hundred challenges have the bits of random numbers.
    ChallengeRandom,
    /// The challenge is no UUID.
    ChallengeNoUuid,
    /// The user handle has 1 to 64 bytes (5.4.3).
    UserIdLength,
    /// The user handle is neither a name of the user nor a plain hash of one (14.6.1).
    UserIdOpaque,
    /// The user handle is the same every time, and another user's is another.
    UserIdStable,
    /// The RP ID is left out, the page's host, or a domain above it.
    RpIdOfPage,
    /// Every entry of `pubKeyCredParams` has the type `public-key` and a number.
    ParametersTyped,
    /// ES256 and RS256 are offered.
    ParametersBaseline,
    /// RS1, which signs SHA-1 hashes, is not offered.
    ParametersNotWeak,
    /// The time-out is between five and ten minutes (15.1).
    TimeoutRange,
    /// The user's passkeys are excluded from a second registration.
    ExcludesExisting,
    /// Excluded passkeys are listed with the transports that were reported of them.
    ExcludesTransports,
    /// Nobody else's passkey is listed.
    ListsNobodyElse,
    /// Attestation `none`, when it is asked for, is what the options say.
    AttestationNoneEchoed,
    /// User verification `required`, when it is asked for, is what the options say.
    UserVerificationEchoed,
    /// `requireResidentKey` is true if, and only if, `residentKey` is `required` (5.4.4).
    ResidentKeyConsistent,
    /// What a client says of challenge, user handle or RP ID does not come back.
    ClientValuesIgnored,
    /// Both ceremonies have the same RP ID.
    RpIdAsRegistered,
    /// The passkeys of the user who was named are listed, and nothing else.
    AllowsExactly,
    /// They are listed with the transports that were reported of them.
    AllowsTransports,
    /// Where nobody was named, no passkey is listed.
    AllowsNothing,
    /// A name that nobody has is answered as that of a user with a passkey is (14.6.2).
    UnknownUserLikeKnown,
    /// What is listed for a name that nobody has is the same every time, and differs from name to name.
    UnknownUserStable,
    /// A user without a passkey is answered as a user with one, and as nobody.
    UserWithoutPasskeyLikeKnown,
}
