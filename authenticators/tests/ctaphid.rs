//! CTAPHID's device side: frames, channels, sequences, time-outs, touches, cancelling and each fault.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "ctaphid/device.rs"]
mod device;
#[path = "ctaphid/faults.rs"]
mod faults;
#[path = "ctaphid/frames.rs"]
mod frames;
#[path = "ctaphid/host.rs"]
mod host;
#[path = "ctaphid/touch.rs"]
mod touch;
