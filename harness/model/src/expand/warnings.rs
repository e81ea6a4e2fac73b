//! What is said of scenario files without refusing them.

use super::ExpandError;
use crate::{
    library::{Library, Located},
    policy::unknown_members,
};
use serde_json::Value;

/// Returns what a reader of the scenario files should know: members of policies that decide nothing here.
#[must_use]
pub fn warnings(library: &Library) -> Vec<ExpandError> {
    let profiles = library
        .profiles
        .iter()
        .flat_map(|profile| of_policy(profile, "/policy", &profile.value.policy));
    let own = library.policy.iter().flat_map(|scenario| {
        let policies = scenario.value.policies.iter();
        policies
            .flat_map(|(name, policy)| of_policy(scenario, &format!("/policies/{name}"), policy))
    });
    profiles.chain(own).collect()
}

fn of_policy<T>(located: &Located<T>, pointer: &str, policy: &Value) -> Vec<ExpandError> {
    let unknown = unknown_members(policy).into_iter();
    let warning = |member: String| {
        let place = located.at(&format!("{pointer}{member}"));
        let name = member.rsplit('/').next().unwrap_or_default();
        let message =
            format!("warning: the policy's member '{name}' is not known here and decides nothing");
        ExpandError::new(place, message)
    };
    unknown.map(warning).collect()
}
