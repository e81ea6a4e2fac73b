//! Messages in reports of 64 bytes (CTAP 2.1, 11.2.4): one initialization packet and up to 128 continuation packets.

/// The size of a report in bytes.
pub const REPORT_SIZE: usize = 64;
/// What the initialization packet holds of the payload.
const FIRST: usize = REPORT_SIZE - 7;
/// What a continuation packet holds of the payload.
const NEXT: usize = REPORT_SIZE - 5;
/// The longest payload in bytes: sequence numbers end at 127.
pub const MAX_MESSAGE: usize = FIRST + 128 * NEXT;
/// Marks an initialization packet.
const INITIALIZATION: u8 = 0x80;

/// One report, as it is on the wire.
pub type Report = [u8; REPORT_SIZE];

/// One report, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// Begins a message.
    Initialization {
        /// The channel.
        channel: u32,
        /// The command, without the bit that marks this packet.
        command: u8,
        /// BCNT: the length of the whole payload; more than [`MAX_MESSAGE`] can be written there.
        length: u16,
        /// The first bytes of the payload, padded.
        data: &'a [u8],
    },
    /// Goes on with one.
    Continuation {
        /// The channel.
        channel: u32,
        /// The sequence number, from 0 to 127.
        sequence: u8,
        /// The bytes that follow, padded.
        data: &'a [u8],
    },
}

impl<'a> Packet<'a> {
    /// Reads a report: any 64 bytes are a packet.
    #[must_use]
    pub fn read(report: &'a Report) -> Self {
        let [a, b, c, d, kind, high, low, ..] = *report;
        let channel = u32::from_be_bytes([a, b, c, d]);
        if kind & INITIALIZATION == 0 {
            let data = &report[REPORT_SIZE - NEXT..];
            return Self::Continuation {
                channel,
                sequence: kind,
                data,
            };
        }
        Self::Initialization {
            channel,
            command: kind & !INITIALIZATION,
            length: u16::from_be_bytes([high, low]),
            data: &report[REPORT_SIZE - FIRST..],
        }
    }
}

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The channel.
    pub channel: u32,
    /// The command, from 0 to 127.
    pub command: u8,
    /// Up to [`MAX_MESSAGE`] bytes.
    pub payload: Vec<u8>,
}

/// A payload does not fit into a message: its sender is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a CTAPHID message holds {MAX_MESSAGE} bytes, and {0} were to be sent: send a shorter message"
)]
pub struct TooLong(pub usize);

impl Message {
    /// Cuts the message into reports, padded with zeros.
    ///
    /// # Errors
    /// When the payload is longer than [`MAX_MESSAGE`].
    pub fn reports(&self) -> Result<Vec<Report>, TooLong> {
        let too_long = TooLong(self.payload.len());
        if self.payload.len() > MAX_MESSAGE {
            return Err(too_long);
        }
        let length = u16::try_from(self.payload.len()).map_err(|_| too_long)?;
        let (first, rest) = self.payload.split_at(self.payload.len().min(FIRST));
        let [high, low] = length.to_be_bytes();
        let mut reports = vec![self.report(&[self.command | INITIALIZATION, high, low], first)];
        for (sequence, data) in (0u8..).zip(rest.chunks(NEXT)) {
            reports.push(self.report(&[sequence], data));
        }
        Ok(reports)
    }

    fn report(&self, header: &[u8], data: &[u8]) -> Report {
        let bytes = self.channel.to_be_bytes();
        let bytes = bytes.iter().chain(header).chain(data);
        let mut report = [0; REPORT_SIZE];
        for (place, byte) in report.iter_mut().zip(bytes) {
            *place = *byte;
        }
        report
    }
}

/// A message of which the first packets are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reassembly {
    message: Message,
    length: usize,
    sequence: u8,
}

/// Why a packet did not fit into the message that is being put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It begins a message of more than [`MAX_MESSAGE`] bytes.
    Length,
    /// It has another number than the next, or another message begins.
    Sequence,
    /// It goes on with a message of another channel.
    Channel,
}

impl Reassembly {
    /// Begins with an initialization packet.
    ///
    /// # Errors
    /// [`Misfit::Length`], and [`Misfit::Sequence`] for a continuation packet.
    pub fn begin(packet: &Packet<'_>) -> Result<Self, Misfit> {
        let Packet::Initialization {
            channel,
            command,
            length,
            data,
        } = *packet
        else {
            return Err(Misfit::Sequence);
        };
        let length = usize::from(length);
        if length > MAX_MESSAGE {
            return Err(Misfit::Length);
        }
        let payload = data.iter().take(length).copied().collect();
        let message = Message {
            channel,
            command,
            payload,
        };
        Ok(Self {
            message,
            length,
            sequence: 0,
        })
    }

    /// Adds a continuation packet.
    ///
    /// # Errors
    /// [`Misfit::Channel`] and [`Misfit::Sequence`]; the message is then as it was.
    pub fn add(&mut self, packet: &Packet<'_>) -> Result<(), Misfit> {
        match *packet {
            Packet::Continuation { channel, .. } if channel != self.message.channel => {
                Err(Misfit::Channel)
            }
            Packet::Continuation { sequence, data, .. }
                if sequence == self.sequence && !self.is_whole() =>
            {
                let missing = self.length - self.message.payload.len();
                let data = data.iter().take(missing);
                self.message.payload.extend(data);
                self.sequence += 1;
                Ok(())
            }
            _ => Err(Misfit::Sequence),
        }
    }

    /// Returns the channel.
    #[must_use]
    pub fn channel(&self) -> u32 {
        self.message.channel
    }

    /// Tells whether nothing is missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.message.payload.len() == self.length
    }

    /// Returns the message, if nothing is missing.
    #[must_use]
    pub fn finish(self) -> Option<Message> {
        self.is_whole().then_some(self.message)
    }
}
