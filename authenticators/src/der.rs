//! A DER writer, just enough for certificates; it can also write what no honest encoder would.

/// Writes one value: tag, length, content.
pub(crate) fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match length {
        0..=0x7f => out.push(length.to_le_bytes()[0]),
        0x80..=0xff => out.extend([0x81, length.to_le_bytes()[0]]),
        _ => out.extend([0x82, length.to_le_bytes()[1], length.to_le_bytes()[0]]),
    }
    out.extend_from_slice(content);
    out
}

/// Writes a SEQUENCE of values that are written already.
pub(crate) fn sequence(items: &[Vec<u8>]) -> Vec<u8> {
    value(0x30, &items.concat())
}

/// Writes an OBJECT IDENTIFIER of its encoded arcs.
pub(crate) fn oid(arcs: &[u8]) -> Vec<u8> {
    value(0x06, arcs)
}

/// Writes a positive INTEGER.
pub(crate) fn integer(bytes: &[u8]) -> Vec<u8> {
    let mut content: Vec<u8> = bytes
        .iter()
        .copied()
        .skip_while(|byte| *byte == 0)
        .collect();
    if content.first().is_none_or(|first| first & 0x80 != 0) {
        content.insert(0, 0);
    }
    value(0x02, &content)
}

/// Writes a BIT STRING of whole bytes.
pub(crate) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    value(0x03, &[&[0], bytes].concat())
}

/// Writes a GeneralizedTime or UTCTime from its text, by the text's length.
pub(crate) fn time(text: &str) -> Vec<u8> {
    value(if text.len() == 13 { 0x17 } else { 0x18 }, text.as_bytes())
}
