//! What a device is busy with: one transaction at a time (CTAP 2.1, 11.2.5).

use std::time::{Duration, Instant};

use super::{Fault, Reassembly, Touch};

/// How long the next packet of a message may take.
pub(super) const MESSAGE_TIMEOUT: Duration = Duration::from_millis(500);
/// How often a host hears that the answer is not there yet.
pub(super) const KEEPALIVE_INTERVAL: Duration = Duration::from_millis(100);
/// How long a touch is waited for.
pub(super) const TOUCH_TIMEOUT: Duration = Duration::from_secs(30);
/// When a U2F host that asks no more has given up; hosts ask several times a second.
const U2F_PATIENCE: Duration = Duration::from_secs(2);

/// What a device is busy with.
pub(super) enum Transaction {
    /// Nothing.
    Idle,
    /// A message of which packets are missing.
    Receiving {
        reassembly: Reassembly,
        deadline: Instant,
    },
    /// A person who has not touched it yet.
    Waiting(Waiting),
    /// A fault: nothing but keepalives comes, if there is a time for the next.
    Stuck {
        channel: u32,
        keepalive: Option<Instant>,
    },
}

/// A CTAPHID_CBOR request that waits for a touch.
pub(super) struct Waiting {
    pub(super) channel: u32,
    pub(super) request: Vec<u8>,
    /// What will be wrong with the answer.
    pub(super) fault: Option<Fault>,
    pub(super) touched_at: Option<Instant>,
    pub(super) gives_up_at: Instant,
    pub(super) keepalive: Instant,
}

impl Transaction {
    /// Returns whose it is.
    pub(super) fn channel(&self) -> Option<u32> {
        match self {
            Self::Idle => None,
            Self::Receiving { reassembly, .. } => Some(reassembly.channel()),
            Self::Waiting(Waiting { channel, .. }) | Self::Stuck { channel, .. } => Some(*channel),
        }
    }

    /// Returns when something happens without a report.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Idle => None,
            Self::Receiving { deadline, .. } => Some(*deadline),
            Self::Waiting(waiting) => Some(waiting.deadline()),
            Self::Stuck { keepalive, .. } => *keepalive,
        }
    }
}

impl Waiting {
    fn deadline(&self) -> Instant {
        let end = self.keepalive.min(self.gives_up_at);
        self.touched_at.map_or(end, |touched| touched.min(end))
    }
}

/// Returns when a touch comes that is asked for now.
pub(super) fn touched_at(touch: Touch, now: Instant) -> Option<Instant> {
    match touch {
        Touch::AtOnce => Some(now),
        Touch::After(after) => now.checked_add(after),
        Touch::Never => None,
    }
}

/// A touch that a U2F host asks for again and again (U2F raw message formats 1.2, 4.2).
pub(super) struct AskedTouch {
    touched_at: Option<Instant>,
    asked_at: Instant,
}

impl AskedTouch {
    /// Notes that a host asks; goes on with what it asked shortly before.
    pub(super) fn ask(before: Option<Self>, touch: Touch, now: Instant) -> Self {
        let is_recent = |asked: &Self| now.saturating_duration_since(asked.asked_at) < U2F_PATIENCE;
        let touched_at = match before.filter(is_recent) {
            Some(asked) => asked.touched_at,
            None => touched_at(touch, now),
        };
        Self {
            touched_at,
            asked_at: now,
        }
    }

    /// Tells whether the touch has come.
    pub(super) fn is_there(&self, now: Instant) -> bool {
        self.touched_at.is_some_and(|touched| touched <= now)
    }
}
