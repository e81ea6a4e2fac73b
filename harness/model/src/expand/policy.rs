//! Rows of the suite `policy`: one a case.

use std::{collections::BTreeMap, sync::Arc};

use super::{ExpandError, name};
use crate::{
    lane::Lane,
    library::{Library, Located},
    row::{Grounds, NamedPolicy, Role, Row, SourceRef, Step},
    scenario::{
        Action, Basis, Confidence, Expected, PolicyCase, PolicyScenario, Severity, StepSpec, Suite,
        UserSpec,
    },
    verdict::Reason,
};

/// Expands every policy scenario.
pub(super) fn rows(library: &Library) -> Vec<Result<Row, ExpandError>> {
    library
        .policy
        .iter()
        .flat_map(|scenario| scenario_rows(library, scenario))
        .collect()
}

fn scenario_rows(
    library: &Library,
    scenario: &Located<PolicyScenario>,
) -> Vec<Result<Row, ExpandError>> {
    let policies = policies(library, &scenario.value);
    let cases = 0..scenario.value.cases.len();
    cases
        .map(|index| row(library, scenario, index, policies.clone()))
        .collect()
}

fn row(
    library: &Library,
    scenario: &Located<PolicyScenario>,
    index: usize,
    policies: Vec<NamedPolicy>,
) -> Result<Row, ExpandError> {
    let place = scenario.at(&format!("/cases/{index}"));
    let (spec, case) = (&scenario.value, &scenario.value.cases[index]);
    let policy = match &spec.policy {
        None => None,
        Some(name) => {
            let known = policies.iter().find(|policy| policy.name == *name);
            Some(
                known
                    .ok_or_else(|| unknown_policy(&place, name, &policies))?
                    .clone(),
            )
        }
    };
    let mut steps: Vec<Step> = spec
        .given
        .iter()
        .chain(&case.given)
        .cloned()
        .map(control)
        .collect();
    steps.push(Step {
        spec: case.step.clone(),
        role: Role::Subject,
        expect: case.expect,
        reasons: reasons(&place, case)?,
        as_right: Vec::new(),
        error: case.error.clone(),
    });
    for step in &steps {
        check_names(library, &policies, &place, &step.spec)?;
    }
    Ok(Row {
        name: name(
            &place,
            &[
                spec.suite.name(),
                &spec.scenario,
                &case.name,
                Lane::SOFTWARE,
            ],
        )?,
        suite: spec.suite,
        scenario: spec.scenario.clone(),
        lane: Arc::clone(&super::SOFTWARE),
        title: spec.title.clone(),
        later_of_case: false,
        axes: vec![("case", case.name.clone())],
        requires: Vec::new(),
        relying_party: case
            .relying_party
            .clone()
            .unwrap_or_else(|| spec.relying_party.clone()),
        switches: case.switches.unwrap_or(spec.switches),
        users: users(&spec.users),
        policy,
        policies,
        not_applicable: not_built(library, &steps),
        steps,
        grounds: Grounds {
            basis: if spec.suite == Suite::Policy {
                Basis::Policy
            } else {
                Basis::Must
            },
            severity: case.severity.unwrap_or(Severity::High),
            spec: spec
                .sources
                .iter()
                .cloned()
                .chain([confidence(spec.confidence).to_owned()])
                .collect(),
        },
        defects: case.defects.clone(),
        reveals_nothing: case.reveals_nothing.clone(),
        expected_at: scenario.at(&format!("/cases/{index}/expect")),
        source: place,
    })
}

const fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::High => "documented",
        Confidence::Medium => "follows from what is documented",
        Confidence::Low => {
            "the sources are silent; judged under the switches that the scenario states"
        }
    }
}

/// Makes a step on which the subject depends.
pub(super) fn control(spec: StepSpec) -> Step {
    Step {
        role: Role::Control,
        expect: match (spec.refused, spec.tried) {
            (true, _) => Expected::Rejected,
            (false, true) => Expected::Reported,
            (false, false) => Expected::Accepted,
        },
        reasons: Vec::new(),
        as_right: Vec::new(),
        error: None,
        spec,
    }
}

fn policies(library: &Library, spec: &PolicyScenario) -> Vec<NamedPolicy> {
    let own = spec.policies.iter();
    let own = own.map(|(name, document)| NamedPolicy::new(name, document));
    let shared = library.profiles.iter().map(|profile| &profile.value);
    let shared = shared.filter(|profile| !spec.policies.contains_key(&profile.id));
    let mut policies: Vec<_> = own
        .chain(shared.map(|profile| NamedPolicy::new(&profile.id, &profile.policy)))
        .collect();
    policies.sort_by(|policy, other| policy.name.cmp(&other.name));
    policies
}

fn unknown_policy(place: &SourceRef, found: &str, policies: &[NamedPolicy]) -> ExpandError {
    ExpandError::unknown(
        place.clone(),
        "policy",
        found,
        policies.iter().map(|policy| policy.name.as_str()),
    )
}

fn reasons(place: &SourceRef, case: &PolicyCase) -> Result<Vec<Reason>, ExpandError> {
    let named = case.reason.iter().map(|reason| {
        reason
            .parse()
            .map_err(|error| ExpandError::new(place.clone(), format!("{error}")))
    });
    let reasons: Vec<Reason> = case
        .clauses
        .iter()
        .copied()
        .map(Reason::Clause)
        .map(Ok)
        .chain(named)
        .collect::<Result<_, _>>()?;
    if reasons.is_empty() && matches!(case.expect, Expected::Rejected | Expected::PolicyRefused) {
        return Err(ExpandError::new(
            place.clone(),
            "a refusal has to name its clauses or its reason",
        ));
    }
    Ok(reasons)
}

/// Returns the users that a scenario names, or alice and bob.
pub(super) fn users(named: &BTreeMap<String, UserSpec>) -> Vec<(String, UserSpec)> {
    if named.is_empty() {
        return ["alice", "bob"]
            .map(|user| (user.to_owned(), UserSpec::default()))
            .to_vec();
    }
    named
        .iter()
        .map(|(name, user)| (name.clone(), user.clone()))
        .collect()
}

/// Checks that a step names a provider and policies that exist.
pub(super) fn check_names(
    library: &Library,
    policies: &[NamedPolicy],
    place: &SourceRef,
    step: &StepSpec,
) -> Result<(), ExpandError> {
    if let Some(provider) = &step.provider
        && library.provider(provider).is_none()
    {
        let known = library
            .providers
            .iter()
            .map(|known| known.value.id.as_str());
        return Err(ExpandError::unknown(
            place.clone(),
            "provider",
            provider,
            known,
        ));
    }
    if step.action == Action::Register && step.provider.is_none() {
        return Err(ExpandError::new(
            place.clone(),
            "a registration has to name its provider",
        ));
    }
    if (step.action == Action::ReadOptions) != step.options.is_some() {
        return Err(ExpandError::new(
            place.clone(),
            "read-options has to say under `options` which property has to hold, and no other step may",
        ));
    }
    for policy in step.policy.iter().chain(&step.switch_policy) {
        if !policies.iter().any(|known| known.name == *policy) {
            return Err(unknown_policy(place, policy, policies));
        }
    }
    Ok(())
}

/// Says what of a row the software authenticator cannot make yet.
pub(super) fn not_built(library: &Library, steps: &[Step]) -> Option<String> {
    steps.iter().find_map(|step| {
        let provider = library.provider(step.spec.provider.as_deref()?)?;
        let mut model = match &step.spec.context {
            Some(context) => provider.made_in(context).model,
            None => provider.model.clone(),
        };
        model.attestation = step.spec.attestation.unwrap_or(model.attestation);
        model.algorithms = step
            .spec
            .algorithm
            .map_or(model.algorithms, |algorithm| vec![algorithm]);
        model.not_built()
    })
}
