//! Keys and commands for the tests.

use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};
use passkey_authenticators::ctaphid::Application as _;
use passkey_authenticators::{
    SoftwareAuthenticator,
    cbor::Cbor,
    ctap::{KeySettings, SecurityKey, Status},
    seed::Seed,
};
use passkey_model::provider::AuthenticatorModel;
use serde_json::json;

pub const HASH: [u8; 32] = [7; 32];
pub const RP_ID: &str = "rp.test";

pub fn model() -> AuthenticatorModel {
    serde_json::from_value(json!({
        "aaguid": "00112233-4455-6677-8899-aabbccddeeff",
        "backup-eligible": false, "backup-state": false, "attestation": "packed",
        "transports": ["usb", "nfc"], "user-verification": "verifies",
        "algorithms": ["ES256", "EdDSA"], "sign-counter": "increments",
    }))
    .unwrap()
}

pub fn key(settings: KeySettings) -> SecurityKey {
    let seed = Seed::new(0, "security key");
    SecurityKey::new(SoftwareAuthenticator::new(model(), seed), settings, &seed)
}

pub fn with_pin(pin: &str) -> KeySettings {
    KeySettings {
        pin: Some(pin.to_owned()),
        ..KeySettings::default()
    }
}

pub fn map(entries: Vec<(i64, Cbor)>) -> Cbor {
    let entry = |(label, value)| (Cbor::Int(label), value);
    Cbor::Map(entries.into_iter().map(entry).collect())
}

pub fn named(entries: Vec<(&str, Cbor)>) -> Cbor {
    let entry = |(name, value)| (Cbor::text(name), value);
    Cbor::Map(entries.into_iter().map(entry).collect())
}

pub fn bytes(bytes: &[u8]) -> Cbor {
    Cbor::Bytes(bytes.to_vec())
}

pub fn command(code: u8, parameters: &Cbor) -> Vec<u8> {
    [&[code], parameters.encode().as_slice()].concat()
}

/// makeCredential for a user, with more parameters (labels 5 and up).
pub fn make(user: &str, more: Vec<(i64, Cbor)>) -> Vec<u8> {
    let user = named(vec![
        ("id", bytes(user.as_bytes())),
        ("name", Cbor::text(user)),
    ]);
    let parameter = named(vec![
        ("alg", Cbor::Int(-7)),
        ("type", Cbor::text("public-key")),
    ]);
    let mut entries = vec![
        (1, bytes(&HASH)),
        (2, named(vec![("id", Cbor::text(RP_ID))])),
        (3, user),
        (4, Cbor::List(vec![parameter])),
    ];
    entries.extend(more);
    command(0x01, &map(entries))
}

pub fn get(more: Vec<(i64, Cbor)>) -> Vec<u8> {
    let mut entries = vec![(1, Cbor::text(RP_ID)), (2, bytes(&HASH))];
    entries.extend(more);
    command(0x02, &map(entries))
}

pub fn option(name: &str, set: bool) -> Cbor {
    named(vec![(name, Cbor::Bool(set))])
}

pub fn ids(ids: &[&[u8]]) -> Cbor {
    let one = |id: &&[u8]| named(vec![("id", bytes(id)), ("type", Cbor::text("public-key"))]);
    Cbor::List(ids.iter().map(one).collect())
}

/// The status of an answer that has nothing else.
pub fn status(key: &mut SecurityKey, request: &[u8]) -> u8 {
    let answer = key.cbor(request);
    assert!(answer.len() == 1 || answer[0] == 0, "{answer:02x?}");
    answer[0]
}

/// The body of a good answer.
pub fn answer(key: &mut SecurityKey, request: &[u8]) -> Cbor {
    let answer = key.cbor(request);
    assert_eq!(answer[0], Status::Ok.code());
    Cbor::decode_canonical(&answer[1..]).expect("canonical CBOR")
}

/// The credential ID and the key of a makeCredential answer.
pub fn made(answer: &Cbor) -> (Vec<u8>, VerifyingKey) {
    let data = answer.get("2").unwrap().as_bytes().unwrap();
    let cose = Cbor::decode(&data[87..]).expect("a COSE key, and nothing behind it");
    let half = |label| cose.get(label).unwrap().as_bytes().unwrap();
    let point = [&[4], half("-2"), half("-3")].concat();
    let public = VerifyingKey::from_sec1_bytes(&point).unwrap();
    (data[55..87].to_vec(), public)
}

pub fn verifies(public: &VerifyingKey, answer: &Cbor) -> bool {
    let data = answer.get("2").unwrap().as_bytes().unwrap();
    let signature = answer.get("3").unwrap().as_bytes().unwrap();
    let signature = Signature::from_der(signature).unwrap();
    public.verify(&[data, &HASH].concat(), &signature).is_ok()
}

/// The flags of a makeCredential or getAssertion answer.
pub fn flags(answer: &Cbor) -> u8 {
    answer.get("2").unwrap().as_bytes().unwrap()[32]
}
