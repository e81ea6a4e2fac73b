//! JSON Schemas of the scenario files, for editors; generated from the types.

use schemars::{JsonSchema, schema_for};
use serde_json::Value;

use crate::{
    lane::{Differences, Lanes},
    platform::Platform,
    provider::Provider,
    scenario::{
        Availability, ConformanceGroup, Contexts, Grid, MatrixScenario, NotBuilt, PolicyScenario,
        Profile, VerificationSteps,
    },
    target::{Deviations, Target},
};

/// Returns the schema of every kind of scenario file, with the name of its own file.
#[must_use]
pub fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("availability.json", schema::<Availability>()),
        ("conformance.json", schema::<ConformanceGroup>()),
        ("contexts.json", schema::<Contexts>()),
        ("deviations.json", schema::<Deviations>()),
        ("differences.json", schema::<Differences>()),
        ("grid.json", schema::<Grid>()),
        ("lanes.json", schema::<Lanes>()),
        ("matrix.json", schema::<MatrixScenario>()),
        ("not-built.json", schema::<NotBuilt>()),
        ("platform.json", schema::<Platform>()),
        ("policy.json", schema::<PolicyScenario>()),
        ("profile.json", schema::<Profile>()),
        ("provider.json", schema::<Provider>()),
        ("steps.json", schema::<VerificationSteps>()),
        ("target.json", schema::<Target>()),
    ]
}

fn schema<T: JsonSchema>() -> Value {
    schema_for!(T).to_value()
}
