//! Whether a policy admits a request and a credential.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    AcceptOrRefuse, Credential, Document, EmptyAllowList, Subject, Switches, SyncedRemoved,
    TypeDetection, WindowsHello, ZeroAaguid,
    document::{List, Profile, names},
    guid,
};
use crate::defects::{Defect, Defects};

/// The three AAGUIDs of Windows Hello.
const HELLO: [&str; 3] = [
    "08987058-cadc-4b81-b6e1-30de50dcbe96",
    "9ddd1817-af5a-4672-a2b9-3e3dd95000a9",
    "6028b017-b1d4-4c02-b4b3-afcdafc96bb2",
];
const REGISTERED_FORMATS: [&str; 5] = [
    "android-key",
    "android-safetynet",
    "apple",
    "compound",
    "fido-u2f",
];
const LONGEST_CUSTOM_FORMAT: usize = 32;
const MFA_LIFETIME_SECONDS: u64 = 300;

/// Tells the type under which a credential is stored: synced, or else device-bound.
///
/// First-party apps are device-bound when attested, whatever their platform makes them say.
#[must_use]
pub fn is_synced(
    backup_eligible: bool,
    first_party: bool,
    attested: bool,
    switches: &Switches,
    defects: &Defects,
) -> bool {
    let overrides = switches.type_detection == TypeDetection::BeWithFirstPartyOverride;
    let proven = attested || defects.has(Defect::FirstPartyOverrideUnattested);
    backup_eligible && !(overrides && first_party && proven)
}

/// Refuses a request before any credential is looked at: the clause that fails.
///
/// # Errors
/// The first clause that fails.
pub fn admit_request(
    policy: &Value,
    switches: &Switches,
    defects: &Defects,
    subject: &Subject,
    registering: bool,
) -> Result<(), &'static str> {
    let document = Document::read(policy, switches, defects);
    request(&document, defects, subject, registering)
}

fn request(
    document: &Document<'_>,
    defects: &Defects,
    subject: &Subject,
    registering: bool,
) -> Result<(), &'static str> {
    let is_off = !document.self_service;
    let self_service_counts = registering || defects.has(Defect::SelfServiceBlocksSignIn);
    let stale = subject.mfa_age_seconds > MFA_LIFETIME_SECONDS;
    let checks = [
        (
            "method-disabled",
            Defect::MethodDisabledIgnored,
            !document.enabled,
        ),
        (
            "excluded-group",
            Defect::ExcludedGroupIgnored,
            is_excluded(document, defects, subject),
        ),
        (
            "self-service-off",
            Defect::SelfServiceIgnored,
            self_service_counts && is_off,
        ),
        ("guest", Defect::GuestIgnored, registering && subject.guest),
        ("step-up", Defect::StepUpIgnored, registering && stale),
        (
            "not-targeted",
            Defect::TargetsIgnored,
            document.profiles_of(subject, defects).is_empty(),
        ),
    ];
    match checks
        .into_iter()
        .find(|(_, defect, fails)| *fails && !defects.has(*defect))
    {
        Some((clause, ..)) => Err(clause),
        None => Ok(()),
    }
}

fn is_excluded(document: &Document<'_>, defects: &Defects, subject: &Subject) -> bool {
    let included_by_group = document
        .include
        .iter()
        .any(|target| subject.groups.contains(target.group));
    document.exclude.iter().any(|group| names(group, subject))
        && !(defects.has(Defect::IncludeBeatsExclude) && included_by_group)
}

/// Decides whether any of the user's profiles admits a credential with all its clauses.
///
/// # Errors
/// The clause of the request that fails, alone; otherwise the clauses that fail in any of the user's profiles.
pub fn decide(
    policy: &Value,
    switches: &Switches,
    defects: &Defects,
    subject: &Subject,
    credential: &Credential,
    registering: bool,
) -> Result<(), Vec<String>> {
    let document = Document::read(policy, switches, defects);
    request(&document, defects, subject, registering).map_err(|clause| vec![clause.to_owned()])?;
    let judge = Judge {
        switches,
        defects,
        credential,
        registering,
    };
    let mut profiles = document.profiles_of(subject, defects);
    if defects.has(Defect::FirstProfileOnly) {
        profiles.truncate(1);
    }
    judge
        .profiles(&profiles)
        .map_err(|clauses| clauses.into_iter().map(str::to_owned).collect())
}

/// How far the user's profiles enforce attestation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Enforcement {
    pub anywhere: bool,
    pub everywhere: bool,
}

/// Tells how far the user's profiles enforce attestation.
pub(crate) fn enforcement(
    policy: &Value,
    switches: &Switches,
    defects: &Defects,
    subject: &Subject,
) -> Enforcement {
    let document = Document::read(policy, switches, defects);
    let profiles = document.profiles_of(subject, defects);
    Enforcement {
        anywhere: profiles.iter().any(|profile| profile.attestation_enforced),
        everywhere: profiles.iter().all(|profile| profile.attestation_enforced),
    }
}

type Clauses = BTreeSet<&'static str>;

struct Judge<'a> {
    switches: &'a Switches,
    defects: &'a Defects,
    credential: &'a Credential,
    registering: bool,
}

impl Judge<'_> {
    fn profiles(&self, profiles: &[&Profile<'_>]) -> Result<(), Clauses> {
        let failing: Vec<Clauses> = profiles
            .iter()
            .map(|profile| self.failing(profile))
            .collect();
        let any_fails = |clause| failing.iter().any(|clauses| clauses.contains(clause));
        if self.switches.synced_removed_in_one_profile == SyncedRemoved::AnyProfileBlocks
            && self.credential.synced
            && any_fails("type")
        {
            return Err(BTreeSet::from(["type"]));
        }
        if self.defects.has(Defect::BlockInAnyProfileBlocks) && any_fails("aaguid-block") {
            return Err(BTreeSet::from(["aaguid-block"]));
        }
        let united: Clauses = failing.iter().flatten().copied().collect();
        let everywhere = |clause: &&str| failing.iter().all(|clauses| clauses.contains(*clause));
        let mixed =
            self.defects.has(Defect::ClausesOfProfilesMixed) && !united.iter().any(everywhere);
        if mixed || failing.iter().any(BTreeSet::is_empty) {
            Ok(())
        } else {
            Err(united)
        }
    }

    fn failing(&self, profile: &Profile<'_>) -> Clauses {
        let checks = [
            ("type", self.type_fails(profile)),
            ("attestation", self.attestation_fails(profile)),
            ("format", self.format_fails(profile)),
            ("aaguid-allow", self.list_fails(profile, true)),
            ("aaguid-block", self.list_fails(profile, false)),
            ("windows-hello", self.windows_hello_fails(profile)),
        ];
        checks
            .into_iter()
            .filter_map(|(clause, fails)| fails.then_some(clause))
            .collect()
    }

    /// At sign-in the stored type is held against the current policy.
    fn type_fails(&self, profile: &Profile<'_>) -> bool {
        let left_out = self.defects.has(Defect::TypeIgnored)
            || (!self.registering && self.defects.has(Defect::TypeNotCheckedAtSignIn));
        !left_out && !profile.takes(self.credential.synced)
    }

    /// A passkey that was registered without attestation keeps working when enforcement is switched on.
    fn attestation_fails(&self, profile: &Profile<'_>) -> bool {
        let looked_at = self.registering || self.defects.has(Defect::AttestationCheckedAtSignIn);
        looked_at
            && profile.attestation_enforced
            && !self.credential.attested
            && !self.defects.has(Defect::AttestationIgnored)
    }

    fn format_fails(&self, profile: &Profile<'_>) -> bool {
        let taken = match self.credential.format.as_str() {
            "none" | "tpm" => true,
            "packed" => {
                !self.credential.self_attested
                    || self.switches.packed_self == AcceptOrRefuse::Accepted
            }
            name if REGISTERED_FORMATS.contains(&name) => {
                self.switches.registered_formats == AcceptOrRefuse::Accepted
            }
            custom => custom.len() <= LONGEST_CUSTOM_FORMAT,
        };
        self.registering
            && !profile.attestation_enforced
            && !taken
            && !self.defects.has(Defect::FormatIgnored)
    }

    fn list_fails(&self, profile: &Profile<'_>, allow: bool) -> bool {
        let Some(list) = profile.list.as_ref().filter(|list| list.allows == allow) else {
            return false;
        };
        let ignored = if allow {
            Defect::AaguidAllowIgnored
        } else {
            Defect::AaguidBlockIgnored
        };
        let left_out = self.defects.has(ignored)
            || (!self.registering && self.defects.has(Defect::AaguidListsNotCheckedAtSignIn));
        let zero = self.credential.aaguid == [0; 16];
        if left_out || (zero && self.switches.zero_aaguid == ZeroAaguid::AlwaysAllowed) {
            return false;
        }
        let zero_passes = zero && self.defects.has(Defect::ZeroAaguidPassesLists);
        let open =
            list.aaguids.is_empty() && self.switches.empty_allow_list == EmptyAllowList::AcceptAll;
        if allow {
            !open && !zero_passes && !self.is_listed(list)
        } else {
            self.is_listed(list)
        }
    }

    fn is_listed(&self, list: &List<'_>) -> bool {
        let aaguid = if self.defects.has(Defect::AaguidByteOrderSwapped) {
            guid(as_microsoft_guid(self.credential.aaguid))
        } else {
            guid(self.credential.aaguid)
        };
        list.aaguids.iter().any(|listed| {
            if self.defects.has(Defect::AaguidComparedCaseSensitively) {
                *listed == aaguid
            } else {
                listed.eq_ignore_ascii_case(&aaguid)
            }
        })
    }

    /// Windows Hello has to be in an enforced allow list of a profile that does not enforce attestation.
    fn windows_hello_fails(&self, profile: &Profile<'_>) -> bool {
        let allowed = |list: &List<'_>| list.allows && self.is_listed(list);
        self.switches.windows_hello == WindowsHello::DefaultDeny
            && !self.defects.has(Defect::WindowsHelloNotSpecial)
            && HELLO.contains(&guid(self.credential.aaguid).as_str())
            && (profile.attestation_enforced || !profile.list.as_ref().is_some_and(allowed))
    }
}

/// Reads the bytes as Windows' GUID structure does: the first three groups are little-endian numbers there.
fn as_microsoft_guid(mut aaguid: [u8; 16]) -> [u8; 16] {
    aaguid[..4].reverse();
    aaguid[4..6].reverse();
    aaguid[6..8].reverse();
    aaguid
}
