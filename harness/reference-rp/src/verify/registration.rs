//! Registering a new credential (WebAuthn L3, 7.1).

use serde_json::{Map, Value};

use super::{
    Expected, Record, Refusal, Situation, client_data, flags, keep_policy, refuse, response::Json,
};
use crate::{
    defects::{Defect, Defects},
    parse::{Attested, AuthenticatorData, CoseKey, cbor, is_built, member},
    policy, trust,
};

/// The longest credential ID (4, and 7.1 step 25).
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
    /// The extensions that the options asked for, as in their JSON.
    pub extensions: Map<String, Value>,
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
    defects: &Defects,
) -> Result<Record, Refusal> {
    let ceremony = Ceremony {
        exchange,
        expected,
        defects,
    };
    let response = ceremony.step_3_response()?;
    ceremony.step_4_extension_results()?;
    let parsed = ceremony.steps_5_6_client_data(&response)?;
    let client_data = client_data::Check {
        client_data: &parsed,
        expected,
        defects,
    };
    ceremony.step_7_type(&client_data)?;
    ceremony.step_8_challenge(&client_data)?;
    ceremony.step_9_origin(&client_data)?;
    ceremony.step_10_cross_origin(&client_data)?;
    ceremony.step_11_top_origin(&client_data)?;
    let hash = ceremony.step_12_hash(&response);
    let object = ceremony.step_13_attestation_object(&response)?;
    let flags = flags::Check {
        data: &object.data,
        expected,
        defects,
    };
    ceremony.step_14_rp_id_hash(&flags)?;
    ceremony.step_15_user_present(&flags)?;
    ceremony.step_16_user_verified(&flags)?;
    ceremony.step_17_backup_state(&flags)?;
    ceremony.step_18_backup_eligibility(&object)?;
    // Step 19: no policy rests on the backup state.
    ceremony.step_20_algorithm(&object)?;
    ceremony.step_21_format(&object)?;
    let statement = ceremony.step_22_statement(&object, &hash)?;
    let proven = ceremony.steps_23_24_trust(&object, &statement)?;
    ceremony.step_25_credential_id_length(&object)?;
    ceremony.step_26_credential_id_is_new(&object)?;
    let extensions = object.data.extensions.clone();
    let mut record = ceremony.step_27_record(object, proven);
    ceremony.step_28_extensions(extensions.as_ref())?;
    // Step 29 stores the record when the policy takes it.
    let subject = &exchange.situation.subject;
    keep_policy(&record, subject, true, expected, defects)?;
    record.attested = proven && ceremony.keeps_level();
    Ok(record)
}

/// The response's members, decoded.
struct Response {
    raw_id: Vec<u8>,
    client_data_json: Vec<u8>,
    attestation_object: Vec<u8>,
}

/// The attestation object (6.5), decoded.
pub(super) struct Object {
    pub format: String,
    pub data: AuthenticatorData,
    pub attested: Attested,
    pub statement: ciborium::Value,
}

/// A registration in the hands of its steps.
pub(super) struct Ceremony<'a> {
    pub exchange: &'a Registration,
    pub expected: &'a Expected,
    pub defects: &'a Defects,
}

impl Ceremony<'_> {
    fn step_3_response(&self) -> Result<Response, Refusal> {
        let json = self.json();
        json.is_of_ceremony("reg.3", "signature")?;
        Ok(Response {
            raw_id: json.raw_id()?,
            client_data_json: json.bytes("/response/clientDataJSON")?,
            attestation_object: json.bytes("/response/attestationObject")?,
        })
    }

    const fn json(&self) -> Json<'_> {
        Json {
            response: &self.exchange.response,
            defects: self.defects,
        }
    }

    fn step_4_extension_results(&self) -> Result<(), Refusal> {
        self.json().extension_results()
    }

    fn steps_5_6_client_data(
        &self,
        response: &Response,
    ) -> Result<serde_json::Map<String, Value>, Refusal> {
        client_data::parse("reg.6", &response.client_data_json, self.defects)
    }

    fn step_7_type(&self, client_data: &client_data::Check<'_>) -> Result<(), Refusal> {
        client_data.kind("reg.7", "webauthn.create", Defect::RegTypeNotCompared)
    }

    fn step_8_challenge(&self, client_data: &client_data::Check<'_>) -> Result<(), Refusal> {
        client_data.challenge("reg.8", self.exchange.challenge.as_deref())
    }

    fn step_9_origin(&self, client_data: &client_data::Check<'_>) -> Result<(), Refusal> {
        client_data.origin("reg.9")
    }

    fn step_10_cross_origin(&self, client_data: &client_data::Check<'_>) -> Result<(), Refusal> {
        client_data.cross_origin("reg.10")
    }

    fn step_11_top_origin(&self, client_data: &client_data::Check<'_>) -> Result<(), Refusal> {
        client_data.top_origin("reg.11")
    }

    fn step_12_hash(&self, response: &Response) -> Vec<u8> {
        client_data::hash(&response.client_data_json)
    }

    fn step_13_attestation_object(&self, response: &Response) -> Result<Object, Refusal> {
        let mut rest = response.attestation_object.as_slice();
        let decoded = cbor(&mut rest, self.defects);
        let all = rest.is_empty() || self.defects.has(Defect::AttestationObjectTailIgnored);
        let Some(decoded) = decoded.filter(|_| all) else {
            return refuse("reg.13", "the attestation object is not one CBOR value");
        };
        let format = member(&decoded, "fmt").and_then(ciborium::Value::as_text);
        let data = member(&decoded, "authData").and_then(ciborium::Value::as_bytes);
        let statement = member(&decoded, "attStmt").filter(|statement| statement.is_map());
        let (Some(format), Some(data), Some(statement)) = (format, data, statement) else {
            return refuse(
                "reg.13",
                "fmt, authData or attStmt is missing or of another type",
            );
        };
        let data = match AuthenticatorData::parse(data, self.defects) {
            Ok(data) => data,
            Err(message) => return refuse("reg.13", message),
        };
        let Some(attested) = data.attested.clone() else {
            return refuse("reg.13", "there is no attested credential data");
        };
        // Not a step of 7.1: the response names a credential, and it has to be the attested one (5.1).
        if attested.credential_id != response.raw_id
            && !self.defects.has(Defect::EnvelopeIdNotCompared)
        {
            return refuse("parse", "rawId is not the attested credential ID");
        }
        Ok(Object {
            format: format.to_owned(),
            data,
            attested,
            statement: statement.clone(),
        })
    }

    fn step_14_rp_id_hash(&self, flags: &flags::Check<'_>) -> Result<(), Refusal> {
        flags.rp_id_hash("reg.14", &[&self.expected.rp_id])
    }

    /// A conditional creation happens without a gesture of the user.
    fn step_15_user_present(&self, flags: &flags::Check<'_>) -> Result<(), Refusal> {
        if self.exchange.conditional {
            return Ok(());
        }
        flags.user_present("reg.15")
    }

    fn step_16_user_verified(&self, flags: &flags::Check<'_>) -> Result<(), Refusal> {
        flags.user_verified("reg.16")
    }

    fn step_17_backup_state(&self, flags: &flags::Check<'_>) -> Result<(), Refusal> {
        flags.backup_state("reg.17")
    }

    fn step_18_backup_eligibility(&self, object: &Object) -> Result<(), Refusal> {
        if object.data.has(AuthenticatorData::BE)
            && self.expected.single_device_required
            && !self.defects.has(Defect::BackupEligibilityPolicyIgnored)
        {
            return refuse("reg.18", "only passkeys that stay on one device are taken");
        }
        Ok(())
    }

    fn step_20_algorithm(&self, object: &Object) -> Result<(), Refusal> {
        let algorithm = object.attested.key.algorithm;
        let offered = self.expected.algorithms.contains(&algorithm);
        if !is_built(algorithm) || !(offered || self.defects.has(Defect::AlgorithmNotChecked)) {
            return refuse("reg.20", "the algorithm was not offered");
        }
        Ok(())
    }

    fn step_25_credential_id_length(&self, object: &Object) -> Result<(), Refusal> {
        if object.attested.credential_id.len() > LONGEST_CREDENTIAL_ID
            && !self.defects.has(Defect::CredentialIdLengthNotLimited)
        {
            return refuse("reg.25", "the credential ID is longer than 1023 bytes");
        }
        Ok(())
    }

    fn step_26_credential_id_is_new(&self, object: &Object) -> Result<(), Refusal> {
        let compared = if self.defects.has(Defect::CredentialIdTruncated) {
            255
        } else {
            usize::MAX
        };
        let kept = |id: &'_ [u8]| id[..id.len().min(compared)].to_vec();
        let new = kept(&object.attested.credential_id);
        let registered = self.exchange.registered.iter().any(|id| kept(id) == new);
        if registered && !self.defects.has(Defect::DuplicateCredentialIdAccepted) {
            return refuse("reg.26", "the credential ID is registered already");
        }
        Ok(())
    }

    fn step_27_record(&self, object: Object, proven: bool) -> Record {
        let aaguid = object.attested.aaguid;
        let backup_eligible = object.data.has(AuthenticatorData::BE);
        Record {
            user: self.exchange.user.clone(),
            sign_count: object.data.sign_count,
            transports: transports(&self.exchange.response),
            uv_initialized: object.data.has(AuthenticatorData::UV),
            backup_eligible: Some(backup_eligible),
            backup_state: object.data.has(AuthenticatorData::BS),
            aaguid,
            self_attested: trust::is_self_attestation(&object.format, &object.statement),
            attested: proven,
            synced: policy::is_synced(
                backup_eligible,
                self.expected.anchors.first_party_aaguids.contains(&aaguid),
                proven,
                &self.expected.switches,
                self.defects,
            ),
            format: object.format,
            made_at: self.exchange.situation.now,
            id: object.attested.credential_id,
            key: self
                .key_of_client(object.attested.key.algorithm)
                .unwrap_or(object.attested.key),
        }
    }

    /// What the client says the key is: its word, where the attestation object has the authenticator's.
    fn key_of_client(&self, algorithm: i64) -> Option<CoseKey> {
        if !self.defects.has(Defect::PublicKeyFromResponse) {
            return None;
        }
        let key_info = self.json().bytes("/response/publicKey").ok()?;
        CoseKey::of_key_info(algorithm, key_info)
    }

    /// Outputs that nobody needs are left alone, asked for or not; what the policy or an enforced protection demands is looked for.
    fn step_28_extensions(&self, outputs: Option<&ciborium::Value>) -> Result<(), Refusal> {
        self.discoverable_if_demanded()?;
        self.protected_if_demanded(outputs)
    }

    fn discoverable_if_demanded(&self) -> Result<(), Refusal> {
        let discoverable = "/clientExtensionResults/credProps/rk";
        let denied = self.exchange.response.pointer(discoverable) == Some(&Value::Bool(false));
        if denied
            && self.expected.discoverable_required
            && !self.defects.has(Defect::DiscoverabilityNotChecked)
        {
            return refuse("reg.28", "the passkey is not discoverable");
        }
        Ok(())
    }

    fn protected_if_demanded(&self, outputs: Option<&ciborium::Value>) -> Result<(), Refusal> {
        let asked = &self.exchange.extensions;
        let enforced = asked.get("enforceCredentialProtectionPolicy") == Some(&Value::Bool(true));
        let policy = asked.get("credentialProtectionPolicy");
        let Some(wanted) = policy.and_then(protection_level).filter(|_| enforced) else {
            return Ok(());
        };
        let given = outputs
            .and_then(|outputs| member(outputs, "credProtect"))
            .and_then(ciborium::Value::as_integer);
        let kept = given.is_some_and(|given| i128::from(given) >= wanted);
        if kept || self.defects.has(Defect::CredentialProtectionNotChecked) {
            return Ok(());
        }
        refuse(
            "reg.28",
            "the credential is not protected as the options demand",
        )
    }
}

/// Returns the level that a `credentialProtectionPolicy` names (CTAP 2.1, 12.1).
fn protection_level(policy: &Value) -> Option<i128> {
    match policy.as_str()? {
        "userVerificationOptional" => Some(1),
        "userVerificationOptionalWithCredentialIDList" => Some(2),
        "userVerificationRequired" => Some(3),
        _ => None,
    }
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
