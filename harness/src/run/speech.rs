//! Says in a relying party's own words what the harness says in the reference relying party's, and reads its answers back.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::{Method, header};
use passkey_model::{
    scenario::{CeremonyKind, PerCeremony},
    target::{Answered, Call, Code, Dialect, Exchange, Listing, Template, Variable},
    verdict::Outcome,
};
use serde_json::{Map, Value, json};

use super::{
    api::Api,
    csrf::Tokens,
    http::Message,
    play::{ceremony_of, path},
};
use crate::target::ReadyTarget;

/// What a row wants of a relying party.
#[derive(Clone, Debug, Default)]
pub(super) struct OfRow {
    /// What tells its users from those of others.
    pub(super) users: String,
    /// The settings that it presumes.
    pub(super) settings: Value,
}

/// How one relying party is spoken to, with what is kept between requests.
#[derive(Clone)]
pub(super) struct Speech {
    target: Arc<ReadyTarget>,
    dialect: Arc<Dialect>,
    row: OfRow,
    /// The names of users as the target knows them, with those of the row.
    names: BTreeMap<String, String>,
    /// Who was named when the options of a ceremony were asked for last, by session.
    named: BTreeMap<String, PerCeremony<Option<String>>>,
    /// What was kept of answers, by session.
    kept: BTreeMap<String, Map<String, Value>>,
    tokens: Tokens,
    /// What was kept of the requests that all rows share.
    shared: Map<String, Value>,
    /// The entry of the passkey that is deleted, among those of its user.
    listed: Value,
    /// What a policy demands, while it is set.
    policy: Value,
}

/// The session of whoever asks what all rows share, and sets policies.
const ADMINISTRATOR: &str = "(the run)";

/// What was kept of the requests that all rows share, and since when; nothing before they were made.
pub(crate) type KeptForAll = tokio::sync::Mutex<Option<(Instant, Map<String, Value>)>>;

/// What pages say when they ask for options; who registers is named by the session, unless somebody attacks.
const OF_A_REQUEST: [&str; 3] = ["username", "mediation", "extensions"];
/// The members of a client's response (WebAuthn L3, 5.1).
const OF_A_RESPONSE: [&str; 6] = [
    "id",
    "rawId",
    "type",
    "response",
    "authenticatorAttachment",
    "clientExtensionResults",
];

/// What templates are filled with.
struct Filling<'a> {
    speech: &'a Speech,
    session: &'a str,
    user: String,
    call: &'a Call,
    /// What the harness asks, or the client's response.
    body: Value,
    answer: Option<Value>,
}

impl Speech {
    /// Returns how a target is spoken to; nothing where it speaks as the reference relying party does.
    pub(super) fn of(target: &Arc<ReadyTarget>, row: &OfRow) -> Option<Self> {
        Some(Self {
            target: Arc::clone(target),
            dialect: target.dialect.clone()?,
            row: row.clone(),
            names: BTreeMap::new(),
            named: BTreeMap::new(),
            kept: BTreeMap::new(),
            tokens: Tokens::default(),
            shared: Map::new(),
            listed: Value::Null,
            policy: Value::Null,
        })
    }

    pub(super) fn forget(&mut self, session: &str) {
        self.kept.remove(session);
        self.named.remove(session);
        self.tokens.forget(session);
    }

    /// Tells whether something of the answers in a session was kept.
    pub(super) fn has_kept(&self, session: &str) -> bool {
        let kept = self.kept.get(session);
        kept.is_some_and(|kept| !kept.is_empty())
    }

    /// Returns the name under which the target knows a user.
    pub(super) fn name_of(&mut self, user: &str) -> String {
        let name = self.target.file.user_name(user, &self.row.users);
        self.names.insert(name.clone(), user.to_owned());
        name
    }

    /// Says one thing; the answer is in the words of the reference relying party where it says yes.
    pub(super) async fn say(
        &mut self,
        api: &mut Api,
        method: &Method,
        session: &str,
        path: &str,
        body: &Value,
    ) -> Result<Answered, Outcome> {
        let unknown = || Outcome::OtherRefusal {
            what: format!(
                "target {} is not described for {method} {path}",
                self.target.file.target
            ),
        };
        let call = call_of(method, path).ok_or_else(unknown)?;
        let dialect = Arc::clone(&self.dialect);
        let exchanges = dialect.says(&call).ok_or_else(unknown)?;
        self.share(api).await?;
        let mut body = body.clone();
        if let Some(name) = body.get("username").and_then(Value::as_str) {
            body["username"] = json!(self.name_of(name));
        }
        if let (Call::Delete(id), Some(listing)) = (&call, &dialect.list) {
            self.listed = self.find(api, session, listing, id).await?;
        }
        let mut said = yes(&Value::Null);
        for exchange in exchanges {
            said = self
                .exchange(api, (session, &call, &body), exchange)
                .await?;
            if !said.is_success() {
                break;
            }
        }
        Ok(said)
    }

    /// Finds the entry of a passkey among those of a user.
    async fn find(
        &mut self,
        api: &mut Api,
        session: &str,
        listing: &Listing,
        id: &str,
    ) -> Result<Value, Outcome> {
        let what = (session, &Call::List, &Value::Null);
        let said = self.exchange(api, what, &listing.passkeys).await?;
        let entry = said.json().and_then(|list| listing.find(&list, id));
        entry.ok_or_else(|| unclear(format!("the passkey {id} is not in the list: {said}")))
    }

    /// Makes the requests that all rows share, unless another row did.
    async fn share(&mut self, api: &mut Api) -> Result<(), Outcome> {
        let dialect = Arc::clone(&self.dialect);
        let Some(shared) = &dialect.shared else {
            return Ok(());
        };
        let target = Arc::clone(&self.target);
        // Held meanwhile: whoever comes second waits for what the first one gets.
        let mut kept = target.kept_for_all.lock().await;
        let lasts = Duration::from_secs(shared.for_seconds);
        if let Some((since, kept)) = &*kept
            && since.elapsed() < lasts
        {
            self.shared.clone_from(kept);
            return Ok(());
        }
        self.shared = Map::new();
        let since = Instant::now();
        self.administer(api, &shared.requests).await?;
        self.shared = self.kept.remove(ADMINISTRATOR).unwrap_or_default();
        *kept = Some((since, self.shared.clone()));
        Ok(())
    }

    /// Makes requests that belong to no row, all of which have to be answered with yes.
    async fn administer(&mut self, api: &mut Api, exchanges: &[Exchange]) -> Result<(), Outcome> {
        for exchange in exchanges {
            let what = (ADMINISTRATOR, &Call::Administration, &Value::Null);
            let said = self.exchange(api, what, exchange).await?;
            if !said.is_success() {
                let line = String::from(exchange.request.clone());
                return Err(unclear(format!("{line} was answered with {said}")));
            }
        }
        Ok(())
    }

    /// Makes the requests that set a policy, which demands this.
    pub(super) async fn set_policy(
        &mut self,
        api: &mut Api,
        exchanges: &[Exchange],
        policy: Value,
    ) -> Result<(), Outcome> {
        self.share(api).await?;
        self.policy = policy;
        let done = self.administer(api, exchanges).await;
        self.forget(ADMINISTRATOR);
        done
    }

    /// Returns whom a request is about: who is named in it or, in a response, was named when its options were asked for; otherwise whose
    /// session it is.
    fn user_of(&mut self, session: &str, call: &Call, body: &Value) -> String {
        let named = body["username"].as_str().map(str::to_owned);
        let of_session = self.name_of(session);
        match call {
            Call::Options(ceremony) => {
                let user = named.unwrap_or(of_session);
                let of_session = self.named.entry(session.to_owned()).or_default();
                let asked = match ceremony {
                    CeremonyKind::Registration => &mut of_session.registration,
                    CeremonyKind::Authentication => &mut of_session.authentication,
                };
                *asked = Some(user.clone());
                user
            }
            Call::Result(ceremony) => {
                let asked = self.named.get(session);
                let asked = asked.and_then(|asked| asked.of(*ceremony).clone());
                named.or(asked).unwrap_or(of_session)
            }
            _ => of_session,
        }
    }

    async fn exchange(
        &mut self,
        api: &mut Api,
        (session, call, body): (&str, &Call, &Value),
        exchange: &Exchange,
    ) -> Result<Answered, Outcome> {
        let dialect = Arc::clone(&self.dialect);
        let csrf = dialect.csrf.as_ref();
        self.tokens.find(csrf, api, session).await?;
        let user = self.user_of(session, call, body);
        let mut filling = Filling {
            speech: self,
            session,
            user,
            call,
            body: body.clone(),
            answer: None,
        };
        let message = filling.message(exchange).map_err(unclear)?;
        let (mut said, headers) = api.carry(session, message).await?;
        if let Some(rule) = &exchange.accepted {
            said.accepts = Some(rule.fits(&said));
        }
        if !said.is_success() {
            return Ok(said);
        }
        filling.answer = Some(said.json().unwrap_or(Value::Null));
        let kept = filling.keep(exchange).map_err(unclear)?;
        let gives = filling.gives(exchange).map_err(unclear)?;
        let of_session = self.kept.entry(session.to_owned()).or_default();
        of_session.extend(kept);
        self.tokens.note(csrf, (session, call), &headers);
        let status = said.status;
        Ok(match call {
            Call::Options(_) => match gives.map(out_of_text) {
                Some(options) if options.is_object() => yes(&in_base64url(options, exchange)),
                _ => {
                    return Err(Outcome::OtherRefusal {
                        what: format!("no options are where they should be: {said}"),
                    });
                }
            },
            Call::Session => {
                let name = gives.as_ref().and_then(Value::as_str);
                let user = name.map(|name| self.names.get(name).map_or(name, String::as_str));
                yes(&json!({ "user": user }))
            }
            // A refusal to list is told above; whatever else is no list, has no entries.
            Call::List => yes(&gives.unwrap_or_default()),
            _ => Answered {
                status,
                ..yes(&Value::Null)
            },
        })
    }
}

impl Filling<'_> {
    fn look_up(&self, variable: Variable) -> Option<Value> {
        match (variable, self.call) {
            (Variable::User, _) => Some(json!(self.user)),
            (Variable::Pass, _) => Some(json!(self.speech.target.pass)),
            (Variable::Request, Call::Options(_) | Call::LetIn)
            | (Variable::Response, Call::Result(_)) => Some(self.body.clone()),
            (Variable::Answer, _) => self.answer.clone(),
            (Variable::Kept, _) => {
                let mut all = self.speech.shared.clone();
                let kept = self.speech.kept.get(self.session);
                all.extend(kept.cloned().unwrap_or_default());
                Some(Value::Object(all))
            }
            (Variable::CredentialId, Call::Delete(id)) => Some(json!(id)),
            (Variable::Listed, Call::Delete(_)) => Some(self.speech.listed.clone()),
            (Variable::Csrf, _) => self.speech.tokens.of(self.session).map(|it| json!(it)),
            (Variable::Policy, Call::Administration) => Some(self.speech.policy.clone()),
            (Variable::Wanted, _) => Some(self.speech.row.settings.clone()),
            (Variable::Secret, _) => serde_json::to_value(&self.speech.target.secrets).ok(),
            (Variable::Started, _) => {
                serde_json::to_value(self.speech.target.captured.by_name()).ok()
            }
            (
                Variable::Request
                | Variable::Response
                | Variable::CredentialId
                | Variable::Listed
                | Variable::Policy,
                _,
            ) => None,
        }
        .filter(|value| !value.is_null())
    }

    fn fill(&self, template: &Template) -> Result<Option<Value>, String> {
        let filled = template.fill(&|variable| self.look_up(variable))?;
        Ok(filled.filter(|value| !value.is_null()))
    }

    fn text(&self, template: &Template) -> Result<String, String> {
        template.fill_text(&|variable| self.look_up(variable))
    }

    fn message(&self, exchange: &Exchange) -> Result<Message, String> {
        let line = &exchange.request;
        let method =
            Method::from_bytes(line.method.as_bytes()).map_err(|error| error.to_string())?;
        let mut path = self.text(&line.path)?;
        let query = self.query(exchange)?;
        if !query.is_empty() {
            path = format!(
                "{path}{}{query}",
                if path.contains('?') { '&' } else { '?' }
            );
        }
        let mut body = match &exchange.body {
            Some(body) => self.fill(body)?.unwrap_or(Value::Null),
            None => Value::Null,
        };
        self.add_what_is_beside(exchange, &mut body);
        let mut message = if exchange.form {
            form(method, &path, &body)
        } else {
            Message::json(method, &path, &body)
        };
        if body.is_null() {
            // Nothing is no JSON, and some servers refuse it where it is said to be.
            message.headers.clear();
        }
        let common = &self.speech.dialect.headers;
        for (name, value) in common.iter().chain(&exchange.headers) {
            // Whoever has no session yet has no token to show either.
            if self.fill(value)?.is_some() || self.speech.has_kept(self.session) {
                message.headers.push((name.clone(), self.text(value)?));
            }
        }
        Ok(message)
    }

    /// Adds what a row says that no page says, and the file has no place for: whoever attacks a relying party sends what they like.
    ///
    /// Of a request for options nothing is replaced that the file itself puts there, since a member of that name may be another thing.
    fn add_what_is_beside(&self, exchange: &Exchange, body: &mut Value) {
        let usual: &[&str] = match self.call {
            Call::Options(CeremonyKind::Registration) => &OF_A_REQUEST[1..],
            Call::Options(CeremonyKind::Authentication) => &OF_A_REQUEST,
            Call::Result(_) => &OF_A_RESPONSE,
            _ => return,
        };
        if exchange.request.method == "GET" {
            return;
        }
        let templates = exchange.query.values().chain(&exchange.body);
        let templates: Vec<_> = templates.chain([&exchange.request.path]).collect();
        let names = |variable| templates.iter().any(|it| it.names(variable));
        let named = names(Variable::User) || names(Variable::Request);
        let said = self.body.as_object().into_iter().flatten();
        let beside = said.filter(|(name, value)| {
            // What a page may ask for too, and gets where whoever asks chooses, is no attack; a strict server would refuse it.
            let is_wish = **value == "required" || *name == "attestation";
            let is_told = *name == "username" && named;
            !usual.contains(&name.as_str()) && !is_wish && !is_told
        });
        for (name, value) in beside {
            if body.is_null() {
                *body = json!({});
            }
            let Some(members) = body.as_object_mut() else {
                return;
            };
            if matches!(self.call, Call::Result(_)) || !members.contains_key(name) {
                members.insert(name.clone(), value.clone());
            }
        }
    }

    fn query(&self, exchange: &Exchange) -> Result<String, String> {
        let mut members = Map::new();
        for (name, template) in &exchange.query {
            members.extend(self.fill(template)?.map(|value| (name.clone(), value)));
        }
        Ok(form_encoded(&Value::Object(members)))
    }

    fn keep(&self, exchange: &Exchange) -> Result<Map<String, Value>, String> {
        let mut kept = Map::new();
        for (name, template) in &exchange.keep {
            if let Some(value) = self.fill(template)? {
                kept.insert(name.clone(), value);
            }
        }
        Ok(kept)
    }

    fn gives(&self, exchange: &Exchange) -> Result<Option<Value>, String> {
        match &exchange.gives {
            Some(template) => self.fill(template),
            None => Ok(self.answer.clone()),
        }
    }
}

/// Returns what a request of the reference relying party's API is about.
pub(super) fn call_of(method: &Method, requested: &str) -> Option<Call> {
    let ceremony = |kind: CeremonyKind| {
        let rest = requested.strip_prefix(path(kind))?;
        match rest {
            "" => Some(Call::Result(kind)),
            "/options" => Some(Call::Options(kind)),
            _ => None,
        }
    };
    match (method, requested) {
        (&Method::POST, "/session/bootstrap") => Some(Call::LetIn),
        (&Method::POST, "/session/sign-out") => Some(Call::SignOut),
        (&Method::GET, "/session") => Some(Call::Session),
        (&Method::DELETE, passkey) => {
            let id = passkey.strip_prefix("/passkeys/")?;
            Some(Call::Delete(id.to_owned()))
        }
        (&Method::POST, _) => ceremony(ceremony_of(requested)?),
        _ => None,
    }
}

/// Makes an answer that says yes.
pub(super) fn yes(json: &Value) -> Answered {
    let mut said = Answered::new(200, "application/json", json.to_string().as_bytes());
    said.accepts = Some(true);
    said
}

/// Reads JSON that is written in a string.
fn out_of_text(value: Value) -> Value {
    let read = value
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok());
    read.unwrap_or(value)
}

pub(super) fn unclear(what: String) -> Outcome {
    Outcome::OtherRefusal { what }
}

fn form(method: Method, path: &str, body: &Value) -> Message {
    Message {
        method,
        path: path.to_owned(),
        headers: vec![(
            header::CONTENT_TYPE.to_string(),
            "application/x-www-form-urlencoded".to_owned(),
        )],
        body: form_encoded(body).into_bytes(),
    }
}

/// Writes members as `application/x-www-form-urlencoded`.
fn form_encoded(members: &Value) -> String {
    let mut fields = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in members.as_object().into_iter().flatten() {
        match value {
            Value::String(text) => fields.append_pair(name, text),
            other => fields.append_pair(name, &other.to_string()),
        };
    }
    fields.finish()
}

/// Writes the bytes in options as WebAuthn's JSON does; what is not written as the file says stays as it is.
fn in_base64url(mut options: Value, exchange: &Exchange) -> Value {
    let recode = |value: &mut Value| {
        if let Some(bytes) = exchange.binary.read(value) {
            *value = Code::Base64url.write(&bytes);
        }
    };
    if exchange.binary == Code::Base64url {
        return options;
    }
    for pointer in ["/challenge", "/user/id"] {
        if let Some(value) = options.pointer_mut(pointer) {
            recode(value);
        }
    }
    for list in ["excludeCredentials", "allowCredentials"] {
        let list = options.get_mut(list).and_then(Value::as_array_mut);
        for credential in list.into_iter().flatten() {
            if let Some(id) = credential.get_mut("id") {
                recode(id);
            }
        }
    }
    options
}
