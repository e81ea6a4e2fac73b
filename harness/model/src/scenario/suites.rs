//! The scenario files of the suites.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RelyingPartySettings, StepSpec, UserSpec};
use crate::{
    Mutation,
    policy::{Clause, Switches},
};

/// Names a suite.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// Single cases of the verification steps.
    Conformance,
    /// What users meet on the page.
    Flows,
    /// Providers, profiles, platforms and flows.
    Matrix,
    /// What policies do, and what happens when they change.
    Policy,
    /// Keys that are plugged in, and what their holders do.
    SecurityKeys,
}

impl Suite {
    /// Every suite.
    pub const ALL: [Self; 5] = [
        Self::Conformance,
        Self::Flows,
        Self::Matrix,
        Self::Policy,
        Self::SecurityKeys,
    ];

    /// Returns the suite as rows spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conformance => "conformance",
            Self::Flows => "flows",
            Self::Matrix => "matrix",
            Self::Policy => "policy",
            Self::SecurityKeys => "security-keys",
        }
    }
}

/// Describes one family of matrix rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MatrixScenario {
    /// Always `matrix`.
    pub suite: Suite,
    /// The scenario's name in rows.
    pub scenario: String,
    /// What it shows.
    pub title: String,
    /// What its rows do.
    pub kind: MatrixKind,
    /// The profiles it runs under; all when left out.
    #[serde(default)]
    pub profiles: Option<Vec<String>>,
    /// The providers it runs with; all when left out.
    #[serde(default)]
    pub providers: Option<Vec<String>>,
    /// The time-out in the relying party's options, in milliseconds; its own when left out.
    #[serde(default)]
    pub options_timeout: Option<u64>,
    /// The profile under which the control is registered.
    pub control: String,
    /// Providers whose control needs another profile.
    #[serde(default)]
    pub control_for: BTreeMap<String, String>,
}

/// Names what the rows of a matrix scenario do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MatrixKind {
    /// Registers and signs in under one profile, where the grid accepts the registration.
    RegisterThenSignIn,
    /// Registers a control, then registers under a profile that refuses it.
    RefusedRegistration,
    /// Registers under the control's profile, switches to another and signs in.
    SignInAfterSwitch,
    /// Asks for a passkey where the provider is not available, and gets none.
    NotAvailable,
}

/// Describes a story, about policies, what users meet on the page or the keys that they hold, with one row for each of its cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PolicyScenario {
    /// `policy`, `flows` or `security-keys`.
    pub suite: Suite,
    /// The scenario's name in rows.
    pub scenario: String,
    /// What it shows.
    pub title: String,
    /// The documentation that says so.
    pub sources: Vec<String>,
    /// How sure the expectation is.
    pub confidence: Confidence,
    /// The readings of open questions that it uses.
    #[serde(default)]
    pub switches: Switches,
    /// How the relying party is set up.
    #[serde(default)]
    pub relying_party: RelyingPartySettings,
    /// The users; `alice` and `bob`, members of no group but all users, when left out.
    #[serde(default)]
    pub users: BTreeMap<String, UserSpec>,
    /// Policies of this scenario's own, in Graph's shape, by name.
    #[serde(default)]
    pub policies: BTreeMap<String, Value>,
    /// The policy in force at the start: a profile, or one of `policies`; none when left out.
    #[serde(default)]
    pub policy: Option<String>,
    /// What happens first; every step has to succeed, unless it says that it is refused.
    #[serde(default)]
    pub given: Vec<StepSpec>,
    /// The rows.
    pub cases: Vec<PolicyCase>,
}

/// Describes one row of a policy scenario: one step and what is expected of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PolicyCase {
    /// The case's name in rows.
    pub name: String,
    /// How the relying party is set up for this case alone, instead of the scenario's settings.
    #[serde(default)]
    pub relying_party: Option<RelyingPartySettings>,
    /// Steps of this case alone, after those of the scenario, with the same demand.
    #[serde(default)]
    pub given: Vec<StepSpec>,
    /// The step that is judged.
    pub step: StepSpec,
    /// What the relying party has to do.
    pub expect: Expected,
    /// The name of the DOMException, where no credential is expected.
    #[serde(default)]
    pub error: Option<String>,
    /// The clauses of which the refusal has to name one.
    #[serde(default)]
    pub clauses: Vec<Clause>,
    /// The verification step (`reg.16`) or the rule of the policy document (`policy.profile-limit`) that the refusal has to name, where it is no clause.
    #[serde(default)]
    pub reason: Option<String>,
    /// Readings of open questions for this case alone, instead of the scenario's.
    #[serde(default)]
    pub switches: Option<Switches>,
    /// How bad it is when this case fails; `high` when left out.
    #[serde(default)]
    pub severity: Option<Severity>,
    /// The defects of the reference relying party that this row has to reveal.
    #[serde(default)]
    pub defects: Vec<String>,
    /// Why a refusal that this case demands reveals no defect, if it reveals none.
    #[serde(default)]
    pub reveals_nothing: Option<String>,
}

/// Describes one group of conformance cases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ConformanceGroup {
    /// Always `conformance`.
    pub suite: Suite,
    /// The first part of every case's id.
    pub group: String,
    /// What the cases have in common.
    pub title: String,
    /// The provider that makes the passkeys unless a step says otherwise.
    pub provider: String,
    /// The cases.
    pub cases: Vec<Case>,
}

/// Describes one conformance case: one change to a known-good exchange, in one or both ceremonies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Case {
    /// The case's id: `<group>.<words>`.
    pub id: String,
    /// Ids of other cases that ask for the same exchange, and are shown by this one.
    #[serde(default)]
    pub also: Vec<String>,
    /// What it shows, in a sentence.
    pub title: String,
    /// The ceremonies in which it exists.
    pub ceremonies: Vec<CeremonyKind>,
    /// What a relying party has to have, beside the set-up, so that the case can be shown on it.
    #[serde(default)]
    pub requires: Vec<Feature>,
    /// How the relying party is set up.
    #[serde(default)]
    pub relying_party: RelyingPartySettings,
    /// Another provider than the group's.
    #[serde(default)]
    pub provider: Option<String>,
    /// Steps between the control and the subject; every one has to succeed, unless it says that it is refused.
    #[serde(default)]
    pub given: Vec<StepSpec>,
    /// The subject, where it is more than a ceremony with one change; in a case of both ceremonies, `do` is overridden by the ceremony.
    #[serde(default)]
    pub subject: Option<StepSpec>,
    /// The one change; none where the subject says it all, or in variants.
    #[serde(default)]
    pub mutation: Option<Mutation>,
    /// Several changes that show the same, each a row.
    #[serde(default)]
    pub variants: Vec<Variant>,
    /// What the relying party has to do.
    pub expect: Expected,
    /// The step of the specification that decides, by ceremony: `reg.7`, `auth.10`.
    pub step: PerCeremony<String>,
    /// Other steps that are as right on a relying party that reads in another order, because what the case changes is wrong there
    /// too; the embedded one has to name the step.
    #[serde(default)]
    pub or: PerCeremony<Vec<String>>,
    /// Why the case may be red.
    pub basis: Basis,
    /// How bad it is when it is.
    pub severity: Severity,
    /// The specification's section, other tools' ids, CVEs.
    pub sources: Vec<String>,
    /// What it means for the relying party's owners when the case is red.
    #[serde(default)]
    pub red: String,
    /// How to mend it.
    #[serde(default)]
    pub mend: String,
    /// The defects of the reference relying party that the rows have to reveal, by ceremony.
    #[serde(default)]
    pub defects: PerCeremony<Vec<String>>,
    /// Why rows of this case that demand a refusal reveal no defect, if some reveal none.
    #[serde(default)]
    pub reveals_nothing: Option<String>,
}

/// Names something that a relying party may or may not have.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// Users may give their name before they sign in.
    UsernameFlow,
    /// Users sign in without giving their name.
    Usernameless,
    /// Several passkeys for one user.
    SeveralPasskeys,
    /// The harness can move its clock.
    Clock,
    /// The harness can read its credential records.
    Records,
    /// Its users see and delete their passkeys.
    Management,
    /// It trusts the test CA.
    TrustAnchors,
    /// It knows models by their metadata, and takes no attestation of others.
    Metadata,
    /// It takes `mediation: conditional` into account when it registers.
    ConditionalCreate,
    /// Accounts with a password, to which a passkey is the second factor.
    Password,
    /// A passkey is asked for again before something delicate.
    StepUp,
    /// Links that let a user enrol a passkey without a session.
    EnrolmentLink,
    /// Several tenants on one server.
    Tenants,
    /// Its creation options ask for outputs of extensions that clients have, as credProps.
    AsksForExtensions,
    /// It decides by whether a passkey may be backed up (WebAuthn L3, 7.2 step 19).
    UsesBackupState,
    /// It does not let strangers tell whether a name has an account, or passkeys.
    HidesUsers,
    /// Its registration endpoints stand below the URL of an account too.
    AccountUrls,
    /// It refuses a request that names another account than the session's, where it might as well ignore the name.
    RefusesOtherNames,
    /// It takes RSA keys whose exponent is 3.
    #[serde(rename = "rsa-exponent-3")]
    RsaExponent3,
    /// Accounts can be disabled.
    DisabledAccounts,
    /// It refuses attestation whose chain leads nowhere, though it takes passkeys that are not attested.
    RefusesUntrustedAttestation,
    /// It takes attestation whose chain leads nowhere, as a passkey that is not attested.
    TakesUntrustedAttestation,
}

/// Describes one of several changes that show the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Variant {
    /// The variant's name in rows.
    pub name: String,
    /// The change; none where its subject says it all.
    #[serde(default)]
    pub mutation: Option<Mutation>,
    /// The subject of this variant alone, instead of the case's.
    #[serde(default)]
    pub subject: Option<StepSpec>,
}

/// Holds something for each ceremony.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PerCeremony<T: Default> {
    /// For registration.
    #[serde(default)]
    pub registration: T,
    /// For authentication.
    #[serde(default)]
    pub authentication: T,
}

impl<T: Default> PerCeremony<T> {
    /// Returns what belongs to a ceremony.
    #[must_use]
    pub const fn of(&self, ceremony: CeremonyKind) -> &T {
        match ceremony {
            CeremonyKind::Registration => &self.registration,
            CeremonyKind::Authentication => &self.authentication,
        }
    }
}

/// Names a ceremony.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum CeremonyKind {
    /// WebAuthn L3, 7.1.
    Registration,
    /// WebAuthn L3, 7.2.
    Authentication,
}

impl CeremonyKind {
    /// Returns the ceremony as rows spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Authentication => "authentication",
        }
    }
}

/// Names what a relying party is expected to do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// It takes the response.
    Accepted,
    /// It refuses the response, for the reason named.
    Rejected,
    /// It refuses the policy itself.
    PolicyRefused,
    /// Nothing reaches it: the client refuses.
    NoCredential,
    /// The case only reports what it does.
    Reported,
}

/// Names why a case may be red.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The specification demands it.
    Must,
    /// The specification advises it: red only with `--strict`.
    Should,
    /// FIDO's conformance tests demand it.
    Fido,
    /// An attacker gains by it, whatever the specification says.
    Security,
    /// The policy in force says so.
    Policy,
}

/// Names how bad a failure is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the order says it")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

/// Names how sure an expectation is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Documented.
    High,
    /// Follows from what is documented.
    Medium,
    /// The sources are silent: the case reports.
    Low,
}
