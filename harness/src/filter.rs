//! Chooses rows by name.

use std::sync::Arc;

use passkey_model::{lane::Lane, row::Row, suggest};

/// Chooses rows whose name holds any of the texts, or (with `exact`) is one of them; every row when there is no text.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The texts.
    pub texts: Vec<String>,
    /// Whether a text is a whole name.
    pub exact: bool,
    /// The lanes; every lane when empty.
    pub lanes: Vec<String>,
}

impl Filter {
    /// Says which of the lanes there is not, with the nearest that there is.
    #[must_use]
    pub fn unknown_lane(&self, known: &[Arc<Lane>]) -> Option<String> {
        let names = || known.iter().map(|lane| lane.id.as_str());
        let unknown = self
            .lanes
            .iter()
            .find(|lane| names().all(|name| name != **lane))?;
        let hint =
            suggest::nearest(unknown, names()).map(|name| format!("; did you mean '{name}'?"));
        let there: Vec<&str> = names().collect();
        Some(format!(
            "there is no lane '{unknown}'{}; there is: {}",
            hint.unwrap_or_default(),
            there.join(", ")
        ))
    }

    /// Tells whether a row is chosen.
    #[must_use]
    pub fn chooses(&self, row: &Row) -> bool {
        let name = row.name.to_string();
        let matches = |text: &String| {
            if self.exact {
                name == *text
            } else {
                name.contains(text.as_str())
            }
        };
        let by_name = self.texts.is_empty() || self.texts.iter().any(matches);
        by_name && (self.lanes.is_empty() || self.lanes.contains(&row.lane.id))
    }
}
