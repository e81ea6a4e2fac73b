//! The end of a ceremony: what is verified, recorded and stored.

use serde_json::{Value, json};

use super::{
    memory::{Ceremony, Memory, Session, random_id},
    state::Answer,
};
use crate::{
    defects::Defect,
    parse::{AuthenticatorData, base64url, to_base64url},
    recorded::Recorded,
    verify::{
        Authentication, Expected, Record, Refusal, Registration, Signed, Situation, refuse,
        verify_authentication, verify_registration,
    },
};

impl Memory {
    pub(super) fn let_in(&mut self, user: String, session: Session) -> String {
        let session = Session {
            user: Some(user),
            mfa_at: self.now(),
            pending: None,
            enrols: None,
            ..session
        };
        let id = random_id();
        self.sessions.insert(id.clone(), session);
        id
    }

    /// Gives a session another id; returns that.
    pub(super) fn rename_session(&mut self, from: &str, to: &str) -> String {
        if let Some(session) = self.sessions.remove(from) {
            self.sessions.insert(to.to_owned(), session);
        }
        to.to_owned()
    }

    /// Signs the owner of a credential in before the assertion is verified.
    pub(super) fn let_in_early(&mut self, session: Option<&str>, response: &Value) {
        if !self.defects.has(Defect::SessionGrantedBeforeVerification) {
            return;
        }
        let owner = self
            .find(response)
            .map(|index| self.records[index].user.clone());
        let session = session.and_then(|session| self.sessions.get_mut(session));
        if let (Some(owner), Some(session)) = (owner, session) {
            session.user = Some(owner);
        }
    }

    /// Finds the record of the credential that a response names.
    fn find(&self, response: &Value) -> Option<usize> {
        let text = response["rawId"].as_str()?;
        let id = base64url(text)?;
        let any_case = self
            .defects
            .has(Defect::CredentialIdComparedCaseInsensitively);
        self.records.iter().position(|record| {
            record.id == id || (any_case && to_base64url(&record.id).eq_ignore_ascii_case(text))
        })
    }

    pub(super) fn finish_registration(
        &mut self,
        user: String,
        situation: Situation,
        ceremony: Option<Ceremony>,
        response: Value,
    ) -> Answer {
        let expected = self.expected_of(ceremony.as_ref());
        let conditional = ceremony.as_ref().is_some_and(|begun| begun.conditional);
        let begun = ceremony.as_ref();
        let extensions = begun.map(|ceremony| ceremony.extensions.clone());
        let (challenge, read_before) = ceremony
            .map(|ceremony| (ceremony.challenge, ceremony.registered))
            .unzip();
        let overwrites = self.defects.has(Defect::CredentialIdOverwrites);
        let registered = match read_before.flatten() {
            _ if overwrites => Vec::new(),
            Some(before) => before,
            None => self.credential_ids(),
        };
        let exchange = Box::new(Registration {
            response,
            conditional,
            extensions: extensions.unwrap_or_default(),
            challenge,
            user,
            registered,
            situation,
        });
        let result = verify_registration(&exchange, &expected, &self.defects);
        if result.is_err() && self.defects.has(Defect::RecordReplacedOnRefusal) {
            self.replace(&exchange, &expected);
        }
        self.record(Recorded::Registration {
            exchange,
            expected,
            refused: result.as_ref().err().cloned(),
        });
        let mut record = result?;
        if self.defects.has(Defect::SignCountStartsAtZero) {
            record.sign_count = 0;
        }
        if self.legacy_records {
            record.backup_eligible = None;
        }
        let answer = json!({
            "credentialId": to_base64url(&record.id),
            "passkeyType": passkey_type(&record),
            "attestationLevel": attestation_level(&record),
        });
        if overwrites {
            self.records.retain(|other| other.id != record.id);
        }
        self.records.push(record);
        Ok(answer)
    }

    /// Stores a new key under a credential ID that is known, and only then asks whether it is.
    fn replace(&mut self, exchange: &Registration, expected: &Expected) {
        let unaware = Registration {
            registered: Vec::new(),
            ..exchange.clone()
        };
        if let Ok(new) = verify_registration(&unaware, expected, &self.defects)
            && let Some(record) = self.records.iter_mut().find(|record| record.id == new.id)
        {
            record.key = new.key;
        }
    }

    /// Returns the user who signed in; `already` is who was signed in in the session before.
    pub(super) fn finish_authentication(
        &mut self,
        already: Option<String>,
        ceremony: Option<Ceremony>,
        response: Value,
    ) -> Result<String, Refusal> {
        let identified = ceremony.as_ref().and_then(|begun| begun.username.clone());
        self.finish_authentication_of(identified, already, ceremony, response)
    }

    /// Does the same where another than the options may say who was identified before.
    pub(super) fn finish_authentication_of(
        &mut self,
        identified: Option<String>,
        already: Option<String>,
        ceremony: Option<Ceremony>,
        response: Value,
    ) -> Result<String, Refusal> {
        let expected = self.expected_of(ceremony.as_ref());
        let index = self.find(&response);
        let record = index.map(|index| self.records[index].clone());
        let owner = record
            .as_ref()
            .map(|record| record.user.clone())
            .unwrap_or_default();
        let begun = ceremony.as_ref();
        let whose = already.filter(|_| self.defects.has(Defect::SessionUserCountsAsOwner));
        let exchange = Box::new(Authentication {
            response,
            extensions: begun
                .map(|ceremony| ceremony.extensions.clone())
                .unwrap_or_default(),
            identified: whose.clone().or_else(|| identified.clone()),
            allowed: begun
                .map(|ceremony| ceremony.allowed.clone())
                .unwrap_or_default(),
            challenge: ceremony.map(|ceremony| ceremony.challenge),
            record: record.map(|record| (record, self.user_handle(&owner))),
            situation: self.situation(&owner, self.now()),
        });
        let result = verify_authentication(&exchange, &expected, &self.defects);
        if result.is_err() && self.defects.has(Defect::SignCountStoredOnFailure) {
            self.store_count(index, &exchange.response);
        }
        self.record(Recorded::Authentication {
            exchange,
            expected,
            refused: result.as_ref().err().cloned(),
        });
        let signed = result?;
        // Step 24 comes after checks of the relying party's own.
        if self.disabled.contains(&signed.user) && !self.defects.has(Defect::DisabledAccountSignsIn)
        {
            return refuse("auth.25", "the account is disabled");
        }
        if let Some(index) = index {
            self.step_24_update(index, &signed);
        }
        Ok(identified
            .filter(|_| whose.is_some())
            .unwrap_or(signed.user))
    }

    /// Updates the record; user verification that was never shown before would need another factor beside it.
    fn step_24_update(&mut self, index: usize, signed: &Signed) {
        let defects = self.defects;
        let Some(record) = self.records.get_mut(index) else {
            return;
        };
        if !defects.has(Defect::SignCountNotUpdated) {
            record.sign_count = signed.sign_count;
        }
        if !defects.has(Defect::BackupStateNotUpdated) {
            record.backup_state = signed.backup_state;
        }
        record.backup_eligible.get_or_insert(signed.backup_eligible);
        if defects.has(Defect::UvInitializedWithoutOtherFactor) {
            record.uv_initialized |= signed.user_verified;
        }
    }

    /// Stores the counter of an assertion that was refused.
    fn store_count(&mut self, index: Option<usize>, response: &Value) {
        let defects = self.defects;
        let data = response.pointer("/response/authenticatorData");
        let data = data.and_then(Value::as_str).and_then(base64url);
        let data = data.and_then(|bytes| AuthenticatorData::parse(&bytes, &defects).ok());
        let record = index.and_then(|index| self.records.get_mut(index));
        if let (Some(data), Some(record)) = (data, record) {
            record.sign_count = data.sign_count;
        }
    }
}

pub(super) fn passkey_type(record: &Record) -> &'static str {
    if record.synced {
        "synced"
    } else {
        "deviceBound"
    }
}

pub(super) fn attestation_level(record: &Record) -> &'static str {
    if record.attested {
        "attested"
    } else {
        "notAttested"
    }
}
