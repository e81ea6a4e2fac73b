//! A ceremony on the page: what the browser is told, and what happens meanwhile.

use std::pin::pin;

use passkey_authenticators::{Key, webdriver::AuthenticatorId};
use passkey_model::{
    library::ProviderInContext,
    scenario::{CeremonyKind, StepSpec, UserDoes},
    transcript::Message,
    verdict::Outcome,
};
use serde_json::Value;
use tokio::time::sleep;

use super::{OnPage, Played, said};
use crate::{
    browser::{
        BrowserError, Session,
        page::{self, Act, CEREMONY_LIMIT, Settled},
    },
    run::{
        api::Answer,
        play::{
            Player, ceremony,
            native::{self, Native},
            values,
        },
        site::Event,
    },
};

/// A ceremony that is under way on a page.
pub(in crate::run::play) struct Ceremony<'a> {
    pub(in crate::run::play) kind: CeremonyKind,
    pub(in crate::run::play) index: usize,
    pub(in crate::run::play) spec: &'a StepSpec,
    /// The passkey's name in the row.
    pub(in crate::run::play) passkey: String,
    /// What a registration makes.
    pub(in crate::run::play) made: Option<ProviderInContext>,
    pub(super) authenticator: Option<AuthenticatorId>,
    /// An authenticator that keeps nothing of the row's.
    pub(super) other: Option<AuthenticatorId>,
    /// The options that the page got.
    options: Value,
    /// What the relying party or the client did that decides.
    pub(in crate::run::play) outcome: Option<Outcome>,
}

/// The browser's side of a ceremony: where keys can be had that it made.
pub(in crate::run::play) struct BrowserSide<'a> {
    session: &'a Session,
    native: Option<&'a Native>,
}

/// What the browser is told to do.
enum Doing<'a> {
    /// Acts, until what comes of the last has settled.
    Acts(&'a [Act]),
    /// Acts, and not to wait for what comes of the last.
    Begin(&'a [Act]),
    /// Acts of which the last is a click of the mouse, until what comes of it has settled.
    Press(&'a [Act]),
    /// To give up what is under way.
    Cancel,
    /// To open a page that begins by itself, and wait until it has settled.
    Load(&'a str),
}

/// Does acts of which the last is a click of the mouse.
async fn press(session: &Session, acts: &[Act]) -> Result<Settled, BrowserError> {
    let Some((last, before)) = acts.split_last() else {
        return page::wait(session).await;
    };
    let settled = page::act(session, before).await?;
    if settled.acts < before.len() || settled.missing.is_some() {
        return Ok(settled);
    }
    page::press(session, &last.click).await?;
    let settled = page::wait(session).await?;
    Ok(settled.after(acts.len()))
}

impl Player<'_> {
    /// Has the acts done of which the last is a ceremony.
    pub(super) async fn ceremony(
        &mut self,
        page: &mut OnPage,
        ceremony: &mut Ceremony<'_>,
        acts: &[Act],
    ) -> Played<Outcome> {
        // The key of a passkey that is being made can be had only while the driver is not busy waiting for the page.
        let apart = page.native.is_some()
            && ceremony.spec.mutation.is_some()
            && ceremony.kind == CeremonyKind::Registration;
        let framed = ceremony.spec.framed.is_some();
        let cancels = ceremony.spec.user_does == Some(UserDoes::Cancels);
        let settled = if framed {
            self.meanwhile(page, ceremony, Doing::Press(acts)).await?
        } else if cancels {
            let begun = self.meanwhile(page, ceremony, Doing::Begin(acts)).await?;
            if begun.acts == acts.len() {
                let settled = self.meanwhile(page, ceremony, Doing::Cancel).await?;
                settled.after(acts.len())
            } else {
                begun
            }
        } else if apart {
            let begun = self.meanwhile(page, ceremony, Doing::Begin(acts)).await?;
            if begun.acts == acts.len() {
                self.until_decided(page, ceremony).await?;
                page::wait(&page.session)
                    .await
                    .map_err(said)?
                    .after(acts.len())
            } else {
                begun
            }
        } else {
            self.meanwhile(page, ceremony, Doing::Acts(acts)).await?
        };
        page.detach(ceremony).await?;
        page.note_shown(&settled);
        ceremony.came_to(&settled, acts)
    }

    /// Opens the page that asks for a passkey by itself, among the suggestions for the user name.
    pub(super) async fn autofill(
        &mut self,
        page: &mut OnPage,
        ceremony: &mut Ceremony<'_>,
    ) -> Played<Outcome> {
        let address = format!("{}/?autofill", self.rp.origin());
        let settled = self
            .meanwhile(page, ceremony, Doing::Load(&address))
            .await?;
        page.open = Some(address);
        page.detach(ceremony).await?;
        ceremony.came_to(&settled, &[])
    }

    /// Has the browser do something, and handles what happens meanwhile.
    async fn meanwhile(
        &mut self,
        page: &mut OnPage,
        ceremony: &mut Ceremony<'_>,
        doing: Doing<'_>,
    ) -> Played<Settled> {
        let session = &page.session;
        let native = page.native.as_ref();
        let doing = async {
            match doing {
                Doing::Acts(acts) => page::act(session, acts).await,
                Doing::Begin(acts) => page::begin(session, acts).await,
                Doing::Press(acts) => press(session, acts).await,
                Doing::Cancel => page::cancel(session).await,
                Doing::Load(address) => {
                    page::open(session, address).await?;
                    page::wait(session).await
                }
            }
        };
        let mut doing = pin!(doing);
        loop {
            tokio::select! {
                biased;
                Some(event) = page.events.recv() => {
                    let side = BrowserSide { session, native };
                    self.handle(ceremony, event, &side).await?;
                }
                settled = &mut doing => return settled.map_err(said),
            }
        }
    }

    /// Handles what happens until something decides the ceremony.
    async fn until_decided(
        &mut self,
        page: &mut OnPage,
        ceremony: &mut Ceremony<'_>,
    ) -> Played<()> {
        let mut deadline = pin!(sleep(CEREMONY_LIMIT));
        while ceremony.outcome.is_none() {
            tokio::select! {
                Some(event) = page.events.recv() => {
                    let side = BrowserSide {
                        session: &page.session,
                        native: page.native.as_ref(),
                    };
                    self.handle(ceremony, event, &side).await?;
                }
                () = &mut deadline => break,
            }
        }
        Ok(())
    }

    async fn handle(
        &mut self,
        ceremony: &mut Ceremony<'_>,
        event: Event,
        side: &BrowserSide<'_>,
    ) -> Played<()> {
        match event {
            Event::Call { answer, .. }
                if ceremony.spec.user_does == Some(UserDoes::Cancels)
                    && !self.row.lane.is_native() =>
            {
                self.unanswered.push(answer);
                Ok(())
            }
            Event::Call { call, answer } => {
                let answered = self.answer(ceremony, &call, side).await?;
                // A page that went away asks no more.
                let _ = answer.send(answered);
                Ok(())
            }
            Event::Posted {
                path,
                request,
                answer,
                go_on,
            } => {
                let noted = self.note(ceremony, &path, request, answer).await;
                drop(go_on);
                noted
            }
        }
    }

    /// Notes what the page posted and what the relying party answered.
    async fn note(
        &mut self,
        ceremony: &mut Ceremony<'_>,
        path: &str,
        request: Value,
        answer: Answer,
    ) -> Played<()> {
        let finish = ceremony::path(ceremony.kind);
        if path == format!("{finish}/options") {
            match answer {
                Answer::Json(options) => {
                    self.note_options(ceremony, request, options);
                    let user = ceremony.spec.user.as_deref().unwrap_or("alice");
                    return self.between(user, ceremony.spec).await;
                }
                Answer::Refused(outcome) => ceremony.outcome = Some(outcome),
            }
        } else if path == finish {
            self.note_response(ceremony, request)?;
            ceremony.outcome = Some(answer.outcome());
        } else if let Answer::Refused(outcome) = answer {
            // Who is not let in registers nothing.
            ceremony.outcome = Some(outcome);
        }
        Ok(())
    }

    /// Notes the options that a ceremony has.
    pub(super) fn note_options(
        &mut self,
        ceremony: &mut Ceremony<'_>,
        request: Value,
        options: Value,
    ) {
        values::add_challenge(&mut self.values, &options);
        ceremony.options.clone_from(&options);
        self.messages.push(Message::Options {
            ceremony: ceremony.kind,
            request,
            options,
        });
    }

    /// Notes the response that a ceremony has.
    pub(super) fn note_response(&mut self, ceremony: &Ceremony<'_>, response: Value) -> Played<()> {
        if ceremony.kind == CeremonyKind::Registration {
            self.learn(ceremony, &response)?;
        } else {
            values::add_assertion(&mut self.values, &ceremony.passkey, &response);
        }
        self.messages.push(Message::Response {
            ceremony: ceremony.kind,
            response,
        });
        Ok(())
    }

    /// Learns from a registration that was posted what the row needs to know of the passkey.
    fn learn(&mut self, ceremony: &Ceremony<'_>, response: &Value) -> Played<()> {
        let (passkey, options) = (&ceremony.passkey, &ceremony.options);
        values::add(&mut self.values, passkey, options, response);
        let made_elsewhere = self.row.lane.is_native() || self.row.lane.has_keys();
        if made_elsewhere && ceremony.spec.mutation.is_none() {
            let observed = native::observed(response)?;
            if let Some(made) = &ceremony.made {
                self.observe(made, Some(&observed));
            }
        }
        Ok(())
    }
}

impl<'a> Ceremony<'a> {
    pub(super) fn new(
        kind: CeremonyKind,
        index: usize,
        spec: &'a StepSpec,
        made: Option<ProviderInContext>,
    ) -> Self {
        Self {
            kind,
            index,
            spec,
            passkey: spec.credential.as_deref().unwrap_or("passkey").to_owned(),
            made,
            authenticator: None,
            other: None,
            options: Value::Null,
            outcome: None,
        }
    }

    /// Says what the ceremony came to: the relying party's answer, which its page has to agree with, or the client's refusal.
    fn came_to(&self, settled: &Settled, acts: &[Act]) -> Played<Outcome> {
        if let Some(missing) = &settled.missing {
            return Err(format!(
                "the page shows no {missing}; it is {} and says '{}'",
                settled.state, settled.words
            ));
        }
        let spec = self.spec;
        if spec
            .offers_same_device
            .is_some_and(|due| due != settled.offers_same_device)
        {
            let how = if settled.offers_same_device {
                "its page offers a passkey on this device, where nothing can keep one"
            } else {
                "its page does not offer a passkey on this device, which could keep one"
            };
            return Ok(Outcome::Crashed {
                how: how.to_owned(),
            });
        }
        let done = settled.state == "done";
        match &self.outcome {
            Some(outcome) if done == (*outcome == Outcome::Accepted) => Ok(outcome.clone()),
            Some(outcome) => Ok(Outcome::Crashed {
                how: format!(
                    "its answer is {outcome}, and its page is {} and says '{}'",
                    settled.state, settled.words
                ),
            }),
            None if settled.acts < acts.len() => Err(format!(
                "the page did not get as far as the ceremony: {}",
                settled.words
            )),
            None if done => Ok(Outcome::Crashed {
                how: "its page is done without having posted a response".to_owned(),
            }),
            None if settled.words.is_empty() || !settled.another_way => Ok(Outcome::Crashed {
                how: "its page leaves the user without words and another way".to_owned(),
            }),
            None => Ok(Outcome::NoCredential {
                error: settled.error.clone(),
            }),
        }
    }
}

impl<'a> BrowserSide<'a> {
    /// Returns the side of a browser that makes nothing itself.
    pub(super) const fn without_authenticators(session: &'a Session) -> Self {
        Self {
            session,
            native: None,
        }
    }

    /// Returns the private key of the passkey whose response is given.
    pub(in crate::run::play) async fn key(
        &self,
        ceremony: &Ceremony<'_>,
        made: &Value,
    ) -> Played<Option<Key>> {
        match (self.native, &ceremony.authenticator) {
            (Some(native), Some(authenticator)) => {
                native.key(self.session, authenticator, made).await
            }
            _ => Ok(None),
        }
    }
}
