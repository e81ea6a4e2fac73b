//! Challenges: long enough, never the same twice, and random (WebAuthn L3, 13.4.3).

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Held, bytes};

/// How many challenges tell whether they repeat or count.
pub(super) const FEW: usize = 50;
/// How many challenges tell whether their bits are random.
pub(super) const MANY: usize = 200;

/// Random challenges share a beginning, or an end, of two bytes with the probability 2^-784.
const IN_COMMON: usize = 2;
/// No more bytes of a challenge are looked at: 512 bits.
const LONGEST: usize = 64;
/// How far from a half the ones of a bit may be, of [`MANY`].
///
/// A fair bit is as far off with a probability of at most 2 exp(-2 x 59^2 / 200), by Hoeffding's inequality. That one of 512 fair bits
/// is as far off has a probability below 1024 x 7.7e-16 = 7.9e-13, and that is the probability of a false alarm, were every bit of
/// a challenge needed; it is smaller, since [`FEWEST_BITS`] are.
const FARTHEST: usize = 59;
/// How many bits have to be random, so that nobody guesses them. A UUID of version 4 has 122.
const FEWEST_BITS: usize = 112;

/// At least 16 bytes.
pub(super) fn length(options: &Value) -> Held {
    let length = bytes(options, "/challenge")?.len();
    if length < 16 {
        return Err(format!("challenge has {length} bytes; fewer than 16"));
    }
    Ok(())
}

fn challenges(options: &[&Value]) -> Result<Vec<Vec<u8>>, String> {
    options.iter().map(|one| bytes(one, "/challenge")).collect()
}

/// All different, with nothing in common.
pub(super) fn fresh(options: &[&Value]) -> Held {
    let challenges = challenges(options)?;
    different(&challenges)?;
    let beginning = in_common(challenges.iter().map(|one| one.iter()));
    let end = in_common(challenges.iter().map(|one| one.iter().rev()));
    let count = challenges.len();
    match (beginning >= IN_COMMON, end >= IN_COMMON) {
        (true, _) => Err(format!(
            "challenge begins with the same {beginning} bytes {count} times, as a clock or a counter does"
        )),
        (_, true) => Err(format!(
            "challenge ends with the same {end} bytes {count} times, as a clock or a counter does"
        )),
        _ => Ok(()),
    }
}

fn different(challenges: &[Vec<u8>]) -> Held {
    let distinct: BTreeSet<&Vec<u8>> = challenges.iter().collect();
    if distinct.len() < challenges.len() {
        return Err(format!(
            "challenge has only {} different values in {} options",
            distinct.len(),
            challenges.len()
        ));
    }
    Ok(())
}

/// Counts the bytes that all have in common from their first on.
fn in_common<'a>(mut all: impl Iterator<Item = impl Iterator<Item = &'a u8>>) -> usize {
    let Some(first) = all.next() else { return 0 };
    let first: Vec<u8> = first.copied().collect();
    all.fold(first.len(), |shared, one| {
        let same = one.zip(&first).take_while(|(one, other)| one == other);
        shared.min(same.count())
    })
}

/// All different, with enough bits that are as often one as zero.
pub(super) fn random(options: &[&Value]) -> Held {
    let challenges = challenges(options)?;
    different(&challenges)?;
    let shortest = challenges.iter().map(Vec::len).min().unwrap_or_default();
    let bits = shortest.min(LONGEST) * 8;
    let half = challenges.len() / 2;
    let is_fair = |bit: &usize| {
        let ones = challenges
            .iter()
            .filter(|one| one[bit / 8] >> (7 - bit % 8) & 1 == 1)
            .count();
        ones.abs_diff(half) < FARTHEST
    };
    let fair = (0..bits).filter(is_fair).count();
    if fair < FEWEST_BITS {
        return Err(format!(
            "challenge has {fair} random bits of {bits} in {} options: fewer than {FEWEST_BITS} can be guessed",
            challenges.len()
        ));
    }
    Ok(())
}

/// Neither the sixteen bytes of a random UUID (RFC 9562, version 4) nor the text of any.
pub(super) fn no_uuid(options: &[&Value]) -> Held {
    let challenges = challenges(options)?;
    let raw = |one: &Vec<u8>| one.len() == 16 && one[6] >> 4 == 4 && one[8] >> 6 == 2;
    let written = |one: &Vec<u8>| {
        one.len() == 36
            && one.iter().enumerate().all(|(index, byte)| match index {
                8 | 13 | 18 | 23 => *byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    };
    if challenges.iter().all(raw) {
        return Err("challenge is a UUID of version 4: 122 of its 128 bits are random".to_owned());
    }
    if challenges.iter().all(written) {
        return Err("challenge is a UUID, written as text".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    fn held(check: fn(&[&Value]) -> Held, challenges: &[Vec<u8>]) -> Held {
        let options: Vec<Value> = challenges
            .iter()
            .map(|one| json!({ "challenge": URL_SAFE_NO_PAD.encode(one) }))
            .collect();
        check(&options.iter().collect::<Vec<_>>())
    }

    /// Bytes that look random: what SHA-256 makes of a counter.
    fn noise(number: usize, length: usize) -> Vec<u8> {
        use sha2::{Digest, Sha256};
        Sha256::digest(number.to_be_bytes())[..length].to_vec()
    }

    fn many(count: usize, make: impl Fn(usize) -> Vec<u8>) -> Vec<Vec<u8>> {
        (0..count).map(make).collect()
    }

    #[test]
    fn sixteen_bytes_are_enough_and_fifteen_are_not() {
        for (bytes, enough) in [(15, false), (16, true), (32, true)] {
            let options = json!({ "challenge": URL_SAFE_NO_PAD.encode(vec![7; bytes]) });
            assert_eq!(length(&options).is_ok(), enough, "{bytes} bytes");
        }
    }

    #[test]
    fn random_challenges_are_fresh_and_random() {
        for length in [16, 32] {
            assert_eq!(held(fresh, &many(FEW, |n| noise(n, length))), Ok(()));
            assert_eq!(held(random, &many(MANY, |n| noise(n, length))), Ok(()));
        }
    }

    #[test]
    fn a_challenge_that_comes_twice_is_neither() {
        let mut challenges = many(FEW, |n| noise(n, 32));
        challenges[49] = challenges[3].clone();
        let why = "challenge has only 49 different values in 50 options".to_owned();
        assert_eq!(held(fresh, &challenges), Err(why.clone()));
        assert_eq!(held(random, &challenges), Err(why));
    }

    #[test]
    fn counters_and_clocks_are_found_from_both_ends() {
        let at = |n: usize| 1_767_225_600_000 + n as u64;
        let big = many(FEW, |n| [[0; 8], at(n).to_be_bytes()].concat());
        let little = many(FEW, |n| [at(n).to_le_bytes(), [0; 8]].concat());
        let text = many(FEW, |n| format!("{:016}", at(n)).into_bytes());
        for challenges in [big, little, text] {
            assert!(held(fresh, &challenges).is_err());
        }
        let late = many(MANY, |n| {
            [noise(n, 8), at(n).to_be_bytes().to_vec()].concat()
        });
        assert!(held(random, &late).is_err());
    }

    #[test]
    fn a_random_uuid_is_random_enough_and_is_told() {
        let uuid = |n| {
            let mut bytes = noise(n, 16);
            bytes[6] = bytes[6] & 0x0f | 0x40;
            bytes[8] = bytes[8] & 0x3f | 0x80;
            bytes
        };
        assert_eq!(held(random, &many(MANY, uuid)), Ok(()));
        assert!(held(no_uuid, &many(FEW, uuid)).is_err());
        let written = many(FEW, |_| b"00000000-0000-4000-8000-000000000000".to_vec());
        assert!(held(no_uuid, &written).is_err());
        assert_eq!(held(no_uuid, &many(FEW, |n| noise(n, 16))), Ok(()));
    }

    proptest! {
        #[test]
        fn a_bit_that_stands_still_is_not_counted(still in 0_usize..=128) {
            let challenges = many(MANY, |n| {
                let mut bytes = noise(n, 16);
                for bit in 0..still {
                    bytes[bit / 8] &= !(0x80 >> (bit % 8));
                }
                bytes
            });
            prop_assert_eq!(held(random, &challenges).is_ok(), still <= 128 - FEWEST_BITS);
        }
    }
}
