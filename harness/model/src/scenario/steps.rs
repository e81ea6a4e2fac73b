//! What a scenario does, step by step, and the relying party it does it to.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Mutation,
    platform::Context,
    provider::{Algorithm, AttestationKind},
};

/// Describes one step of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StepSpec {
    /// What is done.
    #[serde(rename = "do")]
    pub action: Action,
    /// Whether it has to be refused, where it is a step before the one that is judged.
    #[serde(default)]
    pub refused: bool,
    /// Whether it may succeed or be refused, where it is a step before the one that is judged.
    #[serde(default)]
    pub tried: bool,
    /// Who does it; `alice` when left out.
    #[serde(default)]
    pub user: Option<String>,
    /// `register`: who keeps the passkey.
    #[serde(default)]
    pub provider: Option<String>,
    /// `register`, `sign-in`: where it happens.
    #[serde(default)]
    pub context: Option<Context>,
    /// `register`: the name under which later steps find the passkey, on the authenticator that has one of that name already; `sign-in`: the passkey to use. `passkey` when left out, on an authenticator of its own.
    #[serde(default)]
    pub credential: Option<String>,
    /// `register`: another AAGUID than the provider's.
    #[serde(default)]
    pub aaguid: Option<crate::Aaguid>,
    /// `register`: another attestation than the provider makes by itself.
    #[serde(default)]
    pub attestation: Option<AttestationKind>,
    /// `register`: another algorithm than the provider would choose.
    #[serde(default)]
    pub algorithm: Option<Algorithm>,
    /// `register`: another BE flag than the provider's.
    #[serde(default)]
    pub backup_eligible: Option<bool>,
    /// `register`, `sign-in`: another BS flag than the provider's, from then on.
    #[serde(default)]
    pub backup_state: Option<bool>,
    /// `register`, `sign-in`: whether the authenticator verifies the user, against what its provider does.
    #[serde(default)]
    pub user_verified: Option<bool>,
    /// `sign-in`: whether the user name is given first; otherwise the passkey tells who it is.
    #[serde(default)]
    pub username: bool,
    /// `sign-in`: who is named first, where it is not `user`.
    #[serde(default)]
    pub names: Option<String>,
    /// `sign-in`: whether it is done in the session that `user` has, instead of a new one.
    #[serde(default)]
    pub in_session: bool,
    /// `sign-in`: whom the posted response names beside its own members.
    #[serde(default)]
    pub finish_names: Option<String>,
    /// `sign-in`: whether the session has to have another id afterwards, and nobody may be signed in under the one before.
    #[serde(default)]
    pub renews_session: bool,
    /// `sign-in`: whether three sign-ins that have to be refused are tried, and their answers compared: a wrong signature, an unknown passkey, an unknown user.
    #[serde(default)]
    pub compares_refusals: bool,
    /// `register`, `sign-in`: what the passkey's stored record has to hold afterwards, by its member in the view of records.
    #[serde(default)]
    pub stored: Option<serde_json::Map<String, serde_json::Value>>,
    /// `register`, `sign-in`: the host of the tenant at which it is done; the first one when left out.
    #[serde(default)]
    pub tenant: Option<String>,
    /// `sign-in`: whether the client uses the passkey even though the options do not list it; `register`: whether it makes one on an authenticator that the options exclude.
    #[serde(default)]
    pub ignore_allow_list: bool,
    /// `register`, `sign-in`: how the page asks for it.
    #[serde(default)]
    pub mediation: Option<Mediation>,
    /// `sign-in`: the AppID under which the passkey was made over U2F, in place of the relying party's ID, from then on.
    #[serde(default)]
    pub under_app_id: Option<String>,
    /// `register`, `sign-in`: whether the page runs in an iframe of that origin.
    #[serde(default)]
    pub embedded_in: Option<String>,
    /// `register`, `sign-in`: the origin whose page is used; the relying party's own when left out.
    #[serde(default)]
    pub page: Option<String>,
    /// `register`, `sign-in`: in which iframe of another origin the page really stands.
    #[serde(default)]
    pub framed: Option<Frame>,
    /// `register`: where the page is asked to make the passkey; wherever the user likes when left out.
    #[serde(default)]
    pub place: Option<Place>,
    /// `register`, `sign-in`: what can make or use a passkey there; what the row's provider is when left out.
    #[serde(default)]
    pub attached: Option<Attached>,
    /// `register`, `sign-in`: what the user does when the authenticator asks; consents when left out.
    #[serde(default)]
    pub user_does: Option<UserDoes>,
    /// `register`: whether the page has to offer a passkey on this device.
    #[serde(default)]
    pub offers_same_device: Option<bool>,
    /// `register`, `sign-in`: the security key, and what its holder does.
    #[serde(default)]
    pub key: Option<super::KeySpec>,
    /// `register`, `sign-in`: the one change to the response.
    #[serde(default)]
    pub mutation: Option<Mutation>,
    /// `register`, `sign-in`: in whose session the challenge was fetched, when not in the user's own.
    #[serde(default)]
    pub options_of: Option<String>,
    /// `register`, `sign-in`: the ceremony that the challenge was fetched for, when not its own.
    #[serde(default)]
    pub options_from: Option<super::CeremonyKind>,
    /// `register`, `sign-in`: members that the request for the options has beside its own.
    #[serde(default)]
    pub asks: Option<serde_json::Map<String, serde_json::Value>>,
    /// `register`, `sign-in`: whether the client makes options up and answers those, though none were sent.
    #[serde(default)]
    pub without_options: bool,
    /// `read-options`: what has to hold of them.
    #[serde(default)]
    pub options: Option<super::OptionsSpec>,
    /// `register`, `sign-in`: whether the options of the ceremony before are answered once more, instead of new ones.
    #[serde(default)]
    pub same_options: bool,
    /// `register`, `sign-in`: how many seconds pass between the options and the response.
    #[serde(default)]
    pub wait_seconds: Option<u64>,
    /// `register`, `sign-in`: the policy that comes into force between the options and the response.
    #[serde(default)]
    pub switch_policy: Option<String>,
    /// `register`, `sign-in`: how many times the same response is posted at once; judged is the second success, if there is one, otherwise a refusal.
    #[serde(default)]
    pub parallel: Option<u32>,
    /// `set-policy`: a profile, or a policy that the scenario defines.
    #[serde(default)]
    pub policy: Option<String>,
    /// `advance-clock`: by how much.
    #[serde(default)]
    pub seconds: Option<u64>,
    /// `set-user`: the groups from now on.
    #[serde(default)]
    pub groups: Option<Vec<String>>,
    /// `set-user`: whether the user is a guest from now on.
    #[serde(default)]
    pub guest: Option<bool>,
    /// How its requests differ from those that the relying party's page makes, or what `send` sends and `read` reads.
    #[serde(default)]
    pub request: Option<super::RequestSpec>,
    /// `set-user`: whether the account is disabled from now on.
    #[serde(default)]
    pub disabled: Option<bool>,
}

impl StepSpec {
    /// Tells whether a sign-in begins in a session of its own; a second factor and a step-up belong to the one that is there.
    #[must_use]
    pub fn begins_anew(&self) -> bool {
        let via = self
            .request
            .as_ref()
            .is_some_and(|request| request.via.is_some());
        self.action == Action::SignIn && !self.same_options && !self.in_session && !via
    }

    /// Makes a step that does this and nothing else.
    #[must_use]
    pub const fn new(action: Action) -> Self {
        Self {
            action,
            refused: false,
            tried: false,
            user: None,
            provider: None,
            context: None,
            credential: None,
            aaguid: None,
            attestation: None,
            algorithm: None,
            backup_eligible: None,
            backup_state: None,
            user_verified: None,
            username: false,
            names: None,
            in_session: false,
            finish_names: None,
            renews_session: false,
            compares_refusals: false,
            stored: None,
            tenant: None,
            ignore_allow_list: false,
            mediation: None,
            under_app_id: None,
            embedded_in: None,
            page: None,
            framed: None,
            place: None,
            attached: None,
            user_does: None,
            offers_same_device: None,
            key: None,
            mutation: None,
            options_of: None,
            options_from: None,
            asks: None,
            without_options: false,
            options: None,
            same_options: false,
            wait_seconds: None,
            switch_policy: None,
            parallel: None,
            policy: None,
            seconds: None,
            groups: None,
            guest: None,
            request: None,
            disabled: None,
        }
    }
}

/// Names what a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A registration ceremony.
    Register,
    /// An authentication ceremony.
    SignIn,
    /// The response of the last ceremony, posted again in the session of `user`.
    Replay,
    /// Options, which are read and not answered.
    ReadOptions,
    /// A new policy.
    SetPolicy,
    /// Time that passes.
    AdvanceClock,
    /// Other groups of a user.
    SetUser,
    /// The end of the user's session.
    SignOut,
    /// The user deletes the passkey where it is kept.
    DeleteAtProvider,
    /// The user deletes the passkey at the relying party, on its page where there is one.
    DeleteAtRelyingParty,
    /// The password of an account is given: the first of two factors.
    PasswordSignIn,
    /// JSON is sent that no ceremony made.
    Send,
    /// Something is read, and has to be as the step says.
    Read,
}

/// Describes an iframe in which the page stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Frame {
    /// The origin that embeds the page.
    pub by: String,
    /// Whether it allows the page to make and use passkeys (the iframe's `allow`).
    pub allowed: bool,
}

/// Names where the page is asked to make a passkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// On this device (`authenticatorAttachment: platform`).
    Here,
    /// On another one (`authenticatorAttachment: cross-platform`).
    Elsewhere,
}

/// Names what is there in place of the row's provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Attached {
    /// Nothing.
    Nothing,
    /// The device's own authenticator, which keeps nothing of the row's.
    OtherPlatformAuthenticator,
    /// A security key, which keeps nothing of the row's.
    OtherSecurityKey,
}

/// Names what a user does when the authenticator asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UserDoes {
    /// Nothing, until the time is over.
    Nothing,
    /// Gives it up on the page.
    Cancels,
    /// Fails to be verified.
    FailsVerification,
}

/// Tells how a page asks for a passkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mediation {
    /// Silently, at a moment that suits the browser.
    Conditional,
}

/// Describes a user of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UserSpec {
    /// The groups that the user is in.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Whether the user is a guest of the organisation.
    #[serde(default)]
    pub guest: bool,
}

/// States how the relying party is set up, where a scenario needs another than the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RelyingPartySettings {
    /// The user verification that its options ask for; `required` when left out.
    #[serde(default)]
    pub user_verification: Option<Requirement>,
    /// The attestation conveyance that its options ask for; `direct` when left out.
    #[serde(default)]
    pub attestation: Option<String>,
    /// The algorithms that it offers; all that we know when left out.
    #[serde(default)]
    pub algorithms: Option<Vec<Algorithm>>,
    /// Whether it expects to run in an iframe of another origin.
    #[serde(default)]
    pub cross_origin_expected: bool,
    /// The origins that may embed it.
    #[serde(default)]
    pub top_origins: Vec<String>,
    /// Whether it takes only passkeys that stay on one device (WebAuthn L3, 7.1 step 18).
    #[serde(default)]
    pub single_device_required: bool,
    /// Whether it takes only attestation that leads to a root it trusts (7.1 step 24).
    #[serde(default)]
    pub attestation_required: bool,
    /// What it does with a signature counter that did not rise (7.2 step 22); `reject` when left out.
    #[serde(default)]
    pub counter: Option<CounterPolicy>,
    /// Whether the options for a user who was named leave out the list of that user's passkeys.
    #[serde(default)]
    pub omit_allow_credentials: bool,
    /// The time-out in its options, in milliseconds.
    #[serde(default)]
    pub options_timeout: Option<u64>,
    /// Whether its options ask for a discoverable credential (`residentKey`); `required` when left out.
    #[serde(default)]
    pub resident_key: Option<Requirement>,
    /// The protection that its options ask for (CTAP 2.1, 12.1: `credentialProtectionPolicy`).
    #[serde(default)]
    pub credential_protection: Option<super::CredentialProtection>,
    /// The extensions that its options ask for beside `credProps`, as in their JSON; `appid` only where passkeys are listed.
    #[serde(default)]
    pub extensions: super::PerCeremony<BTreeMap<String, Value>>,
    /// Its other origins, which it names at `/.well-known/webauthn` and expects.
    #[serde(default)]
    pub related_origins: Vec<String>,
    /// The apps that it expects beside its origins, as client data names them (WebAuthn L3, 13.4.9): `android:apk-key-hash:...`.
    #[serde(default)]
    pub app_origins: Vec<String>,
    /// The origins whose pages may embed its own.
    #[serde(default)]
    pub embedders: Vec<String>,
    /// The other tenants on the same server, with users of the same names: the RP ID by the host under which each is reached.
    #[serde(default)]
    pub tenants: BTreeMap<String, String>,
    /// Whether its credential records are from a time when it did not store BE and BS.
    #[serde(default)]
    pub legacy_records: bool,
    /// Whether conditional registration is offered.
    #[serde(default)]
    pub conditional_create: bool,
    /// The models whose metadata it has, beside those of the attested providers, with what the metadata says.
    #[serde(default)]
    pub metadata: BTreeMap<crate::Aaguid, ModelMetadata>,
    /// What its accounts and sessions are like beside the two ceremonies.
    #[serde(default)]
    pub accounts: super::AccountSettings,
}

/// Names how much something is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Requirement {
    /// It has to be.
    Required,
    /// It should be where it can.
    Preferred,
    /// It should not be.
    Discouraged,
}

/// Names what becomes of a sign-in whose signature counter did not rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CounterPolicy {
    /// It is refused.
    Reject,
    /// It is accepted and reported.
    Report,
}

/// Names what the metadata service says of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ModelMetadata {
    /// It is certified, and everything is as a relying party could wish.
    Certified,
    /// It is known, and not certified.
    NotCertified,
    /// Its certification was revoked.
    Revoked,
    /// Users can be verified without being there.
    UserVerificationBypass,
    /// An attestation key leaked.
    AttestationKeyCompromise,
    /// Private keys can be had from afar.
    UserKeyRemoteCompromise,
    /// Private keys can be had by those who hold the authenticator.
    UserKeyPhysicalCompromise,
    /// It has no hmac-secret.
    NoHmacSecret,
    /// It keeps no discoverable credentials.
    NoResidentKeys,
    /// It verifies users by a PIN only.
    ClientPinOnly,
    /// It does not verify users.
    NoUserVerification,
    /// It is older than FIDO 2.0.
    U2fOnly,
    /// Another root than that of the test CA attests it.
    OtherRoot,
    /// Its attestation certificate is itself the trust anchor.
    LeafAsRoot,
    /// It makes self attestations only, so that no root is listed.
    SelfOnly,
}
