//! The relying party's page, used as a person would: fields are filled, buttons clicked, and what the page says is read.
//!
//! A page tells that a ceremony is over by an event `settled` on its document, and by attributes of its body (the pages of the
//! reference relying party: `harness/reference-rp/src/http/pages.rs`).

use std::time::Duration;

use fantoccini::Locator;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{BrowserError, Session};

/// How long a page may take to load.
const LOAD_LIMIT: Duration = Duration::from_secs(20);
/// How long a ceremony may take, from the click to the page's last word.
pub const CEREMONY_LIMIT: Duration = Duration::from_secs(20);
const SHORT_LIMIT: Duration = Duration::from_secs(10);

/// One thing that a person does: fill fields, then click.
#[derive(Clone, Debug, Serialize)]
pub struct Act {
    /// What shows the fields, where they are not shown yet.
    pub show: Option<&'static str>,
    /// Fields and what is typed into them, by CSS selector.
    pub fill: Vec<(&'static str, String)>,
    /// What is clicked.
    pub click: String,
}

impl Act {
    /// Clicks and fills nothing.
    #[must_use]
    pub fn click(what: &str) -> Self {
        Self {
            show: None,
            fill: Vec::new(),
            click: what.to_owned(),
        }
    }
}

/// What a page says when a ceremony is over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settled {
    /// What was done: `registered`, `signed-in`.
    pub did: String,
    /// `done` or `failed`.
    pub state: String,
    /// The machine's name for what went wrong: a DOMException's, or `rejected`.
    pub error: String,
    /// The words for the user.
    pub words: String,
    /// Whether another way in is shown.
    pub another_way: bool,
    /// Whether a passkey on this device is offered to who is signed in.
    pub offers_same_device: bool,
    /// How many acts were done, the last one included.
    pub acts: usize,
    /// What should have been clicked or filled, and is not on the page or not shown.
    pub missing: Option<String>,
    /// The user agent that the page sees.
    pub user_agent: String,
}

impl Settled {
    /// Says after how many acts it is.
    #[must_use]
    pub fn after(mut self, acts: usize) -> Self {
        self.acts = acts;
        self
    }
}

/// Does acts one after the other, each when the one before has settled, until one fails.
const ACT: &str = concat!(include_str!("page/said.js"), include_str!("page/act.js"));
/// Waits until the page is no longer busy, and says what it says.
const WAIT: &str = concat!(include_str!("page/said.js"), include_str!("page/wait.js"));
/// Gives a ceremony up.
const CANCEL: &str = concat!(include_str!("page/said.js"), include_str!("page/cancel.js"));
/// Clears what a page may have kept.
const FORGET: &str = include_str!("page/forget.js");

/// Opens an address.
///
/// # Errors
/// When the browser cannot be told, or the page does not load in time.
pub async fn open(session: &Session, address: &str) -> Result<(), BrowserError> {
    let load = session.client().goto(address);
    session.limited("opening the page", LOAD_LIMIT, load).await
}

/// Does what a person does, and waits until the page has settled.
///
/// # Errors
/// When the browser cannot be told, or the page does not settle in time.
pub async fn act(session: &Session, acts: &[Act]) -> Result<Settled, BrowserError> {
    if session.pause.is_zero() {
        return ask(
            session,
            "using the page",
            ACT,
            json!({ "acts": acts, "wait": true }),
        )
        .await;
    }
    // For people who watch: one act at a time.
    let mut settled = Settled::default();
    for (done, act) in acts.iter().enumerate() {
        pause(session).await;
        let acts = [act];
        let said = ask(
            session,
            "using the page",
            ACT,
            json!({ "acts": acts, "wait": true }),
        )
        .await?;
        settled = Settled {
            acts: done + said.acts,
            ..said
        };
        if settled.state != "done" || settled.missing.is_some() {
            break;
        }
    }
    Ok(settled)
}

/// Does what a person does, and does not wait for what comes of the last act.
///
/// # Errors
/// When the browser cannot be told.
pub async fn begin(session: &Session, acts: &[Act]) -> Result<Settled, BrowserError> {
    ask(
        session,
        "using the page",
        ACT,
        json!({ "acts": acts, "wait": false }),
    )
    .await
}

/// Waits until the page lets a ceremony be given up, gives it up, and waits until the page has settled.
///
/// # Errors
/// When the browser cannot be told, or the page does not settle in time.
pub async fn cancel(session: &Session) -> Result<Settled, BrowserError> {
    ask(session, "giving up on the page", CANCEL, Value::Null).await
}

/// Clicks as a person's mouse does: what a page may only do when a person asked for it, it may do then.
///
/// # Errors
/// When there is no such element, or the browser cannot be told.
pub async fn press(session: &Session, what: &str) -> Result<(), BrowserError> {
    let press = async {
        let element = session.client().find(Locator::Css(what)).await?;
        element.click().await
    };
    session.limited("clicking", SHORT_LIMIT, press).await
}

/// Goes into the only iframe of the page that is open, or out of it again.
///
/// # Errors
/// When there is none, or the browser cannot be told.
pub async fn enter_frame(session: &Session, enter: bool) -> Result<(), BrowserError> {
    let client = session.client();
    let go = async {
        if enter {
            client.enter_frame(0).await
        } else {
            client.enter_parent_frame().await
        }
    };
    session
        .limited("going into an iframe", SHORT_LIMIT, go)
        .await
}

/// Waits until the page has settled.
///
/// # Errors
/// When the browser cannot be told, or the page does not settle in time.
pub async fn wait(session: &Session) -> Result<Settled, BrowserError> {
    ask(session, "waiting for the page", WAIT, Value::Null).await
}

/// Clears cookies and everything that pages keep, so that the next row finds a browser that was never there.
///
/// # Errors
/// When the browser cannot be told.
pub async fn forget_everything(session: &Session) -> Result<(), BrowserError> {
    let cookies = session.client().delete_all_cookies();
    session
        .limited("deleting cookies", SHORT_LIMIT, cookies)
        .await?;
    let forget = session.client().execute_async(FORGET, vec![]);
    let forgotten = session.limited("clearing storage", SHORT_LIMIT, forget);
    forgotten.await.map(|_| ())
}

async fn pause(session: &Session) {
    if !session.pause.is_zero() {
        tokio::time::sleep(session.pause).await;
    }
}

async fn ask(
    session: &Session,
    command: &str,
    script: &str,
    argument: Value,
) -> Result<Settled, BrowserError> {
    let asked = session.client().execute_async(script, vec![argument]);
    let said = session.limited(command, CEREMONY_LIMIT, asked).await?;
    // The scripts return what the type holds; a page cannot change that.
    Ok(serde_json::from_value(said).unwrap_or_default())
}
