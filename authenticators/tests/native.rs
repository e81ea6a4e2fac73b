//! A browser's response with one change: what the change is, what follows it, and what nobody can sign.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "native/changes.rs"]
mod changes;
#[path = "native/pairs.rs"]
mod pairs;

use passkey_authenticators::{
    Values,
    cbor::Cbor,
    client::from_base64url,
    native::{NativeError, can_change, change_authentication, change_registration, observed},
};
use passkey_model::scenario::CeremonyKind;
use proptest::prelude::*;
use serde_json::{Value, json};

use changes::{of_authentication, of_registration, of_signed_registration};
use pairs::{
    assertion_verifies, attestation_verifies, bytes, every_source, mutation, object, recorded,
    register, sign_in, software,
};

const RECORDED: [&str; 4] = [
    "chromium-none",
    "chromium-packed",
    "firefox-none",
    "firefox-packed",
];
/// AAGUID, attestation statement format and BE flag of each recorded registration.
const OBSERVED: [(&str, &str, &str, bool); 4] = [
    (
        "chromium-none",
        "01020304-0506-0708-0102-030405060708",
        "none",
        true,
    ),
    (
        "chromium-packed",
        "01020304-0506-0708-0102-030405060708",
        "packed",
        true,
    ),
    (
        "firefox-none",
        "68e100a5-0b47-9104-b854-97a9ba510638",
        "none",
        false,
    ),
    (
        "firefox-packed",
        "68e100a5-0b47-9104-b854-97a9ba510638",
        "packed",
        false,
    ),
];
const ATTESTATIONS: [&str; 3] = ["none", "packed-self", "packed"];
#[test]
fn what_is_not_changed_comes_out_byte_for_byte() {
    let change = json!({ "at": "response/comment", "op": "set", "value": "x" });
    for (source, pair) in every_source() {
        for (made, changed) in [
            (&pair.registration, register(&pair, &change)),
            (&pair.authentication, sign_in(&pair, &change)),
        ] {
            let mut changed = changed.unwrap();
            assert_eq!(changed["comment"], "x", "{source}");
            changed.as_object_mut().unwrap().remove("comment");
            let text = |value: &Value| value.to_string();
            assert_eq!(text(&changed), text(made), "{source}");
        }
    }
}

#[test]
fn the_change_is_the_one_that_the_software_authenticator_makes() {
    for attestation in ["none", "packed-self"] {
        let control = software(attestation, None, None);
        let mut changes = of_registration();
        if attestation == "packed-self" {
            changes.extend(of_signed_registration());
        }
        for change in changes {
            let made = software(attestation, Some(&change), None).registration;
            let changed = register(&control, &change).unwrap_or_else(|e| panic!("{change}: {e}"));
            assert_eq!(changed, made, "{attestation}: {change}");
        }
    }
    let control = software("none", None, None);
    for change in of_authentication() {
        let made = software("none", None, Some(&change)).authentication;
        let changed = sign_in(&control, &change).unwrap_or_else(|e| panic!("{change}: {e}"));
        assert_eq!(changed, made, "{change}");
    }
}

#[test]
fn a_lie_of_a_browsers_assertion_is_signed_and_tampering_is_not() {
    for (source, pair) in every_source() {
        assert!(assertion_verifies(&pair, &pair.authentication), "{source}");
        for (at, op, value, member) in [
            (
                "client-data/origin",
                "set",
                "https://evil.example",
                "clientDataJSON",
            ),
            (
                "authenticator-data/flags",
                "clear-flags",
                "uv",
                "authenticatorData",
            ),
        ] {
            for resign in [true, false] {
                let change = json!({ "at": at, "op": op, "value": value, "resign": resign });
                let changed = sign_in(&pair, &change).unwrap();
                assert_ne!(bytes(&changed, member), bytes(&pair.authentication, member));
                assert_eq!(
                    assertion_verifies(&pair, &changed),
                    resign,
                    "{source}: {change}"
                );
                let kept = bytes(&changed, "signature") == bytes(&pair.authentication, "signature");
                assert_eq!(kept, !resign, "{source}: {change}");
            }
        }
    }
}

#[test]
fn every_change_of_a_browsers_assertion_is_made() {
    for (source, pair) in every_source() {
        for change in of_authentication() {
            let changed = sign_in(&pair, &change).unwrap_or_else(|e| panic!("{change}: {e}"));
            assert_ne!(changed, pair.authentication, "{source}: {change}");
        }
    }
}

#[test]
fn a_self_attestation_is_signed_anew_when_the_authenticator_lied() {
    for (source, pair) in every_source() {
        let statement = object(&pair.registration).get("attStmt").cloned().unwrap();
        if statement.get("sig").is_none() || statement.get("x5c").is_some() {
            continue;
        }
        assert!(attestation_verifies(&pair, &pair.registration), "{source}");
        for resign in [true, false] {
            let change = json!({ "at": "authenticator-data/flags", "op": "clear-flags", "value": "up", "resign": resign });
            let changed = register(&pair, &change).unwrap();
            assert_eq!(attestation_verifies(&pair, &changed), resign, "{source}");
        }
    }
}

#[test]
fn what_a_batch_key_signed_is_not_changed_but_tampered_with() {
    for pair in [software("packed", None, None), recorded("chromium-packed")] {
        for resign in [true, false] {
            let change = json!({ "at": "authenticator-data/flags", "op": "clear-flags", "value": "up", "resign": resign });
            let changed = register(&pair, &change);
            if resign {
                let format = "packed".to_owned();
                assert_eq!(changed, Err(NativeError::CannotResign { format }));
            } else {
                let (changed, before) = (object(&changed.unwrap()), object(&pair.registration));
                assert_ne!(changed.get("authData"), before.get("authData"));
                assert_eq!(changed.get("attStmt"), before.get("attStmt"));
            }
        }
        let by_credential = json!({ "at": "attestation-statement/sig", "op": "set", "value": "$BY_CREDENTIAL_KEY" });
        assert!(attestation_verifies(
            &pair,
            &register(&pair, &by_credential).unwrap()
        ));
        let by_other =
            json!({ "at": "attestation-statement/sig", "op": "set", "value": "$BY_OTHER_KEY" });
        assert!(!attestation_verifies(
            &pair,
            &register(&pair, &by_other).unwrap()
        ));
        let emptied = json!({ "at": "certificates/chain", "op": "remove" });
        let emptied = object(&register(&pair, &emptied).unwrap());
        let chain = emptied.get("attStmt").unwrap().get("x5c").cloned();
        assert_eq!(chain, Some(Cbor::List(Vec::new())));
    }
}

#[test]
fn what_can_be_changed_is_known_before_there_is_a_response() {
    let more = [
        json!({ "at": "certificates/leaf/version", "op": "set", "value": 1 }),
        json!({ "at": "certificates/chain", "op": "remove" }),
        json!({ "at": "certificates/chain", "op": "swap" }),
        json!({ "at": "certificates/chain", "op": "append", "value": "$ROOT" }),
        json!({ "at": "signature", "op": "flip-bit" }),
        json!({ "at": "attestation-statement/sig", "op": "set", "value": "$BY_CREDENTIAL_KEY" }),
    ];
    let of_registration = [of_registration(), of_signed_registration(), more.to_vec()].concat();
    let batch = recorded("chromium-packed");
    let own = recorded("firefox-packed");
    for change in &of_registration {
        let parsed = mutation(change);
        for (pair, batch_attested) in [(&batch, true), (&own, false)] {
            let can = can_change(&parsed, CeremonyKind::Registration, batch_attested);
            let changed = register(pair, change);
            assert_eq!(
                changed.is_ok(),
                can,
                "{change}, {batch_attested}: {changed:?}"
            );
        }
    }
    let truncated = json!({ "at": "certificates/chain", "op": "truncate", "value": 1 });
    let can = can_change(&mutation(&truncated), CeremonyKind::Registration, true);
    assert!(!can, "there is nothing above the only certificate");
    let of_authentication = [
        of_authentication(),
        vec![
            json!({ "at": "attestation-object/fmt", "op": "remove" }),
            json!({ "at": "signature", "op": "set", "value": "$WITH_SHA1" }),
            json!({ "at": "signature", "op": "set", "value": "$BY_OTHER_CREDENTIAL" }),
        ],
    ];
    for change in of_authentication.concat() {
        let can = can_change(&mutation(&change), CeremonyKind::Authentication, true);
        assert_eq!(sign_in(&batch, &change).is_ok(), can, "{change}");
    }
}

#[test]
fn a_key_is_asked_for_only_where_something_is_signed() {
    let none = Values::new();
    let pair = recorded("chromium-none");
    let lie = |resign| {
        mutation(
            &json!({ "at": "client-data/origin", "op": "set", "value": "x", "resign": resign }),
        )
    };
    let registration = change_registration(&pair.registration, &lie(true), &none, None);
    assert!(registration.is_ok(), "nothing signs a none attestation");
    let assertion = |resign| change_authentication(&pair.authentication, &lie(resign), &none, None);
    assert_eq!(assertion(true), Err(NativeError::NeedsKey));
    assert!(assertion(false).is_ok());
    let own = software("packed-self", None, None);
    let registration = change_registration(&own.registration, &lie(true), &none, None);
    assert_eq!(registration, Err(NativeError::NeedsKey));
}

#[test]
fn a_change_of_nothing_is_the_authors_error() {
    let pair = recorded("chromium-none");
    for change in [
        json!({ "at": "client-data-hash", "op": "flip-bit" }),
        json!({ "at": "client-data/type", "op": "set", "value": "webauthn.create" }),
        json!({ "at": "to-be-signed/client-data-hash", "op": "remove" }),
    ] {
        let changed = register(&pair, &change);
        assert!(
            matches!(changed, Err(NativeError::Mutation(_))),
            "{change}: {changed:?}"
        );
    }
}

#[test]
fn a_response_that_cannot_be_put_together_again_is_refused() {
    let change = json!({ "at": "response/comment", "op": "set", "value": "x" });
    for member in ["clientDataJSON", "attestationObject"] {
        for broken in [json!("AAAA"), json!("?"), Value::Null] {
            let mut pair = software("none", None, None);
            pair.registration["response"][member] = broken;
            let changed = register(&pair, &change);
            assert!(
                matches!(changed, Err(NativeError::Unreadable(_))),
                "{member}: {changed:?}"
            );
        }
    }
    let mut pair = software("none", None, None);
    pair.registration = json!([]);
    assert!(matches!(
        register(&pair, &change),
        Err(NativeError::Unreadable(_))
    ));
}

#[test]
fn a_browsers_registration_says_what_its_authenticator_is() {
    for (name, aaguid, format, backup_eligible) in OBSERVED {
        let pair = recorded(name);
        let observed = observed(&pair.registration).unwrap();
        assert_eq!(observed.aaguid.to_string(), aaguid, "{name}");
        assert_eq!(observed.format, format, "{name}");
        assert_eq!(observed.backup_eligible, backup_eligible, "{name}");
        let id = from_base64url(pair.registration["id"].as_str().unwrap());
        assert_eq!(Some(observed.credential_id), id, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn one_bit_of_a_browsers_authenticator_data_is_signed_or_not(bit in 0_usize..296, resign: bool) {
        let change = json!({ "at": "authenticator-data", "op": "flip-bit", "value": bit, "resign": resign });
        let pair = recorded("chromium-packed");
        let changed = sign_in(&pair, &change).unwrap();
        prop_assert_eq!(assertion_verifies(&pair, &changed), resign);
        let mut back = bytes(&changed, "authenticatorData");
        back[bit / 8] ^= 0x80 >> (bit % 8);
        prop_assert_eq!(back, bytes(&pair.authentication, "authenticatorData"));
    }
}
