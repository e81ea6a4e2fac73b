//! One of several equal parts of the rows in browsers, for machines that share a run.

use std::{env, str::FromStr};

/// The environment variable that says which part this machine runs: `2/4`.
const VARIABLE: &str = "PASSKEY_SHARD";

/// Part `index` of `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from one.
    index: u64,
    /// How many parts there are.
    of: u64,
}

/// Says why a text is not a shard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{VARIABLE} is '{0}': write k/n, as in 2/4, for the second of four parts")]
pub struct ShardError(String);

impl Shard {
    /// Returns the part that the environment names; nothing when it names none.
    ///
    /// # Errors
    /// When `PASSKEY_SHARD` is not of the form k/n with k from 1 to n.
    pub fn from_environment() -> Result<Option<Self>, ShardError> {
        match env::var(VARIABLE) {
            Ok(text) if !text.is_empty() => text.parse().map(Some),
            _ => Ok(None),
        }
    }

    /// Tells whether a row belongs to the part: by its name alone, so that a new row moves no other.
    #[must_use]
    pub fn has(self, row: &str) -> bool {
        // FNV-1a: the same on every machine, unlike the standard library's hashes.
        let hash = row.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        // The low bits alone are poor.
        (hash ^ (hash >> 32)) % self.of == self.index - 1
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once('/').and_then(|(index, of)| {
            Some((
                index.trim().parse::<u64>().ok()?,
                of.trim().parse::<u64>().ok()?,
            ))
        });
        match numbers {
            Some((index, of)) if index >= 1 && index <= of => Ok(Self { index, of }),
            _ => Err(ShardError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_row_is_in_exactly_one_part_and_the_parts_are_of_one_size() {
        let parts: Vec<Shard> = (1..=4)
            .map(|index| format!("{index}/4").parse().unwrap())
            .collect();
        let mut sizes = [0; 4];
        for row in 0..4000 {
            let name = format!("suite::scenario::case-{row}::chromium");
            let of: Vec<usize> = (0..4).filter(|part| parts[*part].has(&name)).collect();
            assert_eq!(of.len(), 1);
            sizes[of[0]] += 1;
        }
        assert!(
            sizes.iter().all(|size| (800..1200).contains(size)),
            "{sizes:?}"
        );
    }

    #[test]
    fn what_is_no_part_is_refused() {
        for text in ["0/4", "5/4", "1", "a/b", "1/0", ""] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
