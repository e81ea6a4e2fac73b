//! The data of WebAuthn L3, section 11.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use passkey_model::provider::Transport;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;

/// Base64url, written without padding and read with or without: drivers differ.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Bytes that are base64url without padding in JSON and in paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&BASE64URL.encode(&self.0))
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64URL.decode(&text).map(Self).map_err(D::Error::custom)
    }
}

/// Names what a virtual authenticator speaks ([11.2](https://www.w3.org/TR/webauthn-3/#sctn-automation-virtual-authenticators)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// CTAP1, also known as U2F.
    #[serde(rename = "ctap1/u2f")]
    Ctap1U2f,
    /// CTAP 2.0.
    #[serde(rename = "ctap2")]
    Ctap2,
    /// CTAP 2.1.
    #[serde(rename = "ctap2_1")]
    Ctap2_1,
}

/// Configures a virtual authenticator ([11.3](https://www.w3.org/TR/webauthn-3/#sctn-automation-add-virtual-authenticator)).
///
/// What is `None` is not sent, and has the specification's default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VirtualAuthenticator {
    /// What it speaks.
    pub protocol: Protocol,
    /// How it is attached; `internal` is a platform authenticator.
    pub transport: Transport,
    /// Whether it keeps discoverable credentials; false by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_resident_key: Option<bool>,
    /// Whether it can verify the user; false by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_user_verification: Option<bool>,
    /// Whether the user consents whenever asked; true by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_user_consenting: Option<bool>,
    /// Whether user verification succeeds; false by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_user_verified: Option<bool>,
    /// The extensions that it supports, by identifier.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<String>,
    /// The BE flag of credentials that it makes; false by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_backup_eligibility: Option<bool>,
    /// The BS flag of credentials that it makes; false by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_backup_state: Option<bool>,
}

impl VirtualAuthenticator {
    /// Returns a virtual authenticator with the specification's defaults.
    #[must_use]
    pub fn new(protocol: Protocol, transport: Transport) -> Self {
        Self {
            protocol,
            transport,
            has_resident_key: None,
            has_user_verification: None,
            is_user_consenting: None,
            is_user_verified: None,
            extensions: Vec::new(),
            default_backup_eligibility: None,
            default_backup_state: None,
        }
    }
}

/// Names one virtual authenticator of a session, as the driver calls it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuthenticatorId(pub String);

impl fmt::Display for AuthenticatorId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A credential inside a virtual authenticator ([11.5](https://www.w3.org/TR/webauthn-3/#sctn-automation-add-credential)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credential {
    /// The credential ID.
    pub credential_id: Bytes,
    /// Whether it is discoverable.
    pub is_resident_credential: bool,
    /// The RP ID; a driver may leave it out when listing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rp_id: Option<String>,
    /// The private key as PKCS#8 in DER.
    pub private_key: Bytes,
    /// The user handle; a discoverable credential has to have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_handle: Option<Bytes>,
    /// The signature counter.
    pub sign_count: u32,
    /// The large blob, deflated as in the authenticator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub large_blob: Option<Bytes>,
    /// The BE flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_eligibility: Option<bool>,
    /// The BS flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_state: Option<bool>,
    /// The user's name, as the relying party gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// The user's display name, as the relying party gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_display_name: Option<String>,
}

/// What can be changed of a credential ([11.10](https://www.w3.org/TR/webauthn-3/#sctn-automation-set-credential-properties)); `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialProperties {
    /// The BE flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_eligibility: Option<bool>,
    /// The BS flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_state: Option<bool>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use serde_json::json;

    #[test]
    fn an_authenticator_is_written_with_the_names_of_the_specification_and_without_what_is_not_set()
    {
        let mut authenticator = VirtualAuthenticator::new(Protocol::Ctap1U2f, Transport::SmartCard);
        let written = serde_json::to_value(&authenticator).unwrap();
        assert_eq!(
            written,
            json!({ "protocol": "ctap1/u2f", "transport": "smart-card" })
        );
        authenticator.protocol = Protocol::Ctap2_1;
        authenticator.has_resident_key = Some(true);
        authenticator.default_backup_eligibility = Some(false);
        authenticator.extensions = vec!["largeBlob".to_owned()];
        let written = serde_json::to_value(&authenticator).unwrap();
        assert_eq!(
            written,
            json!({
                "protocol": "ctap2_1", "transport": "smart-card", "hasResidentKey": true,
                "extensions": ["largeBlob"], "defaultBackupEligibility": false,
            })
        );
    }

    #[test]
    fn bytes_are_written_as_base64url_without_padding_and_read_with_or_without() {
        let bytes = Bytes(vec![0xfb, 0xff]);
        assert_eq!(serde_json::to_value(&bytes).unwrap(), "-_8");
        for text in ["-_8", "-_8="] {
            assert_eq!(serde_json::from_value::<Bytes>(json!(text)).unwrap(), bytes);
        }
        assert!(serde_json::from_value::<Bytes>(json!("+/8")).is_err());
    }
}
