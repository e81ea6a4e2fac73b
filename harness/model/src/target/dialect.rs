//! Dialects: the requests with which a relying party of its own wire format is asked for options and shown responses.
//!
//! ```yaml
//! driver: json
//! json:
//!   registration:
//!     options: { request: POST /register/start, body: { name: $USER }, gives: $ANSWER/publicKey }
//!     result:  { request: POST /register/finish, body: $RESPONSE, accepted: { at: /verified, is: true } }
//!   authentication:
//!     options: { request: POST /login/start, body: { name: $REQUEST/username }, gives: $ANSWER/publicKey }
//!     result:  { request: POST /login/finish, body: $RESPONSE, accepted: { at: /verified, is: true } }
//!   session:  { request: GET /me, gives: $ANSWER/name }
//!   sign-out: { request: POST /logout }
//!   list:     { passkeys: { request: GET /passkeys, gives: $ANSWER/passkeys }, id-at: /credentialId }
//!   delete:   { request: "DELETE /passkeys/{$LISTED/number}" }     # or {$CREDENTIAL_ID}, without a list
//! ```

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    refusal::{Answered, Pattern},
    template::{Code, Template, Variable},
};
use crate::scenario::CeremonyKind;

/// How a relying party's own wire format is spoken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Dialect {
    /// Headers of every request; as others, one is left out whose value is not there in a session of which nothing was kept yet.
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
    /// Where the token against cross-site requests is found, which requests name as `$CSRF`.
    #[serde(default)]
    pub csrf: Option<Csrf>,
    /// What is asked once for all rows, as an administrator's token: what it keeps, every request can name as `$KEPT/<name>`.
    #[serde(default)]
    pub shared: Option<Shared>,
    /// What lets a user in who has no passkey yet: one request after the other; nothing where anybody may register.
    #[serde(default)]
    pub let_in: Vec<Exchange>,
    /// Registering a passkey.
    pub registration: Ceremony,
    /// Signing in with one.
    pub authentication: Ceremony,
    /// Who is signed in: `gives` is the user's name, null where it is nobody.
    #[serde(default)]
    pub session: Option<Exchange>,
    /// What ends a session; it is forgotten where there is no such request.
    #[serde(default)]
    pub sign_out: Option<Exchange>,
    /// Lists the passkeys of whoever is signed in, where `delete` names one otherwise than by its credential ID.
    #[serde(default)]
    pub list: Option<Listing>,
    /// Deletes a passkey of whoever is signed in.
    #[serde(default)]
    pub delete: Option<Exchange>,
}

/// How the passkeys of a user are listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Listing {
    /// The request; `gives` is the list, whose entry of a passkey requests name `$LISTED`, and `binary` how credential IDs are written.
    pub passkeys: Exchange,
    /// Where an entry has the credential ID: a JSON pointer.
    pub id_at: String,
}

impl Listing {
    /// Finds the entry of a passkey in a list: its ID, base64url.
    #[must_use]
    pub fn find(&self, list: &Value, id: &str) -> Option<Value> {
        let wanted = Code::Base64url.read(&Value::from(id))?;
        let is_it = |entry: &&Value| {
            let written = entry.pointer(&self.id_at);
            written
                .and_then(|it| self.passkeys.binary.read(it))
                .as_ref()
                == Some(&wanted)
        };
        list.as_array()?.iter().find(is_it).cloned()
    }
}

/// Requests that all rows share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Shared {
    /// One request after the other.
    pub requests: Vec<Exchange>,
    /// For how long what they keep is good, in seconds; they are made again then.
    #[serde(default = "Shared::usual_time")]
    pub for_seconds: u64,
}

impl Shared {
    const fn usual_time() -> u64 {
        900
    }
}

/// The two requests of a ceremony.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ceremony {
    /// Asks for options: `gives` are those of WebAuthn L3, 5.1.8 or 5.1.9, the whole answer when left out.
    pub options: Exchange,
    /// Shows the response.
    pub result: Exchange,
}

/// A request, and how its answer is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Exchange {
    /// Method and path, as `POST /login`.
    pub request: RequestLine,
    /// Members of the query, behind those in the path; one whose value is not there is left out.
    #[serde(default)]
    pub query: BTreeMap<String, Template>,
    /// Headers beside those of every request.
    #[serde(default)]
    pub headers: BTreeMap<String, Template>,
    /// The JSON that is sent; nothing is when left out.
    #[serde(default)]
    pub body: Option<Template>,
    /// Whether the members of the body are sent as a form (`application/x-www-form-urlencoded`).
    #[serde(default)]
    pub form: bool,
    /// When the answer says yes; on any status of success when left out.
    #[serde(default)]
    pub accepted: Option<Accepted>,
    /// What is kept of the answer for later requests of the session, which name it `$KEPT/<name>`.
    #[serde(default)]
    pub keep: BTreeMap<String, Template>,
    /// What the answer gives: options, or a user's name; the whole answer when left out.
    #[serde(default)]
    pub gives: Option<Template>,
    /// How options write `challenge`, `user.id` and the IDs of credentials.
    #[serde(default)]
    pub binary: Code,
}

impl Exchange {
    /// Says what is wrong with it although each part has the right shape: the JSON pointer of the part, and the mistake.
    pub(super) fn mistake(&self, at: &str) -> Option<(String, &'static str)> {
        let pointer = self.accepted.as_ref().and_then(|it| it.at.as_ref());
        if pointer.is_some_and(|at| !at.is_empty() && !at.starts_with('/')) {
            return Some((
                format!("{at}/accepted/at"),
                "expected a JSON pointer, as /result/value",
            ));
        }
        let has_fields = matches!(&self.body, Some(body) if body.has_members());
        (self.form && !has_fields).then(|| {
            (
                format!("{at}/form"),
                "a form needs a body with members, which are its fields",
            )
        })
    }
}

/// A method and a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestLine {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// The path, with its query.
    pub path: Template,
}

impl TryFrom<String> for RequestLine {
    type Error = String;

    fn try_from(line: String) -> Result<Self, String> {
        let expected = || {
            format!(
                "'{line}': expected a method and a path, as 'POST /login'; methods are GET, POST, PUT, PATCH and DELETE"
            )
        };
        let (method, path) = line.split_once(' ').ok_or_else(expected)?;
        let known = ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method);
        if !known || !path.starts_with('/') {
            return Err(expected());
        }
        Ok(Self {
            method: method.to_owned(),
            path: Template::new(Value::String(path.to_owned()))?,
        })
    }
}

impl From<RequestLine> for String {
    fn from(line: RequestLine) -> Self {
        let path = Value::from(line.path);
        format!("{} {}", line.method, path.as_str().unwrap_or_default())
    }
}

impl JsonSchema for RequestLine {
    fn schema_name() -> Cow<'static, str> {
        "RequestLine".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(GET|POST|PUT|PATCH|DELETE) /",
            "description": "A method and a path, as POST /login; {$VARIABLE} in the path is put in.",
        })
    }
}

/// When an answer says yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Accepted {
    /// The statuses, of which it has one; 200 to 299 when left out.
    #[serde(default)]
    pub statuses: Vec<u16>,
    /// Where its JSON says so: a JSON pointer.
    #[serde(default)]
    pub at: Option<String>,
    /// What stands there then; nothing, or null, when left out.
    #[serde(default)]
    pub is: Value,
}

impl Accepted {
    /// Tells whether an answer says yes.
    #[must_use]
    pub fn fits(&self, said: &Answered) -> bool {
        let has_status = match self.statuses.as_slice() {
            [] => (200..=299).contains(&said.status),
            statuses => statuses.contains(&said.status),
        };
        let says_so = |at: &String| {
            let json = said.json();
            json.is_some_and(|json| *json.pointer(at).unwrap_or(&Value::Null) == self.is)
        };
        has_status && self.at.as_ref().is_none_or(says_so)
    }
}

/// Where the token against cross-site requests is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Csrf {
    /// In a cookie of this name, decoded as scripts read it; where none is set yet, `GET /` has to set it.
    #[serde(default)]
    pub cookie: Option<String>,
    /// In the last answer's header of this name.
    #[serde(default)]
    pub header: Option<String>,
    /// On a page at this path, which is read again after somebody signed in or out.
    #[serde(default)]
    pub page: Option<String>,
    /// The regular expression whose first group is the token on the page.
    #[serde(default)]
    pub pattern: Option<Pattern>,
}

/// What the harness wants of a relying party, whatever its wire format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Lets a user in before there is a passkey.
    LetIn,
    /// Asks for the options of a ceremony.
    Options(CeremonyKind),
    /// Shows the response of a ceremony.
    Result(CeremonyKind),
    /// Asks who is signed in.
    Session,
    /// Ends a session.
    SignOut,
    /// Deletes a passkey: its ID, base64url.
    Delete(String),
    /// Lists the passkeys of a user.
    List,
    /// What no row asks but the run: what rows share, and policies.
    Administration,
}

impl Dialect {
    /// Returns the requests that a call takes: `None` where the dialect has no way to say it.
    #[must_use]
    pub fn says(&self, call: &Call) -> Option<&[Exchange]> {
        let one = |exchange| Some(std::slice::from_ref(exchange));
        match call {
            Call::LetIn => Some(&self.let_in),
            Call::Options(kind) => one(&self.ceremony(*kind).options),
            Call::Result(kind) => one(&self.ceremony(*kind).result),
            Call::Session => self.session.as_ref().map(std::slice::from_ref),
            Call::SignOut => Some(self.sign_out.as_slice()),
            Call::Administration => None,
            Call::Delete(_) => self.delete.as_ref().map(std::slice::from_ref),
            Call::List => {
                let list = self.list.as_ref();
                list.map(|list| std::slice::from_ref(&list.passkeys))
            }
        }
    }

    /// Returns the two requests of a ceremony.
    #[must_use]
    pub const fn ceremony(&self, kind: CeremonyKind) -> &Ceremony {
        match kind {
            CeremonyKind::Registration => &self.registration,
            CeremonyKind::Authentication => &self.authentication,
        }
    }

    /// Tells whether its requests for a registration show what all rows share, as an administrator's token: whoever makes them may register.
    #[must_use]
    pub fn registers_as_administrator(&self) -> bool {
        let shared = self.shared.iter().flat_map(|shared| &shared.requests);
        let kept: Vec<_> = shared.flat_map(|exchange| exchange.keep.keys()).collect();
        let headers = self.registration.options.headers.values();
        let mut shown = headers
            .chain(self.headers.values())
            .chain(&self.registration.options.body);
        shown.any(|template| {
            kept.iter()
                .any(|name| template.names_member(Variable::Kept, name))
        })
    }

    fn exchanges(&self) -> impl Iterator<Item = (String, &Exchange)> {
        let named = |name: &str, exchange| (format!("/json/{name}"), exchange);
        let shared = self.shared.iter().flat_map(|shared| &shared.requests);
        let numbered =
            |of: &'static str| move |(index, exchange)| (format!("/json/{of}/{index}"), exchange);
        let shared = shared.enumerate().map(numbered("shared/requests"));
        let let_in = self.let_in.iter().enumerate().map(numbered("let-in"));
        shared
            .chain(let_in)
            .chain([
                named("registration/options", &self.registration.options),
                named("registration/result", &self.registration.result),
                named("authentication/options", &self.authentication.options),
                named("authentication/result", &self.authentication.result),
            ])
            .chain(self.session.iter().map(move |it| named("session", it)))
            .chain(self.sign_out.iter().map(move |it| named("sign-out", it)))
            .chain(
                self.list
                    .iter()
                    .map(move |it| named("list/passkeys", &it.passkeys)),
            )
            .chain(self.delete.iter().map(move |it| named("delete", it)))
    }

    /// Lists what is wrong although each part has the right shape: the JSON pointer of the part, and the mistake.
    pub(super) fn mistakes(&self) -> Vec<(String, &'static str)> {
        let mut mistakes = Vec::new();
        for (at, exchange) in self.exchanges() {
            mistakes.extend(exchange.mistake(&at));
        }
        let names_entry = |exchange: &Exchange| {
            let body = exchange.body.as_ref();
            let path = &exchange.request.path;
            path.names(Variable::Listed) || body.is_some_and(|body| body.names(Variable::Listed))
        };
        if self.list.is_none() && self.delete.as_ref().is_some_and(names_entry) {
            let mistake =
                "$LISTED is an entry of a list: expected list, which says how passkeys are listed";
            mistakes.push(("/json/delete".to_owned(), mistake));
        }
        if self
            .list
            .as_ref()
            .is_some_and(|list| !list.id_at.starts_with('/'))
        {
            let mistake = "expected a JSON pointer, as /credentialId";
            mistakes.push(("/json/list/id-at".to_owned(), mistake));
        }
        let csrf = self.csrf.as_ref();
        let places = csrf.map_or(1, |csrf| {
            [&csrf.cookie, &csrf.header, &csrf.page]
                .iter()
                .filter(|place| place.is_some())
                .count()
        });
        if places != 1 {
            mistakes.push((
                "/json/csrf".to_owned(),
                "expected one place where the token is: cookie, header or page",
            ));
        }
        if csrf.is_some_and(|csrf| csrf.page.is_some() != csrf.pattern.is_some()) {
            mistakes.push((
                "/json/csrf".to_owned(),
                "page and pattern go together: where the page is, and which part of it is the token",
            ));
        }
        mistakes
    }
}

/// Returns the dialect of FIDO's conformance tests: a session by cookie, users by name, and the client chooses what is asked for
/// (FIDO's Server Requirements, "Transport Binding Profile").
pub(super) fn fido_api() -> Option<Dialect> {
    let result = |path: &str| {
        json!({
            "request": format!("POST {path}"),
            "body": {
                "id": "$RESPONSE/id",
                "rawId": "$RESPONSE/rawId",
                "type": "$RESPONSE/type",
                "response": "$RESPONSE/response",
                "authenticatorAttachment": "$RESPONSE/authenticatorAttachment",
                "getClientExtensionResults": "$RESPONSE/clientExtensionResults",
            },
            "accepted": { "at": "/status", "is": "ok" },
        })
    };
    let dialect = json!({
        "registration": {
            "options": {
                "request": "POST /attestation/options",
                "body": {
                    "username": "$USER",
                    "displayName": "$USER",
                    "authenticatorSelection": { "userVerification": "$WANTED/user-verification" },
                    "attestation": "$WANTED/attestation",
                    "extensions": "$REQUEST/extensions",
                },
                "accepted": { "at": "/status", "is": "ok" },
            },
            "result": result("/attestation/result"),
        },
        "authentication": {
            "options": {
                "request": "POST /assertion/options",
                "body": {
                    "username": "$REQUEST/username",
                    "userVerification": "$WANTED/user-verification",
                    "extensions": "$REQUEST/extensions",
                },
                "accepted": { "at": "/status", "is": "ok" },
            },
            "result": result("/assertion/result"),
        },
    });
    // It is one, as a test makes sure.
    serde_json::from_value(dialect).ok()
}
