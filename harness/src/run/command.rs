//! The application around a library that is reached through an adapter (harness/COMMAND.md): who is registered with which record, who is
//! signed in, and one ceremony under way in a session, whose challenge is good once.
//!
//! It is the thinnest use of a library, and it is not what is judged: where it would have to refuse by itself, the row is
//! not-applicable.

mod heard;
mod messages;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hyper::Method;
use passkey_authenticators::{client::base64url, seed::Seed};
use passkey_model::{
    scenario::CeremonyKind,
    target::{Answered, Call, REFUSED},
    verdict::Outcome,
};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::speech::{OfRow, call_of, unclear, yes};
use crate::target::{Ability, Adapters, Lease, ReadyTarget};
pub(crate) use heard::{Heard, accepts, hear, options_in};
pub(crate) use messages::{Asked, Settings};

/// The application of one row; clones are the same one.
#[derive(Clone)]
pub(super) struct Shell {
    application: Arc<Mutex<Application>>,
    /// How many sessions there were.
    sessions: Arc<AtomicUsize>,
}

struct Application {
    lease: Lease,
    settings: Settings,
    /// What user handles derive from.
    handles: Seed,
    /// The handles that were given to users, by name.
    users: BTreeMap<String, String>,
    /// What was registered, by credential ID.
    passkeys: BTreeMap<String, Passkey>,
    sessions: BTreeMap<String, Session>,
    /// Why the library cannot show what the row is about.
    skipped: Option<String>,
}

struct Passkey {
    owner: String,
    /// What the adapter wants kept of it.
    record: Value,
    transports: Value,
}

#[derive(Default)]
struct Session {
    user: Option<String>,
    pending: Option<Pending>,
}

/// A ceremony under way.
struct Pending {
    /// Who registers, or who was named to sign in.
    user: Option<String>,
    asked: Asked,
}

impl Shell {
    /// Makes the application of a row, and waits for a process of the adapter.
    pub(super) async fn new(adapters: &Arc<Adapters>, target: &ReadyTarget, row: &OfRow) -> Self {
        let application = Application {
            lease: adapters.lease().await,
            settings: Settings::of(&target.file, &row.settings),
            handles: Seed::new(0, &row.users),
            users: BTreeMap::new(),
            passkeys: BTreeMap::new(),
            sessions: BTreeMap::new(),
            skipped: None,
        };
        Self {
            application: Arc::new(Mutex::new(application)),
            sessions: Arc::default(),
        }
    }

    /// Makes the ID of a session that nobody has.
    pub(super) fn new_session(&self) -> String {
        self.sessions.fetch_add(1, Ordering::Relaxed).to_string()
    }

    /// Returns why the library cannot show what the row is about, if it came to that.
    pub(super) async fn skipped(&self) -> Option<String> {
        self.application.lock().await.skipped.clone()
    }

    /// Does what a request of the reference relying party's API asks for.
    pub(super) async fn say(
        &self,
        method: &Method,
        session: &str,
        path: &str,
        body: &Value,
    ) -> Result<Answered, Outcome> {
        let mut application = self.application.lock().await;
        match call_of(method, path) {
            Some(call) => application.answer(&call, session, body).await,
            None => Err(application.skip(format!("{method} {path}"))),
        }
    }
}

/// Returns the outcome of a step that the library cannot show.
pub(super) fn not_shown(why: &str) -> Outcome {
    unclear(format!("not shown: {why}"))
}

impl Application {
    async fn answer(
        &mut self,
        call: &Call,
        session: &str,
        body: &Value,
    ) -> Result<Answered, Outcome> {
        match call {
            Call::LetIn => {
                let user = body["username"].as_str().unwrap_or(session).to_owned();
                self.session(session).user = Some(user);
                Ok(yes(&Value::Null))
            }
            Call::Session => Ok(yes(&json!({ "user": self.session(session).user }))),
            Call::SignOut => {
                self.sessions.remove(session);
                Ok(yes(&Value::Null))
            }
            Call::Delete(id) => {
                let user = self.session(session).user.clone();
                let owner = self.passkeys.get(id).map(|passkey| passkey.owner.clone());
                if owner.is_none() || owner != user {
                    return Err(self.leaves("this user has no such passkey"));
                }
                self.passkeys.remove(id);
                Ok(yes(&Value::Null))
            }
            Call::Options(ceremony) => self.options(*ceremony, session, body).await,
            Call::Result(ceremony) => self.verify(*ceremony, session, body).await,
            Call::Administration | Call::List => {
                Err(self.skip("a library has neither a policy nor lists of passkeys".to_owned()))
            }
        }
    }

    fn session(&mut self, session: &str) -> &mut Session {
        self.sessions.entry(session.to_owned()).or_default()
    }

    /// Notes why the library cannot show what the row is about.
    fn skip(&mut self, why: String) -> Outcome {
        let outcome = not_shown(&why);
        self.skipped.get_or_insert(why);
        outcome
    }

    /// Refuses by itself, which says nothing of the library.
    fn leaves(&mut self, why: &str) -> Outcome {
        self.skip(format!(
            "the application would refuse by itself, without the library: {why}"
        ))
    }

    async fn options(
        &mut self,
        ceremony: CeremonyKind,
        session: &str,
        body: &Value,
    ) -> Result<Answered, Outcome> {
        let user = match ceremony {
            CeremonyKind::Registration => match self.session(session).user.clone() {
                Some(user) => Some(user),
                None => return Err(self.leaves("nobody is signed in")),
            },
            CeremonyKind::Authentication => body["username"].as_str().map(str::to_owned),
        };
        if ceremony == CeremonyKind::Authentication
            && let Some(name) = &user
            && !self.users.contains_key(name)
        {
            return Err(self.leaves("nobody has this name"));
        }
        let known = self.listed(user.as_deref());
        let settings = self.settings.asked(body);
        let asked = match (&user, ceremony) {
            (Some(name), CeremonyKind::Registration) => {
                let handle = self.handle(name);
                settings.registration(name, &handle, &known)
            }
            _ => settings.authentication(&known),
        };
        let answer = match self.ask(asked).await? {
            Said::Done(answer) => answer,
            Said::Refused(refused) => return Ok(refused),
        };
        let options = options_in(&answer).map_err(crashed)?;
        if let (Some(user), Some(handle)) = (&user, options.pointer("/user/id"))
            && let Some(handle) = handle.as_str()
        {
            self.users.insert(user.clone(), handle.to_owned());
        }
        let given = yes(options);
        self.session(session).pending = Some(Pending {
            user,
            asked: Asked {
                ceremony,
                options: options.clone(),
                state: answer["state"].clone(),
            },
        });
        Ok(given)
    }

    /// Returns the passkeys of a user, as options list them; nothing of nobody's.
    fn listed(&self, user: Option<&str>) -> Value {
        let of_user = |passkey: &Passkey| Some(passkey.owner.as_str()) == user;
        let passkeys = self.passkeys.iter().filter(|(_, passkey)| of_user(passkey));
        passkeys
            .map(|(id, passkey)| json!({ "id": id, "transports": passkey.transports }))
            .collect()
    }

    /// Returns the handle of a user, who has one from then on.
    fn handle(&self, name: &str) -> String {
        let made = || base64url(&self.handles.bytes(name));
        self.users.get(name).cloned().unwrap_or_else(made)
    }

    async fn verify(
        &mut self,
        ceremony: CeremonyKind,
        session: &str,
        response: &Value,
    ) -> Result<Answered, Outcome> {
        let pending = self.session(session).pending.take();
        let Some(pending) = pending.filter(|pending| pending.asked.ceremony == ceremony) else {
            return Err(self.leaves("no such ceremony is under way"));
        };
        let known = match ceremony {
            CeremonyKind::Registration => None,
            CeremonyKind::Authentication => Some(self.find(&pending, response)?),
        };
        let record = known.as_ref().and_then(|id| self.passkeys.get(id));
        let mut asked = self.settings.verification(&pending.asked, response);
        if let Some(passkey) = record {
            asked["record"] = passkey.record.clone();
            asked["expected"]["user-handle"] = json!(self.users.get(&passkey.owner));
        }
        let answer = match self.ask(asked).await? {
            Said::Done(answer) => answer,
            Said::Refused(refused) => return Ok(refused),
        };
        accepts(&answer).map_err(crashed)?;
        // After the library: whatever it refuses by itself is seen.
        let is_bound = |id| self.is_bound(&pending, id, response);
        let binds = self.lease.can(Ability::UserBinding);
        if !binds && known.as_deref().is_some_and(|id| !is_bound(id)) {
            return Err(self.leaves("the passkey is not this user's"));
        }
        let user = match known {
            Some(id) => self.note(&id, &answer["record"]),
            None => Some(self.add(pending, response, &answer["record"])?),
        };
        self.session(session).user = user;
        Ok(yes(&Value::Null))
    }

    /// Returns the ID of the passkey that a response is of (WebAuthn L3, 7.2, step 5).
    fn find(&mut self, pending: &Pending, response: &Value) -> Result<String, Outcome> {
        let of_user = |id: &&String| {
            let passkey = self.passkeys.get(*id);
            let owner = passkey.map(|passkey| &passkey.owner);
            pending.user.is_none() || owner == pending.user.as_ref()
        };
        let named = [&response["id"], &response["rawId"]];
        let mut named = named.into_iter().filter_map(Value::as_str);
        let known = named.find(|id| self.passkeys.contains_key(*id));
        let found = match known {
            Some(id) => Some(id.to_owned()),
            // What cannot be read as an ID is the library's to refuse: it is shown it with a passkey that would do.
            None if !messages::is_id(&response["id"]) => {
                self.passkeys.keys().find(of_user).cloned()
            }
            None => None,
        };
        let Some(id) = found else {
            return Err(self.leaves("nobody has such a passkey"));
        };
        Ok(id)
    }

    /// Tells whether a passkey is of the user who was named, or of the one whom the response tells (7.2, step 6).
    fn is_bound(&self, pending: &Pending, id: &str, response: &Value) -> bool {
        let Some(passkey) = self.passkeys.get(id) else {
            return false;
        };
        let of_named = pending
            .user
            .as_ref()
            .is_none_or(|user| *user == passkey.owner);
        let handle = self.users.get(&passkey.owner).map(String::as_str);
        let told = &response["response"]["userHandle"];
        let of_told = told.as_str() == handle || (told.is_null() && pending.user.is_some());
        of_named && of_told
    }

    /// Keeps what the adapter wants kept of a passkey that was used, and returns whose it is.
    fn note(&mut self, id: &str, record: &Value) -> Option<String> {
        let passkey = self.passkeys.get_mut(id)?;
        if !record.is_null() {
            passkey.record = record.clone();
        }
        Some(passkey.owner.clone())
    }

    /// Keeps a new passkey, and returns whose it is.
    fn add(
        &mut self,
        pending: Pending,
        response: &Value,
        record: &Value,
    ) -> Result<String, Outcome> {
        let Some(id) = record["id"].as_str() else {
            let how = format!("the adapter's record has no id: {record}");
            return Err(crashed(how));
        };
        if self.passkeys.contains_key(id) {
            return Err(self.leaves("somebody has this passkey already"));
        }
        let owner = pending.user.unwrap_or_default();
        let passkey = Passkey {
            owner: owner.clone(),
            record: record.clone(),
            transports: messages::transports(response),
        };
        self.passkeys.insert(id.to_owned(), passkey);
        Ok(owner)
    }

    /// Asks the adapter one thing.
    async fn ask(&mut self, asked: Value) -> Result<Said, Outcome> {
        match hear(self.lease.ask(asked).await) {
            Heard::Done(answer) => Ok(Said::Done(answer)),
            Heard::Refused(answer) => {
                let body = answer.to_string();
                let refused = Answered::new(REFUSED, "application/json", body.as_bytes());
                Ok(Said::Refused(refused))
            }
            Heard::Skipped(why) => Err(self.skip(format!("the library cannot: {why}"))),
            Heard::Crashed(how) => Err(crashed(how)),
            Heard::Hung => Err(Outcome::Hung),
        }
    }
}

const fn crashed(how: String) -> Outcome {
    Outcome::Crashed { how }
}

/// What the library said.
enum Said {
    Done(Value),
    Refused(Answered),
}
