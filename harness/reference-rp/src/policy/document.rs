//! What a policy in Graph's shape means; lenient, since it was validated when it was set.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{AttestationWithSynced, Subject, Switches};
use crate::defects::{Defect, Defects};

/// A policy as it is evaluated.
pub(super) struct Document<'a> {
    pub enabled: bool,
    pub self_service: bool,
    pub include: Vec<Target<'a>>,
    pub exclude: Vec<&'a str>,
    pub profiles: Vec<Profile<'a>>,
}

/// An include target.
pub(super) struct Target<'a> {
    pub group: &'a str,
    pub profiles: Vec<&'a str>,
}

/// One passkey profile.
pub(super) struct Profile<'a> {
    pub id: &'a str,
    pub device_bound: bool,
    pub synced: bool,
    pub attestation_enforced: bool,
    /// The list of models, where it is enforced.
    pub list: Option<List<'a>>,
}

/// An enforced list of AAGUIDs, as they are written.
pub(super) struct List<'a> {
    pub allows: bool,
    pub aaguids: Vec<&'a str>,
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn texts(value: &Value) -> Vec<&str> {
    list(value).iter().filter_map(Value::as_str).collect()
}

/// Tells whether a target names the user.
pub(super) fn names(group: &str, subject: &Subject) -> bool {
    group == "all_users" || subject.groups.contains(group)
}

impl<'a> Document<'a> {
    pub(super) fn read(policy: &'a Value, switches: &Switches, defects: &Defects) -> Self {
        let target = |target: &'a Value| Target {
            group: text(&target["id"]),
            profiles: texts(&target["allowedPasskeyProfiles"]),
        };
        Self {
            enabled: policy["state"] == "enabled",
            self_service: policy["isSelfServiceRegistrationAllowed"] == true,
            include: list(&policy["includeTargets"]).iter().map(target).collect(),
            exclude: list(&policy["excludeTargets"])
                .iter()
                .map(|target| text(&target["id"]))
                .collect(),
            profiles: list(&policy["passkeyProfiles"])
                .iter()
                .map(|profile| Profile::read(profile, switches, defects))
                .collect(),
        }
    }

    /// Returns the profiles that any include target gives to the user, in the order of the policy.
    pub(super) fn profiles_of(&self, subject: &Subject, defects: &Defects) -> Vec<&Profile<'a>> {
        let mine = self
            .include
            .iter()
            .filter(|target| names(target.group, subject));
        let ids: BTreeSet<&str> = mine.flat_map(|target| &target.profiles).copied().collect();
        self.profiles
            .iter()
            .filter(|profile| defects.has(Defect::TargetsIgnored) || ids.contains(profile.id))
            .collect()
    }
}

impl<'a> Profile<'a> {
    fn read(profile: &'a Value, switches: &Switches, defects: &Defects) -> Self {
        let types: Vec<&str> = text(&profile["passkeyTypes"])
            .split(',')
            .map(str::trim)
            .collect();
        let attestation_enforced = profile["attestationEnforcement"] == "registrationOnly";
        let strips_synced = attestation_enforced
            && switches.attestation_with_synced == AttestationWithSynced::StripsSynced
            && !defects.has(Defect::AttestationWithSyncedAccepted);
        let restrictions = &profile["keyRestrictions"];
        let list = List {
            allows: restrictions["enforcementType"] == "allow",
            aaguids: texts(&restrictions["aaGuids"]),
        };
        Self {
            id: text(&profile["id"]),
            device_bound: types.contains(&"deviceBound"),
            synced: types.contains(&"synced") && !strips_synced,
            attestation_enforced,
            list: (restrictions["isEnforced"] == true).then_some(list),
        }
    }

    pub(super) const fn takes(&self, synced: bool) -> bool {
        if synced {
            self.synced
        } else {
            self.device_bound
        }
    }
}
