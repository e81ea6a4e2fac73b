//! What a client asks of options: what may be granted, and what it does not have a say in.

use serde_json::{Value, json};

use super::{Held, text};
use crate::scenario::CeremonyKind;

/// Sixteen bytes that are no relying party's choice.
const CHALLENGE: &str = "Y2hvc2VuIGJ5IHRoZSBjbGllbnQ";
const USER_ID: &str = "dXNlciBpZCBvZiB0aGUgY2xpZW50";
const RP_ID: &str = "chosen-by-the-client.test";

/// Returns a request that says what only the relying party may.
pub(super) fn of_a_client(ceremony: CeremonyKind, user: &str) -> Value {
    match ceremony {
        CeremonyKind::Registration => json!({
            "challenge": CHALLENGE,
            "user": { "id": USER_ID, "name": user, "displayName": user },
            "rp": { "id": RP_ID, "name": RP_ID },
        }),
        CeremonyKind::Authentication => json!({ "challenge": CHALLENGE, "rpId": RP_ID }),
    }
}

/// Nothing of it comes back.
pub(super) fn ignored(ceremony: CeremonyKind, user: &str, options: &Value) -> Held {
    let pointers: &[&str] = match ceremony {
        CeremonyKind::Registration => &["/challenge", "/user/id", "/rp/id"],
        CeremonyKind::Authentication => &["/challenge", "/rpId"],
    };
    let asked = of_a_client(ceremony, user);
    let taken = pointers
        .iter()
        .find(|pointer| options.pointer(pointer) == asked.pointer(pointer));
    match taken {
        Some(pointer) => {
            let name = pointer.trim_start_matches('/').replace('/', ".");
            Err(format!("{name} is what the client asked for"))
        }
        None => Ok(()),
    }
}

/// `none`, which is also what no member means (5.4).
pub(super) fn attestation_none(options: &Value) -> Held {
    match options.get("attestation") {
        None => Ok(()),
        Some(Value::String(word)) if word == "none" => Ok(()),
        Some(other) => Err(format!(
            "attestation is {other}, and \"none\" was asked for"
        )),
    }
}

/// `required`.
pub(super) fn user_verification(ceremony: CeremonyKind, options: &Value) -> Held {
    let pointer = match ceremony {
        CeremonyKind::Registration => "/authenticatorSelection/userVerification",
        CeremonyKind::Authentication => "/userVerification",
    };
    if text(options, pointer) == Some("required") {
        return Ok(());
    }
    let found = options.pointer(pointer).unwrap_or(&Value::Null);
    let name = pointer.trim_start_matches('/').replace('/', ".");
    Err(format!("{name} is {found}, and \"required\" was asked for"))
}

/// The member of Level 1 says the same as that of Level 2.
pub(super) fn resident_key(options: &Value) -> Held {
    let selection = &options["authenticatorSelection"];
    let Some(resident_key) = selection["residentKey"].as_str() else {
        // Then the other decides alone.
        return Ok(());
    };
    let required = selection["requireResidentKey"]
        .as_bool()
        .unwrap_or_default();
    if required == (resident_key == "required") {
        return Ok(());
    }
    Err(format!(
        "authenticatorSelection.requireResidentKey is {required} beside residentKey \"{resident_key}\""
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_chose_is_found_wherever_it_comes_back() {
        let own =
            json!({ "challenge": "AAAA", "user": { "id": "AAAA" }, "rp": { "id": "rp.test" } });
        let registration = CeremonyKind::Registration;
        assert_eq!(ignored(registration, "alice", &own), Ok(()));
        let asked = of_a_client(registration, "alice");
        for pointer in ["/challenge", "/user/id", "/rp/id"] {
            let mut options = own.clone();
            options[pointer[1..].split('/').next().unwrap_or_default()] =
                asked[pointer[1..].split('/').next().unwrap_or_default()].clone();
            assert!(
                ignored(registration, "alice", &options).is_err(),
                "{pointer}"
            );
        }
    }

    #[test]
    fn echoes_are_the_words_that_were_asked_for() {
        assert_eq!(attestation_none(&json!({})), Ok(()));
        assert_eq!(attestation_none(&json!({ "attestation": "none" })), Ok(()));
        assert!(attestation_none(&json!({ "attestation": "direct" })).is_err());
        let authentication = CeremonyKind::Authentication;
        let required = json!({ "userVerification": "required" });
        assert_eq!(user_verification(authentication, &required), Ok(()));
        assert!(user_verification(authentication, &json!({})).is_err());
    }

    #[test]
    fn the_two_members_for_discoverable_credentials_agree() {
        let selected = |resident_key: Value, required: Value| {
            let selection = json!({ "residentKey": resident_key, "requireResidentKey": required });
            resident_key_of(selection)
        };
        assert_eq!(selected(json!("required"), json!(true)), Ok(()));
        assert_eq!(selected(json!("preferred"), json!(false)), Ok(()));
        assert_eq!(selected(Value::Null, json!(true)), Ok(()));
        assert!(selected(json!("required"), json!(false)).is_err());
        assert!(selected(json!("required"), Value::Null).is_err());
        assert!(selected(json!("discouraged"), json!(true)).is_err());
    }

    fn resident_key_of(selection: Value) -> Held {
        resident_key(&json!({ "authenticatorSelection": selection }))
    }
}
