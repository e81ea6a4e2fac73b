//! One run at a time: a lock on the USB keys across processes.

use std::{
    env,
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    process,
    sync::mpsc,
    thread,
    time::Duration,
};

use super::UsbError;

/// The lock on the USB keys, released when it is dropped or the process ends.
#[derive(Debug)]
pub struct UsbLock {
    _file: File,
}

impl UsbLock {
    /// Takes the user's lock, in `XDG_RUNTIME_DIR` or else the directory for temporary files; waits up to a limit.
    ///
    /// # Errors
    /// When somebody else holds it beyond the limit, or the file cannot be used.
    pub fn take(limit: Duration) -> Result<Self, UsbError> {
        let runtime = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let directory = runtime
            .filter(|directory| directory.is_dir())
            .unwrap_or_else(env::temp_dir);
        Self::take_at(&directory.join("passkey-harness-usb.lock"), limit)
    }

    /// Takes the lock of a file, which is made when it is missing; waits up to a limit.
    ///
    /// # Errors
    /// As [`UsbLock::take`].
    pub fn take_at(path: &Path, limit: Duration) -> Result<Self, UsbError> {
        let failed = |error| UsbError::Lock(format!("{}: {error}", path.display()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(failed)?;
        let waiting = file.try_clone().map_err(failed)?;
        let (sender, receiver) = mpsc::channel();
        // A lock that comes too late goes with the thread, which owns the last handle then.
        thread::spawn(move || {
            let locked = waiting.lock();
            // Nobody waits any more: dropping what was to be sent releases the lock.
            drop(sender.send(locked.map(|()| waiting)));
        });
        let locked = receiver.recv_timeout(limit);
        let Ok(locked) = locked else {
            return Err(UsbError::InUse(holder(file)));
        };
        let mut file = locked.map_err(failed)?;
        note_holder(&mut file).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Writes who holds the lock, for those who wait.
fn note_holder(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", process::id())
}

/// Reads who holds the lock.
fn holder(mut file: File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(id)) => format!("process {id}"),
        _ => "another process".to_owned(),
    }
}
