//! Replaces volatile values by numbered names, and keeps which of them are the same.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::Value;

/// The members whose values change with every run, with the name that stands for them.
const VOLATILE: [(&str, &str); 16] = [
    ("bytes", "bytes"),
    ("challenge", "challenge"),
    ("credentialId", "credential-id"),
    ("id", "credential-id"),
    ("n", "public-key"),
    ("publicKey", "public-key"),
    ("rawId", "credential-id"),
    ("sig", "signature"),
    ("signature", "signature"),
    ("token", "token"),
    ("userHandle", "user-handle"),
    ("x", "public-key"),
    ("y", "public-key"),
    ("attestationObject", "bytes"),
    ("authenticatorData", "bytes"),
    ("clientDataJSON", "bytes"),
];
/// Texts shorter than this are no random value, and would be found in every other text.
const SHORTEST: usize = 8;

/// Gives volatile values numbered names, one numbering for everything that it redacts.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    names: BTreeMap<String, String>,
    next: BTreeMap<&'static str, usize>,
}

impl Redactor {
    /// Returns the value with a numbered name in the place of every volatile text: `<challenge#1>`.
    ///
    /// A text that was given a name is replaced wherever it stands, also inside a longer text. Names are left alone, so that
    /// redacting twice is redacting once.
    #[must_use]
    pub fn redact(&mut self, value: &Value) -> Value {
        let mut redacted = value.clone();
        self.redact_in_place(&mut redacted);
        redacted
    }

    /// Does the same to the value itself.
    pub fn redact_in_place(&mut self, value: &mut Value) {
        self.learn(None, value);
        self.replace(value);
    }

    /// Gives names to the volatile texts of a value; `member` is what the value is called.
    pub(super) fn learn(&mut self, member: Option<&str>, value: &Value) {
        match value {
            Value::Object(members) => members
                .iter()
                .for_each(|(name, value)| self.learn(Some(name), value)),
            Value::Array(items) => items.iter().for_each(|item| self.learn(member, item)),
            Value::String(text) => {
                let kind = VOLATILE.iter().find(|(name, _)| Some(*name) == member);
                if let Some((_, kind)) = kind.filter(|_| is_volatile(text)) {
                    self.name(text, kind);
                }
            }
            _ => {}
        }
    }

    fn name(&mut self, text: &str, kind: &'static str) {
        if !self.names.contains_key(text) {
            let number = self.next.entry(kind).or_insert(0);
            *number += 1;
            self.names
                .insert(text.to_owned(), format!("<{kind}#{number}>"));
        }
    }

    fn replace(&self, value: &mut Value) {
        match value {
            Value::Object(members) => members.values_mut().for_each(|value| self.replace(value)),
            Value::Array(items) => items.iter_mut().for_each(|item| self.replace(item)),
            Value::String(text) => {
                if let Cow::Owned(replaced) = self.replaced(text) {
                    *text = replaced;
                }
            }
            _ => {}
        }
    }

    /// Returns a text with names in the place of volatile texts that are known by now.
    pub(super) fn replaced<'a>(&'a self, text: &'a str) -> Cow<'a, str> {
        // Most texts are short, and hold no volatile one.
        if text.len() < SHORTEST {
            return Cow::Borrowed(text);
        }
        if let Some(name) = self.names.get(text) {
            return Cow::Owned(name.clone());
        }
        let mut replaced = Cow::Borrowed(text);
        for (volatile, name) in self.names.iter().rev() {
            if volatile.len() < replaced.len() && replaced.contains(volatile.as_str()) {
                replaced = Cow::Owned(replaced.replace(volatile.as_str(), name));
            }
        }
        replaced
    }
}

/// Base64url of some length; what we say ourselves, names included, has a space or a bracket in it.
fn is_volatile(text: &str) -> bool {
    text.len() >= SHORTEST
        && text.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=' | b'+' | b'/')
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn volatile() -> impl Strategy<Value = String> {
        "[A-Za-z0-9_-]{8,40}"
    }

    fn tree() -> impl Strategy<Value = Value> {
        let member = prop_oneof![
            prop::sample::select(VOLATILE.map(|(name, _)| name.to_owned()).to_vec()),
            "[a-z]{1,6}",
        ];
        let leaf = prop_oneof![
            volatile().prop_map(Value::String),
            any::<i64>().prop_map(|number| json!(number)),
            Just(Value::Null)
        ];
        leaf.prop_recursive(4, 32, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                prop::collection::vec((member.clone(), inner), 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn redacting_twice_is_redacting_once(value in tree()) {
            let once = Redactor::default().redact(&value);
            prop_assert_eq!(Redactor::default().redact(&once), once);
        }

        #[test]
        fn equal_values_get_equal_names_and_others_get_others(first in volatile(), second in volatile()) {
            let redacted = Redactor::default().redact(&json!([{ "challenge": first }, { "challenge": second }, { "challenge": first }]));
            prop_assert_eq!(&redacted[0], &redacted[2]);
            prop_assert_eq!(first == second, redacted[0] == redacted[1]);
        }

        #[test]
        fn what_is_not_volatile_stays(text in "[a-z]{1,7}", number: u32) {
            let value = json!({ "fmt": text, "flags": "UP UV", "signCount": number });
            prop_assert_eq!(Redactor::default().redact(&value), value);
        }
    }

    #[test]
    fn a_challenge_is_found_inside_client_data_that_is_written_in_another_way() {
        let value =
            json!({ "challenge": "AAAAAAAAAAAA", "text": "{\"challenge\": \"AAAAAAAAAAAA\" }" });
        let redacted = Redactor::default().redact(&value);
        assert_eq!(redacted["text"], "{\"challenge\": \"<challenge#1>\" }");
    }
}
