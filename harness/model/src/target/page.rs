//! The driver `page`: what a person does on a site's own pages, and how one sees what came of it.
//!
//! ```yaml
//! driver: page
//! page:
//!   let-in:                                   # how a user comes in who is to register a passkey
//!     steps:
//!       - open: /sign-up
//!       - { fill: "#name", with: "{$USER}" }
//!       - { click: "#make-account" }
//!       - { wait-for: "#profile" }
//!   register:
//!     steps: [{ open: /profile }, { click: "#add-passkey" }]
//!     accepted: [{ css: "#passkeys", text: added }]
//!     refused: [{ css: .error }]              # the words of the element are those of the refusal
//!   sign-out: [{ open: /profile }, { click: "#sign-out" }, { wait-for: "#sign-in" }]
//!   sign-in:
//!     steps: [{ open: / }, { enter-frame: iframe.dialog }, { click: "#sign-in" }]
//!     accepted: [{ css: "#profile" }]
//!     refused: [{ css: .error, frame: iframe.dialog }]
//! ```
//!
//! Selectors are CSS; the first element that is shown counts, and every step waits for its element. After the steps of a ceremony,
//! whatever of `accepted` and `refused` is seen first decides: an element or a text that was there before the last step, and is there
//! unchanged, is not what the ceremony came to. What the page shows nowhere may be told by the answer to its request:
//! `refused: [{ status: 403, path: ^/login }]`. The passkey itself is answered for by the credential provider's extension.

mod mistakes;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use mistakes::mistakes;

use super::{Pattern, Template};
use crate::{
    lane::{AuthenticatorKind, Driver},
    row::Row,
    scenario::{Action, StepSpec},
};

/// Describes a site's pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pages {
    /// Whether the site itself speaks TLS at its address; otherwise it speaks plain HTTP there, and an `https` origin is served by the
    /// harness in front of it.
    #[serde(default)]
    pub tls: bool,
    /// How a user comes in who is to register a passkey.
    pub let_in: LetIn,
    /// How whoever is signed in registers a passkey.
    pub register: PageCeremony,
    /// How whoever is signed in signs out.
    pub sign_out: Vec<PageStep>,
    /// How one signs in with a passkey, without giving a name.
    #[serde(default)]
    pub sign_in: Option<PageCeremony>,
    /// How one signs in who gives the name `{$USER}`.
    #[serde(default)]
    pub sign_in_with_name: Option<PageCeremony>,
    /// What the pages show when they are out of order for a moment: it is no outcome, and the page is opened anew.
    #[serde(default)]
    pub unavailable: Vec<Recogniser>,
    /// How the passkeys of earlier rows are deleted, where all rows have one account.
    #[serde(default)]
    pub tidy: Option<Tidy>,
    /// How long an element may take to be shown, and an outcome to be seen, in seconds.
    #[serde(default = "usual_limit")]
    pub within_seconds: u64,
}

const fn usual_limit() -> u64 {
    10
}

/// How users come in. A passkey that these steps ask for is one that the harness keeps for the whole run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LetIn {
    /// What is done once in a run, before anything else: makes the only account, with a passkey of its own. All rows then have that
    /// account, run one after the other in a browser that forgets nothing, and rows with several users are not-applicable.
    #[serde(default)]
    pub once: Vec<PageStep>,
    /// What is done in every row, before the first registration and wherever nobody is signed in who is to register. Where there is one
    /// account, somebody may be signed in still.
    pub steps: Vec<PageStep>,
}

/// A ceremony on the pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PageCeremony {
    /// What is done, up to the click that begins it.
    pub steps: Vec<PageStep>,
    /// What is seen when the site has accepted the response, any of these.
    pub accepted: Vec<Recogniser>,
    /// What is seen when it has refused, any of these; the text of the element is its words.
    pub refused: Vec<Recogniser>,
}

/// Deletes passkeys, one each time, until there are no more than `at-most`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tidy {
    /// The element of which there is one for each passkey, where `let-in` ends.
    pub count: String,
    /// How many there may be.
    pub at_most: usize,
    /// What deletes one.
    pub steps: Vec<PageStep>,
}

/// One thing that a person does or waits for: exactly one of these, `fill` together with `with`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PageStep {
    /// Opens a path of the site, or a whole address.
    #[serde(default)]
    pub open: Option<Template>,
    /// Clicks an element.
    #[serde(default)]
    pub click: Option<String>,
    /// Empties a field, and types into it.
    #[serde(default)]
    pub fill: Option<String>,
    /// What is typed.
    #[serde(default)]
    pub with: Option<Template>,
    /// Goes into an iframe; the next section begins outside again.
    #[serde(default)]
    pub enter_frame: Option<String>,
    /// Goes out of all iframes: `true`.
    #[serde(default)]
    pub leave_frame: Option<bool>,
    /// Waits until an element is shown.
    #[serde(default)]
    pub wait_for: Option<String>,
    /// Waits until no such element is shown.
    #[serde(default)]
    pub wait_gone: Option<String>,
    /// Waits until there is a cookie of this name.
    #[serde(default)]
    pub wait_cookie: Option<String>,
    /// Does it only where this element is shown at that moment.
    #[serde(default)]
    pub only_if: Option<String>,
    /// Does it only where this element is not shown at that moment.
    #[serde(default)]
    pub unless: Option<String>,
}

/// What one step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageAct<'a> {
    /// Opens a path or an address.
    Open(&'a Template),
    /// Clicks an element.
    Click(&'a str),
    /// Types into a field.
    Fill(&'a str, &'a Template),
    /// Goes into an iframe.
    EnterFrame(&'a str),
    /// Goes out of all iframes.
    LeaveFrame,
    /// Waits until an element is shown.
    WaitFor(&'a str),
    /// Waits until an element is gone.
    WaitGone(&'a str),
    /// Waits for a cookie.
    WaitCookie(&'a str),
}

/// Something that can be seen: all of what it says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Recogniser {
    /// The iframe in which `css` and `gone` are looked for; it has to be of the page's own origin.
    #[serde(default)]
    pub frame: Option<String>,
    /// An element that is shown.
    #[serde(default)]
    pub css: Option<String>,
    /// An element that is not shown.
    #[serde(default)]
    pub gone: Option<String>,
    /// A regular expression that the element's text matches, or the whole page's where there is no `css`.
    #[serde(default)]
    pub text: Option<Pattern>,
    /// A regular expression that the page's address matches.
    #[serde(default)]
    pub url: Option<Pattern>,
    /// A cookie that is there.
    #[serde(default)]
    pub cookie: Option<String>,
    /// The status with which one of the page's requests was answered since the steps began.
    #[serde(default)]
    pub status: Option<u16>,
    /// A regular expression that the path of that request matches, its query included; any does when left out.
    #[serde(default)]
    pub path: Option<Pattern>,
}

impl PageStep {
    /// Returns what the step does; nothing where it says nothing, or more than one thing.
    #[must_use]
    pub fn act(&self) -> Option<PageAct<'_>> {
        let fill = self.fill.as_deref().zip(self.with.as_ref());
        let acts = [
            self.open.as_ref().map(PageAct::Open),
            self.click.as_deref().map(PageAct::Click),
            fill.map(|(field, text)| PageAct::Fill(field, text)),
            self.enter_frame.as_deref().map(PageAct::EnterFrame),
            (self.leave_frame == Some(true)).then_some(PageAct::LeaveFrame),
            self.wait_for.as_deref().map(PageAct::WaitFor),
            self.wait_gone.as_deref().map(PageAct::WaitGone),
            self.wait_cookie.as_deref().map(PageAct::WaitCookie),
        ];
        let mut acts = acts.into_iter().flatten();
        let half_filled = self.fill.is_some() != self.with.is_some();
        match (acts.next(), acts.next()) {
            (Some(act), None) if !half_filled && self.leave_frame != Some(false) => Some(act),
            _ => None,
        }
    }
}

impl Recogniser {
    fn says_nothing(&self) -> bool {
        self.css.is_none()
            && self.gone.is_none()
            && self.text.is_none()
            && self.url.is_none()
            && self.cookie.is_none()
            && self.status.is_none()
    }
}

impl Pages {
    /// Tells whether all rows have one account.
    #[must_use]
    pub const fn has_one_account(&self) -> bool {
        !self.let_in.once.is_empty()
    }

    /// Returns how one signs in, with a name or without.
    #[must_use]
    pub const fn signs_in(&self, with_name: bool) -> Option<&PageCeremony> {
        if with_name {
            self.sign_in_with_name.as_ref()
        } else {
            self.sign_in.as_ref()
        }
    }

    /// Says why a row cannot be shown on these pages; nothing when it can.
    pub(super) fn cannot_show(&self, row: &Row) -> Option<&'static str> {
        if row.lane.driver == Driver::Api {
            return Some("is reached through its pages alone, which the lane does not open");
        }
        if row.lane.authenticator != AuthenticatorKind::Software {
            return Some("shows options and responses only to a credential provider's extension");
        }
        let mut users = row
            .steps
            .iter()
            .map(|step| step.spec.user.as_deref().unwrap_or("alice"));
        if self.has_one_account() && users.any(|user| user != "alice") {
            return Some("has one account, and the row has several users");
        }
        row.steps.iter().find_map(|step| of_step(&step.spec))
    }
}

/// Says what a page cannot do that a step needs.
fn of_step(spec: &StepSpec) -> Option<&'static str> {
    let shown = matches!(
        spec.action,
        Action::Register | Action::SignIn | Action::SignOut
    );
    let own_page = spec.page.is_some()
        || spec.framed.is_some()
        || spec.place.is_some()
        || spec.attached.is_some()
        || spec.user_does.is_some()
        || spec.offers_same_device.is_some();
    match () {
        () if !shown => Some("is described as far as to register, to sign in and to sign out"),
        () if own_page => Some("has pages of its own, and the row is about what another page does"),
        () if spec.mediation.is_some() => Some("is asked for passkeys by a click alone"),
        () => None,
    }
}

#[cfg(test)]
#[path = "page_tests.rs"]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
