//! Commands as bytes.

use passkey_authenticators::ctaphid::Application as _;
use passkey_authenticators::{
    cbor::Cbor,
    ctap::{KeySettings, Status},
};
use proptest::prelude::*;

use crate::kit::*;

fn rk() -> Vec<(i64, Cbor)> {
    vec![(7, option("rk", true))]
}

#[test]
fn get_info_says_what_the_key_can() {
    let info = answer(&mut key(with_pin("1234")), &[0x04]);
    let versions = ["FIDO_2_0", "FIDO_2_1", "U2F_V2"].map(Cbor::text);
    assert_eq!(info.get("1"), Some(&Cbor::List(versions.to_vec())));
    let options = info.get("4").unwrap();
    for (name, set) in [
        ("clientPin", true),
        ("pinUvAuthToken", true),
        ("credMgmt", true),
        ("plat", false),
    ] {
        assert_eq!(options.get(name), Some(&Cbor::Bool(set)), "{name}");
    }
    assert_eq!(options.get("uv"), None, "there is no built-in verification");
    let protocols = Cbor::List(vec![Cbor::Int(2), Cbor::Int(1)]);
    assert_eq!(info.get("6"), Some(&protocols));
    let without = answer(&mut key(KeySettings::default()), &[0x04]);
    let set = without.get("4").unwrap().get("clientPin");
    assert_eq!(set, Some(&Cbor::Bool(false)));
}

#[test]
fn without_a_pin_a_credential_is_made_and_used_without_user_verification() {
    let mut key = key(KeySettings::default());
    let registration = answer(&mut key, &make("alice", rk()));
    assert_eq!(flags(&registration), 0x41);
    let (_, public) = made(&registration);
    let asserted = answer(&mut key, &get(vec![]));
    assert!(verifies(&public, &asserted));
    assert_eq!(flags(&asserted), 0x01);
    let asked = get(vec![(5, option("uv", true))]);
    assert_eq!(status(&mut key, &asked), Status::InvalidOption.code());
}

#[test]
fn with_a_pin_a_discoverable_credential_needs_it_and_another_does_not() {
    let mut key = key(with_pin("1234"));
    let status = status(&mut key, &make("alice", rk()));
    assert_eq!(status, Status::PuatRequired.code());
    assert_eq!(flags(&answer(&mut key, &make("alice", vec![]))), 0x41);
}

#[test]
fn an_empty_parameter_asks_whether_a_pin_is_set() {
    let asked = make("alice", vec![(8, bytes(&[]))]);
    let without = status(&mut key(KeySettings::default()), &asked);
    assert_eq!(without, Status::PinNotSet.code());
    let with = status(&mut key(with_pin("1234")), &asked);
    assert_eq!(with, Status::PinInvalid.code());
}

#[test]
fn a_parameter_without_a_token_is_not_authentic() {
    for (protocol, expected) in [
        (vec![(9, Cbor::Int(2))], Status::PinAuthInvalid),
        (vec![(9, Cbor::Int(3))], Status::InvalidParameter),
        (vec![], Status::MissingParameter),
    ] {
        let more = [vec![(8, bytes(&[1; 32]))], protocol].concat();
        let status = status(&mut key(with_pin("1234")), &make("alice", more));
        assert_eq!(status, expected.code());
    }
}

#[test]
fn a_full_key_takes_no_other_account_and_the_same_one_again() {
    let settings = KeySettings {
        capacity: 2,
        ..KeySettings::default()
    };
    let mut key = key(settings);
    answer(&mut key, &make("alice", rk()));
    answer(&mut key, &make("bobby", rk()));
    let info = answer(&mut key, &[0x04]);
    assert_eq!(info.get("20"), Some(&Cbor::Int(0)));
    let full = status(&mut key, &make("carol", rk()));
    assert_eq!(full, Status::KeyStoreFull.code());
    answer(&mut key, &make("bobby", rk()));
    answer(&mut key, &make("carol", vec![]));
    assert_eq!(key.authenticator().credentials(RP_ID).count(), 3);
}

#[test]
fn an_excluded_credential_is_not_made_twice() {
    let mut key = key(KeySettings::default());
    let (id, _) = made(&answer(&mut key, &make("alice", vec![])));
    let again = make("alice", vec![(5, ids(&[&id]))]);
    assert_eq!(status(&mut key, &again), Status::CredentialExcluded.code());
}

#[test]
fn credentials_are_protected_as_their_level_says() {
    for (level, found, listed) in [(1, true, true), (2, false, true), (3, false, false)] {
        let mut key = key(KeySettings::default());
        let protect = named(vec![("credProtect", Cbor::Int(level))]);
        let made = answer(
            &mut key,
            &make("alice", [vec![(6, protect)], rk()].concat()),
        );
        let id = made.get("2").unwrap().as_bytes().unwrap()[55..87].to_vec();
        let outcome = |found| {
            if found {
                Status::Ok
            } else {
                Status::NoCredentials
            }
            .code()
        };
        assert_eq!(status(&mut key, &get(vec![])), outcome(found), "{level}");
        let listing = get(vec![(3, ids(&[&id]))]);
        assert_eq!(status(&mut key, &listing), outcome(listed), "{level}");
    }
}

#[test]
fn one_assertion_after_the_other_until_another_command_or_a_power_cycle() {
    let mut key = key(KeySettings::default());
    for user in ["alice", "bobby", "carol"] {
        answer(&mut key, &make(user, rk()));
    }
    let first = answer(&mut key, &get(vec![]));
    assert_eq!(first.get("5"), Some(&Cbor::Int(3)));
    let user = |answer: &Cbor| answer.get("4").unwrap().get("id").unwrap().clone();
    assert_eq!(user(&first), bytes(b"carol"));
    assert_eq!(user(&answer(&mut key, &[0x08])), bytes(b"bobby"));
    let named = first.get("4").unwrap().get("name");
    assert_eq!(named, None, "nobody was verified");
    key.power_cycle();
    assert_eq!(status(&mut key, &[0x08]), Status::NotAllowed.code());
    answer(&mut key, &get(vec![]));
    answer(&mut key, &[0x04]);
    assert_eq!(status(&mut key, &[0x08]), Status::NotAllowed.code());
}

#[test]
fn a_touch_is_waited_for_where_a_person_has_to_be_there() {
    let key = key(KeySettings::default());
    let silent = get(vec![(5, option("up", false))]);
    for (request, waits) in [
        (make("alice", vec![]), true),
        (get(vec![]), true),
        (silent, false),
        (vec![0x04], false),
        (vec![0x07], true),
        (vec![0x0b], true),
        (vec![], false),
    ] {
        assert_eq!(
            key.waits_for_touch(&request, false),
            waits,
            "{request:02x?}"
        );
    }
}

#[test]
fn a_silent_assertion_says_that_nobody_was_there() {
    let mut key = key(KeySettings::default());
    let (id, _) = made(&answer(&mut key, &make("alice", vec![])));
    let silent = get(vec![(3, ids(&[&id])), (5, option("up", false))]);
    assert_eq!(flags(&answer(&mut key, &silent)), 0);
}

#[test]
fn a_reset_leaves_neither_credentials_nor_a_pin() {
    let mut key = key(with_pin("1234"));
    answer(&mut key, &make("alice", vec![]));
    assert_eq!(status(&mut key, &[0x07]), Status::Ok.code());
    assert_eq!(key.authenticator().credentials(RP_ID).count(), 0);
    let info = answer(&mut key, &[0x04]);
    let set = info.get("4").unwrap().get("clientPin");
    assert_eq!(set, Some(&Cbor::Bool(false)));
}

#[test]
fn a_u2f_key_knows_no_cbor() {
    let settings = KeySettings {
        u2f_only: true,
        ..KeySettings::default()
    };
    let mut key = key(settings);
    assert!(!key.speaks_cbor());
    assert_eq!(key.cbor(&[0x04]), [Status::InvalidCommand.code()]);
    assert!(!key.waits_for_touch(&[0x07], false));
}

#[test]
fn wrong_commands_have_the_status_of_the_specification() {
    let pin = |entries| command(0x06, &map(entries));
    let manage = |entries| command(0x0a, &map(entries));
    let agreement = (3, named(vec![]));
    for (request, expected) in [
        (vec![], Status::InvalidLength),
        (vec![0x40], Status::InvalidCommand),
        (vec![0x0b, 0xa0], Status::InvalidLength),
        (pin(vec![]), Status::MissingParameter),
        (pin(vec![(2, Cbor::Int(6))]), Status::InvalidSubcommand),
        (pin(vec![(2, Cbor::Int(2))]), Status::MissingParameter),
        (
            pin(vec![(1, Cbor::Int(3)), (2, Cbor::Int(2))]),
            Status::InvalidParameter,
        ),
        (
            pin(vec![
                (1, Cbor::Int(1)),
                (2, Cbor::Int(5)),
                agreement,
                (6, bytes(&[])),
            ]),
            Status::InvalidParameter,
        ),
        (manage(vec![(1, Cbor::Int(1))]), Status::PuatRequired),
        (manage(vec![(1, Cbor::Int(3))]), Status::NotAllowed),
        (manage(vec![(1, Cbor::Int(9))]), Status::InvalidSubcommand),
    ] {
        let status = status(&mut key(with_pin("1234")), &request);
        assert_eq!(status, expected.code(), "{request:02x?}");
    }
}

#[test]
fn a_key_may_go_to_another_thread() {
    let mut key = key(KeySettings::default());
    let answered = std::thread::spawn(move || status(&mut key, &[0x0b]));
    assert_eq!(answered.join().unwrap(), Status::Ok.code());
}

#[test]
fn two_keys_of_a_seed_answer_the_same() {
    let agreement = command(0x06, &map(vec![(1, Cbor::Int(1)), (2, Cbor::Int(2))]));
    let requests = [make("alice", vec![]), agreement, get(vec![])];
    let answers = || {
        let mut key = key(with_pin("1234"));
        requests
            .iter()
            .map(|request| key.cbor(request))
            .collect::<Vec<_>>()
    };
    assert_eq!(answers(), answers());
}

fn any_cbor() -> impl Strategy<Value = Cbor> {
    let leaf = prop_oneof![
        (-300_i64..300).prop_map(Cbor::Int),
        prop::collection::vec(any::<u8>(), 0..70).prop_map(Cbor::Bytes),
        prop::sample::select(vec!["id", "type", "public-key", "rp.test", "alg", "name"])
            .prop_map(Cbor::text),
        any::<bool>().prop_map(Cbor::Bool),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Cbor::List),
            prop::collection::vec((inner.clone(), inner), 0..4).prop_map(Cbor::Map),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_answered_with_a_status(code in 0_u8..0x10, bytes: Vec<u8>) {
        let mut key = key(with_pin("1234"));
        for request in [bytes.clone(), [&[code], bytes.as_slice()].concat()] {
            let _ = key.waits_for_touch(&request, false);
            prop_assert!(!key.cbor(&request).is_empty());
        }
    }

    /// A command whose parameters have the right labels, in order, and anything in them.
    #[test]
    fn any_parameters_are_answered_with_a_status(
        code in prop::sample::select(vec![0x01_u8, 0x02, 0x06, 0x0a]),
        subcommand in 0_i64..10,
        values in prop::collection::btree_map(1_i64..11, any_cbor(), 0..8),
    ) {
        let mut key = key(with_pin("1234"));
        let label = if code == 0x06 { 2 } else { 1 };
        let mut values = values;
        if code > 0x02 {
            values.insert(label, Cbor::Int(subcommand));
        }
        let request = command(code, &map(values.into_iter().collect()));
        prop_assert!(!key.cbor(&request).is_empty());
    }
}
