//! A small CBOR value tree: canonical where nothing else is asked, and able to say what no honest encoder would.

/// The largest text that is decoded, in bytes.
const MAX_SIZE: usize = 1 << 20;
/// The deepest nesting that is decoded.
const MAX_DEPTH: usize = 32;

/// A CBOR value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cbor {
    /// An integer.
    Int(i64),
    /// A byte string.
    Bytes(Vec<u8>),
    /// A text string.
    Text(String),
    /// A list.
    List(Vec<Cbor>),
    /// A map, in the order of encoding; a key may stand twice.
    Map(Vec<(Cbor, Cbor)>),
    /// True or false.
    Bool(bool),
    /// Null.
    Null,
    /// Bytes that stand as they are, whatever they mean.
    Raw(Vec<u8>),
}

impl Cbor {
    /// Makes a text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// Encodes the value, with the shortest heads and definite lengths (CTAP 2.1, 8).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// Decodes one value that fills the bytes; nothing when they are anything else, too long or too deep.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (value, rest) = Self::decode_first(bytes)?;
        rest.is_empty().then_some(value)
    }

    /// Decodes the value that the bytes begin with; returns it with the bytes after it.
    #[must_use]
    pub fn decode_first(bytes: &[u8]) -> Option<(Self, &[u8])> {
        if bytes.len() > MAX_SIZE {
            return None;
        }
        let mut rest = bytes;
        let value = ciborium::de::from_reader_with_recursion_limit::<ciborium::Value, _>(
            &mut rest, MAX_DEPTH,
        );
        Some((Self::from_ciborium(value.ok()?)?, rest))
    }

    /// Decodes one value in the canonical form of CTAP2 that fills the bytes: shortest heads, definite lengths, keys
    /// sorted and each only once (CTAP 2.1, 8).
    #[must_use]
    pub fn decode_canonical(bytes: &[u8]) -> Option<Self> {
        let value = Self::decode(bytes)?;
        (value.encode() == bytes && value.is_sorted()).then_some(value)
    }

    /// What map keys are ordered by: major type, then length, then the bytes (CTAP 2.1, 8).
    fn rank(&self) -> (u8, usize, Vec<u8>) {
        let encoded = self.encode();
        let major = encoded.first().map_or(0, |first| first >> 5);
        (major, encoded.len(), encoded)
    }

    /// Changes the map at an integer label, which is made when it is missing and removed when nothing is left in it.
    /// Both maps are canonical afterwards.
    pub(crate) fn change_map(&mut self, label: i64, change: impl FnOnce(&mut Vec<(Self, Self)>)) {
        let Self::Map(entries) = self else { return };
        let label = Self::Int(label);
        let position = entries.iter().position(|(key, _)| *key == label);
        let found = position.map(|position| entries.remove(position).1);
        let mut inner = match found {
            Some(Self::Map(inner)) => inner,
            _ => Vec::new(),
        };
        change(&mut inner);
        inner.sort_by_cached_key(|(key, _)| key.rank());
        if !inner.is_empty() {
            entries.push((label, Self::Map(inner)));
        }
        entries.sort_by_cached_key(|(key, _)| key.rank());
    }

    fn is_sorted(&self) -> bool {
        match self {
            Self::List(items) => items.iter().all(Self::is_sorted),
            Self::Map(entries) => {
                let keys: Vec<_> = entries.iter().map(|(key, _)| key.rank()).collect();
                keys.is_sorted_by(|one, next| one < next)
                    && entries
                        .iter()
                        .all(|(key, value)| key.is_sorted() && value.is_sorted())
            }
            _ => true,
        }
    }

    /// Returns the bytes of a byte string.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Returns the text of a text string.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the value of an integer.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the member of a map under a name, or under an integer label written in decimal.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Map(entries) = self else {
            return None;
        };
        let found = entries.iter().find(|(key, _)| key.is_named(name));
        found.map(|(_, value)| value)
    }

    /// Tells whether this is the map key that a path names.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        match self {
            Self::Text(text) => text == name,
            Self::Int(label) => name.parse() == Ok(*label),
            _ => false,
        }
    }

    /// Encodes a map or list with an indefinite length (RFC 8949, 3.2.2); nothing for other values.
    pub(crate) fn encode_indefinite(&self) -> Option<Vec<u8>> {
        let (first, items) = match self {
            Self::List(items) => (0x9f, items.iter().flat_map(Self::encode).collect()),
            Self::Map(entries) => (0xbf, encode_entries(entries)),
            _ => return None,
        };
        Some([vec![first], items, vec![0xff]].concat())
    }

    /// Encodes a map or list with its length in two bytes where fewer would do; nothing for other values.
    pub(crate) fn encode_non_minimal(&self) -> Option<Vec<u8>> {
        let (first, length, items) = match self {
            Self::List(items) => {
                let encoded = items.iter().flat_map(Self::encode).collect();
                (0x99, items.len(), encoded)
            }
            Self::Map(entries) => (0xb9, entries.len(), encode_entries(entries)),
            _ => return None,
        };
        let length = u16::try_from(length).ok()?.to_be_bytes();
        Some([vec![first], length.to_vec(), items].concat())
    }

    /// Encodes a short text with its length in a byte of its own, where it would fit into the first; nothing for other values.
    pub(crate) fn encode_with_longer_head(&self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) if text.len() < 24 => {
                let length = u8::try_from(text.len()).ok()?;
                Some([&[0x78, length], text.as_bytes()].concat())
            }
            _ => None,
        }
    }

    fn from_ciborium(value: ciborium::Value) -> Option<Self> {
        use ciborium::Value;
        Some(match value {
            Value::Integer(integer) => Self::Int(i64::try_from(i128::from(integer)).ok()?),
            Value::Bytes(bytes) => Self::Bytes(bytes),
            Value::Text(text) => Self::Text(text),
            Value::Bool(value) => Self::Bool(value),
            Value::Null => Self::Null,
            Value::Array(items) => {
                let items: Option<_> = items.into_iter().map(Self::from_ciborium).collect();
                Self::List(items?)
            }
            Value::Map(entries) => {
                let pair =
                    |(key, value)| Some((Self::from_ciborium(key)?, Self::from_ciborium(value)?));
                let entries: Option<_> = entries.into_iter().map(pair).collect();
                Self::Map(entries?)
            }
            _ => return None,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Int(value) if *value >= 0 => head(out, 0, value.unsigned_abs()),
            Self::Int(value) => head(out, 1, value.unsigned_abs() - 1),
            Self::Bytes(bytes) => {
                head(out, 2, bytes.len() as u64);
                out.extend_from_slice(bytes);
            }
            Self::Text(text) => {
                head(out, 3, text.len() as u64);
                out.extend_from_slice(text.as_bytes());
            }
            Self::List(items) => {
                head(out, 4, items.len() as u64);
                items.iter().for_each(|item| item.write(out));
            }
            Self::Map(entries) => {
                head(out, 5, entries.len() as u64);
                out.extend(encode_entries(entries));
            }
            Self::Bool(value) => out.push(if *value { 0xf5 } else { 0xf4 }),
            Self::Null => out.push(0xf6),
            Self::Raw(bytes) => out.extend_from_slice(bytes),
        }
    }
}

fn encode_entries(entries: &[(Cbor, Cbor)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in entries {
        key.write(&mut out);
        value.write(&mut out);
    }
    out
}

fn head(out: &mut Vec<u8>, major: u8, value: u64) {
    let bytes = value.to_be_bytes();
    let (short, tail): (u8, &[u8]) = match value {
        0..=23 => (bytes[7], &[]),
        24..=0xff => (24, &bytes[7..]),
        0x100..=0xffff => (25, &bytes[6..]),
        0x1_0000..=0xffff_ffff => (26, &bytes[4..]),
        _ => (27, &bytes),
    };
    out.push((major << 5) | short);
    out.extend_from_slice(tail);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use proptest::prelude::*;

    use super::Cbor;

    #[test]
    fn integers_take_the_shortest_form() {
        assert_eq!(Cbor::Int(-7).encode(), [0x26]);
        assert_eq!(Cbor::Int(-257).encode(), [0x39, 0x01, 0x00]);
        assert_eq!(Cbor::Int(1000).encode(), [0x19, 0x03, 0xe8]);
    }

    #[test]
    fn other_encodings_of_a_map_mean_the_same() {
        let map = Cbor::Map(vec![(Cbor::text("fmt"), Cbor::text("none"))]);
        for encoded in [map.encode_indefinite(), map.encode_non_minimal()] {
            let encoded = encoded.unwrap();
            assert_ne!(encoded, map.encode());
            assert_eq!(Cbor::decode(&encoded), Some(map.clone()));
        }
    }

    #[test]
    fn a_longer_head_means_the_same() {
        let key = Cbor::text("fmt");
        let long = key.encode_with_longer_head().unwrap();
        assert_eq!(long.len(), key.encode().len() + 1);
        assert_eq!(Cbor::decode(&long), Some(key));
        assert_eq!(Cbor::Int(1).encode_with_longer_head(), None);
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert_eq!(Cbor::decode(&[vec![0x81; 1000], vec![0]].concat()), None);
    }

    fn value() -> impl Strategy<Value = Cbor> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Cbor::Int),
            any::<Vec<u8>>().prop_map(Cbor::Bytes),
            "[a-z]{0,30}".prop_map(Cbor::Text),
            any::<bool>().prop_map(Cbor::Bool),
            Just(Cbor::Null),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Cbor::List),
                prop::collection::vec((inner.clone(), inner), 0..6).prop_map(Cbor::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(value in value()) {
            prop_assert_eq!(Cbor::decode(&value.encode()), Some(value));
        }

        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            let _ = Cbor::decode(&bytes);
        }
    }
}
