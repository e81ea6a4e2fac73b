//! Sets up the relying party of a row.

use passkey_model::{
    library::Library,
    row::Row,
    scenario::{CounterPolicy, Requirement},
};
use passkey_reference_rp::{
    Clock, Config, Defects, User,
    policy::{Limits, Switches},
};

use super::metadata;

/// The RP ID of the embedded relying party.
pub(in crate::run) const RP_ID: &str = "rp.test";
/// Its only origin, whatever port it listens on.
pub(super) const ORIGIN: &str = "https://login.rp.test";
/// What lets a user in before there is a passkey.
pub(super) const PASS: &str = "temporary access pass";
/// 2026-01-01: inside the validity of every test certificate.
const NOW: u64 = 1_767_225_600;
const CHALLENGE_LIFETIME_SECONDS: u64 = 300;

/// Returns how the relying party of a row is set up.
pub(super) fn config(library: &Library, row: &Row, defects: Defects) -> Config {
    let settings = &row.relying_party;
    let requirement = match settings.user_verification {
        None | Some(Requirement::Required) => "required",
        Some(Requirement::Preferred) => "preferred",
        Some(Requirement::Discouraged) => "discouraged",
    };
    let offered = settings.algorithms.as_ref();
    // Both sides know the same words; they share no type, so that neither reads them for the other.
    let switches = serde_json::to_value(row.switches)
        .ok()
        .and_then(|json| Switches::from_json(&json).ok())
        .unwrap_or_default();
    let users = row.users.iter().map(|(name, user)| User {
        name: name.clone(),
        groups: user.groups.clone(),
        guest: user.guest,
        temporary_access_pass: PASS.to_owned(),
    });
    Config {
        expected: passkey_reference_rp::Expected {
            rp_id: RP_ID.to_owned(),
            origin: ORIGIN.to_owned(),
            cross_origin: settings.cross_origin_expected,
            top_origins: settings.top_origins.clone(),
            user_verification: requirement.to_owned(),
            algorithms: offered.map_or_else(
                || vec![-7, -8, -35, -257],
                |list| list.iter().map(|algorithm| algorithm.cose()).collect(),
            ),
            attestation: settings
                .attestation
                .clone()
                .unwrap_or_else(|| "direct".to_owned()),
            single_device_required: settings.single_device_required,
            attestation_required: settings.attestation_required,
            counter_must_rise: settings.counter != Some(CounterPolicy::Report),
            anchors: metadata::anchors(library, row),
            policy: row
                .policy
                .as_ref()
                .map(|policy| policy.document.as_ref().clone()),
            switches,
        },
        users: users.collect(),
        clock: Clock::Fixed(NOW),
        challenge_lifetime: CHALLENGE_LIFETIME_SECONDS,
        lists_credentials: !settings.omit_allow_credentials,
        limits: Limits::default(),
        defects,
    }
}
