//! PIN/UV auth protocols one and two, on the authenticator's side (CTAP 2.1, 6.5.6 and 6.5.7).

use std::ops::Range;

use aes::Aes256;
use cbc::cipher::{
    BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _, block_padding::NoPadding,
};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use p256::{PublicKey, ecdh::diffie_hellman, ecdsa::SigningKey};
use sha2::{Digest as _, Sha256};

use crate::cbor::Cbor;

const BLOCK: usize = 16;
/// ECDH-ES+HKDF-256: the COSE algorithm that key agreement keys name, though it is not what is done (CTAP 2.1, 6.5.6).
const KEY_AGREEMENT_ALGORITHM: i64 = -25;

/// A PIN/UV auth protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinProtocol {
    /// Protocol one: SHA-256, AES-256-CBC with a zero IV, HMAC-SHA-256 cut to 16 bytes (CTAP 2.1, 6.5.6).
    One,
    /// Protocol two: HKDF-SHA-256, AES-256-CBC with an IV of its own, HMAC-SHA-256 (CTAP 2.1, 6.5.7).
    Two,
}

impl PinProtocol {
    /// Returns the number that stands in messages.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    /// Derives the shared secret: of protocol two, the HMAC key and the AES key one after the other (`kdf`).
    pub(super) fn derive(self, z: &[u8]) -> Vec<u8> {
        match self {
            Self::One => Sha256::digest(z).to_vec(),
            Self::Two => {
                let hkdf = Hkdf::<Sha256>::new(Some(&[0; 32]), z);
                let mut secret = vec![0; 64];
                let (hmac_key, aes_key) = secret.split_at_mut(32);
                // HKDF-SHA-256 fails only for outputs over 8,160 bytes.
                let _ = hkdf.expand(b"CTAP2 HMAC key", hmac_key);
                let _ = hkdf.expand(b"CTAP2 AES key", aes_key);
                secret
            }
        }
    }

    /// Encrypts whole blocks under a shared secret; nothing when they are none. Protocol one leaves `iv` unused.
    pub(super) fn encrypt(self, secret: &[u8], iv: [u8; BLOCK], plain: &[u8]) -> Option<Vec<u8>> {
        if !plain.len().is_multiple_of(BLOCK) {
            return None;
        }
        let (start, written) = match self {
            Self::One => ([0; BLOCK], &[][..]),
            Self::Two => (iv, &iv[..]),
        };
        let cipher = cbc::Encryptor::<Aes256>::new_from_slices(self.aes_key(secret)?, &start);
        let encrypted = cipher.ok()?.encrypt_padded_vec::<NoPadding>(plain);
        Some([written, &encrypted].concat())
    }

    /// Decrypts what `encrypt` made; nothing when it is anything else.
    pub(super) fn decrypt(self, secret: &[u8], encrypted: &[u8]) -> Option<Vec<u8>> {
        let (iv, encrypted) = match self {
            Self::One => (&[0; BLOCK][..], encrypted),
            Self::Two => encrypted.split_at_checked(BLOCK)?,
        };
        let cipher = cbc::Decryptor::<Aes256>::new_from_slices(self.aes_key(secret)?, iv).ok()?;
        cipher.decrypt_padded_vec::<NoPadding>(encrypted).ok()
    }

    /// Makes the MAC of a message under a shared secret or a pinUvAuthToken.
    pub(super) fn authenticate(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        let (key, length) = match self {
            Self::One => (key, 16),
            Self::Two => (key.get(..32).unwrap_or(key), 32),
        };
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
            return Vec::new();
        };
        mac.update(message);
        mac.finalize().into_bytes()[..length].to_vec()
    }

    /// Tells whether this is the MAC of a message.
    pub(super) fn verify(self, key: &[u8], message: &[u8], mac: &[u8]) -> bool {
        !mac.is_empty() && self.authenticate(key, message) == mac
    }

    fn aes_key(self, secret: &[u8]) -> Option<&[u8]> {
        match self {
            Self::One => secret.get(..32),
            Self::Two => secret.get(32..64),
        }
    }
}

/// Returns the public key that `getPublicKey` gives (CTAP 2.1, 6.5.6).
pub(super) fn public_cose(own: &SigningKey) -> Cbor {
    let point = own.verifying_key().to_sec1_point(false);
    let half = |range: Range<usize>| {
        let half = point.as_bytes().get(range);
        Cbor::Bytes(half.unwrap_or_default().to_vec())
    };
    let members = [
        (1, Cbor::Int(2)),
        (3, Cbor::Int(KEY_AGREEMENT_ALGORITHM)),
        (-1, Cbor::Int(1)),
        (-2, half(1..33)),
        (-3, half(33..65)),
    ];
    super::labelled(members)
}

/// Returns the x-coordinate of the point that both sides share; nothing when the peer's key is none (`ecdh`).
pub(super) fn shared_point(own: &SigningKey, peer: &Cbor) -> Option<Vec<u8>> {
    let int = |label| peer.get(label).and_then(Cbor::as_int);
    if int("1") != Some(2) || int("3") != Some(KEY_AGREEMENT_ALGORITHM) || int("-1") != Some(1) {
        return None;
    }
    let half = |label| peer.get(label).and_then(Cbor::as_bytes);
    let point = [&[4], half("-2")?, half("-3")?].concat();
    let public = PublicKey::from_sec1_bytes(&point).ok()?;
    let shared = diffie_hellman(own.as_nonzero_scalar(), public.as_affine());
    Some(shared.raw_secret_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

    use passkey_model::provider::Algorithm;
    use proptest::prelude::*;

    use super::{PinProtocol, public_cose, shared_point};
    use crate::{cbor::Cbor, key::Key, seed::Seed};

    fn any_protocol() -> impl Strategy<Value = PinProtocol> {
        prop::sample::select(vec![PinProtocol::One, PinProtocol::Two])
    }

    fn signing(name: &str) -> Box<p256::ecdsa::SigningKey> {
        let key = Key::new(Algorithm::ES256, &Seed::new(0, name)).unwrap();
        Box::new(key.p256().unwrap().clone())
    }

    proptest! {
        #[test]
        fn what_is_encrypted_is_decrypted(
            protocol in any_protocol(),
            z: [u8; 32],
            iv: [u8; 16],
            blocks in prop::collection::vec(any::<[u8; 16]>(), 0..5),
        ) {
            let (secret, plain) = (protocol.derive(&z), blocks.concat());
            let encrypted = protocol.encrypt(&secret, iv, &plain).unwrap();
            prop_assert_eq!(protocol.decrypt(&secret, &encrypted), Some(plain));
        }

        #[test]
        fn what_is_no_whole_number_of_blocks_is_refused(
            protocol in any_protocol(),
            z: [u8; 32],
            rest in 1_usize..16,
        ) {
            let (secret, bytes) = (protocol.derive(&z), vec![0; 32 + rest]);
            prop_assert_eq!(protocol.encrypt(&secret, [0; 16], &bytes), None);
            prop_assert_eq!(protocol.decrypt(&secret, &bytes), None);
        }

        #[test]
        fn a_mac_is_of_its_message_and_key_alone(
            protocol in any_protocol(),
            z: [u8; 32],
            message in prop::collection::vec(any::<u8>(), 1..80),
            at: prop::sample::Index,
        ) {
            let secret = protocol.derive(&z);
            let mac = protocol.authenticate(&secret, &message);
            prop_assert!(protocol.verify(&secret, &message, &mac));
            let mut other = message.clone();
            other[at.index(message.len())] ^= 1;
            prop_assert!(!protocol.verify(&secret, &other, &mac));
            prop_assert!(!protocol.verify(&protocol.derive(&message), &message, &mac));
            prop_assert!(!protocol.verify(&secret, &message, &mac[..mac.len() - 1]));
        }
    }

    #[test]
    fn both_sides_agree_on_a_point() {
        let (one, other) = (signing("one"), signing("other"));
        let shared = shared_point(&one, &public_cose(&other));
        assert!(shared.is_some());
        assert_eq!(shared, shared_point(&other, &public_cose(&one)));
    }

    #[test]
    fn a_point_that_is_not_on_the_curve_is_refused() {
        let own = signing("one");
        let mut peer = public_cose(&signing("other"));
        let Cbor::Map(members) = &mut peer else {
            panic!("a COSE key is a map")
        };
        members[4].1 = Cbor::Bytes(vec![1; 32]);
        assert_eq!(shared_point(&own, &peer), None);
    }
}
