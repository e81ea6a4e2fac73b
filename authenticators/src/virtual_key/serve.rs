//! The thread between the kernel and a device.

use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::mpsc,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags};

use super::{
    error::VirtualKeyError,
    node::{has_news, wait_for},
};
use crate::ctaphid::{Device, Output, REPORT_SIZE, Report};

/// How long one report takes to the host: one goes in a frame of a full-speed bus (USB 2.0, 5.7.4). Faster, a host that
/// reads slowly would lose reports: the kernel keeps 64 of them.
const FRAME: Duration = Duration::from_millis(1);

/// The kernel's end of a key. Dropping it unplugs the key.
pub(super) trait Link: AsFd + Send {
    /// Tells whether the host takes a report now.
    fn takes_report(&self) -> bool;
    /// Sends a report, which may be too short.
    fn send(&mut self, report: &[u8]) -> io::Result<()>;
    /// Reads what there is, once something is there.
    fn receive(&mut self) -> io::Result<Vec<Report>>;
}

/// Makes a report of what a host wrote: a leading report number goes, and what is missing is zero.
pub(super) fn report(written: &[u8]) -> Option<Report> {
    let written = match written {
        [0, report @ ..] if report.len() == REPORT_SIZE => report,
        other if other.len() <= REPORT_SIZE => other,
        _ => return None,
    };
    let mut report = [0; REPORT_SIZE];
    for (place, byte) in report.iter_mut().zip(written) {
        *place = *byte;
    }
    Some(report)
}

/// The device, and how serving it ended.
pub(super) type Ended = (Box<Device>, io::Result<()>);

/// A thread that serves a device.
pub(super) struct Server {
    /// Hangs up at either end when that end is done.
    stop: UnixStream,
    ended: mpsc::Receiver<Ended>,
}

impl Server {
    pub(super) fn start(
        mut device: Box<Device>,
        mut link: Box<dyn Link>,
    ) -> Result<Self, VirtualKeyError> {
        let (stop, stopped) = UnixStream::pair().map_err(VirtualKeyError::Thread)?;
        let (give_back, ended) = mpsc::channel();
        let work = move || {
            let end = serve(&mut device, link.as_mut(), &stopped);
            drop(link);
            // Nobody waits for it when the key was dropped.
            let _ = give_back.send((device, end));
        };
        std::thread::Builder::new()
            .name("virtual-key".to_owned())
            .spawn(work)
            .map_err(VirtualKeyError::Thread)?;
        Ok(Self { stop, ended })
    }

    /// Returns what hangs up when the thread ends.
    pub(super) fn ended(&self) -> BorrowedFd<'_> {
        self.stop.as_fd()
    }

    /// Tells whether the thread has ended by itself.
    pub(super) fn has_ended(&self) -> bool {
        let mut stop = [PollFd::new(&self.stop, PollFlags::IN)];
        wait_for(&mut stop, Some(Duration::ZERO)).is_ok() && stop.iter().any(has_news)
    }

    /// Unplugs the key and ends the thread.
    pub(super) fn stop(self, limit: Duration) -> Result<Ended, VirtualKeyError> {
        drop(self.stop);
        self.ended
            .recv_timeout(limit)
            .map_err(|_| VirtualKeyError::ThreadStays)
    }
}

/// Serves until `stop` hangs up or the device vanishes.
fn serve(device: &mut Device, link: &mut dyn Link, stop: &UnixStream) -> io::Result<()> {
    let mut next_report = Instant::now();
    loop {
        let now = Instant::now();
        device.poll(now);
        let takes_report = link.takes_report();
        if takes_report && next_report <= now {
            let sent = match device.next_output() {
                None => false,
                Some(Output::Report(report)) => link.send(&report).map(|()| true)?,
                Some(Output::Short(report)) => link.send(&report).map(|()| true)?,
                Some(Output::Unplug) => return Ok(()),
            };
            if sent {
                next_report = now + FRAME;
            }
        }
        // Only a frame that is still to come is waited for: without one there is nothing to send.
        let frame = (takes_report && next_report > now).then_some(next_report);
        let due = [frame, device.deadline()].into_iter().flatten().min();
        let limit = due.map(|due| due.saturating_duration_since(Instant::now()));
        let mut sources = [
            PollFd::from_borrowed_fd(link.as_fd(), PollFlags::IN),
            PollFd::new(stop, PollFlags::IN),
        ];
        wait_for(&mut sources, limit)?;
        let [from_kernel, from_owner] = sources.map(|source| has_news(&source));
        if from_owner {
            return Ok(());
        }
        if from_kernel {
            for report in link.receive()? {
                device.receive(&report, Instant::now());
            }
        }
    }
}
