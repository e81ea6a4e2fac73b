//! Verifying an authentication assertion (WebAuthn L3, 7.2).

use serde_json::{Map, Value};

use super::{
    Expected, Record, Refusal, Situation, client_data, flags, keep_policy, refuse, response::Json,
};
use crate::{
    defects::{Defect, Defects},
    parse::AuthenticatorData,
    policy::BackupEligibilityAtSignIn,
};

/// Everything that an authentication's verification depends on.
#[derive(Clone, Debug)]
pub struct Authentication {
    /// The response as posted.
    pub response: Value,
    /// The challenge that is outstanding.
    pub challenge: Option<Vec<u8>>,
    /// The extensions that the options asked for, as in their JSON.
    pub extensions: Map<String, Value>,
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
    /// Whether the passkey is eligible for backup.
    pub backup_eligible: bool,
    /// Whether the user was verified.
    pub user_verified: bool,
}

/// Verifies an assertion.
///
/// # Errors
/// The first step, or the clauses, that refuse.
pub fn verify_authentication(
    exchange: &Authentication,
    expected: &Expected,
    defects: &Defects,
) -> Result<Signed, Refusal> {
    let ceremony = Ceremony {
        exchange,
        expected,
        defects,
    };
    if defects.has(Defect::AssertionOptional) && exchange.response.get("response").is_none() {
        return ceremony.without_assertion();
    }
    let response = ceremony.step_3_response()?;
    ceremony.step_4_extension_results()?;
    ceremony.step_5_allowed(&response)?;
    let record = ceremony.step_6_identify(&response)?;
    let data = ceremony.step_7_authenticator_data(&response)?;
    let parsed = ceremony.steps_8_9_client_data(&response)?;
    let client_data = client_data::Check {
        client_data: &parsed,
        expected,
        defects,
    };
    ceremony.step_10_type(&client_data)?;
    ceremony.step_11_challenge(&client_data)?;
    ceremony.step_12_origin(&client_data)?;
    ceremony.step_13_cross_origin(&client_data)?;
    ceremony.step_14_top_origin(&client_data)?;
    let flags = flags::Check {
        data: &data,
        expected,
        defects,
    };
    ceremony.step_15_rp_id_hash(&flags)?;
    ceremony.step_16_user_present(&flags)?;
    ceremony.step_17_user_verified(&flags)?;
    ceremony.step_18_backup_state(&flags)?;
    ceremony.step_19_backup_eligibility(&data, record)?;
    let hash = ceremony.step_20_hash(&response);
    ceremony.step_21_signature(&response, &data, &hash, record)?;
    ceremony.step_22_sign_count(&data, record)?;
    // Step 23: outputs of extensions are left alone, asked for or not; what `appid` says was heeded in step 15. Step 24 updates the record when nothing refuses.
    keep_policy(
        record,
        &exchange.situation.subject,
        false,
        expected,
        defects,
    )?;
    let mut user = exchange.identified.as_ref().unwrap_or(&record.user).clone();
    if defects.has(Defect::UserOfFinishBody)
        && let Some(named) = exchange.response["username"].as_str()
    {
        named.clone_into(&mut user);
    }
    Ok(Signed {
        user,
        sign_count: data.sign_count,
        backup_state: data.has(AuthenticatorData::BS),
        backup_eligible: data.has(AuthenticatorData::BE),
        user_verified: data.has(AuthenticatorData::UV),
    })
}

/// The response's members, decoded.
struct Response<'a> {
    raw_id: Vec<u8>,
    client_data_json: Vec<u8>,
    authenticator_data: Vec<u8>,
    signature: Vec<u8>,
    user_handle: Option<&'a Value>,
}

struct Ceremony<'a> {
    exchange: &'a Authentication,
    expected: &'a Expected,
    defects: &'a Defects,
}

impl<'a> Ceremony<'a> {
    const fn json(&self) -> Json<'a> {
        Json {
            response: &self.exchange.response,
            defects: self.defects,
        }
    }

    /// Signs in whoever owns the credential that is named.
    fn without_assertion(&self) -> Result<Signed, Refusal> {
        let Some((record, _)) = &self.exchange.record else {
            return refuse("auth.6", "the credential is not known");
        };
        Ok(Signed {
            user: record.user.clone(),
            sign_count: record.sign_count,
            backup_state: record.backup_state,
            backup_eligible: record.synced,
            user_verified: false,
        })
    }

    fn step_3_response(&self) -> Result<Response<'a>, Refusal> {
        let json = self.json();
        json.is_of_ceremony("auth.3", "attestationObject")?;
        Ok(Response {
            raw_id: json.raw_id()?,
            client_data_json: json.bytes("/response/clientDataJSON")?,
            authenticator_data: json.bytes("/response/authenticatorData")?,
            signature: json.bytes("/response/signature")?,
            user_handle: self
                .exchange
                .response
                .pointer("/response/userHandle")
                .filter(|handle| !handle.is_null()),
        })
    }

    fn step_4_extension_results(&self) -> Result<(), Refusal> {
        self.json().extension_results()
    }

    fn step_5_allowed(&self, response: &Response<'_>) -> Result<(), Refusal> {
        let allowed = &self.exchange.allowed;
        if allowed.is_empty()
            || allowed.contains(&response.raw_id)
            || self.defects.has(Defect::AllowCredentialsIgnored)
        {
            return Ok(());
        }
        refuse(
            "auth.5",
            "the credential is not among those that were allowed",
        )
    }

    fn step_6_identify(&self, response: &Response<'_>) -> Result<&'a Record, Refusal> {
        let Some((record, handle)) = &self.exchange.record else {
            return refuse("auth.6", "the credential is not known");
        };
        let identified = self.exchange.identified.as_ref();
        let of_another = identified.is_some_and(|user| *user != record.user);
        if of_another && !self.defects.has(Defect::CredentialOwnerNotCompared) {
            return refuse("auth.6", "the credential belongs to another user");
        }
        let is_owners = |sent: &Value| {
            let sent = sent.as_str().and_then(|text| self.json().decoded(text));
            sent.as_ref() == Some(handle)
        };
        match response.user_handle {
            Some(sent) if !is_owners(sent) && !self.defects.has(Defect::UserHandleNotCompared) => {
                refuse("auth.6", "the user handle is another user's, or none")
            }
            None if identified.is_none()
                && !self.defects.has(Defect::MissingUserHandleAccepted) =>
            {
                refuse("auth.6", "nobody was named, and there is no user handle")
            }
            _ => Ok(record),
        }
    }

    fn step_7_authenticator_data(
        &self,
        response: &Response<'_>,
    ) -> Result<AuthenticatorData, Refusal> {
        match AuthenticatorData::parse(&response.authenticator_data, self.defects) {
            Ok(data) if data.attested.is_none() => Ok(data),
            Ok(_) => refuse("auth.7", "an assertion carries no attested credential data"),
            Err(message) => refuse("auth.7", message),
        }
    }

    fn steps_8_9_client_data(
        &self,
        response: &Response<'_>,
    ) -> Result<serde_json::Map<String, Value>, Refusal> {
        client_data::parse("auth.9", &response.client_data_json, self.defects)
    }

    fn step_10_type(&self, client_data: &client_data::Check<'_>) -> Result<(), Refusal> {
        client_data.kind("auth.10", "webauthn.get", Defect::AuthTypeNotCompared)
    }

    fn step_11_challenge(&self, client_data: &client_data::Check<'_>) -> Result<(), Refusal> {
        client_data.challenge("auth.11", self.exchange.challenge.as_deref())
    }

    fn step_12_origin(&self, client_data: &client_data::Check<'_>) -> Result<(), Refusal> {
        client_data.origin("auth.12")
    }

    fn step_13_cross_origin(&self, client_data: &client_data::Check<'_>) -> Result<(), Refusal> {
        client_data.cross_origin("auth.13")
    }

    fn step_14_top_origin(&self, client_data: &client_data::Check<'_>) -> Result<(), Refusal> {
        client_data.top_origin("auth.14")
    }

    /// Where the AppID was asked for and used, the hash is that of the AppID and not of the RP ID (10.1.1).
    fn step_15_rp_id_hash(&self, flags: &flags::Check<'_>) -> Result<(), Refusal> {
        let output = self
            .exchange
            .response
            .pointer("/clientExtensionResults/appid");
        let used = output == Some(&Value::Bool(true));
        let rp_id = self.expected.rp_id.as_str();
        let asked = self
            .exchange
            .extensions
            .get("appid")
            .and_then(Value::as_str);
        match asked {
            Some(app_id) if self.defects.has(Defect::AppIdIsAnotherRpId) => {
                flags.rp_id_hash("auth.15", &[rp_id, app_id])
            }
            Some(app_id) if used => flags.rp_id_hash("auth.15", &[app_id]),
            _ => flags.rp_id_hash("auth.15", &[rp_id]),
        }
    }

    fn step_16_user_present(&self, flags: &flags::Check<'_>) -> Result<(), Refusal> {
        flags.user_present("auth.16")
    }

    fn step_17_user_verified(&self, flags: &flags::Check<'_>) -> Result<(), Refusal> {
        flags.user_verified("auth.17")
    }

    fn step_18_backup_state(&self, flags: &flags::Check<'_>) -> Result<(), Refusal> {
        flags.backup_state("auth.18")
    }

    fn step_19_backup_eligibility(
        &self,
        data: &AuthenticatorData,
        record: &Record,
    ) -> Result<(), Refusal> {
        let strict = self.expected.switches.backup_eligibility_at_sign_in
            == BackupEligibilityAtSignIn::WebauthnStrict;
        let stored = record.backup_eligible;
        let unknown_is_false = self.defects.has(Defect::MissingBackupEligibilityIsFalse);
        let stored = stored.or(unknown_is_false.then_some(false));
        let changed = stored.is_some_and(|stored| stored != data.has(AuthenticatorData::BE));
        if changed && strict && !self.defects.has(Defect::BackupEligibilityChangeAccepted) {
            return refuse(
                "auth.19",
                "eligibility for backup changed since registration",
            );
        }
        Ok(())
    }

    fn step_20_hash(&self, response: &Response<'_>) -> Vec<u8> {
        client_data::hash(&response.client_data_json)
    }

    fn step_21_signature(
        &self,
        response: &Response<'_>,
        data: &AuthenticatorData,
        hash: &[u8],
        record: &Record,
    ) -> Result<(), Refusal> {
        let signed = [data.bytes.as_slice(), hash].concat();
        let sig = &response.signature;
        let verified = record.key.verifies(&signed, sig)
            || record.key.verifies_carelessly(&signed, sig, self.defects)
            || (self.defects.has(Defect::ClientDataNotSigned)
                && record.key.verifies(&data.bytes, sig));
        if verified || self.defects.has(Defect::AssertionSignatureNotVerified) {
            return Ok(());
        }
        refuse("auth.21", "the signature is wrong")
    }

    /// Counters that stay zero say that the authenticator has none.
    fn step_22_sign_count(&self, data: &AuthenticatorData, record: &Record) -> Result<(), Refusal> {
        let (new, stored) = (data.sign_count, record.sign_count);
        let rose = if self.defects.has(Defect::SignCountEqualAccepted) {
            new >= stored
        } else if self.defects.has(Defect::SignCountReadAsSigned) {
            new.cast_signed() > stored.cast_signed()
        } else {
            new > stored
        };
        let counts = new != 0 || stored != 0;
        let refuses =
            self.expected.counter_must_rise && !self.defects.has(Defect::SignCountNotCompared);
        if counts && !rose && refuses {
            return refuse("auth.22", "the signature counter did not rise");
        }
        Ok(())
    }
}
