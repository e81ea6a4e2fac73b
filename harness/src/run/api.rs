//! The api driver: our HTTP client, with a session for each user, in the words of the reference relying party's L3 JSON API; what
//! another relying party is told instead is in [`speech`](super::speech).

use std::{
    collections::{BTreeMap, btree_map::Entry},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use hyper::{HeaderMap, Method, header};
use passkey_model::{
    target::{Answered, Exchange},
    verdict::{Outcome, Reason},
};
use serde_json::Value;

pub(crate) use super::http::ConnectError;
use super::{
    REQUEST_LIMIT,
    command::Shell,
    http::{LARGE_REQUEST, Link, Message},
    speech::{OfRow, Speech, unclear},
};
use crate::target::ReadyTarget;

/// How many cookies a session may have; browsers keep about as many of a site.
const MOST_COOKIES: usize = 180;

/// How much of what is no options is told, in characters.
const MOST_SHOWN: usize = 200;

/// What stands for the cookie of the application around a library.
const SESSION: &str = "session";

/// The cookies of a session, by name.
pub(super) type Jar = BTreeMap<String, String>;

/// A connection to a relying party, with a session for each user.
pub(super) struct Api {
    line: Line,
    sessions: BTreeMap<String, Jar>,
    /// The status and the body of the last answer.
    answered: (u16, Vec<u8>),
    reader: Reader,
    /// How a relying party is told everything that speaks otherwise than the reference relying party.
    speech: Option<Speech>,
}

/// What requests go through.
enum Line {
    Http(Box<Link>),
    /// An adapter answers them, with the application around it.
    Command(Shell),
}

/// Knows how a relying party says that it refuses.
#[derive(Clone, Debug)]
pub(super) enum Reader {
    /// The reference relying party, which names its reasons.
    Reference,
    /// A target, in its own words.
    Target(Arc<ReadyTarget>),
}

/// An answer, or what happened in its place.
pub(super) enum Answer {
    Json(Value),
    Refused(Outcome),
}

impl Answer {
    pub(super) const fn crashed(how: String) -> Self {
        Self::Refused(Outcome::Crashed { how })
    }

    pub(super) const fn hung() -> Self {
        Self::Refused(Outcome::Hung)
    }

    /// Returns options, which are an object.
    pub(super) fn object(self) -> Result<Value, Outcome> {
        match self {
            Self::Json(options) if options.is_object() => Ok(options),
            Self::Json(other) => {
                let shown: String = other.to_string().chars().take(MOST_SHOWN).collect();
                let how = format!("its options are no object: {shown}");
                Err(Outcome::Crashed { how })
            }
            Self::Refused(outcome) => Err(outcome),
        }
    }

    /// Returns what an answer means for a step that needs nothing of its JSON.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Json(_) => Outcome::Accepted,
            Self::Refused(outcome) => outcome,
        }
    }
}

impl Api {
    /// Connects; a target may have to be asked for what the row wants.
    pub(super) async fn connect(
        address: SocketAddr,
        host: &str,
        reader: Reader,
        row: &OfRow,
    ) -> Result<Self, ConnectError> {
        let target = match &reader {
            Reader::Reference => None,
            Reader::Target(target) => Some(target),
        };
        let speech = target.and_then(|target| Speech::of(target, row));
        let adapters = target.and_then(|target| Some((target, target.adapters.as_ref()?)));
        let line = match adapters {
            Some((target, adapters)) => Line::Command(Shell::new(adapters, target, row).await),
            None => {
                let link = Link::connect(address, host).await?;
                Line::Http(Box::new(link.with_limit(reader.limit())))
            }
        };
        Ok(Self {
            line,
            sessions: BTreeMap::new(),
            answered: (0, Vec::new()),
            reader,
            speech,
        })
    }

    /// Makes a second connection with the same sessions.
    pub(super) async fn twin(&self) -> Result<Self, ConnectError> {
        let line = match &self.line {
            Line::Http(link) => Line::Http(Box::new(link.again(link.host()).await?)),
            Line::Command(shell) => Line::Command(shell.clone()),
        };
        let mut twin = self.with(line);
        twin.sessions.clone_from(&self.sessions);
        Ok(twin)
    }

    /// Connects to another host of the same server, without a session.
    pub(super) async fn at_host(&self, host: &str) -> Result<Self, ConnectError> {
        let line = match &self.line {
            Line::Http(link) => Line::Http(Box::new(link.again(host).await?)),
            Line::Command(shell) => Line::Command(shell.clone()),
        };
        Ok(self.with(line))
    }

    fn with(&self, line: Line) -> Self {
        Self {
            line,
            sessions: BTreeMap::new(),
            answered: (0, Vec::new()),
            reader: self.reader.clone(),
            speech: self.speech.clone(),
        }
    }

    /// Returns why a library cannot show what the row is about, if it came to that.
    pub(super) async fn not_shown(&self) -> Option<String> {
        match &self.line {
            Line::Http(_) => None,
            Line::Command(shell) => shell.skipped().await,
        }
    }

    pub(super) fn forget(&mut self, user: &str) {
        self.sessions.remove(user);
        if let Some(speech) = &mut self.speech {
            speech.forget(user);
        }
    }

    /// Tells whether a user has a session: cookies, or what was kept of answers, as a token is.
    pub(super) fn has_session(&self, user: &str) -> bool {
        let speech = self.speech.as_ref();
        self.sessions.contains_key(user) || speech.is_some_and(|speech| speech.has_kept(user))
    }

    /// Returns the name under which the relying party knows a user.
    pub(super) fn name_of(&mut self, user: &str) -> String {
        let speech = self.speech.as_mut();
        speech.map_or_else(|| user.to_owned(), |speech| speech.name_of(user))
    }

    /// Returns the status and the body of the last answer.
    pub(super) fn answered(&self) -> (u16, &[u8]) {
        (self.answered.0, &self.answered.1)
    }

    /// Returns the cookies of a user's session.
    pub(super) fn cookies(&self, user: &str) -> Option<&Jar> {
        self.sessions.get(user)
    }

    /// Puts cookies in the place of those of a user's session; nothing takes them away.
    pub(super) fn keep(&mut self, user: &str, cookies: Option<Jar>) {
        match cookies {
            Some(cookies) => self.sessions.insert(user.to_owned(), cookies),
            None => self.sessions.remove(user),
        };
    }

    pub(super) async fn get(&mut self, user: &str, path: &str) -> Answer {
        self.send(Method::GET, user, path, &Value::Null).await
    }

    pub(super) async fn delete(&mut self, user: &str, path: &str) -> Answer {
        self.send(Method::DELETE, user, path, &Value::Null).await
    }

    pub(super) async fn post(&mut self, user: &str, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, user, path, body).await
    }

    pub(super) async fn patch(&mut self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, "", path, body).await
    }

    /// Posts, and reads nothing out of what was answered; `Err` where there is no answer.
    pub(super) async fn ask(
        &mut self,
        user: &str,
        path: &str,
        body: &Value,
    ) -> Result<Answered, Outcome> {
        self.exchange(Method::POST, user, path, body).await
    }

    async fn send(&mut self, method: Method, user: &str, path: &str, body: &Value) -> Answer {
        match self.exchange(method, user, path, body).await {
            Ok(said) => {
                let answer = self.reader.read(path, &said);
                self.answered = (said.status, said.body);
                answer
            }
            Err(outcome) => Answer::Refused(outcome),
        }
    }

    /// Makes the requests that set a policy, which demands this.
    pub(super) async fn set_policy(
        &mut self,
        exchanges: &[Exchange],
        demands: Value,
    ) -> Result<(), Outcome> {
        let Some(mut speech) = self.speech.take() else {
            return Ok(());
        };
        let set = speech.set_policy(self, exchanges, demands).await;
        self.speech = Some(speech);
        set
    }

    /// Says something in the relying party's own words.
    async fn exchange(
        &mut self,
        method: Method,
        user: &str,
        path: &str,
        body: &Value,
    ) -> Result<Answered, Outcome> {
        if let Line::Command(shell) = &self.line {
            // There are no cookies: whoever asks has a session from then on.
            let jar = self.sessions.entry(user.to_owned()).or_default();
            let session = jar.entry(SESSION.to_owned());
            let session = session.or_insert_with(|| shell.new_session());
            return shell.say(&method, session, path, body).await;
        }
        if let Some(mut speech) = self.speech.take() {
            let said = speech.say(self, &method, user, path, body).await;
            self.speech = Some(speech);
            return said;
        }
        let message = Message::json(method, path, body);
        self.carry(user, message).await.map(|(said, _)| said)
    }

    /// Sends a message with a user's cookies, and keeps those that the answer sets.
    pub(super) async fn carry(
        &mut self,
        user: &str,
        mut message: Message,
    ) -> Result<(Answered, HeaderMap), Outcome> {
        if let Reader::Target(target) = &self.reader
            && let Some(pace) = &target.pace
        {
            pace.wait().await;
        }
        if let Some(jar) = self.sessions.get(user) {
            let pairs: Vec<String> = jar
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            message
                .headers
                .push((header::COOKIE.to_string(), pairs.join("; ")));
        }
        let size = message.body.len();
        let Line::Http(link) = &mut self.line else {
            return Err(unclear("an adapter hears no HTTP".to_owned()));
        };
        let (said, headers) = match link.exchange(message).await {
            Ok(received) => received,
            Err(Outcome::Crashed { how }) if size > LARGE_REQUEST => {
                return Err(too_large(size, &how));
            }
            Err(outcome) => return Err(outcome),
        };
        if size > LARGE_REQUEST && said.status == 413 && !matches!(self.reader, Reader::Reference) {
            return Err(too_large(size, "status 413"));
        }
        let set = headers.get_all(header::SET_COOKIE);
        for cookie in set.iter().filter_map(|cookie| cookie.to_str().ok()) {
            keep_cookie(&mut self.sessions, user, cookie);
        }
        Ok((said, headers))
    }
}

/// Keeps a cookie of `Set-Cookie` in a user's session; an empty one is taken away.
fn keep_cookie(sessions: &mut BTreeMap<String, Jar>, user: &str, cookie: &str) {
    let pair = cookie.split(';').next().unwrap_or_default();
    let Some((name, value)) = pair.split_once('=') else {
        return;
    };
    let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
    let jar = match sessions.entry(user.to_owned()) {
        Entry::Vacant(_) if value.is_empty() => return,
        entry => entry.or_default(),
    };
    if value.is_empty() {
        jar.remove(&name);
    } else if jar.len() < MOST_COOKIES || jar.contains_key(&name) {
        jar.insert(name, value);
    }
}

/// A request was refused for its size.
fn too_large(size: usize, how: &str) -> Outcome {
    Outcome::Rejected {
        reasons: vec![Reason::Unknown],
        message: format!("a request of {size} bytes is not taken: {how}"),
    }
}

impl Reader {
    /// How long one request may take.
    pub(super) fn limit(&self) -> Duration {
        let own = match self {
            Self::Reference => None,
            Self::Target(target) => target.file.pacing.answers_within_seconds,
        };
        own.map_or(REQUEST_LIMIT, Duration::from_secs)
    }

    /// Reads an answer to a request for a path.
    pub(super) fn read(&self, path: &str, said: &Answered) -> Answer {
        let json = if said.body.is_empty() {
            Some(Value::Null)
        } else {
            said.json()
        };
        if let Self::Target(target) = self
            && let Some(refused) = target.refused(path, said)
        {
            return Answer::Refused(refused);
        }
        match (said.status, json, self) {
            (_, Some(json), _) if said.is_success() => Answer::Json(json),
            (200..=299, None, _) => Answer::crashed(format!("status {} without JSON", said.status)),
            (500..=599, ..) => Answer::crashed(said.to_string()),
            (400 | 403 | 413, Some(json), Self::Reference) if json.get("error").is_some() => {
                Answer::Refused(refusal(&json["error"]))
            }
            _ => Answer::Refused(Outcome::OtherRefusal {
                what: said.to_string(),
            }),
        }
    }
}

/// The reference relying party names its reasons; a policy's refusal stands where Graph puts it.
pub(super) fn refusal(error: &Value) -> Outcome {
    let listed = error["reasons"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let inner = error.pointer("/innerError/reason");
    let reasons = listed.iter().chain(inner).filter_map(Value::as_str);
    Outcome::Rejected {
        // A reason that nobody knows is none: it never is the one that was expected.
        reasons: reasons.filter_map(|reason| reason.parse().ok()).collect(),
        message: error["message"].as_str().unwrap_or_default().to_owned(),
    }
}
