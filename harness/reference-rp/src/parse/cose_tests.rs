use super::*;

fn parse(entries: &[(i64, Cbor)], defects: &Defects) -> Result<CoseKey, &'static str> {
    let entries = entries.iter().cloned();
    let map = Cbor::Map(
        entries
            .map(|(label, value)| (Cbor::from(label), value))
            .collect(),
    );
    let mut bytes = Vec::new();
    assert!(ciborium::into_writer(&map, &mut bytes).is_ok());
    CoseKey::parse(&mut bytes.as_slice(), defects)
}

fn key(entries: &[(i64, Cbor)]) -> Result<CoseKey, &'static str> {
    parse(entries, &Defects::NONE)
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

fn rsa(n: Vec<u8>, e: Vec<u8>) -> Vec<(i64, Cbor)> {
    vec![
        (1, 3.into()),
        (3, (-257).into()),
        (-1, n.into()),
        (-2, e.into()),
    ]
}

fn ed25519(x: Vec<u8>) -> Vec<(i64, Cbor)> {
    vec![
        (1, 1.into()),
        (3, (-8).into()),
        (-1, 6.into()),
        (-2, x.into()),
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
    let strong = |n, e| key(&rsa(n, e)).is_ok();
    assert!(strong(vec![0xff; 256], vec![1, 0, 1]));
    assert!(strong(vec![0xff; 256], vec![3]));
    assert!(!strong(vec![0xff; 64], vec![1, 0, 1]));
    assert!(!strong(vec![0xff; 2048], vec![1, 0, 1]));
    for exponent in [vec![], vec![1], vec![2], vec![0]] {
        assert!(!strong(vec![0xff; 256], exponent));
    }
}

#[test]
fn points_of_small_order_are_no_keys() {
    let mut neutral = vec![0; 32];
    neutral[0] = 1;
    let mut signed = neutral.clone();
    signed[31] = 0x80;
    for x in [neutral, signed, vec![0; 32]] {
        assert!(key(&ed25519(x.clone())).is_err());
        assert!(parse(&ed25519(x), &Defect::KeyNotValidated.into()).is_ok());
    }
    let mut base_point = vec![0x66; 32];
    base_point[0] = 0x58;
    assert!(key(&ed25519(base_point)).is_ok());
}

#[test]
fn keys_of_ml_dsa_have_the_length_of_their_parameter_set() {
    let ml_dsa = |length: usize| {
        key(&[
            (1, 7.into()),
            (3, (-48).into()),
            (-1, vec![7u8; length].into()),
        ])
    };
    assert!(ml_dsa(1312).is_ok());
    assert!(ml_dsa(1952).is_err());
}

#[test]
fn keys_have_their_parameters_in_canonical_order_and_no_others() {
    let sound = rsa(vec![0xff; 256], vec![3]);
    let mut swapped = sound.clone();
    swapped.swap(0, 1);
    let mut twice = sound.clone();
    twice.insert(2, (3, (-258).into()));
    let mut named = sound.clone();
    named.insert(1, (2, Cbor::Bytes(vec![1])));
    let mut private = sound;
    private.push((-3, Cbor::Bytes(vec![1])));
    for entries in [swapped, twice, named, private] {
        assert!(key(&entries).is_err());
        assert!(parse(&entries, &Defect::KeyEncodingNotChecked.into()).is_ok());
    }
}

#[test]
fn keys_of_other_algorithms_verify_nothing() {
    let other = key(&[(1, 2.into()), (3, (-53).into())]);
    assert!(other.is_ok_and(|key| !key.verifies(b"message", b"signature")));
    assert!(key(&[(1, 2.into())]).is_err());
}
