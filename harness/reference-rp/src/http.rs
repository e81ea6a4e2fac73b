//! The server around the verification: sessions, challenges, records, policy.

mod accounts;
mod body;
mod certificate_urls;
mod conformance;
mod enrolment;
mod finish;
mod kept;
mod memory;
mod options;
mod pages;
mod password;
mod routes;
mod seen;
mod state;
mod step_up;
mod tenants;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{defects::Defects, policy::Limits, recorded::Recorded, verify::Expected};
pub use accounts::Accounts;
pub use kept::Kept;
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
    /// The extensions that its creation options ask for beside `credProps`, as in their JSON.
    pub registration_extensions: Map<String, Value>,
    /// The extensions that its request options ask for, as in their JSON; `appid` only where credentials are listed.
    pub authentication_extensions: Map<String, Value>,
    /// The other origins that may use its RP ID, for `/.well-known/webauthn`; that is not found when there are none.
    pub related_origins: Vec<String>,
    /// The origins whose pages may embed its pages; if there are any, its cookies are sent in iframes too.
    pub embedders: Vec<String>,
    /// How its accounts and sessions are set up.
    pub accounts: Accounts,
    /// Whether its records are from a time when BE and BS were not stored.
    pub legacy_records: bool,
    /// The other tenants on the same server, by the host under which each is reached.
    ///
    /// A tenant has accounts, sessions and passkeys of its own; it is told its own RP ID and origin in `expected`.
    pub tenants: Vec<(String, Config)>,
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
            registration_extensions: Map::new(),
            authentication_extensions: Map::new(),
            related_origins: Vec::new(),
            embedders: Vec::new(),
            accounts: Accounts::default(),
            legacy_records: false,
            tenants: Vec::new(),
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

    /// Changes a user's groups or kind, or disables the account.
    pub fn set_user(
        &self,
        name: &str,
        groups: Option<Vec<String>>,
        guest: Option<bool>,
        disabled: Option<bool>,
    ) {
        self.state.set_user(name, groups, guest, disabled);
    }

    /// Makes an enrolment link for a user, as an administrator would send it; returns its token.
    #[must_use]
    pub fn enrolment_link(&self, user: &str) -> String {
        self.state.enrolment_link(user)
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
