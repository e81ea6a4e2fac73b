//! How many rows of each lane run at once.

use std::{collections::BTreeMap, sync::Arc};

use passkey_model::lane::Lane;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Lets rows of a lane run when it is their turn; lanes that it does not know have no bounds.
#[derive(Clone, Debug, Default)]
pub struct Turns(BTreeMap<String, Arc<Semaphore>>);

impl Turns {
    /// Bounds every lane: `software` rows at once where there is no browser, `browsers` where there is one.
    #[must_use]
    pub fn of(lanes: &[Arc<Lane>], software: usize, browsers: usize) -> Self {
        // Whoever asks for a key sees all that are plugged in.
        let keys = Arc::new(Semaphore::new(1));
        let bound = |lane: &Arc<Lane>| {
            if lane.has_keys() {
                return (lane.id.clone(), Arc::clone(&keys));
            }
            let places = if lane.browser.is_some() {
                browsers
            } else {
                software
            };
            (lane.id.clone(), Arc::new(Semaphore::new(places.max(1))))
        };
        Self(lanes.iter().map(bound).collect())
    }

    /// Returns how many rows run at once, of all lanes together.
    #[must_use]
    pub fn at_once(&self) -> usize {
        self.0
            .values()
            .map(|places| places.available_permits())
            .sum()
    }

    /// Waits for a row's turn, which lasts as long as what is returned.
    pub(super) async fn wait(&self, lane: &Lane) -> Option<SemaphorePermit<'_>> {
        // The semaphores are never closed.
        self.0.get(&lane.id)?.acquire().await.ok()
    }
}
