//! Rows of the suite `conformance`: case, variant, ceremony.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    ExpandError, name,
    policy::{check_names, control, not_built, users},
};
use crate::{
    Mutation,
    lane::Lane,
    library::{Library, Located},
    policy::Switches,
    row::{Grounds, Role, Row, SourceRef, Step},
    scenario::{Action, Case, CeremonyKind, ConformanceGroup, Expected, StepSpec, Suite, UserSpec},
    verdict::Reason,
};

/// Expands every conformance case.
pub(super) fn rows(library: &Library) -> Vec<Result<Row, ExpandError>> {
    let mut rows = Vec::new();
    for group in &library.conformance {
        for (index, case) in group.value.cases.iter().enumerate() {
            let place = group.at(&format!("/cases/{index}"));
            for (turn, ceremony) in case.ceremonies.iter().enumerate() {
                rows.extend(variants(case).map(|chosen| {
                    let point = Point {
                        library,
                        group,
                        case,
                        place: &place,
                        ceremony: *ceremony,
                        later: turn > 0,
                    };
                    point.row(chosen)
                }));
            }
        }
    }
    rows
}

/// Returns the users: two whom the relying party serves, and one who means harm and has an account too.
fn actors() -> Vec<(String, UserSpec)> {
    let mut actors = users(&BTreeMap::new());
    actors.push(("mallory".to_owned(), UserSpec::default()));
    actors
}

/// What one row of a case does.
#[derive(Clone, Copy)]
struct Chosen<'a> {
    variant: Option<&'a str>,
    later: bool,
    mutation: Option<&'a Mutation>,
    subject: Option<&'a StepSpec>,
}

fn variants(case: &Case) -> impl Iterator<Item = Chosen<'_>> {
    let single = case.variants.is_empty().then_some(Chosen {
        variant: None,
        later: false,
        mutation: case.mutation.as_ref(),
        subject: case.subject.as_ref(),
    });
    let several = case
        .variants
        .iter()
        .enumerate()
        .map(|(index, variant)| Chosen {
            variant: Some(&variant.name),
            later: index > 0,
            mutation: variant.mutation.as_ref().or(case.mutation.as_ref()),
            subject: variant.subject.as_ref().or(case.subject.as_ref()),
        });
    single.into_iter().chain(several)
}

/// One case in one ceremony.
struct Point<'a> {
    library: &'a Library,
    group: &'a Located<ConformanceGroup>,
    case: &'a Case,
    place: &'a SourceRef,
    ceremony: CeremonyKind,
    /// Whether it is not the case's first ceremony.
    later: bool,
}

impl Point<'_> {
    fn row(&self, chosen: Chosen<'_>) -> Result<Row, ExpandError> {
        let steps = self.steps(chosen)?;
        for step in &steps {
            check_names(self.library, &[], self.place, &step.spec)?;
        }
        let mut axes = Vec::from_iter(
            chosen
                .variant
                .map(|variant| ("variant", variant.to_owned())),
        );
        axes.push(("ceremony", self.ceremony.name().to_owned()));
        let mut parts = vec!["conformance", self.case.id.as_str()];
        parts.extend(axes.iter().map(|(_, value)| value.as_str()));
        parts.push(Lane::SOFTWARE);
        Ok(Row {
            name: name(self.place, &parts)?,
            suite: Suite::Conformance,
            scenario: self.case.id.clone(),
            lane: Arc::clone(&super::SOFTWARE),
            title: self.case.title.clone(),
            source: self.place.clone(),
            expected_at: self.place.clone(),
            later_of_case: chosen.later || self.later,
            axes,
            requires: self.case.requires.clone(),
            relying_party: self.case.relying_party.clone(),
            switches: Switches::default(),
            users: actors(),
            policy: None,
            policies: Vec::new(),
            not_applicable: not_built(self.library, &steps),
            steps,
            grounds: Grounds {
                basis: self.case.basis,
                severity: self.case.severity,
                spec: [self.case.step.of(self.ceremony).clone()]
                    .into_iter()
                    .chain(self.case.sources.clone())
                    .collect(),
            },
            defects: self.case.defects.of(self.ceremony).clone(),
            reveals_nothing: self.case.reveals_nothing.clone(),
        })
    }

    /// A control of the same ceremony, what the case does before, the subject, and the control again.
    fn steps(&self, chosen: Chosen<'_>) -> Result<Vec<Step>, ExpandError> {
        let registered = self.complete(StepSpec {
            credential: Some("control".to_owned()),
            ..StepSpec::new(Action::Register)
        });
        let signed_in = StepSpec {
            credential: Some("control".to_owned()),
            ..StepSpec::new(Action::SignIn)
        };
        let mut steps = vec![control(registered), control(signed_in.clone())];
        steps.extend(
            self.case
                .given
                .iter()
                .cloned()
                .map(|spec| control(self.complete(spec))),
        );
        steps.push(self.subject(chosen)?);
        steps.push(control(signed_in));
        Ok(steps)
    }

    fn subject(&self, chosen: Chosen<'_>) -> Result<Step, ExpandError> {
        let action = match self.ceremony {
            CeremonyKind::Registration => Action::Register,
            CeremonyKind::Authentication => Action::SignIn,
        };
        let own = chosen.subject.cloned();
        let mut spec = own.unwrap_or_else(|| StepSpec::new(action));
        let is_ceremony = matches!(spec.action, Action::Register | Action::SignIn);
        if is_ceremony && self.case.ceremonies.len() > 1 {
            spec.action = action;
        }
        if let Some(options) = &mut spec.options {
            options.of = options.of.or(Some(self.ceremony));
        }
        if spec.credential.is_none() && spec.action == Action::SignIn {
            spec.credential = Some("control".to_owned());
        }
        spec.mutation = chosen.mutation.cloned().or(spec.mutation);
        let read = |member: &str, text: &String| {
            text.parse::<Reason>().map_err(|error| {
                let of = self.ceremony.name();
                ExpandError::new(self.place.clone(), format!("{member} of {of}: {error}"))
            })
        };
        let reason = read("step", self.case.step.of(self.ceremony))?;
        let others = self.case.or.of(self.ceremony).iter();
        let as_right = others
            .map(|other| read("or", other))
            .collect::<Result<_, _>>()?;
        if spec.options.is_some()
            && !matches!(self.case.expect, Expected::Accepted | Expected::Reported)
        {
            return Err(ExpandError::new(
                self.place.clone(),
                "a property of options is expected to hold (accepted), or only reported",
            ));
        }
        let reasons = if self.case.expect == Expected::Rejected {
            vec![reason]
        } else {
            Vec::new()
        };
        Ok(Step {
            spec: self.complete(spec),
            role: Role::Subject,
            expect: self.case.expect,
            reasons,
            as_right,
            error: None,
        })
    }

    fn complete(&self, mut spec: StepSpec) -> StepSpec {
        if spec.action == Action::Register && spec.provider.is_none() {
            let provider = self
                .case
                .provider
                .as_ref()
                .unwrap_or(&self.group.value.provider);
            spec.provider = Some(provider.clone());
        }
        spec
    }
}
