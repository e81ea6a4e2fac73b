//! Security keys on this machine: which may be used, or why there are none.

#[cfg_attr(
    not(all(feature = "usb", target_os = "linux")),
    path = "keys/absent.rs"
)]
mod here;

pub use here::Keys;

/// The environment variable with the AAGUIDs of the keys that a run may write to, separated by commas.
pub const ALLOWED: &str = "PASSKEY_USB_AAGUIDS";
/// The environment variable with the bus into which rows plug virtual keys, `uhid` or `vhci`.
pub const VIRTUAL: &str = "PASSKEY_VIRTUAL_KEY";
