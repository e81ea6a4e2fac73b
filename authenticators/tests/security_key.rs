//! A security key: what its commands answer, that a platform's own code agrees with it, and that nothing makes it panic.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "security_key/commands.rs"]
mod commands;
#[path = "security_key/kit.rs"]
mod kit;
#[path = "security_key/peer.rs"]
mod peer;
#[path = "security_key/u2f.rs"]
mod u2f;
