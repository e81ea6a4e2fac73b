//! Credential keys: made from a seed, encoded as COSE keys, deterministic in what they sign.

mod private;
mod public;

use std::sync::Arc;

use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use passkey_model::provider::Algorithm;
use rsa::{BoxedUint, RsaPrivateKey, traits::PublicKeyParts as _};
use sha1::Sha1;
use sha2::{Digest as _, Sha384};

use crate::{cbor::Cbor, seed::Seed};
use private::Private;
use public::PRIME256V1;
pub(crate) use public::spki;

/// A key that cannot be read: the fault of whoever exported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not the PKCS#8 (DER) of a P-256, P-384, Ed25519 or RSA (exponent 65537) private key: export another kind of key"
)]
pub struct KeyError;

/// A private key of one algorithm.
#[derive(Clone, Debug)]
pub struct Key {
    algorithm: Algorithm,
    private: Private,
}

/// Another way to sign than the algorithm's own, with the same private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// SHA-1 in the place of the algorithm's hash.
    Sha1,
    /// SHA-384 in the place of the algorithm's hash.
    Sha384,
    /// RSASSA-PSS with SHA-256.
    Pss,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Pkcs1,
}

impl Key {
    /// Makes the key of a seed; nothing only when eight draws in a row are no scalar.
    #[must_use]
    pub fn new(algorithm: Algorithm, seed: &Seed) -> Option<Self> {
        let draw = |attempt| Private::new(algorithm, &seed.derive(&format!("key {attempt}")));
        let private = (0..8).find_map(draw)?;
        Some(Self { algorithm, private })
    }

    /// Reads a key from PKCS#8, DER (RFC 5208, RFC 5958), as WebDriver's Get Credentials gives it (WebAuthn L3, 11.6).
    ///
    /// # Errors
    /// When the bytes are anything else, or the key of another algorithm.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let (algorithm, private) = if let Ok(key) = p256::ecdsa::SigningKey::from_pkcs8_der(der) {
            (Algorithm::ES256, Private::P256(Box::new(key)))
        } else if let Some(key) = p256_of_any_length(der) {
            (Algorithm::ES256, Private::P256(Box::new(key)))
        } else if let Ok(key) = p384::ecdsa::SigningKey::from_pkcs8_der(der) {
            (Algorithm::ES384, Private::P384(Box::new(key)))
        } else if let Ok(key) = ed25519_dalek::SigningKey::from_pkcs8_der(der) {
            (Algorithm::EdDSA, Private::Ed25519(Box::new(key)))
        } else {
            let key = RsaPrivateKey::from_pkcs8_der(der).ok();
            let key = key.filter(|key| *key.e() == BoxedUint::from(65_537_u32));
            (
                Algorithm::RS256,
                Private::Rsa(Arc::new(key.ok_or(KeyError)?)),
            )
        };
        Ok(Self { algorithm, private })
    }

    /// Returns the algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the key if it is on P-256, for key agreement.
    pub(crate) fn p256(&self) -> Option<&p256::ecdsa::SigningKey> {
        match &self.private {
            Private::P256(key) => Some(key),
            _ => None,
        }
    }

    /// Signs a message: ECDSA as DER with RFC 6979, the others as their bytes are (WebAuthn L3, 6.5.5).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.private
            .sign(self.algorithm, message)
            .unwrap_or_default()
    }

    /// Signs a message with the hash or the padding of another algorithm; nothing where there is none for this key.
    pub(crate) fn sign_otherwise(&self, how: Otherwise, message: &[u8]) -> Option<Vec<u8>> {
        let rsa = matches!(self.private, Private::Rsa(_));
        match how {
            Otherwise::Sha1 if rsa => self.private.sign(Algorithm::RS1, message),
            Otherwise::Sha384 if rsa => self.private.sign(Algorithm::RS384, message),
            Otherwise::Sha1 => self.private.sign_hash(&Sha1::digest(message)),
            Otherwise::Sha384 => self.private.sign_hash(&Sha384::digest(message)),
            Otherwise::Pss | Otherwise::Pkcs1 if !rsa => None,
            Otherwise::Pss => self.private.sign(Algorithm::PS256, message),
            Otherwise::Pkcs1 => self.private.sign(Algorithm::RS256, message),
        }
    }

    /// Returns the public key as an uncompressed point, as the modulus of RSA, or as the bytes that the others are.
    #[must_use]
    pub fn public_bytes(&self) -> Vec<u8> {
        self.private.public_bytes()
    }

    /// Makes an ES256 key of the 32 bytes of its scalar; nothing when they are none.
    #[must_use]
    pub fn es256(scalar: &[u8]) -> Option<Self> {
        let key = p256::ecdsa::SigningKey::from_slice(scalar).ok()?;
        Some(Self {
            algorithm: Algorithm::ES256,
            private: Private::P256(Box::new(key)),
        })
    }

    /// Returns the SubjectPublicKeyInfo, DER, as `getPublicKey()` does (WebAuthn L3, 5.2.1.1).
    #[must_use]
    pub fn spki(&self) -> Vec<u8> {
        spki(&self.cose()).unwrap_or_default()
    }

    /// Returns the COSE key, labels in canonical order (WebAuthn L3, 5.8.5 and 6.5.1).
    #[must_use]
    pub fn cose(&self) -> Cbor {
        public::cose(self.algorithm, &self.public_bytes())
    }
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

    use super::{
        Key, KeyError, Otherwise,
        private::Private,
        public::{EC_PUBLIC_KEY, PRIME256V1},
    };
    use crate::seed::Seed;
    use passkey_model::provider::Algorithm;

    const READ_BACK: [Algorithm; 4] = [
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::EdDSA,
        Algorithm::RS256,
    ];

    fn seeded(algorithm: Algorithm) -> Key {
        Key::new(algorithm, &Seed::new(0, "keys")).unwrap()
    }

    #[test]
    fn public_keys_are_encoded_as_their_crates_do() {
        for algorithm in READ_BACK {
            let key = seeded(algorithm);
            let document = match &key.private {
                Private::P256(key) => key.verifying_key().to_public_key_der(),
                Private::P384(key) => key.verifying_key().to_public_key_der(),
                Private::Ed25519(key) => key.verifying_key().to_public_key_der(),
                Private::Rsa(key) => key.to_public_key().to_public_key_der(),
                _ => panic!("is not read back"),
            };
            assert_eq!(key.spki(), document.unwrap().as_bytes(), "{algorithm:?}");
        }
    }

    #[test]
    fn a_private_key_is_read_back_and_signs_the_same() {
        for algorithm in READ_BACK {
            let key = seeded(algorithm);
            let document = match &key.private {
                Private::P256(key) => key.to_pkcs8_der(),
                Private::P384(key) => key.to_pkcs8_der(),
                Private::Ed25519(key) => key.to_pkcs8_der(),
                Private::Rsa(key) => key.to_pkcs8_der(),
                _ => panic!("is not read back"),
            };
            let read = Key::from_pkcs8(document.unwrap().as_bytes()).unwrap();
            assert_eq!(read.spki(), key.spki(), "{algorithm:?}");
            assert_eq!(read.sign(b"m"), key.sign(b"m"), "{algorithm:?}");
        }
    }

    #[test]
    fn every_algorithm_has_a_key_that_signs_the_same_twice_and_another_message_otherwise() {
        for (algorithm, length) in [
            (Algorithm::ES512, None),
            (Algorithm::ES256K, None),
            (Algorithm::ESP256, None),
            (Algorithm::ESP384, None),
            (Algorithm::ESP512, None),
            (Algorithm::RS1, Some(256)),
            (Algorithm::RS384, Some(256)),
            (Algorithm::RS512, Some(256)),
            (Algorithm::PS256, Some(256)),
            (Algorithm::PS384, Some(256)),
            (Algorithm::PS512, Some(256)),
            (Algorithm::MlDsa44, Some(2420)),
            (Algorithm::MlDsa65, Some(3309)),
            (Algorithm::MlDsa87, Some(4627)),
        ] {
            let key = seeded(algorithm);
            assert_eq!(key.algorithm(), algorithm);
            let signature = key.sign(b"m");
            assert!(length.is_none_or(|length| signature.len() == length));
            assert_eq!(signature, key.sign(b"m"), "{algorithm:?}");
            assert_ne!(signature, key.sign(b"n"), "{algorithm:?}");
            assert!(!key.spki().is_empty(), "{algorithm:?}");
            assert!(crate::cbor::Cbor::decode_canonical(&key.cose().encode()).is_some());
        }
    }

    #[test]
    fn a_key_signs_otherwise_only_as_keys_of_its_kind_do() {
        let (ec, rsa, ed) = (
            seeded(Algorithm::ES256),
            seeded(Algorithm::RS256),
            seeded(Algorithm::EdDSA),
        );
        for hash in [Otherwise::Sha1, Otherwise::Sha384] {
            assert_ne!(ec.sign_otherwise(hash, b"m"), Some(ec.sign(b"m")));
            assert!(ec.sign_otherwise(hash, b"m").is_some());
            assert_eq!(ed.sign_otherwise(hash, b"m"), None);
        }
        assert_eq!(ec.sign_otherwise(Otherwise::Pss, b"m"), None);
        assert_eq!(
            rsa.sign_otherwise(Otherwise::Pkcs1, b"m"),
            Some(rsa.sign(b"m"))
        );
        let pss = seeded(Algorithm::PS256);
        assert_eq!(
            rsa.sign_otherwise(Otherwise::Pss, b"m"),
            Some(pss.sign(b"m"))
        );
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
                assert_eq!(
                    read.public_bytes(),
                    key.verifying_key().to_sec1_point(false).as_bytes()
                );
            }
        }
    }

    #[test]
    fn what_is_no_private_key_is_refused() {
        let key = seeded(Algorithm::ES256);
        for bytes in [&[][..], &[0x30, 0x00], &key.spki()] {
            assert!(matches!(Key::from_pkcs8(bytes), Err(KeyError)));
        }
    }
}
