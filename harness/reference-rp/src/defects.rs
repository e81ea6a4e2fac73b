//! Realistic mistakes that the relying party can be told to make, one at a time or several.
//!
//! Every defect is a mistake that real relying parties made or could make: a step left out, a wrong comparison, a result
//! that is not looked at, a value from the wrong source, a consume that is not atomic. No code here recognises a test.

mod table;

use std::{fmt, str::FromStr};

pub use table::Defect;

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Says why a text names no defect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no defect of the reference relying party")]
pub struct UnknownDefect(String);

impl FromStr for Defect {
    type Err = UnknownDefect;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL
            .iter()
            .chain(Self::PAGE)
            .find(|defect| defect.name() == text);
        known.copied().ok_or_else(|| UnknownDefect(text.to_owned()))
    }
}

/// A set of defects; empty by default.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Defects([u128; 2]);

const _: () = assert!(
    Defect::ALL.len() + Defect::PAGE.len() <= 2 * 128,
    "the set has a bit for each"
);

impl Defects {
    /// The empty set: the relying party makes no mistake.
    pub const NONE: Self = Self([0; 2]);

    /// Tells whether a defect is in the set.
    #[must_use]
    pub const fn has(&self, defect: Defect) -> bool {
        let (word, bit) = defect.place();
        self.0[word] & bit != 0
    }

    /// Lists the defects in the set.
    pub fn iter(&self) -> impl Iterator<Item = Defect> + use<> {
        let set = *self;
        Defect::ALL
            .iter()
            .chain(Defect::PAGE)
            .copied()
            .filter(move |defect| set.has(*defect))
    }
}

impl Defect {
    /// Its word of a set, and the bit there.
    const fn place(self) -> (usize, u128) {
        (self as usize / 128, 1 << (self as usize % 128))
    }
}

impl From<Defect> for Defects {
    fn from(defect: Defect) -> Self {
        Self::from_iter([defect])
    }
}

impl FromIterator<Defect> for Defects {
    fn from_iter<I: IntoIterator<Item = Defect>>(defects: I) -> Self {
        let mut set = Self::NONE;
        for defect in defects {
            let (word, bit) = defect.place();
            set.0[word] |= bit;
        }
        set
    }
}

impl fmt::Debug for Defects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.iter().map(Defect::name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_are_not_used_twice() {
        for defect in Defect::ALL.iter().chain(Defect::PAGE) {
            assert_eq!(defect.name().parse(), Ok(*defect));
            assert!(!defect.places().is_empty() && !defect.description().is_empty());
        }
        assert!("no-such-defect".parse::<Defect>().is_err());
    }

    #[test]
    fn a_set_has_what_was_put_in() {
        let set: Defects = [Defect::SignCountNotCompared, Defect::TypeIgnored]
            .into_iter()
            .collect();
        assert!(set.has(Defect::TypeIgnored) && !set.has(Defect::FormatIgnored));
        assert_eq!(set.iter().count(), 2);
        assert_eq!(Defects::default(), Defects::NONE);
    }
}
