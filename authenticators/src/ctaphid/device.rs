//! The device's state machine (CTAP 2.1, 11.2.5): reports and the time go in, reports come out.

use std::time::Instant;

use super::{
    Application, BROADCAST, Command, Fault, HidError, Message, Packet, REPORT_SIZE, Reassembly,
    Report, Settings, Touch, Trigger,
    answer::{Outbox, PROCESSING, UP_NEEDED},
    transaction::{
        AskedTouch, KEEPALIVE_INTERVAL, MESSAGE_TIMEOUT, TOUCH_TIMEOUT, Transaction, Waiting,
        touched_at,
    },
};

/// CTAP2_ERR_KEEPALIVE_CANCEL (CTAP 2.1, 8.2).
const KEEPALIVE_CANCEL: u8 = 0x2d;
/// CTAP2_ERR_USER_ACTION_TIMEOUT.
const USER_ACTION_TIMEOUT: u8 = 0x2f;
/// SW_CONDITIONS_NOT_SATISFIED (U2F raw message formats 1.2, 3.3): touch the key and ask again.
const TOUCH_FIRST: [u8; 2] = [0x69, 0x85];
/// SW1 of a fault: no precise diagnosis (ISO 7816-4).
const NO_DIAGNOSIS: u8 = 0x6f;
/// The length of INIT's nonce in bytes.
const NONCE: usize = 8;
/// CAPABILITY_CBOR (CTAP 2.1, 11.2.9.1.3).
const CAPABILITY_CBOR: u8 = 0x04;
/// CAPABILITY_NMSG: it does **not** answer CTAPHID_MSG.
const CAPABILITY_NMSG: u8 = 0x08;
/// The version of CTAPHID, and of the device: major, minor, build.
const VERSIONS: [u8; 4] = [2, 1, 0, 0];

/// What a device does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Sends a report.
    Report(Report),
    /// Sends a report that is too short.
    Short([u8; REPORT_SIZE / 2]),
    /// Vanishes.
    Unplug,
}

/// A security key on USB HID, without the USB.
pub struct Device {
    application: Box<dyn Application>,
    settings: Settings,
    next_channel: u32,
    transaction: Transaction,
    asked_touch: Option<AskedTouch>,
    outbox: Outbox,
}

impl Device {
    /// Makes a device that was just plugged in.
    #[must_use]
    pub fn new(application: Box<dyn Application>, settings: Settings) -> Self {
        Self {
            application,
            settings,
            next_channel: 1,
            transaction: Transaction::Idle,
            asked_touch: None,
            outbox: Outbox::default(),
        }
    }

    /// Takes its power away and gives it back: channels and transactions are gone, faults that happened do not happen again.
    pub fn power_cycle(&mut self) {
        self.next_channel = 1;
        self.transaction = Transaction::Idle;
        self.asked_touch = None;
        self.outbox = Outbox::default();
        self.application.power_cycle();
    }

    /// Takes a report of the host. What was due before it comes first.
    pub fn receive(&mut self, report: &Report, now: Instant) {
        self.poll(now);
        if self.outbox.is_last_said() {
            return;
        }
        let packet = Packet::read(report);
        match packet {
            Packet::Initialization {
                channel, command, ..
            } => self.begin(channel, command, &packet, now),
            Packet::Continuation { .. } => self.go_on(&packet, now),
        }
    }

    /// Does what is due.
    pub fn poll(&mut self, now: Instant) {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        match std::mem::replace(&mut self.transaction, Transaction::Idle) {
            Transaction::Idle => {}
            Transaction::Receiving { reassembly, .. } => {
                self.outbox
                    .error(reassembly.channel(), HidError::MessageTimeout);
            }
            Transaction::Waiting(waiting) => self.wait_on(waiting, now),
            Transaction::Stuck { channel, .. } => self.stick_with_keepalives(channel, now),
        }
    }

    /// Returns when [`Device::poll`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.transaction.deadline()
    }

    /// Takes what it does next, if there is something.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outbox.take()
    }

    fn begin(&mut self, channel: u32, command: u8, packet: &Packet<'_>, now: Instant) {
        let command = Command::from_host(command);
        if command == Some(Command::Init) {
            return self.initialize(channel, packet, now);
        }
        if !self.is_allocated(channel) {
            return self.outbox.error(channel, HidError::InvalidChannel);
        }
        if command == Some(Command::Cancel) {
            return self.cancel(channel);
        }
        if self.transaction.channel().is_some() {
            return self.refuse_second(channel);
        }
        if !command.is_some_and(|command| self.answers(command)) {
            return self.outbox.error(channel, HidError::InvalidCommand);
        }
        match Reassembly::begin(packet) {
            Ok(reassembly) => self.proceed(reassembly, now),
            Err(_) => self.outbox.error(channel, HidError::InvalidLength),
        }
    }

    /// Refuses a message that comes while another is under way.
    fn refuse_second(&mut self, channel: u32) {
        match &self.transaction {
            Transaction::Receiving { reassembly, .. } if reassembly.channel() == channel => {
                self.transaction = Transaction::Idle;
                self.outbox.error(channel, HidError::InvalidSequence);
            }
            _ => self.outbox.error(channel, HidError::ChannelBusy),
        }
    }

    /// Adds a continuation packet; one that belongs to nothing is ignored (CTAP 2.1, 11.2.5.4).
    fn go_on(&mut self, packet: &Packet<'_>, now: Instant) {
        let Packet::Continuation { channel, .. } = *packet else {
            return;
        };
        if self.transaction.channel() != Some(channel) {
            return;
        }
        match std::mem::replace(&mut self.transaction, Transaction::Idle) {
            Transaction::Receiving { mut reassembly, .. } => match reassembly.add(packet) {
                Ok(()) => self.proceed(reassembly, now),
                Err(_) => self.outbox.error(channel, HidError::InvalidSequence),
            },
            other => self.transaction = other,
        }
    }

    fn proceed(&mut self, reassembly: Reassembly, now: Instant) {
        if !reassembly.is_whole() {
            let deadline = now + MESSAGE_TIMEOUT;
            self.transaction = Transaction::Receiving {
                reassembly,
                deadline,
            };
        } else if let Some(message) = reassembly.finish() {
            self.execute(message, now);
        }
    }

    fn execute(&mut self, message: Message, now: Instant) {
        let Message {
            channel, payload, ..
        } = message;
        match Command::from_host(message.command) {
            Some(Command::Cbor) if payload.is_empty() => {
                self.outbox.error(channel, HidError::InvalidLength);
            }
            Some(Command::Cbor) => self.cbor(channel, payload, now),
            Some(Command::Msg) => self.message(channel, &payload, now),
            // No other command comes this far.
            _ => self.outbox.message(channel, Command::Ping, payload, None),
        }
    }

    /// CTAPHID_INIT (CTAP 2.1, 11.2.9.1.3): gives a channel away, or ends what was under way on one.
    fn initialize(&mut self, channel: u32, packet: &Packet<'_>, now: Instant) {
        let given = match channel {
            BROADCAST => self.next_channel,
            _ if self.is_allocated(channel) => channel,
            _ => return self.outbox.error(channel, HidError::InvalidChannel),
        };
        let Some(nonce) = nonce(packet) else {
            return self.outbox.error(channel, HidError::InvalidLength);
        };
        if self.transaction.channel() == Some(channel) {
            self.transaction = Transaction::Idle;
        }
        if channel == BROADCAST {
            self.next_channel = match self.next_channel + 1 {
                BROADCAST => 1,
                next => next,
            };
        } else {
            self.outbox.forget(channel);
        }
        let fault = self.fault(Some(Trigger::Init));
        let nonce = match fault {
            Some(Fault::Stall) => return,
            Some(Fault::KeepaliveForever) => return self.stick_with_keepalives(channel, now),
            Some(Fault::ErrorStatus(status)) => {
                let payload = vec![status];
                return self.outbox.message(channel, Command::Error, payload, None);
            }
            Some(Fault::WrongNonce) => nonce.map(|byte| !byte),
            _ => nonce,
        };
        let mut payload = nonce.to_vec();
        payload.extend(given.to_be_bytes());
        payload.extend(VERSIONS);
        payload.push(self.capabilities());
        self.outbox.message(channel, Command::Init, payload, fault);
    }

    /// CTAPHID_CANCEL (CTAP 2.1, 11.2.9.1.5): only the request that it ends is answered.
    fn cancel(&mut self, channel: u32) {
        if let Transaction::Waiting(waiting) = &self.transaction
            && waiting.channel == channel
        {
            self.transaction = Transaction::Idle;
            let payload = vec![KEEPALIVE_CANCEL];
            self.outbox.message(channel, Command::Cbor, payload, None);
        }
    }

    fn cbor(&mut self, channel: u32, request: Vec<u8>, now: Instant) {
        let fault = self.fault(Trigger::of_cbor(&request));
        match fault {
            Some(Fault::Stall) => self.stall(channel),
            Some(Fault::KeepaliveForever) => self.stick_with_keepalives(channel, now),
            Some(Fault::ErrorStatus(status)) => {
                let payload = vec![status];
                self.outbox.message(channel, Command::Cbor, payload, None);
            }
            _ if self.settings.touch != Touch::AtOnce
                && self.application.waits_for_touch(&request, false) =>
            {
                self.outbox.keepalive(channel, UP_NEEDED);
                self.transaction = Transaction::Waiting(Waiting {
                    channel,
                    request,
                    fault,
                    touched_at: touched_at(self.settings.touch, now),
                    gives_up_at: now + TOUCH_TIMEOUT,
                    keepalive: now + KEEPALIVE_INTERVAL,
                });
            }
            _ => self.answer_cbor(channel, &request, fault),
        }
    }

    fn answer_cbor(&mut self, channel: u32, request: &[u8], fault: Option<Fault>) {
        let answer = self.application.cbor(request);
        self.outbox.message(channel, Command::Cbor, answer, fault);
    }

    /// CTAPHID_MSG: whoever has to wait is told to ask again.
    fn message(&mut self, channel: u32, request: &[u8], now: Instant) {
        if self.application.waits_for_touch(request, true) {
            let touch = AskedTouch::ask(self.asked_touch.take(), self.settings.touch, now);
            if !touch.is_there(now) {
                self.asked_touch = Some(touch);
                let payload = TOUCH_FIRST.to_vec();
                return self.outbox.message(channel, Command::Msg, payload, None);
            }
        }
        let fault = self.fault(Trigger::of_message(request));
        let answer = match fault {
            Some(Fault::Stall) => return self.stall(channel),
            Some(Fault::KeepaliveForever) => return self.stick_with_keepalives(channel, now),
            Some(Fault::ErrorStatus(status)) => vec![NO_DIAGNOSIS, status],
            _ => self.application.message(request),
        };
        self.outbox.message(channel, Command::Msg, answer, fault);
    }

    fn wait_on(&mut self, mut waiting: Waiting, now: Instant) {
        let channel = waiting.channel;
        let touched_at = waiting.touched_at.filter(|at| *at < waiting.gives_up_at);
        if touched_at.is_some_and(|at| at <= now) {
            self.outbox.keepalive(channel, PROCESSING);
            self.answer_cbor(channel, &waiting.request, waiting.fault);
        } else if waiting.gives_up_at <= now {
            let payload = vec![USER_ACTION_TIMEOUT];
            self.outbox.message(channel, Command::Cbor, payload, None);
        } else {
            self.outbox.keepalive(channel, UP_NEEDED);
            waiting.keepalive = now + KEEPALIVE_INTERVAL;
            self.transaction = Transaction::Waiting(waiting);
        }
    }

    fn stall(&mut self, channel: u32) {
        let keepalive = None;
        self.transaction = Transaction::Stuck { channel, keepalive };
    }

    fn stick_with_keepalives(&mut self, channel: u32, now: Instant) {
        self.outbox.keepalive(channel, PROCESSING);
        let keepalive = Some(now + KEEPALIVE_INTERVAL);
        self.transaction = Transaction::Stuck { channel, keepalive };
    }

    /// Takes the fault that was planned for this.
    fn fault(&mut self, trigger: Option<Trigger>) -> Option<Fault> {
        let planned = &mut self.settings.faults;
        let fits = planned
            .iter()
            .position(|planned| Some(planned.trigger()) == trigger)?;
        Some(planned.remove(fits).fault())
    }

    fn is_allocated(&self, channel: u32) -> bool {
        (1..self.next_channel).contains(&channel)
    }

    fn answers(&self, command: Command) -> bool {
        match command {
            Command::Cbor => self.application.speaks_cbor(),
            Command::Msg => self.settings.speaks_messages,
            Command::Ping => true,
            _ => false,
        }
    }

    fn capabilities(&self) -> u8 {
        let of = |is_there: bool, bit: u8| if is_there { bit } else { 0 };
        of(self.application.speaks_cbor(), CAPABILITY_CBOR)
            | of(!self.settings.speaks_messages, CAPABILITY_NMSG)
    }
}

fn nonce(packet: &Packet<'_>) -> Option<[u8; NONCE]> {
    match *packet {
        Packet::Initialization { length, data, .. } if usize::from(length) == NONCE => {
            data.first_chunk().copied()
        }
        _ => None,
    }
}
