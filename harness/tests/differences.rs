//! How native lanes are compared with the software lane: what counts as a difference, and what the list of them may say.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{collections::BTreeMap, path::Path};

use passkey_harness::{
    cli,
    differences::{Found, Ledger, compare},
};
use passkey_model::{
    expand::expand,
    lane::{Difference, Differences, Field},
    library::Located,
};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::{Map, Value, json};

fn fields(found: &[Found]) -> Vec<&str> {
    found.iter().map(|found| found.field.as_str()).collect()
}

/// Compares what two lanes answer in one registration.
fn in_response(software: &Value, native: &Value) -> Vec<Found> {
    let ceremony = |response: &Value| json!([{ "register": "alice", "response": response }]);
    compare(&ceremony(software), &ceremony(native))
}

fn list(entries: &[(&str, &str)]) -> Located<Differences> {
    let difference = |(lane, field): &(&str, &str)| Difference {
        lanes: [(*lane).to_owned()].into(),
        fields: [field.parse().unwrap()].into(),
        by_chance: false,
        reason: "a reason".to_owned(),
    };
    Located {
        value: Differences {
            differences: entries.iter().map(difference).collect(),
        },
        file: "differences.yaml".to_owned(),
        places: BTreeMap::new(),
    }
}

fn tree() -> impl Strategy<Value = Value> {
    let leaf = any::<u8>().prop_map(|number| json!(number));
    leaf.prop_recursive(4, 24, 4, |inner| {
        let members = vec(("[a-z]{1,4}", inner), 1..4);
        let object = members.prop_map(|members| Value::Object(members.into_iter().collect()));
        prop_oneof![object.clone(), vec(object, 1..3).prop_map(Value::Array)]
    })
}

/// A row of some steps.
fn ceremony() -> impl Strategy<Value = Value> {
    let step = |(action, response): (&str, Value)| json!({ action: "alice", "response": response });
    let action = prop::sample::select(vec!["register", "sign-in"]);
    vec((action, tree()).prop_map(step), 1..4).prop_map(Value::Array)
}

/// The JSON pointers of all numbers, with the fields that they are.
fn numbers(value: &Value, pointer: &str, field: &str) -> Vec<(String, String)> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| {
                numbers(
                    value,
                    &format!("{pointer}/{name}"),
                    &format!("{field}/{name}"),
                )
            })
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(at, value)| {
                numbers(value, &format!("{pointer}/{at}"), &format!("{field}/*"))
            })
            .collect(),
        Value::Number(_) => vec![(pointer.to_owned(), field.to_owned())],
        _ => Vec::new(),
    }
}

proptest! {
    #[test]
    fn a_ceremony_does_not_differ_from_itself(ceremony in ceremony()) {
        prop_assert_eq!(compare(&ceremony, &ceremony), Vec::new());
    }

    #[test]
    fn a_value_that_is_another_is_one_difference_in_its_field(ceremony in ceremony(), which: Index) {
        let steps = ceremony.as_array().unwrap().iter().enumerate();
        let all: Vec<_> = steps
            .flat_map(|(at, step)| numbers(step, &format!("/{at}"), step.as_object().unwrap().keys().next().unwrap()))
            .collect();
        let (pointer, field) = which.get(&all);
        let mut other = ceremony.clone();
        let leaf = other.pointer_mut(pointer).unwrap();
        let (before, after) = (leaf.clone(), json!("another"));
        *leaf = after.clone();
        let expected = Found { field: field.clone(), software: Some(before), native: Some(after) };
        prop_assert_eq!(compare(&ceremony, &other), vec![expected]);
    }

    #[test]
    fn a_member_that_only_one_has_is_a_difference(ceremony in ceremony(), value in tree()) {
        let mut other = ceremony.clone();
        other[0]["extra"] = value;
        let action = ceremony[0].as_object().unwrap().keys().next().unwrap();
        let field = format!("{action}/extra");
        let (more, less) = (compare(&ceremony, &other), compare(&other, &ceremony));
        prop_assert_eq!(fields(&more), vec![field.as_str()]);
        prop_assert_eq!(fields(&less), vec![field.as_str()]);
    }
}

#[test]
fn a_value_more_does_not_make_the_names_behind_it_differ() {
    let software = json!({ "attStmt": {}, "signature": "<signature#1>", "again": "<signature#1>" });
    let native = json!({ "attStmt": { "sig": "<signature#1>" }, "signature": "<signature#2>", "again": "<signature#2>" });
    let found = in_response(&software, &native);
    assert_eq!(fields(&found), ["register/response/attStmt/sig"]);
}

#[test]
fn a_value_that_is_not_repeated_where_it_should_be_is_a_difference() {
    let ceremony = |echoed: &str| {
        json!([{
            "sign-in": "alice",
            "options": { "challenge": "<challenge#1>" },
            "response": { "clientDataJSON": { "challenge": echoed } },
        }])
    };
    let found = compare(&ceremony("<challenge#1>"), &ceremony("<challenge#2>"));
    assert_eq!(
        fields(&found),
        ["sign-in/response/clientDataJSON/challenge"]
    );
}

#[test]
fn each_flag_is_a_field_of_its_own() {
    let found = in_response(
        &json!({ "authData": { "flags": "UP UV BE BS AT" } }),
        &json!({ "authData": { "flags": "UP BE AT ED" } }),
    );
    let expected =
        ["UV", "BS", "ED"].map(|flag| format!("register/response/authData/flags/{flag}"));
    assert_eq!(fields(&found), expected);
}

#[test]
fn a_list_of_texts_is_a_field_as_a_whole_and_so_is_a_list_of_another_length() {
    let found = in_response(
        &json!({ "transports": ["internal", "hybrid"], "ids": [{ "a": 1 }] }),
        &json!({ "transports": ["internal", "usb"], "ids": [{ "a": 1 }, { "a": 1 }] }),
    );
    assert_eq!(
        fields(&found),
        ["register/response/transports", "register/response/ids"]
    );
}

#[test]
fn the_order_of_members_is_a_field() {
    let found = in_response(
        &json!({ "clientDataJSON": { "type": "t", "challenge": "c" } }),
        &json!({ "clientDataJSON": { "challenge": "c", "type": "t" } }),
    );
    assert_eq!(fields(&found), ["register/response/clientDataJSON/(order)"]);
}

#[test]
fn client_data_that_cannot_be_decoded_is_compared_member_by_member() {
    let text = |text: &str| json!({ "clientDataJSON": { "text": text } });
    let member = |native: &str| {
        let software = text(" {\"type\":\"t\",\"crossOrigin\":false} ");
        let found = in_response(&software, &text(native));
        fields(&found)
            .into_iter()
            .map(|field| {
                field
                    .strip_prefix("register/response/clientDataJSON/")
                    .unwrap()
                    .to_owned()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        member(" {\"type\":\"t\",\"crossOrigin\":false,\"more\":\"m\"} "),
        ["more"]
    );
    assert_eq!(
        member(" {\"type\":\"t\",\"crossOrigin\":true} "),
        ["crossOrigin"]
    );
    assert_eq!(
        member("{\"type\":\"t\",\"crossOrigin\":false} "),
        ["(start)"]
    );
    assert_eq!(member(" {\"type\":\"t\",\"crossOrigin\":false"), ["(end)"]);
    assert_eq!(
        member(" {\"type\":\"t\",\"crossOrigin\":false,\"type\":\"u\"} "),
        ["type (again)"]
    );
    assert_eq!(member("null"), ["text"]);
}

#[test]
fn a_row_that_ends_early_is_a_difference() {
    let step = |action: &str| json!({ action: "alice", "outcome": "accepted" });
    let found = compare(
        &json!([step("register"), step("sign-in")]),
        &json!([step("register")]),
    );
    assert_eq!(fields(&found), ["steps"]);
}

#[test]
fn what_is_not_listed_for_the_lane_is_returned() {
    let file = list(&[("chromium", "register/response/*/aaguid")]);
    let ledger = Ledger::of(Some(&file));
    let found = in_response(
        &json!({ "authData": { "aaguid": 1, "flags": "UP UV" } }),
        &json!({ "authData": { "aaguid": 2, "flags": "UP" } }),
    );
    let unlisted = |lane: &str| {
        let unlisted = ledger.unlisted(lane, found.clone());
        unlisted.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let flag = "register/response/authData/flags/UV: software true, here (nothing)";
    assert_eq!(unlisted("chromium"), [flag]);
    assert_eq!(
        unlisted("firefox"),
        [
            "register/response/authData/aaguid: software 1, here 2",
            flag
        ]
    );
    assert_eq!(Ledger::of(None).unlisted("chromium", found.clone()), found);
}

#[test]
fn what_is_listed_and_never_differs_is_told_for_the_lanes_that_ran() {
    let file = list(&[
        ("chromium", "register/response/aaguid"),
        ("chromium", "register/response/fmt"),
        ("firefox", "register/response/aaguid"),
    ]);
    let ledger = Ledger::of(Some(&file));
    let found = in_response(&json!({ "aaguid": 1 }), &json!({ "aaguid": 2 }));
    assert_eq!(ledger.unlisted("chromium", found), Vec::new());
    let unused = ledger.unused(&["software", "chromium"]);
    assert_eq!(
        unused,
        [
            "differences.yaml:1:1: no row of lane chromium differs in register/response/fmt: take it off the list"
        ]
    );
    assert_eq!(ledger.unused(&["chromium", "firefox"]).len(), 2);
}

#[test]
fn what_differs_by_chance_may_be_listed_and_not_be_found() {
    let mut file = list(&[("chromium", "register/response/aaguid")]);
    file.value.differences[0].by_chance = true;
    let ledger = Ledger::of(Some(&file));
    assert!(ledger.unused(&["chromium"]).is_empty());
    let found = in_response(&json!({ "aaguid": 1 }), &json!({ "aaguid": 2 }));
    assert_eq!(ledger.unlisted("chromium", found), Vec::new());
}

#[test]
fn a_field_is_named_down_to_its_last_member() {
    let field: Field = "register/options/excludeCredentials/*/transports"
        .parse()
        .unwrap();
    assert!(field.matches("register/options/excludeCredentials/*/transports"));
    assert!(!field.matches("register/options/excludeCredentials/*/transports/more"));
    assert!(!field.matches("register/options/excludeCredentials/*"));
    for nothing in [
        "",
        "register",
        "register/",
        "register//fmt",
        "register/response/*",
    ] {
        assert!(nothing.parse::<Field>().is_err(), "{nothing}");
    }
}

#[test]
fn a_list_that_is_wrong_is_told_by_its_place() {
    let root = Path::new("scenarios");
    let (mut library, _) = cli::rows(root).unwrap();
    let mut mistakes = |entries: &[(&str, &str)]| {
        library.differences = Some(list(entries));
        let errors = expand(&library).err().unwrap_or_default();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let good = ("chromium", "register/response/fmt");
    assert_eq!(mistakes(&[good, ("firefox", good.1)]), Vec::<String>::new());
    let transports = ("chromium", "sign-in/options/allowCredentials/*/transports");
    assert_eq!(mistakes(&[transports]), Vec::<String>::new());
    let twice = mistakes(&[good, good]);
    assert_eq!(
        twice,
        ["differences.yaml:1:1: register/response/fmt is listed already for lane 'chromium'"]
    );
    for lane in ["chromium-provider", "software", "opera"] {
        let told = mistakes(&[(lane, good.1)]);
        assert!(told[0].contains("is no native lane"), "{told:?}");
    }
    for field in [
        "sign-in/outcome",
        "register/options/challenge",
        "register/*/fmt",
        "*/outcome/rejected",
    ] {
        let told = mistakes(&[("chromium", field)]);
        assert!(told[0].contains("is the relying party's doing"), "{told:?}");
    }
}

#[test]
fn no_list_hides_user_presence_or_verification_or_what_client_data_says() {
    let root = Path::new("scenarios");
    let (library, _) = cli::rows(root).unwrap();
    let ledger = Ledger::of(library.differences.as_ref());
    let software = json!({ "flags": "UP UV AT", "rpIdHash": "SHA-256 of rp.test", "publicKey": { "alg": -7 } });
    let native = json!({ "flags": "", "rpIdHash": "another", "publicKey": { "alg": -8 } });
    let client_data = |value: &str| -> Map<String, Value> {
        let names = ["type", "challenge", "origin", "crossOrigin"];
        names
            .map(|name| (name.to_owned(), json!(value)))
            .into_iter()
            .collect()
    };
    let response = |data: &Value, value: &str| json!({ "authData": data, "attestationObject": { "authData": data }, "clientDataJSON": client_data(value) });
    let found = in_response(&response(&software, "one"), &response(&native, "other"));
    assert_eq!(found.len(), 2 * 5 + 4);
    for lane in ["chromium", "firefox"] {
        assert_eq!(ledger.unlisted(lane, found.clone()), found, "{lane}");
    }
}
