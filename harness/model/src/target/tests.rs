#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use serde_json::{Value, json};

use super::{Answered, Refusing, Target};
use crate::verdict::{Outcome, Reason};

fn target(more: &Value) -> Result<Target, String> {
    let mut file = json!({
        "target": "shop", "address": "127.0.0.1:8080", "rp-id": "shop.example",
        "origin": "https://login.shop.example", "pass-from": "SHOP_PASS",
    });
    for (name, value) in more.as_object().unwrap() {
        file[name] = value.clone();
    }
    serde_json::from_value(file).map_err(|error| error.to_string())
}

fn reasons_of(target: &Target, status: u16, body: &Value) -> Vec<String> {
    let said = Answered::new(status, "application/json", body.to_string().as_bytes());
    let Outcome::Rejected { reasons, .. } = target.refused(&said) else {
        panic!("a refusal is a refusal");
    };
    reasons.iter().map(ToString::to_string).collect()
}

#[test]
fn the_first_entry_that_fits_says_what_a_refusal_means() {
    let target = target(&json!({
        "code-at": "/error/code",
        "message-at": "/error/message",
        "reasons": [
            { "code": "^bad_challenge$", "is": ["reg.8", "auth.11"] },
            { "text": "(?i)signature", "is": ["auth.21"] },
            { "status": 409, "is": ["reg.26"] },
            { "code": "challenge", "is": ["state"] },
        ],
    }));
    let target = target.unwrap();
    let of = |status, code: &str, message: &str| {
        let body = json!({ "error": { "code": code, "message": message } });
        reasons_of(&target, status, &body)
    };
    assert_eq!(of(400, "bad_challenge", ""), ["reg.8", "auth.11"]);
    assert_eq!(of(400, "other", "Signature is wrong"), ["auth.21"]);
    assert_eq!(of(409, "other", "there already"), ["reg.26"]);
    assert_eq!(of(400, "no_challenge", ""), ["state"]);
    assert_eq!(of(400, "other", "no"), ["unknown"]);
    // The code stands elsewhere: no entry for codes fits.
    assert_eq!(
        reasons_of(&target, 400, &json!({ "code": "bad_challenge" })),
        ["unknown"]
    );
}

#[test]
fn without_a_place_for_it_the_whole_body_is_the_text() {
    let target = target(&json!({ "reasons": [{ "text": "origin", "is": ["reg.9"] }] })).unwrap();
    assert_eq!(
        reasons_of(&target, 400, &json!({ "why": "wrong origin" })),
        ["reg.9"]
    );
}

#[test]
fn the_words_of_a_refusal_are_told() {
    let target = target(&json!({ "code-at": "/code", "message-at": "/text" })).unwrap();
    let said = Answered::new(400, "application/json", br#"{"code":7,"text":"too late"}"#);
    let message = "7: too late".to_owned();
    let reasons = vec![Reason::Unknown];
    assert_eq!(
        target.refused(&said),
        Outcome::Rejected { reasons, message }
    );
    let said = Answered::new(400, "text/plain; charset=utf-8", b"go  away\n");
    let Outcome::Rejected { message, .. } = target.refused(&said) else {
        panic!("a refusal is a refusal");
    };
    assert_eq!(message, "status 400 text/plain: go away");
}

#[test]
fn a_shape_fits_answers_that_have_all_of_it() {
    let shape: Refusing = serde_json::from_value(json!({
        "statuses": [400, 422], "content-types": ["application/json"], "members": ["error"],
        "body": "refused",
    }))
    .unwrap();
    let fits = |status, kind, body: &str| shape.fits(&Answered::new(status, kind, body.as_bytes()));
    let body = r#"{"error":"refused","at":1}"#;
    assert!(fits(400, "application/json", body));
    assert!(fits(422, "Application/JSON; charset=utf-8", body));
    assert!(!fits(401, "application/json", body), "another status");
    assert!(!fits(400, "text/html", body), "another content type");
    assert!(
        !fits(400, "application/json", r#"{"message":"refused"}"#),
        "another member"
    );
    assert!(
        !fits(400, "application/json", r#"{"error":"no"}"#),
        "other words"
    );
    assert!(!fits(400, "application/json", "refused"), "no JSON");
}

#[test]
fn a_shape_is_learned_from_one_refusal() {
    let said = Answered::new(401, "application/problem+json", br#"{"title":"no","id":1}"#);
    let shape = Refusing::like(&said).unwrap();
    assert_eq!(
        shape.to_string(),
        "401 application/problem+json with title, id"
    );
    assert!(shape.fits(&said));
    let other = Answered::new(
        401,
        "application/problem+json",
        br#"{"title":"yes","id":2,"at":3}"#,
    );
    assert!(shape.fits(&other), "other values, and more of them");
    assert_eq!(Refusing::like(&Answered::new(503, "text/plain", b"")), None);
    let plain = Refusing::like(&Answered::new(400, "", b"no")).unwrap();
    assert!(plain.fits(&Answered::new(400, "", b"never")));
    assert!(!plain.fits(&Answered::new(400, "text/html", b"<p>who are you?")));
}

#[test]
fn what_is_written_wrong_is_told_with_what_would_be_right() {
    let refused = |more: Value| target(&more).unwrap_err();
    let reasons = |is: &str| json!({ "reasons": [{ "status": 400, "is": [is] }] });
    assert!(refused(reasons("reg.31")).contains("'reg.31' is neither a clause, nor a step"));
    assert!(refused(reasons("attestaton")).contains("did you mean 'attestation'?"));
    assert!(refused(reasons("pars")).contains("did you mean 'parse'?"));
    let status = json!({ "refusal": { "statuses": [500] } });
    assert!(refused(status).contains("500 says that the server failed; that is never a refusal"));
    let pattern = json!({ "reasons": [{ "text": "(", "is": ["parse"] }] });
    assert!(refused(pattern).contains("'(' is no regular expression: error: unclosed group"));
}

#[test]
fn parts_that_do_not_fit_together_are_told() {
    let mistakes = |more: Value| target(&more).unwrap().mistakes();
    let places = |more: Value| -> Vec<String> {
        let found = mistakes(more);
        found.into_iter().map(|(pointer, _)| pointer).collect()
    };
    assert_eq!(places(json!({})), Vec::<String>::new());
    let reasons = json!({ "reasons": [
        { "is": ["parse"] },
        { "code": "a", "is": ["parse"] },
        { "text": "a", "is": [] },
    ] });
    assert_eq!(
        places(reasons),
        ["/reasons/0", "/reasons/1/code", "/reasons/2/is"]
    );
    assert_eq!(places(json!({ "code-at": "code" })), ["/code-at"]);
    for origin in ["https://shop.example/", "shop.example", "https://"] {
        assert_eq!(places(json!({ "origin": origin })), ["/origin"]);
    }
    let with_port = json!({ "origin": "http://localhost:{$PORT}" });
    assert_eq!(places(with_port), Vec::<String>::new());
    assert_eq!(
        places(json!({ "refusal": { "statuses": [] } })),
        ["/refusal"]
    );
    assert_eq!(
        places(json!({ "refusal": { "statuses": [200] } })),
        ["/refusal"]
    );
    let told_apart = json!({ "refusal": { "statuses": [200], "body": "failed" } });
    assert_eq!(places(told_apart), Vec::<String>::new());
    let features = json!({ "declares": { "features": ["usernameless", "clock"] } });
    assert_eq!(places(features), ["/declares/features/1"]);
    // The driver reference has alice, bob and mallory as they are.
    assert_eq!(places(json!({ "users": "$USER-$ROW" })), ["/users"]);
    let one_user = json!({ "driver": "fido-api", "users": "$ROW" });
    assert_eq!(places(one_user), ["/users"]);
    let each_their_own = json!({ "driver": "fido-api", "users": "$USER" });
    assert_eq!(places(each_their_own), Vec::<String>::new());
}

fn filled(template: &Value, answer: &Value) -> Option<Value> {
    let template = super::Template::new(template.clone()).unwrap();
    let look_up = |variable| (variable == super::Variable::Answer).then(|| answer.clone());
    template.fill(&look_up).unwrap()
}

#[test]
fn a_star_stands_for_all_members_and_joins_the_lists_behind_it() {
    let answer = json!({ "each": [{ "list": [1, 2] }, { "list": [3] }, { "other": 4 }] });
    assert_eq!(
        filled(&json!("$ANSWER/each/*/list"), &answer),
        Some(json!([1, 2, 3]))
    );
    assert_eq!(
        filled(&json!("$ANSWER/each/*/other"), &answer),
        Some(json!([4]))
    );
    assert_eq!(
        filled(&json!("$ANSWER/each/*/list as words"), &answer),
        Some(json!("1 2 3"))
    );
    assert_eq!(filled(&json!("$ANSWER/none/*/list"), &answer), None);
}

#[test]
fn the_characters_of_text_can_be_its_bytes() {
    let given = filled(
        &json!({ "challenge": "$ANSWER/it from text as base64url" }),
        &json!({ "it": "a-_b" }),
    );
    assert_eq!(given, Some(json!({ "challenge": "YS1fYg" })));
}

#[test]
fn an_answer_can_say_yes_by_what_is_not_there() {
    let rule: super::Accepted = serde_json::from_value(json!({ "at": "/detail/state" })).unwrap();
    let fits = |body: &str| {
        let said = super::Answered::new(200, "application/json", body.as_bytes());
        rule.fits(&said)
    };
    assert!(fits("{}"));
    assert!(fits(r#"{ "detail": { "state": null } }"#));
    assert!(!fits(r#"{ "detail": { "state": "waiting" } }"#));
    assert!(!fits("it is not JSON"));
}

fn document(profile: &Value) -> Value {
    let id = "00000000-0000-0000-0000-000000000001";
    let mut whole = json!({
        "id": id, "name": "one", "passkeyTypes": "deviceBound,synced",
        "attestationEnforcement": "disabled",
        "keyRestrictions": { "isEnforced": false, "enforcementType": "allow", "aaGuids": [] },
    });
    for (name, value) in profile.as_object().unwrap() {
        whole[name] = value.clone();
    }
    json!({
        "state": "enabled", "isSelfServiceRegistrationAllowed": true, "defaultPasskeyProfile": id,
        "includeTargets": [{ "id": "all_users", "allowedPasskeyProfiles": [id] }],
        "excludeTargets": [], "passkeyProfiles": [whole],
    })
}

#[test]
fn a_policy_becomes_the_requests_of_its_clauses_and_what_they_cannot_say_is_told() {
    let requests: super::Requests = serde_json::from_value(json!({
        "clear": [],
        "any-attestation": [{ "request": "POST /any" }],
        "device-bound": [{ "request": "POST /bound" }],
        "aaguid-allow": [{ "request": "POST /models" }],
    }))
    .unwrap();
    let set = |profile: Value| {
        let (exchanges, demands) = requests.that_set(&document(&profile))?;
        let lines: Vec<String> = exchanges
            .iter()
            .map(|it| String::from(it.request.clone()))
            .collect();
        Ok::<_, String>((lines, demands["aaguids"].clone()))
    };
    let model = "2fc0579f-8113-47ea-b116-bb5a8db9202a";
    let listed =
        |kind: &str| json!({ "isEnforced": true, "enforcementType": kind, "aaGuids": [model] });
    let lines = |lines: &[&str]| {
        lines
            .iter()
            .map(|line| (*line).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(set(json!({})), Ok((lines(&["POST /any"]), json!([]))));
    assert_eq!(
        set(json!({ "passkeyTypes": "deviceBound", "keyRestrictions": listed("allow") })),
        Ok((
            lines(&["POST /bound", "POST /any", "POST /models"]),
            json!([model])
        ))
    );
    let cannot = |profile: Value| set(profile).unwrap_err();
    assert_eq!(
        cannot(json!({ "passkeyTypes": "synced" })),
        "the clause type"
    );
    assert_eq!(
        cannot(
            json!({ "passkeyTypes": "deviceBound", "attestationEnforcement": "registrationOnly" })
        ),
        "the clause attestation"
    );
    assert_eq!(
        cannot(json!({ "keyRestrictions": listed("block") })),
        "the clause aaguid-block"
    );
    let mut disabled = document(&json!({}));
    disabled["state"] = json!("disabled");
    assert_eq!(
        requests.that_set(&disabled).unwrap_err(),
        "the clause method-disabled"
    );
}

#[test]
fn a_policy_that_is_read_is_in_force_when_it_has_all_that_was_set() {
    let set = document(&json!({}));
    let mut read = set.clone();
    read["@odata.context"] = json!("https://graph.example/");
    read["passkeyProfiles"][0]["more"] = json!(1);
    assert!(super::is_in_force(&read, &set));
    read["passkeyProfiles"][0]["passkeyTypes"] = json!("synced");
    assert!(!super::is_in_force(&read, &set));
    read["passkeyProfiles"][0]["passkeyTypes"] = json!("synced,deviceBound");
    assert!(super::is_in_force(&read, &set), "in another order");
    let guid = "DE1E552D-DB1D-4423-A619-566B625CDC84";
    let (set, read) = (
        json!({ "aaGuids": [guid, guid] }),
        json!({ "aaGuids": [guid.to_lowercase()] }),
    );
    assert!(super::is_in_force(&read, &set), "written otherwise");
    let other = json!({ "aaGuids": [guid.replace('D', "E")] });
    assert!(!super::is_in_force(&other, &set));
    for (types, without) in [("deviceBound,synced", "deviceBound"), ("synced", "")] {
        let profile = |types: &str, attestation: &str| json!({ "passkeyTypes": types, "attestationEnforcement": attestation });
        for (attestation, may_strip) in [("registrationOnly", true), ("disabled", false)] {
            let (read, set) = (profile(without, attestation), profile(types, attestation));
            assert_eq!(super::is_in_force(&read, &set), may_strip, "{set}");
            assert!(!super::is_in_force(&set, &read), "more than was set");
        }
    }
    let mut read = document(&json!({}));
    read["@odata.context"] = json!("https://graph.example/");
    let restores = super::that_restores(&read);
    assert_eq!(restores.get("@odata.context"), None);
    assert!(restores.get("@odata.type").is_some());
}

#[test]
fn a_policy_is_controlled_in_one_way_for_a_test_group_and_by_loopback_only() {
    let places = |policy: Value| -> Vec<String> {
        let found = target(&json!({ "policy": policy })).unwrap().mistakes();
        found.into_iter().map(|(pointer, _)| pointer).collect()
    };
    assert_eq!(places(json!({})), ["/policy"]);
    assert_eq!(places(json!({ "graph": {} })), ["/policy/graph"]);
    assert_eq!(
        places(json!({ "graph": { "group": "all_users" } })),
        ["/policy/graph"]
    );
    assert_eq!(
        places(json!({ "graph": { "group": "testers" } })),
        Vec::<String>::new()
    );
    let far = json!({ "graph": { "group": "testers", "address": "192.0.2.1:80" } });
    assert_eq!(places(far), ["/policy/graph/address"]);
    assert_eq!(
        places(json!({ "environment": { "POLICY": "x" } })),
        ["/policy/environment"]
    );
    assert_eq!(
        places(json!({ "requests": { "clear": [] } })),
        ["/policy/requests"]
    );
}

#[test]
fn a_pace_of_nothing_is_told() {
    let places = |pacing: Value| -> Vec<String> {
        let found = target(&json!({ "pacing": pacing })).unwrap().mistakes();
        found.into_iter().map(|(pointer, _)| pointer).collect()
    };
    let fine = json!({ "rows-at-once": 1, "requests-per-second": 5, "answers-within-seconds": 20 });
    assert_eq!(places(fine), Vec::<String>::new());
    assert_eq!(
        places(json!({ "rows-at-once": 0 })),
        ["/pacing/rows-at-once"]
    );
    assert_eq!(
        places(json!({ "requests-per-second": 0 })),
        ["/pacing/requests-per-second"]
    );
}
