use serde_json::{Value, json};

use super::{PageAct, PageStep};
use crate::target::Target;

fn pages() -> Value {
    json!({
        "let-in": { "steps": [{ "open": "/sign-up" }, { "fill": "#name", "with": "{$USER}" }] },
        "register": {
            "steps": [{ "click": "#add" }],
            "accepted": [{ "css": "#done" }],
            "refused": [{ "css": ".error" }],
        },
        "sign-out": [{ "click": "#out" }],
        "sign-in": {
            "steps": [{ "enter-frame": "iframe" }, { "click": "#in" }, { "leave-frame": true }],
            "accepted": [{ "url": "/profile$" }],
            "refused": [{ "frame": "iframe", "text": "wrong" }],
        },
    })
}

fn target(change: impl FnOnce(&mut Value)) -> Result<Target, String> {
    let mut file = json!({
        "target": "shop", "address": "127.0.0.1:8080", "rp-id": "localhost",
        "origin": "http://localhost:{$PORT}", "driver": "page", "page": pages(),
        "declares": { "features": ["usernameless", "several-passkeys"] },
    });
    change(&mut file);
    serde_json::from_value(file).map_err(|error| error.to_string())
}

fn mistakes(change: impl FnOnce(&mut Value)) -> Vec<(String, String)> {
    target(change).unwrap().mistakes()
}

fn pointers(change: impl FnOnce(&mut Value)) -> Vec<String> {
    mistakes(change).into_iter().map(|(at, _)| at).collect()
}

#[test]
fn a_whole_description_has_no_mistakes() {
    assert_eq!(mistakes(|_| ()), []);
}

#[test]
fn a_step_does_one_thing() {
    let step = |value: Value| serde_json::from_value::<PageStep>(value).unwrap();
    assert_eq!(
        step(json!({ "click": "#in" })).act(),
        Some(PageAct::Click("#in"))
    );
    assert_eq!(
        step(json!({ "wait-gone": "iframe" })).act(),
        Some(PageAct::WaitGone("iframe"))
    );
    for wrong in [
        json!({}),
        json!({ "click": "#in", "wait-for": "#out" }),
        json!({ "fill": "#name" }),
        json!({ "with": "{$USER}" }),
        json!({ "click": "#in", "with": "{$USER}" }),
        json!({ "leave-frame": false }),
    ] {
        assert_eq!(step(wrong.clone()).act(), None, "{wrong}");
    }
}

#[test]
fn a_mistake_is_found_where_it_stands() {
    let two = json!([{ "click": "#add" }, { "click": "#add", "open": "/" }]);
    assert_eq!(
        pointers(|file| file["page"]["register"]["steps"] = two.clone()),
        ["/page/register/steps/1"]
    );
    assert_eq!(
        pointers(|file| file["page"]["let-in"]["once"] = two.clone()),
        ["/page/let-in/once/1"]
    );
    assert_eq!(
        pointers(|file| file["page"]["sign-in"]["refused"] = json!([])),
        ["/page/sign-in/refused"]
    );
    assert_eq!(
        pointers(|file| file["page"]["unavailable"] = json!([{ "frame": "iframe" }])),
        ["/page/unavailable/0"]
    );
}

#[test]
fn a_status_is_that_of_a_request_in_a_ceremony() {
    let refused =
        |known: Value| pointers(|file| file["page"]["register"]["refused"] = json!([known]));
    assert_eq!(refused(json!({ "status": 403, "path": "^/add" })), [""; 0]);
    let alone = refused(json!({ "path": "^/add" }));
    assert!(
        alone.contains(&"/page/register/refused/0".to_owned()),
        "{alone:?}"
    );
    let elsewhere = pointers(|file| file["page"]["unavailable"] = json!([{ "status": 503 }]));
    assert_eq!(elsewhere, ["/page/unavailable/0"]);
}

#[test]
fn a_name_that_does_not_exist_is_told_with_the_nearest_one() {
    let error = target(|file| file["page"]["let-in"]["steps"][1]["with"] = json!("{$USERS}"));
    assert!(error.unwrap_err().contains("did you mean $USER?"));
    let error = target(|file| file["page"]["register"]["steps"][0] = json!({ "press": "#add" }));
    assert!(error.unwrap_err().contains("press"));
}

#[test]
fn the_ways_to_sign_in_are_those_that_are_declared() {
    let declared = mistakes(|file| file["declares"]["features"] = json!(["username-flow"]));
    assert!(declared[0].1.contains("sign-in-with-name"), "{declared:?}");
    let nobody = pointers(|file| {
        file["page"].as_object_mut().unwrap().remove("sign-in");
    });
    assert_eq!(nobody, ["/page", "/page"]);
}

#[test]
fn the_driver_and_its_description_belong_together() {
    let other = |file: &mut Value| {
        file["driver"] = json!("fido-api");
        file["declares"] = json!({});
    };
    assert_eq!(pointers(other), ["/page"]);
    let without = |file: &mut Value| {
        file.as_object_mut().unwrap().remove("page");
    };
    assert_eq!(pointers(without), ["/driver"]);
}

#[test]
fn the_port_that_was_chosen_stands_in_the_origin() {
    let mut target = target(|_| ()).unwrap();
    target.listens_on(4401);
    assert_eq!(target.origin, "http://localhost:4401");
    assert_eq!(target.host(), "localhost:4401");
}

#[test]
fn with_one_account_the_rows_do_not_have_users_of_their_own() {
    let own = target(|_| ()).unwrap();
    assert!(own.has_fresh_users());
    let one = target(|file| file["page"]["let-in"]["once"] = json!([{ "open": "/first" }]));
    assert!(!one.unwrap().has_fresh_users());
}

#[test]
fn words_on_a_page_are_read_as_refusals() {
    let target = target(|file| {
        file["reasons"] = json!([{ "text": "signature", "is": ["auth.21"] }, { "status": 400, "is": ["auth.11"] }]);
        file["crashes"] = json!(["^TypeError"]);
    });
    let target = target.unwrap();
    let told = |words| target.refused_in_words(words).to_string();
    assert!(told("The signature is wrong").contains("auth.21"));
    // A page has no status.
    assert!(told("The challenge is wrong").contains("unknown"));
    assert_eq!(target.refused_in_words("TypeError: x").name(), "crashed");
}
