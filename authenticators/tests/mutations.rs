//! What an exchange is, what one change to it changes, and what it leaves alone.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use passkey_authenticators::{
    Client, ClientError, Made, SoftwareAuthenticator, Values, cbor::Cbor, client::from_base64url,
    seed::Seed,
};
use passkey_model::{Mutation, provider::AuthenticatorModel};
use proptest::prelude::*;
use serde_json::{Value, json};

fn authenticator(algorithm: &str, attestation: &str, run: u64) -> SoftwareAuthenticator {
    let model: AuthenticatorModel = serde_json::from_value(json!({
        "aaguid": "00112233-4455-6677-8899-aabbccddeeff",
        "backup-eligible": true, "backup-state": false, "attestation": attestation,
        "transports": ["internal"], "user-verification": "verifies",
        "algorithms": [algorithm], "sign-counter": "increments",
    }))
    .unwrap();
    SoftwareAuthenticator::new(model, Seed::new(run, "row"))
}

fn client() -> Client {
    Client {
        origin: "https://login.rp.test".to_owned(),
        top_origin: None,
        cross_platform: false,
        conditional: false,
    }
}

fn creation() -> Value {
    json!({
        "challenge": "AAAAAAAAAAAAAAAAAAAAAA", "rp": { "id": "rp.test" }, "user": { "id": "AQID" },
        "pubKeyCredParams": ([-7, -35, -257, -8].map(|alg| json!({ "type": "public-key", "alg": alg }))),
        "attestation": "direct",
    })
}

fn request() -> Value {
    json!({ "challenge": "AQEBAQEBAQEBAQEBAQEBAQ", "rpId": "rp.test" })
}

fn mutation(text: &Value) -> Mutation {
    serde_json::from_value(text.clone()).unwrap()
}

fn create(attestation: &str, change: Option<&Value>) -> Result<Made, ClientError> {
    let change = change.map(mutation);
    let mut authenticator = authenticator("ES256", attestation, 0);
    client().create(
        &mut authenticator,
        &creation(),
        change.as_ref(),
        &Values::new(),
    )
}

fn get(algorithm: &str, change: Option<&Value>) -> Result<Made, ClientError> {
    let change = change.map(mutation);
    let mut authenticator = authenticator(algorithm, "none", 0);
    let none = Values::new();
    client().create(&mut authenticator, &creation(), None, &none)?;
    client().get(&mut authenticator, &request(), change.as_ref(), &none)
}

fn bytes(made: &Made, member: &str) -> Vec<u8> {
    from_base64url(made.response["response"][member].as_str().unwrap()).unwrap()
}

fn object(made: &Made) -> Cbor {
    Cbor::decode(&bytes(made, "attestationObject")).unwrap()
}

#[test]
fn every_algorithm_registers_and_signs_in() {
    for algorithm in ["ES256", "ES384", "RS256", "EdDSA"] {
        let made = get(algorithm, None).unwrap();
        assert_eq!(
            bytes(&made, "authenticatorData")[32],
            0x0d,
            "{algorithm}: UP, UV, BE"
        );
        assert_eq!(
            bytes(&made, "authenticatorData")[36],
            2,
            "{algorithm}: counter"
        );
    }
}

#[test]
fn every_attestation_has_its_format_and_chain() {
    let formats = [
        ("none", "none", None),
        ("packed-self", "packed", None),
        ("packed", "packed", Some(2)),
        ("packed-unknown-root", "packed", Some(2)),
        ("first-party-app", "x-first-party-app", Some(2)),
    ];
    for (kind, format, chain) in formats {
        let object = object(&create(kind, None).unwrap());
        assert_eq!(object.get("fmt"), Some(&Cbor::text(format)));
        let found = match object.get("attStmt").unwrap().get("x5c") {
            Some(Cbor::List(chain)) => Some(chain.len()),
            _ => None,
        };
        assert_eq!(found, chain, "{kind}");
    }
}

#[test]
fn a_seed_makes_the_same_bytes_and_another_seed_other_ones() {
    let make = |run| {
        let mut authenticator = authenticator("ES256", "packed", run);
        let made = client().create(&mut authenticator, &creation(), None, &Values::new());
        made.unwrap().response
    };
    assert_eq!(make(1), make(1));
    assert_ne!(
        make(1)["response"]["publicKey"],
        make(2)["response"]["publicKey"]
    );
    assert_ne!(make(1)["id"], make(2)["id"]);
}

#[test]
fn a_changed_registration_differs_and_a_change_of_nothing_is_an_error() {
    let changes = [
        json!({ "at": "client-data/origin", "op": "set", "value": "https://evil.example" }),
        json!({ "at": "client-data/challenge", "op": "duplicate", "value": "AAAA" }),
        json!({ "at": "client-data", "op": "reencode", "value": "bom" }),
        json!({ "at": "client-data-hash", "op": "flip-bit" }),
        json!({ "at": "cose-key/3", "op": "set", "value": -257, "resign": true }),
        json!({ "at": "cose-key/3", "op": "duplicate", "value": -257, "resign": true }),
        json!({ "at": "cose-key", "op": "reencode", "value": "off-curve", "resign": true }),
        json!({ "at": "cose-key", "op": "reencode", "value": "compressed", "resign": true }),
        json!({ "at": "attested-credential-data/aaguid", "op": "flip-bit", "value": 3 }),
        json!({ "at": "attested-credential-data/credential-id-length", "op": "set", "value": 9 }),
        json!({ "at": "attested-credential-data", "op": "remove" }),
        json!({ "at": "authenticator-data/rp-id-hash", "op": "set", "value": "sha256:evil" }),
        json!({ "at": "authenticator-data/flags", "op": "clear-flags", "value": "up,uv" }),
        json!({ "at": "authenticator-data/extensions", "op": "set", "value": "hex:a0", "resign": true }),
        json!({ "at": "authenticator-data/attested-credential-data", "op": "remove" }),
        json!({ "at": "authenticator-data", "op": "append", "value": "hex:00" }),
        json!({ "at": "to-be-signed/client-data-hash", "op": "remove" }),
        json!({ "at": "certificates/chain", "op": "swap" }),
        json!({ "at": "certificates/chain", "op": "append", "value": "$ROOT" }),
        json!({ "at": "certificates/chain", "op": "append", "value": "$SELF_SIGNED_ROOT" }),
        json!({ "at": "certificates/leaf/version", "op": "set", "value": 1 }),
        json!({ "at": "certificates/leaf/subject/ou", "op": "set", "value": "Other" }),
        json!({ "at": "certificates/leaf/subject/c", "op": "remove" }),
        json!({ "at": "certificates/leaf/basic-constraints-ca", "op": "set", "value": true }),
        json!({ "at": "certificates/leaf/aaguid-extension", "op": "remove" }),
        json!({ "at": "certificates/leaf/not-after", "op": "set", "value": 1_600_000_000 }),
        json!({ "at": "certificates/leaf/issuer-key", "op": "set", "value": true }),
        json!({ "at": "certificates/leaf/unknown-critical-extension", "op": "set", "value": true }),
        json!({ "at": "attestation-statement/sig", "op": "flip-bit", "value": 300 }),
        json!({ "at": "attestation-statement/sig", "op": "set", "value": "$BY_CREDENTIAL_KEY" }),
        json!({ "at": "attestation-statement/x5c", "op": "set", "value": [] }),
        json!({ "at": "attestation-statement/alg", "op": "remove" }),
        json!({ "at": "attestation-object/fmt", "op": "set", "value": "Packed" }),
        json!({ "at": "attestation-object/authData", "op": "duplicate" }),
        json!({ "at": "attestation-object", "op": "reencode", "value": "indefinite-length" }),
        json!({ "at": "response/response/attestationObject", "op": "truncate", "value": 1 }),
        json!({ "at": "response/rawId", "op": "remove" }),
    ];
    let control = create("packed", None).unwrap().response;
    for change in changes {
        let made =
            create("packed", Some(&change)).unwrap_or_else(|error| panic!("{change}: {error}"));
        let at_hash = change["at"] == "client-data-hash";
        assert_ne!(made.response, control, "{change}");
        assert!(
            !at_hash
                || made.response["response"]["clientDataJSON"]
                    == control["response"]["clientDataJSON"]
        );
    }
}

#[test]
fn a_change_that_cannot_be_made_is_the_authors_error() {
    let changes = [
        json!({ "at": "signature", "op": "flip-bit" }),
        json!({ "at": "client-data/origin", "op": "set", "value": "https://login.rp.test" }),
        json!({ "at": "client-data/origin", "op": "set", "value": "$NOBODY" }),
        json!({ "at": "cose-key/-9", "op": "remove" }),
        json!({ "at": "authenticator-data/flag", "op": "set-flags", "value": "up" }),
        json!({ "at": "authenticator-data/flags", "op": "set-flags", "value": "up" }),
    ];
    for change in changes {
        let made = create("packed", Some(&change));
        assert!(
            matches!(made, Err(ClientError::Mutation(_))),
            "{change}: {made:?}"
        );
    }
}

#[test]
fn an_assertions_signature_takes_every_change() {
    let control = get("ES256", None).unwrap();
    for way in ["p1363", "high-s", "zero-rs", "r-eq-n", "ber"] {
        let change = json!({ "at": "signature", "op": "reencode", "value": way });
        let made = get("ES256", Some(&change)).unwrap();
        assert_ne!(
            bytes(&made, "signature"),
            bytes(&control, "signature"),
            "{way}"
        );
        assert_eq!(
            bytes(&made, "authenticatorData"),
            bytes(&control, "authenticatorData")
        );
    }
    let change = json!({ "at": "signature", "op": "set", "value": "$BY_OTHER_KEY" });
    assert_ne!(
        bytes(&get("ES256", Some(&change)).unwrap(), "signature"),
        bytes(&control, "signature")
    );
}

#[test]
fn a_lie_is_signed_and_tampering_is_not() {
    let change = |resign| json!({ "at": "authenticator-data/flags", "op": "clear-flags", "value": "uv", "resign": resign });
    let control = get("ES256", None).unwrap();
    let lied = get("ES256", Some(&change(true))).unwrap();
    let tampered = get("ES256", Some(&change(false))).unwrap();
    assert_eq!(
        bytes(&lied, "authenticatorData"),
        bytes(&tampered, "authenticatorData")
    );
    assert_eq!(bytes(&tampered, "signature"), bytes(&control, "signature"));
    assert_ne!(bytes(&lied, "signature"), bytes(&control, "signature"));
}

#[test]
fn a_known_credential_is_not_made_twice_and_an_unknown_one_not_used() {
    let mut authenticator = authenticator("ES256", "none", 0);
    let none = Values::new();
    let made = client()
        .create(&mut authenticator, &creation(), None, &none)
        .unwrap();
    let mut again = creation();
    again["excludeCredentials"] = json!([{ "type": "public-key", "id": made.response["id"] }]);
    let refused = client().create(&mut authenticator, &again, None, &none);
    assert!(matches!(
        refused,
        Err(ClientError::Refused("InvalidStateError"))
    ));
    let mut other = request();
    other["allowCredentials"] = json!([{ "type": "public-key", "id": "AAAA" }]);
    let refused = client().get(&mut authenticator, &other, None, &none);
    assert!(matches!(
        refused,
        Err(ClientError::Refused("NotAllowedError"))
    ));
}

#[test]
fn a_protected_credential_is_not_used_without_user_verification() {
    let mut authenticator = authenticator("ES256", "none", 0);
    let none = Values::new();
    let mut options = creation();
    options["extensions"] = json!({ "credentialProtectionPolicy": "userVerificationRequired" });
    let made = client()
        .create(&mut authenticator, &options, None, &none)
        .unwrap();
    assert_eq!(bytes(&made, "authenticatorData")[32] & 0x80, 0x80);
    let mut discouraged = request();
    discouraged["userVerification"] = json!("discouraged");
    let refused = client().get(&mut authenticator, &discouraged, None, &none);
    assert!(matches!(
        refused,
        Err(ClientError::Refused("NotAllowedError"))
    ));
    assert!(
        client()
            .get(&mut authenticator, &request(), None, &none)
            .is_ok()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn one_bit_of_authenticator_data_leaves_the_client_data_alone(bit in 0_usize..296, resign: bool) {
        let change = json!({ "at": "authenticator-data", "op": "flip-bit", "value": bit, "resign": resign });
        let (control, made) = (get("EdDSA", None).unwrap(), get("EdDSA", Some(&change)).unwrap());
        prop_assert_eq!(bytes(&made, "clientDataJSON"), bytes(&control, "clientDataJSON"));
        prop_assert_eq!(&made.response["id"], &control.response["id"]);
        prop_assert_eq!(bytes(&made, "signature") != bytes(&control, "signature"), resign);
        let mut back = bytes(&made, "authenticatorData");
        back[bit / 8] ^= 0x80 >> (bit % 8);
        prop_assert_eq!(back, bytes(&control, "authenticatorData"));
    }
}
