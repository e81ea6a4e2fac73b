//! The steps on client data, which both ceremonies share: 7.1 steps 5 to 12, 7.2 steps 8 to 14 and 20.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

use super::{Expected, Refusal, refuse};
use crate::parse::to_base64url;

/// The numbers that the shared steps have in one ceremony.
pub(super) struct Steps {
    pub parse: &'static str,
    pub kind: (&'static str, &'static str),
    pub challenge: &'static str,
    pub origin: &'static str,
    pub cross_origin: &'static str,
    pub top_origin: &'static str,
}

/// Verifies client data and returns its hash.
pub(super) fn verify(
    bytes: &[u8],
    challenge: Option<&[u8]>,
    expected: &Expected,
    steps: &Steps,
) -> Result<Vec<u8>, Refusal> {
    // UTF-8 decode drops a byte order mark, and replaces what is not UTF-8.
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    let Ok(client_data @ Value::Object(_)) = serde_json::from_str::<Value>(&text) else {
        return refuse(steps.parse, "the client data is no JSON object");
    };
    if client_data["type"] != steps.kind.1 {
        return refuse(steps.kind.0, "the client data is of another ceremony");
    }
    let Some(challenge) = challenge else {
        return refuse(
            steps.challenge,
            "no challenge is outstanding in this session",
        );
    };
    if client_data["challenge"] != to_base64url(challenge).as_str() {
        return refuse(
            steps.challenge,
            "the challenge is not the one that was sent",
        );
    }
    if client_data["origin"] != expected.origin.as_str() {
        return refuse(steps.origin, "the origin is not the expected one");
    }
    if client_data["crossOrigin"] == true && !expected.cross_origin {
        return refuse(
            steps.cross_origin,
            "an iframe of another origin is not expected",
        );
    }
    if let Some(top_origin) = client_data.get("topOrigin") {
        let known = top_origin
            .as_str()
            .is_some_and(|origin| expected.top_origins.iter().any(|top| top == origin));
        if !known || !expected.cross_origin {
            return refuse(
                steps.top_origin,
                "the embedding origin is not an expected one",
            );
        }
    }
    Ok(digest(&SHA256, bytes).as_ref().to_vec())
}

/// Tells whether a hash is that of the RP ID.
pub(super) fn is_rp_id_hash(hash: &[u8; 32], rp_id: &str) -> bool {
    digest(&SHA256, rp_id.as_bytes()).as_ref() == hash
}
