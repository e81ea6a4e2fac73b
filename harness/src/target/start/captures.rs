//! What a target writes when it starts that is needed later, as a link with which its first user registers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use passkey_model::target::Pattern;

/// What a target wrote when it was started last, by the names of `capture`; all that hold the target see the same.
#[derive(Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<BTreeMap<String, String>>>);

impl Captured {
    pub(super) fn set(&self, found: BTreeMap<String, String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }

    /// Returns it by name.
    pub(crate) fn by_name(&self) -> BTreeMap<String, String> {
        let found = self.0.lock();
        found.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is looked for in what a target writes.
#[derive(Clone, Default)]
pub(super) struct Captures(Arc<Mutex<Wanted>>);

/// By name, what is looked for and what was found.
type Wanted = BTreeMap<String, (Pattern, Option<String>)>;

impl Captures {
    pub(super) fn new(wanted: &BTreeMap<String, Pattern>) -> Self {
        let wanted = wanted.iter();
        let all = wanted.map(|(name, pattern)| (name.clone(), (pattern.clone(), None)));
        Self(Arc::new(Mutex::new(all.collect())))
    }

    fn all(&self) -> MutexGuard<'_, Wanted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read(&self, line: &str) {
        for (pattern, found) in self.all().values_mut() {
            if found.is_none() {
                *found = pattern.first_group(line);
            }
        }
    }

    /// Returns the name of something that was not written yet.
    pub(super) fn missing(&self) -> Option<String> {
        let all = self.all();
        let missing = all.iter().find(|(_, (_, found))| found.is_none());
        missing.map(|(name, _)| name.clone())
    }

    pub(super) fn found(&self) -> BTreeMap<String, String> {
        let all = self.all();
        let found = all.iter();
        found
            .filter_map(|(name, (_, found))| Some((name.clone(), found.clone()?)))
            .collect()
    }
}
