//! Other ways of writing a text that mean, or look like, the same: what a lenient relying party takes for equal.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use passkey_model::{Mutation, Operation};

use crate::{
    client::from_base64url,
    mutate::{Applier, MutationError},
};

impl Applier<'_> {
    /// Applies an operation on the characters of a text: append, prepend, truncate (a number of characters), reencode.
    pub(crate) fn text(
        &self,
        mutation: &Mutation,
        text: &str,
        more: Option<&str>,
    ) -> Result<String, MutationError> {
        match (mutation.op, more) {
            (Operation::Append, Some(more)) => Ok(format!("{text}{more}")),
            (Operation::Prepend, Some(more)) => Ok(format!("{more}{text}")),
            (Operation::Truncate, None) => {
                let kept = text.chars().count().saturating_sub(self.number(mutation)?);
                Ok(text.chars().take(kept).collect())
            }
            (Operation::Reencode, Some(way)) => {
                reencode(text, way).map_err(|message| self.error(message))
            }
            _ => Err(self.error("this operation does not apply to text")),
        }
    }
}

fn reencode(text: &str, way: &str) -> Result<String, &'static str> {
    match way {
        "base64" => from_base64url(text)
            .map(|bytes| STANDARD.encode(bytes))
            .ok_or("is not base64url"),
        "padded" => Ok(padded(text)),
        "other-case" => Ok(text.chars().map(other_case).collect()),
        _ => Err("knows these encodings of text: base64, padded, other-case"),
    }
}

/// Adds at least one `=`, up to a multiple of four characters: more than RFC 4648 wants where it wants none.
fn padded(text: &str) -> String {
    let missing = 4 - text.len() % 4;
    format!("{text}{}", "=".repeat(missing))
}

/// Returns a letter in the other case, and anything else as it is.
pub(crate) fn other_case(letter: char) -> char {
    if letter.is_ascii_lowercase() {
        letter.to_ascii_uppercase()
    } else {
        letter.to_ascii_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_written_in_both_alphabets() {
        assert_eq!(reencode("-_8", "base64").as_deref(), Ok("+/8="));
        assert!(reencode("?", "base64").is_err());
    }

    #[test]
    fn padding_fills_up_to_four_characters_and_is_never_nothing() {
        for (text, all) in [("AA", "AA=="), ("AAA", "AAA="), ("AAAA", "AAAA====")] {
            assert_eq!(reencode(text, "padded").as_deref(), Ok(all));
        }
    }

    #[test]
    fn every_letter_changes_its_case_and_nothing_else_changes() {
        assert_eq!(
            reencode("https://Rp-1", "other-case").as_deref(),
            Ok("HTTPS://rP-1")
        );
        assert!(reencode("a", "upper").is_err());
    }
}
