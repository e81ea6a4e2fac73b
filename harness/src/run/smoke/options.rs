//! What options lack without which no browser makes a response, and whether they speak of the RP ID that the file names.

use passkey_authenticators::client::from_base64url;
use passkey_model::{scenario::CeremonyKind, target::Target};
use serde_json::Value;

/// Something that options lack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) words: String,
    /// Whether no response can be made without it.
    pub(super) ends_ceremony: bool,
}

/// The algorithms that the authenticator has with which it is tried.
const ALGORITHMS: [i64; 2] = [-7, -257];

/// Lists what the options of a ceremony lack.
pub(super) fn missing(ceremony: CeremonyKind, options: &Value, file: &Target) -> Vec<Missing> {
    let mut missing = Vec::new();
    let mut need = |pointer: &str, bytes: bool| {
        if let Some(words) = lacks(options, pointer, bytes) {
            missing.push(Missing {
                words,
                ends_ceremony: true,
            });
        }
    };
    need("/challenge", true);
    let named = match ceremony {
        CeremonyKind::Registration => {
            need("/user/id", true);
            need("/user/name", false);
            if let Some(words) = lacks_algorithm(options) {
                missing.push(Missing {
                    words,
                    ends_ceremony: true,
                });
            }
            ("rp.id", options.pointer("/rp/id"))
        }
        CeremonyKind::Authentication => ("rpId", options.get("rpId")),
    };
    if let Some(words) = other_rp_id(named, file) {
        missing.push(Missing {
            words,
            ends_ceremony: false,
        });
    }
    missing
}

fn lacks(options: &Value, pointer: &str, bytes: bool) -> Option<String> {
    let member = pointer.trim_start_matches('/').replace('/', ".");
    let is = |what: &str| Some(format!("options incomplete: {member} {what}"));
    match options.pointer(pointer) {
        None | Some(Value::Null) => is("is missing; see gives in the target's file"),
        Some(Value::String(text)) if text.is_empty() => is("is empty"),
        Some(Value::String(text)) if bytes && from_base64url(text).is_none() => {
            is("is not base64url; see binary in the target's file")
        }
        Some(Value::String(_)) => None,
        Some(_) => is("is not a string"),
    }
}

fn lacks_algorithm(options: &Value) -> Option<String> {
    let Some(offered) = options["pubKeyCredParams"].as_array() else {
        return Some("options incomplete: pubKeyCredParams is missing".to_owned());
    };
    let known = |offer: &Value| {
        offer["alg"]
            .as_i64()
            .is_some_and(|it| ALGORITHMS.contains(&it))
    };
    if offered.iter().any(known) {
        return None;
    }
    Some(
        "options incomplete: pubKeyCredParams offers neither ES256 (-7) nor RS256 (-257)"
            .to_owned(),
    )
}

/// Where options name no RP ID, it is the host of the origin.
fn other_rp_id((member, named): (&str, Option<&Value>), file: &Target) -> Option<String> {
    let host = file.host();
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    let (named, how) = match named {
        None | Some(Value::Null) => (host, "is not given and stands for"),
        Some(Value::String(named)) => (named.as_str(), "is"),
        Some(other) => return Some(format!("options incomplete: {member} is {other}")),
    };
    if named == file.rp_id {
        return None;
    }
    Some(format!(
        "{member} {how} {named}, and the target's file says rp-id: {}; correct one of them",
        file.rp_id
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    fn file() -> Target {
        serde_json::from_value(json!({
            "target": "shop", "address": "127.0.0.1:1", "rp-id": "rp.test",
            "origin": "https://login.rp.test:8443", "driver": "fido-api",
        }))
        .unwrap()
    }

    fn words(ceremony: CeremonyKind, options: &Value) -> Vec<String> {
        let missing = missing(ceremony, options, &file());
        missing.into_iter().map(|it| it.words).collect()
    }

    #[test]
    fn every_member_that_is_missing_is_named() {
        let options = json!({ "challenge": "not base64url!", "user": { "id": "" }, "rp": { "id": "rp.test" } });
        let words = words(CeremonyKind::Registration, &options).join("\n");
        for part in [
            "challenge is not base64url",
            "user.id is empty",
            "user.name is missing",
            "pubKeyCredParams is missing",
        ] {
            assert!(words.contains(part), "{part} is not in {words}");
        }
    }

    #[test]
    fn an_rp_id_that_is_left_out_is_the_host_of_the_origin() {
        let options = json!({ "challenge": "dGVzdA" });
        assert_eq!(
            words(CeremonyKind::Authentication, &options),
            [
                "rpId is not given and stands for login.rp.test, and the target's file says rp-id: rp.test; correct one of them"
            ]
        );
        let options = json!({ "challenge": "dGVzdA", "rpId": "rp.test" });
        assert_eq!(words(CeremonyKind::Authentication, &options), [""; 0]);
    }
}
