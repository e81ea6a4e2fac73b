//! Patterns that choose rows by name.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Chooses rows by name: `*` stands for any text, `!` in front takes rows out again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Pattern {
    /// Whether rows that match are taken out.
    pub takes_out: bool,
    /// The texts between the stars.
    parts: Vec<String>,
}

/// Says why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a pattern: write the name of a row without its lane, with '*' for any text, and '!' in front to take rows out"
)]
pub struct ParsePatternError(String);

impl Pattern {
    /// Returns the pattern that every name matches.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            takes_out: false,
            parts: vec![String::new(), String::new()],
        }
    }

    /// Tells whether a name matches.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let [first, between @ ..] = self.parts.as_slice() else {
            return false;
        };
        let Some((last, between)) = between.split_last() else {
            return name == first;
        };
        let Some(mut rest) = name.strip_prefix(first.as_str()) else {
            return false;
        };
        for part in between {
            let Some(at) = rest.find(part.as_str()) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last.as_str())
    }
}

impl FromStr for Pattern {
    type Err = ParsePatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (takes_out, rest) = text
            .strip_prefix('!')
            .map_or((false, text), |rest| (true, rest));
        let of_names = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:*".contains(&byte)
        };
        if rest.is_empty() || !rest.bytes().all(of_names) {
            return Err(ParsePatternError(text.to_owned()));
        }
        Ok(Self {
            takes_out,
            parts: rest.split('*').map(str::to_owned).collect(),
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.takes_out { "!" } else { "" };
        write!(f, "{sign}{}", self.parts.join("*"))
    }
}

impl TryFrom<String> for Pattern {
    type Error = ParsePatternError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::Pattern;

    fn matches(pattern: &str, name: &str) -> bool {
        pattern.parse::<Pattern>().unwrap().matches(name)
    }

    #[test]
    fn a_star_stands_for_any_text_also_for_none() {
        assert!(matches(
            "matrix::*::ios-min.*",
            "matrix::a::ios-min.same-device"
        ));
        assert!(matches("*", "anything::at-all"));
        assert!(matches("policy::types*", "policy::types"));
        assert!(!matches("matrix::*::ios", "matrix::a::ios-min"));
        assert!(!matches("a*aa", "aa"));
        assert!(matches("a*aa", "aaa"));
    }

    #[test]
    fn a_pattern_is_written_as_it_was_read() {
        for text in ["!policy::*", "a*b*c", "*"] {
            assert_eq!(text.parse::<Pattern>().unwrap().to_string(), text);
        }
        assert!("Matrix".parse::<Pattern>().is_err());
        assert!("!".parse::<Pattern>().is_err());
    }
}
