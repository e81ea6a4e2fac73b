//! Where security keys come from, by the environment's word.

mod owned;

use std::{env, path::Path, sync::Arc};

use passkey_authenticators::virtual_key::Bus;
use passkey_model::row::Row;

pub use owned::Owned;

use super::{ALLOWED, VIRTUAL};

/// Where the security keys of a run come from.
#[derive(Clone, Debug)]
pub enum Keys {
    /// Each row plugs in what it needs.
    Virtual(Bus),
    /// Keys of the user's, who allows that they are written to.
    Owned(Arc<Owned>),
    /// There are none, and why.
    Missing(String),
}

impl Default for Keys {
    fn default() -> Self {
        Self::Missing("nobody looked for security keys".to_owned())
    }
}

impl Keys {
    /// Looks for the keys that the environment names.
    #[must_use]
    pub fn look() -> Self {
        let named = |name| env::var(name).ok().filter(|text| !text.is_empty());
        let found = match (named(VIRTUAL), named(ALLOWED)) {
            (Some(bus), _) => bus
                .parse()
                .map_err(|error| format!("{VIRTUAL}: {error}"))
                .and_then(virtual_keys),
            (None, Some(allowed)) => Owned::look(&allowed)
                .map(|owned| Self::Owned(Arc::new(owned)))
                .map_err(|error| error.to_string()),
            (None, None) => Err(format!(
                "no security key may be used: name the AAGUID of yours in {ALLOWED} (passkey-harness keys lists them), or run \
                 ci/usb-bench, which brings virtual keys"
            )),
        };
        found.unwrap_or_else(Self::Missing)
    }

    /// Says why no row with a security key can run; nothing when one can.
    #[must_use]
    pub fn missing(&self) -> Option<&str> {
        match self {
            Self::Missing(why) => Some(why),
            Self::Virtual(_) | Self::Owned(_) => None,
        }
    }

    /// Says what a run of these rows leaves on a person's keys; nothing when it touches none.
    #[must_use]
    pub fn announcement(&self, rows: &[Row]) -> Option<String> {
        match self {
            Self::Owned(owned) => owned.announcement(rows),
            Self::Virtual(_) | Self::Missing(_) => None,
        }
    }

    /// Says why this row cannot be shown with the keys that there are; nothing when it can.
    #[must_use]
    pub fn lacking(&self, row: &Row) -> Option<String> {
        match self {
            Self::Missing(why) => Some(why.clone()),
            Self::Virtual(_) => None,
            Self::Owned(owned) => owned.lacking(row),
        }
    }
}

/// Virtual keys need a part of the kernel.
fn virtual_keys(bus: Bus) -> Result<Keys, String> {
    let (part, module) = match bus {
        Bus::Uhid => ("/dev/uhid", "uhid"),
        Bus::Vhci => ("/sys/devices/platform/vhci_hcd.0", "vhci-hcd"),
    };
    if Path::new(part).exists() {
        return Ok(Keys::Virtual(bus));
    }
    Err(format!(
        "there is no {part}: run `modprobe {module}` as root, or ci/usb-bench, which brings a kernel that has it"
    ))
}
