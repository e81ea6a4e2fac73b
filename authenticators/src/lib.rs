//! Authenticators that passkey-harness makes credentials with.
//!
//! The software authenticator is seeded: every key, credential ID and signature derives from a seed and a label, so that
//! two runs make the same bytes. A response is built stage by stage, and each stage is open to one [`passkey_model::Mutation`].

pub mod ca;
pub mod cbor;
pub mod client;
mod client_data;
pub mod crate_stack;
pub mod ctap;
pub mod ctaphid;
mod data;
mod der;
mod extensions;
pub mod key;
mod mutate;
mod mutate_cbor;
mod mutate_text;
pub mod native;
mod options;
mod rsa_pool;
pub mod seed;
mod signature;
pub mod software;
mod stages;
mod statement;
#[cfg(feature = "usb")]
pub mod usb;
#[cfg(all(feature = "virtual-key", target_os = "linux"))]
pub mod virtual_key;
#[cfg(feature = "webdriver")]
pub mod webdriver;

pub use client::{Client, ClientError, Made, Observed};
pub use key::{Key, KeyError};
pub use mutate::{MutationError, Values};
pub use software::{Credential, Material, SoftwareAuthenticator, UserNames};
