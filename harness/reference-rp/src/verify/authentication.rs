//! Verifying an authentication assertion (WebAuthn L3, 7.2).

use serde_json::Value;

use super::{Expected, Record, Refusal, Situation, bytes, client_data, refuse, text};
use crate::{
    parse::AuthenticatorData,
    policy::{Credential, admit_credential},
};

const STEPS: client_data::Steps = client_data::Steps {
    parse: "auth.9",
    kind: ("auth.10", "webauthn.get"),
    challenge: "auth.11",
    origin: "auth.12",
    cross_origin: "auth.13",
    top_origin: "auth.14",
};

/// Everything that an authentication's verification depends on.
#[derive(Clone, Debug)]
pub struct Authentication {
    /// The response as posted.
    pub response: Value,
    /// The challenge that is outstanding.
    pub challenge: Option<Vec<u8>>,
    /// The credential IDs that the options allowed; empty for discoverable credentials.
    pub allowed: Vec<Vec<u8>>,
    /// The user who was identified before, if any.
    pub identified: Option<String>,
    /// The record with the response's raw ID, and its user's handle.
    pub record: Option<(Record, Vec<u8>)>,
    /// Whose request it is, and when.
    pub situation: Situation,
}

/// What a verified assertion says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The user who signed in.
    pub user: String,
    /// The new signature counter.
    pub sign_count: u32,
    /// The new backup state.
    pub backup_state: bool,
}

/// Verifies an assertion.
///
/// # Errors
/// The first step, or the clauses, that refuse.
pub fn verify_authentication(
    exchange: &Authentication,
    expected: &Expected,
) -> Result<Signed, Refusal> {
    let response = &exchange.response;
    if text(response, "/type")? != "public-key"
        || response.pointer("/response/attestationObject").is_some()
    {
        return refuse("auth.3", "this is no AuthenticatorAssertionResponse");
    }
    let raw_id = bytes(response, "/rawId")?;
    if text(response, "/id")? != text(response, "/rawId")? {
        return refuse("parse", "id and rawId differ");
    }
    if !exchange.allowed.is_empty() && !exchange.allowed.contains(&raw_id) {
        return refuse(
            "auth.5",
            "the credential is not among those that were allowed",
        );
    }
    let record = step_6_identify(exchange)?;
    let client_data_json = bytes(response, "/response/clientDataJSON")?;
    let hash = client_data::verify(
        &client_data_json,
        exchange.challenge.as_deref(),
        expected,
        &STEPS,
    )?;
    let data = match AuthenticatorData::parse(&bytes(response, "/response/authenticatorData")?) {
        Ok(data) if data.attested.is_none() => data,
        Ok(_) => return refuse("auth.7", "an assertion carries no attested credential data"),
        Err(message) => return refuse("auth.7", message),
    };
    steps_15_to_19_flags(&data, record, expected)?;
    keep_policy(record, exchange, expected)?;
    let signed = [data.bytes.as_slice(), &hash].concat();
    if !record
        .key
        .verifies(&signed, &bytes(response, "/response/signature")?)
    {
        return refuse("auth.21", "the signature is wrong");
    }
    let counts = data.sign_count != 0 || record.sign_count != 0;
    if counts && data.sign_count <= record.sign_count && expected.counter_must_rise {
        return refuse("auth.22", "the signature counter did not rise");
    }
    let backup_state = data.has(AuthenticatorData::BS);
    Ok(Signed {
        user: record.user.clone(),
        sign_count: data.sign_count,
        backup_state,
    })
}

fn step_6_identify(exchange: &Authentication) -> Result<&Record, Refusal> {
    let Some((record, handle)) = &exchange.record else {
        return refuse("auth.6", "the credential is not known");
    };
    let sent = exchange
        .response
        .pointer("/response/userHandle")
        .filter(|handle| !handle.is_null());
    let sent = sent
        .map(|_| bytes(&exchange.response, "/response/userHandle"))
        .transpose()?;
    if exchange
        .identified
        .as_ref()
        .is_some_and(|user| *user != record.user)
    {
        return refuse("auth.6", "the credential belongs to another user");
    }
    match sent {
        Some(sent) if sent != *handle => refuse("auth.6", "the user handle is another user's"),
        None if exchange.identified.is_none() => {
            refuse("auth.6", "nobody was named, and there is no user handle")
        }
        _ => Ok(record),
    }
}

fn steps_15_to_19_flags(
    data: &AuthenticatorData,
    record: &Record,
    expected: &Expected,
) -> Result<(), Refusal> {
    if !client_data::is_rp_id_hash(&data.rp_id_hash, &expected.rp_id) {
        return refuse("auth.15", "the RP ID is another");
    }
    if !data.has(AuthenticatorData::UP) {
        return refuse("auth.16", "the user was not present");
    }
    if !data.has(AuthenticatorData::UV) && expected.user_verification == "required" {
        return refuse("auth.17", "the user was not verified");
    }
    if data.has(AuthenticatorData::BS) && !data.has(AuthenticatorData::BE) {
        return refuse("auth.18", "backed up, but not eligible for backup");
    }
    if data.has(AuthenticatorData::BE) != record.backup_eligible {
        return refuse(
            "auth.19",
            "eligibility for backup changed since registration",
        );
    }
    Ok(())
}

fn keep_policy(
    record: &Record,
    exchange: &Authentication,
    expected: &Expected,
) -> Result<(), Refusal> {
    let Some(policy) = &expected.policy else {
        return Ok(());
    };
    let credential = Credential {
        synced: record.synced,
        aaguid: record.aaguid,
        format: record.format.clone(),
        attested: record.attested,
    };
    admit_credential(policy, &exchange.situation.subject, &credential, false).map_err(|reasons| {
        Refusal {
            reasons,
            message: "the policy does not take this passkey".to_owned(),
        }
    })
}
