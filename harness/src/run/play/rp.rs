//! The relying party of a row.

use std::{net::SocketAddr, sync::Arc};

use passkey_authenticators::seed::Seed;
use passkey_model::{
    row::Row,
    target::{Driver, Target},
};
use passkey_reference_rp::{Recorded, RunningRp};
use tokio::net::TcpListener;

use super::{OfRow, PlayError, setup};
use crate::{
    run::{Runner, api::Reader},
    target::{Control, ReadyTarget},
};

/// The relying party of a row: one of its own, or one that runs on its own.
pub(super) enum Rp {
    Embedded(RunningRp),
    External(Arc<ReadyTarget>),
}

impl Rp {
    /// Starts the row's own relying party, unless the target runs on its own.
    pub(super) async fn of(runner: &Runner, row: &Row) -> Result<Self, PlayError> {
        if let Some(target) = &runner.target {
            return Ok(Self::External(Arc::clone(target)));
        }
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .map_err(PlayError::Listen)?;
        let config = setup::config(&runner.library, row, runner.defects)?;
        let rp = RunningRp::start(config, listener).map_err(PlayError::Listen)?;
        Ok(Self::Embedded(rp))
    }

    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Embedded(rp) => rp.address(),
            Self::External(target) => target.address,
        }
    }

    pub(super) fn host(&self) -> &str {
        self.target().map_or(setup::HOST, Target::host)
    }

    pub(super) fn origin(&self) -> &str {
        self.target().map_or(setup::ORIGIN, |target| &target.origin)
    }

    pub(super) fn rp_id(&self) -> &str {
        self.target().map_or(setup::RP_ID, |target| &target.rp_id)
    }

    pub(super) fn pass(&self) -> &str {
        match self {
            Self::Embedded(_) => setup::PASS,
            Self::External(target) => &target.pass,
        }
    }

    pub(super) fn reader(&self) -> Reader {
        match self {
            Self::Embedded(_) => Reader::Reference,
            Self::External(target) => Reader::Target(Arc::clone(target)),
        }
    }

    /// Returns what a row wants of it.
    pub(super) fn of_row(&self, row: &Row, seed: &Seed) -> OfRow {
        let Some(target) = self.target() else {
            return OfRow::default();
        };
        let digits = seed.bytes("the users of the row");
        OfRow {
            users: digits
                .iter()
                .take(5)
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            settings: target.wanted(&row.relying_party),
        }
    }

    /// Tells whether users can sign in without giving their name.
    pub(super) fn signs_in_without_name(&self) -> bool {
        self.target().is_none_or(Target::signs_in_without_name)
    }

    /// Tells whether what an authenticator says of itself reaches the relying party.
    pub(super) fn asks_for_attestation(&self) -> bool {
        self.target().is_none_or(Target::asks_for_attestation)
    }

    /// Tells whether a session is let in that nobody is signed in in, to register.
    pub(super) fn lets_anybody_register(&self) -> bool {
        let Self::External(target) = self else {
            return false;
        };
        let dialect = target.dialect.as_ref();
        dialect.is_some_and(|dialect| dialect.let_in.is_empty())
    }

    /// Returns what controls its policy, where that is not the reference relying party's own API.
    pub(super) fn policy_control(&self) -> Option<Arc<Control>> {
        match self {
            Self::Embedded(_) => None,
            Self::External(target) => target.policy.clone(),
        }
    }

    /// Returns the target whose file says what is done on its pages.
    pub(super) fn described(&self) -> Option<Arc<ReadyTarget>> {
        match self {
            Self::External(target) if target.file.driver == Driver::Page => {
                Some(Arc::clone(target))
            }
            Self::Embedded(_) | Self::External(_) => None,
        }
    }

    fn target(&self) -> Option<&Target> {
        match self {
            Self::Embedded(_) => None,
            Self::External(target) => Some(&target.file),
        }
    }

    pub(super) fn take_recorded(&self) -> Vec<Recorded> {
        match self {
            Self::Embedded(rp) => rp.take_recorded(),
            Self::External(_) => Vec::new(),
        }
    }

    /// Returns the relying party that can be told what to do; rows that need it are not-applicable elsewhere.
    pub(super) fn controlled(&self) -> Result<&RunningRp, String> {
        match self {
            Self::Embedded(rp) => Ok(rp),
            Self::External(target) => {
                Err(format!("target {} cannot be told this", target.file.target))
            }
        }
    }
}
