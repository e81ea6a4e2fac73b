//! Lines that a process writes, in bounded memory.

use std::io::ErrorKind;

use tokio::{io::AsyncReadExt as _, net::unix::pipe};

use crate::browser::Tail;

/// The longest line that is read.
const LONGEST: usize = 1024 * 1024;
/// How much of a line of standard error is kept.
const LONGEST_TOLD: usize = 4096;

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("it ended")]
    Ended,
    #[error("it wrote a line of more than {} KiB", LONGEST / 1024)]
    Endless,
}

/// What a process writes to its standard output.
pub(super) struct Lines {
    pipe: pipe::Receiver,
    read: Vec<u8>,
}

impl Lines {
    pub(super) const fn new(pipe: pipe::Receiver) -> Self {
        Self {
            pipe,
            read: Vec::new(),
        }
    }

    /// Returns the next line, without its end.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, Fault> {
        let mut looked_at = 0;
        loop {
            let unseen = self.read.get(looked_at..).unwrap_or_default();
            if let Some(end) = unseen.iter().position(|byte| *byte == b'\n') {
                let rest = self.read.split_off(looked_at + end + 1);
                let mut line = std::mem::replace(&mut self.read, rest);
                line.pop();
                return Ok(line);
            }
            looked_at = self.read.len();
            if looked_at > LONGEST {
                return Err(Fault::Endless);
            }
            // What cannot be read any more has ended.
            if matches!(self.pipe.read_buf(&mut self.read).await, Ok(0) | Err(_)) {
                return Err(Fault::Ended);
            }
        }
    }

    /// Tells whether more was read than the lines that were asked for.
    pub(super) const fn holds_more(&self) -> bool {
        !self.read.is_empty()
    }

    /// Tells whether nothing is written, and the output is still open.
    pub(super) fn is_silent(&self) -> bool {
        let tried = self.pipe.try_read(&mut [0; 1]);
        tried.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

/// Keeps the last lines of a pipe until it ends.
pub(super) async fn follow(mut pipe: pipe::Receiver, tail: Tail) {
    let mut line = Vec::new();
    let mut chunk = [0; 1024];
    while let Ok(size @ 1..) = pipe.read(&mut chunk).await {
        for byte in chunk.iter().take(size) {
            if *byte == b'\n' {
                tail.push(&String::from_utf8_lossy(&line));
                line.clear();
            } else if line.len() < LONGEST_TOLD {
                line.push(*byte);
            }
        }
    }
    if !line.is_empty() {
        tail.push(&String::from_utf8_lossy(&line));
    }
}
