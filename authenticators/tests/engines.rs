//! Other people's code behind our client: what a page sees is what the model gives, refusals included.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use passkey_authenticators::{
    Client, ClientError, Made, SoftwareAuthenticator, Values,
    cbor::Cbor,
    client::from_base64url,
    crate_stack::{Additions, Interposed, ModelToken, Silent},
    seed::Seed,
};
use passkey_model::{Aaguid, provider::AuthenticatorModel};
use serde_json::{Value, json};
use webauthn_authenticator_rs::transport::Token as _;

const ENGINES: [&str; 3] = ["model", "ctap", "soft-token"];

fn authenticator(engine: &str) -> SoftwareAuthenticator {
    let model: AuthenticatorModel = serde_json::from_value(json!({
        "aaguid": "00112233-4455-6677-8899-aabbccddeeff",
        "backup-eligible": false, "backup-state": false, "attestation": "packed",
        "transports": ["usb"], "user-verification": "verifies",
        "algorithms": ["ES256"], "sign-counter": "increments", "engine": engine,
    }))
    .unwrap();
    SoftwareAuthenticator::new(model, Seed::new(0, "engines"))
}

fn client() -> Client {
    Client {
        origin: "https://login.rp.test".to_owned(),
        top_origin: None,
        cross_platform: true,
        conditional: false,
    }
}

/// Creation options with some members replaced.
fn creation(changed: &Value) -> Value {
    let mut options = json!({
        "challenge": "AAAAAAAAAAAAAAAAAAAAAA", "rp": { "id": "rp.test" }, "user": { "id": "AQID" },
        "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }], "attestation": "direct",
        "authenticatorSelection": { "residentKey": "required", "userVerification": "required" },
        "extensions": { "credProps": true },
    });
    for (name, value) in changed.as_object().unwrap() {
        options[name] = value.clone();
    }
    options
}

fn request(user_verification: &str) -> Value {
    json!({
        "challenge": "AQEBAQEBAQEBAQEBAQEBAQ", "rpId": "rp.test",
        "userVerification": user_verification,
    })
}

fn create(key: &mut SoftwareAuthenticator, changed: &Value) -> Result<Made, ClientError> {
    client().create(key, &creation(changed), None, &Values::new())
}

fn get(key: &mut SoftwareAuthenticator, options: &Value) -> Result<Made, ClientError> {
    client().get(key, options, None, &Values::new())
}

fn bytes(made: &Made, member: &str) -> Vec<u8> {
    from_base64url(made.response["response"][member].as_str().unwrap()).unwrap()
}

fn refusal(result: Result<Made, ClientError>) -> &'static str {
    match result {
        Err(ClientError::Refused(name)) => name,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn the_ctap_stack_makes_the_models_bytes() {
    let made = |engine| {
        let mut key = authenticator(engine);
        let created = create(&mut key, &json!({})).unwrap().response;
        (
            created,
            get(&mut key, &request("required")).unwrap().response,
        )
    };
    assert_eq!(made("ctap"), made("model"));
}

#[test]
fn what_is_observed_is_read_from_the_bytes() {
    let made = create(&mut authenticator("soft-token"), &json!({})).unwrap();
    let observed = made.observed.clone().unwrap();
    let aaguid: Aaguid = "0fb9bcbc-a0d4-4042-bbb0-559bc1631e28".parse().unwrap();
    assert_eq!(
        (observed.aaguid, observed.format.as_str()),
        (aaguid, "packed")
    );
    assert!(!observed.backup_eligible);
    let data = bytes(&made, "authenticatorData");
    assert_eq!(data[55..87], observed.credential_id);
    assert_eq!(bytes(&made, "publicKey").len(), 91);
    let object = Cbor::decode(&bytes(&made, "attestationObject")).unwrap();
    let Cbor::Map(members) = object else {
        panic!("not a map")
    };
    assert_eq!(members.len(), 3);
}

#[test]
fn without_attestation_there_is_neither_statement_nor_aaguid() {
    for engine in ENGINES {
        let made = create(
            &mut authenticator(engine),
            &json!({ "attestation": "none" }),
        )
        .unwrap();
        let observed = made.observed.clone().unwrap();
        assert_eq!(
            (observed.aaguid, observed.format.as_str()),
            (Aaguid::ZERO, "none"),
            "{engine}"
        );
        let object = Cbor::decode(&bytes(&made, "attestationObject")).unwrap();
        assert_eq!(object.get("attStmt"), Some(&Cbor::Map(vec![])), "{engine}");
        let data = object.get("authData").unwrap().as_bytes();
        assert_eq!(
            data,
            Some(&bytes(&made, "authenticatorData")[..]),
            "{engine}"
        );
    }
}

#[test]
fn refusals_have_the_names_that_a_page_sees() {
    for engine in ENGINES {
        let mut key = authenticator(engine);
        let id = create(&mut key, &json!({})).unwrap().response["id"].clone();
        let excluded = json!({ "excludeCredentials": [{ "type": "public-key", "id": id }] });
        assert_eq!(
            refusal(create(&mut key, &excluded)),
            "InvalidStateError",
            "{engine}"
        );
        let others = json!({ "pubKeyCredParams": [{ "type": "public-key", "alg": -8 }] });
        assert_eq!(
            refusal(create(&mut key, &others)),
            "NotSupportedError",
            "{engine}"
        );
        let elsewhere = json!({ "rp": { "id": "evil.test" } });
        assert_eq!(
            refusal(create(&mut key, &elsewhere)),
            "SecurityError",
            "{engine}"
        );
        let mut unknown = request("required");
        unknown["allowCredentials"] = json!([{ "type": "public-key", "id": "AAAA" }]);
        assert_eq!(
            refusal(get(&mut key, &unknown)),
            "NotAllowedError",
            "{engine}"
        );
    }
}

#[test]
fn the_user_is_verified_where_that_is_asked_and_only_there() {
    for engine in ENGINES {
        let mut key = authenticator(engine);
        let discouraged = json!({ "residentKey": "required", "userVerification": "discouraged" });
        let made = create(&mut key, &json!({ "authenticatorSelection": discouraged })).unwrap();
        assert_eq!(bytes(&made, "authenticatorData")[32], 0x41, "{engine}");
        for (asked, flags) in [
            ("required", 0x05),
            ("preferred", 0x05),
            ("discouraged", 0x01),
        ] {
            let got = get(&mut key, &request(asked)).unwrap();
            assert_eq!(
                bytes(&got, "authenticatorData")[32],
                flags,
                "{engine}, {asked}"
            );
            assert_eq!(bytes(&got, "userHandle"), [1, 2, 3], "{engine}");
        }
    }
}

#[test]
fn a_key_is_asked_for_what_the_crate_leaves_out() {
    let mut key = authenticator("ctap");
    let mut changed =
        json!({ "extensions": { "credentialProtectionPolicy": "userVerificationRequired" } });
    let made = create(&mut key, &changed).unwrap();
    assert_eq!(bytes(&made, "authenticatorData")[32] & 0x80, 0x80);
    assert_eq!(
        refusal(get(&mut key, &request("discouraged"))),
        "NotAllowedError"
    );
    assert!(get(&mut key, &request("required")).is_ok());

    let mut key = authenticator("ctap");
    changed = json!({ "authenticatorSelection": { "residentKey": "discouraged" } });
    let made = create(&mut key, &changed).unwrap();
    assert_eq!(
        made.response["clientExtensionResults"]["credProps"]["rk"],
        false
    );
    assert_eq!(
        refusal(get(&mut key, &request("required"))),
        "NotAllowedError"
    );
    let mut named = request("required");
    named["allowCredentials"] = json!([{ "type": "public-key", "id": made.response["id"] }]);
    assert!(get(&mut key, &named).is_ok());
}

#[test]
fn only_the_model_takes_mutations_of_what_an_authenticator_makes() {
    let mutation = |at: &str| {
        let mutation = json!({ "at": at, "op": "flip-bit" });
        serde_json::from_value(mutation).unwrap()
    };
    for engine in ["ctap", "soft-token"] {
        for (at, taken) in [
            ("client-data-hash", true),
            ("response/rawId", true),
            ("authenticator-data", false),
            ("attestation-object", false),
        ] {
            let mutation = mutation(at);
            let made = client().create(
                &mut authenticator(engine),
                &creation(&json!({})),
                Some(&mutation),
                &Values::new(),
            );
            match made {
                Ok(_) => assert!(taken, "{engine}, {at}"),
                Err(ClientError::Mutation(_)) => assert!(!taken, "{engine}, {at}"),
                Err(other) => panic!("{engine}, {at}: {other}"),
            }
        }
    }
}

#[test]
fn a_registration_that_nobody_consents_to_is_the_models_alone() {
    let mut client = client();
    client.conditional = true;
    for engine in ["ctap", "soft-token"] {
        let key = &mut authenticator(engine);
        let made = client.create(key, &creation(&json!({})), None, &Values::new());
        assert_eq!(refusal(made), "NotAllowedError");
    }
}

#[test]
fn commands_that_nobody_understands_go_through_unchanged() {
    let mut key = authenticator("ctap");
    let additions = Additions {
        discoverable: true,
        ..Additions::default()
    };
    let (mut token, _) = Interposed::new(ModelToken(&mut key), additions);
    for command in [&[][..], &[0x01, 0xff], &[0x02, 0x80], &[0x7f]] {
        let answer = futures::executor::block_on(token.transmit_raw(command, &Silent));
        assert!(answer.is_err(), "{command:?}");
    }
}
