//! Plays the two ceremonies: options, what the authenticator makes of them, and the response.

use passkey_authenticators::{Client, ClientError, Made, Observed, SoftwareAuthenticator, Values};
use passkey_model::{
    Mutation,
    library::ProviderInContext,
    provider::{AuthenticatorModel, Engine},
    scenario::{Action, CeremonyKind, Mediation, StepSpec},
    transcript::Message,
    verdict::Outcome,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Answer, Player, Posted, keys::Asked, made, values};

/// What a client made, or why it made nothing.
pub(super) type MadeOrNot = Result<Made, ClientError>;

impl Player<'_> {
    pub(super) async fn register(
        &mut self,
        index: usize,
        user: &str,
        spec: &StepSpec,
    ) -> Result<Outcome, String> {
        let made = made::in_step(self.library, spec)?;
        if !self.api.has_session(user)
            && let Some(refused) = self.bootstrap(user).await
        {
            return Ok(refused);
        }
        let request = match spec.mediation {
            Some(Mediation::Conditional) => json!({ "mediation": "conditional" }),
            None => json!({}),
        };
        let fetched = self
            .options(user, spec, CeremonyKind::Registration, request)
            .await;
        let options = match fetched {
            Ok(options) => options,
            Err(outcome) => return Ok(outcome),
        };
        self.between(spec).await?;
        let name = spec.credential.as_deref().unwrap_or("passkey").to_owned();
        let client = made::client(self.rp.origin(), spec, &made.model);
        let asked = (index, name.as_str(), spec);
        let response = match self.create(asked, &made, client, &options).await? {
            Ok(response) => response,
            Err(error) => return made::refused_by_client(error),
        };
        values::add(&mut self.values, &name, &options, &response.response);
        self.finish(user, CeremonyKind::Registration, spec, response.response)
            .await
    }

    /// Notes what was made, which has to be what the row's provider makes.
    pub(super) fn observe(&mut self, made: &ProviderInContext, observed: Option<&Observed>) {
        self.observed = observed.map(|observed| observed.aaguid).or(self.observed);
        if self.row.relying_party.attestation.is_none() {
            let fidelity = made::faithful(made, observed);
            self.unfaithful = self.unfaithful.take().or(fidelity.err());
        }
    }

    /// Makes a passkey on the authenticator that has one of that name, or on a new one.
    pub(super) async fn create(
        &mut self,
        (index, name, spec): (usize, &str, &StepSpec),
        made: &ProviderInContext,
        client: Client,
        options: &Value,
    ) -> Result<MadeOrNot, String> {
        if self.row.lane.has_keys() {
            let seed = self.seed.derive(&format!("step {index}"));
            let asked = Asked {
                client,
                options,
                values: &self.values,
                spec,
            };
            let made_by = (&made.model, seed);
            let response = self.keys.create(name, made_by, asked).await?;
            if let Ok(response) = &response {
                self.observe(made, response.observed.as_ref());
            }
            return Ok(response);
        }
        let kept = spec
            .credential
            .as_ref()
            .and_then(|name| self.passkeys.remove(name));
        let mut authenticator = kept.unwrap_or_else(|| {
            let seed = self.seed.derive(&format!("step {index}"));
            SoftwareAuthenticator::new(made.model.clone(), seed)
        });
        let asked = (spec, options, &self.values);
        let response = work(Client::create, client, &mut authenticator, asked).await;
        self.passkeys.insert(name.to_owned(), authenticator);
        if let Ok(Ok(response)) = &response
            && spec.mutation.is_none()
        {
            self.observe(made, response.observed.as_ref());
        }
        response
    }

    pub(super) async fn sign_in(&mut self, user: &str, spec: &StepSpec) -> Result<Outcome, String> {
        let request = if spec.username {
            json!({ "username": user })
        } else {
            json!({})
        };
        if !spec.same_options {
            self.api.forget(user);
        }
        let fetched = self
            .options(user, spec, CeremonyKind::Authentication, request)
            .await;
        let mut options = match fetched {
            Ok(options) => options,
            Err(outcome) => return Ok(outcome),
        };
        if spec.ignore_allow_list {
            options["allowCredentials"] = json!([]);
        }
        self.between(spec).await?;
        let origin = self.rp.origin().to_owned();
        let client = |model: &AuthenticatorModel| made::client(&origin, spec, model);
        match self.get(spec, &options, client).await? {
            Ok(made) => {
                self.finish(user, CeremonyKind::Authentication, spec, made.response)
                    .await
            }
            Err(error) => made::refused_by_client(error),
        }
    }

    /// Uses the passkey that the step names.
    pub(super) async fn get(
        &mut self,
        spec: &StepSpec,
        options: &Value,
        client: impl FnOnce(&AuthenticatorModel) -> Client,
    ) -> Result<MadeOrNot, String> {
        let name = spec.credential.as_deref().unwrap_or("passkey");
        if self.row.lane.has_keys() {
            let client = client(&self.keys.model(name)?);
            let asked = Asked {
                client,
                options,
                values: &self.values,
                spec,
            };
            return self.keys.get(name, asked).await;
        }
        let mut authenticator = self
            .passkeys
            .remove(name)
            .ok_or_else(|| format!("no passkey '{name}' was registered before"))?;
        let kept = authenticator.model.clone();
        authenticator.model.override_with(spec);
        made::set_backup_state(&mut authenticator, spec.backup_state);
        let client = client(&authenticator.model);
        let asked = (spec, options, &self.values);
        let response = work(Client::get, client, &mut authenticator, asked).await;
        authenticator.model = kept;
        self.passkeys.insert(name.to_owned(), authenticator);
        response
    }

    /// What happens between the options and the response.
    pub(super) async fn between(&mut self, spec: &StepSpec) -> Result<(), String> {
        if let Some(seconds) = spec.wait_seconds {
            self.rp.controlled()?.advance_clock(seconds);
        }
        if let Some(name) = &spec.switch_policy
            && self.put_policy(name).await? != Outcome::Accepted
        {
            return Err(format!("policy '{name}' was refused"));
        }
        Ok(())
    }

    /// Fetches the options of a ceremony; their challenge is another session's or another ceremony's where the step says so.
    async fn options(
        &mut self,
        user: &str,
        spec: &StepSpec,
        ceremony: CeremonyKind,
        request: Value,
    ) -> Result<Value, Outcome> {
        if spec.same_options {
            return Ok(self.options.clone());
        }
        let mut options = self.fetch(user, ceremony, &request).await?;
        if self.has_step(|spec| spec.same_options) {
            self.options.clone_from(&options);
        }
        self.messages.push(Message::Options {
            ceremony,
            request,
            options: options.clone(),
        });
        if spec.options_of.is_some() || spec.options_from.is_some() {
            options["challenge"] = self.other_challenge(user, spec, ceremony).await?;
        }
        Ok(options)
    }

    async fn other_challenge(
        &mut self,
        user: &str,
        spec: &StepSpec,
        ceremony: CeremonyKind,
    ) -> Result<Value, Outcome> {
        let other = spec.options_of.as_deref().unwrap_or(user);
        let of = spec.options_from.unwrap_or(ceremony);
        // Whoever is about to sign in has a session in which nobody is signed in.
        let anonymous = ceremony == CeremonyKind::Authentication || !self.api.has_session(other);
        if of == CeremonyKind::Registration
            && anonymous
            && let Some(refused) = self.bootstrap(other).await
        {
            return Err(refused);
        }
        let mut options = self.fetch(other, of, &json!({})).await?;
        Ok(options["challenge"].take())
    }

    async fn fetch(
        &mut self,
        user: &str,
        ceremony: CeremonyKind,
        request: &Value,
    ) -> Result<Value, Outcome> {
        let path = format!("{}/options", path(ceremony));
        match self.api.post(user, &path, request).await {
            Answer::Json(options) => Ok(options),
            Answer::Refused(outcome) => Err(outcome),
        }
    }

    async fn finish(
        &mut self,
        user: &str,
        ceremony: CeremonyKind,
        spec: &StepSpec,
        response: Value,
    ) -> Result<Outcome, String> {
        if self.has_step(|spec| spec.action == Action::Replay) {
            let response = response.clone();
            self.last = Some(Posted { ceremony, response });
        }
        match spec.parallel {
            Some(times) => self.post_at_once(user, ceremony, response, times).await,
            None => Ok(self.post(user, ceremony, response).await),
        }
    }

    /// Posts a response and notes it.
    pub(super) async fn post(
        &mut self,
        user: &str,
        ceremony: CeremonyKind,
        response: Value,
    ) -> Outcome {
        let answer = self.api.post(user, path(ceremony), &response).await;
        self.messages.push(Message::Response { ceremony, response });
        answer.outcome()
    }

    /// Posts the same response several times at once: accepted when more than one was taken, refused when one was.
    async fn post_at_once(
        &mut self,
        user: &str,
        ceremony: CeremonyKind,
        response: Value,
        times: u32,
    ) -> Result<Outcome, String> {
        let mut connections = Vec::new();
        for _ in 0..times {
            let twin = self.api.twin(self.rp.address()).await;
            connections.push(twin.map_err(|error| error.to_string())?);
        }
        let mut posts = JoinSet::new();
        for mut connection in connections {
            let (user, response) = (user.to_owned(), response.clone());
            posts.spawn(async move {
                connection
                    .post(&user, path(ceremony), &response)
                    .await
                    .outcome()
            });
        }
        self.messages.push(Message::Response { ceremony, response });
        Ok(of_several(&posts.join_all().await))
    }
}

fn of_several(outcomes: &[Outcome]) -> Outcome {
    let accepted = |outcome: &&Outcome| **outcome == Outcome::Accepted;
    let unexpected = outcomes
        .iter()
        .find(|outcome| !accepted(outcome) && !matches!(outcome, Outcome::Rejected { .. }));
    let refused = outcomes.iter().find(|outcome| !accepted(outcome));
    match (outcomes.iter().filter(accepted).count(), refused) {
        (0, _) => Outcome::Crashed {
            how: format!("none of {} equal responses was taken", outcomes.len()),
        },
        (1, Some(refused)) => unexpected.unwrap_or(refused).clone(),
        _ => Outcome::Accepted,
    }
}

/// The path that takes the response of a ceremony; its options are below.
pub(super) const fn path(ceremony: CeremonyKind) -> &'static str {
    match ceremony {
        CeremonyKind::Registration => "/webauthn/registration",
        CeremonyKind::Authentication => "/webauthn/authentication",
    }
}

/// Has a client and an authenticator do one of the two ceremonies.
///
/// Some engines wait on futures of their own, so they work where they may block; the model does not, and works in place.
async fn work(
    ceremony: fn(
        &Client,
        &mut SoftwareAuthenticator,
        &Value,
        Option<&Mutation>,
        &Values,
    ) -> MadeOrNot,
    client: Client,
    authenticator: &mut SoftwareAuthenticator,
    (spec, options, values): (&StepSpec, &Value, &Values),
) -> Result<MadeOrNot, String> {
    let mutation = spec.mutation.as_ref();
    if authenticator.model.engine == Engine::Model {
        return Ok(ceremony(&client, authenticator, options, mutation, values));
    }
    let mut working = authenticator.clone();
    let (options, mutation, values) = (options.clone(), mutation.cloned(), values.clone());
    let done = tokio::task::spawn_blocking(move || {
        let mutation = mutation.as_ref();
        let result = ceremony(&client, &mut working, &options, mutation, &values);
        (working, result)
    });
    let (worked, result) = done.await.map_err(|error| error.to_string())?;
    *authenticator = worked;
    Ok(result)
}
