//! Rows of the suite `matrix`: provider x profile x registration context x sign-in context.

use std::{collections::BTreeSet, sync::Arc};

use super::{ExpandError, name};
use crate::{
    lane::Lane,
    library::{Library, Located},
    platform::Context,
    policy::{Clause, Switches},
    provider::{Provider, Transport},
    row::{Grounds, NamedPolicy, Role, Row, SourceRef, Step},
    scenario::{
        Action, Attached, Basis, ContextPair, Expected, GridEntry, MatrixKind, MatrixScenario,
        Place, Profile, RelyingPartySettings, Severity, StepSpec, Suite, UserSpec,
    },
    verdict::Reason,
};

/// Expands every matrix scenario.
pub(super) fn rows(library: &Library) -> Vec<Result<Row, ExpandError>> {
    library
        .matrix
        .iter()
        .flat_map(|scenario| scenario_rows(library, scenario))
        .collect()
}

fn scenario_rows(
    library: &Library,
    scenario: &Located<MatrixScenario>,
) -> Vec<Result<Row, ExpandError>> {
    let place = scenario.at("");
    let mut results = Vec::new();
    let spec = &scenario.value;
    let profiles = library.profiles.iter().map(|located| &located.value);
    let policies: Vec<NamedPolicy> = profiles
        .map(|profile| NamedPolicy::new(&profile.id, &profile.policy))
        .collect();
    let wanted = |list: &Option<Vec<String>>, id: &String| {
        list.as_ref().is_none_or(|list| list.contains(id))
    };
    for profile in library.profiles.iter().map(|located| &located.value) {
        if !wanted(&spec.profiles, &profile.id) {
            continue;
        }
        for provider in library.providers.iter().map(|located| &located.value) {
            if wanted(&spec.providers, &provider.id) {
                let cell = MatrixCell {
                    library,
                    spec,
                    place: &place,
                    provider,
                    profile,
                    policies: &policies,
                };
                results.extend(cell.rows());
            }
        }
    }
    results
}

/// One provider under one profile, in one scenario.
struct MatrixCell<'a> {
    library: &'a Library,
    spec: &'a MatrixScenario,
    place: &'a SourceRef,
    provider: &'a Provider,
    profile: &'a Profile,
    /// The policies of all profiles.
    policies: &'a [NamedPolicy],
}

/// What the grid says of one registration context.
struct Expectation<'a> {
    registration: Expected,
    sign_in: Expected,
    registration_clauses: &'a [Clause],
    sign_in_clauses: &'a [Clause],
    source: &'a str,
    /// Where the grid says so.
    place: SourceRef,
}

impl MatrixCell<'_> {
    fn rows(&self) -> Vec<Result<Row, ExpandError>> {
        let pairs = self
            .library
            .contexts
            .as_ref()
            .map(|contexts| contexts.value.pairs.as_slice())
            .unwrap_or_default();
        let mut seen = BTreeSet::new();
        pairs
            .iter()
            .filter(|pair| pair.provider == self.provider.id)
            .filter_map(|pair| self.row(pair).transpose())
            .filter(|row| {
                row.as_ref()
                    .map_or(true, |row| seen.insert(row.name.clone()))
            })
            .collect()
    }

    fn row(&self, pair: &ContextPair) -> Result<Option<Row>, ExpandError> {
        let expectation = self.expectation(&pair.registration)?;
        let control = self
            .spec
            .control_for
            .get(&self.provider.id)
            .unwrap_or(&self.spec.control);
        let accepted = expectation.registration == Expected::Accepted;
        let steps = match self.spec.kind {
            MatrixKind::RegisterThenSignIn if accepted => vec![
                self.register("alice", pair, Role::Subject, Expected::Accepted, &[]),
                self.sign_in(pair, Expected::Accepted, &[]),
            ],
            MatrixKind::RefusedRegistration if !accepted => vec![
                self.register("alice", pair, Role::Control, Expected::Accepted, &[]),
                self.set_policy(),
                self.register(
                    "bob",
                    pair,
                    Role::Subject,
                    expectation.registration,
                    expectation.registration_clauses,
                ),
            ],
            MatrixKind::SignInAfterSwitch if self.profile.id != *control => vec![
                self.register("alice", pair, Role::Control, Expected::Accepted, &[]),
                control_sign_in(pair),
                self.set_policy(),
                self.sign_in(pair, expectation.sign_in, expectation.sign_in_clauses),
            ],
            MatrixKind::NotAvailable if self.unavailable(pair).is_some() => {
                vec![self.without_provider(pair)]
            }
            _ => return Ok(None),
        };
        let start = if self.spec.kind == MatrixKind::RegisterThenSignIn {
            &self.profile.id
        } else {
            control
        };
        self.finish(pair, start, steps, &expectation).map(Some)
    }

    fn finish(
        &self,
        pair: &ContextPair,
        start: &str,
        steps: Vec<Step>,
        expectation: &Expectation<'_>,
    ) -> Result<Row, ExpandError> {
        let registration = pair.registration.to_string();
        let sign_in = pair.sign_in.to_string();
        let mut axes = vec![
            ("profile", self.profile.id.clone()),
            ("provider", self.provider.id.clone()),
            ("registration", registration),
        ];
        if self.signs_in() {
            axes.push(("sign-in", sign_in));
        }
        let mut parts = vec!["matrix", self.spec.scenario.as_str()];
        parts.extend(axes.iter().map(|(_, value)| value.as_str()));
        parts.push(Lane::SOFTWARE);
        let policies = [start, self.profile.id.as_str()]
            .iter()
            .filter_map(|id| self.policies.iter().find(|policy| policy.name == **id))
            .cloned()
            .collect::<Vec<_>>();
        Ok(Row {
            name: name(self.place, &parts)?,
            suite: Suite::Matrix,
            scenario: self.spec.scenario.clone(),
            lane: Arc::clone(&super::SOFTWARE),
            title: self.spec.title.clone(),
            source: self.place.clone(),
            expected_at: expectation.place.clone(),
            later_of_case: false,
            axes,
            requires: Vec::new(),
            relying_party: RelyingPartySettings {
                options_timeout: self.spec.options_timeout,
                ..RelyingPartySettings::default()
            },
            switches: Switches::default(),
            users: ["alice", "bob"]
                .map(|user| (user.to_owned(), UserSpec::default()))
                .to_vec(),
            policy: policies.first().cloned(),
            policies,
            steps,
            grounds: Grounds {
                basis: Basis::Policy,
                severity: Severity::High,
                spec: self.cites(pair, expectation.source),
            },
            defects: Vec::new(),
            reveals_nothing: None,
            not_applicable: self.not_applicable(pair),
        })
    }

    fn signs_in(&self) -> bool {
        !matches!(
            self.spec.kind,
            MatrixKind::RefusedRegistration | MatrixKind::NotAvailable
        )
    }

    /// The grid's source, and the cells of the table that speak of the row's contexts.
    fn cites(&self, pair: &ContextPair, grid_source: &str) -> Vec<String> {
        let mut cites = vec![grid_source.to_owned()];
        let sign_in = self.signs_in().then_some(&pair.sign_in);
        for context in [&pair.registration].into_iter().chain(sign_in) {
            if let Some((id, cell)) = self
                .library
                .cell(&self.provider.id, &context.client.platform)
            {
                let text = cell.text.as_deref().unwrap_or("not in the published table");
                let cite = format!("cell {id}: \"{text}\", read as: {}", cell.reading);
                if !cites.contains(&cite) {
                    cites.push(cite);
                }
            }
        }
        cites
    }

    /// Says why no passkey can be made in a pair's registration context; nothing when one can.
    fn unavailable(&self, pair: &ContextPair) -> Option<String> {
        self.library
            .unavailable(&self.provider.id, &pair.registration, true)
    }

    /// A registration where the provider is not: whatever else is there keeps nothing of it.
    fn without_provider(&self, pair: &ContextPair) -> Step {
        let roams = !self
            .provider
            .model
            .transports
            .contains(&Transport::Internal);
        let elsewhere = roams || pair.registration.is_cross_device();
        let mut step = self.register("alice", pair, Role::Subject, Expected::NoCredential, &[]);
        step.error = Some("NotAllowedError".to_owned());
        step.spec.place = elsewhere.then_some(Place::Elsewhere);
        step.spec.attached = Some(if elsewhere {
            Attached::OtherPlatformAuthenticator
        } else {
            Attached::Nothing
        });
        step.spec.offers_same_device = Some(elsewhere);
        step
    }

    fn not_applicable(&self, pair: &ContextPair) -> Option<String> {
        if self.spec.kind == MatrixKind::NotAvailable {
            return None;
        }
        let provider = &self.provider.id;
        let unavailable = |context, registering, what: &str| {
            let why = self.library.unavailable(provider, context, registering)?;
            Some(format!("no passkey is {what}: {why}"))
        };
        unavailable(&pair.registration, true, "made")
            .or_else(|| unavailable(&pair.sign_in, false, "used").filter(|_| self.signs_in()))
            .or_else(|| self.provider.made_in(&pair.registration).model.not_built())
    }

    fn expectation(&self, registration: &Context) -> Result<Expectation<'_>, ExpandError> {
        let (entry, pointer) = self.grid_entry()?;
        let exception = (0..)
            .zip(&entry.except)
            .find(|(_, exception)| exception.contexts.contains(registration));
        let place = |below: String| {
            let grid = self.library.grid.as_ref();
            grid.map_or_else(
                || self.place.clone(),
                |grid| grid.at(&format!("{pointer}{below}")),
            )
        };
        Ok(exception.map_or_else(
            || Expectation {
                registration: entry.registration,
                sign_in: entry.sign_in,
                registration_clauses: &entry.clauses.registration,
                sign_in_clauses: &entry.clauses.sign_in,
                source: &entry.source,
                place: place(String::new()),
            },
            |(index, exception): (usize, _)| Expectation {
                registration: exception.registration,
                sign_in: exception.sign_in,
                registration_clauses: &exception.clauses.registration,
                sign_in_clauses: &exception.clauses.sign_in,
                source: &exception.source,
                place: place(format!("/except/{index}")),
            },
        ))
    }

    /// The entry, and its pointer in the grid's file.
    fn grid_entry(&self) -> Result<(&GridEntry, String), ExpandError> {
        let entries = self
            .library
            .grid
            .as_ref()
            .map(|grid| grid.value.entries.as_slice())
            .unwrap_or_default();
        let found = entries.iter().enumerate().find(|(_, entry)| {
            entry.provider == self.provider.id && entry.profile == self.profile.id
        });
        let found = found.map(|(index, entry)| (entry, format!("/entries/{index}")));
        found.ok_or_else(|| {
            let message = format!(
                "the grid has no entry for {} under {}",
                self.provider.id, self.profile.id
            );
            ExpandError::new(self.place.clone(), message)
        })
    }

    fn register(
        &self,
        user: &str,
        pair: &ContextPair,
        role: Role,
        expect: Expected,
        clauses: &[Clause],
    ) -> Step {
        let spec = StepSpec {
            user: Some(user.to_owned()),
            provider: Some(self.provider.id.clone()),
            context: Some(pair.registration.clone()),
            ..StepSpec::new(Action::Register)
        };
        Step {
            spec,
            role,
            expect,
            reasons: reasons(clauses),
            as_right: Vec::new(),
            error: None,
        }
    }

    fn sign_in(&self, pair: &ContextPair, expect: Expected, clauses: &[Clause]) -> Step {
        Step {
            role: Role::Subject,
            expect,
            reasons: reasons(clauses),
            ..control_sign_in(pair)
        }
    }

    fn set_policy(&self) -> Step {
        let spec = StepSpec {
            policy: Some(self.profile.id.clone()),
            ..StepSpec::new(Action::SetPolicy)
        };
        Step {
            spec,
            role: Role::Control,
            expect: Expected::Accepted,
            reasons: Vec::new(),
            as_right: Vec::new(),
            error: None,
        }
    }
}

fn control_sign_in(pair: &ContextPair) -> Step {
    let spec = StepSpec {
        context: Some(pair.sign_in.clone()),
        ..StepSpec::new(Action::SignIn)
    };
    Step {
        spec,
        role: Role::Control,
        expect: Expected::Accepted,
        reasons: Vec::new(),
        as_right: Vec::new(),
        error: None,
    }
}

fn reasons(clauses: &[Clause]) -> Vec<Reason> {
    clauses.iter().copied().map(Reason::Clause).collect()
}
