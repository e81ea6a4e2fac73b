//! The test certification authorities, and metadata in the shape of FIDO's service.
//!
//! Certificates are the same bytes in every run: keys and signatures are deterministic, validity is fixed and wide.

use std::sync::OnceLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use passkey_model::{Aaguid, provider::Algorithm};
use serde_json::{Value, json};

use crate::{
    der::{bit_string, integer, oid, sequence, time, value},
    key::Key,
    seed::Seed,
};

const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const PRIME256V1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
/// 1.3.6.1.4.1.45724.1.1.4, id-fido-gen-ce-aaguid (WebAuthn L3, 8.2.1).
const AAGUID_EXTENSION: &[u8] = &[
    0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xe5, 0x1c, 0x01, 0x01, 0x04,
];

/// A root and its key, from which attestation certificates are issued.
#[derive(Debug)]
pub struct TestCa {
    name: &'static str,
    key: Key,
    root: Vec<u8>,
}

/// An attestation key with its certificate.
#[derive(Clone, Debug)]
pub struct AttestationKey {
    /// The key that signs attestation statements.
    pub key: Key,
    /// The certificate, DER.
    pub certificate: Vec<u8>,
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
        let key = Key::new(Algorithm::ES256, &Seed::new(0, name))?;
        let root = certificate(
            &Contents {
                issuer: name,
                subject: name,
                key: &key,
                ca: true,
                aaguid: None,
            },
            &key,
        );
        Some(Self { name, key, root })
    }

    /// Returns the root certificate, DER.
    #[must_use]
    pub fn root(&self) -> &[u8] {
        &self.root
    }

    /// Issues the attestation certificate of a model; the same one every time.
    #[must_use]
    pub fn issue(&self, aaguid: Aaguid) -> Option<AttestationKey> {
        let key = Key::new(
            Algorithm::ES256,
            &Seed::new(0, &format!("{} {aaguid}", self.name)),
        )?;
        let subject = "Test Authenticator";
        let contents = Contents {
            issuer: self.name,
            subject,
            key: &key,
            ca: false,
            aaguid: Some(aaguid),
        };
        let certificate = certificate(&contents, &self.key);
        Some(AttestationKey { key, certificate })
    }

    /// Makes a decoded metadata payload (FIDO MDS3, 3.1.6) in which this CA attests the models.
    #[must_use]
    pub fn metadata(&self, models: &[Aaguid]) -> Value {
        let root = STANDARD.encode(&self.root);
        let entry = |aaguid: &Aaguid| {
            json!({
                "aaguid": aaguid.to_string(),
                "metadataStatement": {
                    "description": "Test authenticator",
                    "attestationTypes": ["basic_full"],
                    "attestationRootCertificates": [root],
                    "authenticatorGetInfo": {
                        "versions": ["FIDO_2_0", "FIDO_2_1"],
                        "extensions": ["credProtect", "hmac-secret"],
                        "options": { "rk": true, "up": true, "uv": true, "clientPin": true }
                    }
                },
                "statusReports": [{ "status": "FIDO_CERTIFIED_L1", "effectiveDate": "2020-01-01" }],
                "timeOfLastStatusChange": "2020-01-01"
            })
        };
        json!({
            "legalHeader": "Test metadata",
            "no": 1,
            "nextUpdate": "2049-12-31",
            "entries": models.iter().map(entry).collect::<Vec<_>>()
        })
    }
}

/// What a certificate says.
struct Contents<'a> {
    issuer: &'a str,
    subject: &'a str,
    key: &'a Key,
    ca: bool,
    aaguid: Option<Aaguid>,
}

fn certificate(contents: &Contents<'_>, issuer_key: &Key) -> Vec<u8> {
    let algorithm = sequence(&[oid(ECDSA_WITH_SHA256)]);
    let serial = Seed::new(1, contents.subject).bytes(&format!("{:?}", contents.aaguid));
    let to_be_signed = sequence(&[
        value(0xa0, &integer(&[2])),
        integer(&serial[..16]),
        algorithm.clone(),
        name(contents.issuer),
        sequence(&[time("200101000000Z"), time("491231235959Z")]),
        name(contents.subject),
        public_key_info(contents.key),
        value(0xa3, &sequence(&extensions(contents))),
    ]);
    let signature = bit_string(&issuer_key.sign(&to_be_signed));
    sequence(&[to_be_signed, algorithm, signature])
}

/// The subject that WebAuthn L3, 8.2.1 demands: C, O, OU = "Authenticator Attestation", CN.
fn name(common_name: &str) -> Vec<u8> {
    let attribute = |arc: u8, tag: u8, text: &str| {
        let pair = sequence(&[oid(&[0x55, 0x04, arc]), value(tag, text.as_bytes())]);
        value(0x31, &pair)
    };
    sequence(&[
        attribute(6, 0x13, "US"),
        attribute(10, 0x0c, "passkey-harness"),
        attribute(11, 0x0c, "Authenticator Attestation"),
        attribute(3, 0x0c, common_name),
    ])
}

fn public_key_info(key: &Key) -> Vec<u8> {
    sequence(&[
        sequence(&[oid(EC_PUBLIC_KEY), oid(PRIME256V1)]),
        bit_string(&key.public_bytes()),
    ])
}

fn extensions(contents: &Contents<'_>) -> Vec<Vec<u8>> {
    let is_ca = if contents.ca {
        value(0x01, &[0xff])
    } else {
        Vec::new()
    };
    let constraints = value(0x04, &sequence(&[is_ca]));
    let mut list = vec![sequence(&[
        oid(BASIC_CONSTRAINTS),
        value(0x01, &[0xff]),
        constraints,
    ])];
    if let Some(aaguid) = contents.aaguid {
        let wrapped = value(0x04, &value(0x04, &aaguid.bytes()));
        list.push(sequence(&[oid(AAGUID_EXTENSION), wrapped]));
    }
    list
}
