//! What refusals mean.

use super::{Answered, Driver, MOST_TOLD, ReasonRule, Target};
use crate::verdict::{Outcome, Reason};

impl Target {
    /// Reads an answer that is a refusal: what it means, and the target's words.
    #[must_use]
    pub fn refused(&self, said: &Answered) -> Outcome {
        let json = said.json();
        let part = |pointer: Option<&str>| {
            let part = json.as_ref()?.pointer(pointer?)?;
            let text = part.as_str().map(str::to_owned);
            Some(text.unwrap_or_else(|| part.to_string()))
        };
        let code = part(self.code_pointer());
        let message = part(self.message_pointer());
        let words = message.clone().unwrap_or_else(|| said.text().into_owned());
        if self.is_crash(&words) {
            // An adapter has no status of its own to tell.
            let how = if self.driver == Driver::Command {
                words
            } else {
                said.to_string()
            };
            return Outcome::Crashed { how };
        }
        Outcome::Rejected {
            reasons: self.reasons_of(Some(said.status), code.as_deref(), &words),
            message: match code {
                _ if message.is_none() => said.to_string(),
                Some(code) => format!("{code}: {words}"),
                None => words,
            },
        }
    }

    /// Reads the words of a refusal that stands on a page.
    #[must_use]
    pub fn refused_in_words(&self, words: &str) -> Outcome {
        let told: String = words.chars().take(MOST_TOLD).collect();
        if self.is_crash(words) {
            return Outcome::Crashed {
                how: format!("its page says '{told}'"),
            };
        }
        Outcome::Rejected {
            reasons: self.reasons_of(None, None, words),
            message: told,
        }
    }

    fn is_crash(&self, words: &str) -> bool {
        self.crashes.iter().any(|pattern| pattern.0.is_match(words))
    }

    fn reasons_of(&self, status: Option<u16>, code: Option<&str>, words: &str) -> Vec<Reason> {
        let fits = |rule: &&ReasonRule| {
            rule.status.is_none_or(|known| status == Some(known.0))
                && rule
                    .code
                    .as_ref()
                    .is_none_or(|pattern| code.is_some_and(|code| pattern.0.is_match(code)))
                && rule
                    .text
                    .as_ref()
                    .is_none_or(|pattern| pattern.0.is_match(words))
        };
        let known = self.reasons.iter().find(fits).map(|rule| &rule.is);
        let reasons: Vec<Reason> = known
            .map(|classes| classes.iter().map(|class| class.0.clone()).collect())
            .unwrap_or_default();
        if reasons.is_empty() {
            vec![Reason::Unknown]
        } else {
            reasons
        }
    }
}
