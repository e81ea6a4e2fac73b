//! Which keys may be used, and which not any more.

use std::{
    collections::BTreeMap,
    str::FromStr,
    sync::{Mutex, PoisonError},
};

use passkey_model::Aaguid;

use super::UsbError;

/// The makes and models of keys that their owner lets be written to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedKeys(Vec<Aaguid>);

impl AllowedKeys {
    /// Tells whether a key of this AAGUID may be used.
    #[must_use]
    pub fn allows(&self, aaguid: Aaguid) -> bool {
        self.0.contains(&aaguid)
    }
}

/// Reads AAGUIDs separated by commas; an empty text allows no key.
impl FromStr for AllowedKeys {
    type Err = UsbError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let names = text.split(',').map(str::trim);
        let parsed = names.filter(|name| !name.is_empty()).map(|name| {
            let aaguid: Result<Aaguid, _> = name.to_ascii_lowercase().parse();
            aaguid.map_err(|error| UsbError::AllowList(error.to_string()))
        });
        parsed.collect::<Result<_, _>>().map(Self)
    }
}

/// What this process does not use again, with the reason. A model's name stands for every key of that model: which of them
/// it was is not always known, and a key too few is better than a locked key.
static SET_ASIDE: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

/// Leaves a key alone for the rest of the process.
pub(super) fn set_aside(name: &str, error: &UsbError) {
    let mut set_aside = SET_ASIDE.lock().unwrap_or_else(PoisonError::into_inner);
    set_aside.insert(name.to_owned(), error.to_string());
}

/// Fails when a key is to be left alone.
pub(super) fn usable(name: &str) -> Result<(), UsbError> {
    let set_aside = SET_ASIDE.lock().unwrap_or_else(PoisonError::into_inner);
    let why = set_aside.get(name);
    why.map_or(Ok(()), |why| Err(UsbError::SetAside(why.clone())))
}
