//! Passkey providers: what their makers say of them, and the model that stands for them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Aaguid, platform::VersionSymbol};

/// Describes one passkey provider: who keeps the passkey.
///
/// `claim` and `model` are stated apart on purpose: the claim is what the sources say of the provider, the model is what our
/// software authenticator does in its place, and a row is only run as far as both agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Provider {
    /// The name in rows: lower case, digits, `-`.
    pub id: String,
    /// The product's name.
    pub name: String,
    /// What the sources say of the provider's passkeys.
    pub claim: Claim,
    /// What the software authenticator does in its place.
    pub model: AuthenticatorModel,
    /// What differs on some platforms and versions, first match wins.
    #[serde(default)]
    pub variants: Vec<Variant>,
    /// Where the facts come from, one line each.
    pub sources: Vec<String>,
    /// How well the facts are known.
    pub grade: Grade,
    /// Whether a fact in it is common knowledge that nobody verified (grade U).
    #[serde(default)]
    pub synthetic: bool,
}

/// States what a provider's passkeys are, as the sources have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Claim {
    /// Whether the passkey leaves the device.
    #[serde(rename = "type")]
    pub passkey_type: PasskeyType,
    /// The AAGUID that relying parties see.
    pub aaguid: Aaguid,
    /// The attestation that relying parties see when they ask for `direct`.
    pub attestation: AttestationKind,
}

/// States how the software authenticator behaves that stands for a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AuthenticatorModel {
    /// The AAGUID in attested credential data.
    pub aaguid: Aaguid,
    /// The BE flag of every credential it makes.
    pub backup_eligible: bool,
    /// The BS flag at registration and sign-in.
    pub backup_state: bool,
    /// The attestation that it makes when the client asks for `direct`.
    pub attestation: AttestationKind,
    /// What `getTransports()` says, the most usual first; it is told in lexicographical order.
    pub transports: Vec<Transport>,
    /// When the UV flag is set.
    pub user_verification: UserVerification,
    /// The algorithms that it can make keys of, the preferred first.
    pub algorithms: Vec<Algorithm>,
    /// How the signature counter moves.
    #[serde(default)]
    pub sign_counter: SignCounter,
    /// Whose code makes the credential.
    #[serde(default)]
    pub engine: Engine,
}

/// States what differs from a provider's claim and model in some contexts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Variant {
    /// The platform where the passkey is made: the phone's in a cross-device flow.
    pub platform: String,
    /// The version of that platform; every version when left out.
    #[serde(default)]
    pub version: Option<VersionSymbol>,
    /// Restricts the variant to registrations over a cross-device flow (`true`) or on the device itself (`false`).
    #[serde(default)]
    pub cross_device: Option<bool>,
    /// The AAGUID there, in claim and model.
    #[serde(default)]
    pub aaguid: Option<Aaguid>,
    /// The attestation there, in claim and model.
    #[serde(default)]
    pub attestation: Option<AttestationKind>,
    /// The type that a relying party sees there, where it is another than the claim's.
    #[serde(default, rename = "type")]
    pub passkey_type: Option<PasskeyType>,
    /// Where the fact comes from.
    pub source: String,
    /// How well it is known.
    pub grade: Grade,
}

/// Tells whether a passkey can be used from more than one device.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum PasskeyType {
    /// The private key never leaves one device.
    DeviceBound,
    /// The private key is kept by a provider and synced to the user's devices.
    Synced,
}

/// Names the attestation statement that an authenticator makes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum AttestationKind {
    /// Format `none`.
    None,
    /// Format `packed` without certificates: signed with the credential's own key (WebAuthn L3, 8.2).
    PackedSelf,
    /// Format `packed` with certificates of the test CA that the metadata knows.
    Packed,
    /// Format `packed` with certificates of a CA that no metadata knows.
    PackedUnknownRoot,
    /// Format `x-first-party-app`: a synthetic stand-in for App Attest and Play Integrity, which do not go through metadata.
    FirstPartyApp,
    /// Format `tpm` (WebAuthn L3, 8.3).
    Tpm,
    /// Format `android-key` (WebAuthn L3, 8.4).
    AndroidKey,
    /// Format `apple` (WebAuthn L3, 8.8).
    Apple,
    /// Format `fido-u2f` (WebAuthn L3, 8.6).
    FidoU2f,
}

/// Names a transport as in WebAuthn L3, 5.8.4.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum Transport {
    Usb,
    Nfc,
    Ble,
    SmartCard,
    Hybrid,
    Internal,
}

/// States when an authenticator sets the UV flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UserVerification {
    /// Verifies the user when the relying party asks for it (`required` or `preferred`).
    Verifies,
    /// Verifies the user every time, also when the relying party discourages it.
    Always,
    /// Sets the flag without verifying anybody; the relying party cannot tell.
    Claims,
    /// Cannot verify the user.
    Never,
}

/// Names a signature algorithm by its COSE name (RFC 9053, RFC 8230, RFC 8812, RFC 9864; ML-DSA: RFC 9964).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[expect(missing_docs, reason = "the names are IANA's")]
pub enum Algorithm {
    ES256,
    ES384,
    ES512,
    ES256K,
    ESP256,
    ESP384,
    ESP512,
    EdDSA,
    RS1,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    #[serde(rename = "ML-DSA-44")]
    MlDsa44,
    #[serde(rename = "ML-DSA-65")]
    MlDsa65,
    #[serde(rename = "ML-DSA-87")]
    MlDsa87,
}

impl Algorithm {
    /// Returns the COSE algorithm identifier.
    #[must_use]
    pub const fn cose(self) -> i64 {
        match self {
            Self::ES256 => -7,
            Self::ES384 => -35,
            Self::ES512 => -36,
            Self::ES256K => -47,
            Self::ESP256 => -9,
            Self::ESP384 => -51,
            Self::ESP512 => -52,
            Self::EdDSA => -8,
            Self::RS1 => -65_535,
            Self::RS256 => -257,
            Self::RS384 => -258,
            Self::RS512 => -259,
            Self::PS256 => -37,
            Self::PS384 => -38,
            Self::PS512 => -39,
            Self::MlDsa44 => -48,
            Self::MlDsa65 => -49,
            Self::MlDsa87 => -50,
        }
    }
}

/// States how a signature counter moves (WebAuthn L3, 6.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SignCounter {
    /// Stays zero, as synced passkeys must.
    #[default]
    Zero,
    /// Rises by one with every assertion, from one.
    Increments,
}

/// Names whose code makes the credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// The staged model, asked directly by the conformant client. The only one that takes mutations.
    #[default]
    Model,
    /// The staged model behind webauthn-authenticator-rs's CTAP stack.
    Ctap,
    /// webauthn-authenticator-rs's own SoftToken.
    SoftToken,
}

/// Grades a fact by its source.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Grade {
    /// The vendor's documentation.
    D,
    /// Source code or a captured sample.
    C,
    /// A practitioner's report.
    P,
    /// An inference.
    I,
    /// Unverified common knowledge: what is built on it is synthetic.
    U,
}
