//! The server around the verification: sessions, challenges, records, policy.

mod routes;
mod state;

use std::{net::SocketAddr, sync::Arc};

use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::verify::Expected;
use state::State;

/// How the relying party is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// What it expects of every response, and its policy at the start.
    pub expected: Expected,
    /// Its users.
    pub users: Vec<User>,
    /// Its clock at the start, in seconds since 1970; it moves only when told.
    pub now: u64,
    /// How long a challenge is good for, in seconds.
    pub challenge_lifetime: u64,
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
}

impl Drop for RunningRp {
    fn drop(&mut self) {
        self.task.abort();
    }
}
