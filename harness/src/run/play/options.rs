//! Reads the options that a relying party sends, without answering them, and makes up options that it did not send.

use passkey_model::{
    options::{self, Answer, Ask, Facts, Registered},
    scenario::{CeremonyKind, StepSpec},
    transcript::Message,
    verdict::Outcome,
};
use serde_json::{Value, json};

use super::{Player, ceremony::path};

/// The session of those who have none yet.
const STRANGER: &str = "(a stranger)";

impl Player<'_> {
    pub(super) async fn read_options(
        &mut self,
        user: &str,
        spec: &StepSpec,
    ) -> Result<Outcome, String> {
        let asked = spec.options.as_ref();
        let (property, ceremony) = asked
            .and_then(|asked| Some((asked.property, asked.of?)))
            .ok_or("read-options has to name a property and a ceremony")?;
        let mut answers: Vec<Answer> = Vec::new();
        for ask in options::asks(property, ceremony, user) {
            let first = answers.len();
            for _ in 0..ask.times {
                let answer = self.ask_options(&ask).await;
                if let Err(outcome @ (Outcome::Crashed { .. } | Outcome::Hung)) = answer {
                    return Ok(outcome);
                }
                answers.push(answer);
            }
            if let Some(answer) = answers.get(first).cloned() {
                self.messages.push(Message::Read { ask, answer });
            }
        }
        let name = self.api.name_of(user);
        let facts = Facts {
            user: &name,
            page_host: host(self.rp.origin()),
            registered: &self.registered,
        };
        Ok(options::hold(property, ceremony, &facts, &answers))
    }

    async fn ask_options(&mut self, ask: &Ask) -> Answer {
        let session = ask.session.as_deref().unwrap_or(STRANGER);
        if ask.session.is_none() {
            self.api.forget(session);
        } else if !self.api.has_session(session)
            && let Some(refused) = self.bootstrap(session).await
        {
            return Err(refused);
        }
        self.fetch(
            session,
            &format!("{}/options", path(ask.ceremony)),
            &ask.request,
        )
        .await
    }

    /// Makes options up, as a client does that was sent none.
    pub(super) fn made_up(&self, ceremony: CeremonyKind) -> Value {
        let challenge = self.seed.bytes("a challenge that nobody sent");
        // Hexadecimal is base64url too.
        let challenge: String = challenge.iter().map(|byte| format!("{byte:02x}")).collect();
        let rp_id = self.rp.rp_id();
        match ceremony {
            CeremonyKind::Registration => json!({
                "rp": { "id": rp_id, "name": rp_id },
                "user": { "id": challenge, "name": "made up", "displayName": "made up" },
                "challenge": challenge,
                "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }],
                "attestation": "direct",
                "authenticatorSelection": { "residentKey": "required", "userVerification": "required" },
            }),
            CeremonyKind::Authentication => json!({
                "challenge": challenge,
                "rpId": rp_id,
                "userVerification": "required",
            }),
        }
    }
}

/// Returns the host of an origin, without its port.
fn host(origin: &str) -> &str {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    host.split_once(':').map_or(host, |(host, _)| host)
}

/// Adds to a request for options what the step asks beside.
pub(super) fn asking(mut request: Value, spec: &StepSpec) -> Value {
    if let (Some(asks), Some(members)) = (&spec.asks, request.as_object_mut()) {
        members.extend(asks.clone());
    }
    request
}

/// Returns what a registration's response says of the passkey; nothing where a mutation took its ID away.
pub(super) fn registered(user: &str, response: &Value) -> Option<Registered> {
    let transports = response.pointer("/response/transports");
    let transports = transports.and_then(Value::as_array).into_iter().flatten();
    Some(Registered {
        user: user.to_owned(),
        id: response["id"].as_str()?.to_owned(),
        transports: transports
            .filter_map(|one| Some(one.as_str()?.to_owned()))
            .collect(),
    })
}
