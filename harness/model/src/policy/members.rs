//! Members of a policy document that we do not know: an administrator's export may hold them, and they decide nothing here.

use serde_json::Value;

const POLICY: &[&str] = &[
    "@odata.context",
    "@odata.type",
    "defaultPasskeyProfile",
    "excludeTargets",
    "id",
    "includeTargets",
    "isAttestationEnforced",
    "isSelfServiceRegistrationAllowed",
    "keyRestrictions",
    "passkeyProfiles",
    "state",
];
const INCLUDE: &[&str] = &[
    "@odata.type",
    "allowedPasskeyProfiles",
    "id",
    "isRegistrationRequired",
    "targetType",
];
const EXCLUDE: &[&str] = &["@odata.type", "id", "targetType"];
const PROFILE: &[&str] = &[
    "@odata.type",
    "attestationEnforcement",
    "id",
    "keyRestrictions",
    "name",
    "passkeyTypes",
];
const RESTRICTIONS: &[&str] = &["aaGuids", "enforcementType", "isEnforced"];

/// Returns the JSON pointers of the members of a policy in Graph's shape that are not known.
///
/// Source: Microsoft Graph's reference of fido2AuthenticationMethodConfiguration, passkeyProfile and fido2KeyRestrictions.
#[must_use]
pub fn unknown_members(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look(document, "", POLICY, &mut found);
    for (name, known) in [
        ("includeTargets", INCLUDE),
        ("excludeTargets", EXCLUDE),
        ("passkeyProfiles", PROFILE),
    ] {
        for (index, item) in items(&document[name]) {
            let pointer = format!("/{name}/{index}");
            look(item, &pointer, known, &mut found);
            let restrictions = format!("{pointer}/keyRestrictions");
            look(
                &item["keyRestrictions"],
                &restrictions,
                RESTRICTIONS,
                &mut found,
            );
        }
    }
    found
}

fn items(list: &Value) -> impl Iterator<Item = (usize, &Value)> {
    list.as_array().into_iter().flatten().enumerate()
}

fn look(value: &Value, pointer: &str, known: &[&str], found: &mut Vec<String>) {
    let members = value
        .as_object()
        .into_iter()
        .flat_map(|members| members.keys());
    let unknown = members.filter(|name| !known.contains(&name.as_str()));
    found.extend(unknown.map(|name| format!("{pointer}/{name}")));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::unknown_members;

    #[test]
    fn members_that_are_not_known_are_found_wherever_they_stand() {
        let document = json!({
            "state": "enabled", "createdBy": "somebody",
            "includeTargets": [{ "id": "all_users", "note": "" }],
            "passkeyProfiles": [{ "id": "p", "keyRestrictions": { "isEnforced": false, "isHard": true } }],
        });
        let expected = [
            "/createdBy",
            "/includeTargets/0/note",
            "/passkeyProfiles/0/keyRestrictions/isHard",
        ];
        assert_eq!(unknown_members(&document), expected);
    }
}
