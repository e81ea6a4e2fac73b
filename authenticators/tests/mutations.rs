//! What an exchange is, what one change to it changes, and what it leaves alone.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use passkey_authenticators::{
    Client, ClientError, Made, SoftwareAuthenticator, Values, cbor::Cbor, client::from_base64url,
    seed::Seed,
};
use passkey_model::{Aaguid, Mutation, provider::AuthenticatorModel};
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
fn of_what_nobody_asked_for_only_a_self_attestation_without_a_models_name_is_passed_on() {
    let mut options = creation();
    options["attestation"] = json!("none");
    let formats = [
        ("packed-self", Aaguid::ZERO, "packed"),
        ("packed-self", Aaguid::from([1; 16]), "none"),
        ("packed", Aaguid::ZERO, "none"),
    ];
    for (kind, aaguid, format) in formats {
        let mut authenticator = authenticator("ES256", kind, 0);
        authenticator.model.aaguid = aaguid;
        let made = client().create(&mut authenticator, &options, None, &Values::new());
        let object = object(&made.unwrap());
        assert_eq!(object.get("fmt"), Some(&Cbor::text(format)), "{kind}");
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
        json!({ "at": "client-data/challenge", "op": "truncate", "value": 11 }),
        json!({ "at": "client-data/challenge", "op": "reencode", "value": "base64" }),
        json!({ "at": "client-data/challenge", "op": "reencode", "value": "padded" }),
        json!({ "at": "client-data/type", "op": "reencode", "value": "other-case" }),
        json!({ "at": "response/response/attestationObject", "op": "reencode", "value": "padded" }),
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
        json!({ "at": "certificates/leaf/serial-number-extension", "op": "set", "value": "hex:01" }),
        json!({ "at": "certificates/leaf/crl-distribution-point", "op": "set", "value": "http://ca.test/crl" }),
        json!({ "at": "certificates/leaf/ocsp", "op": "set", "value": "http://ca.test/ocsp" }),
        json!({ "at": "certificates/leaf/ca-issuers", "op": "set", "value": "http://ca.test/ca" }),
        json!({ "at": "certificates/intermediate/not-after", "op": "set", "value": 1_600_000_000 }),
        json!({ "at": "certificates/intermediate/issuer-key", "op": "set", "value": true }),
        json!({ "at": "certificates/chain", "op": "set", "value": "$IMPOSTOR" }),
        json!({ "at": "attestation-statement/sig", "op": "flip-bit", "value": 300 }),
        json!({ "at": "attestation-statement/sig", "op": "set", "value": "$BY_CREDENTIAL_KEY" }),
        json!({ "at": "attestation-statement/x5c", "op": "set", "value": [] }),
        json!({ "at": "attestation-statement/alg", "op": "remove" }),
        json!({ "at": "attestation-object/fmt", "op": "set", "value": "Packed" }),
        json!({ "at": "attestation-object/authData", "op": "duplicate" }),
        json!({ "at": "attestation-object/authData", "op": "reencode", "value": "long-key" }),
        json!({ "at": "attestation-object/authData", "op": "reencode", "value": "long-key-twice" }),
        json!({ "at": "attestation-object/authData", "op": "set", "value": "cbor:5bff*8" }),
        json!({ "at": "attestation-object/attStmt", "op": "set", "value": { "pad": "hex:00*70000" } }),
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

fn client_data(change: &Value) -> Vec<u8> {
    bytes(&create("none", Some(change)).unwrap(), "clientDataJSON")
}

#[test]
fn bytes_that_are_no_text_stand_between_the_quotes() {
    for (op, text) in [
        ("append", &b"AAAAAA\xff\""[..]),
        ("prepend", b":\"\xffAA"),
        ("set", b":\"\xff\","),
    ] {
        let change = json!({ "at": "client-data/challenge", "op": op, "value": "hex:ff" });
        let made = client_data(&change);
        assert!(made.windows(text.len()).any(|found| found == text), "{op}");
        assert!(std::str::from_utf8(&made).is_err(), "{op}");
    }
}

#[test]
fn a_second_member_stands_behind_the_first_or_before_it() {
    let written = |at: &str| {
        let made = client_data(&json!({ "at": at, "op": "duplicate", "value": "BBBB" }));
        String::from_utf8(made).unwrap()
    };
    let own = "\"challenge\":\"AAAAAAAAAAAAAAAAAAAAAA\"";
    let other = "\"challenge\":\"BBBB\"";
    assert!(written("client-data/challenge").contains(&format!("{own},{other}")));
    assert!(written("client-data/challenge/first").contains(&format!("{other},{own}")));
}

#[test]
fn other_encodings_of_client_data_are_read_back_as_the_same() {
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    let control = bytes(&create("none", None).unwrap(), "clientDataJSON");
    for way in [
        "reversed",
        "whitespace",
        "indented",
        "escaped",
        "all-escaped",
        "solidus",
    ] {
        let made = client_data(&json!({ "at": "client-data", "op": "reencode", "value": way }));
        assert_ne!(made, control, "{way}");
        assert_eq!(read(&made), read(&control), "{way}");
    }
    let deep = client_data(&json!({ "at": "client-data", "op": "reencode", "value": "nested" }));
    assert!(deep.ends_with(b"]]}") && deep.len() > 20_000);
    assert!(serde_json::from_slice::<Value>(&deep).is_err());
}

#[test]
fn another_response_stands_in_place_of_the_made_one() {
    let change = json!({ "at": "response", "op": "set", "value": { "credentialId": "$ID", "list": ["$OLD/response"] } });
    let values = Values::from([
        ("ID".to_owned(), json!("AQID")),
        ("OLD".to_owned(), json!({ "response": { "signature": "" } })),
    ]);
    let mut authenticator = authenticator("ES256", "none", 0);
    let made = client().create(
        &mut authenticator,
        &creation(),
        Some(&mutation(&change)),
        &values,
    );
    let expected = json!({ "credentialId": "AQID", "list": [{ "signature": "" }] });
    assert_eq!(made.unwrap().response, expected);
}

#[test]
fn a_long_key_is_the_same_key() {
    let change = |way: &str| {
        let change = json!({ "at": "attestation-object/authData", "op": "reencode", "value": way });
        object(&create("none", Some(&change)).unwrap())
    };
    let control = object(&create("none", None).unwrap());
    assert_eq!(change("long-key"), control);
    let Cbor::Map(entries) = change("long-key-twice") else {
        panic!("no map")
    };
    assert_eq!(entries.len(), 4);
    assert_eq!(entries[2], entries[3]);
}

#[test]
fn a_credential_that_u2f_made_is_used_where_its_app_id_is_asked_for() {
    let mut key = authenticator("ES256", "none", 0);
    let none = Values::new();
    let made = client().create(&mut key, &creation(), None, &none).unwrap();
    let app_id = "https://login.rp.test/u2f";
    let mut options = request();
    options["allowCredentials"] = json!([{ "type": "public-key", "id": made.response["id"] }]);
    options["extensions"] = json!({ "appid": app_id });
    let got =
        |key: &mut SoftwareAuthenticator, options: &Value| client().get(key, options, None, &none);
    let honest = got(&mut key, &options).unwrap();
    assert_eq!(
        honest.response["clientExtensionResults"],
        json!({ "appid": false })
    );
    key.put_under_app_id(app_id);
    let used = got(&mut key, &options).unwrap();
    assert_eq!(
        used.response["clientExtensionResults"],
        json!({ "appid": true })
    );
    assert_ne!(
        bytes(&used, "authenticatorData")[..32],
        bytes(&honest, "authenticatorData")[..32]
    );
    options["extensions"] = json!({});
    let refused = got(&mut key, &options).unwrap_err();
    assert_eq!(refused, ClientError::Refused("NotAllowedError"));
}

#[test]
fn a_change_that_cannot_be_made_is_the_authors_error() {
    let changes = [
        json!({ "at": "client-data/crossOrigin", "op": "append", "value": "x" }),
        json!({ "at": "client-data/crossOrigin/first", "op": "remove" }),
        json!({ "at": "client-data/challenge", "op": "reencode", "value": "rot13" }),
        json!({ "at": "client-data", "op": "reencode", "value": "yaml" }),
        json!({ "at": "response", "op": "set", "value": ["$NOBODY"] }),
        json!({ "at": "signature", "op": "flip-bit" }),
        json!({ "at": "client-data/origin", "op": "set", "value": "https://login.rp.test" }),
        json!({ "at": "client-data/origin", "op": "set", "value": "$NOBODY" }),
        json!({ "at": "cose-key/-9", "op": "remove" }),
        json!({ "at": "certificates/leaf/ocsp", "op": "remove" }),
        json!({ "at": "certificates/leaf/ocsp", "op": "set", "value": "$CANARY" }),
        json!({ "at": "certificates/root/not-after", "op": "set", "value": 1_600_000_000 }),
        json!({ "at": "cose-key/3", "op": "reencode", "value": "long-key" }),
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
    for way in ["p1363", "high-s", "zero-rs", "s-plus-n", "ber"] {
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
fn another_passkey_of_the_same_authenticator_signs_only_where_there_is_one() {
    let change =
        mutation(&json!({ "at": "signature", "op": "set", "value": "$BY_OTHER_CREDENTIAL" }));
    let none = Values::new();
    let mut authenticator = authenticator("ES256", "none", 0);
    let mut of_user = |id: &str| {
        let mut options = creation();
        options["user"]["id"] = json!(id);
        client()
            .create(&mut authenticator, &options, None, &none)
            .unwrap();
        let mut twin = authenticator.clone();
        let changed = client().get(&mut authenticator, &request(), Some(&change), &none);
        (
            changed,
            client().get(&mut twin, &request(), None, &none).unwrap(),
        )
    };
    let (alone, _) = of_user("AQID");
    assert!(matches!(alone, Err(ClientError::Mutation(_))));
    let (changed, honest) = of_user("BAUG");
    let changed = changed.unwrap();
    assert_eq!(changed.response["id"], honest.response["id"]);
    assert_ne!(bytes(&changed, "signature"), bytes(&honest, "signature"));
}

#[test]
fn an_rsa_key_signs_with_other_hashes_and_paddings_and_can_be_said_to_be_long() {
    let control = bytes(&get("RS256", None).unwrap(), "signature");
    for how in [
        "$WITH_SHA1",
        "$WITH_SHA384",
        "$WITH_PSS",
        "$FORGED_FOR_EXPONENT_3",
    ] {
        let change = json!({ "at": "signature", "op": "set", "value": how });
        let made = bytes(&get("RS256", Some(&change)).unwrap(), "signature");
        assert_eq!(made.len(), control.len(), "{how}");
        assert_ne!(made, control, "{how}");
        let of_ed25519 = get("EdDSA", Some(&change));
        assert_eq!(of_ed25519.is_ok(), how == "$FORGED_FOR_EXPONENT_3");
    }
    let change = mutation(
        &json!({ "at": "cose-key", "op": "reencode", "value": "modulus-16384", "resign": true }),
    );
    let mut authenticator = authenticator("RS256", "none", 0);
    let none = Values::new();
    let made = client()
        .create(&mut authenticator, &creation(), Some(&change), &none)
        .unwrap();
    assert!(bytes(&made, "authenticatorData").len() > 2048);
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
fn whoever_attests_another_credential_names_it() {
    let victim = bytes(&create("none", None).unwrap(), "authenticatorData");
    let attested: String = victim[37..]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let change = json!({ "at": "attested-credential-data", "op": "set", "value": format!("hex:{attested}"), "resign": true });
    let mut other = authenticator("ES256", "none", 1);
    let change = mutation(&change);
    let made = client()
        .create(&mut other, &creation(), Some(&change), &Values::new())
        .unwrap();
    let id = from_base64url(made.response["rawId"].as_str().unwrap()).unwrap();
    assert_eq!(id, victim[55..55 + id.len()]);
    assert_eq!(bytes(&made, "authenticatorData")[37..], victim[37..]);
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

#[test]
fn an_id_in_another_case_is_another_id() {
    let change = json!({ "at": "response/id", "op": "reencode", "value": "other-case" });
    let (plain, changed) = (get("ES256", None), get("ES256", Some(&change)));
    let (plain, changed) = (plain.unwrap().response, changed.unwrap().response);
    let text = |response: &Value| response["id"].as_str().unwrap().to_owned();
    assert!(text(&plain).eq_ignore_ascii_case(&text(&changed)));
    assert_ne!(text(&plain), text(&changed));
    assert_eq!(changed["rawId"], changed["id"]);
    assert!(from_base64url(&text(&changed)).is_some());
    let elsewhere = json!({ "at": "response/type", "op": "reencode", "value": "other-case" });
    let elsewhere = get("ES256", Some(&elsewhere)).unwrap().response;
    assert_eq!(elsewhere["type"], "PUBLIC-KEY");
    assert_eq!(elsewhere["id"], plain["id"]);
}
