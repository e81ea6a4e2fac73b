//! What an adapter's answer means.

use serde_json::Value;

use crate::target::Trouble;

/// An answer, or what there is in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The library did what it was asked.
    Done(Value),
    /// The library refused: the whole answer.
    Refused(Value),
    /// The library cannot do it, and says where that is written.
    Skipped(String),
    /// The library or its adapter broke.
    Crashed(String),
    /// Nothing was said in time.
    Hung,
}

/// Reads an answer.
pub(crate) fn hear(answered: Result<Value, Trouble>) -> Heard {
    let answer = match answered {
        Ok(answer) => answer,
        Err(Trouble::Silent(_)) => return Heard::Hung,
        Err(trouble) => return Heard::Crashed(format!("the adapter: {trouble}")),
    };
    if let Some(skip) = answer.get("skip") {
        return match (skip["why"].as_str(), skip["link"].as_str()) {
            (Some(why), Some(link)) => Heard::Skipped(format!("{why} ({link})")),
            _ => Heard::Crashed(format!(
                "the adapter skips without a why and a link: {skip}"
            )),
        };
    }
    if let Some(failed) = answer.get("failed") {
        let how = failed["message"].as_str();
        return Heard::Crashed(how.map_or_else(|| failed.to_string(), str::to_owned));
    }
    if answer.get("rejected").is_some() {
        return Heard::Refused(answer);
    }
    Heard::Done(answer)
}

/// Returns the options in an answer, which have a challenge.
pub(crate) fn options_in(answer: &Value) -> Result<&Value, String> {
    let options = &answer["options"];
    let has_challenge = options["challenge"].is_string();
    has_challenge
        .then_some(options)
        .ok_or_else(|| format!("the adapter's options have no challenge: {answer}"))
}

/// Makes sure that an answer to `verify` says yes.
pub(crate) fn accepts(answer: &Value) -> Result<(), String> {
    let accepts = answer["accepted"] == true;
    accepts
        .then_some(())
        .ok_or_else(|| format!("the adapter neither accepts nor refuses: {answer}"))
}
