//! CTAP2 commands: statuses, what the answers say, and that nothing makes it panic.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};
use passkey_authenticators::{
    SoftwareAuthenticator,
    cbor::Cbor,
    ctap::{self, Status},
    seed::Seed,
};
use passkey_model::provider::AuthenticatorModel;
use proptest::prelude::*;
use serde_json::json;

const HASH: [u8; 32] = [7; 32];

fn authenticator(user_verification: &str) -> SoftwareAuthenticator {
    let model: AuthenticatorModel = serde_json::from_value(json!({
        "aaguid": "00112233-4455-6677-8899-aabbccddeeff",
        "backup-eligible": false, "backup-state": false, "attestation": "packed-self",
        "transports": ["usb"], "user-verification": user_verification,
        "algorithms": ["ES256"], "sign-counter": "increments",
    }))
    .unwrap();
    SoftwareAuthenticator::new(model, Seed::new(0, "ctap"))
}

fn map(entries: Vec<(i64, Cbor)>) -> Cbor {
    let entry = |(label, value)| (Cbor::Int(label), value);
    Cbor::Map(entries.into_iter().map(entry).collect())
}

fn named(entries: Vec<(&str, Cbor)>) -> Cbor {
    let entry = |(name, value)| (Cbor::text(name), value);
    Cbor::Map(entries.into_iter().map(entry).collect())
}

fn bytes(bytes: &[u8]) -> Cbor {
    Cbor::Bytes(bytes.to_vec())
}

fn public_key(member: &str, value: Cbor) -> Cbor {
    named(if member < "type" && member.len() <= 4 {
        vec![(member, value), ("type", Cbor::text("public-key"))]
    } else {
        vec![("type", Cbor::text("public-key")), (member, value)]
    })
}

fn command(code: u8, parameters: &Cbor) -> Vec<u8> {
    [&[code], parameters.encode().as_slice()].concat()
}

/// makeCredential for a user, with more parameters (labels 5 and up) and without some.
fn make(user: &[u8], more: Vec<(i64, Cbor)>, without: Option<i64>) -> Vec<u8> {
    let mut entries = vec![
        (1, bytes(&HASH)),
        (2, named(vec![("id", Cbor::text("rp.test"))])),
        (3, named(vec![("id", bytes(user))])),
        (
            4,
            Cbor::List(vec![
                public_key("alg", Cbor::Int(-257)),
                public_key("alg", Cbor::Int(-7)),
            ]),
        ),
    ];
    entries.retain(|(label, _)| Some(*label) != without);
    entries.extend(more);
    command(0x01, &map(entries))
}

fn get(more: Vec<(i64, Cbor)>) -> Vec<u8> {
    let mut entries = vec![(1, Cbor::text("rp.test")), (2, bytes(&HASH))];
    entries.extend(more);
    command(0x02, &map(entries))
}

fn option(name: &str, set: bool) -> Cbor {
    named(vec![(name, Cbor::Bool(set))])
}

fn rk() -> Vec<(i64, Cbor)> {
    vec![(7, option("rk", true))]
}

fn status(authenticator: &mut SoftwareAuthenticator, command: &[u8]) -> Status {
    ctap::handle(authenticator, command).0
}

fn answer(authenticator: &mut SoftwareAuthenticator, command: &[u8]) -> Cbor {
    let (status, body) = ctap::handle(authenticator, command);
    assert_eq!(status, Status::Ok);
    Cbor::decode_canonical(&body).expect("canonical CBOR")
}

/// The credential ID and the key of a makeCredential answer.
fn made(answer: &Cbor) -> (Vec<u8>, VerifyingKey) {
    let data = answer.get("2").unwrap().as_bytes().unwrap();
    let cose = Cbor::decode(&data[87..]).expect("a COSE key, and nothing behind it");
    let half = |label| cose.get(label).unwrap().as_bytes().unwrap();
    let point = [&[4], half("-2"), half("-3")].concat();
    (
        data[55..87].to_vec(),
        VerifyingKey::from_sec1_bytes(&point).unwrap(),
    )
}

fn verifies(key: &VerifyingKey, answer: &Cbor) -> bool {
    let data = answer.get("2").unwrap().as_bytes().unwrap();
    let signature = answer.get("3").unwrap().as_bytes().unwrap();
    let signature = Signature::from_der(signature).unwrap();
    key.verify(&[data, &HASH].concat(), &signature).is_ok()
}

fn user(answer: &Cbor) -> Option<&[u8]> {
    answer.get("4")?.get("id")?.as_bytes()
}

fn id_list(ids: &[&[u8]]) -> Cbor {
    Cbor::List(ids.iter().map(|id| public_key("id", bytes(id))).collect())
}

#[test]
fn get_info_says_what_the_model_is() {
    let info = answer(&mut authenticator("verifies"), &[0x04]);
    assert_eq!(
        info.get("1"),
        Some(&Cbor::List(vec![Cbor::text("FIDO_2_0")]))
    );
    assert_eq!(
        info.get("3").unwrap().as_bytes().unwrap()[..2],
        [0x00, 0x11]
    );
    assert_eq!(info.get("4").unwrap().get("uv"), Some(&Cbor::Bool(true)));
    let info = answer(&mut authenticator("never"), &[0x04]);
    assert_eq!(info.get("4").unwrap().get("uv"), None);
}

#[test]
fn what_is_made_verifies_with_flags_counter_and_user() {
    let mut key = authenticator("verifies");
    let uv_rk = named(vec![("rk", Cbor::Bool(true)), ("uv", Cbor::Bool(true))]);
    let registration = answer(&mut key, &make(b"alice", vec![(7, uv_rk)], None));
    assert_eq!(registration.get("1"), Some(&Cbor::text("packed")));
    let (id, public) = made(&registration);
    let asserted = answer(&mut key, &get(vec![(5, option("uv", true))]));
    assert!(verifies(&public, &asserted));
    let data = asserted.get("2").unwrap().as_bytes().unwrap();
    assert_eq!(
        data[32..],
        [0x05, 0, 0, 0, 2],
        "UP and UV, the second signature"
    );
    assert_eq!(user(&asserted), Some(&b"alice"[..]));
    let descriptor = asserted.get("1").unwrap();
    assert_eq!(descriptor.get("id").unwrap().as_bytes(), Some(&id[..]));
    let silent = answer(&mut key, &get(vec![(5, option("up", false))]));
    assert_eq!(silent.get("2").unwrap().as_bytes().unwrap()[32], 0);
}

#[test]
fn one_key_after_the_other_the_newest_first() {
    let mut key = authenticator("verifies");
    for user in [b"alice", b"bobby", b"carol"] {
        answer(&mut key, &make(user, rk(), None));
    }
    answer(&mut key, &make(b"david", vec![], None));
    let first = answer(&mut key, &get(vec![]));
    assert_eq!(
        first.get("5"),
        Some(&Cbor::Int(3)),
        "david's is not discoverable"
    );
    assert_eq!(user(&first), Some(&b"carol"[..]));
    assert_eq!(user(&answer(&mut key, &[0x08])), Some(&b"bobby"[..]));
    assert_eq!(user(&answer(&mut key, &[0x08])), Some(&b"alice"[..]));
    assert_eq!(status(&mut key, &[0x08]), Status::NotAllowed);
    answer(&mut key, &get(vec![]));
    answer(&mut key, &[0x04]);
    assert_eq!(
        status(&mut key, &[0x08]),
        Status::NotAllowed,
        "a command came in between"
    );
}

#[test]
fn a_discoverable_credential_of_the_same_user_takes_the_others_place() {
    let mut key = authenticator("verifies");
    let (first, _) = made(&answer(&mut key, &make(b"alice", rk(), None)));
    let (second, _) = made(&answer(&mut key, &make(b"alice", rk(), None)));
    assert_ne!(first, second);
    let asserted = answer(&mut key, &get(vec![]));
    assert_eq!(asserted.get("5"), None);
    let kept = asserted.get("1").unwrap().get("id").unwrap().as_bytes();
    assert_eq!(kept, Some(&second[..]));
}

#[test]
fn lists_exclude_and_allow() {
    let mut key = authenticator("verifies");
    let registration = answer(&mut key, &make(b"alice", vec![], None));
    let (id, public) = made(&registration);
    let excluded = vec![(5, id_list(&[b"other", &id]))];
    assert_eq!(
        status(&mut key, &make(b"alice", excluded, None)),
        Status::CredentialExcluded
    );
    assert_eq!(status(&mut key, &get(vec![])), Status::NoCredentials);
    assert_eq!(
        status(&mut key, &get(vec![(3, id_list(&[b"other"]))])),
        Status::NoCredentials
    );
    let asserted = answer(&mut key, &get(vec![(3, id_list(&[&id]))]));
    assert!(verifies(&public, &asserted));
    assert_eq!(user(&asserted), None, "it is not discoverable");
    assert_eq!(status(&mut key, &[0x07]), Status::Ok);
    assert_eq!(
        status(&mut key, &get(vec![(3, id_list(&[&id]))])),
        Status::NoCredentials
    );
}

#[test]
fn a_protected_credential_hides_until_the_user_is_verified() {
    let mut key = authenticator("verifies");
    let protect = named(vec![("credProtect", Cbor::Int(3))]);
    let more = vec![(6, protect.clone()), (7, option("rk", true))];
    let registration = answer(&mut key, &make(b"alice", more, None));
    let data = registration.get("2").unwrap().as_bytes().unwrap();
    assert_eq!(data[32] & 0x80, 0x80, "ED");
    assert!(data.ends_with(&protect.encode()));
    let allowed = vec![(3, id_list(&[&data[55..87]]))];
    assert_eq!(status(&mut key, &get(allowed)), Status::NoCredentials);
    assert_eq!(
        status(&mut key, &get(vec![(5, option("uv", true))])),
        Status::Ok
    );
}

#[test]
fn wrong_commands_have_the_status_of_the_specification() {
    let list = |item| Cbor::List(vec![item]);
    let cases = [
        (vec![], Status::InvalidLength),
        (vec![0x40], Status::InvalidCommand),
        (vec![0x04, 0xa0], Status::InvalidLength),
        (vec![0x08], Status::NotAllowed),
        (vec![0x01], Status::InvalidCbor),
        (vec![0x01, 0xbf, 0xff], Status::InvalidCbor),
        (
            vec![0x01, 0xa2, 0x02, 0x00, 0x01, 0x00],
            Status::InvalidCbor,
        ),
        (
            vec![0x02, 0xa2, 0x01, 0x00, 0x01, 0x00],
            Status::InvalidCbor,
        ),
        (vec![0x01, 0x80], Status::UnexpectedType),
        (make(b"a", vec![], Some(1)), Status::MissingParameter),
        (make(b"a", vec![], Some(2)), Status::MissingParameter),
        (make(b"a", vec![], Some(3)), Status::MissingParameter),
        (make(b"a", vec![], Some(4)), Status::MissingParameter),
        (
            make(b"a", vec![(5, Cbor::Int(1))], None),
            Status::UnexpectedType,
        ),
        (
            make(b"a", vec![(5, list(named(vec![])))], None),
            Status::InvalidCbor,
        ),
        (
            make(
                b"a",
                vec![(6, named(vec![("credProtect", Cbor::Int(9))]))],
                None,
            ),
            Status::InvalidOption,
        ),
        (
            make(b"a", vec![(6, named(vec![("unknown", Cbor::Null)]))], None),
            Status::Ok,
        ),
        (
            make(b"a", vec![(7, option("up", false))], None),
            Status::InvalidOption,
        ),
        (
            make(b"a", vec![(7, option("uv", true))], None),
            Status::UnsupportedOption,
        ),
        (
            make(b"a", vec![(7, option("unknown", true))], None),
            Status::Ok,
        ),
        (
            make(b"a", vec![(7, named(vec![("rk", Cbor::Int(1))]))], None),
            Status::UnexpectedType,
        ),
        (make(b"a", vec![(8, bytes(&[]))], None), Status::PinNotSet),
        (
            make(b"a", vec![(8, bytes(&[1])), (9, Cbor::Int(1))], None),
            Status::PinAuthInvalid,
        ),
        (
            get(vec![(5, option("rk", true))]),
            Status::UnsupportedOption,
        ),
        (
            get(vec![(5, option("uv", true))]),
            Status::UnsupportedOption,
        ),
        (get(vec![]), Status::NoCredentials),
    ];
    for (command, expected) in cases {
        assert_eq!(
            status(&mut authenticator("never"), &command),
            expected,
            "{command:02x?}"
        );
    }
    let mut key = authenticator("never");
    key.model.algorithms.clear();
    assert_eq!(
        status(&mut key, &make(b"a", vec![], None)),
        Status::UnsupportedAlgorithm
    );
}

fn any_cbor() -> impl Strategy<Value = Cbor> {
    let leaf = prop_oneof![
        (-300_i64..300).prop_map(Cbor::Int),
        any::<Vec<u8>>().prop_map(Cbor::Bytes),
        prop::sample::select(vec![
            "id",
            "type",
            "public-key",
            "rp.test",
            "alg",
            "uv",
            "rk",
            "credProtect"
        ])
        .prop_map(Cbor::text),
        any::<bool>().prop_map(Cbor::Bool),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Cbor::List),
            prop::collection::vec((inner.clone(), inner), 0..4).prop_map(Cbor::Map),
        ]
    })
}

proptest! {
    #[test]
    fn random_bytes_never_panic(code in 0_u8..0x10, bytes: Vec<u8>) {
        let mut key = authenticator("verifies");
        let _ = ctap::handle(&mut key, &bytes);
        let _ = ctap::handle(&mut key, &[&[code], bytes.as_slice()].concat());
    }

    /// A good command with one parameter that is something else.
    #[test]
    fn random_parameters_never_panic(registers: bool, label in 1_i64..10, value in any_cbor()) {
        let mut key = authenticator("verifies");
        let more = if label > 4 { vec![(label, value.clone())] } else { vec![] };
        let good = if registers { make(b"alice", more, None) } else { get(more) };
        let mut parameters = Cbor::decode(&good[1..]).unwrap();
        if let Cbor::Map(entries) = &mut parameters {
            for entry in entries.iter_mut().filter(|(known, _)| *known == Cbor::Int(label)) {
                entry.1 = value.clone();
            }
        }
        let _ = ctap::handle(&mut key, &command(good[0], &parameters));
    }

    #[test]
    fn whatever_the_user_handle_the_assertion_verifies(user_handle in prop::collection::vec(any::<u8>(), 1..65)) {
        let mut key = authenticator("always");
        let (_, public) = made(&answer(&mut key, &make(&user_handle, rk(), None)));
        let asserted = answer(&mut key, &get(vec![]));
        prop_assert!(verifies(&public, &asserted));
        prop_assert_eq!(user(&asserted), Some(user_handle.as_slice()));
    }
}
