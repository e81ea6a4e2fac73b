//! The test certification authorities, and metadata in the shape of FIDO's service.
//!
//! Certificates are the same bytes in every run: keys and signatures are deterministic, validity is fixed and wide.

mod certificate;

use std::{
    collections::BTreeMap,
    sync::{Mutex, OnceLock, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use passkey_model::{Aaguid, provider::Algorithm};
use serde_json::{Value, json};

pub(crate) use certificate::{Contents, time_text};

use crate::{der::value, key::Key, mutate::MutationError, seed::Seed};

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

/// Names one of the certificates of a chain.
#[derive(Clone, Copy)]
pub(crate) enum Which {
    Leaf,
    Intermediate,
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
        let intermediate_seed = Seed::new(0, &intermediate_name(name));
        let intermediate_key = Key::new(Algorithm::ES256, &intermediate_seed)?;
        let root = Contents::of_ca(name, name).certificate(&key, &key);
        let intermediate = Self::intermediate(name).certificate(&intermediate_key, &key);
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

    /// Issues the certificates of a model with one change to what one of them says, for the same keys.
    pub(crate) fn issue_changed(
        &self,
        aaguid: Aaguid,
        which: Which,
        change: impl FnOnce(&mut Contents) -> Result<(), MutationError>,
    ) -> Result<Option<AttestationKey>, MutationError> {
        let keys = self.attestation_key(aaguid).zip(Self::root_key(self.name));
        let Some((key, root_key)) = keys else {
            return Ok(None);
        };
        let mut leaf = self.leaf(aaguid);
        let mut intermediate = Self::intermediate(self.name);
        change(match which {
            Which::Leaf => &mut leaf,
            Which::Intermediate => &mut intermediate,
        })?;
        let other = unknown().map(|ca| &ca.intermediate_key);
        let issuer_key = |contents: &Contents, own| {
            let other = other.filter(|_| contents.other_issuer_key);
            other.map_or(own, Clone::clone)
        };
        let issuer_of_leaf = issuer_key(&leaf, self.intermediate_key.clone());
        let certificates = vec![
            leaf.certificate(&key, &issuer_of_leaf),
            intermediate.certificate(&self.intermediate_key, &issuer_key(&intermediate, root_key)),
        ];
        Ok(Some(AttestationKey { key, certificates }))
    }

    /// Issues a chain in which everybody has the name that this CA's have, the self-signed root too, and keys of an impostor's.
    pub(crate) fn issue_by_impostor(&self, aaguid: Aaguid) -> Option<AttestationKey> {
        let key = self.attestation_key(aaguid)?;
        let impostor =
            |name: &str| Key::new(Algorithm::ES256, &Seed::new(0, &format!("impostor {name}")));
        let root_key = impostor(self.name)?;
        let intermediate_key = impostor("intermediate")?;
        let certificates = vec![
            self.leaf(aaguid).certificate(&key, &intermediate_key),
            Self::intermediate(self.name).certificate(&intermediate_key, &root_key),
            Contents::of_ca(self.name, self.name).certificate(&root_key, &root_key),
        ];
        Some(AttestationKey { key, certificates })
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
            ..Contents::of_ca(&intermediate_name(self.name), "Test Authenticator")
        }
    }

    fn intermediate(name: &str) -> Contents {
        Contents::of_ca(name, &intermediate_name(name))
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

fn intermediate_name(name: &str) -> String {
    format!("{name} Intermediate")
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
