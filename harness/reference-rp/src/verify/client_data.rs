//! What both ceremonies ask of client data (WebAuthn L3, 5.8.1): 7.1 steps 5 to 12, 7.2 steps 8 to 14 and 20.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value};

use super::{Expected, Refusal, refuse};
use crate::{
    defects::{Defect, Defects},
    parse::{any_base64, to_base64url},
};

/// Decodes and parses client data.
pub(super) fn parse(
    step: &str,
    bytes: &[u8],
    defects: &Defects,
) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_str(&utf8_decode(bytes, defects)) {
        Ok(Value::Object(client_data)) => Ok(client_data),
        _ => refuse(step, "the client data is no JSON object"),
    }
}

/// UTF-8 decode (Encoding Standard) drops a byte order mark, and replaces what is not UTF-8.
fn utf8_decode<'a>(bytes: &'a [u8], defects: &Defects) -> Cow<'a, str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if defects.has(Defect::InvalidUtf8Dropped) {
        return bytes.utf8_chunks().map(|chunk| chunk.valid()).collect();
    }
    String::from_utf8_lossy(bytes)
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

    /// A guard of the kind `if (c.challenge && c.challenge != sent)`.
    fn passes_for_lack_of(&self, name: &str) -> bool {
        let absent = match self.client_data.get(name) {
            None | Some(Value::Null) => true,
            Some(value) => value == "",
        };
        absent && self.defects.has(Defect::MissingMemberPasses)
    }

    pub(super) fn kind(&self, step: &str, kind: &str, skip: Defect) -> Result<(), Refusal> {
        if self.text("type") == Some(kind)
            || self.defects.has(skip)
            || self.passes_for_lack_of("type")
        {
            return Ok(());
        }
        refuse(step, "the client data is of another ceremony")
    }

    pub(super) fn challenge(&self, step: &str, sent: Option<&[u8]>) -> Result<(), Refusal> {
        let Some(sent) = sent else {
            if self.defects.has(Defect::MissingChallengeNotRefused) {
                return Ok(());
            }
            return refuse(step, "no challenge is outstanding in this session");
        };
        let same = self
            .text("challenge")
            .is_some_and(|found| self.is_challenge(found, sent));
        if same
            || self.defects.has(Defect::ChallengeNotCompared)
            || self.passes_for_lack_of("challenge")
        {
            return Ok(());
        }
        refuse(step, "the challenge is not the one that was sent")
    }

    fn is_challenge(&self, found: &str, sent: &[u8]) -> bool {
        let wanted = to_base64url(sent);
        let has = |defect| self.defects.has(defect);
        found == wanted
            || (has(Defect::ChallengeComparedByPrefix) && wanted.starts_with(found))
            || (has(Defect::ChallengeComparedCaseInsensitively)
                && found.eq_ignore_ascii_case(&wanted))
            || (has(Defect::ChallengeComparedAsBytes) && any_base64(found).as_deref() == Some(sent))
    }

    pub(super) fn origin(&self, step: &str) -> Result<(), Refusal> {
        let origin = self.text("origin").unwrap_or_default();
        let known = self.defects.has(Defect::OriginNotCompared)
            || self.passes_for_lack_of("origin")
            || self.is_origin(origin);
        if known {
            return Ok(());
        }
        refuse(step, "the origin is not the expected one")
    }

    fn is_origin(&self, origin: &str) -> bool {
        let (origins, rp_id) = (&self.expected.origins, &self.expected.rp_id);
        let has = |defect| self.defects.has(defect);
        origins.iter().any(|expected| {
            origin == expected
                || (has(Defect::OriginComparedByPrefix) && origin.starts_with(expected))
                || (has(Defect::OriginComparedByHost) && have_one_host(origin, expected))
        }) || (has(Defect::OriginComparedBySuffix) && is_of_site(origin, rp_id))
            || (has(Defect::OriginContainsRpId) && origin.contains(rp_id))
            || (has(Defect::AnyAppAccepted) && origin.starts_with("android:apk-key-hash:"))
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

fn have_one_host(one: &str, other: &str) -> bool {
    host(one).is_some_and(|host_of_one| Some(host_of_one) == host(other))
}

/// Returns the host as a parser of URLs reads it.
fn host(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '\\', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    host.split(':').next().map(str::to_ascii_lowercase)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;
    use crate::sample::{CHALLENGE, expected};

    fn parsed(bytes: &[u8], defects: impl Into<Defects>) -> Option<Value> {
        parse("reg.6", bytes, &defects.into())
            .ok()
            .map(Value::Object)
    }

    #[test]
    fn one_byte_order_mark_is_stripped() {
        let bom = b"\xef\xbb\xbf".as_slice();
        let client_data = br#"{"type":"a"}"#.as_slice();
        let once = [bom, client_data].concat();
        assert_eq!(parsed(&once, Defects::NONE), Some(json!({ "type": "a" })));
        assert_eq!(parsed(&[bom, &once].concat(), Defects::NONE), None);
    }

    #[test]
    fn what_is_no_utf8_is_replaced_and_not_dropped() {
        let bytes = b"{\"origin\":\"a\xff\"}";
        let replaced = json!({ "origin": "a\u{fffd}" });
        assert_eq!(parsed(bytes, Defects::NONE), Some(replaced));
        let dropped = json!({ "origin": "a" });
        assert_eq!(parsed(bytes, Defect::InvalidUtf8Dropped), Some(dropped));
        assert_eq!(parsed(b"\xff{}", Defects::NONE), None);
    }

    #[test]
    fn ten_thousand_levels_are_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(parsed(deep.as_bytes(), Defects::NONE), None);
    }

    /// Tells whether client data with these members passes one of the checks.
    fn passes(
        members: &Value,
        defects: impl Into<Defects>,
        check: impl Fn(&Check<'_>) -> Result<(), Refusal>,
    ) -> bool {
        let check_of = Check {
            client_data: members.as_object().unwrap(),
            expected: &expected(),
            defects: &defects.into(),
        };
        check(&check_of).is_ok()
    }

    #[test]
    fn a_challenge_is_compared_as_a_whole() {
        let own = to_base64url(CHALLENGE);
        let padded = format!("{own}==");
        let mutations = [
            (
                json!({ "challenge": own[..9] }),
                Defect::ChallengeComparedByPrefix,
            ),
            (
                json!({ "challenge": own.to_ascii_lowercase() }),
                Defect::ChallengeComparedCaseInsensitively,
            ),
            (
                json!({ "challenge": padded }),
                Defect::ChallengeComparedAsBytes,
            ),
            (json!({ "challenge": "" }), Defect::MissingMemberPasses),
            (json!({ "challenge": null }), Defect::MissingMemberPasses),
            (json!({}), Defect::MissingMemberPasses),
        ];
        let check = |check: &Check<'_>| check.challenge("reg.8", Some(CHALLENGE));
        assert!(passes(&json!({ "challenge": own }), Defects::NONE, check));
        for (members, defect) in mutations {
            assert!(!passes(&members, Defects::NONE, check), "{members}");
            assert!(passes(&members, defect, check), "{members}, {defect}");
        }
        let false_one = json!({ "challenge": false });
        assert!(!passes(&false_one, Defect::MissingMemberPasses, check));
    }

    #[test]
    fn an_origin_is_no_url() {
        let by_host = Defect::OriginComparedByHost;
        let contained = Defect::OriginContainsRpId;
        let any_app = Defect::AnyAppAccepted;
        for (origin, passing) in [
            ("http://login.rp.test", vec![by_host, contained]),
            ("https://LOGIN.rp.test:1/x", vec![by_host, contained]),
            ("https://login.rp.test@evil.example", vec![contained]),
            ("https://evil.example\\@login.rp.test", vec![contained]),
            ("https://evilrp.test", vec![contained]),
            ("android:apk-key-hash:AAAA", vec![any_app]),
            ("https://evil.example", vec![]),
        ] {
            let members = json!({ "origin": origin });
            let check = |check: &Check<'_>| check.origin("reg.9");
            assert!(!passes(&members, Defects::NONE, check), "{origin}");
            for defect in [by_host, contained, any_app] {
                let expected = passing.contains(&defect);
                assert_eq!(
                    passes(&members, defect, check),
                    expected,
                    "{origin}, {defect}"
                );
            }
        }
    }
}
