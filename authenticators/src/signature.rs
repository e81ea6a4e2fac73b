//! Other encodings of a signature, valid and not (WebAuthn L3, 6.5.5).

use passkey_model::provider::Algorithm;

use crate::der;

const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
    0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
const P384_ORDER: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];

/// Writes an ECDSA signature (DER) in another way; the error says why it cannot.
pub(crate) fn reencode(
    signature: &[u8],
    algorithm: Algorithm,
    way: &str,
) -> Result<Vec<u8>, &'static str> {
    let order: &[u8] = match algorithm {
        Algorithm::ES256 => &P256_ORDER,
        Algorithm::ES384 => &P384_ORDER,
        Algorithm::RS256 | Algorithm::EdDSA => return Err("needs an ECDSA signature"),
    };
    let (r, s) = numbers(signature, order.len()).ok_or("needs an ECDSA signature")?;
    let pair = |r: &[u8], s: &[u8]| der::sequence(&[der::integer(r), der::integer(s)]);
    match way {
        "p1363" => Ok([r, s].concat()),
        "high-s" => Ok(pair(&r, &difference(order, &s))),
        "zero-rs" => Ok(pair(&[0], &[0])),
        "r-eq-n" => Ok(pair(order, &s)),
        // The length takes a byte more than it needs: BER, not DER.
        "ber" => {
            let length = u8::try_from(signature.len() - 2).map_err(|_| "is too long")?;
            Ok([&[0x30, 0x81, length], &signature[2..]].concat())
        }
        _ => Err("knows these encodings: p1363, high-s, zero-rs, r-eq-n, ber"),
    }
}

/// Reads r and s out of an Ecdsa-Sig-Value, each at the full width.
fn numbers(signature: &[u8], width: usize) -> Option<(Vec<u8>, Vec<u8>)> {
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

/// Subtracts two big-endian numbers of the same width.
fn difference(from: &[u8], what: &[u8]) -> Vec<u8> {
    let mut borrow = false;
    let mut out: Vec<u8> = from
        .iter()
        .zip(what)
        .rev()
        .map(|(a, b)| {
            let (first, under) = a.overflowing_sub(*b);
            let (second, under_again) = first.overflowing_sub(u8::from(borrow));
            borrow = under || under_again;
            second
        })
        .collect();
    out.reverse();
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use p256::ecdsa::{Signature, signature::Verifier as _};
    use passkey_model::provider::Algorithm;

    use super::reencode;
    use crate::{key::Key, seed::Seed};

    #[test]
    fn the_other_s_still_verifies() {
        let key = Key::new(Algorithm::ES256, &Seed::new(0, "high s")).unwrap();
        let other = reencode(&key.sign(b"message"), Algorithm::ES256, "high-s").unwrap();
        let Key::Es256(key) = key else {
            panic!("not P-256")
        };
        let other = Signature::from_der(&other).unwrap();
        assert!(key.verifying_key().verify(b"message", &other).is_ok());
    }

    #[test]
    fn every_encoding_differs_from_der() {
        for algorithm in [Algorithm::ES256, Algorithm::ES384] {
            let key = Key::new(algorithm, &Seed::new(0, "encodings")).unwrap();
            let signature = key.sign(b"message");
            for way in ["p1363", "high-s", "zero-rs", "r-eq-n", "ber"] {
                assert_ne!(
                    reencode(&signature, algorithm, way).unwrap(),
                    signature,
                    "{way}"
                );
            }
            assert!(reencode(&signature, algorithm, "other").is_err());
        }
    }
}
