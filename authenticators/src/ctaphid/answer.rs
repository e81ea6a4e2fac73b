//! What a device has to send, with what is wrong with it.

use std::collections::VecDeque;

use super::{Command, Fault, HidError, MAX_MESSAGE, Message, Output, REPORT_SIZE};

/// CTAPHID_KEEPALIVE: the device is still at work (CTAP 2.1, 11.2.9.1.7).
pub(super) const PROCESSING: u8 = 1;
/// CTAPHID_KEEPALIVE: a person has to touch the key.
pub(super) const UP_NEEDED: u8 = 2;
/// Turns a channel into one that nobody has: channels are given away from 1 on.
const ANOTHER_CHANNEL: u32 = 0x0f0f_0f0f;
/// What one packet cannot hold.
const TWO_PACKETS: usize = REPORT_SIZE;

/// What a device has to send.
#[derive(Default)]
pub(super) struct Outbox {
    queue: VecDeque<Queued>,
    is_last_said: bool,
}

struct Queued {
    channel: u32,
    command: Command,
    output: Output,
}

impl Outbox {
    /// Takes what comes next.
    pub(super) fn take(&mut self) -> Option<Output> {
        self.queue.pop_front().map(|queued| queued.output)
    }

    /// Tells whether the device vanishes after what is there.
    pub(super) fn is_last_said(&self) -> bool {
        self.is_last_said
    }

    /// Forgets what was for a channel.
    pub(super) fn forget(&mut self, channel: u32) {
        self.queue.retain(|queued| queued.channel != channel);
    }

    /// Sends CTAPHID_ERROR.
    pub(super) fn error(&mut self, channel: u32, error: HidError) {
        self.message(channel, Command::Error, vec![error.code()], None);
    }

    /// Sends CTAPHID_KEEPALIVE, in place of one that nobody took.
    pub(super) fn keepalive(&mut self, channel: u32, status: u8) {
        let is_one =
            |queued: &Queued| queued.channel == channel && queued.command == Command::Keepalive;
        self.queue.retain(|queued| !is_one(queued));
        self.message(channel, Command::Keepalive, vec![status], None);
    }

    /// Sends a message; one that is too long becomes an error.
    pub(super) fn message(
        &mut self,
        channel: u32,
        command: Command,
        mut payload: Vec<u8>,
        fault: Option<Fault>,
    ) {
        if payload.len() > MAX_MESSAGE {
            return self.error(channel, HidError::Other);
        }
        if fault == Some(Fault::TruncatedMessage) {
            payload.resize(payload.len().max(TWO_PACKETS), 0);
        }
        let seen = match fault {
            Some(Fault::WrongChannel) => channel ^ ANOTHER_CHANNEL,
            _ => channel,
        };
        let message = Message {
            channel: seen,
            command: command.code(),
            payload,
        };
        // Cannot fail: the length was looked at.
        let reports = message.reports().unwrap_or_default();
        let mut outputs: Vec<Output> = reports.into_iter().map(Output::Report).collect();
        match fault {
            Some(Fault::Unplug) => {
                outputs.truncate(outputs.len() / 2);
                outputs.push(Output::Unplug);
                self.is_last_said = true;
            }
            Some(Fault::TruncatedMessage) => drop(outputs.pop()),
            Some(Fault::ShortReport) => shorten(&mut outputs),
            _ => {}
        }
        self.queue.extend(outputs.into_iter().map(|output| Queued {
            channel,
            command,
            output,
        }));
    }
}

fn shorten(outputs: &mut [Output]) {
    if let Some(first) = outputs.first_mut()
        && let Output::Report(report) = first
        && let Some(half) = report.first_chunk()
    {
        *first = Output::Short(*half);
    }
}
