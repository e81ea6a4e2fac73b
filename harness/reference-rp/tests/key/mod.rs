//! An authenticator with one ES256 key, for tests from outside.

use aws_lc_rs::{
    digest::{SHA256, SHA512, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ciborium::Value as Cbor;
use serde_json::{Value, json};

/// A key, and the counter with which it registers.
pub struct Key {
    pair: EcdsaKeyPair,
    first_count: u32,
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    /// Makes a key with a counter.
    pub fn new() -> Self {
        Self {
            pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            first_count: 1,
        }
    }

    /// Leaves the counter at zero.
    #[allow(dead_code, reason = "not every test target needs it")]
    pub fn without_counter(self) -> Self {
        Self {
            first_count: 0,
            ..self
        }
    }

    fn id(&self) -> String {
        encode(&digest(&SHA256, self.pair.public_key().as_ref()).as_ref()[..16])
    }

    fn client_data(kind: &str, challenge: &str) -> Vec<u8> {
        let client_data = json!({
            "type": kind,
            "challenge": challenge,
            "origin": "https://login.rp.test",
            "crossOrigin": false,
        });
        client_data.to_string().into_bytes()
    }

    fn data(flags: u8, count: u32) -> Vec<u8> {
        let hash = digest(&SHA256, b"rp.test");
        [hash.as_ref(), &[flags], &count.to_be_bytes()].concat()
    }

    fn response(&self, members: Value) -> Value {
        json!({ "id": self.id(), "rawId": self.id(), "type": "public-key", "response": members })
    }

    /// Answers options of a registration.
    pub fn create(&self, challenge: &str) -> Value {
        let point = self.pair.public_key().as_ref();
        let key = Cbor::Map(vec![
            (1.into(), 2.into()),
            (3.into(), (-7).into()),
            ((-1).into(), 1.into()),
            ((-2).into(), Cbor::Bytes(point[1..33].to_vec())),
            ((-3).into(), Cbor::Bytes(point[33..].to_vec())),
        ]);
        let mut data = Self::data(0x45, self.first_count);
        data.extend([[0; 16].as_slice(), &[0, 16]].concat());
        data.extend(URL_SAFE_NO_PAD.decode(self.id()).unwrap());
        ciborium::into_writer(&key, &mut data).unwrap();
        let object = Cbor::Map(vec![
            ("fmt".into(), "none".into()),
            ("attStmt".into(), Cbor::Map(Vec::new())),
            ("authData".into(), Cbor::Bytes(data)),
        ]);
        let mut bytes = Vec::new();
        ciborium::into_writer(&object, &mut bytes).unwrap();
        self.response(json!({
            "clientDataJSON": encode(&Self::client_data("webauthn.create", challenge)),
            "attestationObject": encode(&bytes),
        }))
    }

    /// Answers options of an authentication.
    pub fn get(&self, challenge: &str, count: u32) -> Value {
        let data = Self::data(0x05, count);
        let client_data = Self::client_data("webauthn.get", challenge);
        let hash = digest(&SHA256, &client_data);
        let signed = [data.as_slice(), hash.as_ref()].concat();
        let sig = self.pair.sign(&SystemRandom::new(), &signed).unwrap();
        // The relying party's handle of alice, whose credential this is.
        let handle = digest(&SHA512, b"user handle alice");
        self.response(json!({
            "clientDataJSON": encode(&client_data),
            "authenticatorData": encode(&data),
            "signature": encode(sig.as_ref()),
            "userHandle": encode(handle.as_ref()),
        }))
    }
}
