//! A HID device over `/dev/uhid`; events as in linux/uhid.h, packed, in this machine's byte order.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::OpenOptionsExt as _,
    },
};

use rustix::fs::OFlags;

use super::{
    descriptors::{MANUFACTURER, PRODUCT, PRODUCT_ID, RELEASE, REPORT_DESCRIPTOR, VENDOR_ID},
    error::VirtualKeyError,
    serve::{Link, report},
};
use crate::ctaphid::Report;

const PATH: &str = "/dev/uhid";
/// The size of the largest event in bytes, UHID_CREATE2.
const EVENT_SIZE: usize = 4 + 128 + 64 + 64 + 2 + 2 + 4 * 4 + 4096;
const DESTROY: u32 = 1;
const START: u32 = 2;
const STOP: u32 = 3;
const OPEN: u32 = 4;
const CLOSE: u32 = 5;
const OUTPUT: u32 = 6;
const GET_REPORT: u32 = 9;
const GET_REPORT_REPLY: u32 = 10;
const CREATE2: u32 = 11;
const INPUT2: u32 = 12;
const SET_REPORT: u32 = 13;
const SET_REPORT_REPLY: u32 = 14;
/// BUS_USB of linux/input.h: libraries look at no other bus.
const BUS_USB: u16 = 3;
const EIO: u16 = 5;

/// A HID device of user space.
pub(super) struct Uhid(File);

impl Uhid {
    /// Makes the device known to the kernel.
    pub(super) fn create(serial: &str) -> Result<Self, VirtualKeyError> {
        let refused = |source| VirtualKeyError::of_kernel(PATH, "uhid", source);
        // O_NONBLOCK has one value, whatever the type.
        let nonblocking = OFlags::NONBLOCK.bits() as i32;
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(nonblocking);
        let mut file = options.open(PATH).map_err(refused)?;
        file.write_all(&create2(serial)).map_err(refused)?;
        Ok(Self(file))
    }
}

impl Link for Uhid {
    fn takes_report(&self) -> bool {
        true
    }

    fn send(&mut self, report: &[u8]) -> io::Result<()> {
        let size = u16::try_from(report.len()).map_err(io::Error::other)?;
        let mut event = INPUT2.to_ne_bytes().to_vec();
        event.extend(size.to_ne_bytes());
        event.extend(report);
        self.0.write_all(&event)
    }

    fn receive(&mut self) -> io::Result<Vec<Report>> {
        let mut reports = Vec::new();
        let mut event = vec![0; EVENT_SIZE];
        // One event a read, and all that there are at once: the kernel keeps 32 and drops what comes then.
        loop {
            match self.0.read(&mut event) {
                Ok(size) => reports.extend(self.answer(event.get(..size).unwrap_or_default())?),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(reports),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Uhid {
    /// Answers an event, and returns the report that it brought.
    fn answer(&mut self, event: &[u8]) -> io::Result<Option<Report>> {
        match kind(event) {
            // The kernel starts, opens, closes and stops it as hosts come and go: a key does not mind.
            START | STOP | OPEN | CLOSE => Ok(None),
            OUTPUT => Ok(output(event).and_then(report)),
            GET_REPORT => self.refuse(GET_REPORT_REPLY, event),
            SET_REPORT => self.refuse(SET_REPORT_REPLY, event),
            other => Err(io::Error::other(format!("uhid event {other} is unknown"))),
        }
    }

    /// Refuses what goes over the control pipe: CTAPHID does not use it, and the kernel waits for an answer.
    fn refuse(&mut self, reply: u32, event: &[u8]) -> io::Result<Option<Report>> {
        let mut answer = reply.to_ne_bytes().to_vec();
        answer.extend(event.iter().skip(4).take(4));
        answer.extend(EIO.to_ne_bytes());
        self.0.write_all(&answer)?;
        Ok(None)
    }
}

impl AsFd for Uhid {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Drop for Uhid {
    fn drop(&mut self) {
        // Closing the file destroys the device too.
        let _ = self.0.write_all(&DESTROY.to_ne_bytes());
    }
}

fn create2(serial: &str) -> Vec<u8> {
    let mut event = CREATE2.to_ne_bytes().to_vec();
    event.extend(text::<128>(&format!("{MANUFACTURER} {PRODUCT}")));
    event.extend(text::<64>("passkey-harness/uhid"));
    event.extend(text::<64>(serial));
    // The length of an array of 34.
    event.extend((REPORT_DESCRIPTOR.len() as u16).to_ne_bytes());
    event.extend(BUS_USB.to_ne_bytes());
    let country = 0;
    for number in [
        u32::from(VENDOR_ID),
        u32::from(PRODUCT_ID),
        u32::from(RELEASE),
        country,
    ] {
        event.extend(number.to_ne_bytes());
    }
    // The kernel fills up the rest of the event with zeros.
    event.extend(REPORT_DESCRIPTOR);
    event
}

/// Pads a text with zeros, at least one.
fn text<const SIZE: usize>(text: &str) -> [u8; SIZE] {
    let mut field = [0; SIZE];
    for (place, byte) in field.iter_mut().take(SIZE - 1).zip(text.bytes()) {
        *place = byte;
    }
    field
}

fn kind(event: &[u8]) -> u32 {
    event.first_chunk().copied().map_or(0, u32::from_ne_bytes)
}

/// Returns the data of UHID_OUTPUT: 4096 bytes, then how many of them count.
fn output(event: &[u8]) -> Option<&[u8]> {
    const DATA: usize = 4;
    const SIZE: usize = DATA + 4096;
    let size = event.get(SIZE..)?.first_chunk().copied()?;
    event.get(DATA..DATA + usize::from(u16::from_ne_bytes(size)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_create_event_has_the_kernels_layout() {
        let event = create2("serial");
        assert_eq!(event.len(), 4 + 128 + 64 + 64 + 2 + 2 + 16 + 34);
        assert_eq!(event[4 + 128 + 64..][..7], *b"serial\0");
        assert_eq!(event[260..262], 34u16.to_ne_bytes());
        assert_eq!(event[262..264], BUS_USB.to_ne_bytes());
        assert_eq!(event[280..], REPORT_DESCRIPTOR);
    }

    #[test]
    fn an_output_event_is_as_long_as_it_says() {
        let mut event = vec![0; EVENT_SIZE];
        event[..4].copy_from_slice(&OUTPUT.to_ne_bytes());
        event[5..69].fill(7);
        event[4100..4102].copy_from_slice(&65u16.to_ne_bytes());
        let written = output(&event).unwrap();
        assert_eq!(written.len(), 65);
        assert_eq!(report(written), Some([7; 64]), "without the report number");
        event[4100..4102].copy_from_slice(&u16::MAX.to_ne_bytes());
        assert_eq!(output(&event), None);
    }
}
