//! Templates: what a target is sent and what is taken from its answers, with values put in where their names stand.
//!
//! `$NAME/members/0` as a whole string is the value at that JSON pointer in a variable; text that is JSON itself is read on the way.
//! `{$NAME/members}` inside text is put in as text. `$$` begins text with a dollar. Behind a value may stand ` from <code>` and
//! ` as <code>`: how its bytes are written where they come from, and where they go; both are base64url when left out, as in WebAuthn's
//! own JSON; ` as json-text` writes JSON into text, and ` as words` a list with spaces between its members. `*` in the place of a member
//! stands for all members of a list, and the lists that are found behind it are joined. A member whose value is not there is left out.

use std::{borrow::Cow, fmt};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::suggest;

/// How bytes are written in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// Base64url without padding (RFC 4648, 5).
    #[default]
    Base64url,
    /// Base64 with padding (RFC 4648, 4); read without it too.
    Base64,
    /// Hexadecimal digits.
    Hex,
    /// The characters themselves, as UTF-8.
    Text,
    /// A list of numbers, 0 to 255.
    Numbers,
}

/// What a template can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variable {
    /// The name of the user whose session it is, as the target knows it.
    User,
    /// What lets the user in before there is a passkey.
    Pass,
    /// What the harness asks of options: `username`, `mediation`.
    Request,
    /// The client's response, as in WebAuthn L3, 5.1: `PublicKeyCredential.toJSON()`.
    Response,
    /// What the target answered; its headers are not in it.
    Answer,
    /// What was kept of earlier answers in the same session.
    Kept,
    /// The ID of the passkey that is deleted, base64url.
    CredentialId,
    /// The entry of the passkey that is deleted, in the list of its user's passkeys.
    Listed,
    /// The token against cross-site requests.
    Csrf,
    /// What the row presumes of the relying party's settings, as `user-verification` and `attestation`, where whoever asks chooses.
    Wanted,
    /// A secret from the environment, by the name that the file gives it.
    Secret,
    /// What a policy demands, where the target's policy is set by requests: `aaguids`.
    Policy,
    /// What a target that was started wrote, by the names of `capture`.
    Started,
}

impl Variable {
    const ALL: [(Self, &'static str); 13] = [
        (Self::User, "USER"),
        (Self::Pass, "PASS"),
        (Self::Request, "REQUEST"),
        (Self::Response, "RESPONSE"),
        (Self::Answer, "ANSWER"),
        (Self::Kept, "KEPT"),
        (Self::CredentialId, "CREDENTIAL_ID"),
        (Self::Listed, "LISTED"),
        (Self::Csrf, "CSRF"),
        (Self::Wanted, "WANTED"),
        (Self::Secret, "SECRET"),
        (Self::Policy, "POLICY"),
        (Self::Started, "STARTED"),
    ];

    fn named(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(variable, _)| *variable).ok_or_else(|| {
            let known = Self::ALL.iter().map(|(_, known)| *known);
            match suggest::nearest(name, known.clone()) {
                Some(nearest) => format!("there is no ${name}; did you mean ${nearest}?"),
                None => {
                    let known: Vec<String> = known.map(|known| format!("${known}")).collect();
                    format!("there is no ${name}: expected one of {}", known.join(", "))
                }
            }
        })
    }
}

/// JSON with names of values in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Template {
    source: Value,
    node: Node,
}

#[derive(Clone, Debug)]
enum Node {
    Literal(Value),
    Value(Expression),
    Text(Vec<Part>),
    List(Vec<Node>),
    Members(Vec<(String, Node)>),
}

#[derive(Clone, Debug)]
enum Part {
    Literal(String),
    Value(Expression),
}

#[derive(Clone, Debug)]
struct Expression {
    variable: Variable,
    /// The members on the way to the value.
    path: Vec<String>,
    from: Option<Code>,
    to: Option<Code>,
    /// How a value is written that is no bytes.
    written: Option<Written>,
}

/// How a value that is no bytes is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// As text that is JSON.
    JsonText,
    /// As text, with spaces between the members of a list.
    Words,
}

impl Template {
    /// Makes a template of JSON.
    ///
    /// # Errors
    /// When it names a variable or a code that does not exist.
    pub fn new(source: Value) -> Result<Self, String> {
        let node = Node::parse(&source)?;
        Ok(Self { source, node })
    }

    /// Puts values in; nothing where the value that it is itself is not there.
    ///
    /// # Errors
    /// When bytes are not written as the template says.
    pub fn fill(
        &self,
        look_up: &dyn Fn(Variable) -> Option<Value>,
    ) -> Result<Option<Value>, String> {
        self.node.fill(look_up)
    }

    /// Tells whether it names a variable.
    #[must_use]
    pub fn names(&self, variable: Variable) -> bool {
        self.node.has(&|expression| expression.variable == variable)
    }

    /// Tells whether it names a member of a variable.
    #[must_use]
    pub fn names_member(&self, variable: Variable, member: &str) -> bool {
        self.node.has(&|expression| {
            let first = expression.path.first();
            expression.variable == variable && first.is_some_and(|name| name == member)
        })
    }

    /// Tells whether it is a map, whose members can be the fields of a form.
    #[must_use]
    pub const fn has_members(&self) -> bool {
        matches!(self.node, Node::Members(_))
    }

    /// Puts values into text.
    ///
    /// # Errors
    /// When a value is not there or no text.
    pub fn fill_text(&self, look_up: &dyn Fn(Variable) -> Option<Value>) -> Result<String, String> {
        match self.fill(look_up)? {
            Some(value) => Ok(text_of(&value)),
            None => Err(format!("there is no value for {}", self.source)),
        }
    }
}

impl TryFrom<Value> for Template {
    type Error = String;

    fn try_from(source: Value) -> Result<Self, String> {
        Self::new(source)
    }
}

impl From<Template> for Value {
    fn from(template: Template) -> Self {
        template.source
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Template {}

impl JsonSchema for Template {
    fn schema_name() -> Cow<'static, str> {
        "Template".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "JSON with values named in it, as $RESPONSE/response/clientDataJSON." })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl Node {
    fn parse(source: &Value) -> Result<Self, String> {
        Ok(match source {
            Value::String(text) => Self::of_text(text)?,
            Value::Array(items) => {
                Self::List(items.iter().map(Self::parse).collect::<Result<_, _>>()?)
            }
            Value::Object(members) => {
                let parse = |(name, value)| Ok((String::clone(name), Self::parse(value)?));
                Self::Members(members.iter().map(parse).collect::<Result<_, String>>()?)
            }
            literal => Self::Literal(literal.clone()),
        })
    }

    fn of_text(text: &str) -> Result<Self, String> {
        if let Some(literal) = text.strip_prefix("$$") {
            return Ok(Self::Literal(Value::String(format!("${literal}"))));
        }
        if text.starts_with('$') {
            return Expression::parse(text).map(Self::Value);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{$") {
            let (inside, behind) = after
                .split_once('}')
                .ok_or_else(|| format!("'{text}': a brace that is opened has to be closed"))?;
            parts.push(Part::Literal(before.to_owned()));
            parts.push(Part::Value(Expression::parse(&format!("${inside}"))?));
            rest = behind;
        }
        if parts.is_empty() {
            return Ok(Self::Literal(Value::String(text.to_owned())));
        }
        parts.push(Part::Literal(rest.to_owned()));
        Ok(Self::Text(parts))
    }

    /// Tells whether one of its expressions is such a one.
    fn has(&self, is_one: &dyn Fn(&Expression) -> bool) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Value(expression) => is_one(expression),
            Self::Text(parts) => parts
                .iter()
                .any(|part| matches!(part, Part::Value(expression) if is_one(expression))),
            Self::List(items) => items.iter().any(|item| item.has(is_one)),
            Self::Members(members) => members.iter().any(|(_, node)| node.has(is_one)),
        }
    }

    fn fill(&self, look_up: &dyn Fn(Variable) -> Option<Value>) -> Result<Option<Value>, String> {
        Ok(match self {
            Self::Literal(value) => Some(value.clone()),
            Self::Value(expression) => expression.value(look_up)?,
            Self::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        Part::Literal(literal) => text += literal,
                        Part::Value(expression) => match expression.value(look_up)? {
                            Some(value) => text += &text_of(&value),
                            None => return Ok(None),
                        },
                    }
                }
                Some(Value::String(text))
            }
            Self::List(items) => {
                let items = items
                    .iter()
                    .filter_map(|item| item.fill(look_up).transpose());
                Some(Value::Array(items.collect::<Result<_, _>>()?))
            }
            Self::Members(members) => {
                let mut filled = Map::new();
                for (name, node) in members {
                    if let Some(value) = node.fill(look_up)? {
                        filled.insert(name.clone(), value);
                    }
                }
                Some(Value::Object(filled))
            }
        })
    }
}

impl Expression {
    fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split(' ');
        let named = words.next().unwrap_or_default();
        let mut path = named.trim_start_matches('$').split('/').map(str::to_owned);
        let mut expression = Self {
            variable: Variable::named(&path.next().unwrap_or_default())?,
            path: path.collect(),
            from: None,
            to: None,
            written: None,
        };
        let codes = "base64url, base64, hex, text or numbers";
        while let Some(word) = words.next() {
            let code = words.next().unwrap_or_default();
            match (word, code) {
                ("as", "json-text") => expression.written = Some(Written::JsonText),
                ("as", "words") => expression.written = Some(Written::Words),
                ("as", code) => {
                    expression.to = Some(Code::named(code).ok_or_else(|| {
                        format!("'{text}': expected {codes}, json-text or words behind 'as'")
                    })?)
                }
                ("from", code) => {
                    let known = Code::named(code);
                    expression.from = Some(
                        known.ok_or_else(|| format!("'{text}': expected {codes} behind 'from'"))?,
                    );
                }
                _ => {
                    return Err(format!(
                        "'{text}': expected 'from <code>' or 'as <code>' behind the value"
                    ));
                }
            }
        }
        Ok(expression)
    }

    fn value(&self, look_up: &dyn Fn(Variable) -> Option<Value>) -> Result<Option<Value>, String> {
        let Some(root) = look_up(self.variable) else {
            return Ok(None);
        };
        let Some(found) = step_down(root, &self.path) else {
            return Ok(None);
        };
        if let Some(written) = self.written {
            return Ok(Some(Value::String(match (written, &found) {
                (Written::Words, Value::Array(items)) => {
                    items.iter().map(text_of).collect::<Vec<_>>().join(" ")
                }
                (Written::Words, other) => text_of(other),
                (Written::JsonText, found) => found.to_string(),
            })));
        }
        if self.from.is_none() && self.to.is_none() {
            return Ok(Some(found));
        }
        let (from, to) = (self.from.unwrap_or_default(), self.to.unwrap_or_default());
        // What a mutation made of it need not be bytes, or bytes in another spelling; that is the target's to judge.
        let is_clients = self.variable == Variable::Response && self.from.is_none();
        let as_clients = |bytes: &Vec<u8>| !is_clients || from.write(bytes) == found;
        match from.read(&found).filter(as_clients) {
            Some(bytes) => Ok(Some(to.write(&bytes))),
            None if self.from.is_none() => Ok(Some(found)),
            None => Err(format!("{found} is not {from:?}")),
        }
    }
}

/// Follows members; text that is JSON is read on the way.
fn step_down(value: Value, path: &[String]) -> Option<Value> {
    let Some((name, behind)) = path.split_first() else {
        return Some(value);
    };
    let value = match value {
        Value::String(text) => serde_json::from_str(&text).ok()?,
        other => other,
    };
    match value {
        Value::Object(mut members) => step_down(members.remove(name)?, behind),
        Value::Array(items) if name == "*" => {
            let found = items.into_iter().filter_map(|item| step_down(item, behind));
            let joined = found.flat_map(|found| match found {
                Value::Array(items) => items,
                other => vec![other],
            });
            Some(Value::Array(joined.collect()))
        }
        Value::Array(mut items) => {
            let index: usize = name.parse().ok()?;
            let item = (index < items.len()).then(|| items.swap_remove(index))?;
            step_down(item, behind)
        }
        _ => None,
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Code {
    fn named(name: &str) -> Option<Self> {
        serde_json::from_value(Value::String(name.to_owned())).ok()
    }

    /// Reads bytes; nothing where they are not written so.
    #[must_use]
    pub fn read(self, value: &Value) -> Option<Vec<u8>> {
        if self == Self::Numbers {
            let byte = |value: &Value| value.as_u64().and_then(|byte| u8::try_from(byte).ok());
            return value.as_array()?.iter().map(byte).collect();
        }
        let text = value.as_str()?;
        match self {
            Self::Base64url => URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok(),
            Self::Base64 => STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok(),
            Self::Hex => from_hex(text),
            Self::Text | Self::Numbers => Some(text.as_bytes().to_vec()),
        }
    }

    /// Writes bytes; as text, what is no UTF-8 is replaced.
    #[must_use]
    pub fn write(self, bytes: &[u8]) -> Value {
        Value::String(match self {
            Self::Base64url => URL_SAFE_NO_PAD.encode(bytes),
            Self::Base64 => STANDARD.encode(bytes),
            Self::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            Self::Text => String::from_utf8_lossy(bytes).into_owned(),
            Self::Numbers => return bytes.iter().copied().map(Value::from).collect(),
        })
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<char> = text.chars().collect();
    let byte = |pair: &[char]| {
        let digit = |at: usize| pair.get(at).and_then(|digit| digit.to_digit(16));
        u8::try_from(digit(0)? * 16 + digit(1)?).ok()
    };
    digits.chunks(2).map(byte).collect()
}
