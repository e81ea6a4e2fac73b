//! What options tell a stranger of accounts (WebAuthn L3, 14.6.2).

use serde_json::{Map, Value};

use super::Held;

/// All have the same members of the same types; whether a list is empty shows too.
pub(super) fn alike(options: &[&Value]) -> Held {
    let Some((first, others)) = options.split_first() else {
        return Ok(());
    };
    let known = outline(first);
    others
        .iter()
        .try_for_each(|other| differs(&known, &outline(other), "").map_or(Ok(()), Err))
}

/// Replaces values by the names of their types, and lists by that of what is in them.
fn outline(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let outlined = members
                .iter()
                .map(|(name, value)| (name.clone(), outline(value)));
            Value::Object(outlined.collect::<Map<_, _>>())
        }
        // How many passkeys somebody has differs from user to user.
        Value::Array(items) => items.first().map(outline).into_iter().collect(),
        Value::String(_) => "a text".into(),
        Value::Number(_) => "a number".into(),
        Value::Bool(_) => "a truth value".into(),
        Value::Null => "null".into(),
    }
}

/// Says where two outlines differ first.
fn differs(known: &Value, other: &Value, at: &str) -> Option<String> {
    match (known, other) {
        (Value::Object(members), Value::Object(others)) => {
            let names = members.keys().chain(others.keys());
            names.into_iter().find_map(|name| {
                let at = format!("{at}{}{name}", if at.is_empty() { "" } else { "." });
                match (members.get(name), others.get(name)) {
                    (Some(one), Some(other)) => differs(one, other, &at),
                    (one, _) => Some(format!(
                        "{at} is there only for {}",
                        if one.is_some() {
                            "a user who has a passkey"
                        } else {
                            "another name"
                        }
                    )),
                }
            })
        }
        (Value::Array(one), Value::Array(other)) => match (one.first(), other.first()) {
            (Some(one), Some(other)) => differs(one, other, &format!("{at}[0]")),
            (None, None) => None,
            (one, _) => Some(format!(
                "{at} is empty only for {}",
                if one.is_none() {
                    "a user who has a passkey"
                } else {
                    "another name"
                }
            )),
        },
        (one, other) if one == other => None,
        (one, other) => Some(format!(
            "{at} is {one} for a user who has a passkey, and {other} for another name"
        )),
    }
}

/// One name is answered the same way twice; another name, which comes last, has other IDs of plausible length (6.5.1).
pub(super) fn stable(options: &[&Value]) -> Held {
    let ids = |one: &Value| -> Vec<String> {
        let listed = one["allowCredentials"].as_array().into_iter().flatten();
        listed
            .filter_map(|descriptor| Some(descriptor["id"].as_str()?.to_owned()))
            .collect()
    };
    let [first, again, other] = options else {
        return Ok(());
    };
    let (first, again, other) = (ids(first), ids(again), ids(other));
    if first != again {
        return Err(
            "allowCredentials lists other IDs each time a name that nobody has is given".to_owned(),
        );
    }
    if first.iter().any(|id| other.contains(id)) {
        return Err("allowCredentials lists the same ID for two names that nobody has".to_owned());
    }
    // 16 bytes are 22 characters, 1023 bytes are 1364.
    match first.iter().find(|id| !(22..=1364).contains(&id.len())) {
        Some(id) => Err(format!(
            "allowCredentials lists an ID of {} characters",
            id.len()
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn listing(ids: &[&str]) -> Value {
        let listed: Vec<Value> = ids
            .iter()
            .map(|id| json!({ "type": "public-key", "id": id, "transports": ["internal"] }))
            .collect();
        json!({ "challenge": "AAAA", "allowCredentials": listed })
    }

    #[test]
    fn who_has_no_passkey_shows_in_lists_members_and_transports() {
        let known = listing(&["AAAA"]);
        assert_eq!(alike(&[&known, &listing(&["BBBB", "CCCC"])]), Ok(()));
        let empty = alike(&[&known, &listing(&[])]);
        assert_eq!(
            empty,
            Err("allowCredentials is empty only for another name".to_owned())
        );
        assert!(alike(&[&known, &json!({ "challenge": "AAAA" })]).is_err());
        let mut other = listing(&["BBBB"]);
        other["allowCredentials"][0]["transports"] = json!([]);
        let why = "allowCredentials[0].transports is empty only for another name".to_owned();
        assert_eq!(alike(&[&known, &other]), Err(why));
    }

    const ONE: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAA";
    const TWO: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBB";

    #[test]
    fn what_is_made_up_stays_and_is_made_up_anew_for_each_name() {
        let [one, two] = [listing(&[ONE]), listing(&[TWO])];
        assert_eq!(stable(&[&one, &one, &two]), Ok(()));
        assert!(stable(&[&one, &two, &two]).is_err());
        assert!(stable(&[&one, &one, &one]).is_err());
        let short = listing(&["AAAA"]);
        assert!(stable(&[&short, &short, &two]).is_err());
    }

    proptest! {
        #[test]
        fn the_values_of_members_tell_nothing(challenge in "[a-zA-Z]{1,20}", number: u32) {
            let one = json!({ "challenge": challenge, "timeout": number });
            prop_assert_eq!(alike(&[&one, &json!({ "timeout": 1, "challenge": "" })]), Ok(()));
        }
    }
}
