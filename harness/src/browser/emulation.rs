//! Makes a browser send and show the user agent of a platform.
//!
//! Chromium takes text, `navigator.platform` and client hints, each tab for itself; Firefox takes text and
//! `navigator.platform` for the whole process, and has no client hints at all.

use std::time::Duration;

use fantoccini::{Client, error::CmdError, wd::WebDriverCompatibleCommand};
use hyper::Method;
use passkey_model::{
    lane::Browser,
    platform::{BrandVersion, ClientHints, UserAgent},
};
use serde_json::{Value, json};
use tokio::time::timeout;
use url::{ParseError, Url};

/// How long the driver may take for one command.
const LIMIT: Duration = Duration::from_secs(10);

/// Sets or clears preferences of Firefox; runs in its own scope, not in a page's.
const SET_PREFERENCES: &str = "\
for (const [name, value] of Object.entries(arguments[0])) {
  if (value === null) Services.prefs.clearUserPref(name);
  else Services.prefs.setStringPref(name, value);
}";

/// Says why a browser does not wear the user agent; always the environment's fault, never the relying party's.
#[derive(Debug, thiserror::Error)]
pub enum EmulationError {
    /// The driver refused a command or broke off.
    #[error("the browser did not take {wanted}: {words}")]
    Refused {
        /// What it should have worn.
        wanted: String,
        /// The driver's words.
        words: String,
    },
    /// The driver did not answer in time.
    #[error("the browser did not take {wanted}: its driver gave no answer within {} s", LIMIT.as_secs())]
    Silent {
        /// What it should have worn.
        wanted: String,
    },
    /// geckodriver runs without the right to change preferences.
    #[error(
        "Firefox did not take {wanted}: geckodriver keeps its preferences locked; start it with --allow-system-access"
    )]
    Locked {
        /// What it should have worn.
        wanted: String,
    },
}

/// Makes the browser send and show this user agent from the next document on; `None` restores its own.
///
/// In Chromium it holds for the client's current tab, in Firefox for every tab. A user agent without hints sends no
/// `Sec-CH-UA` headers; `navigator.userAgentData` stays in Chromium and is empty. Firefox's driver has to run with `--allow-system-access`.
///
/// # Errors
/// When the driver refuses, or does not answer within 10 s a command.
pub async fn wear(
    client: &Client,
    browser: Browser,
    user_agent: Option<&UserAgent>,
) -> Result<(), EmulationError> {
    let session = Session {
        client,
        wanted: user_agent,
    };
    match browser {
        Browser::Chromium => session.chromium().await,
        Browser::Firefox => session.firefox().await,
    }
}

struct Session<'a> {
    client: &'a Client,
    wanted: Option<&'a UserAgent>,
}

impl Session<'_> {
    async fn chromium(&self) -> Result<(), EmulationError> {
        let body = json!({ "cmd": "Emulation.setUserAgentOverride", "params": user_agent_override(self.wanted) });
        self.post("goog/cdp/execute", &body).await
    }

    /// Goes back to the page's scope whatever happened, since everything else that is asked of the session needs it.
    async fn firefox(&self) -> Result<(), EmulationError> {
        let script = json!({ "script": SET_PREFERENCES, "args": [preferences(self.wanted)] });
        self.scope("chrome").await?;
        let set = self.post("execute/sync", &script).await;
        let back = self.scope("content").await;
        set.and(back)
    }

    async fn scope(&self, context: &str) -> Result<(), EmulationError> {
        self.post("moz/context", &json!({ "context": context }))
            .await
    }

    async fn post(&self, path: &'static str, body: &Value) -> Result<(), EmulationError> {
        let command = Post {
            path,
            body: body.to_string(),
        };
        match timeout(LIMIT, self.client.issue_cmd(command)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.refused(&error)),
            Err(_) => Err(EmulationError::Silent {
                wanted: self.wanted(),
            }),
        }
    }

    fn refused(&self, error: &CmdError) -> EmulationError {
        let wanted = self.wanted();
        let words = error.to_string();
        // The error's code, unsupported operation, is that of many others; only Marionette's words tell.
        if words.contains("System access is required") {
            return EmulationError::Locked { wanted };
        }
        EmulationError::Refused { wanted, words }
    }

    fn wanted(&self) -> String {
        self.wanted.map_or_else(
            || "its own user agent back".to_owned(),
            |user_agent| format!("the user agent '{}'", user_agent.user_agent),
        )
    }
}

/// Renders the parameters of CDP's `Emulation.setUserAgentOverride`; an empty text takes the override away.
fn user_agent_override(user_agent: Option<&UserAgent>) -> Value {
    let Some(user_agent) = user_agent else {
        return json!({ "userAgent": "" });
    };
    let mut params = json!({ "userAgent": user_agent.user_agent, "platform": user_agent.platform });
    if let Some(hints) = &user_agent.hints {
        params["userAgentMetadata"] = metadata(hints);
    }
    params
}

/// Renders CDP's `Emulation.UserAgentMetadata`. What is left out shows the browser that really runs, so that full versions and form
/// factors are there too; the versions are full of zeros as in the reduced text.
fn metadata(hints: &ClientHints) -> Value {
    let brand = |one: &BrandVersion| json!({ "brand": one.brand, "version": one.version });
    let full = |one: &BrandVersion| json!({ "brand": one.brand, "version": format!("{}.0.0.0", one.version) });
    json!({
        "brands": hints.brands.iter().map(brand).collect::<Vec<_>>(),
        "fullVersionList": hints.brands.iter().map(full).collect::<Vec<_>>(),
        "formFactors": [if hints.mobile { "Mobile" } else { "Desktop" }],
        "platform": hints.platform,
        "platformVersion": hints.platform_version,
        "architecture": hints.architecture,
        "bitness": hints.bitness,
        "model": hints.model,
        "mobile": hints.mobile,
    })
}

/// Renders Firefox's preferences and their values; null takes the override away.
fn preferences(user_agent: Option<&UserAgent>) -> Value {
    json!({
        "general.useragent.override": user_agent.map(|one| &one.user_agent),
        "general.platform.override": user_agent.map(|one| &one.platform),
    })
}

/// A command that fantoccini does not know, posted below the session.
#[derive(Debug)]
pub(crate) struct Post {
    /// The path below the session's own.
    pub path: &'static str,
    /// The parameters, in JSON.
    pub body: String,
}

impl WebDriverCompatibleCommand for Post {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, ParseError> {
        let session = session_id.unwrap_or_default();
        base_url.join(&format!("session/{session}/{}", self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.clone()))
    }
}
