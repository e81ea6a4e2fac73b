//! What signs: the private key of each algorithm, made from a seed.

use std::{convert::Infallible, sync::Arc};

use ed25519_dalek::Signer as _;
use ml_dsa::{Keypair as _, MlDsa44, MlDsa65, MlDsa87};
use passkey_model::provider::Algorithm;
use rsa::{
    RsaPrivateKey, pkcs1v15, pss,
    rand_core::{TryCryptoRng, TryRng},
    sha2::{Digest, Sha256, Sha384, Sha512},
    signature::{RandomizedSigner as _, SignatureEncoding as _, hazmat::PrehashSigner as _},
    traits::PublicKeyParts as _,
};
use sha1::Sha1;

use crate::{rsa_pool, seed::Seed};

/// A private key, of whatever algorithm it is used with.
#[derive(Clone, Debug)]
pub(super) enum Private {
    P256(Box<p256::ecdsa::SigningKey>),
    P384(Box<p384::ecdsa::SigningKey>),
    P521(Box<p521::ecdsa::SigningKey>),
    Secp256k1(Box<k256::ecdsa::SigningKey>),
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Rsa(Arc<RsaPrivateKey>),
    MlDsa44(Arc<ml_dsa::SigningKey<MlDsa44>>),
    MlDsa65(Arc<ml_dsa::SigningKey<MlDsa65>>),
    MlDsa87(Arc<ml_dsa::SigningKey<MlDsa87>>),
}

impl Private {
    /// Makes the key of a seed; nothing where the seed gives no scalar: of P-256 one in 2^32.
    pub(super) fn new(algorithm: Algorithm, seed: &Seed) -> Option<Self> {
        let padded = |zeros: usize, bytes: &[u8]| [&vec![0; zeros], bytes].concat();
        Some(match algorithm {
            Algorithm::ES256 | Algorithm::ESP256 => {
                let scalar = seed.bytes("p256");
                Self::P256(Box::new(p256::ecdsa::SigningKey::from_slice(&scalar).ok()?))
            }
            Algorithm::ES384 | Algorithm::ESP384 => {
                let scalar = padded(16, &seed.bytes("p384"));
                Self::P384(Box::new(p384::ecdsa::SigningKey::from_slice(&scalar).ok()?))
            }
            Algorithm::ES512 | Algorithm::ESP512 => {
                let scalar = padded(34, &seed.bytes("p521"));
                Self::P521(Box::new(p521::ecdsa::SigningKey::from_slice(&scalar).ok()?))
            }
            Algorithm::ES256K => {
                let scalar = seed.bytes("secp256k1");
                Self::Secp256k1(Box::new(k256::ecdsa::SigningKey::from_slice(&scalar).ok()?))
            }
            Algorithm::EdDSA => {
                let secret = seed.bytes("ed25519");
                Self::Ed25519(Box::new(ed25519_dalek::SigningKey::from_bytes(&secret)))
            }
            Algorithm::RS1
            | Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512 => Self::Rsa(rsa_pool::pick(seed)?),
            Algorithm::MlDsa44 => {
                let xi = seed.bytes("ml-dsa-44").into();
                Self::MlDsa44(Arc::new(ml_dsa::SigningKey::from_seed(&xi)))
            }
            Algorithm::MlDsa65 => {
                let xi = seed.bytes("ml-dsa-65").into();
                Self::MlDsa65(Arc::new(ml_dsa::SigningKey::from_seed(&xi)))
            }
            Algorithm::MlDsa87 => {
                let xi = seed.bytes("ml-dsa-87").into();
                Self::MlDsa87(Arc::new(ml_dsa::SigningKey::from_seed(&xi)))
            }
        })
    }

    /// Signs; nothing when the algorithm is one of other keys.
    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
        Some(match self {
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Self::P521(key) => {
                let signature: p521::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Self::Secp256k1(key) => {
                let signature: k256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Self::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Self::Rsa(key) => rsa(key, algorithm, message)?,
            Self::MlDsa44(key) => key.sign(message).encode().to_vec(),
            Self::MlDsa65(key) => key.sign(message).encode().to_vec(),
            Self::MlDsa87(key) => key.sign(message).encode().to_vec(),
        })
    }

    /// Signs what a P-256 key is given as a hash of the message, though it is not SHA-256's; nothing for other keys.
    pub(super) fn sign_hash(&self, hash: &[u8]) -> Option<Vec<u8>> {
        let Self::P256(key) = self else { return None };
        let signature: p256::ecdsa::Signature = key.sign_prehash(hash).ok()?;
        Some(signature.to_der().as_bytes().to_vec())
    }

    /// Returns the public key: an uncompressed point, the modulus of RSA, or the bytes that the others are.
    pub(super) fn public_bytes(&self) -> Vec<u8> {
        match self {
            Self::P256(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::P384(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::P521(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::Secp256k1(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::Ed25519(key) => key.verifying_key().to_bytes().to_vec(),
            Self::Rsa(key) => key.n_bytes().to_vec(),
            Self::MlDsa44(key) => key.verifying_key().encode().to_vec(),
            Self::MlDsa65(key) => key.verifying_key().encode().to_vec(),
            Self::MlDsa87(key) => key.verifying_key().encode().to_vec(),
        }
    }
}

fn rsa(key: &RsaPrivateKey, algorithm: Algorithm, message: &[u8]) -> Option<Vec<u8>> {
    macro_rules! pkcs1 {
        ($hash:ty) => {{
            let key = pkcs1v15::SigningKey::<$hash>::new(key.clone());
            let signature: pkcs1v15::Signature = rsa::signature::Signer::sign(&key, message);
            signature.to_vec()
        }};
    }
    macro_rules! pss {
        ($hash:ty) => {{
            let key = pss::SigningKey::<$hash>::new(key.clone());
            let signature = key.try_sign_with_rng(&mut Salt::of(message), message);
            signature.ok()?.to_vec()
        }};
    }
    Some(match algorithm {
        Algorithm::RS1 => pkcs1!(Sha1),
        Algorithm::RS256 => pkcs1!(Sha256),
        Algorithm::RS384 => pkcs1!(Sha384),
        Algorithm::RS512 => pkcs1!(Sha512),
        Algorithm::PS256 => pss!(Sha256),
        Algorithm::PS384 => pss!(Sha384),
        Algorithm::PS512 => pss!(Sha512),
        _ => return None,
    })
}

/// Gives PSS its salt, from the message, so that a row signs the same twice.
struct Salt {
    message: [u8; 32],
    block: u64,
}

impl Salt {
    fn of(message: &[u8]) -> Self {
        Self {
            message: Sha256::digest(message).into(),
            block: 0,
        }
    }

    fn next<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        let Ok(()) = self.try_fill_bytes(&mut bytes);
        bytes
    }
}

impl TryRng for Salt {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_be_bytes(self.next()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_be_bytes(self.next()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(32) {
            let input = [&self.message[..], &self.block.to_be_bytes()].concat();
            self.block += 1;
            chunk.copy_from_slice(&Sha256::digest(input)[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Salt {}
