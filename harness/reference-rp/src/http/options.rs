//! Makes options: their challenge, what they ask for, and the passkeys that they list (WebAuthn L3, 5.4 and 5.5).

use aws_lc_rs::{
    digest::{SHA256, SHA512, digest},
    hmac::sign,
};
use serde_json::{Value, json};

use super::memory::{Ceremony, Memory, random};
use crate::{
    defects::Defect,
    parse::{base64url, to_base64, to_base64url},
};

/// From the weakest to the strongest (WebAuthn L3, 5.8.6).
const VERIFICATION: [&str; 3] = ["discouraged", "preferred", "required"];

impl Memory {
    /// Makes a challenge: 32 random bytes (13.4.3).
    pub(super) fn challenge(&mut self) -> Vec<u8> {
        self.challenges += 1;
        if self.defects.has(Defect::ChallengeFixed) {
            return b"randomStringFromTheServer".to_vec();
        }
        if self.defects.has(Defect::ChallengeFromClock) {
            return [self.now().to_be_bytes(), self.challenges.to_be_bytes()].concat();
        }
        let mut challenge = random().to_vec();
        if self.defects.has(Defect::ChallengeTooShort) {
            challenge.truncate(8);
        }
        challenge
    }

    /// Grants what a request for options wishes, as far as it may: more user verification than usual, never less.
    pub(super) fn grant(&self, ceremony: &mut Ceremony, request: &Value) {
        let wish = request["userVerification"].as_str();
        if let Some(wish) = wish.filter(|wish| VERIFICATION.contains(wish)) {
            let rank = |word: &str| VERIFICATION.iter().position(|known| *known == word);
            if rank(wish) > rank(&self.expected.user_verification)
                || self.defects.has(Defect::UserVerificationFromClient)
            {
                ceremony.user_verification = Some(wish.to_owned());
            }
        }
        let challenge = request["challenge"].as_str().and_then(base64url);
        if let Some(challenge) = challenge
            && self.defects.has(Defect::ChallengeFromClient)
        {
            ceremony.challenge = challenge;
        }
    }

    /// Returns the user verification that the options of a ceremony ask for.
    pub(super) fn asked_verification<'a>(&'a self, ceremony: &'a Ceremony) -> &'a str {
        if self.defects.has(Defect::OptionsFromTemplate) {
            return "preferred";
        }
        let own = ceremony.user_verification.as_ref();
        own.unwrap_or(&self.expected.user_verification)
    }

    /// Makes the options of a registration, and notes in its ceremony which extensions they ask for.
    pub(super) fn creation_options(&self, name: &str, ceremony: &mut Ceremony) -> Value {
        let from_template = self.defects.has(Defect::OptionsFromTemplate);
        let excluded = if self.defects.has(Defect::ExcludeListEmpty) {
            json!([])
        } else {
            let listed = self.listed(name).into_iter();
            listed.map(|id| self.descriptor(&id)).collect()
        };
        let algorithms = self.expected.algorithms.iter();
        let mut parameters: Value = algorithms
            .map(|alg| json!({ "type": "public-key", "alg": alg }))
            .collect();
        if self.defects.has(Defect::AlgorithmByName)
            && let Some(last) = parameters.as_array_mut().and_then(|all| all.last_mut())
        {
            last["alg"] = json!("RS256");
        }
        let mut extensions = self.registration_extensions.clone();
        extensions.insert("credProps".to_owned(), json!(true));
        if let Some(policy) = &self.credential_protection {
            extensions.insert("credentialProtectionPolicy".to_owned(), json!(policy));
        }
        ceremony.extensions.clone_from(&extensions);
        let mut options = json!({
            "rp": { "id": self.expected.rp_id, "name": "Reference RP" },
            "user": { "id": to_base64url(&self.user_handle(name)), "name": name, "displayName": name },
            "challenge": to_base64url(&ceremony.challenge),
            "pubKeyCredParams": null,
            "timeout": self.options_timeout,
            "excludeCredentials": null,
            "authenticatorSelection": {
                "residentKey": self.resident_key,
                "requireResidentKey": self.resident_key == "required" && !from_template,
                "userVerification": self.asked_verification(ceremony),
            },
            "attestation": if from_template { "direct" } else { &self.expected.attestation },
            "extensions": extensions,
        });
        // The macro would make a second list of each.
        options["pubKeyCredParams"] = parameters;
        options["excludeCredentials"] = excluded;
        options
    }

    /// Lists the credentials of a named user; nobody learns from it whether there is such a user (14.6.2).
    pub(super) fn allowed_for(&self, username: &str) -> Vec<Vec<u8>> {
        if !self.lists_credentials {
            return Vec::new();
        }
        let allowed = self.listed(username);
        if allowed.is_empty() && !self.defects.has(Defect::UnknownUserTells) {
            if self.defects.has(Defect::DecoysRandom) {
                return vec![random().to_vec()];
            }
            // The same ID every time, as if it were a credential's.
            let decoy = sign(&self.secret, format!("passkey of {username}").as_bytes());
            return vec![decoy.as_ref().to_vec()];
        }
        allowed
    }

    /// Lists the credentials of a user.
    pub(super) fn listed(&self, user: &str) -> Vec<Vec<u8>> {
        let everybody = self.defects.has(Defect::ListsOfEverybody);
        let records = self.records.iter();
        records
            .filter(|record| everybody || record.user == user)
            .map(|record| record.id.clone())
            .collect()
    }

    /// Describes a credential, or one that is made up, as if it were a phone's.
    pub(super) fn descriptor(&self, id: &[u8]) -> Value {
        let record = self.records.iter().find(|record| record.id == id);
        let transports = record.map_or_else(
            || json!(["hybrid", "internal"]),
            |record| json!(record.transports),
        );
        if self.defects.has(Defect::DescriptorsAsStored) {
            return json!({ "id": to_base64(id), "transports": transports });
        }
        json!({ "type": "public-key", "id": to_base64url(id), "transports": transports })
    }

    /// Opaque, stable, and not to be told from the name (14.6.1): 64 bytes.
    pub(super) fn user_handle(&self, name: &str) -> Vec<u8> {
        if self.defects.has(Defect::UserIdIsTheName) {
            return name.as_bytes().to_vec();
        }
        if self.defects.has(Defect::UserIdIsAHashOfTheName) {
            return digest(&SHA256, name.as_bytes()).as_ref().to_vec();
        }
        if self.defects.has(Defect::UserIdFixed) {
            return b"UZSL85T9AFC".to_vec();
        }
        digest(&SHA512, format!("user handle {name}").as_bytes())
            .as_ref()
            .to_vec()
    }
}
