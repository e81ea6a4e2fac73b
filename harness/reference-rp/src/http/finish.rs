//! The end of a ceremony: what is verified, recorded and stored.

use serde_json::{Value, json};

use super::{
    memory::{Ceremony, Memory, Session, random_id, user_handle},
    state::Answer,
};
use crate::{
    defects::Defect,
    parse::{base64url, to_base64url},
    recorded::Recorded,
    verify::{
        Authentication, Record, Refusal, Registration, Situation, verify_authentication,
        verify_registration,
    },
};

impl Memory {
    pub(super) fn let_in(&mut self, user: String, session: Session) -> String {
        let session = Session {
            user: Some(user),
            mfa_at: self.now(),
            ..session
        };
        let id = random_id();
        self.sessions.insert(id.clone(), session);
        id
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
        let exchange = Box::new(Registration {
            response,
            conditional,
            challenge: ceremony.map(|ceremony| ceremony.challenge),
            user,
            registered: self
                .records
                .iter()
                .map(|record| record.id.clone())
                .collect(),
            situation,
        });
        let result = verify_registration(&exchange, &expected, &self.defects);
        self.record(Recorded::Registration {
            exchange,
            expected,
            refused: result.as_ref().err().cloned(),
        });
        let record = result?;
        let answer = json!({
            "credentialId": to_base64url(&record.id),
            "passkeyType": passkey_type(&record),
            "attestationLevel": attestation_level(&record),
        });
        self.records.push(record);
        Ok(answer)
    }

    /// Returns the user who signed in.
    pub(super) fn finish_authentication(
        &mut self,
        ceremony: Option<Ceremony>,
        response: Value,
    ) -> Result<String, Refusal> {
        let expected = self.expected_of(ceremony.as_ref());
        let id = response["rawId"].as_str().and_then(base64url);
        let index = self
            .records
            .iter()
            .position(|record| Some(&record.id) == id.as_ref());
        let record = index.map(|index| self.records[index].clone());
        let owner = record
            .as_ref()
            .map(|record| record.user.clone())
            .unwrap_or_default();
        let begun = ceremony.as_ref();
        let exchange = Box::new(Authentication {
            response,
            identified: begun.and_then(|ceremony| ceremony.username.clone()),
            allowed: begun
                .map(|ceremony| ceremony.allowed.clone())
                .unwrap_or_default(),
            challenge: ceremony.map(|ceremony| ceremony.challenge),
            record: record.map(|record| (record, user_handle(&owner))),
            situation: self.situation(&owner, self.now()),
        });
        let result = verify_authentication(&exchange, &expected, &self.defects);
        self.record(Recorded::Authentication {
            exchange,
            expected,
            refused: result.as_ref().err().cloned(),
        });
        let signed = result?;
        if let Some(record) = index.and_then(|index| self.records.get_mut(index)) {
            // Step 24 of 7.2.
            if !self.defects.has(Defect::SignCountNotUpdated) {
                record.sign_count = signed.sign_count;
            }
            record.backup_state = signed.backup_state;
        }
        Ok(signed.user)
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
