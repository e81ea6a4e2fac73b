//! Random policy documents that break their own rules, or nearly.

use passkey_model::policy::Limits;
use proptest::{collection::vec, prelude::*, sample::Index, sample::select};
use serde_json::{Value, json};

use crate::{
    cases,
    policies::{self, id},
};

/// A policy document as it is sent, and what it is judged by.
#[derive(Clone, Debug)]
pub struct Draft {
    pub document: Value,
    pub previous: Option<Value>,
    pub switches: Value,
    pub limits: Limits,
}

/// One change to a policy that keeps its rules.
#[derive(Clone, Debug)]
enum Fault {
    /// Some member, anywhere, is another value, or not there.
    Member(Index, Option<Value>),
    /// A list has one more item.
    Listed(Index, &'static str),
    /// A profile enforces attestation and takes synced passkeys.
    AttestsSynced(Index),
    /// A profile is not there, whoever has it.
    Deleted(usize),
    /// A target has a profile more.
    Assigned(Index, String),
    /// There is one profile more, with this id.
    Added(String),
}

/// How near the document is to a limit.
#[derive(Clone, Copy, Debug)]
enum Room {
    Ample,
    Bytes(usize),
    Profiles(usize),
}

pub fn draft() -> impl Strategy<Value = Draft> {
    let room = prop_oneof![
        12 => Just(Room::Ample),
        1 => (0..=1_usize).prop_map(Room::Bytes),
        2 => (0..=1_usize).prop_map(Room::Profiles),
    ];
    let faults = prop_oneof![
        1 => Just(Vec::new()),
        9 => vec(fault(), 1..=2),
    ];
    (
        policies::policy(),
        cases::switches(),
        faults,
        any::<bool>(),
        room,
    )
        .prop_map(|(policy, switches, faults, changes, room)| {
            let before = policy.document(&switches, &id(0));
            let mut document = before.clone();
            for fault in faults {
                fault.make(&mut document);
            }
            let limits = room.limits(&document);
            Draft {
                document,
                previous: changes.then_some(before),
                switches,
                limits,
            }
        })
}

fn fault() -> impl Strategy<Value = Fault> {
    let any_id = || (0..5_usize).prop_map(id);
    prop_oneof![
        8 => (any::<Index>(), value()).prop_map(|(place, value)| Fault::Member(place, value)),
        3 => (any::<Index>(), aaguid()).prop_map(|(place, text)| Fault::Listed(place, text)),
        3 => any::<Index>().prop_map(Fault::AttestsSynced),
        12 => (1..3_usize).prop_map(Fault::Deleted),
        2 => (any::<Index>(), any_id()).prop_map(|(place, id)| Fault::Assigned(place, id)),
        4 => any_id().prop_map(Fault::Added),
    ]
}

fn value() -> impl Strategy<Value = Option<Value>> {
    let known = select(vec![
        Value::Null,
        json!(true),
        json!(1),
        json!(""),
        json!("enabled"),
        json!("Enabled"),
        json!("allow"),
        json!("registrationOnly"),
        json!("synced"),
        json!("deviceBound,"),
        json!("unknownFutureValue"),
        json!([]),
        json!([null]),
        json!([1]),
        json!(["synced"]),
        json!({}),
        json!([{}]),
    ]);
    prop_oneof![2 => Just(None), 3 => known.prop_map(Some)]
}

fn aaguid() -> impl Strategy<Value = &'static str> {
    select(vec![
        "2fc0579f-8113-47ea-b116-bb5a8db9202a",
        "2FC0579F-8113-47EA-B116-BB5A8DB9202A",
        "2fc0579f811347eab116bb5a8db9202a",
        "{2fc0579f-8113-47ea-b116-bb5a8db9202a}",
        " 2fc0579f-8113-47ea-b116-bb5a8db9202a",
        "2fc0579f-8113-47ea-b116-bb5a8db9202",
        "2fc0579f-8113-47ea-b116-bb5a8db9202a-",
        "2fc0579-f8113-47ea-b116-bb5a8db9202a",
        "2fc0579f-8113-47ea-b116-bb5a8db9202g",
        "2fc0579f-8113-47ea-b116-bb5a8db920é",
        "+fc0579f-8113-47ea-b116-bb5a8db9202a",
        "",
    ])
}

impl Room {
    fn limits(self, document: &Value) -> Limits {
        let profiles = document["passkeyProfiles"].as_array().map_or(0, Vec::len);
        let ample = Limits {
            profiles: 10,
            ..Limits::default()
        };
        match self {
            Self::Ample => ample,
            Self::Bytes(short) => Limits {
                bytes: document.to_string().len() - short,
                ..ample
            },
            Self::Profiles(short) => Limits {
                profiles: profiles.saturating_sub(short),
                ..ample
            },
        }
    }
}

impl Fault {
    /// Makes the change, where the document still has a place for it.
    fn make(self, document: &mut Value) {
        match self {
            Self::Member(place, value) => change_member(document, place, value),
            Self::Listed(place, aaguid) => {
                if let Some(profile) = pick(document.get_mut("passkeyProfiles"), place) {
                    push(
                        profile.pointer_mut("/keyRestrictions/aaGuids"),
                        json!(aaguid),
                    );
                }
            }
            Self::AttestsSynced(place) => {
                let profile = pick(document.get_mut("passkeyProfiles"), place);
                if let Some(Value::Object(profile)) = profile {
                    profile.insert(
                        "attestationEnforcement".to_owned(),
                        json!("registrationOnly"),
                    );
                    profile.insert("passkeyTypes".to_owned(), json!("deviceBound,synced"));
                }
            }
            Self::Deleted(index) => {
                if let Some(Value::Array(profiles)) = document.get_mut("passkeyProfiles")
                    && !profiles.is_empty()
                {
                    profiles.remove(index % profiles.len());
                }
            }
            Self::Assigned(place, id) => {
                if let Some(target) = pick(document.get_mut("includeTargets"), place) {
                    push(target.get_mut("allowedPasskeyProfiles"), json!(id));
                }
            }
            Self::Added(id) => {
                let mut profile = document["passkeyProfiles"][0].clone();
                if let Some(members) = profile.as_object_mut() {
                    members.insert("id".to_owned(), json!(id));
                    push(document.get_mut("passkeyProfiles"), profile);
                }
            }
        }
    }
}

fn pick(list: Option<&mut Value>, place: Index) -> Option<&mut Value> {
    let list = list?.as_array_mut().filter(|list| !list.is_empty())?;
    let index = place.index(list.len());
    list.get_mut(index).filter(|item| item.is_object())
}

fn push(list: Option<&mut Value>, item: Value) {
    if let Some(Value::Array(list)) = list {
        list.push(item);
    }
}

/// Sets or removes one member of one object, wherever it stands.
fn change_member(document: &mut Value, place: Index, value: Option<Value>) {
    let mut members = Vec::new();
    list_members("", document, &mut members);
    if members.is_empty() {
        return;
    }
    let (parent, name) = place.get(&members);
    let Some(parent) = document.pointer_mut(parent).and_then(Value::as_object_mut) else {
        return;
    };
    match value {
        Some(value) => {
            parent.insert(name.clone(), value);
        }
        None => {
            parent.remove(name);
        }
    }
}

/// Lists the members of all objects: where the object stands, and the member's name.
fn list_members(place: &str, value: &Value, members: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                members.push((place.to_owned(), name.clone()));
                let name = name.replace('~', "~0").replace('/', "~1");
                list_members(&format!("{place}/{name}"), value, members);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                list_members(&format!("{place}/{index}"), item, members);
            }
        }
        _ => {}
    }
}
