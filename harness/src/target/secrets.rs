//! Keeps a target's secrets out of what people read: a target that is told one may say it again, in a refusal or as it ends.

use std::io::{self, Write};

use passkey_model::{
    options::Answer,
    transcript::{Message, StepRecord},
};
use serde_json::Value;

use super::ReadyTarget;

/// What stands in a secret's place.
const VEILED: &str = "(a secret)";
/// A shorter secret stands in ordinary words too, which nobody could read without it.
const SHORTEST: usize = 8;

/// The secrets of a target, as texts may have them.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    /// Lists the secrets of a target: what lets users in, what its file names, and the token for its policy.
    pub(crate) fn of(target: &ReadyTarget) -> Self {
        let named = target.secrets.values().chain(&target.policy_token);
        let mut spellings: Vec<String> = named
            .chain([&target.pass])
            .filter(|secret| secret.chars().count() >= SHORTEST)
            .flat_map(|secret| {
                let in_address = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
                let in_json = Value::from(secret.as_str()).to_string();
                let quoted = in_json.len() - 1;
                let in_json = in_json[1..quoted].to_owned();
                [secret.clone(), in_address, in_json]
            })
            .collect();
        // One that another one begins with would leave its end behind.
        spellings.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
        spellings.dedup();
        Self(spellings)
    }

    /// Takes the secrets out of a text.
    pub(crate) fn veil(&self, text: &mut String) {
        for secret in &self.0 {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), VEILED);
            }
        }
    }

    /// Returns a text without them.
    pub(crate) fn veiled(&self, mut text: String) -> String {
        self.veil(&mut text);
        text
    }

    fn veil_json(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.veil(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.veil_json(item)),
            Value::Object(members) => {
                members.values_mut().for_each(|value| self.veil_json(value));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Takes them out of what happened in a step.
    pub(crate) fn veil_record(&self, record: &mut StepRecord) {
        if self.0.is_empty() {
            return;
        }
        if let Some(words) = record.outcome.words_mut() {
            self.veil(words);
        }
        for message in &mut record.messages {
            match message {
                Message::Options {
                    request, options, ..
                } => {
                    self.veil_json(request);
                    self.veil_json(options);
                }
                Message::Response { response, .. } => self.veil_json(response),
                Message::Read { ask, answer } => {
                    self.veil_json(&mut ask.request);
                    self.veil_answer(answer);
                }
                Message::Policy(document) => self.veil_json(document),
            }
        }
    }

    fn veil_answer(&self, answer: &mut Answer) {
        match answer {
            Ok(options) => self.veil_json(options),
            Err(outcome) => {
                if let Some(words) = outcome.words_mut() {
                    self.veil(words);
                }
            }
        }
    }
}

/// Writes whole lines on, without the secrets of a target.
pub(crate) struct Veiling<W: Write> {
    secrets: Secrets,
    to: W,
    line: Vec<u8>,
}

impl<W: Write> Veiling<W> {
    pub(crate) const fn new(secrets: Secrets, to: W) -> Self {
        Self {
            secrets,
            to,
            line: Vec::new(),
        }
    }
}

impl<W: Write> Write for Veiling<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(text);
        if let Some(end) = self.line.iter().rposition(|byte| *byte == b'\n') {
            let rest = self.line.split_off(end + 1);
            let lines = std::mem::replace(&mut self.line, rest);
            let lines = String::from_utf8_lossy(&lines).into_owned();
            self.to.write_all(self.secrets.veiled(lines).as_bytes())?;
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl<W: Write> Drop for Veiling<W> {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            let rest = String::from_utf8_lossy(&self.line).into_owned();
            // There is nobody to tell that the last words are lost.
            let _ = self.to.write_all(self.secrets.veiled(rest).as_bytes());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let file = serde_json::json!({
            "target": "shop", "address": "127.0.0.1:1", "rp-id": "rp.test", "origin": "https://rp.test",
        });
        let mut target =
            ReadyTarget::new(serde_json::from_value(file).unwrap(), "short".to_owned());
        target.secrets = [
            ("a", "let me in"),
            ("b", "let me in, please"),
            ("c", "say \"friend\""),
        ]
        .map(|(name, secret)| (name.to_owned(), secret.to_owned()))
        .into();
        Secrets::of(&target)
    }

    #[test]
    fn a_secret_is_taken_out_however_it_is_spelled() {
        let veiled = |text: &str| secrets().veiled(text.to_owned());
        assert_eq!(veiled("\"let me in\" is wrong"), "\"(a secret)\" is wrong");
        assert_eq!(veiled("?pass=let+me+in%2C+please"), "?pass=(a secret)");
        assert_eq!(
            veiled(r#"{"pass":"say \"friend\""}"#),
            r#"{"pass":"(a secret)"}"#
        );
        assert_eq!(veiled("a short word"), "a short word");
    }

    #[test]
    fn lines_are_written_whole_and_without_secrets() {
        let mut written = Vec::new();
        let mut veiling = Veiling::new(secrets(), &mut written);
        for part in ["it says: let me", " in\nand then: let", " me in"] {
            veiling.write_all(part.as_bytes()).unwrap();
        }
        drop(veiling);
        assert_eq!(written, b"it says: (a secret)\nand then: (a secret)");
    }
}
