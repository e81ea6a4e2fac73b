//! passkey-harness: tests whether a relying party accepts the passkeys it should and refuses those it must.
//!
//! The library reads scenarios ([`load`]), expands them into rows (`passkey_model::expand`) and explains them
//! ([`explain`]), and runs them ([`run`]); the binary is a thin command line over it ([`cli`]).

pub mod browser;
pub mod cli;
pub mod compare;
pub mod coverage;
pub mod differences;
pub mod docs;
pub mod doctor;
pub mod explain;
pub mod extract;
pub mod filter;
pub mod init;
pub mod inspect;
pub mod keys;
pub mod lanes;
mod lines;
pub mod load;
pub mod report;
pub mod run;
pub mod self_check;
pub mod snapshot;
pub mod target;
pub mod vectors;
