//! Sets up the relying party of a row.

use std::collections::BTreeMap;

use passkey_model::{
    lane::Fixed,
    library::Library,
    row::Row,
    scenario::{CeremoniesKept, CeremoniesOfSession, CounterPolicy, Requirement},
};
use passkey_reference_rp::{
    Accounts, Clock, Config, Defects, Expected, Kept, User,
    policy::{Limits, Switches, UnknownSwitch},
};
use serde_json::Value;

use super::metadata;

/// The RP ID of the embedded relying party.
pub(crate) const RP_ID: &str = "rp.test";
/// Its only origin, whatever port it listens on.
pub(crate) const ORIGIN: &str = "https://login.rp.test";
/// The origin's host.
pub(super) const HOST: &str = "login.rp.test";
/// What lets a user in before there is a passkey.
pub(crate) const PASS: &str = "temporary access pass";
/// ES256, EdDSA, ES384, RS256.
const ALGORITHMS: [i64; 4] = [-7, -8, -35, -257];
/// 2026-01-01: inside the validity of every test certificate.
const NOW: u64 = 1_767_225_600;
const CHALLENGE_LIFETIME_SECONDS: u64 = 300;

/// Returns how the relying party of a row is set up.
///
/// # Errors
/// When the relying party does not know a switch of ours: we and it have to know the same words.
pub(super) fn config(
    library: &Library,
    row: &Row,
    defects: Defects,
) -> Result<Config, UnknownSwitch> {
    let settings = &row.relying_party;
    let requirement = word(settings.user_verification);
    let offered = settings.algorithms.as_ref();
    // Both sides know the same words; they share no type, so that neither reads them for the other.
    let switches = Switches::from_json(&serde_json::json!(row.switches))?;
    let users = row.users.iter().map(|(name, user)| User {
        name: name.clone(),
        groups: user.groups.clone(),
        guest: user.guest,
        temporary_access_pass: PASS.to_owned(),
    });
    let config = Config {
        expected: Expected {
            rp_id: RP_ID.to_owned(),
            other_rp_ids: settings.tenants.values().cloned().collect(),
            origins: [ORIGIN.to_owned()]
                .into_iter()
                .chain(settings.related_origins.clone())
                .chain(settings.app_origins.clone())
                .collect(),
            cross_origin: settings.cross_origin_expected,
            top_origins: settings.top_origins.clone(),
            user_verification: requirement.to_owned(),
            algorithms: offered.map_or_else(
                || ALGORITHMS.to_vec(),
                |list| list.iter().map(|algorithm| algorithm.cose()).collect(),
            ),
            attestation: settings
                .attestation
                .clone()
                .unwrap_or_else(|| "direct".to_owned()),
            single_device_required: settings.single_device_required,
            attestation_required: settings.attestation_required,
            counter_must_rise: settings.counter != Some(CounterPolicy::Report),
            discoverable_required: settings.accounts.discoverable_required,
            anchors: metadata::anchors(library, &settings.metadata, &row.lane.fixed),
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
        options_timeout: settings.options_timeout,
        resident_key: word(settings.resident_key).to_owned(),
        credential_protection: settings
            .credential_protection
            .map(|protection| protection.policy().to_owned()),
        registration_extensions: settings
            .extensions
            .registration
            .clone()
            .into_iter()
            .collect(),
        authentication_extensions: settings
            .extensions
            .authentication
            .clone()
            .into_iter()
            .collect(),
        related_origins: settings.related_origins.clone(),
        embedders: settings.embedders.clone(),
        accounts: accounts(row),
        legacy_records: settings.legacy_records,
        tenants: Vec::new(),
    };
    let tenants = settings.tenants.iter();
    Ok(Config {
        tenants: tenants
            .map(|(host, rp_id)| (host.clone(), of_tenant(&config, host, rp_id)))
            .collect(),
        ..config
    })
}

/// Returns how another tenant on the same server is set up: as the first one, under its own host and RP ID.
fn of_tenant(first: &Config, host: &str, rp_id: &str) -> Config {
    let mut tenant = first.clone();
    tenant.expected.rp_id = rp_id.to_owned();
    tenant.expected.origins = vec![format!("https://{host}")];
    tenant
}

fn accounts(row: &Row) -> Accounts {
    let settings = &row.relying_party.accounts;
    let names = row.users.iter().map(|(name, _)| name);
    Accounts {
        passwords: names
            .filter(|_| settings.passwords)
            .map(|name| (name.clone(), password(name)))
            .collect(),
        registration_asks_again: settings.registration_asks_again,
        all_ceremonies: settings.ceremonies == Some(CeremoniesOfSession::All),
        kept: match settings.ceremonies_kept {
            None => Kept::InMemory,
            Some(CeremoniesKept::InAStore) => Kept::InStore,
            Some(CeremoniesKept::AtTheClient) => Kept::AtTheClient,
        },
    }
}

/// Returns the password of a user.
pub(super) fn password(user: &str) -> String {
    format!("password of {user}")
}

/// Returns the specification's word for how much something is wanted.
const fn word(requirement: Option<Requirement>) -> &'static str {
    match requirement {
        None | Some(Requirement::Required) => "required",
        Some(Requirement::Preferred) => "preferred",
        Some(Requirement::Discouraged) => "discouraged",
    }
}

/// Returns a relying party for people: on the system's clock, with users whose names are given, and a policy if one is given.
pub(crate) fn for_people(library: &Library, users: &[&str], policy: Option<Value>) -> Config {
    let users = users.iter().map(|name| User {
        name: (*name).to_owned(),
        groups: Vec::new(),
        guest: false,
        temporary_access_pass: PASS.to_owned(),
    });
    let expected = Expected {
        algorithms: ALGORITHMS.to_vec(),
        anchors: metadata::anchors(library, &BTreeMap::new(), &Fixed::default()),
        policy,
        ..Expected::new(RP_ID, ORIGIN)
    };
    Config {
        users: users.collect(),
        ..Config::new(expected)
    }
}
