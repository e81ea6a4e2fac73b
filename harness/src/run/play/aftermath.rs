//! What is there before the judged step, and what it leaves behind: sessions, stored records, and what a passkey is good for that
//! had to be refused.

use std::collections::BTreeMap;

use passkey_authenticators::{Client, SoftwareAuthenticator, Values};
use passkey_model::{
    row::{Role, Step},
    scenario::{Action, CeremonyKind, Expected, Meanwhile, StepSpec},
    verdict::{
        Outcome,
        aftermath::{Aftermath, Seen, Session},
    },
};
use serde_json::{Map, Value, json};

use super::{Answer, Jar, Player, Rp, actors, ceremony, page::OnPage, values};

/// Where the reference relying party's API tells who is signed in.
pub(super) const SESSION: &str = "/session";

/// What was there before a judged step.
pub(super) struct Before {
    seen: Seen,
    /// Whether the step's session is the browser's, which the harness's own connection does not see.
    on_page: bool,
}

impl Player<'_> {
    /// Plays a step, at the tenant that it names, and looks at what is there before and after it.
    pub(super) async fn look_around(
        &mut self,
        index: usize,
        step: &Step,
        page: Option<&mut OnPage>,
    ) -> Result<Outcome, String> {
        let own = match &step.spec.tenant {
            None => None,
            Some(host) => {
                let there = self.api.at_host(host).await;
                let there = there.map_err(|error| error.to_string())?;
                Some(std::mem::replace(&mut self.api, there))
            }
        };
        let before = self.look_before(step, page.as_deref()).await;
        let mut outcome = self.step(page, index, step).await;
        if let Ok(outcome) = &mut outcome {
            self.look_after(index, step, before, outcome).await;
            if *outcome == Outcome::Accepted
                && let Some(wanted) = &step.spec.stored
            {
                *outcome = self.stored_as(&step.spec, wanted);
            }
        }
        if let Some(api) = own {
            self.api = api;
        }
        outcome
    }

    /// Looks at what is there before a step, if it is a judged ceremony.
    async fn look_before(&mut self, step: &Step, page: Option<&OnPage>) -> Option<Before> {
        let spec = &step.spec;
        // Of several responses that come at once one may be taken.
        let request = spec.request.as_ref();
        let rival = request.is_some_and(|request| request.rival.is_some());
        let several = spec.parallel.is_some() || spec.compares_refusals || rival;
        if step.role != Role::Subject || !tries_to_get_in(spec) || several {
            return None;
        }
        let on_page = page.is_some();
        let other_signs_in =
            request.is_some_and(|request| request.meanwhile == Some(Meanwhile::PasswordSignIn));
        let session = if spec.begins_anew() {
            Session::Nobody
        } else {
            self.who(spec, on_page || other_signs_in).await
        };
        let records = self.records();
        let seen = Seen { session, records };
        Some(Before { seen, on_page })
    }

    /// Looks at what a judged step left behind.
    async fn look_after(
        &mut self,
        index: usize,
        step: &Step,
        before: Option<Before>,
        outcome: &Outcome,
    ) {
        let spec = &step.spec;
        let name = spec.credential.as_deref().unwrap_or("passkey");
        let user = spec.user.as_deref().unwrap_or("alice");
        if spec.action == Action::Register && *outcome == Outcome::Accepted {
            self.owners.insert(name.to_owned(), user.to_owned());
        }
        let admitted = self.admitted.take().filter(|admitted| admitted == user);
        let Some(Before { mut seen, on_page }) = before else {
            return;
        };
        let came_to_something = matches!(
            outcome,
            Outcome::Accepted | Outcome::Rejected { .. } | Outcome::OtherRefusal { .. }
        );
        if !came_to_something {
            return;
        }
        if let Some(admitted) = admitted.filter(|_| !on_page) {
            seen.session = Session::Of(admitted);
        }
        let accepted = *outcome == Outcome::Accepted;
        // An accepted registration says nothing of a session.
        let unseen = on_page || (accepted && spec.action == Action::Register);
        let after = Seen {
            session: self.who(spec, unseen).await,
            records: self.records(),
        };
        let gained = if accepted && step.expect == Expected::Rejected {
            self.gained(spec, &after).await
        } else {
            None
        };
        self.aftermaths.push(Aftermath {
            step: index,
            before: seen,
            after,
            owner: self.owners.get(name).cloned(),
            kept_session: self.kept_session.take(),
            gained,
        });
    }

    /// Asks who is signed in in the session of the one who tries.
    async fn who(&mut self, spec: &StepSpec, unseen: bool) -> Session {
        let user = spec.user.as_deref().unwrap_or("alice");
        if unseen {
            return Session::Unseen;
        }
        if !self.api.has_session(user) {
            return Session::Nobody;
        }
        session(self.api.get(user, SESSION).await)
    }

    /// Says why a session was not renewed whose cookies were these before somebody signed in; nothing when it was.
    pub(super) async fn kept(&mut self, before: Jar) -> Option<String> {
        const BEFORE: &str = "whoever knows the id of before";
        self.api.keep(BEFORE, Some(before));
        match session(self.api.get(BEFORE, SESSION).await) {
            Session::Of(user) => Some(format!("{user} is signed in under the id of before too")),
            Session::Nobody | Session::Unseen => None,
        }
    }

    /// Reads what is stored of the row's users; nothing of a relying party that runs on its own.
    fn records(&self) -> Option<BTreeMap<String, Value>> {
        let Rp::Embedded(rp) = &self.rp else {
            return None;
        };
        let users = self.row.users.iter();
        Some(
            users
                .map(|(user, _)| (user.clone(), rp.passkeys(user)))
                .collect(),
        )
    }

    /// Compares the stored record of a step's passkey with what the step demands of it.
    fn stored_as(&self, spec: &StepSpec, wanted: &Map<String, Value>) -> Outcome {
        let name = spec.credential.as_deref().unwrap_or("passkey");
        let id = values::credential_id(&self.values, name);
        let records = self.records().unwrap_or_default();
        let mut all = records.values().filter_map(Value::as_array).flatten();
        let own = all.find(|record| record["credentialId"].as_str() == id.as_deref());
        match own {
            Some(record) => actors::shows(record, wanted),
            None => Outcome::Differs {
                how: "the passkey is not stored".to_owned(),
            },
        }
    }

    /// Says in words what a response that had to be refused, and was accepted, is good for.
    async fn gained(&mut self, spec: &StepSpec, after: &Seen) -> Option<String> {
        if spec.action != Action::Register {
            return match &after.session {
                Session::Of(user) => Some(format!("{user} is signed in")),
                Session::Nobody | Session::Unseen => None,
            };
        }
        // Where there are only pages, nothing can be posted to find out.
        if self.rp.described().is_some() {
            return None;
        }
        let name = spec.credential.as_deref().unwrap_or("passkey");
        let id = values::credential_id(&self.values, name)?;
        let user = spec.user.as_deref().unwrap_or("alice");
        let mut tried = Err("it was not made here".to_owned());
        for named in [None, Some(user), Some("alice")] {
            let mut authenticator = self.passkeys.get(name)?.clone();
            tried = self.try_passkey(&mut authenticator, &id, named).await;
            if tried.is_ok() {
                break;
            }
        }
        Some(match tried {
            Ok(None) => "its key now signs in; as whom cannot be seen".to_owned(),
            Ok(Some(victim)) if victim != user => format!("{user}'s key now signs in as {victim}"),
            Ok(Some(victim)) => format!("its key now signs in as {victim}"),
            Err(why) => format!("what was registered does not sign in: {why}"),
        })
    }

    /// Signs in in a new session with a passkey under the ID that it was registered with; returns who is signed in, where that is known.
    async fn try_passkey(
        &mut self,
        authenticator: &mut SoftwareAuthenticator,
        id: &str,
        named: Option<&str>,
    ) -> Result<Option<String>, String> {
        const NOBODY: &str = "whoever tries it";
        let refused = |answer: Answer| answer.outcome().to_string();
        self.api.forget(NOBODY);
        let path = ceremony::path(CeremonyKind::Authentication);
        let request = named.map_or_else(|| json!({}), |name| json!({ "username": name }));
        let answer = self
            .api
            .post(NOBODY, &format!("{path}/options"), &request)
            .await;
        let mut options = answer.object().map_err(|outcome| outcome.to_string())?;
        options["allowCredentials"] = json!([]);
        let client = Client {
            origin: self.rp.origin().to_owned(),
            top_origin: None,
            cross_platform: false,
            conditional: false,
        };
        let (spec, values) = (StepSpec::new(Action::SignIn), Values::default());
        let asked = (&spec, &options, &values);
        let made = ceremony::work(Client::get, client, authenticator, asked).await?;
        let mut response = made.map_err(|error| error.to_string())?.response;
        // No signature covers the ID.
        response["id"] = json!(id);
        response["rawId"] = json!(id);
        let answer = self.api.post(NOBODY, path, &response).await;
        if !matches!(answer, Answer::Json(_)) {
            return Err(refused(answer));
        }
        match session(self.api.get(NOBODY, SESSION).await) {
            Session::Of(user) => Ok(Some(user)),
            Session::Unseen => Ok(named.map(str::to_owned)),
            Session::Nobody => Err("nobody is signed in afterwards".to_owned()),
        }
    }
}

/// Tells whether a step tries to get in, or to get a passkey in.
const fn tries_to_get_in(spec: &StepSpec) -> bool {
    matches!(
        spec.action,
        Action::Register | Action::SignIn | Action::Replay | Action::Send | Action::PasswordSignIn
    )
}

/// Reads who is signed in; a relying party that answers otherwise does not show it.
fn session(answer: Answer) -> Session {
    let Answer::Json(who) = answer else {
        return Session::Unseen;
    };
    match who.get("user") {
        Some(Value::String(user)) => Session::Of(user.clone()),
        Some(Value::Null) => Session::Nobody,
        _ => Session::Unseen,
    }
}
