//! Members of the response's JSON (WebAuthn L3, 5.1): what is missing or of another type is refused as `parse`.

use serde_json::Value;

use super::{Refusal, refuse};
use crate::{
    defects::{Defect, Defects},
    parse::{any_base64, base64url},
};

/// The JSON of a response in the hands of one ceremony.
pub(super) struct Json<'a> {
    pub response: &'a Value,
    pub defects: &'a Defects,
}

impl Json<'_> {
    /// Finds a text.
    fn text(&self, pointer: &str) -> Result<&str, Refusal> {
        match self.response.pointer(pointer).and_then(Value::as_str) {
            Some(text) => Ok(text),
            None => refuse("parse", format!("{pointer} is missing or no text")),
        }
    }

    /// Finds bytes.
    pub(super) fn bytes(&self, pointer: &str) -> Result<Vec<u8>, Refusal> {
        match self.decoded(self.text(pointer)?) {
            Some(bytes) => Ok(bytes),
            None => refuse("parse", format!("{pointer} is not base64url")),
        }
    }

    pub(super) fn decoded(&self, text: &str) -> Option<Vec<u8>> {
        if self.defects.has(Defect::Base64ReadLeniently) {
            any_base64(text)
        } else {
            base64url(text)
        }
    }

    /// Finds the raw ID, which has to be what `id` says.
    pub(super) fn raw_id(&self) -> Result<Vec<u8>, Refusal> {
        let raw_id = self.bytes("/rawId")?;
        if !self.defects.has(Defect::IdIgnored) && self.bytes("/id")? != raw_id {
            return refuse("parse", "id and rawId differ");
        }
        Ok(raw_id)
    }

    /// Step 3: a public key credential, whose response is an object without the member that only the other ceremony's has.
    pub(super) fn is_of_ceremony(&self, step: &str, of_the_other: &str) -> Result<(), Refusal> {
        let ignored = self.defects.has(Defect::CredentialTypeIgnored);
        if !ignored && self.text("/type")? != "public-key" {
            return refuse(step, "this is no public key credential");
        }
        match self.response.get("response") {
            Some(Value::Object(members)) if !members.contains_key(of_the_other) => Ok(()),
            Some(Value::Object(_)) => refuse(step, "this is the response of the other ceremony"),
            _ => refuse(step, "/response is missing or no object"),
        }
    }

    /// Takes the extensions' outputs: unsolicited and missing ones are left alone.
    pub(super) fn extension_results(&self) -> Result<(), Refusal> {
        match self.response.get("clientExtensionResults") {
            None | Some(Value::Null | Value::Object(_)) => Ok(()),
            Some(_) => refuse("parse", "/clientExtensionResults is no object"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn json_of<'a>(response: &'a Value, defects: &'a Defects) -> Json<'a> {
        Json { response, defects }
    }

    #[test]
    fn two_credentials_in_one_response_are_none() {
        let ignored = Defects::from(Defect::IdIgnored);
        for id in [json!("AQIE"), json!("AQID="), json!(7), Value::Null] {
            let response = json!({ "id": id, "rawId": "AQID" });
            assert!(json_of(&response, &Defects::NONE).raw_id().is_err(), "{id}");
            let raw_id = json_of(&response, &ignored).raw_id().unwrap();
            assert_eq!(raw_id, [1, 2, 3], "{id}");
        }
        let same = json!({ "id": "AQID", "rawId": "AQID" });
        assert!(json_of(&same, &Defects::NONE).raw_id().is_ok());
    }

    #[test]
    fn the_other_ceremonys_response_is_refused_at_the_step() {
        let reasons = |response: &Value, defects: &Defects| {
            let found = json_of(response, defects).is_of_ceremony("auth.3", "attestationObject");
            found.err().map(|refusal| refusal.reasons.concat())
        };
        let ignored = Defects::from(Defect::CredentialTypeIgnored);
        for (response, reason, with_defect) in [
            (json!({ "type": "public-key", "response": {} }), None, None),
            (
                json!({ "type": "public-key" }),
                Some("auth.3"),
                Some("auth.3"),
            ),
            (
                json!({ "type": "public-key", "response": { "attestationObject": "" } }),
                Some("auth.3"),
                Some("auth.3"),
            ),
            (
                json!({ "type": "password", "response": {} }),
                Some("auth.3"),
                None,
            ),
            (json!({ "response": {} }), Some("parse"), None),
            (json!([]), Some("parse"), Some("auth.3")),
        ] {
            assert_eq!(
                reasons(&response, &Defects::NONE).as_deref(),
                reason,
                "{response}"
            );
            assert_eq!(
                reasons(&response, &ignored).as_deref(),
                with_defect,
                "{response}"
            );
        }
    }
}
