//! Learns how a target refuses: from a registration for another challenge, and from a sign-in whose signature is wrong.
//!
//! Both come after everything is done as it should be, and differ from that in one place; what the target answers is how it refuses.

use std::sync::Arc;

use passkey_authenticators::{Client, SoftwareAuthenticator, Values, seed::Seed};
use passkey_model::{
    Aaguid, Mutation, MutationPath, Operation, Stage,
    provider::{
        Algorithm, AttestationKind, AuthenticatorModel, Engine, SignCounter, Transport,
        UserVerification,
    },
    scenario::{CeremonyKind, PerCeremony, RelyingPartySettings},
    target::{Answered, Refusing},
};
use serde_json::{Value, json};

use super::{
    api::{Answer, Api, ConnectError, Reader},
    play::path,
    speech::OfRow,
};
use crate::target::ReadyTarget;

const USER: &str = "alice";
/// Base64url, as challenges are.
const NOBODYS_CHALLENGE: &str = "dGhpcyBjaGFsbGVuZ2Ugd2FzIG5ldmVyIGdpdmVuIG91dA";
/// A bit of an ECDSA signature that is of its first number, not of the encoding around it.
pub(super) const BIT: u64 = 200;

/// How a target refuses.
#[derive(Debug)]
pub(crate) struct Learned {
    /// The shape of its refusals; nothing where it refuses nothing, or not as one refuses.
    pub refusals: PerCeremony<Option<Refusing>>,
    /// What came of it, in words.
    pub notes: Vec<String>,
}

/// Shows a target two responses that it has to refuse.
///
/// # Errors
/// When it cannot be connected to.
pub(crate) async fn learn(target: &ReadyTarget, seed: u64) -> Result<Learned, ConnectError> {
    let file = &target.file;
    let reader = Reader::Target(Arc::new(target.clone()));
    let mut lesson = Lesson {
        api: Api::connect(
            target.address,
            file.host(),
            reader,
            &of_lesson(target, seed),
        )
        .await?,
        target,
        seed: Seed::new(seed, "how a target refuses"),
    };
    let registration = lesson.another_challenge().await;
    let authentication = lesson.wrong_signature().await;
    let mut notes = Vec::new();
    let mut kept = |what: &str, lesson: Result<Refusing, String>| {
        let name = &file.target;
        notes.push(match &lesson {
            Ok(shape) => format!("target {name} refuses {what} with {shape}"),
            Err(why) => format!("target {name}: how it refuses {what} cannot be learned: {why}"),
        });
        lesson.ok()
    };
    let registration = kept("registrations", registration);
    let authentication = kept("sign-ins", authentication);
    Ok(Learned {
        refusals: PerCeremony {
            registration: registration.clone().or_else(|| authentication.clone()),
            authentication: authentication.or(registration),
        },
        notes,
    })
}

/// Returns what the lessons want, whose users are theirs alone where rows have users of their own.
fn of_lesson(target: &ReadyTarget, seed: u64) -> OfRow {
    OfRow {
        users: format!("{seed:010x}"),
        settings: target.file.wanted(&RelyingPartySettings::default()),
    }
}

/// Returns what any relying party takes: a passkey without attestation that verifies its user.
pub(super) fn model() -> AuthenticatorModel {
    AuthenticatorModel {
        aaguid: Aaguid::ZERO,
        backup_eligible: false,
        backup_state: false,
        attestation: AttestationKind::None,
        transports: vec![Transport::Usb],
        user_verification: UserVerification::Verifies,
        algorithms: vec![Algorithm::ES256, Algorithm::RS256],
        sign_counter: SignCounter::Zero,
        engine: Engine::Model,
    }
}

struct Lesson<'a> {
    api: Api,
    target: &'a ReadyTarget,
    seed: Seed,
}

impl Lesson<'_> {
    /// Registers with a challenge that was never given out.
    async fn another_challenge(&mut self) -> Result<Refusing, String> {
        let body = json!({ "username": USER, "temporaryAccessPass": self.target.pass });
        done(self.api.post(USER, "/session/bootstrap", &body).await)?;
        let at = MutationPath {
            stage: Stage::ClientData,
            path: vec!["challenge".to_owned()],
        };
        let mutation = Mutation {
            at,
            op: Operation::Set,
            value: Some(json!(NOBODYS_CHALLENGE)),
            resign: true,
        };
        let (_, said) = self.register("another challenge", Some(&mutation)).await?;
        refusal(&said, "a registration for another challenge")
    }

    /// Registers as one should, and signs in with a signature of which one bit is inverted.
    async fn wrong_signature(&mut self) -> Result<Refusing, String> {
        let (mut key, said) = self.register("wrong signature", None).await?;
        if !said.is_success() {
            return Err(format!(
                "a registration without fault was answered with {said}"
            ));
        }
        self.api.forget(USER);
        let at = MutationPath {
            stage: Stage::Signature,
            path: Vec::new(),
        };
        let mutation = Mutation {
            at,
            op: Operation::FlipBit,
            value: Some(json!(BIT)),
            resign: false,
        };
        let options = self.options(CeremonyKind::Authentication).await?;
        let client = self.client();
        let made = client.get(&mut key, &options, Some(&mutation), &Values::default());
        let made = made.map_err(|error| error.to_string())?;
        let said = self.ask(CeremonyKind::Authentication, &made.response);
        refusal(&said.await?, "a sign-in with a wrong signature")
    }

    /// Registers with an authenticator of its own; returns that and the answer.
    async fn register(
        &mut self,
        lesson: &str,
        mutation: Option<&Mutation>,
    ) -> Result<(SoftwareAuthenticator, Answered), String> {
        let options = self.options(CeremonyKind::Registration).await?;
        let mut key = SoftwareAuthenticator::new(model(), self.seed.derive(lesson));
        let client = self.client();
        let made = client.create(&mut key, &options, mutation, &Values::default());
        let made = made.map_err(|error| error.to_string())?;
        let said = self.ask(CeremonyKind::Registration, &made.response);
        Ok((key, said.await?))
    }

    async fn options(&mut self, ceremony: CeremonyKind) -> Result<Value, String> {
        let named =
            ceremony == CeremonyKind::Authentication && !self.target.file.signs_in_without_name();
        let request = if named {
            json!({ "username": USER })
        } else {
            json!({})
        };
        let path = format!("{}/options", path(ceremony));
        done(self.api.post(USER, &path, &request).await)
    }

    async fn ask(&mut self, ceremony: CeremonyKind, response: &Value) -> Result<Answered, String> {
        let asked = self.api.ask(USER, path(ceremony), response).await;
        asked.map_err(|outcome| outcome.to_string())
    }

    fn client(&self) -> Client {
        Client {
            origin: self.target.file.origin.clone(),
            top_origin: None,
            cross_platform: true,
            conditional: false,
        }
    }
}

fn done(answer: Answer) -> Result<Value, String> {
    match answer {
        Answer::Json(json) => Ok(json),
        Answer::Refused(outcome) => Err(outcome.to_string()),
    }
}

/// Takes an answer for a refusal, unless it is another thing.
fn refusal(said: &Answered, what: &str) -> Result<Refusing, String> {
    if said.is_success() {
        return Err(format!("it took {what}: {said}"));
    }
    Refusing::like(said).ok_or_else(|| format!("{what} was answered with {said}"))
}
