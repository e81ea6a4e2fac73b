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
    scenario::{Action, Case, CeremonyKind, ConformanceGroup, Expected, StepSpec, Suite},
    verdict::Reason,
};

/// Expands every conformance case.
pub(super) fn rows(library: &Library) -> Vec<Result<Row, ExpandError>> {
    let mut rows = Vec::new();
    for group in &library.conformance {
        for (index, case) in group.value.cases.iter().enumerate() {
            let place = group.at(&format!("/cases/{index}"));
            for ceremony in &case.ceremonies {
                rows.extend(variants(case).map(|(variant, mutation)| {
                    let point = Point {
                        library,
                        group,
                        case,
                        place: &place,
                        ceremony: *ceremony,
                    };
                    point.row(variant, mutation)
                }));
            }
        }
    }
    rows
}

fn variants(case: &Case) -> impl Iterator<Item = (Option<&str>, Option<&Mutation>)> {
    let single = case
        .variants
        .is_empty()
        .then_some((None, case.mutation.as_ref()));
    let several = case
        .variants
        .iter()
        .map(|variant| (Some(variant.name.as_str()), Some(&variant.mutation)));
    single.into_iter().chain(several)
}

/// One case in one ceremony.
struct Point<'a> {
    library: &'a Library,
    group: &'a Located<ConformanceGroup>,
    case: &'a Case,
    place: &'a SourceRef,
    ceremony: CeremonyKind,
}

impl Point<'_> {
    fn row(&self, variant: Option<&str>, mutation: Option<&Mutation>) -> Result<Row, ExpandError> {
        let steps = self.steps(mutation)?;
        for step in &steps {
            check_names(self.library, &[], self.place, &step.spec)?;
        }
        let mut axes = Vec::from_iter(variant.map(|variant| ("variant", variant.to_owned())));
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
            axes,
            relying_party: self.case.relying_party.clone(),
            switches: Switches::default(),
            users: users(&BTreeMap::new()),
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
    fn steps(&self, mutation: Option<&Mutation>) -> Result<Vec<Step>, ExpandError> {
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
        steps.push(self.subject(mutation)?);
        steps.push(control(signed_in));
        Ok(steps)
    }

    fn subject(&self, mutation: Option<&Mutation>) -> Result<Step, ExpandError> {
        let action = match self.ceremony {
            CeremonyKind::Registration => Action::Register,
            CeremonyKind::Authentication => Action::SignIn,
        };
        let mut spec = self
            .case
            .subject
            .clone()
            .unwrap_or_else(|| StepSpec::new(action));
        if spec.action != Action::Replay {
            spec.action = action;
        }
        if spec.credential.is_none() && action == Action::SignIn {
            spec.credential = Some("control".to_owned());
        }
        spec.mutation = mutation.cloned().or(spec.mutation);
        let reason: Reason = self.case.step.of(self.ceremony).parse().map_err(|error| {
            ExpandError::new(
                self.place.clone(),
                format!("step of {}: {error}", self.ceremony.name()),
            )
        })?;
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
