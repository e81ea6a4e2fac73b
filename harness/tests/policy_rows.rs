//! The rows of the suite `policy` against the oracle: every literal expectation, and every clause that a defect leaves out.
#![allow(clippy::expect_used, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use passkey_harness::cli;
use passkey_model::{
    Aaguid, Stage,
    library::{Library, ProviderInContext},
    policy::{
        self, Clause, CredentialFacts, Decision, Limits, Operation, Policy, PolicyRefusal,
        UserFacts,
    },
    provider::{AttestationKind, Claim},
    row::{Role, Row, Step},
    scenario::{Action, Expected, ModelMetadata, StepSpec, Suite},
    verdict::Reason,
};

/// What the oracle knows as a row goes on.
struct Story<'a> {
    library: &'a Library,
    row: &'a Row,
    policy: Policy,
    users: BTreeMap<String, UserFacts>,
    now: u64,
    mfa_at: BTreeMap<String, u64>,
    passkeys: BTreeMap<String, CredentialFacts>,
}

impl<'a> Story<'a> {
    fn new(library: &'a Library, row: &'a Row) -> Self {
        let start = row.policy.as_ref().expect("a policy");
        let policy = Policy::from_graph(&start.document, &row.switches, &Limits::default(), None);
        let users = row.users.iter().map(|(name, user)| {
            let facts = UserFacts {
                groups: user.groups.iter().cloned().collect(),
                guest: user.guest,
                mfa_age_seconds: 0,
            };
            (name.clone(), facts)
        });
        Self {
            library,
            row,
            policy: policy.expect("a policy that keeps its rules"),
            users: users.collect(),
            now: 0,
            mfa_at: BTreeMap::new(),
            passkeys: BTreeMap::new(),
        }
    }

    fn read(&self, name: &str) -> Result<Policy, PolicyRefusal> {
        let named = self.row.policies.iter().find(|policy| policy.name == name);
        let document = &named.expect("a policy of that name").document;
        let switches = &self.row.switches;
        Policy::from_graph(document, switches, &Limits::default(), Some(&self.policy))
    }

    fn user(&self, name: &str) -> UserFacts {
        UserFacts {
            mfa_age_seconds: self.now - self.mfa_at.get(name).copied().unwrap_or(self.now),
            ..self.users.get(name).expect("a user").clone()
        }
    }

    fn made(&self, spec: &StepSpec) -> CredentialFacts {
        let provider = spec.provider.as_deref().expect("a provider");
        let provider = self.library.provider(provider).expect("the provider");
        let made = spec.context.as_ref().map_or_else(
            || ProviderInContext {
                claim: provider.claim.clone(),
                model: provider.model.clone(),
            },
            |context| provider.made_in(context),
        );
        let aaguid = spec.aaguid.unwrap_or(made.model.aaguid);
        let attestation = spec.attestation.unwrap_or(made.model.attestation);
        let first_party = self
            .claims()
            .filter(|claim| claim.attestation == AttestationKind::FirstPartyApp)
            .any(|claim| claim.aaguid == aaguid);
        let named_format = spec.mutation.as_ref().filter(|mutation| {
            mutation.at.stage == Stage::AttestationObject && mutation.at.path == ["fmt"]
        });
        let named_format = named_format
            .and_then(|mutation| mutation.value.as_ref()?.as_str())
            .map(str::to_owned);
        let format = match attestation {
            AttestationKind::FirstPartyApp => "x-first-party-app",
            AttestationKind::PackedSelf | AttestationKind::PackedUnknownRoot => "packed",
            other => other.name(),
        };
        CredentialFacts {
            backup_eligible: spec.backup_eligible.unwrap_or(made.model.backup_eligible),
            aaguid,
            format: named_format.unwrap_or_else(|| format.to_owned()),
            self_attested: attestation == AttestationKind::PackedSelf,
            attested: match attestation {
                AttestationKind::Packed => self.is_certified(aaguid) && spec.mutation.is_none(),
                AttestationKind::FirstPartyApp => true,
                _ => false,
            },
            first_party,
        }
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
            None => self
                .claims()
                .any(|claim| claim.aaguid == model && claim.attestation == AttestationKind::Packed),
        }
    }

    /// Decides a ceremony under the policy in force when the response arrives.
    fn decide(&mut self, spec: &StepSpec) -> (Decision, BTreeSet<Clause>) {
        let name = spec.user.as_deref().unwrap_or("alice");
        self.now += spec.wait_seconds.unwrap_or_default();
        if let Some(policy) = &spec.switch_policy {
            self.policy = self.read(policy).expect("a policy that keeps its rules");
        }
        let passkey = spec.credential.as_deref().unwrap_or("passkey").to_owned();
        let operation = if spec.action == Action::Register {
            let facts = self.made(spec);
            self.passkeys.insert(passkey.clone(), facts);
            self.mfa_at.entry(name.to_owned()).or_insert(self.now);
            Operation::Registration
        } else {
            self.mfa_at.insert(name.to_owned(), self.now);
            Operation::SignIn
        };
        let (user, switches) = (self.user(name), &self.row.switches);
        let credential = self.passkeys.get(&passkey).expect("the passkey");
        (
            policy::evaluate(&self.policy, switches, &user, credential, operation),
            policy::deciding_clauses(&self.policy, switches, &user, credential, operation),
        )
    }

    fn step(&mut self, step: &Step) {
        let (row, spec) = (&self.row.name, &step.spec);
        match spec.action {
            Action::Register | Action::SignIn if step.expect != Expected::NoCredential => {
                let (decision, deciding) = self.decide(spec);
                self.compare(step, &decision, &deciding);
            }
            Action::SetPolicy => {
                let read = self.read(spec.policy.as_deref().expect("a policy"));
                // How a request says of which type it is, is nothing that the document holds.
                if row.to_string().contains("::without-odata-type::") {
                    return;
                }
                match (step.expect, read) {
                    (Expected::Rejected, Err(_)) => {}
                    (Expected::PolicyRefused, Err(refusal)) => {
                        let rule = Reason::PolicyRule(format!("policy.{}", refusal.rule));
                        assert!(step.reasons.contains(&rule), "{row}: {refusal}");
                    }
                    (Expected::Accepted, Ok(policy)) => self.policy = policy,
                    (expected, read) => panic!("{row}: {expected:?}, but {read:?}"),
                }
            }
            Action::AdvanceClock => self.now += spec.seconds.unwrap_or_default(),
            Action::SetUser => {
                let name = spec.user.as_deref().unwrap_or("alice");
                let user = self.users.get_mut(name).expect("a user");
                if let Some(groups) = &spec.groups {
                    user.groups = groups.iter().cloned().collect();
                }
                user.guest = spec.guest.unwrap_or(user.guest);
            }
            _ => {}
        }
    }

    fn compare(&self, step: &Step, decision: &Decision, deciding: &BTreeSet<Clause>) {
        let row = &self.row.name;
        let clauses: Vec<Clause> = step
            .reasons
            .iter()
            .filter_map(|reason| match reason {
                Reason::Clause(clause) => Some(*clause),
                _ => None,
            })
            .collect();
        match decision {
            Decision::Admitted(_) => {
                // A step of the verification may refuse what the policy takes.
                let by_step = step.expect == Expected::Rejected && clauses.is_empty();
                assert!(
                    by_step || step.expect == Expected::Accepted,
                    "{row}: admitted"
                );
            }
            Decision::Denied(denied) => {
                assert_eq!(
                    step.expect,
                    Expected::Rejected,
                    "{row}: denied by {denied:?}"
                );
                for clause in &clauses {
                    assert!(denied.contains(clause), "{row}: {clause} does not refuse");
                }
                let named = self.row.defects.iter().filter_map(|name| clause_of(name));
                for clause in named.filter(|_| step.role == Role::Subject) {
                    assert!(
                        deciding.contains(&clause),
                        "{row}: {clause} does not decide"
                    );
                }
            }
        }
    }
}

/// The clause that a defect leaves out.
fn clause_of(defect: &str) -> Option<Clause> {
    match defect {
        "self-service-ignored" => Some(Clause::SelfServiceOff),
        "windows-hello-not-special" => Some(Clause::WindowsHello),
        _ => defect.strip_suffix("-ignored")?.parse().ok(),
    }
}

#[test]
fn the_oracle_agrees_with_every_row_about_policies() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let (library, rows) = cli::rows(&root).expect("scenarios");
    let rows: Vec<_> = rows
        .iter()
        .filter(|row| row.suite == Suite::Policy)
        .collect();
    assert!(rows.len() >= 200, "only {} rows", rows.len());
    for row in rows {
        let mut story = Story::new(&library, row);
        for step in &row.steps {
            story.step(step);
        }
    }
}
