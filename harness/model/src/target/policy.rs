//! Policy control: how the policy of a target is set, where rows need one. Without it they are not-applicable.
//!
//! ```yaml
//! policy:
//!   graph:                                # a document in Graph's shape: read, changed with PATCH, and restored after the run
//!     group: 0f1e…                        # the test group, the only one that the policy may name before the run
//!     token-from: GRAPH_TOKEN             # the environment variable with the bearer token
//! ```
//!
//! `environment` sets variables and starts the target again; `requests` says with which requests each clause is set, where the target
//! has a policy of another shape.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Exchange, Template};
use crate::{
    Aaguid,
    policy::{Clause, KeyRestriction, Limits, Policy, PolicyProfile, Switches, name_observed},
    provider::PasskeyType,
    row::{NamedPolicy, Row, Step},
    scenario::{Action, Expected, StepSpec},
    verdict::Reason,
};

/// What sets a rule that is there without being set.
static NO_REQUESTS: Vec<Exchange> = Vec::new();

/// How Graph names everybody.
const EVERYBODY: &str = "all_users";

/// How a target's policy is set: one of the three ways.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PolicyControl {
    /// A document in the shape of Graph's fido2AuthenticationMethodConfiguration, over HTTP.
    #[serde(default)]
    pub graph: Option<Graph>,
    /// Variables of its environment, with which it is started again; `$POLICY/name` is the policy's
    /// name and `$POLICY/document` the policy in Graph's shape.
    #[serde(default)]
    pub environment: Option<BTreeMap<String, Template>>,
    /// Requests for each clause, of the driver `json`.
    #[serde(default)]
    pub requests: Option<Requests>,
}

/// A policy in Graph's shape over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Graph {
    /// The group that the policy is for, in the place of everybody: the users of the run have to be in it, and nobody else.
    #[serde(default)]
    pub group: Option<String>,
    /// The environment variable with the bearer token.
    #[serde(default)]
    pub token_from: Option<String>,
    /// Where it listens, over plain HTTP: the target's own address when left out, else one of this machine, where what adds TLS listens.
    #[serde(default)]
    pub address: Option<SocketAddr>,
    /// What it is sent as `Host`: the origin's host when left out.
    #[serde(default)]
    pub host: Option<String>,
    /// The path of the document.
    #[serde(default = "Graph::usual_path")]
    pub path: String,
    /// How long it may take until a policy that was set is the one that is read, in seconds.
    #[serde(default = "Graph::usual_limit")]
    pub effective_within_seconds: u64,
}

/// The requests that set a policy of another shape: `$POLICY/aaguids` is the list of AAGUIDs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Requests {
    /// Take away what the others set: made before each policy and after the run.
    pub clear: Vec<Exchange>,
    /// Take any type of passkey: none are needed when left out.
    #[serde(default)]
    pub any_type: Vec<Exchange>,
    /// Take device-bound passkeys only.
    #[serde(default)]
    pub device_bound: Option<Vec<Exchange>>,
    /// Take synced passkeys only.
    #[serde(default)]
    pub synced: Option<Vec<Exchange>>,
    /// Take passkeys without attestation, too: none are needed when left out.
    #[serde(default)]
    pub any_attestation: Vec<Exchange>,
    /// Take attested passkeys only.
    #[serde(default)]
    pub attestation: Option<Vec<Exchange>>,
    /// Take passkeys of these models only.
    #[serde(default)]
    pub aaguid_allow: Option<Vec<Exchange>>,
    /// Take no passkeys of these models.
    #[serde(default)]
    pub aaguid_block: Option<Vec<Exchange>>,
}

impl Graph {
    fn usual_path() -> String {
        "/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/fido2".to_owned()
    }

    const fn usual_limit() -> u64 {
        60
    }

    /// Returns a policy for the test group in the place of everybody.
    #[must_use]
    pub fn for_group(&self, document: &Value) -> Value {
        let mut document = document.clone();
        let targets = document.pointer_mut("/includeTargets");
        for target in targets.and_then(Value::as_array_mut).into_iter().flatten() {
            if let (Some(id), Some(group)) = (target.get_mut("id"), &self.group)
                && id == EVERYBODY
            {
                *id = json!(group);
            }
        }
        document
    }

    /// Says whom a policy is for beside the test group; nothing when it is for nobody else.
    #[must_use]
    pub fn others(&self, document: &Value) -> Option<String> {
        let named = targets(document, "includeTargets");
        let mut others = named.filter(|id| Some(*id) != self.group.as_deref());
        others.next().map(str::to_owned)
    }
}

impl Requests {
    /// Returns the requests that set a policy, and what they can name of it; or else the clause that they cannot express.
    ///
    /// # Errors
    /// The clause, in words.
    pub fn that_set(&self, document: &Value) -> Result<(Vec<&Exchange>, Value), String> {
        let profile = only_profile(document)?;
        let both = profile.types.len() > 1;
        let of_type = match profile.types.first() {
            _ if both => Some(&self.any_type),
            // Synced passkeys are never attested: that they are not taken follows from the other rule.
            Some(PasskeyType::DeviceBound) if profile.attestation_enforced => {
                self.device_bound.as_ref().or(Some(&self.any_type))
            }
            Some(PasskeyType::DeviceBound) => self.device_bound.as_ref(),
            Some(PasskeyType::Synced) => self.synced.as_ref(),
            None => None,
        };
        let of_attestation = if profile.attestation_enforced {
            self.attestation.as_ref()
        } else {
            Some(&self.any_attestation)
        };
        let (of_models, aaguids, clause) = match &profile.restriction {
            None => (Some(&NO_REQUESTS), None, Clause::AaguidAllow),
            Some(KeyRestriction::Allow(models)) => (
                self.aaguid_allow.as_ref(),
                Some(models),
                Clause::AaguidAllow,
            ),
            Some(KeyRestriction::Block(models)) => (
                self.aaguid_block.as_ref(),
                Some(models),
                Clause::AaguidBlock,
            ),
        };
        let lacks = |clause: Clause| format!("the clause {clause}");
        let parts = [
            of_type.ok_or_else(|| lacks(Clause::Type))?,
            of_attestation.ok_or_else(|| lacks(Clause::Attestation))?,
            of_models.ok_or_else(|| lacks(clause))?,
        ];
        if aaguids.is_some_and(std::collections::BTreeSet::is_empty) {
            return Err(format!("the clause {clause} with an empty list"));
        }
        let aaguids: Vec<Value> = aaguids
            .into_iter()
            .flatten()
            .map(|aaguid| json!(aaguid.to_string()))
            .collect();
        let exchanges = parts.into_iter().flatten().collect();
        Ok((exchanges, json!({ "aaguids": aaguids })))
    }

    /// Tells whether the target can refuse for a clause.
    const fn has(&self, clause: Clause) -> bool {
        match clause {
            Clause::Type => self.device_bound.is_some() || self.synced.is_some(),
            Clause::Attestation => self.attestation.is_some(),
            Clause::AaguidAllow => self.aaguid_allow.is_some(),
            Clause::AaguidBlock => self.aaguid_block.is_some(),
            _ => false,
        }
    }

    /// Lists the requests, each with where it is written.
    fn exchanges(&self) -> impl Iterator<Item = (String, &Exchange)> {
        let lists: [(&str, Option<&Vec<Exchange>>); 8] = [
            ("clear", Some(&self.clear)),
            ("any-type", Some(&self.any_type)),
            ("device-bound", self.device_bound.as_ref()),
            ("synced", self.synced.as_ref()),
            ("any-attestation", Some(&self.any_attestation)),
            ("attestation", self.attestation.as_ref()),
            ("aaguid-allow", self.aaguid_allow.as_ref()),
            ("aaguid-block", self.aaguid_block.as_ref()),
        ];
        lists.into_iter().flat_map(|(name, list)| {
            let numbered = list.into_iter().flatten().enumerate();
            numbered.map(move |(index, it)| (format!("/policy/requests/{name}/{index}"), it))
        })
    }
}

impl PolicyControl {
    /// Says why a policy of a row cannot be set; nothing when all can be.
    pub(super) fn cannot_set(&self, row: &Row) -> Option<String> {
        let named = row.policy.iter().chain(named_by_steps(row));
        let of_policy = |policy: &NamedPolicy| {
            let mut document = policy.document.as_ref().clone();
            // A policy can name the model that the row observes.
            name_observed(&mut document, Aaguid::ZERO);
            let why = self.cannot_express(&document)?;
            Some(format!("cannot be told {why} of policy {}", policy.name))
        };
        let refuses_it = |step: &Step| step.expect == Expected::PolicyRefused;
        let unknown = |requests: &Requests| {
            if row.steps.iter().any(refuses_it) {
                return Some("has no policy in Graph's shape that it could refuse".to_owned());
            }
            let clause = decides_alone(row, |clause| requests.has(clause))?;
            Some(format!("has no clause {clause}"))
        };
        let in_the_middle = self.environment.is_some() && changes_policy(row);
        let forgets =
            || "is started again for another policy, and the row changes it on its way".to_owned();
        named
            .filter(|_| is_about_policy(row))
            .find_map(of_policy)
            .or_else(|| self.requests.as_ref().and_then(unknown))
            .or_else(|| in_the_middle.then(forgets))
    }

    fn cannot_express(&self, document: &Value) -> Option<String> {
        if let Some(requests) = &self.requests {
            return requests.that_set(document).err();
        }
        let graph = self.graph.as_ref()?;
        let named = targets(document, "includeTargets").chain(targets(document, "excludeTargets"));
        let mut others = named.filter(|id| *id != EVERYBODY && Some(*id) != graph.group.as_deref());
        let other = others.next()?;
        Some(format!("the group {other}"))
    }

    /// Lists what is wrong although each part has the right shape: the JSON pointer of the part, and the mistake.
    pub(super) fn mistakes(&self, starts: bool, speaks_json: bool) -> Vec<(String, &'static str)> {
        let mut mistakes = Vec::new();
        let mut add = |at: &str, mistake| mistakes.push((at.to_owned(), mistake));
        let ways = [
            self.graph.is_some(),
            self.environment.is_some(),
            self.requests.is_some(),
        ];
        if ways.into_iter().filter(|way| *way).count() != 1 {
            add(
                "/policy",
                "expected one way to set the policy: graph, environment or requests",
            );
        }
        if let Some(graph) = &self.graph {
            if graph
                .group
                .as_ref()
                .is_none_or(|group| group.is_empty() || group == EVERYBODY)
            {
                add(
                    "/policy/graph",
                    "a policy is changed for a test group only: expected group, with the group's id",
                );
            }
            if graph
                .address
                .is_some_and(|address| !address.ip().is_loopback())
            {
                add(
                    "/policy/graph/address",
                    "the token would be sent over the network in plain text: expected an address of this machine, where what adds TLS listens",
                );
            }
            if !graph.path.starts_with('/') {
                add("/policy/graph/path", "expected a path, as /policies/fido2");
            }
        }
        if self.environment.is_some() && !starts {
            add(
                "/policy/environment",
                "only a target that is started can be started again: expected start",
            );
        }
        if self.requests.is_some() && !speaks_json {
            add(
                "/policy/requests",
                "they are requests of the driver json: expected driver: json",
            );
        }
        let requests = self.requests.iter().flat_map(Requests::exchanges);
        mistakes.extend(requests.filter_map(|(at, exchange)| exchange.mistake(&at)));
        mistakes
    }
}

/// Tells whether a row needs a policy.
#[must_use]
pub fn is_about_policy(row: &Row) -> bool {
    row.policy.is_some() || changes_policy(row)
}

/// Tells whether a row changes the policy on its way, so that no other row can run meanwhile.
#[must_use]
pub fn changes_policy(row: &Row) -> bool {
    let changes =
        |spec: &StepSpec| spec.action == Action::SetPolicy || spec.switch_policy.is_some();
    row.steps.iter().any(|step| changes(&step.spec))
}

/// Returns the policies that steps of a row put in force.
fn named_by_steps(row: &Row) -> impl Iterator<Item = &NamedPolicy> {
    let is_named = |policy: &NamedPolicy| {
        let name = Some(policy.name.as_str());
        row.steps.iter().any(|step| {
            let spec = &step.spec;
            spec.policy.as_deref() == name || spec.switch_policy.as_deref() == name
        })
    };
    row.policies.iter().filter(move |policy| is_named(policy))
}

/// Returns what variables of an environment can name of a policy.
#[must_use]
pub fn in_environment(policy: &NamedPolicy) -> Value {
    json!({ "name": policy.name, "document": *policy.document })
}

/// Returns a clause for which alone a step of the row has to be refused, and which the target does not have.
fn decides_alone(row: &Row, has: impl Fn(Clause) -> bool) -> Option<Clause> {
    row.steps.iter().find_map(|step| {
        let clause = |reason: &Reason| match reason {
            Reason::Clause(clause) => Some(*clause),
            _ => None,
        };
        let clauses: Option<Vec<Clause>> = step.reasons.iter().map(clause).collect();
        let clauses = clauses.filter(|_| step.expect == Expected::Rejected)?;
        let none = !clauses.iter().any(|clause| has(*clause));
        clauses.first().copied().filter(|_| none)
    })
}

/// Returns the profile that a policy comes down to for everybody; or else the clause that is another thing than a profile's.
fn only_profile(document: &Value) -> Result<PolicyProfile, String> {
    let lacks = |clause: Clause| Err(format!("the clause {clause}"));
    let policy = Policy::from_graph(document, &Switches::default(), &Limits::default(), None);
    let policy = policy.map_err(|rule| format!("the rule {rule}"))?;
    if !policy.enabled {
        return lacks(Clause::MethodDisabled);
    }
    if !policy.self_service {
        return lacks(Clause::SelfServiceOff);
    }
    if !policy.exclude.is_empty() {
        return lacks(Clause::ExcludedGroup);
    }
    let [target] = policy.include.as_slice() else {
        return lacks(Clause::NotTargeted);
    };
    if target.group != EVERYBODY {
        return lacks(Clause::NotTargeted);
    }
    match target.profiles.as_slice() {
        [] => lacks(Clause::NotTargeted),
        [id] => policy
            .profile(id)
            .cloned()
            .ok_or_else(|| format!("the profile {id}")),
        _ => Err("several profiles".to_owned()),
    }
}

/// Returns the ids of the groups that a policy names in a list.
fn targets<'a>(document: &'a Value, list: &str) -> impl Iterator<Item = &'a str> {
    let list = document.get(list).and_then(Value::as_array);
    let ids = list.into_iter().flatten().map(|target| target.get("id"));
    ids.filter_map(|id| id.and_then(Value::as_str))
}

/// Tells whether what is read has everything that was set. GUIDs and the types of passkeys are sets, whatever their spelling.
///
/// A profile that enforces attestation may be read without synced passkeys: whether Microsoft Entra refuses such a policy or
/// strips them is not documented, and there are rows for both.
#[must_use]
pub fn is_in_force(read: &Value, set: &Value) -> bool {
    match (read, set) {
        (Value::Object(read), Value::Object(set)) => {
            let enforcement = set.get("attestationEnforcement").and_then(Value::as_str);
            let may_strip = enforcement.is_some_and(|it| it != "disabled");
            let holds = |(name, set): (&String, &Value)| {
                let read = read.get(name).unwrap_or(&Value::Null);
                name.starts_with("@odata")
                    || is_in_force(read, set)
                    || (name == "passkeyTypes" && same_types(read, set, may_strip))
            };
            set.iter().all(holds)
        }
        (Value::Array(read), Value::Array(set)) => {
            let in_order = || {
                read.iter()
                    .zip(set)
                    .all(|(read, set)| is_in_force(read, set))
            };
            (read.len() == set.len() && in_order()) || same_guids(read, set)
        }
        // What was emptied may be a list without members.
        (Value::Array(read), Value::Null) => read.is_empty(),
        (read, set) => read == set,
    }
}

fn same_guids(read: &[Value], set: &[Value]) -> bool {
    let guids = |list: &[Value]| -> Option<BTreeSet<Aaguid>> {
        list.iter().map(|it| it.as_str()?.parse().ok()).collect()
    };
    guids(read).is_some_and(|read| Some(read) == guids(set))
}

/// Compares types of passkeys, words between commas, whatever their order.
fn same_types(read: &Value, set: &Value, may_strip: bool) -> bool {
    let words = |value: &Value| -> Option<BTreeSet<String>> {
        let words = value.as_str()?.split(',').map(str::trim);
        let words = words.filter(|word| !word.is_empty());
        Some(words.map(str::to_owned).collect())
    };
    let (Some(read), Some(mut set)) = (words(read), words(set)) else {
        return false;
    };
    if may_strip && read != set {
        set.remove("synced");
    }
    read == set
}

/// Lists the members of a policy that is read which a former one did not have.
#[must_use]
pub fn added(read: &Value, former: &Value) -> Vec<String> {
    let members = read.as_object().into_iter().flatten();
    let added = members.filter(|(name, value)| {
        let is_empty = is_in_force(value, &Value::Null);
        !name.contains("@odata.") && !is_empty && former.get(name.as_str()).is_none()
    });
    added.map(|(name, _)| name.clone()).collect()
}

/// Returns what restores a policy that was read: without what the answer says of itself.
#[must_use]
pub fn that_restores(read: &Value) -> Value {
    let members = read.as_object().into_iter().flatten();
    let written = members
        .filter(|(name, _)| !name.contains("@odata.") || name.as_str() == "@odata.type")
        .map(|(name, value)| (name.clone(), value.clone()));
    let mut document: Map<String, Value> = written.collect();
    document
        .entry("@odata.type")
        .or_insert_with(|| json!("#microsoft.graph.fido2AuthenticationMethodConfiguration"));
    Value::Object(document)
}
