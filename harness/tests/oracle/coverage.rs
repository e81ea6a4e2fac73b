//! How often each clause decides, both ways.

use std::{collections::BTreeMap, fmt::Write as _};

use passkey_model::{
    Aaguid,
    policy::{
        Clause, CredentialFacts, Decision, KeyRestriction, Operation, Policy, Switches, UserFacts,
        deciding_clauses, evaluate, passkey_type,
    },
    provider::AttestationKind,
};

/// Below this many cases a share says nothing.
const FEWEST_CASES: usize = 1_000;
const LEAST_PERCENT: usize = 2;

/// A request as the oracle is asked about it.
#[derive(Clone, Debug)]
pub struct Request {
    pub policy: Policy,
    pub switches: Switches,
    pub user: UserFacts,
    pub credential: CredentialFacts,
    pub operation: Operation,
}

impl Request {
    pub fn decision(&self) -> Decision {
        evaluate(
            &self.policy,
            &self.switches,
            &self.user,
            &self.credential,
            self.operation,
        )
    }

    /// Tells whether a clause alone refuses: without it, the request would be admitted.
    pub fn is_refused_by(&self, clause: Clause) -> bool {
        let deciding = deciding_clauses(
            &self.policy,
            &self.switches,
            &self.user,
            &self.credential,
            self.operation,
        );
        deciding.contains(&clause)
    }

    /// Tells whether a clause alone admits: the request is admitted, the policy (or the request) has what the clause
    /// speaks of, and when just that changes for the worse, the clause alone refuses.
    pub fn is_admitted_by(&self, clause: Clause) -> bool {
        let mut worse = self.clone();
        worse.spoil(clause) && worse.is_refused_by(clause)
    }

    /// Changes for the worse what a clause looks at; false where the clause is not in play.
    fn spoil(&mut self, clause: Clause) -> bool {
        let registering = self.operation == Operation::Registration;
        match clause {
            Clause::MethodDisabled => self.policy.enabled = false,
            Clause::ExcludedGroup => self.user.groups.extend(self.policy.exclude.clone()),
            Clause::SelfServiceOff => self.policy.self_service = false,
            Clause::Guest => self.user.guest = true,
            Clause::StepUp => self.user.mfa_age_seconds = 301,
            Clause::NotTargeted => self.user.groups.clear(),
            Clause::Type => {
                let kind = passkey_type(&self.credential, &self.switches);
                for profile in &mut self.policy.profiles {
                    profile.types.remove(&kind);
                }
            }
            Clause::Attestation => self.credential.attested = false,
            Clause::Format if self.credential.format == AttestationKind::None.name() => {
                return false;
            }
            Clause::Format => self.credential.format = "x".repeat(33),
            Clause::AaguidAllow | Clause::AaguidBlock => self.swap_lists(),
            Clause::WindowsHello => {
                for profile in &mut self.policy.profiles {
                    profile.restriction = None;
                }
            }
        }
        let at_registration = [
            Clause::SelfServiceOff,
            Clause::Guest,
            Clause::StepUp,
            Clause::Attestation,
            Clause::Format,
        ];
        registering || !at_registration.contains(&clause)
    }

    /// Takes the credential's model off every allow list, and puts it on every block list.
    fn swap_lists(&mut self) {
        let model = self.credential.aaguid;
        for profile in &mut self.policy.profiles {
            match &mut profile.restriction {
                Some(KeyRestriction::Allow(list)) => {
                    list.remove(&model);
                    list.insert(Aaguid::from([0xee; 16]));
                }
                Some(KeyRestriction::Block(list)) => {
                    list.insert(model);
                }
                None => {}
            }
        }
    }
}

/// Counts cases by what they show.
#[derive(Debug, Default)]
pub struct Shares {
    cases: usize,
    counts: BTreeMap<String, usize>,
}

impl Shares {
    /// Counts from nothing what has to be seen.
    pub fn of(wanted: impl IntoIterator<Item = String>) -> Self {
        Self {
            cases: 0,
            counts: wanted.into_iter().map(|name| (name, 0)).collect(),
        }
    }

    pub fn next_case(&mut self) {
        self.cases += 1;
    }

    pub fn saw(&mut self, name: impl Into<String>) {
        *self.counts.entry(name.into()).or_default() += 1;
    }

    fn table(&self) -> String {
        let mut table = format!("of {} cases:\n", self.cases);
        for (name, count) in &self.counts {
            let permille = count * 1000 / self.cases.max(1);
            let mark = if self.is_enough(*count) {
                ""
            } else {
                "  too few"
            };
            let (whole, tenths) = (permille / 10, permille % 10);
            let _ = writeln!(table, "{whole:>4}.{tenths} %  {name}{mark}");
        }
        table
    }

    const fn is_enough(&self, count: usize) -> bool {
        count * 100 >= self.cases * LEAST_PERCENT
    }

    /// Holds that everything was seen in two cases of a hundred, unless there are too few cases to tell.
    pub fn assert_enough(&self) {
        let enough = self.counts.values().all(|count| self.is_enough(*count));
        assert!(enough || self.cases < FEWEST_CASES, "{}", self.table());
    }
}
