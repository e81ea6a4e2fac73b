//! Members of the response's JSON (WebAuthn L3, 5.1): what is missing or of another type is refused as `parse`.

use serde_json::Value;

use super::{Refusal, refuse};
use crate::parse::base64url;

/// Finds a text.
pub(super) fn text<'a>(response: &'a Value, pointer: &str) -> Result<&'a str, Refusal> {
    match response.pointer(pointer).and_then(Value::as_str) {
        Some(text) => Ok(text),
        None => refuse("parse", format!("{pointer} is missing or no text")),
    }
}

/// Finds bytes.
pub(super) fn bytes(response: &Value, pointer: &str) -> Result<Vec<u8>, Refusal> {
    match base64url(text(response, pointer)?) {
        Some(bytes) => Ok(bytes),
        None => refuse("parse", format!("{pointer} is not base64url")),
    }
}

/// Finds the raw ID, which has to be what `id` says.
pub(super) fn raw_id(response: &Value) -> Result<Vec<u8>, Refusal> {
    if text(response, "/id")? != text(response, "/rawId")? {
        return refuse("parse", "id and rawId differ");
    }
    bytes(response, "/rawId")
}

/// Takes the extensions' outputs: unsolicited and missing ones are left alone.
pub(super) fn extension_results(response: &Value) -> Result<(), Refusal> {
    match response.get("clientExtensionResults") {
        None | Some(Value::Null | Value::Object(_)) => Ok(()),
        Some(_) => refuse("parse", "/clientExtensionResults is no object"),
    }
}
