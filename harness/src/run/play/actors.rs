//! What somebody does who is free to send anything: other endpoints, other people's accounts, requests that no page makes.

use passkey_authenticators::{
    SoftwareAuthenticator,
    client::{base64url, from_base64url},
};
use passkey_model::{
    scenario::{CeremonyKind, Endpoint, Meanwhile, ReadOf, RequestSpec, StepSpec, Via},
    transcript::Message,
    verdict::Outcome,
};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::{
    Answer, Player,
    aftermath::SESSION,
    ceremony::{of_several, path},
    made,
    setup::password,
    values,
};

/// The member of options and responses that holds the state of a ceremony which the relying party does not keep.
const HELD: &str = "state";

/// Compares what a relying party shows of something with the members that it has to have.
pub(super) fn shows(shown: &Value, wanted: &Map<String, Value>) -> Outcome {
    let differing = wanted
        .iter()
        .filter(|(name, value)| shown.get(name) != Some(value))
        .map(|(name, value)| {
            let found = shown.get(name).unwrap_or(&Value::Null);
            format!("{name} is {found}, and has to be {value}")
        });
    let how = Vec::from_iter(differing).join("; ");
    if how.is_empty() {
        Outcome::Accepted
    } else {
        Outcome::Differs { how }
    }
}

/// Returns how a step's requests differ from a page's, if they do.
fn request(spec: &StepSpec) -> RequestSpec {
    spec.request.clone().unwrap_or_default()
}

impl Player<'_> {
    /// Returns the path that takes the response of a step's ceremony; its options are below.
    pub(super) fn way(spec: &StepSpec, user: &str, ceremony: CeremonyKind) -> String {
        let request = request(spec);
        let account = request.account.as_deref().unwrap_or(user);
        match request.via {
            None => path(ceremony).to_owned(),
            Some(Via::AccountUrl) => format!("/users/{account}{}", path(ceremony)),
            Some(Via::EnrolmentLink) => "/enrolment".to_owned(),
            Some(Via::DefaultEndpoints) => "/attestation/result".to_owned(),
            Some(Via::SecondFactor) => "/password/second-factor".to_owned(),
            Some(Via::StepUp) => "/step-up".to_owned(),
        }
    }

    /// Returns the path that gives the options of a step's ceremony.
    pub(super) fn way_to_options(spec: &StepSpec, user: &str, ceremony: CeremonyKind) -> String {
        match request(spec).via {
            Some(Via::DefaultEndpoints) => "/attestation/options".to_owned(),
            _ => format!("{}/options", Self::way(spec, user, ceremony)),
        }
    }

    /// Tells whether a step needs no session to begin with.
    pub(super) fn needs_no_session(spec: &StepSpec) -> bool {
        let request = request(spec);
        let open = matches!(
            request.via,
            Some(Via::EnrolmentLink | Via::DefaultEndpoints)
        );
        request.signed_out || open
    }

    /// Adds to a request for options what the step says.
    pub(super) fn ask_with(
        &mut self,
        spec: &StepSpec,
        user: &str,
        asked: &mut Value,
    ) -> Result<(), String> {
        let request = request(spec);
        let account = request.account.as_deref().unwrap_or(user);
        match request.via {
            Some(Via::EnrolmentLink) => {
                asked["token"] = json!(self.link(account)?);
            }
            Some(Via::DefaultEndpoints) => {
                asked["username"] = json!(account);
                asked["displayName"] = json!(account);
                asked["authenticatorSelection"] = json!({ "userVerification": "required" });
            }
            _ => {}
        }
        self.add(asked, request.asks_with.as_ref())
    }

    /// Returns the enrolment link of an account, the same one throughout the row.
    fn link(&mut self, account: &str) -> Result<String, String> {
        if let Some(link) = self.links.get(account) {
            return Ok(link.clone());
        }
        let link = self.rp.controlled()?.enrolment_link(account);
        self.links.insert(account.to_owned(), link.clone());
        Ok(link)
    }

    /// Takes the state that the client is to hold out of the options: it is no part of them, and comes back with the response.
    pub(super) fn hold_state(
        &mut self,
        spec: &StepSpec,
        options: &mut Value,
    ) -> Result<(), String> {
        let given = options.as_object_mut().and_then(|it| it.remove(HELD));
        let Some(Value::String(given)) = given else {
            return Ok(());
        };
        let forged = request(spec).held_state;
        if let Some(challenge) = forged.as_ref().and_then(|forged| forged.get("challenge")) {
            options["challenge"] = challenge.clone();
        }
        let held = match forged {
            Some(members) => self.forge(&given, &members)?,
            None => given,
        };
        self.held_state = Some(held);
        Ok(())
    }

    /// Writes members into a state, and leaves its seal as it is.
    fn forge(&self, state: &str, members: &Map<String, Value>) -> Result<String, String> {
        const ALIEN: &str = "the state in the options is no <base64url of JSON>.<seal>";
        let (text, seal) = state.split_once('.').ok_or(ALIEN)?;
        let text = from_base64url(text).ok_or(ALIEN)?;
        let mut text: Value = serde_json::from_slice(&text).map_err(|_| ALIEN)?;
        self.add(&mut text, Some(members))?;
        let text = base64url(text.to_string().as_bytes());
        Ok(format!("{text}.{seal}"))
    }

    /// Returns the body that is posted for a response: with the state that the client holds, and what the step adds.
    pub(super) fn body(&self, spec: &StepSpec, response: &Value) -> Result<Value, String> {
        let mut body = response.clone();
        if let Some(held) = &self.held_state {
            body[HELD] = json!(held);
        }
        self.add(&mut body, request(spec).posts_with.as_ref())?;
        Ok(body)
    }

    /// Posts a registration at the moment at which another user posts one with the same change.
    pub(super) async fn post_with(
        &mut self,
        rival: &str,
        user: &str,
        spec: &StepSpec,
        response: Value,
    ) -> Result<Outcome, String> {
        if !self.api.has_session(rival)
            && let Some(refused) = self.bootstrap(rival).await
        {
            return Ok(refused);
        }
        let ceremony = CeremonyKind::Registration;
        let to_options = Self::way_to_options(spec, rival, ceremony);
        let options = match self.fetch(rival, &to_options, &json!({})).await {
            Ok(options) => options,
            Err(outcome) => return Ok(outcome),
        };
        let made = made::in_step(self.library, spec)?;
        let client = made::client(self.rp.origin(), spec, &made.model);
        let mut other = SoftwareAuthenticator::new(made.model, self.seed.derive(rival));
        let mutation = spec.mutation.as_ref();
        let of_rival = match client.create(&mut other, &options, mutation, &self.values) {
            Ok(made) => made.response,
            Err(error) => return made::refused_by_client(error),
        };
        let mut posts = JoinSet::new();
        for (who, response) in [(user, response), (rival, of_rival)] {
            let twin = self.api.twin().await;
            let mut twin = twin.map_err(|error| error.to_string())?;
            let (who, path) = (who.to_owned(), Self::way(spec, who, ceremony));
            self.messages.push(Message::Response {
                ceremony,
                response: response.clone(),
            });
            posts.spawn(async move { twin.post(&who, &path, &response).await.outcome() });
        }
        Ok(of_several(&posts.join_all().await))
    }

    /// Does what the user does in other requests between the options and the response.
    pub(super) async fn other_requests(
        &mut self,
        user: &str,
        spec: &StepSpec,
    ) -> Result<(), String> {
        let done = match request(spec).meanwhile {
            None => return Ok(()),
            Some(Meanwhile::SignOut) => {
                let cookies = self.api.cookies(user).cloned();
                let answer = self.api.post(user, "/session/sign-out", &json!({})).await;
                // A browser gives its cookie up; whoever copied it has it still.
                self.api.keep(user, cookies);
                answer.outcome()
            }
            Some(Meanwhile::PasswordChange) => self.change_password(user).await,
            Some(Meanwhile::PasswordSignIn) => self.give_password(user, spec).await,
        };
        match done {
            Outcome::Accepted => Ok(()),
            other => Err(format!("what happens meanwhile did not: {other}")),
        }
    }

    /// Changes a user's password in another session of the same user.
    async fn change_password(&mut self, user: &str) -> Outcome {
        let elsewhere = format!("{user} elsewhere");
        let body = json!({ "username": user, "temporaryAccessPass": self.rp.pass() });
        let let_in = self.api.post(&elsewhere, "/session/bootstrap", &body).await;
        if let Answer::Refused(outcome) = let_in {
            return outcome;
        }
        let body = json!({ "oldPassword": password(user), "newPassword": "another password" });
        let answer = self.api.post(&elsewhere, "/password/change", &body).await;
        answer.outcome()
    }

    /// Gives the password of an account.
    pub(super) async fn give_password(&mut self, user: &str, spec: &StepSpec) -> Outcome {
        let request = request(spec);
        let account = request.account.as_deref().unwrap_or(user);
        let body = json!({ "username": account, "password": password(account) });
        let answer = self.api.post(user, "/password/sign-in", &body).await;
        answer.outcome()
    }

    /// Sends JSON that no ceremony made.
    pub(super) async fn send(&mut self, user: &str, spec: &StepSpec) -> Result<Outcome, String> {
        let request = request(spec);
        let path = match request.to.ok_or("send has to say where to")? {
            Endpoint::Registration => path(CeremonyKind::Registration),
            Endpoint::StepUp => "/step-up",
        };
        let body = self.filled(&request.body.unwrap_or_default())?;
        Ok(self.api.post(user, path, &body).await.outcome())
    }

    /// Reads something, and compares what it shows with what the step says.
    pub(super) async fn read(&mut self, user: &str, spec: &StepSpec) -> Result<Outcome, String> {
        let request = request(spec);
        let account = request.account.as_deref().unwrap_or(user);
        let shown = match request.of.ok_or("read has to say what is read")? {
            ReadOf::Session => self.api.get(user, SESSION).await,
            ReadOf::Record => {
                let view = format!("/admin/users/{account}/passkeys");
                self.api.get(user, &view).await
            }
        };
        let mut shown = match shown {
            Answer::Json(shown) => shown,
            Answer::Refused(outcome) => return Ok(outcome),
        };
        if let Some(records) = shown.as_array() {
            let name = spec.credential.as_deref().unwrap_or("passkey");
            let id = values::credential_id(&self.values, name)
                .ok_or_else(|| format!("no passkey '{name}' was registered before"))?;
            let own = records
                .iter()
                .find(|record| record["credentialId"] == id.as_str());
            let Some(own) = own else {
                let how = format!("{account} has no record of this passkey");
                return Ok(Outcome::Differs { how });
            };
            shown = own.clone();
        }
        let mut wanted = json!({});
        self.add(&mut wanted, request.shows.as_ref())?;
        Ok(shows(&shown, wanted.as_object().unwrap_or(&Map::new())))
    }

    fn add(&self, to: &mut Value, members: Option<&Map<String, Value>>) -> Result<(), String> {
        for (name, value) in members.into_iter().flatten() {
            to[name] = self.filled(value)?;
        }
        Ok(())
    }

    /// Puts values of the row where JSON names them: `$CONTROL_CREDENTIAL_ID`.
    fn filled(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => match text.strip_prefix('$') {
                Some(name) => {
                    let found = self.values.get(name).cloned();
                    found.ok_or_else(|| format!("there is no value '{text}'"))?
                }
                None => value.clone(),
            },
            Value::Array(items) => {
                let items = items.iter().map(|item| self.filled(item));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Value::Object(members) => {
                let members = members
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), self.filled(value)?)));
                Value::Object(members.collect::<Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }
}
