//! The node that the kernel makes for a key, found by the key's serial number, and waited for.

use std::{
    fs, io,
    mem::MaybeUninit,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Access, access, inotify},
};

/// What came of waiting.
pub(super) enum Waited<T> {
    /// What was waited for.
    Seen(T),
    /// The thread that was to bring it about has ended.
    Ended,
    /// The time is over.
    TimedOut,
}

/// Tells of everything that changes in /dev from its making on.
pub(super) struct Watch(OwnedFd);

impl Watch {
    pub(super) fn new() -> io::Result<Self> {
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let changes =
            inotify::WatchFlags::CREATE | inotify::WatchFlags::DELETE | inotify::WatchFlags::ATTRIB;
        inotify::add_watch(&watch, "/dev", changes)?;
        Ok(Self(watch))
    }

    /// Looks, and looks again whenever /dev changes, until there is something or `ended` hangs up.
    pub(super) fn wait<T>(
        &self,
        ended: Option<BorrowedFd<'_>>,
        limit: Duration,
        mut look: impl FnMut() -> Option<T>,
    ) -> io::Result<Waited<T>> {
        let end = Instant::now() + limit;
        loop {
            if let Some(seen) = look() {
                return Ok(Waited::Seen(seen));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Waited::TimedOut);
            }
            let mut sources = vec![PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN)];
            sources.extend(ended.map(|ended| PollFd::from_borrowed_fd(ended, PollFlags::IN)));
            wait_for(&mut sources, Some(left))?;
            if sources.get(1).is_some_and(has_news) {
                return Ok(Waited::Ended);
            }
            self.forget()?;
        }
    }

    /// Reads what was told: only that there was something counts.
    fn forget(&self) -> io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut changes = inotify::Reader::new(&self.0, &mut buffer);
        loop {
            match changes.next() {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Waits until one of the sources has news, or the time is over. A signal in between counts as no news.
pub(super) fn wait_for(sources: &mut [PollFd<'_>], limit: Option<Duration>) -> io::Result<()> {
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    match poll(sources, limit.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Tells whether a source has something to read, or has hung up.
pub(super) fn has_news(source: &PollFd<'_>) -> bool {
    !source.revents().is_empty()
}

/// Returns the node of a serial number, if it is in /dev.
pub(super) fn find(serial: &str) -> Option<PathBuf> {
    let path = Path::new("/dev").join(name(serial)?);
    path.exists().then_some(path)
}

/// Tells whether the kernel knows a node of a serial number, wherever it is.
pub(super) fn is_known(serial: &str) -> bool {
    name(serial).is_some()
}

/// Tells whether this user may read and write.
pub(super) fn is_open_to_us(path: &Path) -> bool {
    access(path, Access::READ_OK | Access::WRITE_OK).is_ok()
}

fn name(serial: &str) -> Option<std::ffi::OsString> {
    let uniq = format!("HID_UNIQ={serial}");
    let mut entries = fs::read_dir("/sys/class/hidraw").ok()?.flatten();
    let is_ours = |entry: &fs::DirEntry| {
        let uevent = fs::read_to_string(entry.path().join("device/uevent"));
        uevent.is_ok_and(|uevent| uevent.lines().any(|line| line == uniq))
    };
    entries.find(is_ours).map(|entry| entry.file_name())
}
