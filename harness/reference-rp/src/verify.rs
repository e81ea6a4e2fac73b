//! The verification steps of WebAuthn L3, 7.1 and 7.2: pure, in the order of the specification.
//!
//! Each step is a function that is named by its number; every refusal carries the step. The policy of passkey profiles is
//! evaluated last, when the ceremony has nothing left to object to.

mod attestation;
mod authentication;
mod client_data;
mod flags;
mod registration;
mod response;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub use authentication::{Authentication, Signed, verify_authentication};
pub use registration::{Registration, verify_registration};

use crate::{
    defects::Defects,
    parse::CoseKey,
    policy::{self, Credential, Subject, Switches},
    trust::Anchors,
};

/// What the relying party expects of every response.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The RP ID.
    pub rp_id: String,
    /// The RP IDs of the other tenants on the same server.
    pub other_rp_ids: Vec<String>,
    /// The origins that it takes; the first is its own, the others are related to it (WebAuthn L3, 5.11).
    pub origins: Vec<String>,
    /// Whether it expects to run in an iframe of another origin.
    pub cross_origin: bool,
    /// The origins that may embed it.
    pub top_origins: Vec<String>,
    /// The user verification that its options ask for.
    pub user_verification: String,
    /// The algorithms that it offers, as COSE identifiers.
    pub algorithms: Vec<i64>,
    /// The attestation conveyance that its options ask for.
    pub attestation: String,
    /// Whether it takes only passkeys that stay on one device.
    pub single_device_required: bool,
    /// Whether it takes only proven models.
    pub attestation_required: bool,
    /// Whether a counter that did not rise is refused.
    pub counter_must_rise: bool,
    /// Whether a passkey is refused of which the client says that it is not discoverable (10.1.3).
    pub discoverable_required: bool,
    /// What it trusts.
    pub anchors: Anchors,
    /// The policy of passkey profiles in Graph's shape; none for a relying party without profiles.
    pub policy: Option<Value>,
    /// Its readings of what the documentation of the policy leaves open.
    pub switches: Switches,
}

impl Expected {
    /// Expects what most do: verified users, ES256 and RS256, attestation that is asked for and not required, a counter that
    /// rises; it trusts nobody and has no policy.
    #[must_use]
    pub fn new(rp_id: &str, origin: &str) -> Self {
        Self {
            rp_id: rp_id.to_owned(),
            other_rp_ids: Vec::new(),
            origins: vec![origin.to_owned()],
            cross_origin: false,
            top_origins: Vec::new(),
            user_verification: "required".to_owned(),
            algorithms: vec![-7, -257],
            attestation: "direct".to_owned(),
            single_device_required: false,
            attestation_required: false,
            counter_must_rise: true,
            discoverable_required: false,
            anchors: Anchors::default(),
            policy: None,
            switches: Switches::default(),
        }
    }
}

/// A refusal: the steps or clauses that refuse, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", reasons.join(", "))]
pub struct Refusal {
    /// Step ids (`reg.17`), clause ids, `parse` or `state`.
    pub reasons: Vec<String>,
    /// What is wrong.
    pub message: String,
}

/// Refuses at a step.
pub(crate) fn refuse<T>(step: &str, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        reasons: vec![step.to_owned()],
        message: message.into(),
    })
}

/// A credential record (WebAuthn L3, 4), with what passkey profiles need.
#[derive(Clone, Debug)]
pub struct Record {
    /// The credential ID.
    pub id: Vec<u8>,
    /// The user that it belongs to.
    pub user: String,
    pub(crate) key: CoseKey,
    /// The signature counter.
    pub sign_count: u32,
    /// The transports that the client reported.
    pub transports: Vec<String>,
    /// Whether the user was verified when it was made (4, uvInitialized).
    pub uv_initialized: bool,
    /// The BE flag at registration; unknown of a record that is older than the flag.
    pub backup_eligible: Option<bool>,
    /// The BS flag of the last ceremony.
    pub backup_state: bool,
    /// The AAGUID.
    pub aaguid: [u8; 16],
    /// The attestation statement format.
    pub format: String,
    /// Whether the statement was signed with the credential's own key.
    pub self_attested: bool,
    /// Whether the model is stored as proven.
    pub attested: bool,
    /// Whether it is stored as synced.
    pub synced: bool,
    /// When it was made, in seconds since 1970.
    pub made_at: u64,
}

/// Whose request it is, and when.
#[derive(Clone, Debug)]
pub struct Situation {
    /// What policies know of the user.
    pub subject: Subject,
    /// The time, in seconds since 1970.
    pub now: u64,
}

/// Evaluates the policy, if there is one.
fn keep_policy(
    record: &Record,
    subject: &Subject,
    registering: bool,
    expected: &Expected,
    defects: &Defects,
) -> Result<(), Refusal> {
    let Some(policy) = &expected.policy else {
        return Ok(());
    };
    let credential = Credential {
        synced: record.synced,
        aaguid: record.aaguid,
        format: record.format.clone(),
        self_attested: record.self_attested,
        attested: record.attested,
    };
    policy::decide(
        policy,
        &expected.switches,
        defects,
        subject,
        &credential,
        registering,
    )
    .map_err(|reasons| Refusal {
        reasons,
        message: "the policy does not take this passkey".to_owned(),
    })
}
