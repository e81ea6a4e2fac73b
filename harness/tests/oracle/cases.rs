//! Random requests under random policies and switches, near the edges of the rules.

use passkey_model::policy::{CredentialFacts, Operation, UserFacts};
use proptest::{bool::weighted, collection::vec, option, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use crate::policies::{GROUPS, WINDOWS_HELLO, aaguid, policy};

const SWITCHES: [(&str, [&str; 2]); 11] = [
    ("windows-hello", ["default-deny", "ga"]),
    (
        "type-detection",
        ["be-with-first-party-override", "be-only"],
    ),
    (
        "backup-eligibility-at-sign-in",
        ["webauthn-strict", "entra-observed"],
    ),
    ("empty-allow-list", ["reject-all", "accept-all"]),
    ("zero-aaguid", ["as-listed", "always-allowed"]),
    ("packed-self", ["accepted", "refused"]),
    ("registered-formats", ["accepted", "refused"]),
    ("invalid-statement", ["refused", "ignored"]),
    ("attestation-level", ["as-verified", "not-attested"]),
    (
        "synced-removed-in-one-profile",
        ["union", "any-profile-blocks"],
    ),
    ("attestation-with-synced", ["refused", "strips-synced"]),
];

/// One request under one policy, as both sides are asked about it.
#[derive(Clone, Debug)]
pub struct Case {
    pub document: Value,
    pub switches: Value,
    pub user: UserFacts,
    pub credential: CredentialFacts,
    pub operation: Operation,
}

pub fn case() -> impl Strategy<Value = Case> {
    let operation = prop_oneof![6 => Just(Operation::Registration), 1 => Just(Operation::SignIn)];
    (
        policy(),
        switches(),
        user(),
        credential(),
        operation,
        weighted(0.4),
    )
        .prop_map(
            |(mut policy, switches, user, credential, operation, prepared)| {
                let own = credential.aaguid.to_string();
                if prepared && WINDOWS_HELLO.contains(&own.as_str()) {
                    policy.prepare_for_windows_hello();
                }
                Case {
                    document: policy.document(&switches, &own),
                    switches,
                    user,
                    credential,
                    operation,
                }
            },
        )
}

/// Any of the switches, in either reading, those with their default mostly left out.
pub fn switches() -> impl Strategy<Value = Value> {
    vec(option::weighted(0.3, 0..2_usize), SWITCHES.len()).prop_map(|chosen| {
        let members = SWITCHES.iter().zip(chosen);
        members
            .filter_map(|((name, readings), chosen)| {
                Some(((*name).to_owned(), json!(readings[chosen?])))
            })
            .collect::<Map<_, _>>()
            .into()
    })
}

fn user() -> impl Strategy<Value = UserFacts> {
    let groups = proptest::sample::subsequence(GROUPS.to_vec(), 1..=3);
    let age = prop_oneof![
        11 => 0..300_u64,
        4 => 299..=300_u64,
        1 => 301..=302_u64,
        1 => 301..100_000_u64,
    ];
    (groups, weighted(0.12), age).prop_map(|(groups, guest, mfa_age_seconds)| UserFacts {
        groups: groups.into_iter().map(str::to_owned).collect(),
        guest,
        mfa_age_seconds,
    })
}

fn credential() -> impl Strategy<Value = CredentialFacts> {
    (
        weighted(0.25),
        aaguid(),
        format(),
        weighted(0.35),
        weighted(0.58),
        weighted(0.25),
    )
        .prop_map(
            |(backup_eligible, aaguid, format, self_attested, attested, first_party)| {
                CredentialFacts {
                    backup_eligible,
                    aaguid: aaguid.parse().expect("an AAGUID of ours"),
                    format,
                    self_attested,
                    attested,
                    first_party,
                }
            },
        )
}

/// Formats of every kind; names of our own are as long as they may be, or one letter longer.
fn format() -> impl Strategy<Value = String> {
    let registered = select(vec![
        "android-key",
        "android-safetynet",
        "apple",
        "compound",
        "fido-u2f",
    ]);
    prop_oneof![
        4 => Just("none".to_owned()),
        5 => Just("packed".to_owned()),
        1 => Just("tpm".to_owned()),
        2 => registered.prop_map(str::to_owned),
        2 => (1..=32_usize).prop_map(|length| "x".repeat(length)),
        1 => Just("x".repeat(32)),
        2 => Just("x".repeat(33)),
    ]
}
