//! Credential keys: made from a seed, encoded as COSE keys, deterministic in what they sign.

use ed25519_dalek::Signer as _;
use passkey_model::provider::Algorithm;

use crate::{cbor::Cbor, seed::Seed};

/// A private key of one algorithm.
#[derive(Clone, Debug)]
pub enum Key {
    /// ECDSA on P-256 with SHA-256.
    Es256(Box<p256::ecdsa::SigningKey>),
    /// ECDSA on P-384 with SHA-384.
    Es384(Box<p384::ecdsa::SigningKey>),
    /// Ed25519.
    EdDsa(Box<ed25519_dalek::SigningKey>),
}

impl Key {
    /// Makes the key of a seed; nothing for an algorithm that is not built.
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
            Algorithm::RS256 => None,
        }
    }

    /// Returns the algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Es256(_) => Algorithm::ES256,
            Self::Es384(_) => Algorithm::ES384,
            Self::EdDsa(_) => Algorithm::EdDSA,
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
        }
    }

    /// Returns the public key as an uncompressed point, or as the 32 bytes of Ed25519.
    #[must_use]
    pub fn public_bytes(&self) -> Vec<u8> {
        match self {
            Self::Es256(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::Es384(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::EdDsa(key) => key.verifying_key().to_bytes().to_vec(),
        }
    }

    /// Returns the COSE key, labels in canonical order (WebAuthn L3, 5.8.5; RFC 9053).
    #[must_use]
    pub fn cose(&self) -> Cbor {
        let point = self.public_bytes();
        let entry = |label: i64, value| (Cbor::Int(label), value);
        let algorithm = entry(3, Cbor::Int(self.algorithm().cose()));
        let curve = match self {
            Self::Es256(_) => 1,
            Self::Es384(_) => 2,
            Self::EdDsa(_) => 6,
        };
        if matches!(self, Self::EdDsa(_)) {
            return Cbor::Map(vec![
                entry(1, Cbor::Int(1)),
                algorithm,
                entry(-1, Cbor::Int(curve)),
                entry(-2, Cbor::Bytes(point)),
            ]);
        }
        let (x, y) = point[1..].split_at((point.len() - 1) / 2);
        Cbor::Map(vec![
            entry(1, Cbor::Int(2)),
            algorithm,
            entry(-1, Cbor::Int(curve)),
            entry(-2, Cbor::Bytes(x.to_vec())),
            entry(-3, Cbor::Bytes(y.to_vec())),
        ])
    }
}
