//! Credential public keys (WebAuthn L3, 5.8.5 and 6.5.1; RFC 9053, RFC 8230, RFC 8812, RFC 9864, RFC 9964).

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{ParsedPublicKey, RsaPublicKeyComponents, UnparsedPublicKey},
};
use ciborium::Value as Cbor;

use super::{
    any_cbor, cbor,
    signature::{self, any_encoding, at_width, other_hashes, verification},
};
use crate::defects::{Defect, Defects};

/// What stands before the point in the SubjectPublicKeyInfo of a P-256 key (RFC 5480).
const P256_INFO: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
const MISSING: &str = "the credential public key lacks a parameter of its type";
const OTHER_CURVE: &str = "key type or curve are not those of the algorithm";
const EDDSA: i64 = -8;
/// COSE key types.
const OKP: i64 = 1;
const EC2: i64 = 2;
const RSA: i64 = 3;
const AKP: i64 = 7;

/// A credential public key whose shape is that of its algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CoseKey {
    pub algorithm: i64,
    material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    /// An uncompressed point or the bytes of another key, and the algorithm that it is a key of.
    Raw { bytes: Vec<u8>, of: i64 },
    /// The modulus and the exponent of an RSA key.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// Of an algorithm that this relying party cannot verify.
    Unsupported,
}

/// What an algorithm demands of its key: key type, curve, bytes of a coordinate.
#[derive(Clone, Copy)]
struct Curve {
    key_type: i64,
    curve: i64,
    length: usize,
}

const fn curve(algorithm: i64) -> Option<Curve> {
    let (key_type, curve, length) = match algorithm {
        -7 | -9 => (EC2, 1, 32),
        -35 | -51 => (EC2, 2, 48),
        -36 | -52 => (EC2, 3, 66),
        -47 => (EC2, 8, 32),
        EDDSA | -19 => (OKP, 6, 32),
        _ => return None,
    };
    Some(Curve {
        key_type,
        curve,
        length,
    })
}

/// The bytes of an ML-DSA public key (FIPS 204, table 2).
const fn ml_dsa_length(algorithm: i64) -> Option<usize> {
    match algorithm {
        -48 => Some(1312),
        -49 => Some(1952),
        -50 => Some(2592),
        _ => None,
    }
}

/// The parameters of a key, by their labels.
#[derive(Clone, Copy)]
struct Parameters<'a>(&'a [(Cbor, Cbor)]);

impl<'a> Parameters<'a> {
    fn get(self, label: i64) -> Option<&'a Cbor> {
        let entry = self
            .0
            .iter()
            .find(|(key, _)| key.as_integer() == Some(label.into()));
        entry.map(|(_, value)| value)
    }

    fn int(self, label: i64) -> Option<i64> {
        let value = self.get(label).and_then(Cbor::as_integer)?;
        i64::try_from(value).ok()
    }

    fn bytes(self, label: i64) -> Option<&'a [u8]> {
        self.get(label).and_then(Cbor::as_bytes).map(Vec::as_slice)
    }
}

impl CoseKey {
    /// Takes a key off what follows the credential ID.
    pub(crate) fn parse(rest: &mut &[u8], defects: &Defects) -> Result<Self, &'static str> {
        let before = *rest;
        let careless = defects.has(Defect::KeyEncodingNotChecked);
        let key = if careless {
            any_cbor(rest)
        } else {
            cbor(rest, defects)
        };
        let key = key.ok_or("the credential public key is no CBOR")?;
        let bytes = &before[..before.len() - rest.len()];
        let entries = key.as_map().ok_or("the credential public key is no map")?;
        let parameters = Parameters(entries);
        let algorithm = parameters
            .int(3)
            .ok_or("the credential public key has no algorithm")?;
        let key_type = parameters
            .int(1)
            .ok_or("the credential public key has no key type")?;
        if !careless {
            is_canonical(&key, bytes)
                .then_some(())
                .ok_or("the credential public key is not in CTAP2's canonical form")?;
        }
        let material = material(algorithm, key_type, parameters, defects)?;
        if !careless && demanded(algorithm).is_some_and(|demanded| entries.len() > demanded) {
            return Err("the credential public key has more parameters than its type demands");
        }
        let key = Self {
            algorithm,
            material,
        };
        (defects.has(Defect::KeyNotValidated) || key.is_valid())
            .then_some(key)
            .ok_or("the credential public key is not valid")
    }

    /// Reads a SubjectPublicKeyInfo as a key of this algorithm.
    pub(crate) fn of_key_info(algorithm: i64, key_info: Vec<u8>) -> Option<Self> {
        let material = Material::Raw {
            bytes: key_info,
            of: algorithm,
        };
        let key = Self {
            algorithm,
            material,
        };
        key.is_valid().then_some(key)
    }

    /// Tells whether the key is one: a point has to lie on its curve, and in no small group; an exponent and a modulus
    /// have to be of use.
    fn is_valid(&self) -> bool {
        match &self.material {
            Material::Raw { bytes, of } => verification(*of).is_none_or(|algorithm| {
                ParsedPublicKey::new(algorithm, bytes).is_ok()
                    && !(curve(*of).is_some_and(|curve| curve.key_type == OKP)
                        && is_of_small_order(bytes))
            }),
            Material::Rsa { n, e } => is_strong(n, e),
            Material::Unsupported => true,
        }
    }

    /// Returns the key as `getPublicKey()` does (WebAuthn L3, 5.2.1.1), if it is a P-256 one.
    pub(crate) fn subject_public_key_info(&self) -> Option<Vec<u8>> {
        match &self.material {
            Material::Raw { bytes, of: -7 } => Some([P256_INFO, bytes].concat()),
            _ => None,
        }
    }

    /// Returns what tells the key from others: a SHA-256.
    pub(crate) fn fingerprint(&self) -> Vec<u8> {
        let bytes = match &self.material {
            Material::Raw { bytes, .. } => bytes.clone(),
            Material::Rsa { n, e } => [n.as_slice(), e].concat(),
            Material::Unsupported => Vec::new(),
        };
        digest(&SHA256, &bytes).as_ref().to_vec()
    }

    /// Tells whether a signature over a message is the key's.
    pub(crate) fn verifies(&self, message: &[u8], sig: &[u8]) -> bool {
        match &self.material {
            Material::Raw { bytes, of } => verification(*of).is_some_and(|algorithm| {
                UnparsedPublicKey::new(algorithm, bytes)
                    .verify(message, sig)
                    .is_ok()
            }),
            Material::Rsa { n, e } => verifies_with_rsa(self.algorithm, (n, e), message, sig),
            Material::Unsupported => false,
        }
    }

    /// Tells whether a signature passes where a defect lets more pass than the key's own.
    pub(crate) fn verifies_carelessly(
        &self,
        message: &[u8],
        sig: &[u8],
        defects: &Defects,
    ) -> bool {
        let any_scheme = defects.has(Defect::SignatureSchemeNotBound);
        let any_form = defects.has(Defect::SignatureEncodingNotChecked);
        match &self.material {
            Material::Raw { bytes, .. } => {
                let verifies = |algorithm, sig: &[u8]| {
                    let key = UnparsedPublicKey::new(algorithm, bytes);
                    key.verify(message, sig).is_ok()
                };
                let mut hashes = other_hashes(self.algorithm).iter();
                (any_scheme && hashes.any(|algorithm| verifies(*algorithm, sig)))
                    || (any_form
                        && any_encoding(self.algorithm, sig)
                            .is_some_and(|(algorithm, sig)| verifies(algorithm, &sig)))
            }
            Material::Rsa { n, e } => {
                let verifies = |other: &i64| verifies_with_rsa(*other, (n, e), message, sig);
                any_scheme && signature::RSA.iter().any(verifies)
            }
            Material::Unsupported => false,
        }
    }
}

fn verifies_with_rsa(
    algorithm: i64,
    (n, e): (&Vec<u8>, &Vec<u8>),
    message: &[u8],
    sig: &[u8],
) -> bool {
    let components = RsaPublicKeyComponents { n, e };
    signature::rsa(algorithm)
        .is_some_and(|parameters| components.verify(parameters, message, sig).is_ok())
}

/// Returns what an algorithm demands of a key, taken out of its parameters.
fn material(
    algorithm: i64,
    key_type: i64,
    parameters: Parameters<'_>,
    defects: &Defects,
) -> Result<Material, &'static str> {
    let any_type = defects.has(Defect::KeyCurveNotCompared);
    if let Some(wanted) = curve(algorithm) {
        let named = (key_type, parameters.int(-1));
        if any_type || named == (wanted.key_type, Some(wanted.curve)) {
            return point(algorithm, wanted, parameters, defects);
        }
        let of_key = key_and_curve(named).filter(|_| defects.has(Defect::KeyCurveDecides));
        let (of, curve) = of_key.ok_or(OTHER_CURVE)?;
        return point(of, curve, parameters, defects);
    }
    if signature::rsa(algorithm).is_some() {
        if key_type != RSA && !any_type {
            return Err(OTHER_CURVE);
        }
        let number = |label| parameters.bytes(label).map(<[u8]>::to_vec).ok_or(MISSING);
        return Ok(Material::Rsa {
            n: number(-1)?,
            e: number(-2)?,
        });
    }
    let Some(length) = ml_dsa_length(algorithm) else {
        return Ok(Material::Unsupported);
    };
    if key_type != AKP && !any_type {
        return Err(OTHER_CURVE);
    }
    let public = parameters.bytes(-1).filter(|bytes| bytes.len() == length);
    Ok(Material::Raw {
        bytes: public
            .ok_or("the ML-DSA key has another length than its parameter set's")?
            .to_vec(),
        of: algorithm,
    })
}

/// Returns the algorithm that a key of this type and curve is mostly used with.
fn key_and_curve(named: (i64, Option<i64>)) -> Option<(i64, Curve)> {
    let mut algorithms = [-7, -35, -36, -47, EDDSA].into_iter();
    algorithms.find_map(|algorithm| {
        let curve = curve(algorithm)?;
        (named == (curve.key_type, Some(curve.curve))).then_some((algorithm, curve))
    })
}

fn point(
    of: i64,
    curve: Curve,
    parameters: Parameters<'_>,
    defects: &Defects,
) -> Result<Material, &'static str> {
    let x = coordinate(parameters.bytes(-2), curve.length, defects)?;
    let compressed = parameters
        .get(-3)
        .and_then(Cbor::as_bool)
        .filter(|_| defects.has(Defect::CoordinateLengthNotChecked));
    let bytes = match compressed {
        _ if curve.key_type == OKP => x,
        Some(odd) => [&[2 + u8::from(odd)], &x[..]].concat(),
        None => {
            let y = coordinate(parameters.bytes(-3), curve.length, defects)?;
            [&[4], &x[..], &y].concat()
        }
    };
    Ok(Material::Raw { bytes, of })
}

fn coordinate(
    bytes: Option<&[u8]>,
    length: usize,
    defects: &Defects,
) -> Result<Vec<u8>, &'static str> {
    let any_length = defects.has(Defect::CoordinateLengthNotChecked);
    let padded = bytes.and_then(|bytes| {
        if any_length {
            at_width(bytes, length)
        } else {
            (bytes.len() == length).then(|| bytes.to_vec())
        }
    });
    padded.ok_or("the point is compressed, or its coordinates have another length than the curve's")
}

/// Returns how many parameters a key of an algorithm has to have, alg among them.
fn demanded(algorithm: i64) -> Option<usize> {
    match curve(algorithm) {
        Some(Curve { key_type: EC2, .. }) => Some(5),
        Some(_) => Some(4),
        None if signature::rsa(algorithm).is_some() => Some(4),
        None => ml_dsa_length(algorithm).map(|_| 3),
    }
}

/// Tells whether a map is encoded as CTAP2 encodes: shortest heads, definite lengths, sorted keys (CTAP 2.1, 8).
fn is_canonical(map: &Cbor, bytes: &[u8]) -> bool {
    let encoded = |value: &Cbor| {
        let mut out = Vec::new();
        ciborium::into_writer(value, &mut out).ok().map(|()| out)
    };
    let rank = |(key, _): &(Cbor, Cbor)| {
        encoded(key).map(|key| (key.first().map(|head| head >> 5), key.len(), key))
    };
    let sorted = map
        .as_map()
        .is_some_and(|entries| entries.iter().map(rank).is_sorted());
    sorted && encoded(map).as_deref() == Some(bytes)
}

/// Takes exponents that RFC 8017 allows, and moduli between 2048 (RFC 8812, 2) and 8192 bits.
fn is_strong(n: &[u8], e: &[u8]) -> bool {
    let small = e.iter().all(|byte| *byte == 0) || e == [1];
    let odd = e.last().is_some_and(|last| last % 2 == 1);
    (256..=1024).contains(&n.len()) && n[0] != 0 && odd && !small
}

/// Tells whether an Ed25519 key is one of the few points whose multiples are few, so that one signature fits all messages.
fn is_of_small_order(key: &[u8]) -> bool {
    const Y: [[u8; 32]; 7] = {
        let (mut neutral, mut below, mut p, mut above) =
            ([0; 32], [0xff; 32], [0xff; 32], [0xff; 32]);
        neutral[0] = 1;
        (below[0], p[0], above[0]) = (0xec, 0xed, 0xee);
        (below[31], p[31], above[31]) = (0x7f, 0x7f, 0x7f);
        [
            [0; 32],
            neutral,
            [
                0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
                0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
                0x6d, 0x53, 0xfc, 0x05,
            ],
            [
                0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
                0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
                0x92, 0xac, 0x03, 0x7a,
            ],
            below,
            p,
            above,
        ]
    };
    let mut y = key.to_vec();
    // The highest bit is the sign of x, not a part of y.
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    Y.iter().any(|small| y == small)
}

#[cfg(test)]
#[path = "cose_tests.rs"]
mod tests;
