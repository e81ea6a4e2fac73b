//! Plays the two ceremonies: options, what the authenticator makes of them, and the response.

use passkey_authenticators::{Client, ClientError, Made, Observed, SoftwareAuthenticator, Values};
use passkey_model::{
    Mutation,
    library::ProviderInContext,
    provider::{AuthenticatorModel, Engine},
    scenario::{Action, CeremonyKind, Mediation, StepSpec, Suite},
    transcript::Message,
    verdict::Outcome,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{Player, Posted, keys::Asked, made, options, values};

/// Of how many challenges one has a letter in which the alphabets of base64 differ: of 32 bytes, three quarters do, so that 32 of them
/// without one are rarer than one in 10^18.
const MORE_CHALLENGES: usize = 32;

/// What a client made, or why it made nothing.
pub(super) type MadeOrNot = Result<Made, ClientError>;

impl Player<'_> {
    /// Tells what a refusal means that came before the response was shown: of a change of the response it says nothing.
    pub(super) fn before_it_was_shown(&self, spec: &StepSpec, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Rejected { message, .. }
                if spec.mutation.is_some() && self.row.suite == Suite::Conformance =>
            {
                Outcome::OtherRefusal {
                    what: format!("refused before the response was shown: {message}"),
                }
            }
            outcome => outcome,
        }
    }

    pub(super) async fn register(
        &mut self,
        index: usize,
        user: &str,
        spec: &StepSpec,
    ) -> Result<Outcome, String> {
        let made = made::in_step(self.library, spec)?;
        if !self.api.has_session(user)
            && !Self::needs_no_session(spec)
            && let Some(refused) = self.bootstrap(user).await
        {
            return Ok(refused);
        }
        let request = match spec.mediation {
            Some(Mediation::Conditional) => json!({ "mediation": "conditional" }),
            None => json!({}),
        };
        let request = options::asking(request, spec);
        let fetched = self
            .options(user, spec, CeremonyKind::Registration, request)
            .await?;
        let mut options = match fetched {
            Ok(options) => options,
            Err(outcome) => return Ok(self.before_it_was_shown(spec, outcome)),
        };
        values::add_challenge(&mut self.values, &options);
        if spec.ignore_allow_list {
            options["excludeCredentials"] = json!([]);
        }
        self.between(user, spec).await?;
        let name = spec.credential.as_deref().unwrap_or("passkey").to_owned();
        let client = made::client(self.rp.origin(), spec, &made.model);
        let asked = (index, name.as_str(), spec);
        let response = match self.create(asked, &made, client, &options).await? {
            Ok(response) => response,
            Err(error) => return made::refused_by_client(error),
        };
        values::add(&mut self.values, &name, &options, &response.response);
        let made = options::registered(&self.api.name_of(user), &response.response);
        let outcome = self
            .finish(user, CeremonyKind::Registration, spec, response.response)
            .await?;
        if outcome == Outcome::Accepted {
            self.registered.extend(made);
        }
        Ok(outcome)
    }

    /// Notes what was made, which has to be what the row's provider makes.
    pub(super) fn observe(&mut self, made: &ProviderInContext, observed: Option<&Observed>) {
        self.observed = observed.map(|observed| observed.aaguid).or(self.observed);
        if self.row.relying_party.attestation.is_none() && self.rp.asks_for_attestation() {
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
        if spec.compares_refusals {
            return self.compare_refusals(spec).await;
        }
        let gives_name = spec.username || !self.rp.signs_in_without_name();
        let named = spec.names.as_deref().or(gives_name.then_some(user));
        let request = named.map_or_else(|| json!({}), |name| json!({ "username": name }));
        let request = options::asking(request, spec);
        if spec.begins_anew() {
            self.api.forget(user);
        }
        let fetched = self
            .options(user, spec, CeremonyKind::Authentication, request)
            .await?;
        let mut options = match fetched {
            Ok(options) => options,
            Err(outcome) => return Ok(self.before_it_was_shown(spec, outcome)),
        };
        values::add_challenge(&mut self.values, &options);
        if spec.ignore_allow_list {
            options["allowCredentials"] = json!([]);
        }
        self.between(user, spec).await?;
        let origin = self.rp.origin().to_owned();
        let client = |model: &AuthenticatorModel| made::client(&origin, spec, model);
        let mut response = match self.get(spec, &options, client).await? {
            Ok(made) => made.response,
            Err(error) => return made::refused_by_client(error),
        };
        let name = spec.credential.as_deref().unwrap_or("passkey");
        values::add_assertion(&mut self.values, name, &response);
        if let Some(named) = &spec.finish_names {
            response["username"] = json!(named);
        }
        let cookie = self.api.cookies(user).cloned();
        let outcome = self
            .finish(user, CeremonyKind::Authentication, spec, response)
            .await?;
        if let Some(cookie) = cookie.filter(|_| spec.renews_session) {
            self.kept_session = self.kept(cookie).await;
        }
        Ok(outcome)
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
        made::set_backup_state(&mut authenticator, self.rp.rp_id(), spec.backup_state);
        if let Some(app_id) = &spec.under_app_id {
            authenticator.put_under_app_id(app_id);
        }
        let client = client(&authenticator.model);
        let asked = (spec, options, &self.values);
        let response = work(Client::get, client, &mut authenticator, asked).await;
        authenticator.model = kept;
        self.passkeys.insert(name.to_owned(), authenticator);
        response
    }

    /// What happens between the options and the response.
    pub(super) async fn between(&mut self, user: &str, spec: &StepSpec) -> Result<(), String> {
        if let Some(seconds) = spec.wait_seconds {
            self.rp.controlled()?.advance_clock(seconds);
        }
        if let Some(name) = &spec.switch_policy
            && self.put_policy(name, false).await? != Outcome::Accepted
        {
            return Err(format!("policy '{name}' was refused"));
        }
        self.other_requests(user, spec).await
    }

    /// Fetches the options of a ceremony; their challenge is another session's or another ceremony's where the step says so.
    async fn options(
        &mut self,
        user: &str,
        spec: &StepSpec,
        ceremony: CeremonyKind,
        mut request: Value,
    ) -> Result<Result<Value, Outcome>, String> {
        if spec.same_options {
            let mut options = self.options.clone();
            self.hold_state(spec, &mut options)?;
            return Ok(Ok(options));
        }
        if spec.without_options {
            return Ok(Ok(self.made_up(ceremony)));
        }
        self.ask_with(spec, user, &mut request)?;
        let path = Self::way_to_options(spec, user, ceremony);
        let mut options = match self.fetch(user, &path, &request).await {
            Ok(options) => options,
            Err(outcome) => return Ok(Err(outcome)),
        };
        for _ in 0..MORE_CHALLENGES {
            if shows_alphabet(spec, &options) {
                break;
            }
            match self.fetch(user, &path, &request).await {
                Ok(more) => options = more,
                Err(outcome) => return Ok(Err(outcome)),
            }
        }
        self.hold_state(spec, &mut options)?;
        let kept = if spec.request.as_ref().is_some_and(|it| it.superseded) {
            self.fetch(user, &path, &request).await
        } else {
            Ok(options.clone())
        };
        match kept {
            Ok(kept) if self.has_step(|spec| spec.same_options) => self.options = kept,
            Ok(_) => {}
            Err(outcome) => return Ok(Err(outcome)),
        }
        self.messages.push(Message::Options {
            ceremony,
            request,
            options: options.clone(),
        });
        if spec.options_of.is_some() || spec.options_from.is_some() {
            match self.other_challenge(user, spec, ceremony).await {
                Ok(challenge) => options["challenge"] = challenge,
                Err(outcome) => return Ok(Err(outcome)),
            }
        }
        Ok(Ok(options))
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
        let path = format!("{}/options", path(of));
        let request = match of {
            // The other one need not have a passkey: another session is what counts, not another name.
            CeremonyKind::Authentication if !self.rp.signs_in_without_name() => {
                json!({ "username": user })
            }
            // Who registers in a session in which nobody is signed in is somebody new, where that needs no other leave.
            CeremonyKind::Registration if anonymous && self.rp.lets_anybody_register() => {
                json!({ "username": format!("{other}-anew") })
            }
            _ => json!({}),
        };
        let mut options = self.fetch(other, &path, &request).await?;
        Ok(options["challenge"].take())
    }

    /// Asks for options; where nobody signs in without a name, whose session it is gives one, and a stranger somebody's.
    pub(super) async fn fetch(
        &mut self,
        user: &str,
        asked: &str,
        request: &Value,
    ) -> Result<Value, Outcome> {
        let mut request = request.clone();
        let signs_in = asked == format!("{}/options", path(CeremonyKind::Authentication));
        if signs_in && request.get("username").is_none() && !self.rp.signs_in_without_name() {
            let mut known = self.row.users.iter().map(|(name, _)| name.as_str());
            let name = known.find(|name| *name == user).unwrap_or("alice");
            request["username"] = json!(name);
        }
        self.api.post(user, asked, &request).await.object()
    }

    pub(super) async fn finish(
        &mut self,
        user: &str,
        ceremony: CeremonyKind,
        spec: &StepSpec,
        response: Value,
    ) -> Result<Outcome, String> {
        if self.has_step(|spec| spec.action == Action::Replay) {
            let response = response.clone();
            self.last = Some(Posted {
                user: user.to_owned(),
                ceremony,
                response,
                cookies: self.api.cookies(user).cloned(),
            });
        }
        let rival = spec.request.as_ref().and_then(|it| it.rival.as_deref());
        match (spec.parallel, rival) {
            (Some(times), _) => self.post_at_once(user, ceremony, response, times).await,
            (None, Some(rival)) => self.post_with(rival, user, spec, response).await,
            (None, None) => {
                let path = Self::way(spec, user, ceremony);
                let body = self.body(spec, &response)?;
                let answer = self.api.post(user, &path, &body).await;
                self.messages.push(Message::Response { ceremony, response });
                Ok(answer.outcome())
            }
        }
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
            let twin = self.api.twin().await;
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

pub(super) fn of_several(outcomes: &[Outcome]) -> Outcome {
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

/// Tells whether the challenge of options is another text in the other alphabet of base64, where the step writes it in that.
fn shows_alphabet(spec: &StepSpec, options: &Value) -> bool {
    let is_of_challenge = |mutation: &Mutation| {
        let way = mutation.value.as_ref().and_then(Value::as_str);
        mutation.at.path == ["challenge"] && way == Some("base64")
    };
    let challenge = options["challenge"].as_str().unwrap_or_default();
    !spec.mutation.as_ref().is_some_and(is_of_challenge) || challenge.contains(['-', '_'])
}

/// The path that takes the response of a ceremony; its options are below.
pub(in crate::run) const fn path(ceremony: CeremonyKind) -> &'static str {
    match ceremony {
        CeremonyKind::Registration => "/webauthn/registration",
        CeremonyKind::Authentication => "/webauthn/authentication",
    }
}

/// Returns the ceremony that a request for a path is of, if it is of one.
pub(crate) fn ceremony_of(requested: &str) -> Option<CeremonyKind> {
    let ceremonies = [CeremonyKind::Registration, CeremonyKind::Authentication];
    ceremonies
        .into_iter()
        .find(|ceremony| requested.starts_with(path(*ceremony)))
}

/// Has a client and an authenticator do one of the two ceremonies.
///
/// Some engines wait on futures of their own, so they work where they may block; the model does not, and works in place.
pub(super) async fn work(
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
