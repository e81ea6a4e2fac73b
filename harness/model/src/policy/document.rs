//! The policy document: parsed once, then trusted.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{AttestationWithSynced, Switches};
use crate::{Aaguid, provider::PasskeyType};

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

/// A policy that keeps its own rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether the method is enabled.
    pub enabled: bool,
    /// Whether users register passkeys themselves.
    pub self_service: bool,
    /// The profile that can never be deleted.
    pub default_profile: String,
    /// Who may use passkeys, with which profiles.
    pub include: Vec<IncludeTarget>,
    /// The groups that may not, whatever the includes say.
    pub exclude: BTreeSet<String>,
    /// The profiles.
    pub profiles: Vec<PolicyProfile>,
}

/// Gives profiles to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncludeTarget {
    /// The group's id, or `all_users`.
    pub group: String,
    /// The ids of the profiles.
    pub profiles: Vec<String>,
}

/// One named set of policy rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyProfile {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// The types of passkey that it takes.
    pub types: BTreeSet<PasskeyType>,
    /// Whether registrations have to be attested.
    pub attestation_enforced: bool,
    /// The list of models, where it is enforced.
    pub restriction: Option<KeyRestriction>,
}

/// An enforced list of AAGUIDs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRestriction {
    /// Only these.
    Allow(BTreeSet<Aaguid>),
    /// All but these.
    Block(BTreeSet<Aaguid>),
}

/// A rule that the policy document itself breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policy.{rule}: {message}")]
pub struct PolicyRefusal {
    /// The rule's id, as in `profile-limit`.
    pub rule: &'static str,
    /// What is wrong.
    pub message: String,
}

fn refuse<T>(rule: &'static str, message: impl Into<String>) -> Result<T, PolicyRefusal> {
    Err(PolicyRefusal {
        rule,
        message: message.into(),
    })
}

impl Policy {
    /// Reads a policy in Graph's shape; members that we do not know are left alone.
    ///
    /// `previous` is the policy in force, against which deletions are judged.
    ///
    /// # Errors
    /// The first rule that the document breaks.
    pub fn from_graph(
        document: &Value,
        switches: &Switches,
        limits: &Limits,
        previous: Option<&Self>,
    ) -> Result<Self, PolicyRefusal> {
        let size = document.to_string().len();
        if size > limits.bytes {
            return refuse(
                "size-limit",
                format!("the policy has {size} bytes, the limit is {}", limits.bytes),
            );
        }
        let profiles = list(document, "passkeyProfiles")?
            .iter()
            .map(|profile| read_profile(profile, switches))
            .collect::<Result<Vec<_>, _>>()?;
        if profiles.len() > limits.profiles {
            return refuse(
                "profile-limit",
                format!(
                    "{} profiles, the limit is {}",
                    profiles.len(),
                    limits.profiles
                ),
            );
        }
        let policy = Self {
            enabled: keyword(document, "state", &[("enabled", true), ("disabled", false)])?,
            self_service: boolean(document, "isSelfServiceRegistrationAllowed")?,
            default_profile: text(document, "defaultPasskeyProfile")?,
            include: list(document, "includeTargets")?
                .iter()
                .map(read_include)
                .collect::<Result<_, _>>()?,
            exclude: list(document, "excludeTargets")?
                .iter()
                .map(|target| text(target, "id"))
                .collect::<Result<_, _>>()?,
            profiles,
        };
        policy.check_references(previous)?;
        Ok(policy)
    }

    /// Finds a profile.
    #[must_use]
    pub fn profile(&self, id: &str) -> Option<&PolicyProfile> {
        self.profiles.iter().find(|profile| profile.id == id)
    }

    fn check_references(&self, previous: Option<&Self>) -> Result<(), PolicyRefusal> {
        let ids: BTreeSet<&str> = self
            .profiles
            .iter()
            .map(|profile| profile.id.as_str())
            .collect();
        if ids.len() < self.profiles.len() {
            return refuse("duplicate-profile", "two profiles have one id");
        }
        if !ids.contains(self.default_profile.as_str()) {
            return refuse("default-profile", "the default profile cannot be deleted");
        }
        let assigned = self
            .include
            .iter()
            .flat_map(|target| target.profiles.iter().map(move |id| (target, id)));
        let Some((target, id)) = assigned
            .into_iter()
            .find(|(_, id)| !ids.contains(id.as_str()))
        else {
            return Ok(());
        };
        if previous.is_some_and(|previous| previous.profile(id).is_some()) {
            return refuse(
                "profile-in-use",
                format!("profile {id} is still assigned to {}", target.group),
            );
        }
        refuse(
            "unknown-profile",
            format!("{} names profile {id}, which does not exist", target.group),
        )
    }
}

fn read_include(target: &Value) -> Result<IncludeTarget, PolicyRefusal> {
    let profiles = list(target, "allowedPasskeyProfiles")?;
    let profiles = profiles
        .iter()
        .map(|id| id.as_str().map(str::to_owned))
        .collect::<Option<_>>();
    let Some(profiles) = profiles else {
        return refuse(
            "unknown-value",
            "allowedPasskeyProfiles holds ids of profiles",
        );
    };
    Ok(IncludeTarget {
        group: text(target, "id")?,
        profiles,
    })
}

fn read_profile(profile: &Value, switches: &Switches) -> Result<PolicyProfile, PolicyRefusal> {
    let mut types = BTreeSet::new();
    for word in text(profile, "passkeyTypes")?.split(',') {
        types.insert(match word.trim() {
            "deviceBound" => PasskeyType::DeviceBound,
            "synced" => PasskeyType::Synced,
            other => {
                return refuse(
                    "unknown-value",
                    format!("passkeyTypes does not know '{other}'"),
                );
            }
        });
    }
    let attestation_enforced = keyword(
        profile,
        "attestationEnforcement",
        &[("disabled", false), ("registrationOnly", true)],
    )?;
    if attestation_enforced && types.contains(&PasskeyType::Synced) {
        match switches.attestation_with_synced {
            AttestationWithSynced::Refused => {
                return refuse(
                    "attestation-with-synced",
                    "synced passkeys do not support attestation",
                );
            }
            AttestationWithSynced::StripsSynced => types.remove(&PasskeyType::Synced),
        };
    }
    Ok(PolicyProfile {
        id: text(profile, "id")?,
        name: text(profile, "name")?,
        types,
        attestation_enforced,
        restriction: read_restriction(member(profile, "keyRestrictions")?)?,
    })
}

fn read_restriction(restrictions: &Value) -> Result<Option<KeyRestriction>, PolicyRefusal> {
    let mut aaguids = BTreeSet::new();
    for item in list(restrictions, "aaGuids")? {
        match item.as_str().map(str::parse::<Aaguid>) {
            Some(Ok(aaguid)) => aaguids.insert(aaguid),
            _ => return refuse("malformed-aaguid", format!("{item} is not an AAGUID")),
        };
    }
    let make = keyword(
        restrictions,
        "enforcementType",
        &[
            ("allow", KeyRestriction::Allow as fn(_) -> _),
            ("block", KeyRestriction::Block as fn(_) -> _),
        ],
    )?;
    Ok(boolean(restrictions, "isEnforced")?.then(|| make(aaguids)))
}

fn member<'a>(value: &'a Value, name: &str) -> Result<&'a Value, PolicyRefusal> {
    match value.get(name) {
        None | Some(Value::Null) => refuse("missing-field", format!("{name} is missing")),
        Some(found) => Ok(found),
    }
}

fn text(value: &Value, name: &str) -> Result<String, PolicyRefusal> {
    let found = member(value, name)?.as_str().map(str::to_owned);
    found.map_or_else(
        || refuse("unknown-value", format!("{name} is not a text")),
        Ok,
    )
}

fn boolean(value: &Value, name: &str) -> Result<bool, PolicyRefusal> {
    let found = member(value, name)?.as_bool();
    found.map_or_else(
        || refuse("unknown-value", format!("{name} is not true or false")),
        Ok,
    )
}

fn list<'a>(value: &'a Value, name: &str) -> Result<&'a Vec<Value>, PolicyRefusal> {
    let found = member(value, name)?.as_array();
    found.map_or_else(
        || refuse("unknown-value", format!("{name} is not a list")),
        Ok,
    )
}

fn keyword<T: Copy>(value: &Value, name: &str, known: &[(&str, T)]) -> Result<T, PolicyRefusal> {
    let word = text(value, name)?;
    let found = known.iter().find(|(keyword, _)| *keyword == word);
    found.map_or_else(
        || refuse("unknown-value", format!("{name} does not know '{word}'")),
        |(_, meaning)| Ok(*meaning),
    )
}
