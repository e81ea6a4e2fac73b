//! Scenarios, rows, policy, verdicts and transcripts of passkey-harness: pure data and functions, no I/O.

pub mod aaguid;
pub mod expand;
pub mod lane;
pub mod library;
pub mod mutation;
pub mod options;
pub mod platform;
pub mod policy;
pub mod provider;
pub mod row;
pub mod scenario;
pub mod schema;
pub mod suggest;
pub mod target;
pub mod transcript;
pub mod verdict;

pub use aaguid::Aaguid;
pub use mutation::{Mutation, MutationPath, Operation, Stage};
