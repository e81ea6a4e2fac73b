//! Nothing that anybody sends makes the relying party panic.

#![allow(clippy::unwrap_used)]

use ciborium::Value as Cbor;
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use crate::{
    Defect, Defects,
    parse::{AuthenticatorData, base64url, cbor, to_base64url, verifies_with_certificate_key},
    policy::{self, Credential, Limits, Subject, Switches, guid},
    sample::{Sample, expected},
    verify::{verify_authentication, verify_registration},
};

/// Any CBOR, in the encoding of ciborium.
fn any_cbor() -> impl Strategy<Value = Cbor> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Cbor::from),
        vec(any::<u8>(), 0..80).prop_map(Cbor::from),
        "[a-z]{0,8}".prop_map(Cbor::from),
        any::<bool>().prop_map(Cbor::from),
        Just(Cbor::Null),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Cbor::Array),
            vec((key(), inner), 0..8).prop_map(Cbor::Map),
        ]
    })
}

/// Keys that the relying party looks for.
fn key() -> impl Strategy<Value = Cbor> {
    prop_oneof![
        (-4_i64..4).prop_map(Cbor::from),
        proptest::sample::select(vec!["fmt", "authData", "attStmt", "alg", "sig", "x5c"])
            .prop_map(Cbor::from),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~]{0,40}".prop_map(Value::from),
        vec(any::<u8>(), 0..60).prop_map(|bytes| json!(to_base64url(&bytes))),
    ];
    leaf.prop_recursive(4, 30, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::hash_map("[a-zA-Z]{1,12}", inner, 0..6)
                .prop_map(|members| json!(members)),
        ]
    })
}

fn any_defects() -> impl Strategy<Value = Defects> {
    proptest::sample::subsequence(Defect::ALL.to_vec(), 0..=Defect::ALL.len())
        .prop_map(|defects| defects.into_iter().collect())
}

/// A place in a response, or in a policy.
fn replace(value: &mut Value, pointer: &str, new: Value) {
    if let Some(found) = value.pointer_mut(pointer) {
        *found = new;
    }
}

fn policy() -> Value {
    json!({
        "state": "enabled",
        "isSelfServiceRegistrationAllowed": true,
        "defaultPasskeyProfile": "p",
        "includeTargets": [{ "id": "all_users", "allowedPasskeyProfiles": ["p"] }],
        "excludeTargets": [{ "id": "g" }],
        "passkeyProfiles": [{
            "id": "p",
            "name": "p",
            "passkeyTypes": "deviceBound,synced",
            "attestationEnforcement": "disabled",
            "keyRestrictions": { "isEnforced": true, "enforcementType": "block", "aaGuids": [] },
        }],
    })
}

const POLICY_PLACES: [&str; 9] = [
    "/state",
    "/includeTargets",
    "/includeTargets/0/allowedPasskeyProfiles",
    "/excludeTargets/0",
    "/passkeyProfiles",
    "/passkeyProfiles/0",
    "/passkeyProfiles/0/passkeyTypes",
    "/passkeyProfiles/0/keyRestrictions",
    "/passkeyProfiles/0/keyRestrictions/aaGuids",
];
const RESPONSE_PLACES: [&str; 10] = [
    "",
    "/id",
    "/rawId",
    "/type",
    "/response",
    "/response/clientDataJSON",
    "/response/attestationObject",
    "/response/authenticatorData",
    "/response/signature",
    "/response/userHandle",
];

proptest! {
    #[test]
    fn decoders_do_not_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = base64url(&String::from_utf8_lossy(&bytes));
        let _ = cbor(&mut bytes.as_slice(), &Defects::NONE);
        let _ = AuthenticatorData::parse(&bytes, &Defects::NONE);
        let _ = verifies_with_certificate_key(-7, &bytes, b"message", &bytes);
        let _ = verifies_with_certificate_key(-257, &bytes, b"message", &bytes);
    }

    #[test]
    fn any_key_is_a_key_or_refused(key in any_cbor()) {
        let mut bytes = [&[0; 32][..], &[0x41], &[0; 20], &[0, 1, 7]].concat();
        ciborium::into_writer(&key, &mut bytes).unwrap();
        if let Ok(data) = AuthenticatorData::parse(&bytes, &Defects::NONE) {
            let key = data.attested.unwrap().key;
            prop_assert!(!key.verifies(b"message", b"signature"));
        }
    }

    #[test]
    fn base64url_is_read_back(bytes in vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(base64url(&to_base64url(&bytes)), Some(bytes));
    }

    #[test]
    fn a_guid_is_read_back(aaguid in any::<[u8; 16]>()) {
        let text = guid(aaguid);
        prop_assert!(policy::is_guid(&text));
        let number = u128::from_str_radix(&text.replace('-', ""), 16);
        prop_assert_eq!(number, Ok(u128::from_be_bytes(aaguid)));
    }

    #[test]
    fn registrations_do_not_panic(
        place in proptest::sample::select(&RESPONSE_PLACES[..]),
        new in any_json(),
        defects in any_defects(),
    ) {
        let mut exchange = Sample::new().registration();
        replace(&mut exchange.response, place, new);
        let _ = verify_registration(&exchange, &expected(), &defects);
    }

    #[test]
    fn attestation_objects_do_not_panic(object in any_cbor(), defects in any_defects()) {
        let mut bytes = Vec::new();
        ciborium::into_writer(&object, &mut bytes).unwrap();
        let mut exchange = Sample::new().registration();
        exchange.response["response"]["attestationObject"] = json!(to_base64url(&bytes));
        prop_assert!(verify_registration(&exchange, &expected(), &defects).is_err());
    }

    #[test]
    fn statements_do_not_panic(statement in vec((key(), any_cbor()), 0..5), defects in any_defects()) {
        let mut exchange = Sample::new().registration();
        let object = exchange.response["response"]["attestationObject"].as_str().unwrap();
        let object = base64url(object).unwrap();
        let Cbor::Map(mut members) = cbor(&mut object.as_slice(), &Defects::NONE).unwrap() else { unreachable!() };
        members[0].1 = Cbor::from("packed");
        members[1].1 = Cbor::Map(statement);
        let mut bytes = Vec::new();
        ciborium::into_writer(&Cbor::Map(members), &mut bytes).unwrap();
        exchange.response["response"]["attestationObject"] = json!(to_base64url(&bytes));
        let _ = verify_registration(&exchange, &expected(), &defects);
    }

    #[test]
    fn authentications_do_not_panic(
        place in proptest::sample::select(&RESPONSE_PLACES[..]),
        new in any_json(),
        defects in any_defects(),
    ) {
        let sample = Sample { count: 2, ..Sample::new() };
        let mut exchange = sample.authentication(sample.record());
        replace(&mut exchange.response, place, new);
        let _ = verify_authentication(&exchange, &expected(), &defects);
    }

    #[test]
    fn policies_do_not_panic(
        place in proptest::sample::select(&POLICY_PLACES[..]),
        new in any_json(),
        defects in any_defects(),
        synced in any::<bool>(),
        registering in any::<bool>(),
    ) {
        let mut changed = policy();
        replace(&mut changed, place, new);
        let switches = Switches::default();
        let _ = policy::validate(&changed, Some(&policy()), &switches, &Limits::default(), &defects);
        let credential = Credential {
            synced,
            aaguid: [0; 16],
            format: "none".to_owned(),
            self_attested: false,
            attested: false,
        };
        let subject = Subject::default();
        let _ = policy::decide(&changed, &switches, &defects, &subject, &credential, registering);
    }
}
