//! Expands scenarios into rows: unique, sorted, independent of the order of files.

mod conformance;
mod lanes;
mod matrix;
mod needs;
mod policy;
mod references;
mod warnings;

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

pub use lanes::lanes;
pub use warnings::warnings;

use crate::{
    lane::Lane,
    library::Library,
    row::{ParseRowNameError, Row, RowName, SourceRef},
};

/// The lane that rows are made in before they are put into others.
static SOFTWARE: LazyLock<Arc<Lane>> = LazyLock::new(|| Arc::new(Lane::software()));

/// A mistake of a scenario's author that only shows when scenarios are put together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ExpandError {
    /// Where it is written.
    pub place: SourceRef,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl ExpandError {
    fn new(place: SourceRef, message: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
        }
    }

    /// Reports a name that is not known, with the nearest that is.
    fn unknown<'a>(
        place: SourceRef,
        kind: &str,
        found: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let hint = crate::suggest::nearest(found, known);
        let hint = hint
            .map(|name| format!("; did you mean '{name}'?"))
            .unwrap_or_default();
        Self::new(place, format!("unknown {kind} '{found}'{hint}"))
    }
}

/// Expands every scenario of a library, sorted by name.
///
/// # Errors
/// Every mistake found: unknown names, rows of one name, cells of the grid that are missing.
pub fn expand(library: &Library) -> Result<Vec<Row>, Vec<ExpandError>> {
    let mut errors = references::check(library);
    errors.extend(lanes::check(library));
    if !errors.is_empty() {
        return Err(errors);
    }
    let lanes = lanes::lanes(library);
    let (mut made, mut rows) = (BTreeMap::new(), BTreeMap::new());
    let expanded = matrix::rows(library)
        .into_iter()
        .chain(policy::rows(library))
        .chain(conformance::rows(library));
    for result in expanded {
        match result {
            Err(error) => errors.push(error),
            Ok(row) => {
                let (name, place) = (row.name.without_lane(), row.source.clone());
                if let Some(first) = made.insert(name.clone(), place.clone()) {
                    errors.push(ExpandError::new(
                        place,
                        format!("row {name} is already made at {first}"),
                    ));
                }
                let in_lanes = lanes::in_lanes(library, &lanes, &row);
                rows.extend(in_lanes.into_iter().map(|row| (row.name.clone(), row)));
            }
        }
    }
    if errors.is_empty() {
        Ok(rows.into_values().collect())
    } else {
        Err(errors)
    }
}

fn name(place: &SourceRef, parts: &[&str]) -> Result<RowName, ExpandError> {
    let parts = parts.iter().map(|part| (*part).to_owned()).collect();
    RowName::new(parts)
        .map_err(|error: ParseRowNameError| ExpandError::new(place.clone(), error.to_string()))
}
