//! Credential public keys (WebAuthn L3, 5.8.5 and 6.5.1; RFC 9053, RFC 8230, RFC 9864).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
    VerificationAlgorithm,
};
use ciborium::Value as Cbor;

const MISSING: &str = "the credential public key lacks a parameter of its type";

/// A credential public key whose shape is that of its algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CoseKey {
    pub algorithm: i64,
    material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    /// An uncompressed point, or the bytes of an Ed25519 key.
    Raw(Vec<u8>),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// Of an algorithm that this relying party cannot verify.
    Unsupported,
}

/// What an algorithm demands of its key: key type, curve, bytes of a coordinate.
struct Curve {
    key_type: i64,
    curve: i64,
    length: usize,
}

const fn curve(algorithm: i64) -> Option<Curve> {
    let (key_type, curve, length) = match algorithm {
        -7 | -9 => (2, 1, 32),
        -35 | -51 => (2, 2, 48),
        -36 | -52 => (2, 3, 66),
        -8 | -19 => (1, 6, 32),
        _ => return None,
    };
    Some(Curve {
        key_type,
        curve,
        length,
    })
}

fn verification(algorithm: i64) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match algorithm {
        -7 | -9 => &ECDSA_P256_SHA256_ASN1,
        -35 | -51 => &ECDSA_P384_SHA384_ASN1,
        -36 | -52 => &ECDSA_P521_SHA512_ASN1,
        -8 | -19 => &ED25519,
        -257 => &RSA_PKCS1_2048_8192_SHA256,
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

impl CoseKey {
    pub(super) fn parse(key: &Cbor) -> Result<Self, &'static str> {
        let entries = key.as_map().ok_or("the credential public key is no map")?;
        let get = |label: i64| {
            let entry = entries
                .iter()
                .find(|(key, _)| key.as_integer() == Some(label.into()));
            entry.map(|(_, value)| value)
        };
        let int = |label| {
            get(label)
                .and_then(Cbor::as_integer)
                .and_then(|value| i64::try_from(value).ok())
        };
        let bytes = |label| get(label).and_then(Cbor::as_bytes);
        let algorithm = int(3).ok_or("the credential public key has no algorithm")?;
        let key_type = int(1).ok_or("the credential public key has no key type")?;
        let material = match (algorithm, curve(algorithm)) {
            (_, Some(wanted)) => {
                if key_type != wanted.key_type || int(-1) != Some(wanted.curve) {
                    return Err("key type or curve are not those of the algorithm");
                }
                let x = coordinate(bytes(-2), wanted.length)?;
                if key_type == 1 {
                    Material::Raw(x.to_vec())
                } else {
                    Material::Raw([&[4], x, coordinate(bytes(-3), wanted.length)?].concat())
                }
            }
            (-257, None) if key_type == 3 => rsa(bytes(-1), bytes(-2))?,
            (-257, None) => return Err("key type or curve are not those of the algorithm"),
            _ => Material::Unsupported,
        };
        let key = Self {
            algorithm,
            material,
        };
        key.is_valid()
            .then_some(key)
            .ok_or("the credential public key is not valid")
    }

    /// Tells whether the key is one: a point has to lie on its curve.
    fn is_valid(&self) -> bool {
        match (&self.material, verification(self.algorithm)) {
            (Material::Raw(bytes), Some(algorithm)) => {
                ParsedPublicKey::new(algorithm, bytes).is_ok()
            }
            _ => true,
        }
    }

    /// Tells whether a signature over a message is the key's.
    pub(crate) fn verifies(&self, message: &[u8], sig: &[u8]) -> bool {
        match (&self.material, verification(self.algorithm)) {
            (Material::Raw(bytes), Some(algorithm)) => UnparsedPublicKey::new(algorithm, bytes)
                .verify(message, sig)
                .is_ok(),
            (Material::Rsa { n, e }, Some(_)) => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, sig)
                .is_ok(),
            _ => false,
        }
    }
}

fn coordinate(bytes: Option<&Vec<u8>>, length: usize) -> Result<&[u8], &'static str> {
    bytes
        .map(Vec::as_slice)
        .filter(|bytes| bytes.len() == length)
        .ok_or("the point is compressed, or its coordinates have another length than the curve's")
}

/// Takes exponents that RFC 8017 allows, and moduli between 2048 and 8192 bits.
fn rsa(n: Option<&Vec<u8>>, e: Option<&Vec<u8>>) -> Result<Material, &'static str> {
    let (n, e) = (n.ok_or(MISSING)?, e.ok_or(MISSING)?);
    if !(256..=1024).contains(&n.len()) || n[0] == 0 {
        return Err("the modulus is not between 2048 and 8192 bits long");
    }
    let small = e.iter().all(|byte| *byte == 0) || e.as_slice() == [1];
    if small || e.last().is_none_or(|last| last % 2 == 0) {
        return Err("the exponent is even or less than three");
    }
    Ok(Material::Rsa {
        n: n.clone(),
        e: e.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(entries: &[(i64, Cbor)]) -> Result<CoseKey, &'static str> {
        let entries = entries.iter().cloned();
        CoseKey::parse(&Cbor::Map(
            entries
                .map(|(label, value)| (Cbor::from(label), value))
                .collect(),
        ))
    }

    fn ec(algorithm: i64, curve: i64, length: usize) -> Vec<(i64, Cbor)> {
        vec![
            (1, 2.into()),
            (3, algorithm.into()),
            (-1, curve.into()),
            (-2, vec![0u8; length].into()),
            (-3, vec![0u8; length].into()),
        ]
    }

    #[test]
    fn points_lie_on_their_curve() {
        assert_eq!(
            key(&ec(-7, 1, 32)),
            Err("the credential public key is not valid")
        );
        assert!(key(&ec(-7, 2, 48)).is_err_and(|why| why.contains("curve")));
        assert!(key(&ec(-35, 2, 32)).is_err_and(|why| why.contains("length")));
    }

    #[test]
    fn compressed_points_are_refused() {
        let mut entries = ec(-7, 1, 32);
        entries[4].1 = Cbor::Bool(true);
        assert!(key(&entries).is_err_and(|why| why.contains("compressed")));
    }

    #[test]
    fn rsa_keys_are_strong_enough() {
        let rsa = |n: Vec<u8>, e: Vec<u8>| {
            key(&[
                (1, 3.into()),
                (3, (-257).into()),
                (-1, n.into()),
                (-2, e.into()),
            ])
        };
        assert!(rsa(vec![0xff; 256], vec![1, 0, 1]).is_ok());
        assert!(rsa(vec![0xff; 64], vec![1, 0, 1]).is_err());
        for exponent in [vec![], vec![1], vec![2], vec![0]] {
            assert!(rsa(vec![0xff; 256], exponent).is_err());
        }
    }

    #[test]
    fn keys_of_other_algorithms_verify_nothing() {
        let other = key(&[(1, 2.into()), (3, (-47).into())]);
        assert!(other.is_ok_and(|key| !key.verifies(b"message", b"signature")));
        assert!(key(&[(1, 2.into())]).is_err());
    }
}
