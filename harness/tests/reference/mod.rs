//! The reference relying party, run on its own as a target of tests.
#![allow(dead_code, reason = "each test uses a part of it")]

use passkey_reference_rp::{Config, Expected, RunningRp, User, policy::Switches, trust::Anchors};
use tokio::net::TcpListener;

/// What lets its users in.
pub const PASS: &str = "temporary access pass";

/// What it expects of responses; it has no policy.
pub fn expected() -> Expected {
    Expected {
        rp_id: "rp.test".to_owned(),
        origins: vec!["https://login.rp.test".to_owned()],
        cross_origin: false,
        top_origins: Vec::new(),
        user_verification: "required".to_owned(),
        algorithms: vec![-7, -257],
        attestation: "direct".to_owned(),
        single_device_required: false,
        discoverable_required: false,
        other_rp_ids: Vec::new(),
        attestation_required: false,
        counter_must_rise: true,
        anchors: Anchors::default(),
        policy: None,
        switches: Switches::default(),
    }
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
