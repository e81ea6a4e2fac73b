//! The test vectors of WebAuthn L3, section 16: accepted as published, refused after any change of one bit.
//!
//! `PASSKEY_W3C_VECTORS` names a JSON file that holds them; without it the tests say so and pass. The published bytes are not
//! part of this repository.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, io::Write, sync::Arc};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use hkdf::Hkdf;
use passkey_reference_rp::{
    Defect, Defects, Expected, Record, Refusal,
    policy::Subject,
    trust::Anchors,
    verify::{Authentication, Registration, Situation, verify_authentication, verify_registration},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const KEYING_MATERIAL: &[u8] = b"WebAuthn test vectors";
/// Formats and algorithms that this relying party does not build.
const LEFT_OUT: [&str; 5] = [
    "packed-ed448",
    "tpm-es256",
    "android-key-es256",
    "apple-es256",
    "fido-u2f-es256",
];
const USER_HANDLE: &[u8] = b"user handle";

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// One ceremony's values by name: inputs derived anew, outputs held against their hashes.
struct Values(BTreeMap<String, Vec<u8>>);

impl Values {
    fn read(ceremony: &Value) -> Self {
        let value = |(name, entry): (&String, &Value)| {
            let published = unhex(entry["hex"].as_str().unwrap());
            if let Some(derived) = entry.get("derived") {
                let salt = unhex(derived["salt"].as_str().unwrap());
                let mut bytes = vec![0; derived["len"].as_u64().unwrap() as usize];
                Hkdf::<Sha256>::new(Some(&salt), KEYING_MATERIAL)
                    .expand(derived["info"].as_str().unwrap().as_bytes(), &mut bytes)
                    .unwrap();
                // Private keys are reduced, and some inputs cut down to a bit, after derivation.
                if !name.ends_with("private_key") && !name.ends_with("_key") {
                    assert_eq!(bytes, published, "{name}");
                }
            }
            if let Some(hash) = entry.get("sha256") {
                let hash = unhex(hash.as_str().unwrap());
                assert_eq!(Sha256::digest(&published).as_slice(), hash, "{name}");
            }
            (name.clone(), published)
        };
        Self(ceremony.as_object().unwrap().iter().map(value).collect())
    }

    fn get(&self, name: &str) -> &[u8] {
        &self.0[name]
    }
}

struct Vector {
    id: String,
    registration: Values,
    authentication: Values,
}

/// Tells the terminal, past the test harness, which keeps what passing tests print.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

struct File {
    document: Value,
    root: Vec<u8>,
}

impl File {
    fn open() -> Option<Self> {
        let Ok(path) = std::env::var("PASSKEY_W3C_VECTORS") else {
            say("left out: PASSKEY_W3C_VECTORS names no file with the W3C test vectors");
            return None;
        };
        let document: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let root = document["vectors"].as_array().unwrap().iter();
        let root = root
            .filter_map(|vector| vector["registration"]["attestation_ca_cert"]["hex"].as_str())
            .map(unhex)
            .next()
            .unwrap();
        Some(Self { document, root })
    }

    fn vectors(&self) -> Vec<Vector> {
        let mut vectors = Vec::new();
        for vector in self.document["vectors"].as_array().unwrap() {
            let id = vector["id"].as_str().unwrap();
            if LEFT_OUT.contains(&id) {
                say(&format!(
                    "left out: {id}, whose format or algorithm is not built"
                ));
            } else if vector["registration"].get("attestationObject").is_some() {
                vectors.push(Vector {
                    id: id.to_owned(),
                    registration: Values::read(&vector["registration"]),
                    authentication: Values::read(&vector["authentication"]),
                });
            }
        }
        assert!(vectors.len() >= 10, "the vectors that are built are there");
        vectors
    }

    /// What accepts a vector: cross-origin and top-origin ones are made in an iframe.
    fn expected(&self, vector: &Vector) -> Expected {
        let text = |name: &str| self.document[name].as_str().unwrap().to_owned();
        let embedded = vector.id.contains("Origin");
        Expected {
            cross_origin: embedded,
            top_origins: if embedded {
                vec![text("top_origin")]
            } else {
                Vec::new()
            },
            user_verification: "preferred".to_owned(),
            algorithms: vec![-7, -35, -36, -8, -257],
            attestation_required: vector.id.starts_with("packed-") && !vector.id.contains("self"),
            anchors: self.anchors(vector.registration.get("aaguid")),
            ..Expected::new(&text("rp_id"), &text("origin"))
        }
    }

    fn anchors(&self, aaguid: &[u8]) -> Anchors {
        let guid = passkey_reference_rp::policy::guid(aaguid.try_into().unwrap());
        Anchors {
            metadata: Arc::new(json!({ "entries": [{
                "aaguid": guid,
                "metadataStatement": {
                    "attestationRootCertificates": [STANDARD.encode(&self.root)],
                    "authenticatorGetInfo": {
                        "versions": ["FIDO_2_1"],
                        "extensions": ["hmac-secret"],
                        "options": { "rk": true, "uv": true },
                    },
                },
                "statusReports": [{ "status": "FIDO_CERTIFIED" }],
            }] })),
            ..Anchors::default()
        }
    }
}

fn situation() -> Situation {
    Situation {
        subject: Subject::default(),
        // 2026-01-01: inside the validity of the certificates.
        now: 1_767_225_600,
    }
}

impl Vector {
    fn create(&self, client_data: &[u8], object: &[u8]) -> Registration {
        let id = URL_SAFE_NO_PAD.encode(self.registration.get("credential_id"));
        Registration {
            extensions: serde_json::Map::new(),
            response: json!({
                "id": id,
                "rawId": id,
                "type": "public-key",
                "response": {
                    "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                    "attestationObject": URL_SAFE_NO_PAD.encode(object),
                },
            }),
            challenge: Some(self.registration.get("challenge").to_vec()),
            conditional: false,
            user: "alice".to_owned(),
            registered: Vec::new(),
            situation: situation(),
        }
    }

    fn published_create(&self) -> Registration {
        self.create(
            self.registration.get("clientDataJSON"),
            self.registration.get("attestationObject"),
        )
    }

    fn get(&self, record: &Record, data: &[u8], client_data: &[u8], sig: &[u8]) -> Authentication {
        let id = URL_SAFE_NO_PAD.encode(&record.id);
        Authentication {
            extensions: serde_json::Map::new(),
            response: json!({
                "id": id,
                "rawId": id,
                "type": "public-key",
                "response": {
                    "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
                    "authenticatorData": URL_SAFE_NO_PAD.encode(data),
                    "signature": URL_SAFE_NO_PAD.encode(sig),
                    "userHandle": URL_SAFE_NO_PAD.encode(USER_HANDLE),
                },
            }),
            challenge: Some(self.authentication.get("challenge").to_vec()),
            allowed: vec![record.id.clone()],
            identified: None,
            record: Some((record.clone(), USER_HANDLE.to_vec())),
            situation: situation(),
        }
    }

    /// The attestation certificate.
    fn leaf(&self) -> Vec<u8> {
        let object = self.registration.get("attestationObject");
        let object: ciborium::Value = ciborium::from_reader(object).unwrap();
        let chain = member(&member(&object, "attStmt"), "x5c");
        chain.as_array().unwrap()[0].as_bytes().unwrap().clone()
    }

    fn signed(&self) -> [&[u8]; 3] {
        ["authenticatorData", "clientDataJSON", "signature"]
            .map(|name| self.authentication.get(name))
    }
}

/// How many refusals each step gave.
#[derive(Default)]
struct Tally(BTreeMap<String, usize>);

impl Tally {
    fn count<T>(&mut self, result: Result<T, Refusal>, what: &str) {
        let refusal = result.err();
        assert!(refusal.is_some(), "{what} is accepted");
        for reason in refusal.into_iter().flat_map(|refusal| refusal.reasons) {
            *self.0.entry(reason).or_default() += 1;
        }
    }

    fn of(&self, step: &str) -> usize {
        self.0.get(step).copied().unwrap_or_default()
    }

    /// Steps that may refuse, and nobody else.
    fn only(&self, steps: &[&str], what: &str) {
        let others: Vec<&String> = self
            .0
            .keys()
            .filter(|reason| !steps.contains(&reason.as_str()))
            .collect();
        assert!(others.is_empty(), "{what} is refused by {others:?}");
    }
}

fn member(map: &ciborium::Value, name: &str) -> ciborium::Value {
    let mut entries = map.as_map().unwrap().iter();
    let found = entries.find(|(key, _)| key.as_text() == Some(name));
    found.unwrap().1.clone()
}

fn flips(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len() * 8).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit, flipped)
    })
}

fn position(haystack: &[u8], needle: &[u8]) -> usize {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
        .unwrap()
}

#[test]
fn vectors_are_accepted() {
    let Some(file) = File::open() else { return };
    for vector in file.vectors() {
        let expected = file.expected(&vector);
        let record = verify_registration(&vector.published_create(), &expected, &Defects::NONE);
        let record = record.unwrap_or_else(|refusal| panic!("{}: {refusal}", vector.id));
        assert_eq!(
            record.aaguid,
            vector.registration.get("aaguid"),
            "{}",
            vector.id
        );
        assert_eq!(
            record.attested, expected.attestation_required,
            "{}",
            vector.id
        );
        let [data, client_data, sig] = vector.signed();
        let exchange = vector.get(&record, data, client_data, sig);
        let signed = verify_authentication(&exchange, &expected, &Defects::NONE);
        let signed = signed.unwrap_or_else(|refusal| panic!("{}: {refusal}", vector.id));
        assert_eq!(signed.user, "alice");
    }
}

#[test]
fn embedded_vectors_are_refused_where_embedding_is_not_expected() {
    let Some(file) = File::open() else { return };
    for vector in file.vectors() {
        let mut expected = file.expected(&vector);
        if !expected.cross_origin {
            continue;
        }
        expected.cross_origin = false;
        let refused = verify_registration(&vector.published_create(), &expected, &Defects::NONE);
        assert_eq!(refused.unwrap_err().reasons, ["reg.10"], "{}", vector.id);
    }
}

#[test]
fn assertions_are_refused_after_any_flip() {
    let Some(file) = File::open() else { return };
    for vector in file.vectors() {
        let expected = file.expected(&vector);
        let record = verify_registration(&vector.published_create(), &expected, &Defects::NONE);
        let record = record.unwrap();
        let [data, client_data, sig] = vector.signed();
        let verify = |data: &[u8], client_data: &[u8], sig: &[u8]| {
            let exchange = vector.get(&record, data, client_data, sig);
            verify_authentication(&exchange, &expected, &Defects::NONE)
        };
        let mut tally = Tally::default();
        for (bit, flipped) in flips(data) {
            let what = format!("{}: authenticator data, bit {bit}", vector.id);
            tally.count(verify(&flipped, client_data, sig), &what);
        }
        let steps = [
            "auth.7", "auth.15", "auth.16", "auth.18", "auth.19", "auth.21",
        ];
        tally.only(&steps, &vector.id);
        // The RP ID hash is compared; user verification is not required, and nothing else looks at the counter's bits.
        assert_eq!(tally.of("auth.15"), 256, "{}", vector.id);
        assert!(tally.of("auth.21") >= 33, "{}", vector.id);
        let mut tally = Tally::default();
        for (bit, flipped) in flips(client_data) {
            let what = format!("{}: client data, bit {bit}", vector.id);
            tally.count(verify(data, &flipped, sig), &what);
        }
        let steps = [
            "auth.9", "auth.10", "auth.11", "auth.12", "auth.13", "auth.14", "auth.21",
        ];
        tally.only(&steps, &vector.id);
        let mut tally = Tally::default();
        for (bit, flipped) in flips(sig) {
            let what = format!("{}: signature, bit {bit}", vector.id);
            tally.count(verify(data, client_data, &flipped), &what);
        }
        assert_eq!(tally.of("auth.21"), sig.len() * 8, "{}", vector.id);
    }
}

#[test]
fn packed_attestations_are_refused_after_any_flip() {
    let Some(file) = File::open() else { return };
    for vector in file.vectors() {
        if vector.id.starts_with("packed-") {
            flip_registration(&file, &vector);
        }
    }
}

fn flip_registration(file: &File, vector: &Vector) {
    let mut expected = file.expected(vector);
    // The signature has to be refused by itself, not for want of trust.
    expected.attestation_required = false;
    let object = vector.registration.get("attestationObject");
    let client_data = vector.registration.get("clientDataJSON");
    let verify = |client_data: &[u8], object: &[u8]| {
        let exchange = vector.create(client_data, object);
        verify_registration(&exchange, &expected, &Defects::NONE)
    };
    let mut tally = Tally::default();
    for (bit, flipped) in flips(client_data) {
        let what = format!("{}: client data, bit {bit}", vector.id);
        tally.count(verify(&flipped, object), &what);
    }
    let steps = [
        "reg.6", "reg.7", "reg.8", "reg.9", "reg.10", "reg.11", "reg.22",
    ];
    tally.only(&steps, &vector.id);
    let flip = |range: std::ops::Range<usize>, name: &str| {
        let mut tally = Tally::default();
        for (bit, flipped) in flips(&object[range.clone()]) {
            let what = format!("{}: {name}, bit {bit}", vector.id);
            let whole = [&object[..range.start], &flipped, &object[range.end..]].concat();
            tally.count(verify(client_data, &whole), &what);
        }
        tally
    };
    let decoded: ciborium::Value = ciborium::from_reader(object).unwrap();
    let data = member(&decoded, "authData").into_bytes().unwrap();
    let start = position(object, &data);
    let tally = flip(start..start + data.len(), "authenticator data");
    let steps = [
        "parse", "reg.13", "reg.14", "reg.15", "reg.17", "reg.20", "reg.22",
    ];
    tally.only(&steps, &vector.id);
    assert_eq!(tally.of("reg.14"), 256, "{}", vector.id);
    // Nothing but the signature looks at the counter and the AAGUID before step 22 is through.
    let tally = flip(start + 33..start + 53, "counter and AAGUID");
    assert_eq!(tally.of("reg.22"), 160, "{}", vector.id);
    let sig = member(&member(&decoded, "attStmt"), "sig")
        .into_bytes()
        .unwrap();
    let start = position(object, &sig);
    let tally = flip(start..start + sig.len(), "signature");
    assert_eq!(tally.of("reg.22"), sig.len() * 8, "{}", vector.id);
}

#[test]
fn trust_takes_a_path_in_force_to_a_root_of_the_model() {
    let Some(file) = File::open() else { return };
    for vector in file.vectors() {
        if !vector.id.starts_with("packed-") || vector.id.contains("self") {
            continue;
        }
        let expected = file.expected(&vector);
        let verify = |expected: &Expected, now: Option<u64>, defect: Option<Defect>| {
            let mut exchange = vector.published_create();
            exchange.situation.now = now.unwrap_or(exchange.situation.now);
            let defects = defect.into_iter().collect();
            let result = verify_registration(&exchange, expected, &defects);
            result.err().map(|refusal| refusal.reasons.join(", "))
        };
        let untrusted = Some("reg.24".to_owned());
        assert_eq!(verify(&expected, Some(0), None), untrusted);
        let ignored = Some(Defect::AttestationChainExpiryIgnored);
        assert_eq!(verify(&expected, Some(0), ignored), None);

        let entry = |pointer: &str, value: Value| {
            let mut changed = expected.clone();
            let path = format!("/entries/0/{pointer}");
            let metadata = Arc::make_mut(&mut changed.anchors.metadata);
            *metadata.pointer_mut(&path).unwrap() = value;
            changed
        };
        let revoked = entry("statusReports/0/status", json!("REVOKED"));
        assert_eq!(verify(&revoked, None, None), untrusted);
        let other = entry("aaguid", json!("00000000-0000-0000-0000-000000000001"));
        assert_eq!(verify(&other, None, None), untrusted);
        let any = Some(Defect::MetadataRootOfAnyModel);
        assert_eq!(verify(&other, None, any), None);

        let roots = "metadataStatement/attestationRootCertificates";
        let without = entry(roots, json!([]));
        assert_eq!(verify(&without, None, None), untrusted);
        let own = Some(Defect::AttestationRootFromResponse);
        assert_eq!(verify(&without, None, own), None);
        let not_verified = Some(Defect::AttestationChainNotVerified);
        assert_eq!(verify(&without, None, not_verified), None);
        // A leaf may itself be the anchor (step 24), as long as it is in force.
        let pinned = entry(roots, json!([STANDARD.encode(vector.leaf())]));
        assert_eq!(verify(&pinned, None, None), None);
        assert_eq!(verify(&pinned, Some(0), None), untrusted);
    }
}
