//! Public keys, as COSE keys and as SubjectPublicKeyInfo.

use passkey_model::provider::Algorithm;

use crate::{cbor::Cbor, der};

pub(super) const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
pub(super) const PRIME256V1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const SECP384R1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const SECP521R1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
const SECP256K1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x0a];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// id-ml-dsa-44 (RFC 9881, 2); those of ML-DSA-65 and ML-DSA-87 follow it.
const ML_DSA_44: [u8; 9] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x11];
const DER_NULL: [u8; 2] = [0x05, 0x00];
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];
/// COSE key types (RFC 9053, 7; RFC 8230, 4; RFC 9964, 3).
const OKP: i64 = 1;
const EC2: i64 = 2;
const RSA: i64 = 3;
const AKP: i64 = 7;

/// Returns the COSE key of an algorithm, labels in canonical order, of what [`super::Key::public_bytes`] returns.
pub(super) fn cose(algorithm: Algorithm, public: &[u8]) -> Cbor {
    let bytes = |bytes: &[u8]| Cbor::Bytes(bytes.to_vec());
    let point = |curve| {
        let (x, y) = public[1..].split_at((public.len() - 1) / 2);
        let own = vec![(-1, Cbor::Int(curve)), (-2, bytes(x)), (-3, bytes(y))];
        (EC2, own)
    };
    let (kind, own) = match algorithm {
        Algorithm::ES256 | Algorithm::ESP256 => point(1),
        Algorithm::ES384 | Algorithm::ESP384 => point(2),
        Algorithm::ES512 | Algorithm::ESP512 => point(3),
        Algorithm::ES256K => point(8),
        Algorithm::EdDSA => (OKP, vec![(-1, Cbor::Int(6)), (-2, bytes(public))]),
        Algorithm::MlDsa44 | Algorithm::MlDsa65 | Algorithm::MlDsa87 => {
            (AKP, vec![(-1, bytes(public))])
        }
        Algorithm::RS1
        | Algorithm::RS256
        | Algorithm::RS384
        | Algorithm::RS512
        | Algorithm::PS256
        | Algorithm::PS384
        | Algorithm::PS512 => (RSA, vec![(-1, bytes(public)), (-2, bytes(&RSA_EXPONENT))]),
    };
    let common = [(1, Cbor::Int(kind)), (3, Cbor::Int(algorithm.cose()))];
    let labelled = |(label, value)| (Cbor::Int(label), value);
    Cbor::Map(common.into_iter().chain(own).map(labelled).collect())
}

/// Returns the SubjectPublicKeyInfo, DER, of a COSE key of our algorithms (RFC 5480, RFC 8410, RFC 8017, RFC 9881).
pub(crate) fn spki(cose: &Cbor) -> Option<Vec<u8>> {
    let bytes = |label| cose.get(label).and_then(Cbor::as_bytes);
    let int = |label| cose.get(label).and_then(Cbor::as_int);
    let (parameters, public) = match int("1")? {
        OKP => (der::oid(ED25519), bytes("-2")?.to_vec()),
        EC2 => {
            let curve = match int("-1")? {
                1 => PRIME256V1,
                2 => SECP384R1,
                3 => SECP521R1,
                8 => SECP256K1,
                _ => return None,
            };
            let point = [&[4], bytes("-2")?, bytes("-3")?].concat();
            ([der::oid(EC_PUBLIC_KEY), der::oid(curve)].concat(), point)
        }
        RSA => {
            let numbers = [der::integer(bytes("-1")?), der::integer(bytes("-2")?)];
            let parameters = [der::oid(RSA_ENCRYPTION), DER_NULL.to_vec()].concat();
            (parameters, der::sequence(&numbers))
        }
        AKP => {
            let after = u8::try_from(Algorithm::MlDsa44.cose() - int("3")?).ok()?;
            let mut arcs = ML_DSA_44;
            arcs[8] = arcs[8].checked_add(after)?;
            (der::oid(&arcs), bytes("-1")?.to_vec())
        }
        _ => return None,
    };
    Some(der::sequence(&[
        der::sequence(&[parameters]),
        der::bit_string(&public),
    ]))
}
