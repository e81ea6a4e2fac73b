//! How a target refuses, and what its refusals mean.

mod meaning;

use std::{borrow::Cow, collections::BTreeSet, fmt};

use regex::Regex;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Driver, Target, half_pairs::json_of};
use crate::{policy::Clause, suggest, verdict::Reason};

/// How much of an answer is told where it is not understood, in characters.
const MOST_TOLD: usize = 200;

/// The shape of a target's refusals: what all of them have in common, and no other answer has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Refusing {
    /// The statuses, of which a refusal has one.
    pub statuses: Vec<Status>,
    /// The content types, without parameters, of which a refusal has one; any when left out.
    #[serde(default)]
    pub content_types: Vec<String>,
    /// The members that the JSON of every refusal has at the top; there need not be JSON when left out.
    #[serde(default)]
    pub members: Vec<String>,
    /// A regular expression that the body of every refusal matches; any body when left out.
    #[serde(default)]
    pub body: Option<Pattern>,
}

/// An HTTP status with which a relying party may refuse: 200 to 499.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "u16")]
pub struct Status(#[schemars(range(min = 200, max = 499))] u16);

impl TryFrom<u16> for Status {
    type Error = String;

    fn try_from(status: u16) -> Result<Self, String> {
        match status {
            200..=499 => Ok(Self(status)),
            500..=599 => Err(format!(
                "{status} says that the server failed; that is never a refusal"
            )),
            _ => Err(format!(
                "{status} is no status of a refusal: expected 200 to 499"
            )),
        }
    }
}

/// A regular expression; a plain word matches wherever it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Regex);

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let compiled = Regex::new(&text);
        // The last line of the crate's message says what is wrong; those before draw it.
        let reason = |error: regex::Error| {
            let said = error.to_string();
            let last = said.lines().last().unwrap_or_default();
            format!("'{text}' is no regular expression: {}", last.trim())
        };
        compiled.map(Self).map_err(reason)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0.as_str().to_owned()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

impl Pattern {
    /// Tells whether it matches anywhere in a text.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// Returns the first group of the first match.
    #[must_use]
    pub fn first_group(&self, text: &str) -> Option<String> {
        let found = self.0.captures(text)?;
        found.get(1).map(|group| group.as_str().to_owned())
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "regex", "description": "A regular expression." })
    }
}

/// Says what refusals mean that have this status, this code and this text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReasonRule {
    /// The status; any when left out.
    #[serde(default)]
    pub status: Option<Status>,
    /// A regular expression that the code matches; any when left out.
    #[serde(default)]
    pub code: Option<Pattern>,
    /// A regular expression that the words match; any when left out.
    #[serde(default)]
    pub text: Option<Pattern>,
    /// The reasons, of which it is one: `reg.8`, `auth.11`, `parse`, `state`, a clause of a policy; `unknown` where it may be any.
    pub is: Vec<ReasonClass>,
}

/// A reason in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReasonClass(pub Reason);

impl TryFrom<String> for ReasonClass {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error| {
            let clauses = Clause::ALL.iter().map(|(_, name)| *name);
            let known = clauses.chain(["parse", "state", "unknown"]);
            match suggest::nearest(&text, known) {
                Some(nearest) => format!("{error}; did you mean '{nearest}'?"),
                None => format!("{error}"),
            }
        })
    }
}

impl From<ReasonClass> for String {
    fn from(class: ReasonClass) -> Self {
        class.0.to_string()
    }
}

impl JsonSchema for ReasonClass {
    fn schema_name() -> Cow<'static, str> {
        "ReasonClass".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A step (reg.1 to reg.29, auth.1 to auth.25), parse, state, unknown or a clause of a policy.",
        })
    }
}

/// What a target answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// The content type without parameters; empty when there is none.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
    /// Whether it says yes, where the target's file says how it would; otherwise its status says so.
    pub accepts: Option<bool>,
}

impl Answered {
    /// Makes an answer of its status, its `Content-Type` and its body.
    #[must_use]
    pub fn new(status: u16, content_type: &str, body: &[u8]) -> Self {
        let essence = content_type.split(';').next().unwrap_or_default();
        Self {
            status,
            content_type: essence.trim().to_ascii_lowercase(),
            body: body.to_vec(),
            accepts: None,
        }
    }

    /// Tells whether it says yes.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.accepts
            .unwrap_or_else(|| (200..=299).contains(&self.status))
    }

    /// Returns the body as JSON, if it is.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        json_of(&self.body).ok()
    }

    fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        let told: String = text.chars().take(MOST_TOLD).collect();
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        write!(f, "status {}", self.status)?;
        if !self.content_type.is_empty() {
            write!(f, " {}", self.content_type)?;
        }
        if told.is_empty() {
            Ok(())
        } else {
            write!(f, ": {told}")
        }
    }
}

impl Refusing {
    /// Makes the shape of refusals that have a status and a member.
    pub(super) fn with_member(status: u16, member: &str) -> Option<Self> {
        Some(Self {
            statuses: vec![Status::try_from(status).ok()?],
            content_types: Vec::new(),
            members: vec![member.to_owned()],
            body: None,
        })
    }

    /// Takes an answer for the shape of all refusals.
    #[must_use]
    pub fn like(said: &Answered) -> Option<Self> {
        let status = Status::try_from(said.status).ok()?;
        let members = match said.json() {
            Some(Value::Object(members)) => members.keys().cloned().collect(),
            _ => Vec::new(),
        };
        Some(Self {
            statuses: vec![status],
            content_types: vec![said.content_type.clone()],
            members,
            body: None,
        })
    }

    /// Tells whether an answer is a refusal.
    #[must_use]
    pub fn fits(&self, said: &Answered) -> bool {
        if said.accepts == Some(true) {
            return false;
        }
        let has_members = || {
            let json = said.json();
            let has = |member: &String| {
                json.as_ref()
                    .is_some_and(|json| json.get(member.as_str()).is_some())
            };
            self.members.iter().all(has)
        };
        let types = &self.content_types;
        self.statuses.iter().any(|known| known.0 == said.status)
            && (types.is_empty()
                || types
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(&said.content_type)))
            && has_members()
            && self
                .body
                .as_ref()
                .is_none_or(|body| body.0.is_match(&said.text()))
    }

    /// Says why no answer could be told by it, if so.
    pub(super) fn mistake(&self) -> Option<&'static str> {
        let successes = self.statuses.iter().any(|status| status.0 < 300);
        if self.statuses.is_empty() {
            return Some("expected at least one status");
        }
        (successes && self.members.is_empty() && self.body.is_none()).then_some(
            "a refusal with a status of success is told by its body: expected members or body",
        )
    }
}

impl fmt::Display for Refusing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statuses: BTreeSet<String> = self
            .statuses
            .iter()
            .map(|status| status.0.to_string())
            .collect();
        f.write_str(&statuses.into_iter().collect::<Vec<_>>().join(" or "))?;
        let types: Vec<&str> = self
            .content_types
            .iter()
            .map(String::as_str)
            .filter(|known| !known.is_empty())
            .collect();
        if !types.is_empty() {
            write!(f, " {}", types.join(" or "))?;
        }
        if self.members.is_empty() {
            Ok(())
        } else {
            write!(f, " with {}", self.members.join(", "))
        }
    }
}
