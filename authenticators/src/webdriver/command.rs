//! One command of an extension of WebDriver, and what can go wrong with it.

use fantoccini::{Client, error::CmdError, wd::WebDriverCompatibleCommand};
use http::Method;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use url::{ParseError, Url};

/// Says why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The driver or the browser behind it refused the command.
    #[error(
        "the driver refused \"{command}\": {code}: {message}; see that the session is alive and this driver has the command"
    )]
    Refused {
        /// The command, as the specification names it.
        command: &'static str,
        /// WebDriver's error code, such as `invalid argument`.
        code: String,
        /// The driver's own words.
        message: String,
    },
    /// The driver does not have the command, and says so in words of its own; geckodriver does for a path that it has half of.
    #[error(
        "the driver does not understand \"{command}\": {message}; use a browser whose driver has it"
    )]
    NotUnderstood {
        /// The command, as the specification names it.
        command: &'static str,
        /// The driver's own words.
        message: String,
    },
    /// The driver could not be reached, or did not answer as a WebDriver does.
    #[error("no answer to \"{command}\" from the driver: {source}; see that it still runs")]
    Driver {
        /// The command, as the specification names it.
        command: &'static str,
        /// What fantoccini says.
        source: Box<CmdError>,
    },
    /// The driver's answer is not what the specification says it is.
    #[error(
        "the driver answered \"{command}\" with something else than is specified: {answer}: {source}"
    )]
    Answer {
        /// The command, as the specification names it.
        command: &'static str,
        /// What the driver answered, as JSON.
        answer: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The caller's parameters cannot be written as JSON.
    #[error("the parameters of \"{command}\" cannot be written as JSON: {source}; correct them")]
    Parameters {
        /// The command, as the specification names it.
        command: &'static str,
        /// What is wrong with them.
        source: serde_json::Error,
    },
}

/// One request below `/session/{session id}/`.
#[derive(Debug)]
pub(super) struct Command {
    name: &'static str,
    method: Method,
    path: String,
    body: Option<String>,
}

impl Command {
    /// Makes a request without a body that reads.
    pub(super) fn get(name: &'static str, path: String) -> Self {
        Self {
            name,
            method: Method::GET,
            path,
            body: None,
        }
    }

    /// Makes a request without a body that removes.
    pub(super) fn delete(name: &'static str, path: String) -> Self {
        Self {
            name,
            method: Method::DELETE,
            path,
            body: None,
        }
    }

    /// Makes a request with the parameters as JSON.
    pub(super) fn post(
        name: &'static str,
        path: String,
        parameters: &impl Serialize,
    ) -> Result<Self, CommandError> {
        let body =
            serde_json::to_string(parameters).map_err(|source| CommandError::Parameters {
                command: name,
                source,
            })?;
        Ok(Self {
            name,
            method: Method::POST,
            path,
            body: Some(body),
        })
    }

    /// Sends the command and returns the driver's value.
    pub(super) async fn issue(self, client: &Client) -> Result<Value, CommandError> {
        let command = self.name;
        client.issue_cmd(self).await.map_err(|error| match error {
            CmdError::Standard(refusal) => CommandError::Refused {
                command,
                code: refusal.error(),
                message: refusal.message.into_owned(),
            },
            // An answer that is not JSON comes from before a driver's commands.
            CmdError::NotJson(message) => CommandError::NotUnderstood { command, message },
            source => CommandError::Driver {
                command,
                source: Box::new(source),
            },
        })
    }
}

impl WebDriverCompatibleCommand for Command {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, ParseError> {
        // Without a session the driver itself says that there is none.
        let session = session_id.unwrap_or_default();
        base_url.join(&format!("session/{session}/{}", self.path))
    }

    fn method_and_body(&self, _request_url: &Url) -> (Method, Option<String>) {
        (self.method.clone(), self.body.clone())
    }
}

/// Reads a driver's value as the type that the specification gives it.
pub(super) fn read<T: DeserializeOwned>(
    command: &'static str,
    answer: Value,
) -> Result<T, CommandError> {
    T::deserialize(&answer).map_err(|source| CommandError::Answer {
        command,
        answer: answer.to_string(),
        source,
    })
}
