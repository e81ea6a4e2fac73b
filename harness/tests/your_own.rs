//! What somebody meets who points the harness at a relying party of their own: init, smoke, known deviations, compare.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "your_own/compare.rs"]
mod compare;
#[path = "your_own/deviations.rs"]
mod deviations;
#[path = "targets/fake.rs"]
mod fake;
#[path = "your_own/init.rs"]
mod init;
mod reference;
#[path = "your_own/smoke.rs"]
mod smoke;
#[path = "your_own/world.rs"]
mod world;
