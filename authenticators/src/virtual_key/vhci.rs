//! A USB device over `vhci_hcd`: one end of a socket is given to the kernel, which speaks USB/IP over it.

use std::{
    collections::VecDeque,
    fs,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd, AsRawFd as _, BorrowedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use super::{
    error::VirtualKeyError,
    serve::{Link, report},
    usb,
    usbip::{self, Request, Transfer},
};
use crate::ctaphid::Report;

const STATUS: &str = "/sys/devices/platform/vhci_hcd.0/status";
const ATTACH: &str = "/sys/devices/platform/vhci_hcd.0/attach";
/// Bus 1, device 2: a number that need only be there.
const DEVICE_ID: u32 = 0x0001_0002;
const FULL_SPEED: u32 = 2;
/// VDEV_ST_NULL: nothing is plugged in there.
const FREE: &str = "004";
/// How long the kernel may take to read an answer.
const WRITE_LIMIT: Duration = Duration::from_secs(5);

/// A USB device of user space.
pub(super) struct Vhci {
    socket: UnixStream,
    serial: String,
    /// What was read and is not whole.
    read: Vec<u8>,
    /// The transfers that wait for a report, by their numbers.
    waiting: VecDeque<u32>,
}

impl Vhci {
    /// Plugs the device into a free port.
    pub(super) fn attach(serial: &str) -> Result<Self, VirtualKeyError> {
        let refused = |source| VirtualKeyError::of_kernel(ATTACH, "vhci-hcd", source);
        let status = fs::read_to_string(STATUS).map_err(refused)?;
        let (socket, kernels) = UnixStream::pair().map_err(refused)?;
        socket
            .set_write_timeout(Some(WRITE_LIMIT))
            .map_err(refused)?;
        for port in free_ports(&status) {
            let descriptor = kernels.as_raw_fd();
            let line = format!("{port} {descriptor} {DEVICE_ID} {FULL_SPEED}");
            match fs::write(ATTACH, line) {
                Ok(()) => {
                    let serial = serial.to_owned();
                    let (read, waiting) = (Vec::new(), VecDeque::new());
                    return Ok(Self {
                        socket,
                        serial,
                        read,
                        waiting,
                    });
                }
                // Somebody else was faster.
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
                Err(error) => return Err(refused(error)),
            }
        }
        Err(VirtualKeyError::NoFreePort)
    }

    /// Answers a request, and returns the report that it brought.
    fn answer(&mut self, request: Request) -> io::Result<Option<Report>> {
        let transfer = match request {
            Request::Submit(transfer) => transfer,
            Request::Unlink { seqnum, target } => {
                let before = self.waiting.len();
                self.waiting.retain(|waiting| *waiting != target);
                let was_there = self.waiting.len() < before;
                let status = if was_there { usbip::ECONNRESET } else { 0 };
                self.socket.write_all(&usbip::unlinked(seqnum, status))?;
                return Ok(None);
            }
        };
        match (transfer.endpoint, transfer.is_in) {
            (0, _) => self.control(&transfer)?,
            // Held until there is a report.
            (usb::ENDPOINT_IN, true) => self.waiting.push_back(transfer.seqnum),
            (usb::ENDPOINT_OUT, false) => {
                self.socket.write_all(&transfer.taken())?;
                return Ok(report(&transfer.data));
            }
            _ => self.socket.write_all(&transfer.stalled())?,
        }
        Ok(None)
    }

    fn control(&mut self, transfer: &Transfer) -> io::Result<()> {
        let answer = match usb::control(transfer.setup, &self.serial) {
            Some(data) if transfer.is_in => usbip::brought(transfer.seqnum, &data),
            Some(_) => transfer.taken(),
            None => transfer.stalled(),
        };
        self.socket.write_all(&answer)
    }
}

impl Link for Vhci {
    fn takes_report(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn send(&mut self, report: &[u8]) -> io::Result<()> {
        match self.waiting.pop_front() {
            Some(seqnum) => self.socket.write_all(&usbip::brought(seqnum, report)),
            None => Err(io::Error::other("no transfer waits for a report")),
        }
    }

    fn receive(&mut self) -> io::Result<Vec<Report>> {
        let mut buffer = [0; 4096];
        let count = self.socket.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read.extend(buffer.iter().take(count));
        let mut reports = Vec::new();
        while let Some(request) = Request::take(&mut self.read)? {
            reports.extend(self.answer(request)?);
        }
        Ok(reports)
    }
}

impl AsFd for Vhci {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Returns the numbers of the free ports for this speed; a line is `hs  0000 004 000 00000000 000000 0-0`.
fn free_ports(status: &str) -> impl Iterator<Item = u32> {
    status.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (hub, port, state) = (fields.next()?, fields.next()?, fields.next()?);
        (hub == "hs" && state == FREE).then(|| port.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_are_those_of_the_slow_hub_without_a_device() {
        let status = "hub port sta spd dev      sockfd local_busid\n\
            hs  0000 006 002 00010002 000003 3-1\n\
            hs  0001 004 000 00000000 000000 0-0\n\
            ss  0008 004 000 00000000 000000 0-0\n";
        assert_eq!(free_ports(status).collect::<Vec<_>>(), [1]);
    }
}
