//! A row as the oracle sees it: what the relying party knows as its steps go by, and what it has to decide.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Clause, CredentialFacts, Decision, Limits, Operation, Policy, PolicyRefusal, UserFacts,
    deciding_clauses, evaluate,
};
use crate::{
    Aaguid, Stage,
    lane::Fixed,
    library::{Library, ProviderInContext},
    provider::{AttestationKind, Claim},
    row::{Row, Step},
    scenario::{Action, Expected, ModelMetadata, StepSpec},
};

/// Stands in a policy for the AAGUID of the passkey that was registered last in the row.
pub const OBSERVED_AAGUID: &str = "$OBSERVED_AAGUID";
/// Stands for it with its bytes in the order of a Windows GUID: the first three groups turned around.
pub const OBSERVED_AAGUID_BYTES_SWAPPED: &str = "$OBSERVED_AAGUID_BYTES_SWAPPED";

/// Puts an AAGUID where a policy names the one that was observed.
pub fn name_observed(policy: &mut Value, observed: Aaguid) {
    match policy {
        Value::String(text) if text == OBSERVED_AAGUID => *text = observed.to_string(),
        Value::String(text) if text == OBSERVED_AAGUID_BYTES_SWAPPED => {
            *text = observed.swapped().to_string();
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| name_observed(item, observed)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|member| name_observed(member, observed)),
        _ => {}
    }
}

/// What a policy has to say of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A ceremony: what has to be decided, and the clauses each of which alone decides it.
    Ceremony(Decision, BTreeSet<Clause>),
    /// A new policy: whether it keeps the rules.
    Policy(Result<(), PolicyRefusal>),
    /// Nothing.
    Nothing,
}

/// What the relying party of a row knows as the row goes on.
#[derive(Clone, Debug)]
pub struct Story<'a> {
    library: &'a Library,
    row: &'a Row,
    fixed: &'a Fixed,
    policy: Policy,
    users: BTreeMap<String, UserFacts>,
    now: u64,
    mfa_at: BTreeMap<String, u64>,
    passkeys: BTreeMap<String, CredentialFacts>,
    observed: Option<Aaguid>,
}

impl<'a> Story<'a> {
    /// Begins the story of a row whose authenticators have what is fixed; nothing when the row has no policy to begin with, or
    /// one that breaks its own rules.
    #[must_use]
    pub fn new(library: &'a Library, row: &'a Row, fixed: &'a Fixed) -> Option<Self> {
        let start = row.policy.as_ref()?;
        let policy = Policy::from_graph(&start.document, &row.switches, &Limits::default(), None);
        let users = row.users.iter().map(|(name, user)| {
            let facts = UserFacts {
                groups: user.groups.iter().cloned().collect(),
                guest: user.guest,
                mfa_age_seconds: 0,
            };
            (name.clone(), facts)
        });
        Some(Self {
            library,
            row,
            fixed,
            policy: policy.ok()?,
            users: users.collect(),
            now: 0,
            mfa_at: BTreeMap::new(),
            passkeys: BTreeMap::new(),
            observed: None,
        })
    }

    /// Goes one step on and says what the policy in force has to say of it.
    pub fn step(&mut self, step: &Step) -> Told {
        let spec = &step.spec;
        match spec.action {
            Action::Register | Action::SignIn if step.expect != Expected::NoCredential => {
                self.decide(spec)
            }
            Action::SetPolicy => {
                let read = self.read(spec.policy.as_deref());
                Told::Policy(read.map(|policy| self.policy = policy))
            }
            Action::AdvanceClock => {
                self.now += spec.seconds.unwrap_or_default();
                Told::Nothing
            }
            Action::SetUser => {
                self.set_user(spec);
                Told::Nothing
            }
            _ => Told::Nothing,
        }
    }

    fn read(&self, name: Option<&str>) -> Result<Policy, PolicyRefusal> {
        let mut policies = self.row.policies.iter();
        let named = policies.find(|policy| Some(policy.name.as_str()) == name);
        let mut document = named.map_or(Value::Null, |policy| policy.document.as_ref().clone());
        if let Some(observed) = self.observed {
            name_observed(&mut document, observed);
        }
        let (switches, limits) = (&self.row.switches, Limits::default());
        Policy::from_graph(&document, switches, &limits, Some(&self.policy))
    }

    fn set_user(&mut self, spec: &StepSpec) {
        let name = spec.user.as_deref().unwrap_or("alice");
        if let Some(user) = self.users.get_mut(name) {
            if let Some(groups) = &spec.groups {
                user.groups = groups.iter().cloned().collect();
            }
            user.guest = spec.guest.unwrap_or(user.guest);
        }
    }

    fn user(&self, name: &str) -> UserFacts {
        UserFacts {
            mfa_age_seconds: self.now - self.mfa_at.get(name).copied().unwrap_or(self.now),
            ..self.users.get(name).cloned().unwrap_or_default()
        }
    }

    /// Decides a ceremony under the policy in force when the response arrives.
    fn decide(&mut self, spec: &StepSpec) -> Told {
        let name = spec.user.as_deref().unwrap_or("alice");
        self.now += spec.wait_seconds.unwrap_or_default();
        if let Some(policy) = &spec.switch_policy
            && let Ok(policy) = self.read(Some(policy))
        {
            self.policy = policy;
        }
        let passkey = spec.credential.as_deref().unwrap_or("passkey").to_owned();
        let operation = if spec.action == Action::Register {
            let Some(facts) = self.made(spec) else {
                return Told::Nothing;
            };
            self.observed = Some(facts.aaguid);
            self.passkeys.insert(passkey.clone(), facts);
            self.mfa_at.entry(name.to_owned()).or_insert(self.now);
            Operation::Registration
        } else {
            self.mfa_at.insert(name.to_owned(), self.now);
            Operation::SignIn
        };
        let (user, switches) = (self.user(name), &self.row.switches);
        let Some(credential) = self.passkeys.get(&passkey) else {
            return Told::Nothing;
        };
        Told::Ceremony(
            evaluate(&self.policy, switches, &user, credential, operation),
            deciding_clauses(&self.policy, switches, &user, credential, operation),
        )
    }

    fn made(&self, spec: &StepSpec) -> Option<CredentialFacts> {
        let provider = self.library.provider(spec.provider.as_deref()?)?;
        let mut made = provider.made_where(spec.context.as_ref());
        made.override_with(spec);
        self.fixed.replace(&mut made);
        let ProviderInContext { model, .. } = made;
        let first_party = self
            .claims()
            .filter(|claim| claim.attestation == AttestationKind::FirstPartyApp)
            .any(|claim| claim.aaguid == model.aaguid);
        let named_format = spec.mutation.as_ref().filter(|mutation| {
            mutation.at.stage == Stage::AttestationObject && mutation.at.path == ["fmt"]
        });
        let named_format = named_format
            .and_then(|mutation| mutation.value.as_ref()?.as_str())
            .map(str::to_owned);
        Some(CredentialFacts {
            backup_eligible: model.backup_eligible,
            aaguid: model.aaguid,
            format: named_format.unwrap_or_else(|| model.attestation.format().to_owned()),
            self_attested: model.attestation == AttestationKind::PackedSelf,
            attested: match model.attestation {
                AttestationKind::Packed => {
                    self.is_certified(model.aaguid) && spec.mutation.is_none()
                }
                AttestationKind::FirstPartyApp => true,
                _ => false,
            },
            first_party,
        })
    }

    fn claims(&self) -> impl Iterator<Item = &'a Claim> {
        let providers = self.library.providers.iter();
        providers.map(|provider| &provider.value.claim)
    }

    fn is_certified(&self, model: Aaguid) -> bool {
        match self.row.relying_party.metadata.get(&model) {
            Some(said) => matches!(
                said,
                ModelMetadata::Certified | ModelMetadata::ClientPinOnly
            ),
            None => {
                let anchored = self.fixed.attestation == Some(AttestationKind::Packed)
                    && self.fixed.aaguid == Some(model);
                let attested = |claim: &Claim| {
                    claim.aaguid == model && claim.attestation == AttestationKind::Packed
                };
                anchored || self.claims().any(attested)
            }
        }
    }
}
