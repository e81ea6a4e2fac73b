//! What the extension is answered while steps are done: in a ceremony by the row's authenticators, otherwise by the passkey that is kept.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use passkey_authenticators::{SoftwareAuthenticator, Values};
use passkey_model::scenario::{Action, CeremonyKind, StepSpec};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::super::{BrowserSide, Ceremony, Played};
use crate::{
    browser::Session,
    run::{
        play::{Player, provider},
        site::Event,
    },
    target::Kept,
};

/// What became of the page's call for a passkey.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Call {
    /// There was none yet.
    #[default]
    None,
    /// It got a response.
    Answered,
    /// It got a DOMException of this name.
    Refused(String),
}

/// Tells those who do the steps what became of the call.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked(Arc<Mutex<Call>>);

impl Asked {
    pub(super) fn call(&self) -> Call {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, answered: &Value) {
        let call = match answered["do"].as_str() {
            Some("error") => {
                Call::Refused(answered["name"].as_str().unwrap_or_default().to_owned())
            }
            _ => Call::Answered,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = call;
    }
}

/// Who answers beside the row's authenticators, and who hears of it.
pub(super) struct Answers {
    pub(super) kept: Kept,
    pub(super) asked: Asked,
}

impl Player<'_> {
    /// Does something on the page, and answers the extension meanwhile.
    pub(super) async fn meanwhile_by_steps<T>(
        &mut self,
        session: &Session,
        events: &mut UnboundedReceiver<Event>,
        (ceremony, answers): (&mut Ceremony<'_>, &Answers),
        doing: impl Future<Output = Played<T>>,
    ) -> Played<T> {
        let mut doing = pin!(doing);
        loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => {
                    // What the pages post is theirs alone.
                    let Event::Call { call, answer } = event else { continue };
                    if call["mediation"] == "conditional" {
                        // The page offers passkeys among its suggestions, and nobody takes one.
                        self.unanswered.push(answer);
                        continue;
                    }
                    let side = BrowserSide::without_authenticators(session);
                    let answered = self.answer_by_steps(ceremony, &call, answers, &side).await?;
                    // A page that went away asks no more.
                    let _ = answer.send(answered);
                }
                done = &mut doing => return done,
            }
        }
    }

    async fn answer_by_steps(
        &mut self,
        ceremony: &mut Ceremony<'_>,
        call: &Value,
        answers: &Answers,
        side: &BrowserSide<'_>,
    ) -> Played<Value> {
        let own = match ceremony.kind {
            CeremonyKind::Registration => "create",
            CeremonyKind::Authentication => "get",
        };
        if call["kind"] != own {
            // As when a site has its user sign in once more before a passkey is added.
            let mut kept = answers.kept.lock().await;
            return Ok(match kept.as_mut() {
                Some(Ok(kept)) => by_kept(kept, call),
                Some(Err(_)) | None => json!({ "do": "browser" }),
            });
        }
        self.note_options(ceremony, Value::Null, call["options"].clone());
        let answered = self.answer(ceremony, call, side).await?;
        if answered["do"] == "credential" {
            self.note_response(ceremony, answered["credential"].clone())?;
        }
        answers.asked.note(&answered);
        Ok(answered)
    }
}

/// Answers a call with the passkey that is kept, or makes it.
pub(super) fn by_kept(kept: &mut SoftwareAuthenticator, call: &Value) -> Value {
    let client = provider::client(call, &StepSpec::new(Action::SignIn), &kept.model);
    let (options, values) = (&call["options"], Values::default());
    let made = match call["kind"].as_str() {
        Some("create") => client.create(kept, options, None, &values),
        Some("get") => client.get(kept, options, None, &values),
        _ => return json!({ "do": "browser" }),
    };
    match made {
        Ok(made) => json!({ "do": "credential", "credential": made.response }),
        Err(_) => provider::refused("NotAllowedError"),
    }
}
