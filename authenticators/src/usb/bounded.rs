//! A thread of its own for the crate's code, which blocks inside async, may wait for ever, and may panic.

use std::{
    any::Any,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use super::UsbError;

/// Runs work on a thread of its own, inside a runtime whose timers run; a thread that outlives the limit is left behind.
///
/// # Errors
/// [`UsbError::Hung`] beyond the limit, [`UsbError::Panicked`] after a panic, and what the work fails with.
pub(super) fn bounded<R: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> Result<R, UsbError> + Send + 'static,
) -> Result<R, UsbError> {
    let (sender, receiver) = mpsc::channel();
    let builder = thread::Builder::new().name("usb-key".to_owned());
    let thread = builder.spawn(move || {
        // Nobody listens any more when this came too late.
        drop(sender.send(with_timers(work)));
    });
    let thread = thread.map_err(|error| UsbError::Unexpected(error.to_string()))?;
    match receiver.recv_timeout(limit) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => Err(UsbError::Hung),
        Err(RecvTimeoutError::Disconnected) => {
            let payload = thread.join().err();
            let told = payload.as_deref().map_or_else(String::new, told);
            Err(UsbError::Panicked(told))
        }
    }
}

fn with_timers<R>(work: impl FnOnce() -> Result<R, UsbError>) -> Result<R, UsbError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_time().build();
    let runtime = runtime.map_err(|error| UsbError::Unexpected(error.to_string()))?;
    let _inside = runtime.enter();
    work()
}

/// Reads the message of a panic.
fn told(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}
