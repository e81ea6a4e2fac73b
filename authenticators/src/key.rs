//! Credential keys: made from a seed, encoded as COSE keys, deterministic in what they sign.

use std::sync::Arc;

use ed25519_dalek::{Signer as _, pkcs8::DecodePrivateKey as _};
use passkey_model::provider::Algorithm;
use rsa::{
    BoxedUint, RsaPrivateKey, pkcs1v15, signature::SignatureEncoding as _,
    traits::PublicKeyParts as _,
};

use crate::{cbor::Cbor, der, rsa_pool, seed::Seed};

const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const PRIME256V1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const SECP384R1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const DER_NULL: [u8; 2] = [0x05, 0x00];
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];

/// A key that cannot be read: the fault of whoever exported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not the PKCS#8 (DER) of a P-256, P-384, Ed25519 or RSA (exponent 65537) private key: export another kind of key"
)]
pub struct KeyError;

/// A private key of one algorithm.
#[derive(Clone, Debug)]
pub enum Key {
    /// ECDSA on P-256 with SHA-256.
    Es256(Box<p256::ecdsa::SigningKey>),
    /// ECDSA on P-384 with SHA-384.
    Es384(Box<p384::ecdsa::SigningKey>),
    /// Ed25519.
    EdDsa(Box<ed25519_dalek::SigningKey>),
    /// RSASSA-PKCS1-v1_5 with SHA-256 and the exponent 65537.
    Rs256(Arc<RsaPrivateKey>),
}

impl Key {
    /// Makes the key of a seed; nothing only when eight draws in a row are no scalar.
    #[must_use]
    pub fn new(algorithm: Algorithm, seed: &Seed) -> Option<Self> {
        (0..8).find_map(|attempt| Self::attempt(algorithm, &seed.derive(&format!("key {attempt}"))))
    }

    /// A scalar that is zero or not below the order is drawn anew: of P-256 one in 2^32.
    fn attempt(algorithm: Algorithm, seed: &Seed) -> Option<Self> {
        match algorithm {
            Algorithm::ES256 => p256::ecdsa::SigningKey::from_slice(&seed.bytes("p256"))
                .ok()
                .map(Box::new)
                .map(Self::Es256),
            Algorithm::ES384 => {
                let scalar = [&[0; 16][..], &seed.bytes("p384")].concat();
                p384::ecdsa::SigningKey::from_slice(&scalar)
                    .ok()
                    .map(Box::new)
                    .map(Self::Es384)
            }
            Algorithm::EdDSA => Some(Self::EdDsa(Box::new(
                ed25519_dalek::SigningKey::from_bytes(&seed.bytes("ed25519")),
            ))),
            Algorithm::RS256 => rsa_pool::pick(seed).map(Self::Rs256),
        }
    }

    /// Reads a key from PKCS#8, DER (RFC 5208, RFC 5958), as WebDriver's Get Credentials gives it (WebAuthn L3, 11.6).
    ///
    /// # Errors
    /// When the bytes are anything else, or the key of another algorithm.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(key) = p256::ecdsa::SigningKey::from_pkcs8_der(der) {
            return Ok(Self::Es256(Box::new(key)));
        }
        if let Some(key) = p256_of_any_length(der) {
            return Ok(Self::Es256(Box::new(key)));
        }
        if let Ok(key) = p384::ecdsa::SigningKey::from_pkcs8_der(der) {
            return Ok(Self::Es384(Box::new(key)));
        }
        if let Ok(key) = ed25519_dalek::SigningKey::from_pkcs8_der(der) {
            return Ok(Self::EdDsa(Box::new(key)));
        }
        let key = RsaPrivateKey::from_pkcs8_der(der).ok();
        key.filter(|key| *key.e() == BoxedUint::from(65_537_u32))
            .map(|key| Self::Rs256(Arc::new(key)))
            .ok_or(KeyError)
    }

    /// Returns the algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Es256(_) => Algorithm::ES256,
            Self::Es384(_) => Algorithm::ES384,
            Self::EdDsa(_) => Algorithm::EdDSA,
            Self::Rs256(_) => Algorithm::RS256,
        }
    }

    /// Signs a message: ECDSA as DER with RFC 6979, Ed25519 as its 64 bytes (WebAuthn L3, 6.5.5).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Es256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Self::Es384(key) => {
                let signature: p384::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Self::EdDsa(key) => key.sign(message).to_bytes().to_vec(),
            Self::Rs256(key) => {
                let key = pkcs1v15::SigningKey::<rsa::sha2::Sha256>::new((**key).clone());
                let signature: pkcs1v15::Signature = rsa::signature::Signer::sign(&key, message);
                signature.to_vec()
            }
        }
    }

    /// Returns the public key as an uncompressed point, as the 32 bytes of Ed25519, or as the modulus of RSA.
    #[must_use]
    pub fn public_bytes(&self) -> Vec<u8> {
        match self {
            Self::Es256(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::Es384(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::EdDsa(key) => key.verifying_key().to_bytes().to_vec(),
            Self::Rs256(key) => key.n_bytes().to_vec(),
        }
    }

    /// Makes an ES256 key of the 32 bytes of its scalar; nothing when they are none.
    #[must_use]
    pub fn es256(scalar: &[u8]) -> Option<Self> {
        let key = p256::ecdsa::SigningKey::from_slice(scalar).ok()?;
        Some(Self::Es256(Box::new(key)))
    }

    /// Returns the SubjectPublicKeyInfo, DER, as `getPublicKey()` does (WebAuthn L3, 5.2.1.1).
    #[must_use]
    pub fn spki(&self) -> Vec<u8> {
        spki(&self.cose()).unwrap_or_default()
    }

    /// Returns the COSE key, labels in canonical order (WebAuthn L3, 5.8.5; RFC 9053, RFC 8230).
    #[must_use]
    pub fn cose(&self) -> Cbor {
        let public = self.public_bytes();
        let bytes = |bytes: &[u8]| Cbor::Bytes(bytes.to_vec());
        let halves = || public[1..].split_at((public.len() - 1) / 2);
        let (kind, own) = match self {
            Self::Rs256(_) => (3, vec![(-1, bytes(&public)), (-2, bytes(&RSA_EXPONENT))]),
            Self::EdDsa(_) => (1, vec![(-1, Cbor::Int(6)), (-2, bytes(&public))]),
            Self::Es256(_) | Self::Es384(_) => {
                let curve = if matches!(self, Self::Es256(_)) { 1 } else { 2 };
                let (x, y) = halves();
                (
                    2,
                    vec![(-1, Cbor::Int(curve)), (-2, bytes(x)), (-3, bytes(y))],
                )
            }
        };
        let common = [
            (1, Cbor::Int(kind)),
            (3, Cbor::Int(self.algorithm().cose())),
        ];
        let labelled = |(label, value)| (Cbor::Int(label), value);
        Cbor::Map(common.into_iter().chain(own).map(labelled).collect())
    }
}

/// Returns the SubjectPublicKeyInfo, DER, of a COSE key of our four algorithms (RFC 5480, RFC 8410, RFC 8017).
pub(crate) fn spki(cose: &Cbor) -> Option<Vec<u8>> {
    let bytes = |label| cose.get(label).and_then(Cbor::as_bytes);
    let (parameters, public) = match cose.get("3").and_then(Cbor::as_int)? {
        -8 => (der::oid(ED25519), bytes("-2")?.to_vec()),
        -257 => {
            let numbers = [der::integer(bytes("-1")?), der::integer(bytes("-2")?)];
            let parameters = [der::oid(RSA_ENCRYPTION), DER_NULL.to_vec()].concat();
            (parameters, der::sequence(&numbers))
        }
        algorithm @ (-7 | -35) => {
            let curve = if algorithm == -7 {
                PRIME256V1
            } else {
                SECP384R1
            };
            let point = [&[4], bytes("-2")?, bytes("-3")?].concat();
            ([der::oid(EC_PUBLIC_KEY), der::oid(curve)].concat(), point)
        }
        _ => return None,
    };
    Some(der::sequence(&[
        der::sequence(&[parameters]),
        der::bit_string(&public),
    ]))
}

/// Reads a P-256 key whose scalar is not of 32 bytes: NSS, and so Firefox, leaves its leading zeros out (RFC 5915, 3, wants them).
fn p256_of_any_length(der: &[u8]) -> Option<p256::ecdsa::SigningKey> {
    let info = p256::pkcs8::PrivateKeyInfoRef::try_from(der).ok()?;
    let parameters = info.algorithm.parameters_oid().ok()?;
    if parameters.as_bytes() != PRIME256V1 {
        return None;
    }
    // ECPrivateKey: a sequence of the version, 1, and the scalar as an octet string.
    let (0x30, [_, 0x02, 0x01, 0x01, 0x04, length, rest @ ..]) = info
        .private_key
        .as_bytes()
        .split_first()
        .map(|(tag, rest)| (*tag, rest))?
    else {
        return None;
    };
    let scalar = rest.get(..usize::from(*length))?;
    let zeros = scalar.iter().take_while(|byte| **byte == 0).count();
    let significant = &scalar[zeros..];
    let mut padded = [0; 32];
    padded
        .get_mut(32_usize.checked_sub(significant.len())?..)?
        .copy_from_slice(significant);
    p256::ecdsa::SigningKey::from_slice(&padded).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use ed25519_dalek::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};

    use super::{EC_PUBLIC_KEY, Key, KeyError, PRIME256V1};
    use crate::seed::Seed;
    use passkey_model::provider::Algorithm;

    #[test]
    fn public_keys_are_encoded_as_their_crates_do() {
        for algorithm in [
            Algorithm::ES256,
            Algorithm::ES384,
            Algorithm::EdDSA,
            Algorithm::RS256,
        ] {
            let key = Key::new(algorithm, &Seed::new(0, "spki")).unwrap();
            let document = match &key {
                Key::Es256(key) => key.verifying_key().to_public_key_der(),
                Key::Es384(key) => key.verifying_key().to_public_key_der(),
                Key::EdDsa(key) => key.verifying_key().to_public_key_der(),
                Key::Rs256(key) => key.to_public_key().to_public_key_der(),
            };
            assert_eq!(key.spki(), document.unwrap().as_bytes(), "{algorithm:?}");
        }
    }

    #[test]
    fn a_private_key_is_read_back_and_signs_the_same() {
        for algorithm in [
            Algorithm::ES256,
            Algorithm::ES384,
            Algorithm::EdDSA,
            Algorithm::RS256,
        ] {
            let key = Key::new(algorithm, &Seed::new(0, "pkcs8")).unwrap();
            let document = match &key {
                Key::Es256(key) => key.to_pkcs8_der(),
                Key::Es384(key) => key.to_pkcs8_der(),
                Key::EdDsa(key) => key.to_pkcs8_der(),
                Key::Rs256(key) => key.to_pkcs8_der(),
            };
            let read = Key::from_pkcs8(document.unwrap().as_bytes()).unwrap();
            assert_eq!(read.spki(), key.spki(), "{algorithm:?}");
            assert_eq!(read.sign(b"m"), key.sign(b"m"), "{algorithm:?}");
        }
    }

    #[test]
    fn a_scalar_without_its_leading_zeros_is_read_all_the_same() {
        for scalar in [[&[0_u8; 2][..], &[7; 30]].concat(), vec![9; 32]] {
            let key = p256::ecdsa::SigningKey::from_slice(&scalar).unwrap();
            let zeros = scalar.iter().take_while(|byte| **byte == 0).count();
            let mut longer = vec![0];
            longer.extend(&scalar);
            for written in [&scalar[zeros..], &longer] {
                let scalar = [&[0x04, written.len() as u8], written].concat();
                let private = [&[0x30, 3 + scalar.len() as u8, 2, 1, 1][..], &scalar].concat();
                let octets = [&[0x04, private.len() as u8][..], &private].concat();
                let oids = [&[0x06, 7], EC_PUBLIC_KEY, &[0x06, 8], PRIME256V1].concat();
                let algorithm = [&[0x30, oids.len() as u8][..], &oids].concat();
                let inside = [&[2, 1, 0][..], &algorithm, &octets].concat();
                let der = [&[0x30, inside.len() as u8][..], &inside].concat();
                let read = Key::from_pkcs8(&der).unwrap();
                let expected = Key::Es256(Box::new(key.clone()));
                assert_eq!(read.public_bytes(), expected.public_bytes());
            }
        }
    }

    #[test]
    fn what_is_no_private_key_is_refused() {
        let key = Key::new(Algorithm::ES256, &Seed::new(0, "pkcs8")).unwrap();
        for bytes in [&[][..], &[0x30, 0x00], &key.spki()] {
            assert!(matches!(Key::from_pkcs8(bytes), Err(KeyError)));
        }
    }
}
