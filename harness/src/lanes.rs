//! Lanes on this machine: which are there, which have to be, and what a person can do about the others. Starts nothing.

mod shard;

use std::{collections::BTreeMap, env, sync::Arc};

use passkey_model::{
    lane::{Browser, Lane},
    row::Row,
};

pub use shard::{Shard, ShardError};

use crate::{browser::Place, keys::Keys};

/// The environment variable with the lanes that have to be there, separated by commas: without one of them a run is red.
pub const REQUIRED: &str = "PASSKEY_REQUIRED_LANES";

/// Where each browser is, and where security keys come from, or why there are none.
#[derive(Clone, Debug, Default)]
pub struct Places {
    browsers: BTreeMap<Browser, Result<Place, String>>,
    keys: Keys,
}

impl Places {
    /// Looks for the browsers and the security keys that lanes need.
    #[must_use]
    pub fn look(lanes: &[Arc<Lane>]) -> Self {
        let mut browsers = BTreeMap::new();
        for browser in lanes.iter().filter_map(|lane| lane.browser) {
            browsers.entry(browser).or_insert_with(|| {
                Place::from_environment(browser).map_err(|missing| missing.to_string())
            });
        }
        let needs_keys = lanes.iter().any(|lane| lane.has_keys());
        let keys = if needs_keys {
            Keys::look()
        } else {
            Keys::default()
        };
        Self { browsers, keys }
    }

    /// Returns where security keys come from.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Returns where a browser is.
    ///
    /// # Errors
    /// What is missing and what a person can do.
    pub fn of(&self, browser: Browser) -> Result<&Place, &str> {
        match self.browsers.get(&browser) {
            Some(place) => place.as_ref().map_err(String::as_str),
            None => Err("nobody looked for its browser"),
        }
    }

    /// Says why a lane is not there; nothing when it is.
    #[must_use]
    pub fn blocked(&self, lane: &Lane) -> Option<&str> {
        let browser = lane.browser.and_then(|browser| self.of(browser).err());
        browser.or_else(|| lane.has_keys().then(|| self.keys.missing()).flatten())
    }

    /// Says why a row cannot run here: its lane is not there, or the key that it needs is not; nothing when it can.
    #[must_use]
    pub fn lacking(&self, row: &Row) -> Option<String> {
        let lane = &row.lane;
        let blocked = self.blocked(lane).map(str::to_owned);
        blocked.or_else(|| lane.has_keys().then(|| self.keys.lacking(row)).flatten())
    }
}

/// Returns the lanes that are required and not there, each with what a person can do.
#[must_use]
pub fn missing(lanes: &[Arc<Lane>], places: &Places) -> Vec<(String, String)> {
    let required = env::var(REQUIRED).unwrap_or_default();
    let named = required
        .split(',')
        .map(str::trim)
        .filter(|lane| !lane.is_empty());
    let why = |name: &str| match lanes.iter().find(|lane| lane.id == name) {
        Some(lane) => {
            let why = places.blocked(lane)?;
            Some(format!("{REQUIRED} names the lane '{name}': {why}"))
        }
        None => {
            let there: Vec<&str> = lanes.iter().map(|lane| lane.id.as_str()).collect();
            let there = there.join(", ");
            Some(format!(
                "{REQUIRED} names the lane '{name}', which is not there; there is: {there}"
            ))
        }
    };
    named
        .filter_map(|name| Some((name.to_owned(), why(name)?)))
        .collect()
}

/// Leaves out the rows of browser lanes that another shard runs.
#[must_use]
pub fn in_shard(rows: Vec<Row>, shard: Option<Shard>) -> Vec<Row> {
    let Some(shard) = shard else { return rows };
    let ours = |row: &Row| row.lane.browser.is_none() || shard.has(&row.name.to_string());
    rows.into_iter().filter(ours).collect()
}
