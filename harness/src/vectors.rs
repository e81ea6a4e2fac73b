//! Plays the test vectors of WebAuthn L3, section 16, through an adapter: each has to be taken, with its challenges and at a time at
//! which its certificates are good.

use std::{fs, path::Path};

use passkey_authenticators::client::base64url;
use passkey_model::scenario::CeremonyKind;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    run::{Asked, Heard, Settings, accepts, hear, options_in},
    target::{Ability, Lease, ReadyTarget},
};

/// 2026-01-01, inside the validity of the certificates.
const NOW: u64 = 1_767_225_600;
/// The algorithms that the names of vectors hold.
const ALGORITHMS: [(&str, &str); 6] = [
    ("es256", "ES256"),
    ("es384", "ES384"),
    ("es512", "ES512"),
    ("rs256", "RS256"),
    ("eddsa", "EdDSA"),
    ("ed448", "Ed448"),
];
const USER_HANDLE: &[u8] = b"user handle";

/// The file with the vectors: its members as the specification names them, bytes in hexadecimal.
#[derive(Clone, Debug, Deserialize)]
pub struct Vectors {
    /// The RP ID.
    pub rp_id: String,
    /// The origin.
    pub origin: String,
    top_origin: String,
    vectors: Vec<Vector>,
}

#[derive(Clone, Debug, Deserialize)]
struct Vector {
    id: String,
    registration: Value,
    authentication: Value,
}

/// Says why there are no vectors.
#[derive(Debug, thiserror::Error)]
#[error(
    "{file}: {cause}; expected a JSON file with the test vectors of WebAuthn Level 3, section 16"
)]
pub struct VectorsError {
    file: String,
    cause: String,
}

/// What became of a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Both ceremonies were accepted.
    Accepted,
    /// It was refused, in the library's words.
    Refused(String),
    /// The library cannot do it.
    Skipped(String),
    /// The library or its adapter broke.
    Failed(String),
}

impl Vectors {
    /// Reads the vectors.
    ///
    /// # Errors
    /// When the file cannot be read, or is another.
    pub fn read(file: &Path) -> Result<Self, VectorsError> {
        let failed = |cause: String| VectorsError {
            file: file.display().to_string(),
            cause,
        };
        let text = fs::read(file).map_err(|error| failed(error.to_string()))?;
        let read: Self =
            serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
        let complete = read.vectors.iter().any(Vector::is_exchange);
        complete
            .then_some(read)
            .ok_or_else(|| failed("it has no exchange".to_owned()))
    }

    /// Returns the root of the attestation certificates.
    #[must_use]
    pub fn root(&self) -> Option<Vec<u8>> {
        let mut roots = self.vectors.iter();
        roots.find_map(|vector| bytes(&vector.registration, "attestation_ca_cert"))
    }

    /// Plays them one after the other; returns each one's name with what became of it.
    ///
    /// The target has this file's RP ID and origin.
    pub async fn play(&self, target: &ReadyTarget) -> Vec<(String, Shown)> {
        let Some(adapters) = &target.adapters else {
            return Vec::new();
        };
        let mut lease = adapters.lease().await;
        let mut played = Vec::new();
        for vector in self.vectors.iter().filter(|vector| vector.is_exchange()) {
            let settings = self.settings(target, vector);
            let shown = match vector.algorithm_beside(target) {
                Some(algorithm) => {
                    let name = &target.file.target;
                    Shown::Skipped(format!("target {name} does not declare {algorithm}"))
                }
                None => vector
                    .play(&mut lease, &settings)
                    .await
                    .err()
                    .unwrap_or(Shown::Accepted),
            };
            played.push((vector.id.clone(), shown));
        }
        played
    }

    fn settings(&self, target: &ReadyTarget, vector: &Vector) -> Settings {
        let embedded = vector.id.contains("Origin");
        let mut wanted = json!({
            "user-verification": "preferred",
            "attestation": "direct",
            "resident-key": "preferred",
            "cross-origin-expected": embedded,
            "top-origins": if embedded { json!([self.top_origin]) } else { json!([]) },
        });
        if let Some(algorithms) = &target.file.declares.relying_party.algorithms {
            wanted["algorithms"] = json!(algorithms);
        }
        Settings::of(&target.file, &wanted)
    }
}

impl Vector {
    fn is_exchange(&self) -> bool {
        self.registration.get("attestationObject").is_some()
    }

    /// Returns its algorithm, if the target declares others alone.
    fn algorithm_beside(&self, target: &ReadyTarget) -> Option<&'static str> {
        let declared = target.file.declares.relying_party.algorithms.as_ref()?;
        let of_vector = |(name, _): &&(&str, &str)| self.id.split('-').any(|part| part == *name);
        let (_, algorithm) = ALGORITHMS.iter().find(of_vector)?;
        let is_declared = declared.iter().any(|one| json!(one) == *algorithm);
        (!is_declared).then_some(algorithm)
    }

    async fn play(&self, lease: &mut Lease, settings: &Settings) -> Result<(), Shown> {
        if !lease.can(Ability::Challenge) {
            let why = "the adapter does not declare challenge among its features";
            return Err(Shown::Skipped(why.to_owned()));
        }
        let (registration, authentication) = (&self.registration, &self.authentication);
        let handle = base64url(USER_HANDLE);
        let id = text(registration, "credential_id");
        let ask = settings.registration("alice", &handle, &json!([]));
        let asked = with_challenge(lease, ask, CeremonyKind::Registration, registration).await?;
        let response = json!({
            "clientDataJSON": text(registration, "clientDataJSON"),
            "attestationObject": text(registration, "attestationObject"),
            "transports": [],
        });
        let verification = settings.verification(&asked, &credential(&id, response));
        let answer = verify(lease, verification, "registration").await?;
        let known = json!([{ "id": id, "transports": [] }]);
        let ask = settings.authentication(&known);
        let asked =
            with_challenge(lease, ask, CeremonyKind::Authentication, authentication).await?;
        let response = json!({
            "clientDataJSON": text(authentication, "clientDataJSON"),
            "authenticatorData": text(authentication, "authenticatorData"),
            "signature": text(authentication, "signature"),
            "userHandle": handle,
        });
        let mut verification = settings.verification(&asked, &credential(&id, response));
        verification["record"] = answer["record"].clone();
        verification["expected"]["user-handle"] = json!(handle);
        verify(lease, verification, "authentication").await?;
        Ok(())
    }
}

/// Has options made with the challenge of a vector.
async fn with_challenge(
    lease: &mut Lease,
    mut ask: Value,
    ceremony: CeremonyKind,
    values: &Value,
) -> Result<Asked, Shown> {
    let challenge = text(values, "challenge");
    ask["challenge"] = json!(challenge);
    let answer = heard(lease, ask, "options").await?;
    let options = options_in(&answer).map_err(Shown::Failed)?.clone();
    if options["challenge"] != challenge {
        let given = &options["challenge"];
        return Err(Shown::Failed(format!(
            "it was to use the challenge {challenge}, and has {given}"
        )));
    }
    Ok(Asked {
        ceremony,
        options,
        state: answer["state"].clone(),
    })
}

async fn verify(lease: &mut Lease, mut ask: Value, what: &str) -> Result<Value, Shown> {
    ask["now"] = json!(NOW);
    let answer = heard(lease, ask, what).await?;
    accepts(&answer).map_err(Shown::Failed)?;
    Ok(answer)
}

async fn heard(lease: &mut Lease, ask: Value, what: &str) -> Result<Value, Shown> {
    Err(match hear(lease.ask(ask).await) {
        Heard::Done(answer) => return Ok(answer),
        Heard::Refused(answer) => {
            Shown::Refused(format!("{what}: {}", in_words(&answer["rejected"])))
        }
        Heard::Skipped(why) => Shown::Skipped(why),
        Heard::Crashed(how) => Shown::Failed(format!("{what}: {how}")),
        Heard::Hung => Shown::Failed(format!("{what}: it did not answer in time")),
    })
}

fn in_words(rejected: &Value) -> String {
    let words = ["code", "message"]
        .into_iter()
        .filter_map(|name| rejected[name].as_str());
    let words = Vec::from_iter(words).join(": ");
    if words.is_empty() {
        rejected.to_string()
    } else {
        words
    }
}

fn credential(id: &str, response: Value) -> Value {
    json!({
        "id": id,
        "rawId": id,
        "type": "public-key",
        "response": response,
        "clientExtensionResults": {},
    })
}

/// Returns a value of a vector, base64url; nothing where it has none, which no library takes.
fn text(values: &Value, name: &str) -> String {
    base64url(&bytes(values, name).unwrap_or_default())
}

fn bytes(values: &Value, name: &str) -> Option<Vec<u8>> {
    let digits = values.get(name)?["hex"].as_str()?;
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
