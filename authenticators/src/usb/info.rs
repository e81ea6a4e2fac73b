//! What a key says of itself, and what that lets a client do.

use std::collections::{BTreeMap, BTreeSet};

use passkey_model::Aaguid;
use webauthn_authenticator_rs::ctap2::GetInfoResponse;

use super::UsbError;

/// What a key says of itself (CTAP 2.1, 6.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyInfo {
    /// The AAGUID; nothing when the key names none.
    pub aaguid: Option<Aaguid>,
    /// The versions of the protocol, `FIDO_2_0` for example.
    pub versions: BTreeSet<String>,
    /// The extensions.
    pub extensions: Vec<String>,
    /// The options, `clientPin`, `rk`, `uv` or `credMgmt` for example; one that is missing is not supported.
    pub options: BTreeMap<String, bool>,
    /// The PIN/UV auth protocols, in the key's order.
    pub pin_uv_auth_protocols: Vec<u32>,
    /// The transports, sorted (WebAuthn L3, 5.2.1.1); `usb` when the key names none.
    pub transports: Vec<String>,
    /// How many discoverable credentials there is room for at least, where the key tells.
    pub remaining: Option<u32>,
}

/// What a run will leave on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// How many discoverable credentials will stay on the key, at most.
    pub left: u32,
    /// Whether the key has room for them, where it tells.
    pub fits: Option<bool>,
}

/// The two ceremonies, which ask for verification by different rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ceremony {
    Create { discoverable: bool },
    Get,
}

impl From<GetInfoResponse> for KeyInfo {
    fn from(info: GetInfoResponse) -> Self {
        let mut transports = info.transports.unwrap_or_default();
        if transports.is_empty() {
            transports.push("usb".to_owned());
        }
        transports.sort();
        Self {
            aaguid: info.aaguid.map(|id| Aaguid::from(id.into_bytes())),
            versions: info.versions,
            extensions: info.extensions.unwrap_or_default(),
            options: info.options.unwrap_or_default(),
            pin_uv_auth_protocols: info.pin_protocols.unwrap_or_default(),
            transports,
            remaining: info.remaining_discoverable_credentials,
        }
    }
}

impl KeyInfo {
    /// Tells whether an option is supported and set.
    #[must_use]
    pub fn has(&self, option: &str) -> bool {
        self.options.get(option).copied().unwrap_or_default()
    }

    /// Tells whether credentials can be deleted one by one: the key has credential management, and the PIN that it needs.
    #[must_use]
    pub fn deletes(&self) -> bool {
        (self.has("credMgmt") || self.has("credentialMgmtPreview")) && self.has("clientPin")
    }

    /// Says what a run that makes this many discoverable credentials will leave on the key.
    #[must_use]
    pub fn plan(&self, discoverable: u32) -> Plan {
        Plan {
            left: if self.deletes() { 0 } else { discoverable },
            fits: self.remaining.map(|room| discoverable <= room),
        }
    }

    /// Decides whether the user is verified (CTAP 2.1, 6.1.1 and 6.2.1).
    pub(super) fn verifies(
        &self,
        requirement: Option<&str>,
        ceremony: Ceremony,
    ) -> Result<bool, UsbError> {
        let able = self.has("uv") || self.has("clientPin");
        let protected = self.has("clientPin") || (able && self.versions.contains("FIDO_2_1"));
        let left_free = match ceremony {
            Ceremony::Get => true,
            Ceremony::Create { discoverable } => self.has("makeCredUvNotRqd") && !discoverable,
        };
        match requirement.unwrap_or("preferred") {
            "required" if !able => Err(UsbError::NoVerification),
            _ if self.has("alwaysUv") && !able => Err(UsbError::NoVerification),
            // A key that is protected makes no credential without; before CTAP 2.1 only a PIN protected it.
            "discouraged" => Ok(self.has("alwaysUv") || (protected && !left_free)),
            _ => Ok(able),
        }
    }
}
