//! Registering a new credential (WebAuthn L3, 7.1).

use ciborium::Value as Cbor;
use serde_json::Value;

use super::{Expected, Record, Refusal, Situation, bytes, client_data, refuse, text};
use crate::{
    parse::{Attested, AuthenticatorData, cbor, member},
    policy::{Credential, admit_credential},
    trust::{self, FIRST_PARTY_FORMAT, Statement},
};

const STEPS: client_data::Steps = client_data::Steps {
    parse: "reg.6",
    kind: ("reg.7", "webauthn.create"),
    challenge: "reg.8",
    origin: "reg.9",
    cross_origin: "reg.10",
    top_origin: "reg.11",
};
const LONGEST_CREDENTIAL_ID: usize = 1023;

/// Everything that a registration's verification depends on.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The response as posted.
    pub response: Value,
    /// The challenge that is outstanding.
    pub challenge: Option<Vec<u8>>,
    /// Whether the options were asked for with conditional mediation.
    pub conditional: bool,
    /// The user whose options they were.
    pub user: String,
    /// Every credential ID that is registered, to anybody.
    pub registered: Vec<Vec<u8>>,
    /// Whose request it is, and when.
    pub situation: Situation,
}

/// Verifies a registration and returns the record to store.
///
/// # Errors
/// The first step, or the clauses, that refuse.
pub fn verify_registration(
    exchange: &Registration,
    expected: &Expected,
) -> Result<Record, Refusal> {
    let response = &exchange.response;
    if text(response, "/type")? != "public-key" || response.pointer("/response/signature").is_some()
    {
        return refuse("reg.3", "this is no AuthenticatorAttestationResponse");
    }
    let client_data_json = bytes(response, "/response/clientDataJSON")?;
    let hash = client_data::verify(
        &client_data_json,
        exchange.challenge.as_deref(),
        expected,
        &STEPS,
    )?;
    let (format, data, statement) =
        step_13_decode(&bytes(response, "/response/attestationObject")?)?;
    let Some(attested) = data.attested.clone() else {
        return refuse("reg.13", "there is no attested credential data");
    };
    if text(response, "/id")? != text(response, "/rawId")?
        || bytes(response, "/rawId")? != attested.credential_id
    {
        return refuse("parse", "id, rawId and the attested credential ID differ");
    }
    steps_14_to_19_flags(&data, exchange.conditional, expected)?;
    if !expected.algorithms.contains(&attested.key.algorithm) {
        return refuse("reg.20", "the algorithm was not offered");
    }
    let attested_by = steps_21_to_24_attestation(
        &format, &data, &attested, &statement, &hash, exchange, expected,
    )?;
    if attested.credential_id.len() > LONGEST_CREDENTIAL_ID {
        return refuse("reg.25", "the credential ID is longer than 1023 bytes");
    }
    if exchange.registered.contains(&attested.credential_id) {
        return refuse("reg.26", "the credential ID is registered already");
    }
    let synced = is_synced(&data, &format, attested_by);
    let record = Record {
        id: attested.credential_id,
        user: exchange.user.clone(),
        key: attested.key,
        sign_count: data.sign_count,
        transports: transports(response),
        backup_eligible: data.has(AuthenticatorData::BE),
        backup_state: data.has(AuthenticatorData::BS),
        aaguid: attested.aaguid,
        format,
        attested: attested_by,
        synced,
    };
    keep_policy(&record, exchange, expected)?;
    Ok(record)
}

fn step_13_decode(object: &[u8]) -> Result<(String, AuthenticatorData, Cbor), Refusal> {
    let mut rest = object;
    let decoded = cbor(&mut rest).filter(|_| rest.is_empty());
    let Some(decoded) = decoded else {
        return refuse("reg.13", "the attestation object is no CBOR");
    };
    let parts = (
        member(&decoded, "fmt"),
        member(&decoded, "authData"),
        member(&decoded, "attStmt"),
    );
    let (Some(Cbor::Text(format)), Some(Cbor::Bytes(data)), Some(statement @ Cbor::Map(_))) = parts
    else {
        return refuse(
            "reg.13",
            "fmt, authData or attStmt is missing or of another type",
        );
    };
    match AuthenticatorData::parse(data) {
        Ok(data) => Ok((format.clone(), data, statement.clone())),
        Err(message) => refuse("reg.13", message),
    }
}

fn steps_14_to_19_flags(
    data: &AuthenticatorData,
    conditional: bool,
    expected: &Expected,
) -> Result<(), Refusal> {
    if !client_data::is_rp_id_hash(&data.rp_id_hash, &expected.rp_id) {
        return refuse("reg.14", "the RP ID is another");
    }
    if !data.has(AuthenticatorData::UP) && !conditional {
        return refuse("reg.15", "the user was not present");
    }
    if !data.has(AuthenticatorData::UV) && expected.user_verification == "required" {
        return refuse("reg.16", "the user was not verified");
    }
    if data.has(AuthenticatorData::BS) && !data.has(AuthenticatorData::BE) {
        return refuse("reg.17", "backed up, but not eligible for backup");
    }
    if data.has(AuthenticatorData::BE) && expected.single_device_required {
        return refuse("reg.18", "only passkeys that stay on one device are taken");
    }
    Ok(())
}

/// Returns whether the authenticator's model is proven.
fn steps_21_to_24_attestation(
    format: &str,
    data: &AuthenticatorData,
    attested: &Attested,
    statement: &Cbor,
    hash: &[u8],
    exchange: &Registration,
    expected: &Expected,
) -> Result<bool, Refusal> {
    let signed = [data.bytes.as_slice(), hash].concat();
    let verified =
        match trust::verify_statement(format, statement, &signed, &attested.key, attested.aaguid) {
            Ok(Statement::Unknown) if expected.policy.is_none() => {
                return refuse("reg.21", "the attestation format is not supported");
            }
            Ok(verified) => verified,
            Err(message) => return refuse("reg.22", message),
        };
    let now = exchange.situation.now;
    let proven = trust::is_attested(&expected.anchors, format, &verified, attested.aaguid, now);
    if expected.attestation_required && !proven {
        return refuse("reg.24", "the attestation leads to no trusted root");
    }
    Ok(proven)
}

/// First-party apps are device-bound when attested, whatever their platform makes them say.
fn is_synced(data: &AuthenticatorData, format: &str, attested: bool) -> bool {
    data.has(AuthenticatorData::BE) && !(attested && format == FIRST_PARTY_FORMAT)
}

fn keep_policy(
    record: &Record,
    exchange: &Registration,
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
    admit_credential(policy, &exchange.situation.subject, &credential, true).map_err(|reasons| {
        Refusal {
            reasons,
            message: "the policy does not take this passkey".to_owned(),
        }
    })
}

fn transports(response: &Value) -> Vec<String> {
    let list = response
        .pointer("/response/transports")
        .and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}
