//! The browser of a row, with the relying party's own page.

mod acts;
mod ceremony;
mod steps;

use std::sync::Arc;

use passkey_model::{
    platform::UserAgent,
    provider::Transport,
    scenario::{Attached, Mediation, Place},
    transcript::ClientShown,
};
use tokio::sync::mpsc::UnboundedReceiver;

pub(super) use ceremony::{BrowserSide, Ceremony};

use super::native::{self, Native};
use crate::{
    browser::{
        BrowserError, Session, emulation,
        page::{self, Act, Settled},
    },
    run::site::{Event, RowSite},
    target::ReadyTarget,
};

/// The browser of a row, with the relying party's page.
pub(super) struct OnPage {
    pub(super) session: Session,
    site: Arc<RowSite>,
    events: UnboundedReceiver<Event>,
    /// What the browser's own authenticators keep, where they make the passkeys.
    native: Option<Native>,
    /// The target whose file says what is done on its pages.
    pub(super) described: Option<Arc<ReadyTarget>>,
    /// The address that is open.
    open: Option<String>,
    /// Its host.
    host: String,
    /// Who is signed in there.
    user: Option<String>,
    /// The user agents that were put on, each with the number of the first request that has to show it.
    worn: Vec<(usize, String)>,
    /// How the page saw another user agent than the row's platform has, if it did.
    page_differs: Option<String>,
    /// How the client showed itself in the step that is being played.
    shown: Option<ClientShown>,
}

pub(super) type Played<T> = Result<T, String>;

fn host(address: &str) -> &str {
    address.split('/').nth(2).unwrap_or_default()
}

fn said(error: BrowserError) -> String {
    error.to_string()
}

impl OnPage {
    pub(super) fn new(
        session: Session,
        (site, events): (Arc<RowSite>, UnboundedReceiver<Event>),
        native: Option<Native>,
    ) -> Self {
        Self {
            session,
            site,
            events,
            native,
            described: None,
            open: None,
            host: String::new(),
            user: None,
            worn: Vec::new(),
            page_differs: None,
            shown: None,
        }
    }

    /// Notes how the client showed itself, where it wears the user agent of a platform.
    fn note_shown(&mut self, settled: &Settled) {
        let Some(worn) = &self.session.worn else {
            return;
        };
        if settled.user_agent != worn.user_agent {
            self.page_differs = Some(format!(
                "the page sees the user agent '{}', not that of the row's platform, '{}'",
                settled.user_agent, worn.user_agent
            ));
        }
        self.shown = self.site.said().pop().map(|said| ClientShown {
            user_agent: said.user_agent,
            hints: said.hints,
            page: settled.user_agent.clone(),
        });
    }

    /// Takes how the client showed itself in the step that was played.
    pub(super) fn take_shown(&mut self) -> Option<ClientShown> {
        self.shown.take()
    }

    /// Says which request did not show the user agent of the row's platform; nothing when all did.
    pub(super) fn differs(&self) -> Option<String> {
        if self.page_differs.is_some() {
            return self.page_differs.clone();
        }
        let said = self.site.said();
        let expected = |index: usize| self.worn.iter().rfind(|(from, _)| *from <= index);
        said.iter().enumerate().find_map(|(index, said)| {
            let (_, worn) = expected(index)?;
            (said.user_agent != *worn).then(|| {
                format!(
                    "the request for {} came with the user agent '{}', not with that of the row's platform, '{worn}'",
                    said.path, said.user_agent
                )
            })
        })
    }

    /// Puts on the user agent of a platform, or the browser's own again; whatever is open shows it when it is opened anew.
    async fn wear(&mut self, user_agent: Option<UserAgent>) -> Played<()> {
        if self.session.worn == user_agent {
            return Ok(());
        }
        let (client, browser) = (self.session.client(), self.session.browser());
        let worn = emulation::wear(client, browser, user_agent.as_ref()).await;
        worn.map_err(|error| error.to_string())?;
        self.session.worn = user_agent;
        self.open = None;
        Ok(())
    }

    fn expect_user_agent(&mut self) {
        let Some(worn) = &self.session.worn else {
            return;
        };
        if self.open.is_none() {
            let from = self.site.said().len();
            self.worn.push((from, worn.user_agent.clone()));
        }
    }

    /// Opens an address where it is not open already, and goes into the iframe there if the page stands in one.
    async fn open(&mut self, address: String, framed: bool) -> Played<()> {
        if self.open.as_ref() == Some(&address) {
            return Ok(());
        }
        page::open(&self.session, &address).await.map_err(said)?;
        // Another host has other cookies.
        if self.open.take().is_some() && host(&address) != self.host {
            self.user = None;
        }
        self.host = host(&address).to_owned();
        if framed {
            page::enter_frame(&self.session, true).await.map_err(said)?;
        }
        self.open = Some(address);
        Ok(())
    }

    /// What ends the session of whoever is signed in.
    fn sign_out_first(&mut self) -> Option<Act> {
        self.user.take().map(|_| Act::click("#sign-out"))
    }

    async fn attach(&mut self, ceremony: &mut Ceremony<'_>) -> Played<()> {
        let other = match ceremony.spec.attached {
            Some(Attached::Nothing) => return Ok(()),
            Some(Attached::OtherPlatformAuthenticator) => Some(Transport::Internal),
            Some(Attached::OtherSecurityKey) => Some(Transport::Usb),
            None => None,
        };
        if let Some(transport) = other {
            let other = native::attach_empty(&self.session, transport).await?;
            ceremony.other = Some(other);
            return Ok(());
        }
        if let Some(native) = &mut self.native {
            let model = ceremony.made.as_ref().map(|made| &made.model);
            let asked = (ceremony.passkey.as_str(), model, ceremony.spec);
            ceremony.authenticator = Some(native.attach(&self.session, asked).await?);
        }
        let spec = ceremony.spec;
        let looked_for = spec.mediation == Some(Mediation::Conditional)
            || spec.place == Some(Place::Here)
            || spec.offers_same_device == Some(true);
        let is_internal = self.native.as_ref().is_some_and(|native| {
            native.transport(&ceremony.passkey, spec) == Some(Transport::Internal)
        });
        if looked_for && !is_internal {
            let other = native::attach_empty(&self.session, Transport::Internal).await?;
            ceremony.other = Some(other);
        }
        Ok(())
    }

    async fn detach(&mut self, ceremony: &mut Ceremony<'_>) -> Played<()> {
        if let (Some(native), Some(authenticator)) =
            (&mut self.native, ceremony.authenticator.take())
        {
            native
                .detach(&self.session, &ceremony.passkey, &authenticator)
                .await?;
        }
        if let Some(other) = ceremony.other.take() {
            native::remove(&self.session, &other).await?;
        }
        Ok(())
    }
}
