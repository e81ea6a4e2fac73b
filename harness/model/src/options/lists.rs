//! The passkeys that options list: `excludeCredentials` and `allowCredentials`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Facts, Held, Registered};
use crate::scenario::CeremonyKind;

/// Returns what the list of a ceremony's options is called.
const fn list(ceremony: CeremonyKind) -> &'static str {
    match ceremony {
        CeremonyKind::Registration => "excludeCredentials",
        CeremonyKind::Authentication => "allowCredentials",
    }
}

fn descriptors(options: &Value, ceremony: CeremonyKind) -> &[Value] {
    let listed = options.get(list(ceremony)).and_then(Value::as_array);
    listed.map(Vec::as_slice).unwrap_or_default()
}

fn find<'a>(listed: &'a [Value], passkey: &Registered) -> Option<&'a Value> {
    listed.iter().find(|one| one["id"] == passkey.id.as_str())
}

/// Every passkey of the user.
pub(super) fn has_all(options: &Value, ceremony: CeremonyKind, facts: &Facts<'_>) -> Held {
    let listed = descriptors(options, ceremony);
    let mine = |passkey: &&Registered| passkey.user == facts.user;
    let missing = facts.registered.iter().filter(mine);
    match missing
        .into_iter()
        .find(|passkey| find(listed, passkey).is_none())
    {
        Some(passkey) => Err(format!(
            "{} has {} entries, and lacks {}'s credential {}",
            list(ceremony),
            listed.len(),
            passkey.user,
            passkey.id
        )),
        None => Ok(()),
    }
}

/// No passkey of another user.
pub(super) fn nobody_else(options: &Value, ceremony: CeremonyKind, facts: &Facts<'_>) -> Held {
    let listed = descriptors(options, ceremony);
    let others = |passkey: &&Registered| passkey.user != facts.user;
    let others = facts.registered.iter().filter(others);
    match others
        .into_iter()
        .find(|passkey| find(listed, passkey).is_some())
    {
        Some(passkey) => Err(format!(
            "{} of {} lists {}'s credential {}",
            list(ceremony),
            facts.user,
            passkey.user,
            passkey.id
        )),
        None => Ok(()),
    }
}

/// The passkeys of the user who was named, and nothing else.
pub(super) fn exactly(options: &Value, facts: &Facts<'_>) -> Held {
    let ceremony = CeremonyKind::Authentication;
    has_all(options, ceremony, facts)?;
    nobody_else(options, ceremony, facts)?;
    let listed = descriptors(options, ceremony).len();
    let mine = facts
        .registered
        .iter()
        .filter(|passkey| passkey.user == facts.user);
    let expected = mine.count();
    if listed != expected {
        return Err(format!(
            "allowCredentials has {listed} entries; {} has {expected} passkeys",
            facts.user
        ));
    }
    Ok(())
}

/// The transports that were reported of each passkey of the user that is listed.
pub(super) fn transports(options: &Value, ceremony: CeremonyKind, facts: &Facts<'_>) -> Held {
    let listed = descriptors(options, ceremony);
    for passkey in facts.registered {
        let Some(descriptor) = find(listed, passkey) else {
            continue;
        };
        let told = descriptor["transports"].as_array();
        let told: BTreeSet<&str> = told
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if !passkey
            .transports
            .iter()
            .map(String::as_str)
            .eq(told.iter().copied())
        {
            return Err(format!(
                "{} lists a credential with the transports {told:?}; its registration reported {:?}",
                list(ceremony),
                passkey.transports
            ));
        }
    }
    Ok(())
}

/// An empty list, or none.
pub(super) fn nothing(options: &Value) -> Held {
    let listed = descriptors(options, CeremonyKind::Authentication).len();
    if listed > 0 {
        return Err(format!(
            "allowCredentials has {listed} entries, though nobody was named"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn registered() -> Vec<Registered> {
        [("alice", "AAAA"), ("bob", "BBBB")]
            .map(|(user, id)| Registered {
                user: user.to_owned(),
                id: id.to_owned(),
                transports: ["hybrid".to_owned(), "internal".to_owned()].into(),
            })
            .into()
    }

    fn allows(ids: &[&str]) -> Value {
        let listed: Vec<Value> = ids
            .iter()
            .map(|id| json!({ "type": "public-key", "id": id, "transports": ["internal", "hybrid"] }))
            .collect();
        json!({ "allowCredentials": listed })
    }

    fn checked(check: fn(&Value, &Facts<'_>) -> Held, options: &Value) -> Held {
        let facts = Facts {
            user: "alice",
            page_host: "rp.test",
            registered: &registered(),
        };
        check(options, &facts)
    }

    #[test]
    fn the_list_is_the_users_own_passkeys() {
        assert_eq!(checked(exactly, &allows(&["AAAA"])), Ok(()));
        for ids in [&[][..], &["BBBB"], &["AAAA", "BBBB"], &["AAAA", "CCCC"]] {
            assert!(checked(exactly, &allows(ids)).is_err(), "{ids:?}");
        }
    }

    #[test]
    fn somebody_elses_passkey_is_named_with_its_owner() {
        let check: fn(&Value, &Facts<'_>) -> Held =
            |options, facts| nobody_else(options, CeremonyKind::Authentication, facts);
        let why = "allowCredentials of alice lists bob's credential BBBB".to_owned();
        assert_eq!(checked(check, &allows(&["BBBB"])), Err(why));
        assert_eq!(checked(check, &allows(&["AAAA"])), Ok(()));
    }

    #[test]
    fn transports_are_compared_without_their_order() {
        let check: fn(&Value, &Facts<'_>) -> Held =
            |options, facts| transports(options, CeremonyKind::Authentication, facts);
        let mut options = allows(&["AAAA"]);
        assert_eq!(checked(check, &options), Ok(()));
        options["allowCredentials"][0]["transports"] = json!(["usb"]);
        assert!(checked(check, &options).is_err());
        options["allowCredentials"][0]["transports"] = Value::Null;
        assert!(checked(check, &options).is_err());
    }

    #[test]
    fn nothing_is_an_empty_list_or_none() {
        assert_eq!(nothing(&json!({})), Ok(()));
        assert_eq!(nothing(&allows(&[])), Ok(()));
        assert!(nothing(&allows(&["AAAA"])).is_err());
    }
}
