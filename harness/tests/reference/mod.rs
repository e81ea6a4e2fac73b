//! The reference relying party, run on its own as a target of tests.
#![allow(dead_code, reason = "each test uses a part of it")]

use passkey_reference_rp::{Config, Expected, RunningRp, User};
use tokio::net::TcpListener;

/// What lets its users in.
pub const PASS: &str = "temporary access pass";

/// What it expects of responses; it has no policy.
pub fn expected() -> Expected {
    Expected::new("rp.test", "https://login.rp.test")
}

/// Its set-up, with alice, bob and mallory, who are in these groups.
pub fn config(expected: Expected, groups: &[&str]) -> Config {
    let user = |name: &str| User {
        name: name.to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        guest: false,
        temporary_access_pass: PASS.to_owned(),
    };
    Config {
        users: ["alice", "bob", "mallory"].map(user).to_vec(),
        ..Config::new(expected)
    }
}

/// Starts it on a port that is free.
pub async fn start(config: Config) -> RunningRp {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    RunningRp::start(config, listener).unwrap()
}
