//! The rules that a policy document itself has to keep.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{AttestationWithSynced, Switches, document::list, is_guid};
use crate::defects::{Defect, Defects};

/// Bounds what a policy may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many profiles, the default one included.
    pub profiles: usize,
    /// How many bytes of compact JSON.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            profiles: 3,
            bytes: 20 * 1024,
        }
    }
}

/// A rule that a policy breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}: {message}")]
pub struct BrokenRule {
    /// The rule's id, as in `policy.profile-limit`.
    pub rule: &'static str,
    /// What is wrong.
    pub message: String,
}

fn broken<T>(rule: &'static str, message: impl Into<String>) -> Result<T, BrokenRule> {
    Err(BrokenRule {
        rule,
        message: message.into(),
    })
}

/// Refuses a policy that breaks its own rules; deletions are judged against the previous one.
///
/// # Errors
/// The first rule that it breaks.
pub fn validate(
    policy: &Value,
    previous: Option<&Value>,
    switches: &Switches,
    limits: &Limits,
    defects: &Defects,
) -> Result<(), BrokenRule> {
    let size = policy.to_string().len();
    if size > limits.bytes && !defects.has(Defect::SizeLimitIgnored) {
        return broken(
            "policy.size-limit",
            format!("{size} bytes, the limit is {}", limits.bytes),
        );
    }
    let checker = Checker { switches, defects };
    let profiles = checker.list(policy, "passkeyProfiles")?;
    for profile in profiles {
        checker.profile(profile)?;
    }
    if profiles.len() > limits.profiles && !defects.has(Defect::ProfileLimitIgnored) {
        return broken(
            "policy.profile-limit",
            format!(
                "{} profiles, the limit is {}",
                profiles.len(),
                limits.profiles
            ),
        );
    }
    checker.word(policy, "state", &["enabled", "disabled"])?;
    checker.boolean(policy, "isSelfServiceRegistrationAllowed")?;
    checker.text(policy, "defaultPasskeyProfile")?;
    for target in checker.list(policy, "includeTargets")? {
        let assigned = checker.list(target, "allowedPasskeyProfiles")?;
        if !assigned.iter().all(Value::is_string) {
            return broken(
                "policy.unknown-value",
                "allowedPasskeyProfiles holds ids of profiles",
            );
        }
        checker.text(target, "id")?;
    }
    for target in checker.list(policy, "excludeTargets")? {
        checker.text(target, "id")?;
    }
    checker.references(policy, previous)
}

struct Checker<'a> {
    switches: &'a Switches,
    defects: &'a Defects,
}

impl Checker<'_> {
    fn profile(&self, profile: &Value) -> Result<(), BrokenRule> {
        let types: Vec<&str> = self
            .text(profile, "passkeyTypes")?
            .split(',')
            .map(str::trim)
            .collect();
        let optional = self.defects.has(Defect::MissingFieldAccepted);
        let known =
            |kind: &&str| ["deviceBound", "synced"].contains(kind) || (optional && kind.is_empty());
        if let Some(kind) = types.iter().find(|kind| !known(kind)) {
            return broken(
                "policy.unknown-value",
                format!("passkeyTypes does not know '{kind}'"),
            );
        }
        let enforcement = self.word(
            profile,
            "attestationEnforcement",
            &["disabled", "registrationOnly"],
        )?;
        if enforcement == "registrationOnly"
            && types.contains(&"synced")
            && self.switches.attestation_with_synced == AttestationWithSynced::Refused
            && !self.defects.has(Defect::AttestationWithSyncedAccepted)
        {
            return broken(
                "policy.attestation-with-synced",
                "synced passkeys do not support attestation",
            );
        }
        self.text(profile, "id")?;
        self.text(profile, "name")?;
        match self.member(profile, "keyRestrictions")? {
            Some(restrictions) => self.restrictions(restrictions),
            None => Ok(()),
        }
    }

    fn restrictions(&self, restrictions: &Value) -> Result<(), BrokenRule> {
        let malformed = self
            .list(restrictions, "aaGuids")?
            .iter()
            .find(|item| !item.as_str().is_some_and(is_guid));
        if let Some(item) = malformed
            && !self.defects.has(Defect::MalformedAaguidAccepted)
        {
            return broken(
                "policy.malformed-aaguid",
                format!("{item} is not an AAGUID"),
            );
        }
        self.word(restrictions, "enforcementType", &["allow", "block"])?;
        self.boolean(restrictions, "isEnforced")
    }

    fn references(&self, policy: &Value, previous: Option<&Value>) -> Result<(), BrokenRule> {
        let profiles = list(&policy["passkeyProfiles"]);
        let ids = ids(policy);
        if ids.len() < profiles.len() && !self.defects.has(Defect::MissingFieldAccepted) {
            return broken("policy.duplicate-profile", "two profiles have one id");
        }
        let default = policy["defaultPasskeyProfile"].as_str();
        if default.is_some_and(|default| !ids.contains(default))
            && !self.defects.has(Defect::DefaultProfileDeletable)
        {
            return broken(
                "policy.default-profile",
                "the default profile cannot be deleted",
            );
        }
        let existed = previous.map(self::ids).unwrap_or_default();
        let assigned = list(&policy["includeTargets"])
            .iter()
            .flat_map(|target| list(&target["allowedPasskeyProfiles"]))
            .filter_map(Value::as_str);
        for id in assigned.filter(|id| !ids.contains(id)) {
            let (rule, defect, why) = if existed.contains(id) {
                (
                    "policy.profile-in-use",
                    Defect::ProfileInUseDeletable,
                    "is still assigned",
                )
            } else {
                (
                    "policy.unknown-profile",
                    Defect::UnknownProfileAccepted,
                    "does not exist",
                )
            };
            if !self.defects.has(defect) {
                return broken(rule, format!("profile {id} {why}"));
            }
        }
        Ok(())
    }

    /// Finds a member that has to be there.
    fn member<'v>(&self, value: &'v Value, name: &str) -> Result<Option<&'v Value>, BrokenRule> {
        match value.get(name) {
            None | Some(Value::Null) if self.defects.has(Defect::MissingFieldAccepted) => Ok(None),
            None | Some(Value::Null) => {
                broken("policy.missing-field", format!("{name} is missing"))
            }
            found => Ok(found),
        }
    }

    /// Finds a member of one type; a missing one that is let through has the type's default.
    fn typed<'v, T: Default>(
        &self,
        value: &'v Value,
        name: &str,
        kind: &str,
        read: impl Fn(&'v Value) -> Option<T>,
    ) -> Result<T, BrokenRule> {
        let Some(found) = self.member(value, name)? else {
            return Ok(T::default());
        };
        read(found).map_or_else(
            || broken("policy.unknown-value", format!("{name} is no {kind}")),
            Ok,
        )
    }

    fn text<'v>(&self, value: &'v Value, name: &str) -> Result<&'v str, BrokenRule> {
        self.typed(value, name, "text", Value::as_str)
    }

    fn boolean(&self, value: &Value, name: &str) -> Result<(), BrokenRule> {
        self.typed(value, name, "boolean", Value::as_bool)
            .map(|_| ())
    }

    fn list<'v>(&self, value: &'v Value, name: &str) -> Result<&'v [Value], BrokenRule> {
        self.typed(value, name, "list", |found| {
            found.as_array().map(Vec::as_slice)
        })
    }

    fn word<'v>(
        &self,
        value: &'v Value,
        name: &str,
        known: &[&str],
    ) -> Result<&'v str, BrokenRule> {
        let word = self.text(value, name)?;
        let missing = word.is_empty() && self.member(value, name)?.is_none();
        if known.contains(&word) || missing {
            return Ok(word);
        }
        broken(
            "policy.unknown-value",
            format!("{name} does not know '{word}'"),
        )
    }
}

fn ids(policy: &Value) -> BTreeSet<&str> {
    list(&policy["passkeyProfiles"])
        .iter()
        .filter_map(|profile| profile["id"].as_str())
        .collect()
}
