//! Lanes: which there are, and which have to be there.

use std::env;

use passkey_model::expand::SOFTWARE_LANE;

/// The lanes of this build.
pub const LANES: [&str; 1] = [SOFTWARE_LANE];
/// The environment variable with the lanes that have to be there, separated by commas: without one of them a run is red.
pub const REQUIRED: &str = "PASSKEY_REQUIRED_LANES";

/// Returns the lanes that are required and not there, each with what a person can do.
#[must_use]
pub fn missing() -> Vec<(String, String)> {
    let required = env::var(REQUIRED).unwrap_or_default();
    let missing = required
        .split(',')
        .map(str::trim)
        .filter(|lane| !lane.is_empty() && !LANES.contains(lane));
    let why = |lane: &str| {
        let there = LANES.join(", ");
        let why =
            format!("{REQUIRED} names the lane '{lane}', which is not there; there is: {there}");
        (lane.to_owned(), why)
    };
    missing.map(why).collect()
}
