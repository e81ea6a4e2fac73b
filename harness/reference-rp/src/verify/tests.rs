//! Steps whose behaviour is subtle, each on an exchange that is honest in everything else.

#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;
use crate::{
    defects::Defect,
    parse::{base64url, to_base64url},
    policy::{AttestationLevel, BackupEligibilityAtSignIn, InvalidStatement},
    sample::{BE, CHALLENGE, Sample, UP, UV, expected},
};

fn reasons<T>(result: Result<T, Refusal>) -> Vec<String> {
    result
        .err()
        .map(|refusal| refusal.reasons)
        .unwrap_or_default()
}

fn register(sample: &Sample, expected: &Expected, defects: impl Into<Defects>) -> Vec<String> {
    reasons(verify_registration(
        &sample.registration(),
        expected,
        &defects.into(),
    ))
}

fn sign_in(sample: &Sample, record: Record, defects: impl Into<Defects>) -> Vec<String> {
    reasons(verify_authentication(
        &sample.authentication(record),
        &expected(),
        &defects.into(),
    ))
}

fn profiles(types: &str, enforcement: &str) -> Option<Value> {
    Some(json!({
        "state": "enabled",
        "isSelfServiceRegistrationAllowed": true,
        "defaultPasskeyProfile": "p",
        "includeTargets": [{ "id": "all_users", "allowedPasskeyProfiles": ["p"] }],
        "excludeTargets": [],
        "passkeyProfiles": [{
            "id": "p",
            "name": "p",
            "passkeyTypes": types,
            "attestationEnforcement": enforcement,
            "keyRestrictions": { "isEnforced": false, "enforcementType": "allow", "aaGuids": [] },
        }],
    }))
}

const NONE: [&str; 0] = [];

#[test]
fn honest_exchanges_are_accepted() {
    for format in ["none", "packed"] {
        let sample = Sample {
            format,
            ..Sample::new()
        };
        assert_eq!(register(&sample, &expected(), Defects::NONE), NONE);
        let record = sample.record();
        let next = Sample { count: 2, ..sample };
        assert_eq!(sign_in(&next, record, Defects::NONE), NONE);
    }
}

#[test]
fn origins_are_compared_as_wholes() {
    let prefix = Defects::from(Defect::OriginComparedByPrefix);
    let suffix = Defects::from(Defect::OriginComparedBySuffix);
    for (origin, by_prefix, by_suffix) in [
        ("https://login.rp.test.evil.example", true, false),
        ("https://login.rp.test:444", true, true),
        ("https://other.rp.test", false, true),
        ("https://rp.test", false, true),
        ("https://evilrp.test", false, false),
        ("http://login.rp.test", false, false),
    ] {
        let sample = Sample {
            client_data: json!({ "origin": origin }),
            ..Sample::new()
        };
        let expected = expected();
        assert_eq!(register(&sample, &expected, Defects::NONE), ["reg.9"]);
        assert_eq!(register(&sample, &expected, prefix).is_empty(), by_prefix);
        assert_eq!(register(&sample, &expected, suffix).is_empty(), by_suffix);
    }
}

#[test]
fn embedding_has_to_be_expected() {
    let embedded = |client_data| Sample {
        client_data,
        ..Sample::new()
    };
    let mut open = expected();
    open.cross_origin = true;
    open.top_origins = vec!["https://partner.test".to_owned()];
    let inside = embedded(json!({ "crossOrigin": true }));
    assert_eq!(register(&inside, &expected(), Defects::NONE), ["reg.10"]);
    assert_eq!(register(&inside, &open, Defects::NONE), NONE);
    let text = embedded(json!({ "crossOrigin": "true" }));
    assert_eq!(register(&text, &expected(), Defects::NONE), ["reg.10"]);
    let partner = embedded(json!({ "topOrigin": "https://partner.test" }));
    assert_eq!(register(&partner, &open, Defects::NONE), NONE);
    assert_eq!(register(&partner, &expected(), Defects::NONE), ["reg.11"]);
    let stranger = embedded(json!({ "crossOrigin": true, "topOrigin": "https://evil.test" }));
    assert_eq!(register(&stranger, &open, Defects::NONE), ["reg.11"]);
}

#[test]
fn conditional_creation_needs_no_gesture_but_signing_in_does() {
    let sample = Sample {
        flags: UV,
        ..Sample::new()
    };
    let mut exchange = sample.registration();
    let verify =
        |exchange: &Registration| verify_registration(exchange, &expected(), &Defects::NONE);
    assert_eq!(reasons(verify(&exchange)), ["reg.15"]);
    exchange.conditional = true;
    assert_eq!(reasons(verify(&exchange)), NONE);
    let record = verify(&exchange).unwrap();
    let next = Sample { count: 2, ..sample };
    assert_eq!(sign_in(&next, record, Defects::NONE), ["auth.16"]);
}

#[test]
fn reserved_flags_do_not_matter_and_bs_needs_be() {
    let flags = |flags| Sample {
        flags,
        ..Sample::new()
    };
    assert_eq!(
        register(&flags(UP | UV | 0x22), &expected(), Defects::NONE),
        NONE
    );
    assert_eq!(
        register(&flags(UP | UV | 0x10), &expected(), Defects::NONE),
        ["reg.17"]
    );
}

#[test]
fn counters_rise_unless_there_is_none() {
    let stored = |count| Sample {
        count,
        ..Sample::new()
    };
    for (before, after, refused) in [
        (0, 0, false),
        (0, 1, false),
        (5, 6, false),
        (5, 5, true),
        (5, 4, true),
        (5, 0, true),
    ] {
        let sample = stored(before);
        let record = sample.record();
        let next = Sample {
            count: after,
            ..sample
        };
        let expected: &[&str] = if refused { &["auth.22"] } else { &[] };
        assert_eq!(sign_in(&next, record.clone(), Defects::NONE), expected);
        let equal = sign_in(&next, record.clone(), Defect::SignCountEqualAccepted);
        assert_eq!(equal.is_empty(), !refused || before == after);
        assert_eq!(sign_in(&next, record, Defect::SignCountNotCompared), NONE);
    }
}

#[test]
fn the_user_is_the_one_who_was_named_or_the_handles() {
    let sample = Sample {
        count: 2,
        ..Sample::new()
    };
    let record = Sample {
        count: 1,
        ..Sample::new()
    }
    .record();
    let mut record = Record {
        key: sample.record().key,
        ..record
    };
    record.user = "alice".to_owned();
    let verify = |exchange: &Authentication, defects: Defects| {
        reasons(verify_authentication(exchange, &expected(), &defects))
    };
    let mut exchange = sample.authentication(record);
    exchange.identified = Some("mallory".to_owned());
    assert_eq!(verify(&exchange, Defects::NONE), ["auth.6"]);
    assert_eq!(
        verify(&exchange, Defect::CredentialOwnerNotCompared.into()),
        NONE
    );
    exchange.identified = None;
    exchange.response["response"]["userHandle"] = Value::Null;
    assert_eq!(verify(&exchange, Defects::NONE), ["auth.6"]);
    assert_eq!(
        verify(&exchange, Defect::MissingUserHandleAccepted.into()),
        NONE
    );
    exchange.identified = Some("alice".to_owned());
    assert_eq!(verify(&exchange, Defects::NONE), NONE);
    exchange.response["response"]["userHandle"] = json!(to_base64url(b"another"));
    assert_eq!(verify(&exchange, Defects::NONE), ["auth.6"]);
    exchange.response["response"]["userHandle"] = json!(7);
    assert_eq!(verify(&exchange, Defects::NONE), ["auth.6"]);
    exchange.allowed = vec![b"other".to_vec()];
    exchange.response["response"]["userHandle"] = json!(to_base64url(b"handle"));
    assert_eq!(verify(&exchange, Defects::NONE), ["auth.5"]);
}

#[test]
fn a_change_of_eligibility_is_refused_unless_the_switch_says_otherwise() {
    let sample = Sample::new();
    let record = sample.record();
    let next = Sample {
        count: 2,
        flags: UP | UV | BE,
        ..sample
    };
    assert_eq!(sign_in(&next, record.clone(), Defects::NONE), ["auth.19"]);
    let mut observed = expected();
    observed.switches.backup_eligibility_at_sign_in = BackupEligibilityAtSignIn::EntraObserved;
    let exchange = next.authentication(record);
    assert!(verify_authentication(&exchange, &observed, &Defects::NONE).is_ok());
}

#[test]
fn the_app_id_counts_where_it_was_asked_for_and_used() {
    // What the sample signs is scoped to rp.test, which is an AppID here.
    let sample = Sample::new();
    let record = sample.record();
    let sample = Sample { count: 2, ..sample };
    let elsewhere = Expected {
        rp_id: "login.test".to_owned(),
        ..expected()
    };
    let verify = |asked: Value, output: Value, defects: Defects| {
        let mut exchange = sample.authentication(record.clone());
        exchange.extensions = asked.as_object().unwrap().clone();
        exchange.response["clientExtensionResults"] = output;
        reasons(verify_authentication(&exchange, &elsewhere, &defects))
    };
    let asked = json!({ "appid": "rp.test" });
    let refused = ["auth.15"];
    let used = json!({ "appid": true });
    assert!(verify(asked.clone(), used.clone(), Defects::NONE).is_empty());
    for output in [json!({}), json!({ "appid": false }), json!({ "appid": 1 })] {
        assert_eq!(
            verify(asked.clone(), output.clone(), Defects::NONE),
            refused
        );
        let lax = Defect::AppIdIsAnotherRpId.into();
        assert!(verify(asked.clone(), output, lax).is_empty());
    }
    assert_eq!(verify(json!({}), used, Defects::NONE), refused);
}

#[test]
fn attested_data_in_an_assertion_is_refused() {
    let sample = Sample {
        count: 2,
        ..Sample::new()
    };
    let mut exchange = sample.authentication(sample.record());
    let data = exchange.response["response"]["authenticatorData"]
        .as_str()
        .unwrap();
    let mut data = base64url(data).unwrap();
    data.push(0);
    exchange.response["response"]["authenticatorData"] = json!(to_base64url(&data));
    let verify = |exchange: &Authentication| {
        reasons(verify_authentication(exchange, &expected(), &Defects::NONE))
    };
    assert_eq!(verify(&exchange), ["auth.7"]);
    exchange.response["response"]["authenticatorData"] = json!("");
    assert_eq!(verify(&exchange), ["auth.7"]);
}

#[test]
fn a_signature_over_authenticator_data_alone_is_none() {
    use aws_lc_rs::rand::SystemRandom;
    let sample = Sample {
        count: 2,
        ..Sample::new()
    };
    let mut record = sample.record();
    record.sign_count = 1;
    let mut exchange = sample.authentication(record);
    let data = exchange.response["response"]["authenticatorData"]
        .as_str()
        .unwrap();
    let sig = sample
        .key
        .sign(&SystemRandom::new(), &base64url(data).unwrap())
        .unwrap();
    exchange.response["response"]["signature"] = json!(to_base64url(sig.as_ref()));
    let verify = |defects| reasons(verify_authentication(&exchange, &expected(), &defects));
    assert_eq!(verify(Defects::NONE), ["auth.21"]);
    assert_eq!(verify(Defect::ClientDataNotSigned.into()), NONE);
}

#[test]
fn policy_comes_after_the_ceremony() {
    let sample = Sample {
        flags: UP | UV | BE,
        ..Sample::new()
    };
    let mut strict = expected();
    strict.policy = profiles("deviceBound", "disabled");
    assert_eq!(register(&sample, &strict, Defects::NONE), ["type"]);
    let mut exchange = sample.registration();
    exchange.registered = vec![vec![1, 2, 3, 4]];
    let refused = reasons(verify_registration(&exchange, &strict, &Defects::NONE));
    assert_eq!(refused, ["reg.26"]);
}

#[test]
fn an_invalid_statement_is_ignored_only_where_none_is_enforced() {
    let sample = Sample {
        format: "packed",
        ..Sample::new()
    };
    let mut exchange = sample.registration();
    // Another challenge is signed than the one that is compared: the statement alone is wrong.
    let other = sample.create("another").to_owned();
    let object = other["response"]["attestationObject"].clone();
    exchange.response["response"]["attestationObject"] = object;
    let mut expected = expected();
    let verify =
        |expected: &Expected| reasons(verify_registration(&exchange, expected, &Defects::NONE));
    expected.switches.invalid_statement = InvalidStatement::Ignored;
    assert_eq!(verify(&expected), ["reg.22"], "without profiles");
    expected.policy = profiles("deviceBound", "registrationOnly");
    assert_eq!(verify(&expected), ["reg.22"]);
    expected.policy = profiles("deviceBound", "disabled");
    assert_eq!(verify(&expected), NONE);
    expected.switches.invalid_statement = InvalidStatement::Refused;
    assert_eq!(verify(&expected), ["reg.22"]);
}

#[test]
fn unknown_formats_are_for_the_policy_where_there_is_one() {
    let sample = Sample {
        format: "custom",
        ..Sample::new()
    };
    assert_eq!(register(&sample, &expected(), Defects::NONE), ["reg.21"]);
    let mut with_profiles = expected();
    with_profiles.policy = profiles("deviceBound", "disabled");
    assert_eq!(register(&sample, &with_profiles, Defects::NONE), NONE);
    let long = Sample {
        format: "a-custom-format-of-more-than-32-characters",
        ..sample
    };
    assert_eq!(register(&long, &with_profiles, Defects::NONE), ["format"]);
}

#[test]
fn self_attestation_proves_nothing() {
    let sample = Sample {
        format: "packed",
        ..Sample::new()
    };
    let mut enforced = expected();
    enforced.switches.attestation_level = AttestationLevel::NotAttested;
    enforced.policy = profiles("deviceBound", "registrationOnly");
    assert_eq!(register(&sample, &enforced, Defects::NONE), ["attestation"]);
    enforced.policy = None;
    enforced.attestation_required = true;
    assert_eq!(register(&sample, &enforced, Defects::NONE), ["reg.24"]);
}

#[test]
fn a_response_is_recorded_as_what_it_is() {
    let sample = Sample::new();
    let mut exchange = sample.registration();
    exchange.response["response"]["signature"] = json!("AA");
    let verify = |exchange: &Registration| {
        reasons(verify_registration(exchange, &expected(), &Defects::NONE))
    };
    assert_eq!(verify(&exchange), ["reg.3"]);
    let mut exchange = sample.registration();
    exchange.response["rawId"] = json!("BBBB");
    assert_eq!(verify(&exchange), ["parse"]);
    exchange.response["id"] = json!("BBBB");
    assert_eq!(verify(&exchange), ["parse"]);
    let mut exchange = sample.registration();
    exchange.challenge = None;
    assert_eq!(verify(&exchange), ["reg.8"]);
    exchange.challenge = Some([CHALLENGE, b"!"].concat());
    assert_eq!(verify(&exchange), ["reg.8"]);
}

#[test]
fn what_the_client_says_of_discoverability_counts_where_it_is_the_policy() {
    let mut exchange = Sample::new().registration();
    let mut expected = expected();
    let verify = |exchange: &Registration, expected: &Expected, defects: Defects| {
        reasons(verify_registration(exchange, expected, &defects))
    };
    exchange.response["clientExtensionResults"] = json!({ "credProps": { "rk": false } });
    assert_eq!(verify(&exchange, &expected, Defects::NONE), NONE);
    expected.discoverable_required = true;
    assert_eq!(verify(&exchange, &expected, Defects::NONE), ["reg.28"]);
    let careless = Defect::DiscoverabilityNotChecked.into();
    assert_eq!(verify(&exchange, &expected, careless), NONE);
    exchange.response["clientExtensionResults"] = json!({});
    assert_eq!(verify(&exchange, &expected, Defects::NONE), NONE);
}
