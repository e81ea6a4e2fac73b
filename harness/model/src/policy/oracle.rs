//! The oracle: what a relying party that keeps its policy has to decide.

use std::collections::BTreeSet;

use super::{
    AcceptOrRefuse, Clause, EmptyAllowList, KeyRestriction, Policy, PolicyProfile, Switches,
    SyncedRemoved, TypeDetection, WindowsHello, ZeroAaguid,
};
use crate::{Aaguid, provider::PasskeyType};

const MFA_LIFETIME_SECONDS: u64 = 5 * 60;
const LONGEST_CUSTOM_FORMAT: usize = 32;
const REGISTERED_FORMATS: [&str; 5] = [
    "android-key",
    "android-safetynet",
    "apple",
    "compound",
    "fido-u2f",
];
const WINDOWS_HELLO: [&str; 3] = [
    "08987058-cadc-4b81-b6e1-30de50dcbe96",
    "9ddd1817-af5a-4672-a2b9-3e3dd95000a9",
    "6028b017-b1d4-4c02-b4b3-afcdafc96bb2",
];

/// What the relying party knows of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFacts {
    /// The groups that the user is in.
    pub groups: BTreeSet<String>,
    /// Whether the user is a guest.
    pub guest: bool,
    /// How long ago the user passed multifactor authentication, in seconds.
    pub mfa_age_seconds: u64,
}

/// What the relying party learned of a credential when it was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialFacts {
    /// The BE flag.
    pub backup_eligible: bool,
    /// The AAGUID.
    pub aaguid: Aaguid,
    /// The attestation statement format.
    pub format: String,
    /// Whether the statement is signed with the credential's own key.
    pub self_attested: bool,
    /// Whether the attestation leads to metadata that is good enough, or to a first-party app.
    pub attested: bool,
    /// Whether the AAGUID is that of a first-party app.
    pub first_party: bool,
}

/// What a user wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Register a passkey.
    Registration,
    /// Sign in with one.
    SignIn,
}

/// What a relying party has to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A profile admits the credential: its id.
    Admitted(String),
    /// None does; the clauses that refuse.
    Denied(BTreeSet<Clause>),
}

/// Decides a request under a policy.
///
/// A check of the request itself that fails is reported alone; otherwise the clauses are those that fail in any of the
/// user's profiles.
#[must_use]
pub fn evaluate(
    policy: &Policy,
    switches: &Switches,
    user: &UserFacts,
    credential: &CredentialFacts,
    operation: Operation,
) -> Decision {
    evaluate_without(None, policy, switches, user, credential, operation)
}

/// Returns the clauses of a denial each of which alone decides it: without it, the request would be admitted.
///
/// Empty when the request is admitted, or when several clauses refuse in every profile.
#[must_use]
pub fn deciding_clauses(
    policy: &Policy,
    switches: &Switches,
    user: &UserFacts,
    credential: &CredentialFacts,
    operation: Operation,
) -> BTreeSet<Clause> {
    let Decision::Denied(clauses) = evaluate(policy, switches, user, credential, operation) else {
        return BTreeSet::new();
    };
    let admits_without = |clause: &Clause| {
        let decision =
            evaluate_without(Some(*clause), policy, switches, user, credential, operation);
        matches!(decision, Decision::Admitted(_))
    };
    clauses.into_iter().filter(admits_without).collect()
}

/// Tells the type that the relying party stores for a credential.
#[must_use]
pub const fn passkey_type(credential: &CredentialFacts, switches: &Switches) -> PasskeyType {
    let overridden = matches!(
        switches.type_detection,
        TypeDetection::BeWithFirstPartyOverride
    ) && credential.first_party
        && credential.attested;
    if credential.backup_eligible && !overridden {
        PasskeyType::Synced
    } else {
        PasskeyType::DeviceBound
    }
}

fn evaluate_without(
    left_out: Option<Clause>,
    policy: &Policy,
    switches: &Switches,
    user: &UserFacts,
    credential: &CredentialFacts,
    operation: Operation,
) -> Decision {
    let counts = |clause: &Clause| Some(*clause) != left_out;
    if let Some(clause) = request_clause(policy, user, operation, counts) {
        return Decision::Denied(BTreeSet::from([clause]));
    }
    let profiles = profiles_of(policy, user, left_out);
    if profiles.is_empty() {
        return Decision::Denied(BTreeSet::from([Clause::NotTargeted]));
    }
    let mut denied = BTreeSet::new();
    let mut admitted = None;
    for profile in profiles {
        let mut failing = profile_clauses(profile, switches, credential, operation);
        failing.retain(counts);
        let synced_blocks = switches.synced_removed_in_one_profile
            == SyncedRemoved::AnyProfileBlocks
            && failing.contains(&Clause::Type)
            && passkey_type(credential, switches) == PasskeyType::Synced;
        if synced_blocks {
            return Decision::Denied(BTreeSet::from([Clause::Type]));
        }
        if failing.is_empty() && admitted.is_none() {
            admitted = Some(profile.id.clone());
        }
        denied.extend(failing);
    }
    admitted.map_or(Decision::Denied(denied), Decision::Admitted)
}

/// Returns the first check of the request that fails, of those that count.
fn request_clause(
    policy: &Policy,
    user: &UserFacts,
    operation: Operation,
    counts: impl Fn(&Clause) -> bool,
) -> Option<Clause> {
    let registering = operation == Operation::Registration;
    let checks = [
        (Clause::MethodDisabled, !policy.enabled),
        (
            Clause::ExcludedGroup,
            policy.exclude.iter().any(|group| is_member(user, group)),
        ),
        (Clause::SelfServiceOff, registering && !policy.self_service),
        (Clause::Guest, registering && user.guest),
        (
            Clause::StepUp,
            registering && user.mfa_age_seconds > MFA_LIFETIME_SECONDS,
        ),
    ];
    checks
        .into_iter()
        .find_map(|(clause, fails)| (fails && counts(&clause)).then_some(clause))
}

fn is_member(user: &UserFacts, group: &str) -> bool {
    group == "all_users" || user.groups.contains(group)
}

/// Without the clause `not-targeted`, every profile is everybody's.
fn profiles_of<'a>(
    policy: &'a Policy,
    user: &UserFacts,
    left_out: Option<Clause>,
) -> Vec<&'a PolicyProfile> {
    let targeted = policy
        .include
        .iter()
        .filter(|target| is_member(user, &target.group));
    let ids: BTreeSet<&str> = targeted
        .flat_map(|target| target.profiles.iter().map(String::as_str))
        .collect();
    let everybody = left_out == Some(Clause::NotTargeted);
    policy
        .profiles
        .iter()
        .filter(|profile| everybody || ids.contains(profile.id.as_str()))
        .collect()
}

fn profile_clauses(
    profile: &PolicyProfile,
    switches: &Switches,
    credential: &CredentialFacts,
    operation: Operation,
) -> BTreeSet<Clause> {
    let registering = operation == Operation::Registration;
    let enforced = profile.attestation_enforced;
    let lists = list_clause(profile, switches, credential);
    let checks = [
        (
            Clause::Type,
            !profile.types.contains(&passkey_type(credential, switches)),
        ),
        (
            Clause::Attestation,
            registering && enforced && !credential.attested,
        ),
        (
            Clause::Format,
            registering && !enforced && !format_is_taken(switches, credential),
        ),
        (Clause::AaguidAllow, lists == Some(Clause::AaguidAllow)),
        (Clause::AaguidBlock, lists == Some(Clause::AaguidBlock)),
        (
            Clause::WindowsHello,
            windows_hello_is_denied(profile, switches, credential),
        ),
    ];
    checks
        .into_iter()
        .filter_map(|(clause, fails)| fails.then_some(clause))
        .collect()
}

fn list_clause(
    profile: &PolicyProfile,
    switches: &Switches,
    credential: &CredentialFacts,
) -> Option<Clause> {
    if credential.aaguid == Aaguid::ZERO && switches.zero_aaguid == ZeroAaguid::AlwaysAllowed {
        return None;
    }
    match profile.restriction.as_ref()? {
        KeyRestriction::Allow(list) => {
            let open = list.is_empty() && switches.empty_allow_list == EmptyAllowList::AcceptAll;
            (!open && !list.contains(&credential.aaguid)).then_some(Clause::AaguidAllow)
        }
        KeyRestriction::Block(list) => list
            .contains(&credential.aaguid)
            .then_some(Clause::AaguidBlock),
    }
}

fn windows_hello_is_denied(
    profile: &PolicyProfile,
    switches: &Switches,
    credential: &CredentialFacts,
) -> bool {
    let is_hello = WINDOWS_HELLO.contains(&credential.aaguid.to_string().as_str());
    let listed = matches!(&profile.restriction, Some(KeyRestriction::Allow(list)) if list.contains(&credential.aaguid));
    let allowed = listed && !profile.attestation_enforced;
    is_hello && switches.windows_hello == WindowsHello::DefaultDeny && !allowed
}

fn format_is_taken(switches: &Switches, credential: &CredentialFacts) -> bool {
    match credential.format.as_str() {
        "none" | "tpm" => true,
        "packed" => !credential.self_attested || switches.packed_self == AcceptOrRefuse::Accepted,
        name if REGISTERED_FORMATS.contains(&name) => {
            switches.registered_formats == AcceptOrRefuse::Accepted
        }
        custom => custom.len() <= LONGEST_CUSTOM_FORMAT,
    }
}
