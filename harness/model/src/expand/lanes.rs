//! Puts rows into lanes: each row stands once in every lane that shows it.

use std::{collections::BTreeSet, sync::Arc};

use super::{ExpandError, needs};
use crate::{
    lane::Lane,
    library::Library,
    row::{Row, RowName},
};

/// Returns the lanes of a library, in the order in which they are told.
#[must_use]
pub fn lanes(library: &Library) -> Vec<Arc<Lane>> {
    match &library.lanes {
        Some(file) => file.value.lanes.iter().cloned().map(Arc::new).collect(),
        None => vec![Arc::new(Lane::software())],
    }
}

/// Returns a row in every lane that shows it. Rows are made as those of the software lane.
pub(super) fn in_lanes(library: &Library, lanes: &[Arc<Lane>], row: &Row) -> Vec<Row> {
    let name = row.name.without_lane();
    let shown = lanes
        .iter()
        .filter(|lane| lane.shows(&name, row.later_of_case));
    shown.map(|lane| in_lane(library, lane, row)).collect()
}

fn in_lane(library: &Library, lane: &Arc<Lane>, row: &Row) -> Row {
    let mut row = row.clone();
    row.name = row.name.in_lane(&lane.id);
    row.lane = Arc::clone(lane);
    row.not_applicable = row
        .not_applicable
        .take()
        .or_else(|| needs::lacking(library, &row));
    row
}

/// Checks that lanes have names that rows may have, each once, and a browser exactly where a page is driven.
pub(super) fn check(library: &Library) -> Vec<ExpandError> {
    let Some(file) = &library.lanes else {
        return Vec::new();
    };
    let mut errors = Vec::new();
    for (index, lane) in file.value.lanes.iter().enumerate() {
        let place = || file.at(&format!("/lanes/{index}/id"));
        let mut report = |message: String| errors.push(ExpandError::new(place(), message));
        let parts = ["lane", "named", lane.id.as_str()].map(str::to_owned);
        if let Err(error) = RowName::new(parts.to_vec()) {
            report(error.to_string());
        }
        let before = &file.value.lanes[..index];
        if before.iter().any(|other| other.id == lane.id) {
            report(format!("there is a lane '{}' already", lane.id));
        }
        let drives_a_page = lane.driver == crate::lane::Driver::Page;
        if drives_a_page != lane.browser.is_some() {
            report(format!(
                "lane '{}': a lane whose driver is 'page' names its browser, and no other does",
                lane.id
            ));
        }
        if lane.is_native() && !drives_a_page {
            report(format!(
                "lane '{}': a virtual authenticator is a browser's: the driver has to be 'page'",
                lane.id
            ));
        }
    }
    errors.extend(check_differences(library, &file.value.lanes));
    errors
}

/// Checks that only native lanes are said to differ, each in a field once, and never in what the relying party does.
fn check_differences(library: &Library, lanes: &[Lane]) -> Vec<ExpandError> {
    let Some(file) = &library.differences else {
        return Vec::new();
    };
    let mut errors = Vec::new();
    let mut listed = BTreeSet::new();
    for (index, difference) in file.value.differences.iter().enumerate() {
        let place = file.at(&format!("/differences/{index}"));
        let mut report = |message: String| errors.push(ExpandError::new(place.clone(), message));
        if difference.reason.trim().is_empty() {
            report("a difference needs a reason".to_owned());
        }
        for lane in &difference.lanes {
            if !lanes
                .iter()
                .any(|known| known.id == *lane && known.is_native())
            {
                report(format!(
                    "'{lane}' is no native lane: only those differ from the software lane"
                ));
            }
            for field in &difference.fields {
                if !listed.insert((lane, field)) {
                    report(format!("{field} is listed already for lane '{lane}'"));
                }
            }
        }
        for field in difference
            .fields
            .iter()
            .filter(|field| field.is_of_relying_party())
        {
            report(format!(
                "{field} is the relying party's doing: it has to be the same in every lane"
            ));
        }
    }
    errors
}
