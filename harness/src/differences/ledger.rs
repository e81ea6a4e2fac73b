//! The list of fields in which lanes may differ, and which of it is true.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use passkey_model::{
    lane::{Difference, Differences, Field},
    library::Located,
};

use super::Found;

/// The list of fields that may differ, and which of them did.
#[derive(Debug, Default)]
pub struct Ledger {
    listed: Vec<Listed>,
    used: Mutex<BTreeSet<usize>>,
}

/// One field of one lane.
#[derive(Clone, Debug)]
struct Listed {
    lane: String,
    field: Field,
    by_chance: bool,
    place: String,
}

/// Returns what one entry lists, for each of its lanes.
fn fields(difference: &Difference, place: &str) -> Vec<Listed> {
    let of_lane = |lane: &String| {
        let listed = |field: &Field| Listed {
            lane: lane.clone(),
            field: field.clone(),
            by_chance: difference.by_chance,
            place: place.to_owned(),
        };
        difference.fields.iter().map(listed).collect::<Vec<_>>()
    };
    difference.lanes.iter().flat_map(of_lane).collect()
}

impl Ledger {
    /// Opens the list; without one, nothing may differ.
    #[must_use]
    pub fn of(file: Option<&Located<Differences>>) -> Self {
        let in_file = |file: &Located<Differences>| -> Vec<Listed> {
            let numbered = file.value.differences.iter().enumerate();
            let of_difference = |(index, difference): (usize, &Difference)| {
                let place = file.at(&format!("/differences/{index}")).to_string();
                fields(difference, &place)
            };
            numbered.flat_map(of_difference).collect()
        };
        let listed = file.map(in_file).unwrap_or_default();
        Self {
            listed,
            used: Mutex::default(),
        }
    }

    /// Returns the differences of a lane that are not listed, and notes which of the list there were.
    pub fn unlisted(&self, lane: &str, found: Vec<Found>) -> Vec<Found> {
        let is_listed = |found: &Found| {
            let matching: Vec<usize> = (0..)
                .zip(&self.listed)
                .filter(|(_, listed)| listed.lane == lane && listed.field.matches(&found.field))
                .map(|(index, _)| index)
                .collect();
            let is_listed = !matching.is_empty();
            self.used().extend(matching);
            is_listed
        };
        found
            .into_iter()
            .filter(|found| !is_listed(found))
            .collect()
    }

    /// Returns what is listed for these lanes and was not found so far, one sentence each; not what differs by chance.
    #[must_use]
    pub fn unused(&self, lanes: &[&str]) -> Vec<String> {
        let used = self.used();
        let all = self.listed.iter().enumerate();
        let has_to_differ = |(index, listed): &(usize, &Listed)| {
            !listed.by_chance && !used.contains(index) && lanes.contains(&listed.lane.as_str())
        };
        let sentence = |(_, listed): (usize, &Listed)| {
            let Listed {
                lane, field, place, ..
            } = listed;
            format!("{place}: no row of lane {lane} differs in {field}: take it off the list")
        };
        all.filter(has_to_differ).map(sentence).collect()
    }

    fn used(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
