//! Reads what authenticators send: base64url, CBOR, authenticator data, COSE keys.

mod authenticator_data;
mod cose;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ciborium::Value as Cbor;

pub(crate) use authenticator_data::{Attested, AuthenticatorData};
pub(crate) use cose::{CoseKey, is_built, verifies_with_certificate_key};

/// CTAP2's own messages nest four deep; statements of some formats a little deeper.
const DEEPEST_CBOR: usize = 16;
/// Keys are compared pair by pair, which has to stay cheap.
const LARGEST_MAP: usize = 256;

/// Decodes base64url without padding.
pub(crate) fn base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Encodes base64url without padding.
pub(crate) fn to_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes one CBOR value and leaves the reader behind it.
pub(crate) fn cbor(reader: &mut &[u8]) -> Option<Cbor> {
    let value = ciborium::de::from_reader_with_recursion_limit(reader, DEEPEST_CBOR).ok()?;
    // Two decoders may choose differently among equal keys, so a map with such keys means nothing (CTAP 2.2, 8).
    has_unique_keys(&value).then_some(value)
}

fn has_unique_keys(value: &Cbor) -> bool {
    match value {
        Cbor::Map(entries) if entries.len() > LARGEST_MAP => false,
        Cbor::Map(entries) => entries.iter().enumerate().all(|(index, (key, value))| {
            entries[..index].iter().all(|(earlier, _)| earlier != key) && has_unique_keys(value)
        }),
        Cbor::Array(items) => items.iter().all(has_unique_keys),
        Cbor::Tag(_, inner) => has_unique_keys(inner),
        _ => true,
    }
}

/// Finds a member of a CBOR map by its text key.
pub(crate) fn member<'a>(map: &'a Cbor, name: &str) -> Option<&'a Cbor> {
    map.as_map()?
        .iter()
        .find(|(key, _)| key.as_text() == Some(name))
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_nesting_is_no_cbor() {
        let deep = [[0x81; 4000].as_slice(), &[0x00]].concat();
        assert_eq!(cbor(&mut deep.as_slice()), None);
    }

    #[test]
    fn lengths_beyond_the_data_are_no_cbor() {
        for head in [0x5b, 0x7b, 0x9b, 0xbb] {
            let bytes = [&[head][..], &[0xff; 8], &[0; 4]].concat();
            assert_eq!(cbor(&mut bytes.as_slice()), None);
        }
    }

    #[test]
    fn equal_keys_are_no_cbor() {
        // {"a": 1, "a": 2}, the second key in a longer encoding.
        let bytes = [0xa2, 0x61, 0x61, 0x01, 0x78, 0x01, 0x61, 0x02];
        assert_eq!(cbor(&mut bytes.as_slice()), None);
    }

    #[test]
    fn padding_and_the_other_alphabet_are_no_base64url() {
        assert_eq!(base64url("AA=="), None);
        assert_eq!(base64url("+/+/"), None);
        assert_eq!(base64url("-_-_"), Some(vec![0xfb, 0xff, 0xbf]));
    }
}
