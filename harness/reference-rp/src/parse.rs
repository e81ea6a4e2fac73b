//! Reads what authenticators send: base64url, CBOR, authenticator data, COSE keys.

mod authenticator_data;
mod cose;
mod signature;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ciborium::Value as Cbor;

use crate::defects::{Defect, Defects};

pub(crate) use authenticator_data::{Attested, AuthenticatorData};
pub(crate) use cose::CoseKey;
pub(crate) use signature::{is_built, verifies_with_certificate_key};

/// CTAP2's own messages nest four deep; statements of some formats a little deeper.
const DEEPEST_CBOR: usize = 16;
/// Keys are compared pair by pair, which has to stay cheap.
const LARGEST_MAP: usize = 256;

/// Decodes base64url without padding.
pub(crate) fn base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Decodes both alphabets of base64, padded or not.
pub(crate) fn any_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    base64url(&text.replace('+', "-").replace('/', "_"))
}

/// Encodes base64url without padding.
pub(crate) fn to_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Encodes base64 in its first alphabet, padded (RFC 4648, section 4).
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Decodes one CBOR value and leaves the reader behind it.
///
/// What has equal keys, or heads that are longer than they need be or of indefinite length, is refused (WebAuthn L3, 2.4:
/// SHOULD): two decoders may read it differently. Keys in another order than CTAP2's are not: they mean the same to
/// everybody, and authenticators in the field write them.
pub(crate) fn cbor(reader: &mut &[u8], defects: &Defects) -> Option<Cbor> {
    let before = *reader;
    let value = any_cbor(reader)?;
    let read = &before[..before.len() - reader.len()];
    let strict = has_unique_keys(&value) && is_preferred(&value, read);
    (strict || defects.has(Defect::LenientCborAccepted)).then_some(value)
}

/// Tells whether a value was read from its preferred serialization (RFC 8949, 4.1), the one that ciborium writes.
fn is_preferred(value: &Cbor, read: &[u8]) -> bool {
    let mut written = Vec::with_capacity(read.len());
    ciborium::into_writer(value, &mut written).is_ok() && written == read
}

/// Decodes one CBOR value, however it is written, and leaves the reader behind it.
fn any_cbor(reader: &mut &[u8]) -> Option<Cbor> {
    ciborium::de::from_reader_with_recursion_limit(reader, DEEPEST_CBOR).ok()
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
        assert_eq!(cbor(&mut deep.as_slice(), &Defects::NONE), None);
    }

    #[test]
    fn lengths_beyond_the_data_are_no_cbor() {
        for head in [0x5b, 0x7b, 0x9b, 0xbb] {
            let bytes = [&[head][..], &[0xff; 8], &[0; 4]].concat();
            assert_eq!(cbor(&mut bytes.as_slice(), &Defects::NONE), None);
        }
    }

    #[test]
    fn other_encodings_of_the_same_are_no_cbor() {
        // {"a": 1}, and the same with a long key, a long integer, a long and an indefinite head.
        let preferred = [0xa1, 0x61, 0x61, 0x01];
        assert!(cbor(&mut preferred.as_slice(), &Defects::NONE).is_some());
        let others: [&[u8]; 4] = [
            &[0xa1, 0x78, 0x01, 0x61, 0x01],
            &[0xa1, 0x61, 0x61, 0x18, 0x01],
            &[0xb8, 0x01, 0x61, 0x61, 0x01],
            &[0xbf, 0x61, 0x61, 0x01, 0xff],
        ];
        let lenient = Defect::LenientCborAccepted.into();
        for bytes in others {
            let (mut once, mut again) = (bytes, bytes);
            assert_eq!(cbor(&mut once, &Defects::NONE), None);
            assert!(cbor(&mut again, &lenient).is_some());
        }
    }

    #[test]
    fn equal_keys_are_no_cbor() {
        let bytes = [0xa2, 0x61, 0x61, 0x01, 0x61, 0x61, 0x02];
        assert_eq!(cbor(&mut bytes.as_slice(), &Defects::NONE), None);
    }

    #[test]
    fn padding_and_the_other_alphabet_are_no_base64url() {
        assert_eq!(base64url("AA=="), None);
        assert_eq!(base64url("+/+/"), None);
        assert_eq!(base64url("-_-_"), Some(vec![0xfb, 0xff, 0xbf]));
        assert_eq!(any_base64("+/+_"), Some(vec![0xfb, 0xff, 0xbf]));
        assert_eq!(any_base64("AA=="), Some(vec![0]));
    }
}
