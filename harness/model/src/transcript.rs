//! What happened in a row, written down for people: decoded, redacted, rendered.
//!
//! ```text
//! StepRecord -decode-> plain JSON -redact-> names for volatile values -render-> Written
//! ```
//! Redaction works on the decoded values, before anything is rendered: a value that changes with every run becomes a numbered
//! name, the same one wherever it stands (`<challenge#1>` twice shows that it was echoed).

mod certificate;
mod client_data;
mod decode;
mod exchange;
mod redact;
mod render;

use serde_json::{Map, Value, json};

pub use decode::{decode_options, decode_response};
pub use exchange::exchange;
pub use redact::Redactor;
pub use render::render;

use crate::{
    options::{Answer, Ask},
    row::{Role, Row, Step},
    scenario::{Action, CeremonyKind},
    verdict::Outcome,
};

/// What one step did, in the order in which it happened, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRecord {
    /// What was sent and received.
    pub messages: Vec<Message>,
    /// What the relying party did.
    pub outcome: Outcome,
    /// How the client showed itself, where a browser wore the user agent of the step's platform.
    pub client: Option<ClientShown>,
}

/// How a client showed itself to the relying party and to its page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientShown {
    /// The `User-Agent` header of the step's last request.
    pub user_agent: String,
    /// Its `Sec-CH-UA-*` headers, sorted.
    pub hints: Vec<(String, String)>,
    /// `navigator.userAgent`.
    pub page: String,
}

/// Something that was sent to or received from the relying party.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Options that were asked for, and what came back.
    Options {
        /// The ceremony that they are for.
        ceremony: CeremonyKind,
        /// The JSON that was posted.
        request: Value,
        /// The options: PublicKeyCredentialCreationOptionsJSON or PublicKeyCredentialRequestOptionsJSON.
        options: Value,
    },
    /// A response that was posted: RegistrationResponseJSON or AuthenticationResponseJSON.
    Response {
        /// The ceremony that it belongs to.
        ceremony: CeremonyKind,
        /// The JSON.
        response: Value,
    },
    /// Options that were read and not answered.
    Read {
        /// What was asked, and how many times.
        ask: Ask,
        /// The first of the answers.
        answer: Answer,
    },
    /// A policy that was set, in Graph's shape.
    Policy(Value),
}

impl StepRecord {
    /// Lists the options that the relying party sent, in order.
    pub fn options(&self) -> impl Iterator<Item = (CeremonyKind, &Value)> {
        self.messages.iter().filter_map(|message| match message {
            Message::Options {
                ceremony, options, ..
            } => Some((*ceremony, options)),
            Message::Read { ask, answer } => Some((ask.ceremony, answer.as_ref().ok()?)),
            Message::Response { .. } | Message::Policy(_) => None,
        })
    }
}

/// What is written down of a row, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The whole transcript: what the relying party's verification saw, then what else the client said.
    pub transcript: String,
    /// The part of the transcript that is compared across rows and lanes.
    pub ceremony: String,
    /// That part before it was rendered: what [`ceremony_value`] returns.
    pub value: Value,
}

/// Writes down what happened in a row.
///
/// The row's name stands without its lane: the ceremony has to look the same in every lane.
#[must_use]
pub fn write(row: &Row, records: &[StepRecord], rp_id: &str) -> Written {
    let mut whole = named("ceremony", ceremony_value(row, records, rp_id));
    let ceremony = render(&whole);
    let name = row.name.without_lane();
    let client = render(&named("client", Value::Array(client(row, records))));
    Written {
        transcript: format!("row: {name}\n{ceremony}{client}"),
        ceremony,
        value: whole["ceremony"].take(),
    }
}

/// The options or the response of each message, decoded; a policy decides, but was not exchanged in the ceremony.
fn decode(messages: &[Message], rp_id: &str) -> Vec<Value> {
    let of_message = |message: &Message| match message {
        Message::Options {
            ceremony, options, ..
        } => decode_options(*ceremony, options),
        Message::Response { response, .. } => decode_response(response, rp_id),
        Message::Read { ask, answer } => match answer {
            Ok(options) => decode_options(ask.ceremony, options),
            Err(refused) => outcome(refused),
        },
        Message::Policy(_) => Value::Null,
    };
    messages.iter().map(of_message).collect()
}

/// Returns what the relying party's verification saw of a row, decoded and redacted: a list of its steps.
///
/// Each step is an object whose first member is the action (`register: alice`), its last the outcome. Where there is a policy, it
/// stands in front: `policy at the start: device-bound`.
#[must_use]
pub fn ceremony_value(row: &Row, records: &[StepRecord], rp_id: &str) -> Value {
    let mut redactor = Redactor::default();
    let start = row
        .policy
        .as_ref()
        .map(|policy| json!({ "policy at the start": policy.name }));
    let steps = row.steps.iter().zip(records).map(|(step, record)| {
        let decoded = decode(&record.messages, rp_id);
        let mut value = step_value(step, record, decoded);
        shorten(&mut value);
        redactor.redact_in_place(&mut value);
        value
    });
    start.into_iter().chain(steps).collect()
}

/// Nobody reads a list of a hundred texts: its first, its last and their number say as much.
const LONGEST_LIST: usize = 32;

fn shorten(value: &mut Value) {
    match value {
        Value::Array(items) if items.len() > LONGEST_LIST => {
            let between = format!("{} more", items.len() - 2);
            items.splice(1..items.len() - 1, [Value::String(between)]);
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(members) => members.values_mut().for_each(shorten),
        _ => {}
    }
}

/// Makes an object of one member, of the value itself: the macro would make another one of it.
fn named(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

/// A control is written down in short: in full it stands where it is the subject.
fn step_value(step: &Step, record: &StepRecord, decoded: Vec<Value>) -> Value {
    let spec = &step.spec;
    let in_full = step.role == Role::Subject;
    let mut value = Map::new();
    let user = spec.user.as_deref().unwrap_or("alice");
    let (what, who) = match spec.action {
        Action::Register => ("register", json!(user)),
        Action::SignIn => ("sign-in", json!(user)),
        Action::Replay => ("replay", json!(user)),
        Action::ReadOptions => ("read-options", json!(user)),
        Action::SetPolicy => ("set-policy", json!(spec.policy)),
        Action::AdvanceClock => (
            "advance-clock",
            json!(format!("{} s", spec.seconds.unwrap_or_default())),
        ),
        Action::SetUser => {
            let mut set = json!({ "user": user, "groups": spec.groups, "guest": spec.guest });
            if let Some(disabled) = spec.disabled {
                set["disabled"] = json!(disabled);
            }
            ("set-user", set)
        }
        Action::SignOut => ("sign-out", json!(user)),
        Action::DeleteAtProvider => ("delete-at-provider", json!(user)),
        Action::DeleteAtRelyingParty => ("delete-at-relying-party", json!(user)),
        Action::PasswordSignIn => ("password-sign-in", json!(user)),
        Action::Send => ("send", json!(user)),
        Action::Read => ("read", json!(user)),
    };
    value.insert(what.to_owned(), who);
    if let Some(mutation) = &spec.mutation {
        value.insert("mutation".to_owned(), json!(mutation));
    }
    if let Some(request) = &spec.request {
        value.insert("request".to_owned(), json!(request));
    }
    if let Some(seconds) = spec.wait_seconds {
        value.insert("waits".to_owned(), json!(format!("{seconds} s")));
    }
    if let Some(asks) = &spec.asks {
        value.insert("asks".to_owned(), json!(asks));
    }
    if let Some(options) = &spec.options {
        value.insert("holds".to_owned(), json!(options.property));
    }
    let mut read = Vec::new();
    for (message, decoded) in record.messages.iter().zip(decoded) {
        match message {
            Message::Read { ask, .. } => read.push(json!({
                "ceremony": ask.ceremony,
                "session": ask.session.as_deref().unwrap_or("a new one"),
                "asks": ask.request,
                "times": ask.times,
                "first": decoded,
            })),
            Message::Options { request, .. } if in_full => {
                if request
                    .as_object()
                    .is_some_and(|request| !request.is_empty())
                {
                    value.insert("asks".to_owned(), request.clone());
                }
                value.insert("options".to_owned(), decoded);
            }
            Message::Response { .. } => {
                let decoded = compact(decoded);
                let shown = if in_full { decoded } else { in_short(&decoded) };
                value.insert("response".to_owned(), shown);
            }
            Message::Options { .. } | Message::Policy(_) => {}
        }
    }
    if !read.is_empty() {
        value.insert("read".to_owned(), Value::Array(read));
    }
    value.insert("outcome".to_owned(), outcome(&record.outcome));
    Value::Object(value)
}

/// Leaves out what says nothing: a `rawId` that repeats `id`, the only type there is, empty extension results. The members of
/// `response` stand beside its own.
fn compact(mut decoded: Value) -> Value {
    let Some(members) = decoded.as_object_mut() else {
        return decoded;
    };
    if members.get("rawId").is_some() && members.get("rawId") == members.get("id") {
        members.remove("rawId");
    }
    let says_nothing = |name: &str, value: &Value| {
        (name == "type" && value == "public-key")
            || (name == "clientExtensionResults" && *value == json!({}))
    };
    members.retain(|name, value| !says_nothing(name, value));
    let inner = members.get("response").and_then(Value::as_object);
    let is_apart = inner.is_some_and(|inner| {
        let mut names = inner.keys();
        !names.any(|name| name != "response" && members.contains_key(name))
    });
    if is_apart && let Some(Value::Object(inner)) = members.remove("response") {
        members.extend(inner);
    }
    decoded
}

fn in_short(decoded: &Value) -> Value {
    let object = decoded.get("attestationObject");
    match (
        object.and_then(|object| object.get("fmt")),
        object.and_then(|object| object.get("authData")),
    ) {
        (Some(format), Some(data)) => json!({ "fmt": format, "authData": data }),
        _ => json!({ "authenticatorData": decoded.get("authenticatorData") }),
    }
}

/// The relying party's words are its own affair: only the outcome and its reasons are compared.
fn outcome(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Rejected { reasons, .. } => json!({ "rejected": reasons }),
        Outcome::Crashed { how } => json!({ "crashed": how }),
        Outcome::NoCredential { error } => json!({ "no-credential": error }),
        Outcome::OtherRefusal { what } => json!({ "other-refusal": what }),
        Outcome::Differs { how } => json!({ "differs": how }),
        Outcome::Accepted | Outcome::Hung => json!(outcome.name()),
    }
}

fn client(row: &Row, records: &[StepRecord]) -> Vec<Value> {
    let shown = records.iter().map(|record| record.client.as_ref());
    let with_context = |(step, shown): (&Step, Option<&ClientShown>)| {
        let spec = &step.spec;
        let context = spec.context.as_ref()?;
        let mut said = json!({ "step": action_name(spec.action), "context": context.to_string() });
        if let (Some(shown), Some(members)) = (shown, said.as_object_mut()) {
            let hints = shown.hints.iter();
            let hints: Map<String, Value> = hints
                .map(|(name, value)| (name.clone(), json!(value)))
                .collect();
            members.insert("user-agent".to_owned(), json!(shown.user_agent));
            members.insert("hints".to_owned(), Value::Object(hints));
            members.insert("page".to_owned(), json!(shown.page));
        }
        Some(said)
    };
    row.steps
        .iter()
        .zip(shown.chain(std::iter::repeat(None)))
        .filter_map(with_context)
        .collect()
}

const fn action_name(action: Action) -> &'static str {
    match action {
        Action::Register => "register",
        _ => "sign-in",
    }
}
