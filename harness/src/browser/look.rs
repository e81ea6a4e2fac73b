//! What can be seen on a page that says nothing of itself, and what a person does there: look, click, type.

use std::time::Duration;

use fantoccini::{
    Locator,
    error::{CmdError, ErrorStatus},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{BrowserError, Session, emulation::Post};

const LIMIT: Duration = Duration::from_secs(10);
const LOOK: &str = include_str!("page/look.js");

/// Something that is looked for.
#[derive(Clone, Debug, Serialize)]
pub struct Sight<'a> {
    /// The iframe where it is, of the page's own origin.
    pub frame: Option<&'a str>,
    /// An element that is shown.
    pub css: Option<&'a str>,
    /// An element that is not shown.
    pub gone: Option<&'a str>,
}

impl<'a> Sight<'a> {
    /// Returns an element that is shown in the frame that is entered.
    #[must_use]
    pub const fn shown(css: &'a str) -> Self {
        Self {
            frame: None,
            css: Some(css),
            gone: None,
        }
    }
}

/// What is there of something that was looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// Whether it is as it was looked for.
    pub there: bool,
    /// The text of the first element that is shown, or of the whole page.
    pub text: String,
    /// The first element's place among all that the selector finds, hidden ones included.
    pub index: usize,
    /// How many elements are shown.
    pub count: usize,
}

/// How a request of a page was answered.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Replied {
    /// The request's path and query.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
    /// When it was asked for, in milliseconds since 1970.
    pub at: f64,
}

/// What a page shows.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct View {
    /// Its address.
    pub address: String,
    /// When its document began, in milliseconds since 1970: no two of them did at the same moment.
    pub since: f64,
    /// How its requests were answered.
    pub answers: Vec<Replied>,
    /// All of its text.
    pub text: String,
    /// What was looked for in the frame that is entered.
    pub here: Vec<Seen>,
    /// What was looked for in the whole page.
    pub top: Vec<Seen>,
    /// Why nothing could be looked for: a selector that is none.
    pub mistake: Option<String>,
}

/// Looks once; nothing while the page is changing.
///
/// # Errors
/// When the browser cannot be told.
pub async fn look(
    session: &Session,
    here: &[Sight<'_>],
    top: &[Sight<'_>],
) -> Result<Option<View>, BrowserError> {
    let ask = session
        .client()
        .execute(LOOK, vec![json!(here), json!(top)]);
    let seen = settled(session.limited("looking at the page", LIMIT, ask).await)?;
    Ok(seen.and_then(|seen| serde_json::from_value(seen).ok()))
}

/// Clicks the element in a place among those of a selector; tells whether it could be clicked.
///
/// # Errors
/// When the browser cannot be told.
pub async fn click(session: &Session, css: &str, index: usize) -> Result<bool, BrowserError> {
    let click = async {
        match nth(session, css, index).await? {
            Some(element) => element.click().await.map(|()| true),
            None => Ok(false),
        }
    };
    let clicked = settled(session.limited("clicking", LIMIT, click).await)?;
    Ok(clicked == Some(true))
}

/// Empties a field and types into it; tells whether it could be filled.
///
/// # Errors
/// When the browser cannot be told.
pub async fn fill(
    session: &Session,
    (css, index): (&str, usize),
    text: &str,
) -> Result<bool, BrowserError> {
    let fill = async {
        let Some(field) = nth(session, css, index).await? else {
            return Ok(false);
        };
        field.clear().await?;
        field.send_keys(text).await.map(|()| true)
    };
    let filled = settled(session.limited("filling a field", LIMIT, fill).await)?;
    Ok(filled == Some(true))
}

/// Goes into an iframe; tells whether it could.
///
/// # Errors
/// When the browser cannot be told.
pub async fn enter(session: &Session, css: &str, index: usize) -> Result<bool, BrowserError> {
    let enter = async {
        match nth(session, css, index).await? {
            Some(frame) => frame.enter_frame().await.map(|()| true),
            None => Ok(false),
        }
    };
    let entered = session.limited("going into an iframe", LIMIT, enter);
    Ok(settled(entered.await)? == Some(true))
}

/// Goes out of all iframes, also of those that are gone.
///
/// # Errors
/// When the browser cannot be told.
pub async fn leave(session: &Session) -> Result<(), BrowserError> {
    let leave = session.client().issue_cmd(Post {
        path: "frame",
        body: json!({ "id": null }).to_string(),
    });
    let left = session.limited("going out of iframes", LIMIT, leave);
    left.await.map(|_| ())
}

/// Returns the names of the cookies of the page.
///
/// # Errors
/// When the browser cannot be told.
pub async fn cookies(session: &Session) -> Result<Vec<String>, BrowserError> {
    let ask = session.client().get_all_cookies();
    let cookies = session.limited("reading cookies", LIMIT, ask).await?;
    let names = cookies.iter().map(|cookie| cookie.name().to_owned());
    Ok(names.collect())
}

async fn nth(
    session: &Session,
    css: &str,
    index: usize,
) -> Result<Option<fantoccini::elements::Element>, CmdError> {
    let found = session.client().find_all(Locator::Css(css)).await?;
    Ok(found.into_iter().nth(index))
}

/// Takes away what a page says that is only just changing: the next look finds it as it is then.
fn settled<T>(done: Result<T, BrowserError>) -> Result<Option<T>, BrowserError> {
    match done {
        Ok(value) => Ok(Some(value)),
        Err(BrowserError::Command { cause, .. }) if is_passing(&cause) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_passing(error: &CmdError) -> bool {
    let CmdError::Standard(error) = error else {
        return false;
    };
    matches!(
        error.error,
        ErrorStatus::ElementClickIntercepted
            | ErrorStatus::ElementNotInteractable
            | ErrorStatus::InvalidElementState
            | ErrorStatus::JavascriptError
            | ErrorStatus::NoSuchElement
            | ErrorStatus::NoSuchFrame
            | ErrorStatus::StaleElementReference
            | ErrorStatus::UnknownError
    )
}
