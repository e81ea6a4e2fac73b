//! Policies where profiles, lists or groups meet.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::defects::{Defect, Defects};

const YUBI: [u8; 16] = [
    0x2f, 0xc0, 0x57, 0x9f, 0x81, 0x13, 0x47, 0xea, 0xb1, 0x16, 0xbb, 0x5a, 0x8d, 0xb9, 0x20, 0x2a,
];
const YUBI_GUID: &str = "2fc0579f-8113-47ea-b116-bb5a8db9202a";

fn profile(id: &str, types: &str, list: Option<(&str, &[&str])>) -> Value {
    let (kind, aaguids) = list.unwrap_or(("allow", &[]));
    json!({
        "id": id,
        "name": id,
        "passkeyTypes": types,
        "attestationEnforcement": "disabled",
        "keyRestrictions": {
            "isEnforced": list.is_some(),
            "enforcementType": kind,
            "aaGuids": aaguids,
        },
    })
}

fn policy(profiles: &[Value]) -> Value {
    let ids: Vec<&Value> = profiles.iter().map(|profile| &profile["id"]).collect();
    json!({
        "state": "enabled",
        "isSelfServiceRegistrationAllowed": true,
        "defaultPasskeyProfile": ids[0],
        "includeTargets": [{ "id": "all_users", "allowedPasskeyProfiles": ids }],
        "excludeTargets": [],
        "passkeyProfiles": profiles,
    })
}

fn credential(synced: bool) -> Credential {
    Credential {
        synced,
        aaguid: YUBI,
        format: "none".to_owned(),
        self_attested: false,
        attested: false,
    }
}

fn decided(policy: &Value, credential: &Credential, defects: impl Into<Defects>) -> Vec<String> {
    let switches = Switches::default();
    let subject = Subject::default();
    decide(
        policy,
        &switches,
        &defects.into(),
        &subject,
        credential,
        true,
    )
    .err()
    .unwrap_or_default()
}

const ADMITTED: [&str; 0] = [];

#[test]
fn clauses_of_several_profiles_do_not_mix() {
    let policy = policy(&[
        profile("a", "synced", Some(("allow", &[]))),
        profile("b", "deviceBound", None),
    ]);
    let synced = credential(true);
    let clauses = ["aaguid-allow", "type"];
    assert_eq!(decided(&policy, &synced, Defects::NONE), clauses);
    assert_eq!(
        decided(&policy, &synced, Defect::ClausesOfProfilesMixed),
        ADMITTED
    );
    assert_eq!(
        decided(&policy, &credential(false), Defects::NONE),
        ADMITTED
    );
    let first = decided(&policy, &credential(false), Defect::FirstProfileOnly);
    assert_eq!(first, ["aaguid-allow", "type"]);
}

#[test]
fn what_one_profile_blocks_another_may_admit() {
    let policy = policy(&[
        profile("a", "deviceBound", Some(("block", &[YUBI_GUID]))),
        profile("b", "deviceBound", None),
    ]);
    assert_eq!(
        decided(&policy, &credential(false), Defects::NONE),
        ADMITTED
    );
    let blocked = decided(&policy, &credential(false), Defect::BlockInAnyProfileBlocks);
    assert_eq!(blocked, ["aaguid-block"]);
}

#[test]
fn one_profile_may_stop_synced_passkeys_by_a_switch() {
    let policy = policy(&[
        profile("a", "deviceBound", None),
        profile("b", "deviceBound,synced", None),
    ]);
    assert_eq!(decided(&policy, &credential(true), Defects::NONE), ADMITTED);
    let switches = Switches {
        synced_removed_in_one_profile: SyncedRemoved::AnyProfileBlocks,
        ..Switches::default()
    };
    let subject = Subject::default();
    let decide = |synced| {
        let credential = credential(synced);
        decide(
            &policy,
            &switches,
            &Defects::NONE,
            &subject,
            &credential,
            false,
        )
    };
    assert_eq!(decide(true), Err(vec!["type".to_owned()]));
    assert_eq!(decide(false), Ok(()));
}

#[test]
fn aaguids_are_compared_in_the_order_of_their_bytes() {
    let upper = YUBI_GUID.to_uppercase();
    let swapped = "9f57c02f-1381-ea47-b116-bb5a8db9202a";
    let allow = |aaguid: &str| policy(&[profile("a", "deviceBound", Some(("allow", &[aaguid])))]);
    let key = credential(false);
    assert_eq!(guid(YUBI), YUBI_GUID);
    assert_eq!(decided(&allow(&upper), &key, Defects::NONE), ADMITTED);
    let refused = decided(&allow(&upper), &key, Defect::AaguidComparedCaseSensitively);
    assert_eq!(refused, ["aaguid-allow"]);
    assert_eq!(
        decided(&allow(swapped), &key, Defects::NONE),
        ["aaguid-allow"]
    );
    assert_eq!(
        decided(&allow(swapped), &key, Defect::AaguidByteOrderSwapped),
        ADMITTED
    );
    let refused = decided(&allow(YUBI_GUID), &key, Defect::AaguidByteOrderSwapped);
    assert_eq!(refused, ["aaguid-allow"]);
}

#[test]
fn the_zero_aaguid_is_like_any_other_unless_switched() {
    let policy = policy(&[profile("a", "deviceBound", Some(("allow", &[YUBI_GUID])))]);
    let zero = Credential {
        aaguid: [0; 16],
        ..credential(false)
    };
    assert_eq!(decided(&policy, &zero, Defects::NONE), ["aaguid-allow"]);
    assert_eq!(
        decided(&policy, &zero, Defect::ZeroAaguidPassesLists),
        ADMITTED
    );
    let switches = Switches {
        zero_aaguid: ZeroAaguid::AlwaysAllowed,
        ..Switches::default()
    };
    let subject = Subject::default();
    assert!(decide(&policy, &switches, &Defects::NONE, &subject, &zero, true).is_ok());
}

#[test]
fn first_party_apps_are_device_bound_when_attested() {
    let synced = |first_party, attested, defects: Defects| {
        is_synced(true, first_party, attested, &Switches::default(), &defects)
    };
    assert!(!synced(true, true, Defects::NONE));
    assert!(synced(true, false, Defects::NONE));
    assert!(synced(false, true, Defects::NONE));
    assert!(!synced(
        true,
        false,
        Defect::FirstPartyOverrideUnattested.into()
    ));
    let by_flag = Switches {
        type_detection: TypeDetection::BeOnly,
        ..Switches::default()
    };
    assert!(is_synced(true, true, true, &by_flag, &Defects::NONE));
}

#[test]
fn exclusion_beats_every_include() {
    let mut policy = policy(&[profile("a", "deviceBound", None)]);
    policy["excludeTargets"] = json!([{ "id": "interns" }]);
    let subject = Subject {
        groups: ["interns".to_owned(), "staff".to_owned()].into(),
        ..Subject::default()
    };
    let admit = |policy: &Value, defects: Defects| {
        admit_request(policy, &Switches::default(), &defects, &subject, false)
    };
    let beats = Defects::from(Defect::IncludeBeatsExclude);
    assert_eq!(admit(&policy, Defects::NONE), Err("excluded-group"));
    assert_eq!(
        admit(&policy, beats),
        Err("excluded-group"),
        "all_users is no group"
    );
    policy["includeTargets"][0]["id"] = json!("staff");
    assert_eq!(admit(&policy, Defects::NONE), Err("excluded-group"));
    assert_eq!(admit(&policy, beats), Ok(()));
}

#[test]
fn policies_keep_their_own_rules() {
    let good = policy(&[
        profile("a", "deviceBound", None),
        profile("b", "synced", None),
    ]);
    let validate = |policy: &Value, defects: Defects| {
        validate(
            policy,
            Some(&good),
            &Switches::default(),
            &Limits::default(),
            &defects,
        )
        .map_err(|broken| broken.rule)
    };
    assert_eq!(validate(&good, Defects::NONE), Ok(()));
    let change = |pointer: &str, value: Value| {
        let mut policy = good.clone();
        *policy.pointer_mut(pointer).unwrap() = value;
        policy
    };
    let attested = json!("registrationOnly");
    let long = json!("x".repeat(21_000));
    let four: Vec<Value> = ["a", "b", "c", "d"]
        .map(|id| profile(id, "synced", None))
        .to_vec();
    let named = |id: &str| json!(["a", id]);
    for (policy, rule, defect) in [
        (
            change("/passkeyProfiles/0/name", long),
            "policy.size-limit",
            Defect::SizeLimitIgnored,
        ),
        (
            change("/passkeyProfiles", json!(four)),
            "policy.profile-limit",
            Defect::ProfileLimitIgnored,
        ),
        (
            change("/passkeyProfiles/1/attestationEnforcement", attested),
            "policy.attestation-with-synced",
            Defect::AttestationWithSyncedAccepted,
        ),
        (
            change("/passkeyProfiles/1/id", json!("c")),
            "policy.profile-in-use",
            Defect::ProfileInUseDeletable,
        ),
        (
            change("/includeTargets/0/allowedPasskeyProfiles", named("z")),
            "policy.unknown-profile",
            Defect::UnknownProfileAccepted,
        ),
        (
            change("/defaultPasskeyProfile", json!("z")),
            "policy.default-profile",
            Defect::DefaultProfileDeletable,
        ),
        (
            change(
                "/passkeyProfiles/0/keyRestrictions/aaGuids",
                json!(["2fc0579f"]),
            ),
            "policy.malformed-aaguid",
            Defect::MalformedAaguidAccepted,
        ),
        (
            change("/passkeyProfiles/0/keyRestrictions", Value::Null),
            "policy.missing-field",
            Defect::MissingFieldAccepted,
        ),
        (
            change("/passkeyProfiles/0/passkeyTypes", Value::Null),
            "policy.missing-field",
            Defect::MissingFieldAccepted,
        ),
    ] {
        assert_eq!(validate(&policy, Defects::NONE), Err(rule));
        assert_eq!(validate(&policy, defect.into()), Ok(()), "{defect}");
    }
    let twice = change("/passkeyProfiles/1/id", json!("a"));
    assert_eq!(
        validate(&twice, Defects::NONE),
        Err("policy.duplicate-profile")
    );
    let odd = change("/state", json!("on"));
    assert_eq!(validate(&odd, Defects::NONE), Err("policy.unknown-value"));
}
