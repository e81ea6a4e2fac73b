//! Random policies that keep their rules.

use std::collections::BTreeSet;

use proptest::{bool::weighted, collection::vec, prelude::*, sample::select};
use serde_json::Value;

pub const GROUPS: [&str; 4] = ["staff", "interns", "pilots", "contractors"];
const AAGUIDS: [&str; 6] = [
    "00000000-0000-0000-0000-000000000000",
    "2fc0579f-8113-47ea-b116-bb5a8db9202a",
    "fbfc3007-154e-4ecc-8c0b-6e020557d7bd",
    "d548826e-79b4-db40-a3d8-11116f7e8349",
    "de1e552d-db1d-4423-a619-566b625cdc84",
    "90a3ccdf-635c-4729-a248-9b709135078f",
];
pub const WINDOWS_HELLO: [&str; 3] = [
    "08987058-cadc-4b81-b6e1-30de50dcbe96",
    "9ddd1817-af5a-4672-a2b9-3e3dd95000a9",
    "6028b017-b1d4-4c02-b4b3-afcdafc96bb2",
];
/// A policy before it is written down, so that it shrinks by what it means.
#[derive(Clone, Debug)]
pub struct PolicySpec {
    enabled: bool,
    self_service: bool,
    include: Vec<(&'static str, Vec<usize>)>,
    exclude: Vec<&'static str>,
    profiles: Vec<ProfileSpec>,
}

#[derive(Clone, Debug)]
struct ProfileSpec {
    types: &'static str,
    attested: bool,
    is_enforced: bool,
    enforcement_type: &'static str,
    listed: Vec<(Listed, Letters)>,
}

/// A member of a list: the model that the request is about, or any.
#[derive(Clone, Copy, Debug)]
enum Listed {
    Own,
    Other(&'static str),
}

#[derive(Clone, Copy, Debug)]
enum Letters {
    Lower,
    Upper,
    Mixed,
}

impl Letters {
    fn write(self, aaguid: &str) -> String {
        let upper = |index: usize| match self {
            Self::Lower => false,
            Self::Upper => true,
            Self::Mixed => index.is_multiple_of(2),
        };
        let letters = aaguid.char_indices().map(|(index, letter)| {
            if upper(index) {
                letter.to_ascii_uppercase()
            } else {
                letter
            }
        });
        letters.collect()
    }
}

pub fn policy() -> impl Strategy<Value = PolicySpec> {
    let group = prop_oneof![3 => Just("all_users"), 1 => select(&GROUPS[..])];
    let given = prop_oneof![1 => Just(Vec::new()), 28 => vec(0..3_usize, 1..=1), 10 => vec(0..3_usize, 2..=3)];
    let excluded = prop_oneof![1 => Just("all_users"), 30 => select(&GROUPS[..])];
    (
        weighted(0.92),
        weighted(0.88),
        prop_oneof![3 => vec((group.clone(), given.clone()), 1..=1), 1 => vec((group, given), 2..=2)],
        prop_oneof![
            5 => Just(Vec::new()),
            1 => vec(excluded, 1..=1),
        ],
        vec(profile(), 1..=3),
    )
        .prop_map(
            |(enabled, self_service, include, exclude, profiles)| PolicySpec {
                enabled,
                self_service,
                include,
                exclude,
                profiles,
            },
        )
}

fn profile() -> impl Strategy<Value = ProfileSpec> {
    let listed = prop_oneof![
        1 => Just(Listed::Own),
        1 => aaguid().prop_map(Listed::Other),
    ];
    let letters = select(vec![Letters::Lower, Letters::Upper, Letters::Mixed]);
    (
        types(),
        weighted(0.33),
        weighted(0.45),
        prop_oneof![1 => Just("allow"), 1 => Just("block")],
        vec((listed, letters), 0..=3),
    )
        .prop_map(
            |(types, attested, is_enforced, enforcement_type, listed)| ProfileSpec {
                types,
                attested,
                is_enforced,
                enforcement_type,
                listed,
            },
        )
}

fn types() -> impl Strategy<Value = &'static str> {
    let both = vec![
        "deviceBound,synced",
        "synced,deviceBound",
        "synced, deviceBound",
    ];
    prop_oneof![
        1 => Just("deviceBound"),
        1 => Just("synced"),
        10 => select(both),
    ]
}

pub fn aaguid() -> impl Strategy<Value = &'static str> {
    prop_oneof![7 => select(&AAGUIDS[..]), 2 => select(&WINDOWS_HELLO[..])]
}

impl PolicySpec {
    /// Does what administrators have to do who want Windows Hello: few random policies would.
    pub fn prepare_for_windows_hello(&mut self) {
        for profile in &mut self.profiles {
            profile.attested = false;
            profile.is_enforced = true;
            profile.enforcement_type = "allow";
            profile.listed.push((Listed::Own, Letters::Upper));
        }
    }

    /// Writes the policy in Graph's shape, as it is valid under these switches.
    pub fn document(&self, switches: &Value, own: &str) -> Value {
        let strips = switches["attestation-with-synced"] == "strips-synced";
        let include = self.include.iter().map(|(group, profiles)| {
            let ids: BTreeSet<usize> = profiles
                .iter()
                .map(|index| index % self.profiles.len())
                .collect();
            let ids: Vec<String> = ids.into_iter().map(id).collect();
            object([
                ("targetType", "group".into()),
                ("id", (*group).into()),
                ("allowedPasskeyProfiles", ids.into()),
            ])
        });
        let exclude = self.exclude.iter();
        let exclude = exclude.map(|group| object([("id", (*group).into())]));
        let profiles = self.profiles.iter().enumerate();
        let profiles = profiles.map(|(index, profile)| profile.document(index, strips, own));
        let state = if self.enabled { "enabled" } else { "disabled" };
        object([
            (
                "@odata.type",
                "#microsoft.graph.fido2AuthenticationMethodConfiguration".into(),
            ),
            ("state", state.into()),
            ("isSelfServiceRegistrationAllowed", self.self_service.into()),
            ("defaultPasskeyProfile", id(0).into()),
            ("includeTargets", include.collect()),
            ("excludeTargets", exclude.collect()),
            ("passkeyProfiles", profiles.collect()),
        ])
    }
}

impl ProfileSpec {
    fn document(&self, index: usize, strips: bool, own: &str) -> Value {
        let listed = self.listed.iter().map(|(listed, letters)| match listed {
            Listed::Own => letters.write(own),
            Listed::Other(aaguid) => letters.write(aaguid),
        });
        let (enforcement, types) = match self.attested {
            false => ("disabled", self.types),
            true if strips => ("registrationOnly", self.types),
            true => ("registrationOnly", "deviceBound"),
        };
        let restrictions = [
            ("isEnforced", self.is_enforced.into()),
            ("enforcementType", self.enforcement_type.into()),
            ("aaGuids", listed.collect()),
        ];
        object([
            ("id", id(index).into()),
            ("name", format!("Profile {index}").into()),
            ("passkeyTypes", types.into()),
            ("attestationEnforcement", enforcement.into()),
            ("keyRestrictions", object(restrictions)),
        ])
    }
}

/// Makes an object; `json!` would copy every value that is put in.
fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    members.into_iter().collect()
}

/// The id of the profile with that number.
pub fn id(index: usize) -> String {
    format!("00000000-0000-0000-0000-00000000000{}", index + 1)
}
