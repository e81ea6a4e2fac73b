//! How a device behaves.

use std::time::Duration;

use super::PlannedFault;

/// When a person touches the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Touch {
    /// As soon as it is asked for.
    #[default]
    AtOnce,
    /// So long after it was asked for.
    After(Duration),
    /// Not at all.
    Never,
}

/// How a device behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// When a person touches it.
    pub touch: Touch,
    /// Whether it answers CTAPHID_MSG at all; otherwise it says CAPABILITY_NMSG.
    pub speaks_messages: bool,
    /// What it does wrong: each of these once, the first that fits.
    pub faults: Vec<PlannedFault>,
}

impl Default for Settings {
    /// Answers both kinds of messages, is touched at once and does nothing wrong.
    fn default() -> Self {
        Self {
            touch: Touch::AtOnce,
            speaks_messages: true,
            faults: Vec::new(),
        }
    }
}
