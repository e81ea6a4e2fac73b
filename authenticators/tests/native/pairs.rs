//! Pairs of responses: the software authenticator's and recorded browsers', how they are changed and what verifies.

use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};
use passkey_authenticators::{
    Client, Material, SoftwareAuthenticator, Values,
    cbor::Cbor,
    client::from_base64url,
    key::Key,
    native::{NativeError, change_authentication, change_registration},
    seed::Seed,
};
use passkey_model::{Mutation, provider::AuthenticatorModel};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{ATTESTATIONS, RECORDED};

/// The two responses of a credential, and its private key.
pub(super) struct Pair {
    pub(super) key: Key,
    pub(super) registration: Value,
    pub(super) authentication: Value,
}

pub(super) fn mutation(text: &Value) -> Mutation {
    serde_json::from_value(text.clone()).unwrap()
}

fn key() -> Key {
    Key::es256(&[7; 32]).unwrap()
}

/// What the software authenticator makes, with a change at one of the two ceremonies.
pub(super) fn software(
    attestation: &str,
    at_create: Option<&Value>,
    at_get: Option<&Value>,
) -> Pair {
    let model: AuthenticatorModel = serde_json::from_value(json!({
        "aaguid": "00112233-4455-6677-8899-aabbccddeeff",
        "backup-eligible": true, "backup-state": false, "attestation": attestation,
        "transports": ["internal"], "user-verification": "verifies",
        "algorithms": ["ES256"], "sign-counter": "increments",
    }))
    .unwrap();
    let material = Material {
        key: key(),
        credential_id: vec![1; 32],
    };
    let mut authenticator =
        SoftwareAuthenticator::with_material(model, Seed::new(0, "row"), [material]);
    let client = Client {
        origin: "https://login.rp.test".to_owned(),
        top_origin: None,
        cross_platform: false,
        conditional: false,
    };
    let creation = json!({
        "challenge": "AAAAAAAAAAAAAAAAAAAAAA", "rp": { "id": "rp.test" }, "user": { "id": "AQID" },
        "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }], "attestation": "direct",
        "extensions": { "credentialProtectionPolicy": "userVerificationOptional" },
    });
    let request = json!({ "challenge": "AQEBAQEBAQEBAQEBAQEBAQ", "rpId": "rp.test" });
    let (at_create, at_get) = (at_create.map(mutation), at_get.map(mutation));
    let none = Values::new();
    let registration = client
        .create(&mut authenticator, &creation, at_create.as_ref(), &none)
        .unwrap();
    let authentication = client
        .get(&mut authenticator, &request, at_get.as_ref(), &none)
        .unwrap();
    Pair {
        key: key(),
        registration: registration.response,
        authentication: authentication.response,
    }
}

pub(super) fn recorded(name: &str) -> Pair {
    let read = |ceremony: &str| -> Value {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recorded");
        let text = std::fs::read_to_string(format!("{folder}/{name}-{ceremony}.json"));
        serde_json::from_str(&text.unwrap()).unwrap()
    };
    let (registration, authentication) = (read("registration"), read("authentication"));
    let pkcs8 = from_base64url(registration["privateKey"].as_str().unwrap()).unwrap();
    Pair {
        key: Key::from_pkcs8(&pkcs8).unwrap(),
        registration: registration["response"].clone(),
        authentication: authentication["response"].clone(),
    }
}

pub(super) fn every_source() -> Vec<(String, Pair)> {
    let made = ATTESTATIONS.map(|kind| (format!("software {kind}"), software(kind, None, None)));
    let recorded = RECORDED.map(|name| (name.to_owned(), recorded(name)));
    made.into_iter().chain(recorded).collect()
}

pub(super) fn register(pair: &Pair, change: &Value) -> Result<Value, NativeError> {
    let key = Some(&pair.key);
    change_registration(&pair.registration, &mutation(change), &Values::new(), key)
}

pub(super) fn sign_in(pair: &Pair, change: &Value) -> Result<Value, NativeError> {
    let key = Some(&pair.key);
    change_authentication(&pair.authentication, &mutation(change), &Values::new(), key)
}

pub(super) fn bytes(response: &Value, member: &str) -> Vec<u8> {
    from_base64url(response["response"][member].as_str().unwrap()).unwrap()
}

fn verifies(key: &Key, data: &[u8], client_data: &[u8], signature: &[u8]) -> bool {
    let message = [data, &Sha256::digest(client_data)].concat();
    let key = VerifyingKey::from_sec1_bytes(&key.public_bytes()).unwrap();
    Signature::from_der(signature).is_ok_and(|signature| key.verify(&message, &signature).is_ok())
}

pub(super) fn assertion_verifies(pair: &Pair, response: &Value) -> bool {
    verifies(
        &pair.key,
        &bytes(response, "authenticatorData"),
        &bytes(response, "clientDataJSON"),
        &bytes(response, "signature"),
    )
}

pub(super) fn object(response: &Value) -> Cbor {
    Cbor::decode(&bytes(response, "attestationObject")).unwrap()
}

pub(super) fn attestation_verifies(pair: &Pair, response: &Value) -> bool {
    let object = object(response);
    let data = object.get("authData").unwrap().as_bytes().unwrap();
    let signature = object.get("attStmt").unwrap().get("sig").unwrap();
    let client_data = bytes(response, "clientDataJSON");
    verifies(&pair.key, data, &client_data, signature.as_bytes().unwrap())
}
