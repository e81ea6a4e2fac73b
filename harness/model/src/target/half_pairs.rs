//! JSON with halves of surrogate pairs, which no Rust text can hold.

use serde_json::Value;

/// Reads JSON; half a surrogate pair, which libraries write where they quote what they refuse, is read as U+FFFD.
///
/// # Errors
/// When it is no JSON all the same.
pub fn json_of(line: &[u8]) -> serde_json::Result<Value> {
    serde_json::from_slice(line).or_else(|error| {
        let mended = without_half_pairs(line);
        serde_json::from_slice(&mended).map_err(|_| error)
    })
}

/// Replaces the escapes of half surrogate pairs.
fn without_half_pairs(text: &[u8]) -> Vec<u8> {
    let mut mended = text.to_vec();
    let mut at = 0;
    while at < text.len() {
        let (first, second) = (surrogate(text, at), surrogate(text, at + ESCAPE));
        let length = match (first, second) {
            (Some(Half::High), Some(Half::Low)) => 2 * ESCAPE,
            (Some(_), _) => {
                let escape = mended.get_mut(at..at + ESCAPE);
                if let Some(escape) = escape {
                    escape.copy_from_slice(b"\\ufffd");
                }
                ESCAPE
            }
            // Of an escape, its second character begins none.
            (None, _) if text.get(at) == Some(&b'\\') => 2,
            (None, _) => 1,
        };
        at += length;
    }
    mended
}

/// The length of an escape.
const ESCAPE: usize = 6;

/// Half of a surrogate pair.
enum Half {
    High,
    Low,
}

/// Reads an escape that is half of a surrogate pair.
fn surrogate(text: &[u8], at: usize) -> Option<Half> {
    let digits = text.get(at..at + ESCAPE)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits).ok()?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xd800..=0xdbff => Some(Half::High),
        0xdc00..=0xdfff => Some(Half::Low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::json_of;

    #[test]
    fn half_a_pair_is_read_as_a_replacement_and_a_whole_one_as_it_is() {
        let line = br#"{"half":"\ud800!","low":"\udc00","pair":"\ud83d\ude00","text":"\\ud800"}"#;
        let read = json_of(line).ok();
        let expected = json!({
            "half": "\u{fffd}!", "low": "\u{fffd}", "pair": "\u{1f600}", "text": "\\ud800",
        });
        assert_eq!(read, Some(expected));
    }

    #[test]
    fn what_is_no_json_stays_none() {
        assert!(json_of(br#"{"half":"\ud800""#).is_err());
        assert!(json_of(b"ready").is_err());
    }
}
