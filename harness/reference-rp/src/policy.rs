//! Passkey profiles as this relying party keeps them: its own reading of the documentation.

use std::collections::BTreeSet;

use serde_json::Value;

const HELLO: [&str; 3] = [
    "08987058-cadc-4b81-b6e1-30de50dcbe96",
    "9ddd1817-af5a-4672-a2b9-3e3dd95000a9",
    "6028b017-b1d4-4c02-b4b3-afcdafc96bb2",
];

/// Writes an AAGUID as a lower-case GUID.
#[must_use]
pub fn guid(aaguid: [u8; 16]) -> String {
    let digits: String = aaguid.iter().map(|byte| format!("{byte:02x}")).collect();
    [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ]
    .join("-")
}

/// What decides besides the policy.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The user's groups.
    pub groups: BTreeSet<String>,
    /// Whether the user is a guest.
    pub guest: bool,
    /// How long ago the user passed multifactor authentication, in seconds.
    pub mfa_age_seconds: u64,
}

/// What is known of the credential.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Whether it is stored as synced.
    pub synced: bool,
    /// The AAGUID.
    pub aaguid: [u8; 16],
    /// The attestation statement format.
    pub format: String,
    /// Whether the model is proven.
    pub attested: bool,
}

/// Refuses a policy that breaks its own rules: the rule's id.
///
/// # Errors
/// The first rule that it breaks.
pub fn validate(policy: &Value, previous: Option<&Value>) -> Result<(), &'static str> {
    if policy.to_string().len() > 20_480 {
        return Err("policy.size-limit");
    }
    let profiles = policy["passkeyProfiles"]
        .as_array()
        .ok_or("policy.missing-field")?;
    if profiles.len() > 3 {
        return Err("policy.profile-limit");
    }
    let mut ids = BTreeSet::new();
    for profile in profiles {
        validate_profile(profile)?;
        if !ids.insert(profile["id"].as_str().ok_or("policy.missing-field")?) {
            return Err("policy.duplicate-profile");
        }
    }
    if !ids.contains(
        policy["defaultPasskeyProfile"]
            .as_str()
            .ok_or("policy.missing-field")?,
    ) {
        return Err("policy.default-profile");
    }
    let had = |id: &str| {
        previous.is_some_and(|old| {
            list(&old["passkeyProfiles"])
                .iter()
                .any(|known| known["id"] == id)
        })
    };
    for target in list(&policy["includeTargets"]) {
        let assigned = target["allowedPasskeyProfiles"]
            .as_array()
            .ok_or("policy.missing-field")?;
        if let Some(id) = assigned
            .iter()
            .filter_map(Value::as_str)
            .find(|id| !ids.contains(id))
        {
            return Err(if had(id) {
                "policy.profile-in-use"
            } else {
                "policy.unknown-profile"
            });
        }
    }
    Ok(())
}

fn validate_profile(profile: &Value) -> Result<(), &'static str> {
    for name in [
        "id",
        "name",
        "passkeyTypes",
        "attestationEnforcement",
        "keyRestrictions",
    ] {
        if profile.get(name).is_none_or(Value::is_null) {
            return Err("policy.missing-field");
        }
    }
    let types: Vec<&str> = profile["passkeyTypes"]
        .as_str()
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .collect();
    let enforcement = profile["attestationEnforcement"]
        .as_str()
        .unwrap_or_default();
    if types
        .iter()
        .any(|kind| !["deviceBound", "synced"].contains(kind))
        || !["disabled", "registrationOnly"].contains(&enforcement)
    {
        return Err("policy.unknown-value");
    }
    if enforcement == "registrationOnly" && types.contains(&"synced") {
        return Err("policy.attestation-with-synced");
    }
    let well_formed = |item: &Value| item.as_str().is_some_and(is_guid);
    if list(&profile["keyRestrictions"]["aaGuids"])
        .iter()
        .all(well_formed)
    {
        Ok(())
    } else {
        Err("policy.malformed-aaguid")
    }
}

fn is_guid(text: &str) -> bool {
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Refuses a request before any credential is looked at: the clause that fails.
///
/// # Errors
/// The first clause that fails.
pub fn admit_request(
    policy: &Value,
    subject: &Subject,
    registering: bool,
) -> Result<(), &'static str> {
    let member = |target: &Value| {
        let id = target["id"].as_str().unwrap_or_default();
        id == "all_users" || subject.groups.contains(id)
    };
    if policy["state"] != "enabled" {
        return Err("method-disabled");
    }
    if list(&policy["excludeTargets"]).iter().any(member) {
        return Err("excluded-group");
    }
    if registering && policy["isSelfServiceRegistrationAllowed"] != true {
        return Err("self-service-off");
    }
    if registering && subject.guest {
        return Err("guest");
    }
    if registering && subject.mfa_age_seconds > 300 {
        return Err("step-up");
    }
    if profiles_of(policy, subject).is_empty() {
        Err("not-targeted")
    } else {
        Ok(())
    }
}

fn profiles_of<'a>(policy: &'a Value, subject: &Subject) -> Vec<&'a Value> {
    let mine = |target: &&Value| {
        let id = target["id"].as_str().unwrap_or_default();
        id == "all_users" || subject.groups.contains(id)
    };
    let ids: BTreeSet<&str> = list(&policy["includeTargets"])
        .iter()
        .filter(mine)
        .flat_map(|target| list(&target["allowedPasskeyProfiles"]))
        .filter_map(Value::as_str)
        .collect();
    let profiles = list(&policy["passkeyProfiles"]).iter();
    profiles
        .filter(|profile| profile["id"].as_str().is_some_and(|id| ids.contains(id)))
        .collect()
}

/// Decides whether any of the user's profiles admits a credential.
///
/// # Errors
/// The clauses that fail, over all the user's profiles.
pub fn admit_credential(
    policy: &Value,
    subject: &Subject,
    credential: &Credential,
    registering: bool,
) -> Result<(), Vec<String>> {
    admit_request(policy, subject, registering).map_err(|clause| vec![clause.to_owned()])?;
    let mut failing = BTreeSet::new();
    for profile in profiles_of(policy, subject) {
        let clauses = failing_clauses(profile, credential, registering);
        if clauses.is_empty() {
            return Ok(());
        }
        failing.extend(clauses);
    }
    Err(failing.into_iter().map(str::to_owned).collect())
}

fn failing_clauses(
    profile: &Value,
    credential: &Credential,
    registering: bool,
) -> Vec<&'static str> {
    let mut failing = Vec::new();
    let kind = if credential.synced {
        "synced"
    } else {
        "deviceBound"
    };
    let types = profile["passkeyTypes"].as_str().unwrap_or_default();
    if !types.split(',').any(|allowed| allowed.trim() == kind) {
        failing.push("type");
    }
    let enforced = profile["attestationEnforcement"] == "registrationOnly";
    if registering && enforced && !credential.attested {
        failing.push("attestation");
    }
    if registering && !enforced && credential.format.len() > 32 {
        failing.push("format");
    }
    let aaguid = guid(credential.aaguid);
    let restrictions = &profile["keyRestrictions"];
    let restricted = restrictions["isEnforced"] == true;
    let listed = list(&restrictions["aaGuids"])
        .iter()
        .filter_map(Value::as_str)
        .any(|known| known.eq_ignore_ascii_case(&aaguid));
    let allows = restrictions["enforcementType"] == "allow";
    if restricted && allows && !listed {
        failing.push("aaguid-allow");
    }
    if restricted && !allows && listed {
        failing.push("aaguid-block");
    }
    if HELLO.contains(&aaguid.as_str()) && (enforced || !(restricted && allows && listed)) {
        failing.push("windows-hello");
    }
    failing
}
