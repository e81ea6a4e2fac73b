//! Reads what authenticators send: base64url, authenticator data, COSE keys.

use std::io::Read;

use aws_lc_rs::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ciborium::Value as Cbor;

const DEEPEST_CBOR: usize = 16;

/// Decodes base64url without padding.
pub(crate) fn base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Encodes base64url without padding.
pub(crate) fn to_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes one CBOR value and leaves the reader behind it.
pub(crate) fn cbor(reader: &mut &[u8]) -> Option<Cbor> {
    ciborium::de::from_reader_with_recursion_limit(reader, DEEPEST_CBOR).ok()
}

/// Finds a member of a CBOR map by its text key.
pub(crate) fn member<'a>(map: &'a Cbor, name: &str) -> Option<&'a Cbor> {
    map.as_map()?
        .iter()
        .find(|(key, _)| key.as_text() == Some(name))
        .map(|(_, value)| value)
}

/// Authenticator data (WebAuthn L3, 6.1).
#[derive(Clone, Debug)]
pub(crate) struct AuthenticatorData {
    pub bytes: Vec<u8>,
    pub rp_id_hash: [u8; 32],
    pub flags: u8,
    pub sign_count: u32,
    pub attested: Option<Attested>,
}

/// Attested credential data (6.5.1).
#[derive(Clone, Debug)]
pub(crate) struct Attested {
    pub aaguid: [u8; 16],
    pub credential_id: Vec<u8>,
    pub key: CoseKey,
}

impl AuthenticatorData {
    pub(crate) const UP: u8 = 0x01;
    pub(crate) const UV: u8 = 0x04;
    pub(crate) const BE: u8 = 0x08;
    pub(crate) const BS: u8 = 0x10;
    const AT: u8 = 0x40;
    const ED: u8 = 0x80;

    /// Parses the bytes; every one has to be accounted for by the flags.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let mut rest = bytes;
        let rp_id_hash = take(&mut rest).ok_or("authenticator data is shorter than 37 bytes")?;
        let [flags] = take(&mut rest).ok_or("authenticator data is shorter than 37 bytes")?;
        let count = take(&mut rest).ok_or("authenticator data is shorter than 37 bytes")?;
        let attested = if flags & Self::AT == 0 {
            None
        } else {
            Some(Attested::parse(&mut rest)?)
        };
        if flags & Self::ED != 0 {
            let extensions = cbor(&mut rest).ok_or("the extensions are no CBOR")?;
            extensions.as_map().ok_or("the extensions are no map")?;
        }
        if !rest.is_empty() {
            return Err("authenticator data has bytes that its flags do not announce");
        }
        let sign_count = u32::from_be_bytes(count);
        Ok(Self {
            bytes: bytes.to_vec(),
            rp_id_hash,
            flags,
            sign_count,
            attested,
        })
    }

    pub(crate) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

impl Attested {
    fn parse(rest: &mut &[u8]) -> Result<Self, &'static str> {
        let aaguid = take(rest).ok_or("the AAGUID is cut off")?;
        let length = take(rest)
            .map(u16::from_be_bytes)
            .ok_or("the credential ID's length is cut off")?;
        let (id, after) = rest
            .split_at_checked(length.into())
            .ok_or("the credential ID is longer than the data")?;
        *rest = after;
        if id.is_empty() {
            return Err("the credential ID is empty");
        }
        let key = cbor(rest).ok_or("the credential public key is no CBOR")?;
        Ok(Self {
            aaguid,
            credential_id: id.to_vec(),
            key: CoseKey::parse(&key)?,
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    rest.read_exact(&mut bytes).ok().map(|()| bytes)
}

/// A credential public key (5.8.5) whose shape is that of its algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CoseKey {
    pub algorithm: i64,
    material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    Point(Vec<u8>),
    Ed25519(Vec<u8>),
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl CoseKey {
    fn parse(key: &Cbor) -> Result<Self, &'static str> {
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
        let bytes = |label| get(label).and_then(Cbor::as_bytes).cloned();
        let algorithm = int(3).ok_or("the credential public key has no algorithm")?;
        let missing = "the credential public key lacks a parameter of its type";
        let material = match (algorithm, int(1), int(-1)) {
            (-7, Some(2), Some(1)) => point(bytes(-2), bytes(-3), 32)?,
            (-35, Some(2), Some(2)) => point(bytes(-2), bytes(-3), 48)?,
            (-8, Some(1), Some(6)) => {
                Material::Ed25519(bytes(-2).filter(|x| x.len() == 32).ok_or(missing)?)
            }
            (-257, Some(3), _) => Material::Rsa {
                n: bytes(-1).ok_or(missing)?,
                e: bytes(-2).ok_or(missing)?,
            },
            (-7 | -35 | -8 | -257, ..) => {
                return Err("key type or curve are not those of the algorithm");
            }
            _ => {
                return Ok(Self {
                    algorithm,
                    material: Material::Ed25519(Vec::new()),
                });
            }
        };
        Ok(Self {
            algorithm,
            material,
        })
    }

    /// Tells whether a signature over a message is the key's.
    pub(crate) fn verifies(&self, message: &[u8], sig: &[u8]) -> bool {
        let verified = match (&self.material, self.algorithm) {
            (Material::Point(point), -7) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, point)
                    .verify(message, sig)
            }
            (Material::Point(point), -35) => {
                UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_ASN1, point)
                    .verify(message, sig)
            }
            (Material::Ed25519(key), -8) => {
                UnparsedPublicKey::new(&signature::ED25519, key).verify(message, sig)
            }
            (Material::Rsa { n, e }, -257) => RsaPublicKeyComponents { n, e }.verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                message,
                sig,
            ),
            _ => return false,
        };
        verified.is_ok()
    }
}

fn point(x: Option<Vec<u8>>, y: Option<Vec<u8>>, length: usize) -> Result<Material, &'static str> {
    match (x, y) {
        (Some(x), Some(y)) if x.len() == length && y.len() == length => {
            Ok(Material::Point([vec![4], x, y].concat()))
        }
        _ => {
            Err("the point is compressed, or its coordinates have another length than the curve's")
        }
    }
}
