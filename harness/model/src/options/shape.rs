//! Members of options: whether they are there, their JSON types and their ranges (WebAuthn L3, 5.3 to 5.5, 5.8.3 and 15.1).

use serde_json::Value;

use super::{Held, bytes, text};
use crate::scenario::CeremonyKind;

/// The type of a member.
#[derive(Clone, Copy)]
enum Is {
    Text,
    Number,
    Truth,
    Object,
    Texts,
    Objects,
    Descriptors,
}

/// A member: its pointer, its type, and whether it is required. A member of one that is left out is not required.
type Member = (&'static str, Is, bool);

const CREATION: [Member; 20] = [
    ("/rp", Is::Object, true),
    ("/rp/name", Is::Text, true),
    ("/rp/id", Is::Text, false),
    ("/user", Is::Object, true),
    ("/user/id", Is::Text, true),
    ("/user/name", Is::Text, true),
    ("/user/displayName", Is::Text, true),
    ("/challenge", Is::Text, true),
    ("/pubKeyCredParams", Is::Objects, true),
    ("/timeout", Is::Number, false),
    ("/excludeCredentials", Is::Descriptors, false),
    ("/authenticatorSelection", Is::Object, false),
    (
        "/authenticatorSelection/authenticatorAttachment",
        Is::Text,
        false,
    ),
    ("/authenticatorSelection/residentKey", Is::Text, false),
    (
        "/authenticatorSelection/requireResidentKey",
        Is::Truth,
        false,
    ),
    ("/authenticatorSelection/userVerification", Is::Text, false),
    ("/hints", Is::Texts, false),
    ("/attestation", Is::Text, false),
    ("/attestationFormats", Is::Texts, false),
    ("/extensions", Is::Object, false),
];

const REQUEST: [Member; 7] = [
    ("/challenge", Is::Text, true),
    ("/timeout", Is::Number, false),
    ("/rpId", Is::Text, false),
    ("/allowCredentials", Is::Descriptors, false),
    ("/userVerification", Is::Text, false),
    ("/hints", Is::Texts, false),
    ("/extensions", Is::Object, false),
];

const DESCRIPTOR: [Member; 3] = [
    ("/type", Is::Text, true),
    ("/id", Is::Text, true),
    ("/transports", Is::Texts, false),
];

impl Is {
    const fn name(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number of milliseconds",
            Self::Truth => "true or false",
            Self::Object => "an object",
            Self::Texts => "a list of texts",
            Self::Objects | Self::Descriptors => "a list of objects",
        }
    }

    fn fits(self, value: &Value) -> bool {
        let all =
            |is: fn(&Value) -> bool| value.as_array().is_some_and(|items| items.iter().all(is));
        match self {
            Self::Text => value.is_string(),
            // An unsigned long.
            Self::Number => value
                .as_u64()
                .is_some_and(|number| u32::try_from(number).is_ok()),
            Self::Truth => value.is_boolean(),
            Self::Object => value.is_object(),
            Self::Texts => all(Value::is_string),
            Self::Objects | Self::Descriptors => all(Value::is_object),
        }
    }
}

/// Required members, and the type of every member that is there; `null` is a value of no member.
pub(super) fn shape(ceremony: CeremonyKind, options: &Value) -> Held {
    match ceremony {
        CeremonyKind::Registration => members(&CREATION, options, ""),
        CeremonyKind::Authentication => members(&REQUEST, options, ""),
    }
}

fn members(known: &[Member], options: &Value, at: &str) -> Held {
    for (pointer, is, required) in known {
        let name = format!("{at}{}", pointer.trim_start_matches('/').replace('/', "."));
        match options.pointer(pointer) {
            None if *required => return Err(format!("{name} is missing")),
            None => {}
            Some(value) if !is.fits(value) => {
                return Err(format!("{name} is {value}, and not {}", is.name()));
            }
            Some(Value::Array(items)) if matches!(is, Is::Descriptors) => {
                for (index, item) in items.iter().enumerate() {
                    members(&DESCRIPTOR, item, &format!("{name}[{index}]."))?;
                }
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Every member that is bytes.
pub(super) fn base64url(options: &Value) -> Held {
    bytes(options, "/challenge")?;
    if options.get("user").is_some() {
        bytes(options, "/user/id")?;
    }
    for list in ["excludeCredentials", "allowCredentials"] {
        let listed = options.get(list).and_then(Value::as_array);
        for index in 0..listed.map_or(0, Vec::len) {
            bytes(options, &format!("/{list}/{index}/id"))?;
        }
    }
    Ok(())
}

fn parameters(options: &Value) -> &[Value] {
    let parameters = options.get("pubKeyCredParams").and_then(Value::as_array);
    parameters.map(Vec::as_slice).unwrap_or_default()
}

fn offers(options: &Value, algorithm: i64) -> bool {
    parameters(options)
        .iter()
        .any(|one| one["alg"] == algorithm)
}

pub(super) fn parameters_typed(options: &Value) -> Held {
    let typed = |one: &Value| one["type"] == "public-key" && one["alg"].is_i64();
    match parameters(options).iter().find(|one| !typed(one)) {
        Some(wrong) => Err(format!(
            "pubKeyCredParams has {wrong}: its type has to be \"public-key\", its alg a number"
        )),
        None => Ok(()),
    }
}

pub(super) fn parameters_baseline(options: &Value) -> Held {
    let missing: Vec<&str> = [
        (-7, "ES256 (-7)"),
        (-257, "RS256 (-257)"),
        (-8, "EdDSA (-8)"),
    ]
    .into_iter()
    .filter(|(algorithm, _)| !offers(options, *algorithm))
    .map(|(_, name)| name)
    .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "pubKeyCredParams does not have {}",
        missing.join(", ")
    ))
}

pub(super) fn parameters_not_weak(options: &Value) -> Held {
    if offers(options, -65535) {
        return Err("pubKeyCredParams has RS1 (-65535), which signs SHA-1 hashes".to_owned());
    }
    Ok(())
}

pub(super) fn timeout_range(options: &Value) -> Held {
    match options.get("timeout") {
        None => Err("timeout is missing: every browser takes its own".to_owned()),
        Some(value)
            if value
                .as_u64()
                .is_some_and(|timeout| (300_000..=600_000).contains(&timeout)) =>
        {
            Ok(())
        }
        Some(value) => Err(format!(
            "timeout is {value} ms, and not between 300000 and 600000"
        )),
    }
}

/// Whether it is registrable at all is the browser's affair, which knows the list of public suffixes; a name without a dot is not.
pub(super) fn rp_id_of_page(options: &Value, host: &str) -> Held {
    let Some(id) = options.pointer("/rp/id") else {
        return Ok(());
    };
    let id = id.as_str().unwrap_or_default();
    let above = |rest: &str| rest.ends_with('.') && id.contains('.');
    if id == host || host.strip_suffix(id).is_some_and(above) {
        return Ok(());
    }
    Err(format!(
        "rp.id is \"{id}\", which is neither the page's host {host} nor a domain above it"
    ))
}

/// An RP ID that is left out is the page's host.
pub(super) fn rp_id_as_registered(options: &[&Value], host: &str) -> Held {
    let [creation, request] = options else {
        return Ok(());
    };
    let registered = text(creation, "/rp/id").unwrap_or(host);
    let asked = text(request, "/rpId").unwrap_or(host);
    if registered == asked {
        return Ok(());
    }
    Err(format!(
        "rpId is \"{asked}\", and passkeys are registered for \"{registered}\""
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn creation() -> Value {
        json!({
            "rp": { "name": "An RP" },
            "user": { "id": "AAAA", "name": "alice", "displayName": "Alice" },
            "challenge": "AAAA",
            "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }],
            "excludeCredentials": [{ "type": "public-key", "id": "AAAA" }],
            "timeout": 300_000,
        })
    }

    #[test]
    fn every_required_member_is_missed_and_every_type_is_held() {
        let registration = CeremonyKind::Registration;
        assert_eq!(shape(registration, &creation()), Ok(()));
        for (pointer, _, required) in CREATION {
            let (above, name) = pointer.rsplit_once('/').unwrap_or_default();
            let mut options = creation();
            if let Some(members) = options.pointer_mut(above).and_then(Value::as_object_mut) {
                members.remove(name);
                assert_eq!(
                    shape(registration, &options).is_err(),
                    required,
                    "{pointer} is missing"
                );
            }
            let mut options = creation();
            if let Some(members) = options.pointer_mut(above).and_then(Value::as_object_mut) {
                members.insert(name.to_owned(), Value::Null);
                assert!(shape(registration, &options).is_err(), "{pointer} is null");
            }
        }
    }

    #[test]
    fn a_descriptor_has_its_type() {
        let options = json!({ "challenge": "AAAA", "allowCredentials": [{ "id": "AAAA" }] });
        let why = "allowCredentials[0].type is missing".to_owned();
        assert_eq!(shape(CeremonyKind::Authentication, &options), Err(why));
    }

    #[test]
    fn padding_and_the_other_alphabet_are_not_base64url() {
        assert_eq!(base64url(&creation()), Ok(()));
        for id in ["AAA=", "AA+/", "AA A"] {
            let mut options = creation();
            options["excludeCredentials"][0]["id"] = json!(id);
            assert!(base64url(&options).is_err(), "{id}");
        }
    }

    #[test]
    fn an_rp_id_is_the_host_or_a_domain_above_it() {
        let checked = |id: Value| {
            let mut options = creation();
            options["rp"]["id"] = id;
            rp_id_of_page(&options, "login.rp.test").is_ok()
        };
        assert_eq!(rp_id_of_page(&creation(), "login.rp.test"), Ok(()));
        for id in ["login.rp.test", "rp.test"] {
            assert!(checked(json!(id)), "{id}");
        }
        for id in ["test", "p.test", "https://login.rp.test", "other.test", ""] {
            assert!(!checked(json!(id)), "{id}");
        }
    }

    #[test]
    fn parameters_are_numbers_of_public_keys() {
        assert_eq!(parameters_typed(&creation()), Ok(()));
        for wrong in [
            json!({ "type": "public-key", "alg": "RS256" }),
            json!({ "alg": -7 }),
        ] {
            let options = json!({ "pubKeyCredParams": [wrong] });
            assert!(parameters_typed(&options).is_err());
        }
        assert!(parameters_baseline(&creation()).is_err());
        let weak = json!({ "pubKeyCredParams": [{ "type": "public-key", "alg": -65535 }] });
        assert!(parameters_not_weak(&weak).is_err());
    }

    #[test]
    fn a_time_out_is_five_to_ten_minutes() {
        for (timeout, fits) in [
            (299_999, false),
            (300_000, true),
            (600_000, true),
            (600_001, false),
        ] {
            assert_eq!(
                timeout_range(&json!({ "timeout": timeout })).is_ok(),
                fits,
                "{timeout}"
            );
        }
        assert!(timeout_range(&json!({})).is_err());
    }

    #[test]
    fn an_rp_id_that_is_left_out_is_the_host() {
        let creation = json!({ "rp": { "id": "rp.test" } });
        assert_eq!(
            rp_id_as_registered(&[&creation, &json!({ "rpId": "rp.test" })], "rp.test"),
            Ok(())
        );
        assert_eq!(
            rp_id_as_registered(&[&creation, &json!({})], "rp.test"),
            Ok(())
        );
        assert!(rp_id_as_registered(&[&creation, &json!({})], "login.rp.test").is_err());
    }
}
