//! The server around the verification: sessions, challenges, records, policy.

mod body;
mod conformance;
mod finish;
mod memory;
mod pages;
mod routes;
mod seen;
mod state;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{defects::Defects, policy::Limits, recorded::Recorded, verify::Expected};
pub use seen::Seen;
use state::State;

/// Where the time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// A moment, in seconds since 1970; it passes only when told.
    Fixed(u64),
    /// The system's clock.
    System,
}

impl Clock {
    fn now(self) -> u64 {
        match self {
            Self::Fixed(now) => now,
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        }
    }
}

/// How the relying party is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// What it expects of every response, and its policy at the start.
    pub expected: Expected,
    /// Its users.
    pub users: Vec<User>,
    /// Its clock.
    pub clock: Clock,
    /// How long a challenge is good for, in seconds.
    pub challenge_lifetime: u64,
    /// Whether options for a named user list that user's credentials.
    ///
    /// A relying party that does not want to tell strangers who has passkeys leaves the list empty (WebAuthn L3, 14.6.3).
    pub lists_credentials: bool,
    /// What a policy may hold.
    pub limits: Limits,
    /// The mistakes that it makes.
    pub defects: Defects,
    /// The `timeout` of its options, in milliseconds; without it, five minutes.
    pub options_timeout: Option<u64>,
    /// The `residentKey` of its options: `required`, `preferred` or `discouraged` (WebAuthn L3, 5.4.6).
    pub resident_key: String,
    /// The `credentialProtectionPolicy` that its options ask for (CTAP 2.1, 12.1).
    pub credential_protection: Option<String>,
    /// The other origins that may use its RP ID, for `/.well-known/webauthn`; that is not found when there are none.
    pub related_origins: Vec<String>,
    /// The origins whose pages may embed its pages; if there are any, its cookies are sent in iframes too.
    pub embedders: Vec<String>,
}

impl Config {
    /// Makes a configuration without users, on the system's clock, with the usual limits and no defects.
    #[must_use]
    pub fn new(expected: Expected) -> Self {
        Self {
            expected,
            users: Vec::new(),
            clock: Clock::System,
            challenge_lifetime: 300,
            lists_credentials: true,
            limits: Limits::default(),
            defects: Defects::NONE,
            options_timeout: None,
            resident_key: "required".to_owned(),
            credential_protection: None,
            related_origins: Vec::new(),
            embedders: Vec::new(),
        }
    }
}

/// A user of the relying party.
#[derive(Clone, Debug)]
pub struct User {
    /// The name.
    pub name: String,
    /// The groups.
    pub groups: Vec<String>,
    /// Whether the user is a guest.
    pub guest: bool,
    /// What lets the user in before there is a passkey.
    pub temporary_access_pass: String,
}

/// A relying party that serves until it is dropped.
#[derive(Debug)]
pub struct RunningRp {
    address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl RunningRp {
    /// Serves on a listener, on the current runtime.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start(config: Config, listener: TcpListener) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let state = Arc::new(State::new(config));
        let router = routes::router(Arc::clone(&state));
        let task = tokio::spawn(async move {
            // Serving ends when the task is aborted; there is nobody to report an accept error to.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            state,
            task,
        })
    }

    /// Returns the address that it serves on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Moves the clock forward.
    pub fn advance_clock(&self, seconds: u64) {
        self.state.advance_clock(seconds);
    }

    /// Changes a user's groups or kind.
    pub fn set_user(&self, name: &str, groups: Option<Vec<String>>, guest: Option<bool>) {
        self.state.set_user(name, groups, guest);
    }

    /// Returns the policy in force.
    #[must_use]
    pub fn policy(&self) -> Option<Value> {
        self.state.policy()
    }

    /// Returns a user's passkeys, as `GET /admin/users/{name}/passkeys` does.
    #[must_use]
    pub fn passkeys(&self, user: &str) -> Value {
        self.state.passkeys(user)
    }

    /// Returns the ceremonies that were verified, in order; after ten thousand no more are kept.
    #[must_use]
    pub fn recorded(&self) -> Vec<Recorded> {
        self.state.recorded()
    }

    /// Takes those ceremonies out of its memory.
    #[must_use]
    pub fn take_recorded(&self) -> Vec<Recorded> {
        self.state.take_recorded()
    }

    /// Returns the requests that it saw, in order, but for those to what its pages load; after ten thousand no more are kept.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.all()
    }

    /// Waits until it serves no more.
    pub async fn stopped(&mut self) {
        // The task does not panic, and is aborted only when this value is dropped.
        let _ = (&mut self.task).await;
    }
}

impl Drop for RunningRp {
    fn drop(&mut self) {
        self.task.abort();
    }
}
