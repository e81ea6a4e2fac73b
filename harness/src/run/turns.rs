//! How many rows of each lane run at once.

use std::{collections::BTreeMap, sync::Arc};

use passkey_model::lane::Lane;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Lets rows of a lane run when it is their turn; lanes that it does not know have no bounds.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    /// Of each lane.
    lanes: BTreeMap<String, Arc<Semaphore>>,
    /// Of all lanes together.
    all: Option<Arc<Semaphore>>,
}

/// A row's turn, for as long as it is kept.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    _of_all: Option<SemaphorePermit<'a>>,
    _of_lane: Option<SemaphorePermit<'a>>,
}

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
        Self {
            lanes: lanes.iter().map(bound).collect(),
            all: None,
        }
    }

    /// Bounds all lanes together, where there is a bound.
    #[must_use]
    pub fn at_most(mut self, rows: Option<usize>) -> Self {
        self.all = rows.map(|rows| Arc::new(Semaphore::new(rows.max(1))));
        self
    }

    /// Returns how many rows run at once, of all lanes together.
    #[must_use]
    pub fn at_once(&self) -> usize {
        let of_lanes = self.lanes.values().map(|it| it.available_permits()).sum();
        let all = self.all.as_ref().map(|all| all.available_permits());
        all.map_or(of_lanes, |all| all.min(of_lanes))
    }

    /// Waits for a row's turn, which lasts as long as what is returned.
    pub(super) async fn wait(&self, lane: &Lane) -> Turn<'_> {
        // The semaphores are never closed.
        let of_lane = match self.lanes.get(&lane.id) {
            Some(places) => places.acquire().await.ok(),
            None => None,
        };
        let of_all = match &self.all {
            Some(places) => places.acquire().await.ok(),
            None => None,
        };
        Turn {
            _of_all: of_all,
            _of_lane: of_lane,
        }
    }
}
