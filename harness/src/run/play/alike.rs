//! Sign-ins that have to be refused, compared: whether a stranger can tell them apart (WebAuthn L3, 14.6.2).

use std::time::{Duration, Instant};

use passkey_authenticators::Client;
use passkey_model::{
    Mutation, Operation,
    scenario::{Action, CeremonyKind, StepSpec},
    transcript::Message,
    verdict::Outcome,
};
use serde_json::{Value, json};

use super::{Player, ceremony, made};

/// Under this name nobody has an account.
const NOBODY: &str = "nobody.at.all";

/// A sign-in that has to be refused.
struct Attempt {
    what: &'static str,
    named: Option<&'static str>,
    at: &'static str,
    op: Operation,
    value: Value,
}

/// What a stranger sees of a refusal.
struct Refused {
    status: u16,
    shape: String,
    took: Duration,
}

impl Player<'_> {
    /// Has three sign-ins refused, each in a session of its own, and says what tells their answers apart.
    ///
    /// How long they took is told, and not judged.
    pub(super) async fn compare_refusals(&mut self, spec: &StepSpec) -> Result<Outcome, String> {
        let mut seen = Vec::new();
        for attempt in attempts() {
            match self.refused(spec, &attempt).await? {
                Ok(refused) => seen.push((attempt.what, refused)),
                Err(outcome) => return Ok(outcome),
            }
        }
        let mut looks = seen.iter().map(|(_, seen)| (seen.status, &seen.shape));
        let first = looks.next();
        let alike = looks.all(|look| Some(look) == first);
        let told = seen.iter().map(|(what, seen)| {
            let (status, shape, took) = (seen.status, &seen.shape, seen.took.as_micros());
            format!("{what} with status {status} and {shape} in {took} microseconds")
        });
        let told: Vec<String> = told.collect();
        let verdict = if alike { "alike" } else { "not alike" };
        Ok(Outcome::Rejected {
            reasons: Vec::new(),
            message: format!("it answers {verdict}: {}", told.join("; ")),
        })
    }

    /// Has one sign-in refused, or says what came of it instead.
    async fn refused(
        &mut self,
        spec: &StepSpec,
        attempt: &Attempt,
    ) -> Result<Result<Refused, Outcome>, String> {
        const CEREMONY: CeremonyKind = CeremonyKind::Authentication;
        let request = attempt
            .named
            .map_or_else(|| json!({}), |name| json!({ "username": name }));
        self.api.forget(NOBODY);
        let path = format!("{}/options", ceremony::path(CEREMONY));
        let mut options = match self.api.post(NOBODY, &path, &request).await.object() {
            Ok(options) => options,
            Err(outcome) => return Ok(Err(outcome)),
        };
        self.messages.push(Message::Options {
            ceremony: CEREMONY,
            request,
            options: options.clone(),
        });
        options["allowCredentials"] = json!([]);
        let changed = StepSpec {
            mutation: Some(Mutation {
                at: attempt.at.parse().map_err(|error| format!("{error}"))?,
                op: attempt.op,
                value: Some(attempt.value.clone()),
                resign: false,
            }),
            credential: spec.credential.clone(),
            ..StepSpec::new(Action::SignIn)
        };
        let origin = self.rp.origin().to_owned();
        let client = |model: &_| -> Client { made::client(&origin, &changed, model) };
        let response = match self.get(&changed, &options, client).await? {
            Ok(made) => made.response,
            Err(error) => return made::refused_by_client(error).map(Err),
        };
        let begun = Instant::now();
        let answer = self
            .api
            .post(NOBODY, ceremony::path(CEREMONY), &response)
            .await;
        self.messages.push(Message::Response {
            ceremony: CEREMONY,
            response,
        });
        let outcome = answer.outcome();
        let took = begun.elapsed();
        if !matches!(
            outcome,
            Outcome::Rejected { .. } | Outcome::OtherRefusal { .. }
        ) {
            return Ok(Err(outcome));
        }
        let (status, body) = self.api.answered();
        let body = serde_json::from_slice(body);
        let shape = body.map_or_else(|_| "no JSON".to_owned(), |body| shape(&body));
        Ok(Ok(Refused {
            status,
            shape,
            took,
        }))
    }
}

fn attempts() -> [Attempt; 3] {
    let wrong_signature = |what, named| Attempt {
        what,
        named,
        at: "signature",
        op: Operation::FlipBit,
        value: json!(200),
    };
    [
        wrong_signature("a wrong signature", None),
        Attempt {
            what: "an unknown passkey",
            named: None,
            at: "response/id",
            op: Operation::Reencode,
            value: json!("other-case"),
        },
        wrong_signature("an unknown user", Some(NOBODY)),
    ]
}

/// Returns the members of a JSON text without what they say: `{error{message reasons}}`.
fn shape(body: &Value) -> String {
    let Value::Object(members) = body else {
        return String::new();
    };
    let members = members
        .iter()
        .map(|(name, value)| format!("{name}{}", shape(value)));
    let members: Vec<String> = members.collect();
    format!("{{{}}}", members.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_make_no_other_shape_and_members_do() {
        let plain = json!({ "error": { "message": "no", "reasons": ["auth.6"] } });
        let reworded = json!({ "error": { "message": "another", "reasons": [] } });
        assert_eq!(shape(&plain), "{error{message reasons}}");
        assert_eq!(shape(&plain), shape(&reworded));
        let telling = json!({ "error": { "message": "no", "reasons": [], "unknown": true } });
        assert_ne!(shape(&plain), shape(&telling));
    }
}
