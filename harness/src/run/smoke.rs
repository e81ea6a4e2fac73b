//! Tries one registration and one sign-in, and says in plain words what is missing.

mod options;
mod pages;

use std::{fmt, sync::Arc};

use passkey_authenticators::{Client, SoftwareAuthenticator, Values, client::Made, seed::Seed};
use passkey_model::{
    Mutation, MutationPath, Operation, Stage,
    scenario::{CeremonyKind, RelyingPartySettings},
    target::{Answered, Refusing, Target},
};
use serde_json::{Value, json};

use super::{
    api::{Answer, Api, ConnectError, Reader},
    learn::{BIT, model},
    play::path,
    speech::OfRow,
};
use crate::target::ReadyTarget;
pub(crate) use pages::{row_of_smoke, smoke_on_pages};

const USER: &str = "alice";
const SESSION: &str = "/session";

/// One thing that was tried, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// What was tried.
    pub what: &'static str,
    /// What came of it.
    pub came: Came,
}

/// What came of something that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// It is as it has to be.
    Well(String),
    /// It is not: what is missing, and what to do.
    Missing(String),
    /// It cannot be seen.
    Unseen(String),
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, text) = match &self.came {
            Came::Well(text) => ("ok", text),
            Came::Missing(text) => ("missing", text),
            Came::Unseen(text) => ("unseen", text),
        };
        write!(f, "{word:<8} {}: {text}", self.what)
    }
}

/// Registers and signs in once, and tries a wrong signature; stops where nothing more can be tried.
///
/// # Errors
/// When the target cannot be connected to.
pub(crate) async fn smoke(target: &ReadyTarget, seed: u64) -> Result<Vec<Tried>, ConnectError> {
    let file = &target.file;
    let row = OfRow {
        users: format!("{seed:010x}"),
        settings: file.wanted(&RelyingPartySettings::default()),
    };
    let reader = Reader::Target(Arc::new(target.clone()));
    let mut attempt = Attempt {
        api: Api::connect(target.address, file.host(), reader, &row).await?,
        target,
        tried: Vec::new(),
    };
    // Whatever ended it is in the list already.
    let _ = attempt.all(Seed::new(seed, "smoke")).await;
    Ok(attempt.tried)
}

/// It makes no sense to go on.
struct Stop;

struct Attempt<'a> {
    api: Api,
    target: &'a ReadyTarget,
    tried: Vec<Tried>,
}

impl Attempt<'_> {
    async fn all(&mut self, seed: Seed) -> Result<(), Stop> {
        self.let_in().await?;
        let mut key = SoftwareAuthenticator::new(model(), seed);
        let options = self.options(CeremonyKind::Registration).await?;
        let client = self.client();
        let made = client.create(&mut key, &options, None, &Values::default());
        let made = self.made("registration", made)?;
        self.shows(CeremonyKind::Registration, &made).await?;
        self.forget();
        let options = self.options(CeremonyKind::Authentication).await?;
        let made = client.get(&mut key, &options, None, &Values::default());
        let made = self.made("sign-in", made)?;
        self.shows(CeremonyKind::Authentication, &made).await?;
        self.session().await;
        self.forget();
        self.wrong_signature(&client, &mut key).await
    }

    async fn let_in(&mut self) -> Result<(), Stop> {
        const WHAT: &str = "a new user";
        let body = json!({ "username": USER, "temporaryAccessPass": self.target.pass });
        match self.api.post(USER, "/session/bootstrap", &body).await {
            Answer::Json(_) => Ok(()),
            Answer::Refused(outcome) => Err(self.stop(
                WHAT,
                format!(
                    "is not let in before there is a passkey: {outcome}; see pass-from or let-in in the target's file"
                ),
            )),
        }
    }

    async fn options(&mut self, ceremony: CeremonyKind) -> Result<Value, Stop> {
        let (what, whole) = match ceremony {
            CeremonyKind::Registration => ("registration options", json!({})),
            CeremonyKind::Authentication if self.target.file.signs_in_without_name() => {
                ("sign-in options", json!({}))
            }
            CeremonyKind::Authentication => ("sign-in options", json!({ "username": USER })),
        };
        let asked = format!("{}/options", path(ceremony));
        let options = match self.api.post(USER, &asked, &whole).await {
            Answer::Json(options) => options,
            Answer::Refused(outcome) => {
                let place = place(self.target, ceremony);
                return Err(self.stop(what, format!("no options at {place}: {outcome}")));
            }
        };
        let file = &self.target.file;
        let missing = options::missing(ceremony, &options, file);
        let cannot_go_on = missing.iter().any(|it| it.ends_ceremony);
        if missing.is_empty() {
            self.well(what, format!("for RP ID {}", file.rp_id));
        }
        for it in missing {
            self.note(what, Came::Missing(it.words));
        }
        if cannot_go_on {
            return Err(Stop);
        }
        Ok(options)
    }

    fn made<E: fmt::Display>(
        &mut self,
        ceremony: &str,
        made: Result<Made, E>,
    ) -> Result<Made, Stop> {
        made.map_err(|error| {
            let why = format!(
                "a browser on {} would refuse the options of the {ceremony}: {error}; see origin and rp-id in the target's file",
                self.target.file.origin
            );
            self.stop("the client", why)
        })
    }

    /// Shows a response that has to be taken.
    async fn shows(&mut self, ceremony: CeremonyKind, made: &Made) -> Result<(), Stop> {
        let what = match ceremony {
            CeremonyKind::Registration => "registration",
            CeremonyKind::Authentication => "sign-in",
        };
        let said = self.ask(what, ceremony, made).await?;
        if said.is_success() {
            self.well(what, format!("accepted with status {}", said.status));
            return Ok(());
        }
        let place = place_of_result(self.target, ceremony);
        let origin = &self.target.file.origin;
        let why = format!(
            "the response was refused at {place}: {said}; it is without fault for the origin {origin}, so see origin in the target's file, and whether the session's cookie and the challenge reach the relying party"
        );
        Err(self.stop(what, why))
    }

    async fn ask(
        &mut self,
        what: &'static str,
        ceremony: CeremonyKind,
        made: &Made,
    ) -> Result<Answered, Stop> {
        let asked = self.api.ask(USER, path(ceremony), &made.response).await;
        asked.map_err(|outcome| {
            let place = place_of_result(self.target, ceremony);
            self.stop(what, format!("no answer at {place}: {outcome}"))
        })
    }

    async fn session(&mut self) {
        const WHAT: &str = "session";
        let dialect = self.target.dialect.as_ref();
        if dialect.is_some_and(|dialect| dialect.session.is_none()) {
            let why = "the target's file does not say how to see who is signed in (session), so the answer to a sign-in alone is believed";
            self.note(WHAT, Came::Unseen(why.to_owned()));
            return;
        }
        let came = match self.api.get(USER, SESSION).await {
            Answer::Json(session) if session["user"] == USER => {
                Came::Well("the user is signed in".to_owned())
            }
            Answer::Json(session) => Came::Missing(format!(
                "after the sign-in {} is signed in, expected {USER}: see session in the target's file, and whether a cookie is set",
                session["user"]
            )),
            Answer::Refused(outcome) => Came::Missing(format!(
                "who is signed in cannot be seen after the sign-in: {outcome}"
            )),
        };
        self.note(WHAT, came);
    }

    /// Signs in with a signature of which one bit is inverted.
    async fn wrong_signature(
        &mut self,
        client: &Client,
        key: &mut SoftwareAuthenticator,
    ) -> Result<(), Stop> {
        const WHAT: &str = "a wrong signature";
        let ceremony = CeremonyKind::Authentication;
        let mutation = Mutation {
            at: MutationPath {
                stage: Stage::Signature,
                path: Vec::new(),
            },
            op: Operation::FlipBit,
            value: Some(json!(BIT)),
            resign: false,
        };
        let options = self.options(ceremony).await?;
        let made = client.get(key, &options, Some(&mutation), &Values::default());
        let made = self.made("sign-in", made)?;
        let said = self.ask(WHAT, ceremony, &made).await?;
        let file: &Target = &self.target.file;
        let known = match &file.refusal {
            Some(_) => self.target.refused(path(ceremony), &said).is_some(),
            None => Refusing::like(&said).is_some(),
        };
        let came = if said.is_success() {
            Came::Missing(format!(
                "it was accepted ({said}): whoever knows a user's credential ID can sign in; verify the signature, or see accepted in the target's file"
            ))
        } else if known {
            Came::Well(format!("refused with status {}", said.status))
        } else {
            Came::Missing(format!(
                "the refusal is not recognised: {said}; see refusal in the target's file"
            ))
        };
        self.note(WHAT, came);
        Ok(())
    }

    fn client(&self) -> Client {
        Client {
            origin: self.target.file.origin.clone(),
            top_origin: None,
            cross_platform: true,
            conditional: false,
        }
    }

    fn forget(&mut self) {
        self.api.forget(USER);
    }

    fn note(&mut self, what: &'static str, came: Came) {
        let tried = Tried { what, came };
        // Options are asked for once more before the wrong signature.
        if !self.tried.contains(&tried) {
            self.tried.push(tried);
        }
    }

    fn well(&mut self, what: &'static str, text: String) {
        self.note(what, Came::Well(text));
    }

    fn stop(&mut self, what: &'static str, why: String) -> Stop {
        self.note(what, Came::Missing(why));
        Stop
    }
}

/// Returns the request that asks for options.
fn place(target: &ReadyTarget, ceremony: CeremonyKind) -> String {
    match &target.dialect {
        Some(dialect) => dialect.ceremony(ceremony).options.request.clone().into(),
        None => format!("POST {}/options", path(ceremony)),
    }
}

/// Returns the request that shows a response.
fn place_of_result(target: &ReadyTarget, ceremony: CeremonyKind) -> String {
    match &target.dialect {
        Some(dialect) => dialect.ceremony(ceremony).result.request.clone().into(),
        None => format!("POST {}", path(ceremony)),
    }
}
