//! What both ceremonies ask of client data (WebAuthn L3, 5.8.1): 7.1 steps 5 to 12, 7.2 steps 8 to 14 and 20.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value};

use super::{Expected, Refusal, refuse};
use crate::{
    defects::{Defect, Defects},
    parse::to_base64url,
};

/// Decodes and parses client data.
pub(super) fn parse(step: &str, bytes: &[u8]) -> Result<Map<String, Value>, Refusal> {
    // UTF-8 decode drops a byte order mark, and replaces what is not UTF-8.
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes));
    match serde_json::from_str(&text) {
        Ok(Value::Object(client_data)) => Ok(client_data),
        _ => refuse(step, "the client data is no JSON object"),
    }
}

/// Client data in the hands of one ceremony.
pub(super) struct Check<'a> {
    pub client_data: &'a Map<String, Value>,
    pub expected: &'a Expected,
    pub defects: &'a Defects,
}

impl Check<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.client_data.get(name).and_then(Value::as_str)
    }

    pub(super) fn kind(&self, step: &str, kind: &str, skip: Defect) -> Result<(), Refusal> {
        if self.text("type") == Some(kind) || self.defects.has(skip) {
            return Ok(());
        }
        refuse(step, "the client data is of another ceremony")
    }

    pub(super) fn challenge(&self, step: &str, sent: Option<&[u8]>) -> Result<(), Refusal> {
        let Some(sent) = sent else {
            return refuse(step, "no challenge is outstanding in this session");
        };
        if self.text("challenge") == Some(&to_base64url(sent))
            || self.defects.has(Defect::ChallengeNotCompared)
        {
            return Ok(());
        }
        refuse(step, "the challenge is not the one that was sent")
    }

    pub(super) fn origin(&self, step: &str) -> Result<(), Refusal> {
        let origin = self.text("origin").unwrap_or_default();
        let origins = &self.expected.origins;
        let prefixed = || origins.iter().any(|expected| origin.starts_with(expected));
        let known = self.defects.has(Defect::OriginNotCompared)
            || origins.iter().any(|expected| origin == expected)
            || (self.defects.has(Defect::OriginComparedByPrefix) && prefixed())
            || (self.defects.has(Defect::OriginComparedBySuffix)
                && is_of_site(origin, &self.expected.rp_id));
        if known {
            return Ok(());
        }
        refuse(step, "the origin is not the expected one")
    }

    pub(super) fn cross_origin(&self, step: &str) -> Result<(), Refusal> {
        // A value of another type cannot say that the page is not embedded.
        let embedded = !matches!(
            self.client_data.get("crossOrigin"),
            None | Some(Value::Bool(false))
        );
        if embedded && !self.expected.cross_origin && !self.defects.has(Defect::CrossOriginIgnored)
        {
            return refuse(step, "an iframe of another origin is not expected");
        }
        Ok(())
    }

    pub(super) fn top_origin(&self, step: &str) -> Result<(), Refusal> {
        if !self.client_data.contains_key("topOrigin") || self.defects.has(Defect::TopOriginIgnored)
        {
            return Ok(());
        }
        let top_origin = self.text("topOrigin");
        let known = self
            .expected
            .top_origins
            .iter()
            .any(|known| top_origin == Some(known));
        if known && self.expected.cross_origin {
            return Ok(());
        }
        refuse(step, "the embedding origin is not an expected one")
    }
}

/// Tells whether an https origin's host is the RP ID or a subdomain of it.
fn is_of_site(origin: &str, rp_id: &str) -> bool {
    let host = origin
        .strip_prefix("https://")
        .map(|rest| rest.split(':').next().unwrap_or_default());
    host.and_then(|host| host.strip_suffix(rp_id))
        .is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// Hashes client data as it was sent.
pub(super) fn hash(bytes: &[u8]) -> Vec<u8> {
    digest(&SHA256, bytes).as_ref().to_vec()
}
