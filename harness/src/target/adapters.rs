//! The processes of an adapter: as many as rows run at once, each started when it is needed and used by one row at a time.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use passkey_model::target::Start;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    ReadyTarget,
    adapter::{Ability, Adapter, Introduction, Trouble},
    start::{self, Anchors},
};
use crate::run::{REQUEST_LIMIT, SOFTWARE_CAPACITY};

/// How an adapter is run, and the processes of it that wait.
pub(crate) struct Adapters {
    target: ReadyTarget,
    start: Start,
    folder: PathBuf,
    anchors: Anchors,
    introduction: OnceLock<Introduction>,
    idle: Mutex<Vec<Adapter>>,
    seats: Arc<Semaphore>,
}

impl fmt::Debug for Adapters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adapters").finish_non_exhaustive()
    }
}

impl Adapters {
    /// Says how a target's adapter is run, whose file is in `folder`.
    pub(super) fn new(
        target: &ReadyTarget,
        start: Start,
        folder: PathBuf,
        anchors: Anchors,
    ) -> Self {
        Self {
            target: target.clone(),
            start,
            folder,
            anchors,
            introduction: OnceLock::new(),
            idle: Mutex::default(),
            seats: Arc::new(Semaphore::new(SOFTWARE_CAPACITY)),
        }
    }

    /// Starts the first process, and hears what it is.
    pub(crate) async fn meet(&self) -> Result<Introduction, Trouble> {
        let (adapter, introduction) = self.start_one().await?;
        let _ = self.introduction.set(introduction.clone());
        self.put_back(adapter);
        Ok(introduction)
    }

    /// Tells whether the library can do something.
    pub(crate) fn can(&self, ability: Ability) -> bool {
        let introduction = self.introduction.get();
        introduction.is_some_and(|it| it.features.contains(&ability))
    }

    /// How long one question may take.
    fn answers_within(&self) -> Duration {
        let own = self.target.file.pacing.answers_within_seconds;
        own.map_or(REQUEST_LIMIT, Duration::from_secs)
    }

    /// Waits until a process may be used.
    pub(crate) async fn lease(self: &Arc<Self>) -> Lease {
        // Nobody closes it.
        let seat = Arc::clone(&self.seats).acquire_owned().await.ok();
        Lease {
            adapters: Arc::clone(self),
            adapter: None,
            _seat: seat,
        }
    }

    async fn start_one(&self) -> Result<(Adapter, Introduction), Trouble> {
        let command = start::command(&self.target, &self.start, &self.folder);
        let command = command.map_err(Trouble::Spawn)?;
        let mut adapter = Adapter::spawn(command, |folder, command| {
            command.env("TRUST_ANCHORS", self.anchors.write(folder)?);
            Ok(())
        })?;
        let limit = Duration::from_secs(self.start.within_seconds);
        match adapter.start(limit).await {
            Ok(introduction) => Ok((adapter, introduction)),
            Err(trouble) => {
                end(adapter);
                Err(trouble)
            }
        }
    }

    /// Returns a process that waits; one that ended or spoke without being asked between two rows is another row's no more.
    async fn take(&self) -> Result<Adapter, Trouble> {
        while let Some(adapter) = self.take_idle() {
            if adapter.waits() {
                return Ok(adapter);
            }
            end(adapter);
        }
        Ok(self.start_one().await?.0)
    }

    fn take_idle(&self) -> Option<Adapter> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop()
    }

    fn put_back(&self, adapter: Adapter) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(adapter);
    }
}

impl Drop for Adapters {
    fn drop(&mut self) {
        // All are told before any is waited for.
        let idle = self.idle.get_mut().unwrap_or_else(PoisonError::into_inner);
        idle.iter_mut().for_each(Adapter::say_stop);
    }
}

/// The right to one process, which is started when it is needed and goes back when this is dropped.
pub(crate) struct Lease {
    adapters: Arc<Adapters>,
    adapter: Option<Adapter>,
    _seat: Option<OwnedSemaphorePermit>,
}

impl Lease {
    /// Asks one thing; a process that fails at it is ended, and the next question goes to another one.
    pub(crate) async fn ask(&mut self, asked: Value) -> Result<Value, Trouble> {
        let mut adapter = match self.adapter.take() {
            Some(adapter) => adapter,
            None => self.adapters.take().await?,
        };
        match adapter.ask(asked, self.adapters.answers_within()).await {
            Ok(answer) => {
                self.adapter = Some(adapter);
                Ok(answer)
            }
            Err(trouble) => {
                end(adapter);
                Err(trouble)
            }
        }
    }

    /// Tells whether the library can do something.
    pub(crate) fn can(&self, ability: Ability) -> bool {
        self.adapters.can(ability)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(adapter) = self.adapter.take() {
            self.adapters.put_back(adapter);
        }
    }
}

/// Ends a process where it may be waited for.
fn end(adapter: Adapter) {
    tokio::task::spawn_blocking(move || drop(adapter));
}
