//! Other encodings of a signature, valid and not, and signatures that no private key made (WebAuthn L3, 6.5.5).

use passkey_model::provider::Algorithm;

use crate::der;

mod forged;
mod numbers;

pub(crate) use forged::for_exponent_three;
use numbers::{difference, one_more, sum};

const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
    0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
const P384_ORDER: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];
/// The order of Ed25519's base point (RFC 8032, 5.1), big-endian.
const ED25519_ORDER: [u8; 32] = [
    0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0xde, 0xf9, 0xde, 0xa2, 0xf7, 0x9c,
    0xd6, 0x58, 0x12, 0x63, 0x1a, 0x5c, 0xf5, 0xd3, 0xed,
];
const UNKNOWN: &str = "knows these encodings: p1363, high-s, zero-rs, r-zero, s-zero, r-eq-n, s-eq-n, r-above-n, s-above-n, s-plus-n, ber, padded-integers, indefinite-length, small-order";

/// Writes a signature in another way; the error says why it cannot.
///
/// ECDSA on P-256 and P-384 (DER) knows every way but `small-order`, Ed25519 only that one and `s-plus-n`.
pub(crate) fn reencode(
    signature: &[u8],
    algorithm: Algorithm,
    way: &str,
) -> Result<Vec<u8>, &'static str> {
    match algorithm {
        Algorithm::ES256 | Algorithm::ESP256 => ecdsa(signature, &P256_ORDER, way),
        Algorithm::ES384 | Algorithm::ESP384 => ecdsa(signature, &P384_ORDER, way),
        Algorithm::EdDSA => ed25519(signature, way),
        _ => Err("needs a signature of ECDSA on P-256 or P-384, or of Ed25519"),
    }
}

fn ecdsa(signature: &[u8], order: &[u8], way: &str) -> Result<Vec<u8>, &'static str> {
    let (r, s) = pair_of(signature, order.len()).ok_or("needs an ECDSA signature")?;
    let pair = |r: &[u8], s: &[u8]| der::sequence(&[der::integer(r), der::integer(s)]);
    let above = one_more(order);
    match way {
        "p1363" => Ok([r, s].concat()),
        "high-s" => Ok(pair(&r, &difference(order, &s))),
        "zero-rs" => Ok(pair(&[0], &[0])),
        "r-zero" => Ok(pair(&[0], &s)),
        "s-zero" => Ok(pair(&r, &[0])),
        "r-eq-n" => Ok(pair(order, &s)),
        "s-eq-n" => Ok(pair(&r, order)),
        "r-above-n" => Ok(pair(&above, &s)),
        "s-above-n" => Ok(pair(&r, &above)),
        "s-plus-n" => Ok(pair(&r, &sum(order, &s))),
        // The length takes a byte more than it needs: BER, not DER.
        "ber" => {
            let length = u8::try_from(signature.len() - 2).map_err(|_| "is too long")?;
            Ok([&[0x30, 0x81, length], &signature[2..]].concat())
        }
        "padded-integers" => {
            let padded = |number: &[u8]| der::value(0x02, &[&[0, 0], number].concat());
            Ok(der::sequence(&[padded(&r), padded(&s)]))
        }
        "indefinite-length" => Ok([&[0x30, 0x80], &signature[2..], &[0, 0]].concat()),
        _ => Err(UNKNOWN),
    }
}

fn ed25519(signature: &[u8], way: &str) -> Result<Vec<u8>, &'static str> {
    let (r, s) = signature
        .split_at_checked(32)
        .filter(|(_, s)| s.len() == 32)
        .ok_or("needs an Ed25519 signature")?;
    match way {
        "s-plus-n" => {
            let little_endian = |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<_>>();
            let s = little_endian(&sum(&ED25519_ORDER, &little_endian(s)));
            Ok([r, &s[..32]].concat())
        }
        // R is the neutral element and S is zero: valid where the key is of small order too.
        "small-order" => {
            let mut neutral = [0; 64];
            neutral[0] = 1;
            Ok(neutral.to_vec())
        }
        _ => Err(UNKNOWN),
    }
}

/// Reads r and s out of an Ecdsa-Sig-Value, each at the full width.
fn pair_of(signature: &[u8], width: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut rest = signature.get(2..)?;
    let mut next = || {
        let length = usize::from(*rest.get(1)?);
        let number = rest.get(2..2 + length)?;
        rest = &rest[2 + length..];
        let digits: Vec<u8> = number
            .iter()
            .copied()
            .skip_while(|byte| *byte == 0)
            .collect();
        let padding = width.checked_sub(digits.len())?;
        Some([vec![0; padding], digits].concat())
    };
    Some((next()?, next()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use ed25519_dalek::Verifier as _;
    use p256::ecdsa::Signature;
    use passkey_model::provider::Algorithm;

    use super::reencode;
    use crate::{key::Key, seed::Seed};

    #[test]
    fn the_other_s_still_verifies() {
        let key = Key::new(Algorithm::ES256, &Seed::new(0, "high s")).unwrap();
        let other = reencode(&key.sign(b"message"), Algorithm::ES256, "high-s").unwrap();
        let other = Signature::from_der(&other).unwrap();
        let key = key.p256().unwrap().verifying_key();
        assert!(key.verify(b"message", &other).is_ok());
    }

    #[test]
    fn every_encoding_differs_from_der() {
        let ways = [
            "p1363",
            "high-s",
            "zero-rs",
            "r-zero",
            "s-zero",
            "r-eq-n",
            "s-eq-n",
            "r-above-n",
            "s-above-n",
            "s-plus-n",
            "ber",
            "padded-integers",
            "indefinite-length",
        ];
        for algorithm in [Algorithm::ES256, Algorithm::ES384] {
            let key = Key::new(algorithm, &Seed::new(0, "encodings")).unwrap();
            let signature = key.sign(b"message");
            let mut seen = vec![signature.clone()];
            for way in ways {
                let other = reencode(&signature, algorithm, way).unwrap();
                assert!(!seen.contains(&other), "{way}");
                seen.push(other);
            }
            assert!(reencode(&signature, algorithm, "small-order").is_err());
        }
    }

    #[test]
    fn ed25519_signatures_are_made_otherwise_too() {
        let key = Key::new(Algorithm::EdDSA, &Seed::new(0, "ed25519")).unwrap();
        let signature = key.sign(b"message");
        let plus = reencode(&signature, Algorithm::EdDSA, "s-plus-n").unwrap();
        assert_eq!((&plus[..32], plus.len()), (&signature[..32], 64));
        assert_ne!(plus, signature);
        // The neutral element's key signs everything with the neutral element and zero.
        let neutral: [u8; 64] = reencode(&signature, Algorithm::EdDSA, "small-order")
            .unwrap()
            .try_into()
            .unwrap();
        let weak = ed25519_dalek::VerifyingKey::from_bytes(neutral[..32].try_into().unwrap());
        let neutral = ed25519_dalek::Signature::from_bytes(&neutral);
        assert!(weak.unwrap().verify(b"whatever", &neutral).is_ok());
        assert!(reencode(&signature, Algorithm::EdDSA, "p1363").is_err());
        assert!(reencode(&[0; 256], Algorithm::RS256, "p1363").is_err());
    }
}
