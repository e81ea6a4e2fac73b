//! Ceremonies that were verified, kept so that they can be verified again.

use std::sync::Arc;

use crate::{
    defects::Defects,
    verify::{
        Authentication, Expected, Refusal, Registration, verify_authentication, verify_registration,
    },
};

/// A finished ceremony: what came in, what was expected, and what was refused.
#[derive(Clone, Debug)]
pub enum Recorded {
    /// A registration.
    Registration {
        /// What came in.
        exchange: Box<Registration>,
        /// What was expected at that time.
        expected: Arc<Expected>,
        /// Why it was refused, if it was.
        refused: Option<Refusal>,
    },
    /// An authentication.
    Authentication {
        /// What came in.
        exchange: Box<Authentication>,
        /// What was expected at that time.
        expected: Arc<Expected>,
        /// Why it was refused, if it was.
        refused: Option<Refusal>,
    },
}

impl Recorded {
    /// Verifies the ceremony again as a relying party with these defects would.
    ///
    /// # Errors
    /// The step or the clauses that refuse.
    pub fn replay(&self, defects: &Defects) -> Result<(), Refusal> {
        match self {
            Self::Registration {
                exchange, expected, ..
            } => verify_registration(exchange, expected, defects).map(|_| ()),
            Self::Authentication {
                exchange, expected, ..
            } => verify_authentication(exchange, expected, defects).map(|_| ()),
        }
    }

    /// Returns why the ceremony was refused when it took place.
    #[must_use]
    pub const fn refused(&self) -> Option<&Refusal> {
        match self {
            Self::Registration { refused, .. } | Self::Authentication { refused, .. } => {
                refused.as_ref()
            }
        }
    }
}
