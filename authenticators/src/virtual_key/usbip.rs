//! Messages of USB/IP (Documentation/usb/usbip_protocol.rst of the kernel): headers of 48 bytes, big-endian, then data.

use std::io;

const HEADER: usize = 48;
const CMD_SUBMIT: u32 = 1;
const CMD_UNLINK: u32 = 2;
const RET_SUBMIT: u32 = 3;
const RET_UNLINK: u32 = 4;
const DIRECTION_IN: u32 = 1;
/// More than any transfer to this device: longer ones are garbage.
const LONGEST: usize = 1 << 16;
/// Status: the endpoint stalls.
pub(super) const EPIPE: i32 = -32;
/// Status: the request was taken back.
pub(super) const ECONNRESET: i32 = -104;

/// What the host controller asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// A transfer.
    Submit(Transfer),
    /// A transfer that is not wanted any more.
    Unlink { seqnum: u32, target: u32 },
}

/// A transfer (USBIP_CMD_SUBMIT).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Transfer {
    pub(super) seqnum: u32,
    pub(super) endpoint: u32,
    pub(super) is_in: bool,
    /// On endpoint 0.
    pub(super) setup: [u8; 8],
    /// To the device.
    pub(super) data: Vec<u8>,
}

impl Request {
    /// Takes the first request off what was read, if it is whole.
    pub(super) fn take(buffer: &mut Vec<u8>) -> io::Result<Option<Self>> {
        let Some(header) = buffer.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let word = |at: usize| {
            let bytes = header.iter().skip(4 * at).take(4);
            bytes.fold(0, |word, byte| word << 8 | u32::from(*byte))
        };
        let (seqnum, is_in) = (word(1), word(3) == DIRECTION_IN);
        match word(0) {
            CMD_UNLINK => {
                let target = word(5);
                buffer.drain(..HEADER);
                Ok(Some(Self::Unlink { seqnum, target }))
            }
            CMD_SUBMIT => {
                let length = word(6) as usize;
                let data = if is_in { 0 } else { length };
                if length > LONGEST {
                    return Err(io::Error::other("a USB/IP transfer is too long"));
                }
                if buffer.len() < HEADER + data {
                    return Ok(None);
                }
                let mut setup = [0; 8];
                setup.copy_from_slice(&header[40..]);
                let endpoint = word(4);
                let data = buffer.drain(..HEADER + data).skip(HEADER).collect();
                Ok(Some(Self::Submit(Transfer {
                    seqnum,
                    endpoint,
                    is_in,
                    setup,
                    data,
                })))
            }
            other => Err(io::Error::other(format!(
                "USB/IP command {other} is unknown"
            ))),
        }
    }
}

impl Transfer {
    /// Says that a transfer to the device is done.
    pub(super) fn taken(&self) -> Vec<u8> {
        let length = self.data.len();
        answer(RET_SUBMIT, self.seqnum, 0, length)
    }

    /// Says that the endpoint stalls.
    pub(super) fn stalled(&self) -> Vec<u8> {
        answer(RET_SUBMIT, self.seqnum, EPIPE, 0)
    }
}

/// Brings what a transfer from the device asked for.
pub(super) fn brought(seqnum: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = answer(RET_SUBMIT, seqnum, 0, data.len());
    bytes.extend(data);
    bytes
}

/// Answers USBIP_CMD_UNLINK.
pub(super) fn unlinked(seqnum: u32, status: i32) -> Vec<u8> {
    answer(RET_UNLINK, seqnum, status, 0)
}

fn answer(command: u32, seqnum: u32, status: i32, length: usize) -> Vec<u8> {
    // Never more than LONGEST.
    let length = length as u32;
    let (devid, direction, endpoint) = (0, 0, 0);
    let words = [command, seqnum, devid, direction, endpoint];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    bytes.extend(status.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.resize(HEADER, 0);
    bytes
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn submit(direction: u32, endpoint: u32, length: u32) -> Vec<u8> {
        let words = [
            CMD_SUBMIT, 9, 65538, direction, endpoint, 0, length, 0, 0, 0,
        ];
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.extend([1, 2, 3, 4, 5, 6, 7, 8]);
        bytes
    }

    #[test]
    fn a_transfer_is_taken_once_its_data_is_there() {
        let mut buffer = submit(0, 2, 3);
        buffer.extend([7, 8]);
        assert_eq!(Request::take(&mut buffer).unwrap(), None);
        buffer.extend([9, 0xff]);
        let Some(Request::Submit(transfer)) = Request::take(&mut buffer).unwrap() else {
            unreachable!("it is whole")
        };
        assert_eq!(
            (transfer.seqnum, transfer.endpoint, transfer.is_in),
            (9, 2, false)
        );
        assert_eq!(
            (transfer.setup, transfer.data),
            ([1, 2, 3, 4, 5, 6, 7, 8], vec![7, 8, 9])
        );
        assert_eq!(buffer, [0xff], "what follows stays");
    }

    #[test]
    fn a_transfer_from_the_device_has_no_data() {
        let mut buffer = submit(DIRECTION_IN, 1, 64);
        assert!(
            matches!(Request::take(&mut buffer), Ok(Some(Request::Submit(transfer))) if transfer.is_in)
        );
        assert!(buffer.is_empty());
    }

    #[test]
    fn garbage_is_an_error() {
        assert!(Request::take(&mut vec![0xff; HEADER]).is_err());
        assert!(Request::take(&mut submit(0, 2, u32::MAX)).is_err());
    }

    #[test]
    fn answers_have_48_bytes_and_their_data() {
        assert_eq!(unlinked(1, ECONNRESET).len(), HEADER);
        assert_eq!(brought(1, &[5; 64]).len(), HEADER + 64);
        assert_eq!(brought(1, &[5; 64])[24..28], 64u32.to_be_bytes());
    }
}
