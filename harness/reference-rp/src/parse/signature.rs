//! Which signatures each algorithm knows (WebAuthn L3, 6.5.5; RFC 8230, RFC 8812, RFC 9053, RFC 9864, RFC 9964).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA1_ASN1, ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA384_ASN1,
    ECDSA_P256_SHA512_ASN1, ECDSA_P256K1_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_ASN1, ECDSA_P521_SHA512_FIXED, ED25519, ML_DSA_44,
    ML_DSA_65, ML_DSA_87, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, UnparsedPublicKey,
    VerificationAlgorithm,
};

type Verification = &'static dyn VerificationAlgorithm;

/// COSE identifiers of the algorithms of RSA keys: RS1, RS256, RS384, RS512, PS256, PS384, PS512.
pub(super) const RSA: [i64; 7] = [-65_535, -257, -258, -259, -37, -38, -39];

/// Returns how signatures of an algorithm are verified, if they can be here.
pub(super) fn verification(algorithm: i64) -> Option<Verification> {
    Some(match algorithm {
        -7 | -9 => &ECDSA_P256_SHA256_ASN1,
        -35 | -51 => &ECDSA_P384_SHA384_ASN1,
        -36 | -52 => &ECDSA_P521_SHA512_ASN1,
        -47 => &ECDSA_P256K1_SHA256_ASN1,
        -8 | -19 => &ED25519,
        -48 => &ML_DSA_44,
        -49 => &ML_DSA_65,
        -50 => &ML_DSA_87,
        _ => return rsa(algorithm).map(|parameters| parameters as Verification),
    })
}

/// Returns hash and padding of an algorithm of RSA keys.
pub(super) fn rsa(algorithm: i64) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        -65_535 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        -257 => &RSA_PKCS1_2048_8192_SHA256,
        -258 => &RSA_PKCS1_2048_8192_SHA384,
        -259 => &RSA_PKCS1_2048_8192_SHA512,
        -37 => &RSA_PSS_2048_8192_SHA256,
        -38 => &RSA_PSS_2048_8192_SHA384,
        -39 => &RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

/// Tells whether signatures of an algorithm can be verified here.
pub(crate) fn is_built(algorithm: i64) -> bool {
    verification(algorithm).is_some()
}

/// Tells whether a signature is that of a certificate's key, by the algorithm that the statement names.
///
/// `key_info` is the certificate's SubjectPublicKeyInfo, so that a key of another algorithm is no key here.
pub(crate) fn verifies_with_certificate_key(
    algorithm: i64,
    key_info: &[u8],
    message: &[u8],
    sig: &[u8],
) -> bool {
    verification(algorithm).is_some_and(|algorithm| {
        UnparsedPublicKey::new(algorithm, key_info)
            .verify(message, sig)
            .is_ok()
    })
}

/// Returns the other hashes that some verifiers try with a P-256 key.
pub(super) fn other_hashes(algorithm: i64) -> &'static [Verification] {
    match algorithm {
        -7 | -9 => &[
            &ECDSA_P256_SHA1_ASN1,
            &ECDSA_P256_SHA384_ASN1,
            &ECDSA_P256_SHA512_ASN1,
        ],
        _ => &[],
    }
}

/// Reads an ECDSA signature as a lenient decoder does: as r and s one after the other, or out of anything that looks like
/// BER, whatever its lengths say. Returns them at the curve's width, with what verifies them so.
pub(super) fn any_encoding(algorithm: i64, sig: &[u8]) -> Option<(Verification, Vec<u8>)> {
    let (verification, width): (Verification, _) = match algorithm {
        -7 | -9 => (&ECDSA_P256_SHA256_FIXED, 32),
        -35 | -51 => (&ECDSA_P384_SHA384_FIXED, 48),
        -36 | -52 => (&ECDSA_P521_SHA512_FIXED, 66),
        _ => return None,
    };
    if sig.len() == 2 * width {
        return Some((verification, sig.to_vec()));
    }
    let (tag, mut rest) = sig.split_first()?;
    length(&mut rest)?;
    let r = integer(&mut rest, width)?;
    let s = integer(&mut rest, width)?;
    (*tag == 0x30).then(|| (verification, [r, s].concat()))
}

/// Takes a length off, in whatever form; an indefinite one counts as zero.
fn length(rest: &mut &[u8]) -> Option<usize> {
    let (first, after) = rest.split_first()?;
    let long = usize::from(first & 0x7f);
    if first & 0x80 == 0 {
        *rest = after;
        return Some(long);
    }
    let (digits, after) = after.split_at_checked(long)?;
    *rest = after;
    let value = |sum: usize, digit: &u8| sum.checked_mul(256)?.checked_add(usize::from(*digit));
    digits.iter().try_fold(0, value)
}

/// Takes an INTEGER off, and returns it at a width.
fn integer(rest: &mut &[u8], width: usize) -> Option<Vec<u8>> {
    let (tag, after) = rest.split_first()?;
    *rest = after;
    let length = length(rest)?;
    let (digits, after) = rest.split_at_checked(length)?;
    *rest = after;
    (*tag == 0x02).then(|| at_width(digits, width))?
}

/// Writes a big-endian number at a width; nothing when it is too large.
pub(super) fn at_width(number: &[u8], width: usize) -> Option<Vec<u8>> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let significant = &number[zeros..];
    let padding = width.checked_sub(significant.len())?;
    Some([&vec![0; padding], significant].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_of_rsa_is_one_of_the_table() {
        assert!(RSA.iter().all(|algorithm| rsa(*algorithm).is_some()));
        assert!(rsa(-7).is_none() && is_built(-7));
        // EdDSA with Ed448, and RSAES-OAEP.
        assert!(!is_built(-53) && !is_built(-40));
    }

    #[test]
    fn lenient_decoders_read_what_is_no_der() {
        let numbers = |sig: &[u8]| any_encoding(-7, sig).map(|(_, numbers)| numbers);
        let expected = [&[0; 31][..], &[1], &[0; 31], &[2]].concat();
        for sig in [
            &[0x30, 6, 2, 1, 1, 2, 1, 2][..],
            &[0x30, 0x81, 6, 2, 1, 1, 2, 1, 2],
            &[0x30, 0x80, 2, 1, 1, 2, 1, 2, 0, 0],
            &[0x30, 8, 2, 2, 0, 1, 2, 2, 0, 2],
            &expected,
        ] {
            assert_eq!(numbers(sig), Some(expected.clone()));
        }
        assert_eq!(numbers(&[0x31, 6, 2, 1, 1, 2, 1, 2]), None);
        assert_eq!(numbers(&[]), None);
        assert!(any_encoding(-257, &expected).is_none());
    }
}
