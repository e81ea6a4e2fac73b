//! How fast a target is asked.

use std::time::Duration;

use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

/// Lets requests go one after the other, so far apart.
#[derive(Debug)]
pub(crate) struct Pace {
    apart: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// Lets so many requests go in a second.
    pub(crate) fn of(in_a_second: u32) -> Self {
        Self {
            apart: Duration::from_secs(1) / in_a_second.max(1),
            next: Mutex::new(None),
        }
    }

    /// Waits until the next request may go.
    pub(crate) async fn wait(&self) {
        let now = Instant::now();
        let mut next = self.next.lock().await;
        let turn = next.map_or(now, |next| next.max(now));
        *next = Some(turn + self.apart);
        drop(next);
        sleep_until(turn).await;
    }
}
