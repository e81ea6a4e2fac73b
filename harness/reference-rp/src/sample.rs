//! Honest exchanges for tests, made here from aws-lc-rs and ciborium.

#![allow(clippy::unwrap_used)]

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use ciborium::Value as Cbor;
use serde_json::{Value, json};

use crate::{
    parse::to_base64url,
    policy::Subject,
    verify::{Authentication, Expected, Record, Registration, Situation, verify_registration},
};

pub(crate) const CHALLENGE: &[u8] = b"a challenge of more than 16 bytes";
pub(crate) const UP: u8 = 0x01;
pub(crate) const UV: u8 = 0x04;
pub(crate) const BE: u8 = 0x08;

/// What a relying party without profiles expects.
pub(crate) fn expected() -> Expected {
    Expected {
        algorithms: vec![-7],
        ..Expected::new("rp.test", "https://login.rp.test")
    }
}

pub(crate) fn situation() -> Situation {
    Situation {
        subject: Subject::default(),
        now: 1_767_225_600,
    }
}

/// An authenticator with one ES256 key.
pub(crate) struct Sample {
    pub key: EcdsaKeyPair,
    pub flags: u8,
    pub count: u32,
    pub format: &'static str,
    pub aaguid: [u8; 16],
    /// What client data says besides type, challenge and origin, or in their place.
    pub client_data: Value,
}

impl Sample {
    pub(crate) fn new() -> Self {
        Self {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            flags: UP | UV,
            count: 1,
            format: "none",
            aaguid: [9; 16],
            client_data: json!({}),
        }
    }

    fn client_data_json(&self, kind: &str, challenge: &str) -> Vec<u8> {
        let mut members = json!({
            "type": kind,
            "challenge": challenge,
            "origin": "https://login.rp.test",
            "crossOrigin": false,
        });
        let changes = self.client_data.as_object().unwrap();
        members.as_object_mut().unwrap().extend(changes.clone());
        members.to_string().into_bytes()
    }

    fn head(&self, flags: u8) -> Vec<u8> {
        let hash = digest(&SHA256, b"rp.test");
        [hash.as_ref(), &[flags], &self.count.to_be_bytes()].concat()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let sig = self.key.sign(&SystemRandom::new(), message).unwrap();
        sig.as_ref().to_vec()
    }

    pub(crate) fn create(&self, challenge: &str) -> Value {
        let point = self.key.public_key().as_ref();
        let key = Cbor::Map(vec![
            (1.into(), 2.into()),
            (3.into(), (-7).into()),
            ((-1).into(), 1.into()),
            ((-2).into(), Cbor::Bytes(point[1..33].to_vec())),
            ((-3).into(), Cbor::Bytes(point[33..].to_vec())),
        ]);
        let mut data = self.head(self.flags | 0x40);
        data.extend(self.aaguid);
        data.extend([0, 4, 1, 2, 3, 4]);
        ciborium::into_writer(&key, &mut data).unwrap();
        let client_data = self.client_data_json("webauthn.create", challenge);
        let signed = [data.as_slice(), digest(&SHA256, &client_data).as_ref()].concat();
        let statement = if self.format == "packed" {
            vec![
                (Cbor::from("alg"), Cbor::from(-7)),
                (Cbor::from("sig"), Cbor::Bytes(self.sign(&signed))),
            ]
        } else {
            Vec::new()
        };
        let object = Cbor::Map(vec![
            ("fmt".into(), self.format.into()),
            ("attStmt".into(), Cbor::Map(statement)),
            ("authData".into(), Cbor::Bytes(data)),
        ]);
        let mut bytes = Vec::new();
        ciborium::into_writer(&object, &mut bytes).unwrap();
        json!({
            "id": "AQIDBA",
            "rawId": "AQIDBA",
            "type": "public-key",
            "response": {
                "clientDataJSON": to_base64url(&client_data),
                "attestationObject": to_base64url(&bytes),
                "transports": ["internal"],
            },
            "clientExtensionResults": {},
        })
    }

    pub(crate) fn get(&self, challenge: &str, user_handle: &[u8]) -> Value {
        let data = self.head(self.flags);
        let client_data = self.client_data_json("webauthn.get", challenge);
        let signed = [data.as_slice(), digest(&SHA256, &client_data).as_ref()].concat();
        json!({
            "id": "AQIDBA",
            "rawId": "AQIDBA",
            "type": "public-key",
            "response": {
                "clientDataJSON": to_base64url(&client_data),
                "authenticatorData": to_base64url(&data),
                "signature": to_base64url(&self.sign(&signed)),
                "userHandle": to_base64url(user_handle),
            },
            "clientExtensionResults": {},
        })
    }

    pub(crate) fn registration(&self) -> Registration {
        Registration {
            response: self.create(&to_base64url(CHALLENGE)),
            challenge: Some(CHALLENGE.to_vec()),
            conditional: false,
            extensions: serde_json::Map::new(),
            user: "alice".to_owned(),
            registered: Vec::new(),
            situation: situation(),
        }
    }

    pub(crate) fn record(&self) -> Record {
        verify_registration(&self.registration(), &expected(), &crate::Defects::NONE).unwrap()
    }

    pub(crate) fn authentication(&self, record: Record) -> Authentication {
        Authentication {
            response: self.get(&to_base64url(CHALLENGE), b"handle"),
            challenge: Some(CHALLENGE.to_vec()),
            extensions: serde_json::Map::new(),
            allowed: Vec::new(),
            identified: None,
            record: Some((record, b"handle".to_vec())),
            situation: situation(),
        }
    }
}
