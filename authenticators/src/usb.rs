//! USB security keys, with care for whose they are.
//!
//! webauthn-authenticator-rs speaks to them; its code runs on a thread of its own, with a time limit, and a panic of it is an
//! error. What that stack never sends is added as for the software authenticator, and the same [`Client`](crate::Client)
//! makes the client data and the response.
//!
//! A key is used only when its AAGUID is allowed by its owner, by one process at a time. Its PIN is asked for at most once,
//! tried once, and not at all when few attempts are left; after a wrong PIN or a hang no key of that model is used again by
//! this process. authenticatorReset and what changes a PIN are refused on the line to the key, whoever sends them. The
//! discoverable credentials that were made are deleted afterwards where the key can, and no others.

mod allowed;
mod bounded;
mod error;
mod info;
mod key;
mod line;
mod list;
mod lock;

use std::fmt;

use passkey_model::Aaguid;

pub use self::{
    allowed::AllowedKeys,
    error::UsbError,
    info::{KeyInfo, Plan},
    key::SecurityKey,
    list::{OpenKey, UsbKey, keys, open},
    lock::UsbLock,
};

/// The person at the machine, who touches the key and knows its PIN.
pub trait Person: fmt::Debug + Send + Sync {
    /// Is told that the key waits to be touched; returns at once.
    fn touch(&self, key: Aaguid);

    /// Is asked for the key's PIN, at most once for an opened key; nothing when they do not give it.
    fn pin(&self, key: Aaguid) -> Option<String>;
}
