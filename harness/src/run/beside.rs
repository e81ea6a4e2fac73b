//! Rows that run beside each other on one target: when it dies or hangs, that shows on rows that had no part in it.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Knows which rows run at once.
#[derive(Debug, Default)]
pub struct Beside {
    lock: RwLock<()>,
    running: AtomicUsize,
    /// How many rows began so far.
    begun: AtomicUsize,
}

/// A row that runs, perhaps beside others.
pub(super) struct Visit<'a> {
    all: &'a Beside,
    _guard: RwLockReadGuard<'a, ()>,
    others: bool,
    begun: usize,
}

impl Beside {
    /// Waits until no row runs alone.
    pub(super) async fn enter(&self) -> Visit<'_> {
        let guard = self.lock.read().await;
        Visit {
            all: self,
            _guard: guard,
            others: self.running.fetch_add(1, Ordering::SeqCst) > 0,
            begun: self.begun.fetch_add(1, Ordering::SeqCst) + 1,
        }
    }

    /// Waits until no row runs; none begins while what is returned is kept.
    pub(super) async fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.lock.write().await
    }
}

impl Visit<'_> {
    /// Tells whether others ran beside the row, for a part of its time at least.
    pub(super) fn had_company(&self) -> bool {
        self.others || self.all.begun.load(Ordering::SeqCst) != self.begun
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.all.running.fetch_sub(1, Ordering::SeqCst);
    }
}
