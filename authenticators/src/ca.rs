//! The test certification authorities, and metadata in the shape of FIDO's service.
//!
//! Certificates are the same bytes in every run: keys and signatures are deterministic, validity is fixed and wide.

use std::{
    collections::BTreeMap,
    sync::{Mutex, OnceLock, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use passkey_model::{Aaguid, provider::Algorithm};
use serde_json::{Value, json};

use crate::{
    der::{bit_string, integer, oid, sequence, time, value},
    key::Key,
    mutate::MutationError,
    seed::Seed,
};

const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
/// BIT STRING with keyCertSign set, which a CA's certificate has to name (RFC 5280, 4.2.1.3).
const KEY_CERT_SIGN: [u8; 4] = [0x03, 0x02, 0x02, 0x04];
/// 1.3.6.1.4.1.45724.1.1.4, id-fido-gen-ce-aaguid (WebAuthn L3, 8.2.1).
const AAGUID_EXTENSION: &[u8] = &[
    0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xe5, 0x1c, 0x01, 0x01, 0x04,
];

/// 2.25.1, which nobody knows.
const UNKNOWN_EXTENSION: &[u8] = &[0x69, 0x01];

/// A root with an intermediate CA, from which attestation certificates are issued.
#[derive(Debug)]
pub struct TestCa {
    name: &'static str,
    root: Vec<u8>,
    intermediate_key: Key,
    intermediate: Vec<u8>,
    /// What was issued before: it is the same every time.
    issued: Mutex<BTreeMap<Aaguid, AttestationKey>>,
    /// The metadata entry of a model that this CA attests, without its AAGUID.
    entry: Value,
}

/// An attestation key with its certificate.
#[derive(Clone, Debug)]
pub struct AttestationKey {
    /// The key that signs attestation statements.
    pub key: Key,
    /// The certificates, DER, the leaf first, without the root.
    pub certificates: Vec<Vec<u8>>,
}

/// Returns the CA that the metadata knows.
pub fn known() -> Option<&'static TestCa> {
    static CA: OnceLock<Option<TestCa>> = OnceLock::new();
    CA.get_or_init(|| TestCa::new("Test Attestation Root"))
        .as_ref()
}

/// Returns a CA that no metadata knows.
pub fn unknown() -> Option<&'static TestCa> {
    static CA: OnceLock<Option<TestCa>> = OnceLock::new();
    CA.get_or_init(|| TestCa::new("Unknown Attestation Root"))
        .as_ref()
}

/// Returns the CA of first-party apps, which does not go through metadata.
pub fn first_party() -> Option<&'static TestCa> {
    static CA: OnceLock<Option<TestCa>> = OnceLock::new();
    CA.get_or_init(|| TestCa::new("First-Party App Root"))
        .as_ref()
}

impl TestCa {
    fn new(name: &'static str) -> Option<Self> {
        let key = Self::root_key(name)?;
        let intermediate_name = format!("{name} Intermediate");
        let intermediate_key = Key::new(Algorithm::ES256, &Seed::new(0, &intermediate_name))?;
        let root = Contents::of_ca(name, name).certificate(&key, &key);
        let intermediate =
            Contents::of_ca(name, &intermediate_name).certificate(&intermediate_key, &key);
        Some(Self {
            name,
            entry: entry(&root),
            root,
            intermediate_key,
            intermediate,
            issued: Mutex::default(),
        })
    }

    /// Returns the root certificate, DER.
    #[must_use]
    pub fn root(&self) -> &[u8] {
        &self.root
    }

    /// Issues the attestation certificate of a model; the same one every time.
    #[must_use]
    pub fn issue(&self, aaguid: Aaguid) -> Option<AttestationKey> {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = issued.get(&aaguid) {
            return Some(known.clone());
        }
        let key = self.attestation_key(aaguid)?;
        let leaf = self.leaf(aaguid).certificate(&key, &self.intermediate_key);
        let new = AttestationKey {
            key,
            certificates: vec![leaf, self.intermediate.clone()],
        };
        issued.insert(aaguid, new.clone());
        Some(new)
    }

    /// Issues the certificate of a model for U2F, by the root itself: a raw message carries this one alone, and it names no
    /// AAGUID (FIDO U2F Raw Message Formats 1.2, 4.3). Returns it with its key.
    pub(crate) fn issue_u2f(&self, aaguid: Aaguid) -> Option<(Key, Vec<u8>)> {
        let key = self.attestation_key(aaguid)?;
        let root_key = Self::root_key(self.name)?;
        let contents = Contents {
            issuer: self.name.to_owned(),
            serial: format!("{} {aaguid} U2F", self.name),
            aaguid_extension: None,
            ..self.leaf(aaguid)
        };
        let certificate = contents.certificate(&key, &root_key);
        Some((key, certificate))
    }

    fn root_key(name: &str) -> Option<Key> {
        Key::new(Algorithm::ES256, &Seed::new(0, name))
    }

    /// Returns the key that signs attestation statements of a model.
    fn attestation_key(&self, aaguid: Aaguid) -> Option<Key> {
        Key::new(
            Algorithm::ES256,
            &Seed::new(0, &format!("{} {aaguid}", self.name)),
        )
    }

    /// Issues a certificate with one change, for the same key.
    pub(crate) fn issue_changed(
        &self,
        aaguid: Aaguid,
        change: impl FnOnce(&mut Contents) -> Result<(), MutationError>,
    ) -> Result<Option<AttestationKey>, MutationError> {
        let Some(key) = self.attestation_key(aaguid) else {
            return Ok(None);
        };
        let mut contents = self.leaf(aaguid);
        change(&mut contents)?;
        let other = unknown().map(|ca| &ca.intermediate_key);
        let issuer_key = other
            .filter(|_| contents.other_issuer_key)
            .unwrap_or(&self.intermediate_key);
        let leaf = contents.certificate(&key, issuer_key);
        Ok(Some(AttestationKey {
            key,
            certificates: vec![leaf, self.intermediate.clone()],
        }))
    }

    /// Makes a root of this CA's name that somebody else signed.
    pub(crate) fn forged_root(&self) -> Option<Vec<u8>> {
        let key = Key::new(Algorithm::ES256, &Seed::new(0, "forged root"))?;
        Some(Contents::of_ca(self.name, self.name).certificate(&key, &key))
    }

    fn leaf(&self, aaguid: Aaguid) -> Contents {
        Contents {
            aaguid_extension: Some(value(0x04, &aaguid.bytes())),
            ca: false,
            signs_certificates: false,
            serial: format!("{} {aaguid}", self.name),
            ..Contents::of_ca(&format!("{} Intermediate", self.name), "Test Authenticator")
        }
    }

    /// Makes a decoded metadata payload (FIDO MDS3, 3.1.6) in which this CA attests the models.
    #[must_use]
    pub fn metadata(&self, models: &[Aaguid]) -> Value {
        let entry = |aaguid: &Aaguid| {
            let mut entry = self.entry.clone();
            entry["aaguid"] = json!(aaguid.to_string());
            entry
        };
        json!({
            "legalHeader": "Test metadata",
            "no": 1,
            "nextUpdate": "2049-12-31",
            "entries": models.iter().map(entry).collect::<Vec<_>>()
        })
    }
}

/// Makes the metadata entry of a certified model that a root attests (FIDO MDS3, 3.1.1); `root` is a certificate in DER.
#[must_use]
pub fn metadata_entry(model: Aaguid, root: &[u8]) -> Value {
    let mut entry = entry(root);
    entry["aaguid"] = json!(model.to_string());
    entry
}

/// Makes the metadata entry of a model under a root (FIDO MDS3, 3.1.1); which model has yet to be said.
fn entry(root: &[u8]) -> Value {
    json!({
        "aaguid": null,
        "metadataStatement": {
            "description": "Test authenticator",
            "attestationTypes": ["basic_full"],
            "attestationRootCertificates": [STANDARD.encode(root)],
            "authenticatorGetInfo": {
                "versions": ["FIDO_2_0", "FIDO_2_1"],
                "extensions": ["credProtect", "hmac-secret"],
                "options": { "rk": true, "up": true, "uv": true, "clientPin": true }
            }
        },
        "statusReports": [{ "status": "FIDO_CERTIFIED_L1", "effectiveDate": "2020-01-01" }],
        "timeOfLastStatusChange": "2020-01-01"
    })
}

/// What a certificate says (WebAuthn L3, 8.2.1; RFC 5280).
#[derive(Clone, Debug)]
pub(crate) struct Contents {
    /// 2 stands for v3.
    pub version: u8,
    pub issuer: String,
    /// C, O, OU and CN; empty ones are left out.
    pub subject: [String; 4],
    pub ca: bool,
    /// Whether the key usage extension is there.
    pub signs_certificates: bool,
    /// What the AAGUID extension holds.
    pub aaguid_extension: Option<Vec<u8>>,
    pub aaguid_critical: bool,
    pub unknown_critical_extension: bool,
    /// As GeneralizedTime or UTCTime.
    pub not_before: String,
    pub not_after: String,
    /// Whether another CA's key signs it under this issuer's name.
    pub other_issuer_key: bool,
    serial: String,
}

impl Contents {
    fn of_ca(issuer: &str, subject: &str) -> Self {
        Self {
            version: 2,
            issuer: issuer.to_owned(),
            subject: names(subject),
            ca: true,
            signs_certificates: true,
            aaguid_extension: None,
            aaguid_critical: false,
            unknown_critical_extension: false,
            not_before: "200101000000Z".to_owned(),
            not_after: "491231235959Z".to_owned(),
            other_issuer_key: false,
            serial: subject.to_owned(),
        }
    }

    fn certificate(&self, key: &Key, issuer_key: &Key) -> Vec<u8> {
        let algorithm = sequence(&[oid(ECDSA_WITH_SHA256)]);
        let serial = Seed::new(1, &self.serial).bytes(&self.issuer);
        let mut parts = vec![
            integer(&serial[..16]),
            algorithm.clone(),
            name(&names(&self.issuer)),
            sequence(&[time(&self.not_before), time(&self.not_after)]),
            name(&self.subject),
            key.spki(),
        ];
        // Version 1 is the default, which DER leaves out, and knows no extensions.
        if self.version > 0 {
            parts.insert(0, value(0xa0, &integer(&[self.version])));
            parts.push(value(0xa3, &sequence(&self.extensions())));
        }
        let to_be_signed = sequence(&parts);
        let signature = bit_string(&issuer_key.sign(&to_be_signed));
        sequence(&[to_be_signed, algorithm, signature])
    }

    fn extensions(&self) -> Vec<Vec<u8>> {
        let is_ca = if self.ca {
            value(0x01, &[0xff])
        } else {
            Vec::new()
        };
        let mut list = vec![extension(BASIC_CONSTRAINTS, true, &sequence(&[is_ca]))];
        if self.signs_certificates {
            list.push(extension(KEY_USAGE, true, &KEY_CERT_SIGN));
        }
        if let Some(content) = &self.aaguid_extension {
            list.push(extension(AAGUID_EXTENSION, self.aaguid_critical, content));
        }
        if self.unknown_critical_extension {
            list.push(extension(UNKNOWN_EXTENSION, true, &[0x05, 0x00]));
        }
        list
    }
}

fn extension(arcs: &[u8], critical: bool, content: &[u8]) -> Vec<u8> {
    let mut parts = vec![oid(arcs)];
    if critical {
        parts.push(value(0x01, &[0xff]));
    }
    parts.push(value(0x04, content));
    sequence(&parts)
}

/// The subject that WebAuthn L3, 8.2.1 demands: C, O, OU = "Authenticator Attestation", CN.
fn names(common_name: &str) -> [String; 4] {
    [
        "US",
        "passkey-harness",
        "Authenticator Attestation",
        common_name,
    ]
    .map(str::to_owned)
}

fn name(subject: &[String; 4]) -> Vec<u8> {
    const ATTRIBUTES: [(u8, u8); 4] = [(6, 0x13), (10, 0x0c), (11, 0x0c), (3, 0x0c)];
    let attribute = |(arc, tag): (u8, u8), text: &str| {
        let pair = sequence(&[oid(&[0x55, 0x04, arc]), value(tag, text.as_bytes())]);
        value(0x31, &pair)
    };
    let parts = ATTRIBUTES.iter().zip(subject);
    let parts = parts.filter(|(_, text)| !text.is_empty());
    sequence(
        &parts
            .map(|(kind, text)| attribute(*kind, text))
            .collect::<Vec<_>>(),
    )
}

/// Writes a time as RFC 5280, 4.1.2.5 wants it: UTCTime before 2050, GeneralizedTime from then on. `seconds` are of the Unix epoch.
pub(crate) fn time_text(seconds: u64) -> String {
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let rest = format!(
        "{month:02}{:02}{:02}{:02}{:02}Z",
        days + 1,
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    if year < 2050 {
        format!("{:02}{rest}", year % 100)
    } else {
        format!("{year}{rest}")
    }
}

#[cfg(test)]
mod tests {
    use super::time_text;

    #[test]
    fn times_are_written_as_rfc_5280_says() {
        assert_eq!(time_text(0), "700101000000Z");
        assert_eq!(time_text(951_782_400), "000229000000Z");
        assert_eq!(time_text(2_524_607_999), "491231235959Z");
        assert_eq!(time_text(2_524_608_000), "20500101000000Z");
    }
}
