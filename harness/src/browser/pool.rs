//! Sessions that rows use one after the other: starting a browser takes longer than a row.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{sync::Semaphore, task::JoinSet};

use super::{Browser, BrowserError, Extension, Look, Place, Session};

/// At most `capacity` sessions of one kind.
pub struct Pool {
    kind: Browser,
    place: Place,
    look: Look,
    extension: Option<Extension>,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Session>>,
}

impl Pool {
    /// Makes a pool; nothing is started before it is needed.
    #[must_use]
    pub fn of(
        kind: Browser,
        place: Place,
        look: Look,
        extension: Option<Extension>,
        capacity: usize,
    ) -> Self {
        Self {
            kind,
            place,
            look,
            extension,
            places: Arc::new(Semaphore::new(capacity)),
            idle: Mutex::default(),
        }
    }

    /// Waits for a place, and returns an idle session that still works, or starts one. Dropping the session frees its place.
    ///
    /// What an earlier row left in it (cookies, storage, tabs, authenticators) is for the caller to clear.
    ///
    /// # Errors
    /// When a session cannot be started, or the pool was closed.
    pub async fn take(&self) -> Result<Session, BrowserError> {
        let places = Arc::clone(&self.places);
        let permit = places
            .acquire_owned()
            .await
            .map_err(|_| BrowserError::Ending)?;
        let mut session = loop {
            let Some(idle) = self.idle().pop() else {
                let extension = self.extension.as_ref();
                break Session::start(self.kind, &self.place, self.look, extension).await?;
            };
            if idle.works().await {
                break idle;
            }
            idle.end().await;
        };
        session.hold(permit);
        Ok(session)
    }

    /// Gives a session back, which loses its site. One that broke is ended, and so is every one after [`Pool::close_all`].
    pub async fn give_back(&self, mut session: Session) {
        session.route(None);
        if session.is_broken() {
            return session.end().await;
        }
        let mut idle = self.idle();
        if self.places.is_closed() {
            drop(idle);
            return session.close().await;
        }
        // Idle before its place is free: who gets the place finds it.
        let permit = session.release();
        idle.push(session);
        drop((idle, permit));
    }

    /// Closes the idle sessions, side by side, and starts none any more.
    pub async fn close_all(&self) {
        let idle: Vec<Session> = {
            let mut idle = self.idle();
            self.places.close();
            idle.drain(..).collect()
        };
        let mut closing: JoinSet<()> = idle.into_iter().map(Session::close).collect();
        while closing.join_next().await.is_some() {}
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
