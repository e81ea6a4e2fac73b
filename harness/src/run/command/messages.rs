//! What an adapter is asked.

use std::time::{SystemTime, UNIX_EPOCH};

use passkey_authenticators::client::from_base64url;
use passkey_model::{provider::Algorithm, scenario::CeremonyKind, target::Target};
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

/// The settings that are told with every ceremony.
const TOLD: [&str; 3] = ["user-verification", "attestation", "resident-key"];

/// What an adapter made of a question for options, and wants back.
pub(crate) struct Asked {
    pub(crate) ceremony: CeremonyKind,
    pub(crate) options: Value,
    pub(crate) state: Value,
}

/// What a row wants of a library.
#[derive(Clone)]
pub(crate) struct Settings {
    rp_id: String,
    name: String,
    origin: String,
    /// `user-verification`, `attestation`, `resident-key`, and `algorithms` as numbers.
    told: Map<String, Value>,
    cross_origin: Value,
    top_origins: Value,
    /// Whether it is a conditional registration.
    conditional: bool,
}

impl Settings {
    /// Reads what a row wants, in the words of target files.
    pub(crate) fn of(target: &Target, wanted: &Value) -> Self {
        let is_set = |name: &&str| wanted.get(*name).is_some_and(|value| !value.is_null());
        let mut told: Map<String, Value> = TOLD
            .into_iter()
            .filter(is_set)
            .map(|name| (name.to_owned(), wanted[name].clone()))
            .collect();
        if let Ok(algorithms) = Vec::<Algorithm>::deserialize(&wanted["algorithms"]) {
            let numbers: Vec<i64> = algorithms.into_iter().map(Algorithm::cose).collect();
            told.insert("algorithms".to_owned(), json!(numbers));
        }
        Self {
            rp_id: target.rp_id.clone(),
            name: target.target.clone(),
            origin: target.origin.clone(),
            told,
            cross_origin: json!(wanted["cross-origin-expected"] == true),
            top_origins: match &wanted["top-origins"] {
                Value::Null => json!([]),
                origins => origins.clone(),
            },
            conditional: false,
        }
    }

    /// Returns them with what a request for options asks for.
    pub(crate) fn asked(&self, request: &Value) -> Self {
        let mut asked = self.clone();
        for (name, member) in [
            ("attestation", "attestation"),
            ("user-verification", "userVerification"),
        ] {
            if let Some(value) = request.get(member) {
                asked.told.insert(name.to_owned(), value.clone());
            }
        }
        asked.conditional = request["mediation"] == "conditional";
        asked
    }

    pub(crate) fn registration(&self, user: &str, handle: &str, exclude: &Value) -> Value {
        json!({
            "do": "options",
            "ceremony": "registration",
            "rp": { "id": self.rp_id, "name": self.name },
            "user": { "id": handle, "name": user, "displayName": user },
            "exclude": exclude,
            "conditional": self.conditional,
            "settings": self.told,
        })
    }

    pub(crate) fn authentication(&self, allow: &Value) -> Value {
        json!({
            "do": "options",
            "ceremony": "authentication",
            "rp": { "id": self.rp_id, "name": self.name },
            "allow": allow,
            "settings": self.told,
        })
    }

    /// Asks whether a response is good, at this time.
    pub(crate) fn verification(&self, asked: &Asked, response: &Value) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let mut expected = self.told.clone();
        expected.extend([
            ("challenge".to_owned(), asked.options["challenge"].clone()),
            ("origin".to_owned(), json!(self.origin)),
            ("rp-id".to_owned(), json!(self.rp_id)),
            ("cross-origin".to_owned(), self.cross_origin.clone()),
            ("top-origins".to_owned(), self.top_origins.clone()),
        ]);
        json!({
            "do": "verify",
            "ceremony": name(asked.ceremony),
            "options": asked.options,
            "state": asked.state,
            "response": response,
            "expected": expected,
            "now": now.map_or(0, |now| now.as_secs()),
        })
    }
}

const fn name(ceremony: CeremonyKind) -> &'static str {
    match ceremony {
        CeremonyKind::Registration => "registration",
        CeremonyKind::Authentication => "authentication",
    }
}

/// Returns the transports that the response to a registration tells, as far as they are any.
pub(super) fn transports(response: &Value) -> Value {
    let told = response.pointer("/response/transports");
    let told = told.and_then(Value::as_array).into_iter().flatten();
    told.filter(|transport| transport.is_string())
        .cloned()
        .collect()
}

/// Tells whether something is the ID of a credential, known or not.
pub(super) fn is_id(id: &Value) -> bool {
    let bytes = id.as_str().and_then(from_base64url);
    bytes.is_some_and(|bytes| !bytes.is_empty())
}
