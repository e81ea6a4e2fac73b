//! The relying party that passkey-harness tests by default.
//!
//! [`verify`] holds the steps of WebAuthn L3, 7.1 and 7.2, pure and in the order of the specification; every refusal carries
//! its step. [`policy`] evaluates passkey profiles. [`http`] is the server around them; it keeps what it verified as
//! [`Recorded`], to be verified again under any of the [`defects`].
//!
//! Deliberately absent: any code of the software authenticators or of the harness. One misreading of the specification shall
//! not hide on both sides, nor a bug of one crypto crate: this crate verifies with aws-lc-rs.

pub mod defects;
pub mod http;
mod parse;
pub mod policy;
#[cfg(test)]
mod properties;
mod recorded;
#[cfg(test)]
mod sample;
pub mod trust;
pub mod verify;

pub use defects::{Defect, Defects};
pub use http::{Accounts, Clock, Config, Kept, RunningRp, Seen, User};
pub use recorded::Recorded;
pub use verify::{Expected, Record, Refusal};
