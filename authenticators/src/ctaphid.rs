//! The device's side of CTAPHID, pure (CTAP 2.1, 11.2): what carries CTAP to a security key over USB HID.
//!
//! [`frame`] cuts messages into reports of 64 bytes and puts them together again. [`Device`] is the state machine around an
//! [`Application`]; time is given to it, and what it sends is taken from it. [`fault`] lists what it does wrong on demand.
//!
//! ```
//! use passkey_authenticators::ctaphid::{Application, Command, Device, Message, Output, Settings, BROADCAST};
//! use std::time::Instant;
//!
//! struct Silent;
//! impl Application for Silent {
//!     fn cbor(&mut self, _: &[u8]) -> Vec<u8> { vec![0x01] }
//!     fn message(&mut self, _: &[u8]) -> Vec<u8> { vec![0x6d, 0x00] }
//!     fn waits_for_touch(&self, _: &[u8], _: bool) -> bool { false }
//!     fn speaks_cbor(&self) -> bool { true }
//!     fn power_cycle(&mut self) {}
//! }
//!
//! let mut device = Device::new(Box::new(Silent), Settings::default());
//! let nonce = vec![1, 2, 3, 4, 5, 6, 7, 8];
//! let init = Message { channel: BROADCAST, command: Command::Init.code(), payload: nonce };
//! for report in init.reports()? {
//!     device.receive(&report, Instant::now());
//! }
//! assert!(matches!(device.next_output(), Some(Output::Report(report)) if report[7..15] == [1, 2, 3, 4, 5, 6, 7, 8]));
//! # Ok::<(), passkey_authenticators::ctaphid::TooLong>(())
//! ```

mod answer;
pub mod device;
pub mod fault;
pub mod frame;
mod settings;
mod transaction;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use device::{Device, Output};
pub use fault::{Fault, PlannedFault, Trigger, UnknownName};
pub use frame::{MAX_MESSAGE, Message, Packet, REPORT_SIZE, Reassembly, Report, TooLong};
pub use settings::{Settings, Touch};

/// The channel on which channels are asked for (CTAP 2.1, 11.2.3).
pub const BROADCAST: u32 = 0xffff_ffff;

/// What a HID device carries to: a security key.
pub trait Application: Send {
    /// Answers CTAPHID_CBOR: a command byte and CBOR; returns a status byte and CBOR.
    fn cbor(&mut self, request: &[u8]) -> Vec<u8>;
    /// Answers CTAPHID_MSG: a U2F raw message; returns data and the status word.
    fn message(&mut self, request: &[u8]) -> Vec<u8>;
    /// Tells whether a person has to touch the key before this request is answered.
    fn waits_for_touch(&self, request: &[u8], is_message: bool) -> bool;
    /// Tells whether it speaks CTAP2 at all.
    fn speaks_cbor(&self) -> bool;
    /// Is called when the device loses power.
    fn power_cycle(&mut self);
}

/// A key that its maker still holds, and can put other settings around.
impl<A: Application> Application for Arc<Mutex<A>> {
    fn cbor(&mut self, request: &[u8]) -> Vec<u8> {
        held(self).cbor(request)
    }

    fn message(&mut self, request: &[u8]) -> Vec<u8> {
        held(self).message(request)
    }

    fn waits_for_touch(&self, request: &[u8], is_message: bool) -> bool {
        held(self).waits_for_touch(request, is_message)
    }

    fn speaks_cbor(&self) -> bool {
        held(self).speaks_cbor()
    }

    fn power_cycle(&mut self) {
        held(self).power_cycle();
    }
}

fn held<A>(application: &Mutex<A>) -> MutexGuard<'_, A> {
    application.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The commands of CTAPHID (CTAP 2.1, 11.2.9), without the bit that marks an initialization packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Command {
    /// CTAPHID_PING: the payload comes back.
    Ping = 0x01,
    /// CTAPHID_MSG: a U2F raw message.
    Msg = 0x03,
    /// CTAPHID_INIT: a channel is asked for, or is made to start afresh.
    Init = 0x06,
    /// CTAPHID_CBOR: a CTAP2 command.
    Cbor = 0x10,
    /// CTAPHID_CANCEL: what is waited for is not wanted any more.
    Cancel = 0x11,
    /// CTAPHID_KEEPALIVE: the answer is not there yet.
    Keepalive = 0x3b,
    /// CTAPHID_ERROR: the payload is one [`HidError`].
    Error = 0x3f,
}

impl Command {
    /// Returns its number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the command that a host may send under a number.
    #[must_use]
    pub const fn from_host(code: u8) -> Option<Self> {
        Some(match code {
            0x01 => Self::Ping,
            0x03 => Self::Msg,
            0x06 => Self::Init,
            0x10 => Self::Cbor,
            0x11 => Self::Cancel,
            _ => return None,
        })
    }
}

/// Why a device refused a packet or a message (CTAP 2.1, 11.2.9.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum HidError {
    /// ERR_INVALID_CMD.
    InvalidCommand = 0x01,
    /// ERR_INVALID_PAR.
    InvalidParameter = 0x02,
    /// ERR_INVALID_LEN.
    InvalidLength = 0x03,
    /// ERR_INVALID_SEQ.
    InvalidSequence = 0x04,
    /// ERR_MSG_TIMEOUT.
    MessageTimeout = 0x05,
    /// ERR_CHANNEL_BUSY.
    ChannelBusy = 0x06,
    /// ERR_INVALID_CHANNEL.
    InvalidChannel = 0x0b,
    /// ERR_OTHER.
    Other = 0x7f,
}

impl HidError {
    /// Returns its number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}
