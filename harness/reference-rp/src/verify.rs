//! The verification steps of WebAuthn L3, 7.1 and 7.2: pure, in the order of the specification.

mod authentication;
mod client_data;
mod registration;

use serde_json::Value;

pub use authentication::{Authentication, Signed, verify_authentication};
pub use registration::{Registration, verify_registration};

use crate::{parse::CoseKey, policy::Subject, trust::Anchors};

/// What the relying party expects of every response.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The RP ID.
    pub rp_id: String,
    /// The only origin.
    pub origin: String,
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
    /// What it trusts.
    pub anchors: Anchors,
    /// Whether an all-time policy of passkey profiles is in force.
    pub policy: Option<Value>,
}

/// A refusal: the steps or clauses that refuse, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", reasons.join(", "))]
pub struct Refusal {
    /// Step ids (`reg.17`), clause ids, or `parse`.
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
    /// The BE flag at registration.
    pub backup_eligible: bool,
    /// The BS flag of the last ceremony.
    pub backup_state: bool,
    /// The AAGUID.
    pub aaguid: [u8; 16],
    /// The attestation statement format.
    pub format: String,
    /// Whether the model is proven.
    pub attested: bool,
    /// Whether it is stored as synced.
    pub synced: bool,
}

/// Whose request it is, and when.
#[derive(Clone, Debug)]
pub struct Situation {
    /// What policies know of the user.
    pub subject: Subject,
    /// The time, in seconds since 1970.
    pub now: u64,
}

/// Finds a text in the response's JSON.
pub(crate) fn text<'a>(response: &'a Value, pointer: &str) -> Result<&'a str, Refusal> {
    match response.pointer(pointer).and_then(Value::as_str) {
        Some(text) => Ok(text),
        None => refuse("parse", format!("{pointer} is missing or no text")),
    }
}

/// Finds bytes in the response's JSON.
pub(crate) fn bytes(response: &Value, pointer: &str) -> Result<Vec<u8>, Refusal> {
    match crate::parse::base64url(text(response, pointer)?) {
        Some(bytes) => Ok(bytes),
        None => refuse("parse", format!("{pointer} is not base64url")),
    }
}
