//! What a device does wrong on demand, and when; named as in YAML and on the command line.

use std::{fmt, str::FromStr};

use serde::Deserialize;

/// CTAP1_ERR_OTHER: the status where none is named.
const OTHER: u8 = 0x7f;

/// What a device does wrong.
///
/// Written in kebab case. `error-status` alone stands for `error-status=0x7f`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Fault {
    /// `unplug`: the device vanishes after the first half of its answer.
    Unplug,
    /// `stall`: no answer comes and no keepalive; CANCEL does not help, INIT on the channel and unplugging do.
    Stall,
    /// `keepalive-forever`: keepalives come without end; CANCEL does not help, INIT on the channel and unplugging do.
    KeepaliveForever,
    /// `wrong-channel`: the answer comes on a channel that nobody has.
    WrongChannel,
    /// `truncated-message`: the last packet of the answer never comes. An answer of one packet says that there are more.
    TruncatedMessage,
    /// `short-report`: the first report of the answer has 32 bytes. Linux hands it on or drops it, as its version has it.
    ShortReport,
    /// `wrong-nonce`: INIT is answered with another nonce. Goes with [`Trigger::Init`] alone.
    WrongNonce,
    /// `error-status=0x27`: the request is refused with this status and not carried out: in CTAPHID_CBOR a status byte, in CTAPHID_MSG
    /// the status word 0x6f and the byte, at INIT a CTAPHID_ERROR.
    ErrorStatus(u8),
}

/// When a fault happens: the first time that this is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub enum Trigger {
    /// `init`: CTAPHID_INIT.
    Init,
    /// `get-info`: authenticatorGetInfo, or U2F_VERSION.
    GetInfo,
    /// `make-credential`: authenticatorMakeCredential, or U2F_REGISTER.
    MakeCredential,
    /// `get-assertion`: authenticatorGetAssertion, or U2F_AUTHENTICATE unless it only checks.
    GetAssertion,
}

/// A fault and when it happens, written `unplug@make-credential`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct PlannedFault {
    fault: Fault,
    trigger: Trigger,
}

/// A name is not one of a fault or a trigger: the text that holds it is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownName {
    /// It is no fault.
    #[error(
        "{0:?} is no fault: write unplug, stall, keepalive-forever, wrong-channel, truncated-message, short-report, \
         wrong-nonce, error-status or error-status=0x27"
    )]
    Fault(String),
    /// It is no trigger.
    #[error(
        "{0:?} is not when a fault can happen: write init, get-info, make-credential or get-assertion"
    )]
    Trigger(String),
    /// It is not one and the other.
    #[error("{0:?} does not say what happens when: write, for example, unplug@make-credential")]
    Plan(String),
    /// There is no nonce to be wrong.
    #[error("only INIT has a nonce: write wrong-nonce@init instead of {0:?}")]
    NoNonce(String),
}

impl PlannedFault {
    /// Plans a fault.
    ///
    /// # Errors
    /// [`UnknownName::NoNonce`] when the nonce is to be wrong where there is none.
    pub fn new(fault: Fault, trigger: Trigger) -> Result<Self, UnknownName> {
        let planned = Self { fault, trigger };
        if fault == Fault::WrongNonce && trigger != Trigger::Init {
            return Err(UnknownName::NoNonce(planned.to_string()));
        }
        Ok(planned)
    }

    /// Returns what happens.
    #[must_use]
    pub const fn fault(self) -> Fault {
        self.fault
    }

    /// Returns when it happens.
    #[must_use]
    pub const fn trigger(self) -> Trigger {
        self.trigger
    }
}

impl Trigger {
    /// Returns what a CTAP2 command triggers (CTAP 2.1, 6).
    pub(crate) fn of_cbor(request: &[u8]) -> Option<Self> {
        match request.first()? {
            0x01 => Some(Self::MakeCredential),
            0x02 => Some(Self::GetAssertion),
            0x04 => Some(Self::GetInfo),
            _ => None,
        }
    }

    /// Returns what a U2F raw message triggers (U2F raw message formats 1.2, 3 to 6): class, instruction, P1.
    pub(crate) fn of_message(request: &[u8]) -> Option<Self> {
        const CHECK_ONLY: u8 = 0x07;
        match request {
            [_, 0x01, ..] => Some(Self::MakeCredential),
            [_, 0x02, p1, ..] if *p1 != CHECK_ONLY => Some(Self::GetAssertion),
            [_, 0x03, ..] => Some(Self::GetInfo),
            _ => None,
        }
    }
}

impl FromStr for Fault {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let unknown = || UnknownName::Fault(name.to_owned());
        Ok(match name {
            "unplug" => Self::Unplug,
            "stall" => Self::Stall,
            "keepalive-forever" => Self::KeepaliveForever,
            "wrong-channel" => Self::WrongChannel,
            "truncated-message" => Self::TruncatedMessage,
            "short-report" => Self::ShortReport,
            "wrong-nonce" => Self::WrongNonce,
            "error-status" => Self::ErrorStatus(OTHER),
            _ => {
                let status = name.strip_prefix("error-status=0x").ok_or_else(unknown)?;
                Self::ErrorStatus(u8::from_str_radix(status, 16).map_err(|_| unknown())?)
            }
        })
    }
}

impl FromStr for Trigger {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Ok(match name {
            "init" => Self::Init,
            "get-info" => Self::GetInfo,
            "make-credential" => Self::MakeCredential,
            "get-assertion" => Self::GetAssertion,
            _ => return Err(UnknownName::Trigger(name.to_owned())),
        })
    }
}

impl FromStr for PlannedFault {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let (fault, trigger) = text
            .split_once('@')
            .ok_or_else(|| UnknownName::Plan(text.to_owned()))?;
        Self::new(fault.parse()?, trigger.parse()?)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unplug => "unplug",
            Self::Stall => "stall",
            Self::KeepaliveForever => "keepalive-forever",
            Self::WrongChannel => "wrong-channel",
            Self::TruncatedMessage => "truncated-message",
            Self::ShortReport => "short-report",
            Self::WrongNonce => "wrong-nonce",
            Self::ErrorStatus(status) => return write!(f, "error-status={status:#04x}"),
        })
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "init",
            Self::GetInfo => "get-info",
            Self::MakeCredential => "make-credential",
            Self::GetAssertion => "get-assertion",
        })
    }
}

impl fmt::Display for PlannedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.fault, self.trigger)
    }
}

impl TryFrom<String> for Fault {
    type Error = UnknownName;

    fn try_from(name: String) -> Result<Self, UnknownName> {
        name.parse()
    }
}

impl TryFrom<String> for Trigger {
    type Error = UnknownName;

    fn try_from(name: String) -> Result<Self, UnknownName> {
        name.parse()
    }
}

impl TryFrom<String> for PlannedFault {
    type Error = UnknownName;

    fn try_from(text: String) -> Result<Self, UnknownName> {
        text.parse()
    }
}
