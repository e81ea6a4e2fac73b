//! Chooses rows by name.

use passkey_model::row::Row;

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
        by_name && (self.lanes.is_empty() || self.lanes.contains(&row.lane))
    }
}
