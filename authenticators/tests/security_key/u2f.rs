//! U2F messages.

use p256::ecdsa::{Signature, VerifyingKey, signature::Verifier as _};
use passkey_authenticators::ctap::{KeySettings, SecurityKey};
use passkey_authenticators::ctaphid::Application as _;
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::kit::*;

const CHALLENGE: [u8; 32] = [3; 32];

/// A message in the extended encoding, as platforms send it over USB.
fn extended(instruction: u8, control: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    let head = [0, instruction, control, 0, 0];
    [&head[..], &length, data, &[0, 0]].concat()
}

fn short(instruction: u8, control: u8, data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(data.len()).unwrap();
    [&[0, instruction, control, 0, length][..], data, &[0]].concat()
}

fn application() -> Vec<u8> {
    Sha256::digest(RP_ID.as_bytes()).to_vec()
}

fn asking(handle: &[u8]) -> Vec<u8> {
    let length = u8::try_from(handle.len()).unwrap();
    [&CHALLENGE[..], &application(), &[length], handle].concat()
}

fn good(answer: &[u8]) -> &[u8] {
    let (data, status) = answer.split_at(answer.len() - 2);
    assert_eq!(status, [0x90, 0x00]);
    data
}

struct Registration {
    public: Vec<u8>,
    handle: Vec<u8>,
    certificate: Vec<u8>,
    signature: Vec<u8>,
}

fn register(key: &mut SecurityKey) -> Registration {
    let data = [&CHALLENGE[..], &application()].concat();
    let answer = key.message(&extended(1, 0, &data));
    let data = good(&answer);
    assert_eq!(data[0], 5);
    let (handle, rest) = data[67..].split_at(usize::from(data[66]));
    let length = 4 + usize::from(u16::from_be_bytes([rest[2], rest[3]]));
    assert_eq!(rest[..2], [0x30, 0x82], "a certificate");
    Registration {
        public: data[1..66].to_vec(),
        handle: handle.to_vec(),
        certificate: rest[..length].to_vec(),
        signature: rest[length..].to_vec(),
    }
}

/// The P-256 key of a certificate: the point that follows the curve's name.
fn certified(certificate: &[u8]) -> VerifyingKey {
    let head = [
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    let at = certificate
        .windows(head.len())
        .position(|window| window == head);
    let point = at.unwrap() + head.len();
    VerifyingKey::from_sec1_bytes(&certificate[point..point + 65]).unwrap()
}

fn signed(public: &VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    let signature = Signature::from_der(signature).unwrap();
    public.verify(message, &signature).is_ok()
}

#[test]
fn a_registration_is_attested_by_the_root_that_metadata_knows() {
    let made = register(&mut key(KeySettings::default()));
    let message = [
        &[0],
        &application()[..],
        &CHALLENGE,
        &made.handle,
        &made.public,
    ]
    .concat();
    assert!(signed(
        &certified(&made.certificate),
        &message,
        &made.signature
    ));
    let root = passkey_authenticators::ca::known().unwrap().root();
    // The issuer signs the first element of the certificate (RFC 5280, 4.1).
    let body = 4 + usize::from(u16::from_be_bytes([
        made.certificate[6],
        made.certificate[7],
    ]));
    let (to_be_signed, rest) = made.certificate[4..].split_at(body);
    // An AlgorithmIdentifier of 12 bytes, then a BIT STRING of a short length without unused bits.
    let signature = &rest[15..];
    assert!(signed(&certified(root), to_be_signed, signature));
}

#[test]
fn an_authentication_verifies_and_counts() {
    let mut key = key(KeySettings::default());
    let made = register(&mut key);
    let public = VerifyingKey::from_sec1_bytes(&made.public).unwrap();
    let encodings = [extended as fn(u8, u8, &[u8]) -> Vec<u8>, short];
    let ways = encodings
        .iter()
        .flat_map(|encode| [(encode, 3, 1), (encode, 8, 0)]);
    for ((encode, control, presence), count) in ways.zip(1..) {
        let answer = key.message(&encode(2, control, &asking(&made.handle)));
        let data = good(&answer);
        assert_eq!(data[..5], [presence, 0, 0, 0, count]);
        let message = [&application()[..], &data[..5], &CHALLENGE].concat();
        assert!(signed(&public, &message, &data[5..]));
    }
}

#[test]
fn a_check_says_whose_a_key_handle_is() {
    let mut key = key(KeySettings::default());
    let made = register(&mut key);
    let check = |handle: &[u8]| extended(2, 7, &asking(handle));
    assert_eq!(key.message(&check(&made.handle)), [0x69, 0x85]);
    assert_eq!(key.message(&check(&[1; 32])), [0x6a, 0x80]);
    let mut other = asking(&made.handle);
    other[32] ^= 1;
    assert_eq!(key.message(&extended(2, 3, &other)), [0x6a, 0x80]);
}

#[test]
fn a_credential_of_either_protocol_is_used_by_the_other() {
    let mut key = key(KeySettings::default());
    let over_u2f = register(&mut key);
    let public = VerifyingKey::from_sec1_bytes(&over_u2f.public).unwrap();
    let asserted = answer(&mut key, &get(vec![(3, ids(&[&over_u2f.handle]))]));
    assert!(verifies(&public, &asserted));
    assert_eq!(
        status(&mut key, &get(vec![])),
        0x2e,
        "it is not discoverable"
    );

    let (id, public) = made(&answer(&mut key, &make("alice", vec![])));
    let authenticated = key.message(&extended(2, 3, &asking(&id)));
    let data = good(&authenticated);
    let message = [&application()[..], &data[..5], &CHALLENGE].concat();
    assert!(signed(&public, &message, &data[5..]));
}

#[test]
fn the_version_is_said_and_what_is_wrong_refused() {
    let mut key = key(KeySettings::default());
    for request in [&[0, 3, 0, 0][..], &[0, 3, 0, 0, 0], &[0, 3, 0, 0, 0, 0, 0]] {
        assert_eq!(good(&key.message(request)), b"U2F_V2");
    }
    for (request, expected) in [
        (vec![], [0x67, 0x00]),
        (extended(3, 0, &[1]), [0x67, 0x00]),
        (extended(1, 0, &[1; 63]), [0x67, 0x00]),
        (extended(2, 3, &[1; 64]), [0x67, 0x00]),
        (extended(9, 0, &[]), [0x6d, 0x00]),
        (vec![1, 3, 0, 0], [0x6e, 0x00]),
    ] {
        assert_eq!(key.message(&request), expected, "{request:02x?}");
    }
}

#[test]
fn a_touch_is_waited_for_to_register_and_to_sign() {
    let key = key(KeySettings::default());
    let handle = asking(&[1; 32]);
    assert!(key.waits_for_touch(&extended(1, 0, &[0; 64]), true));
    assert!(key.waits_for_touch(&extended(2, 3, &handle), true));
    for control in [7, 8] {
        assert!(!key.waits_for_touch(&extended(2, control, &handle), true));
    }
    assert!(!key.waits_for_touch(&[0, 3, 0, 0], true));
}

#[test]
fn without_es256_there_is_no_u2f() {
    let mut key = key(KeySettings::default());
    key.authenticator_mut().model.algorithms.remove(0);
    assert!(!key.speaks_u2f());
    assert_eq!(key.message(&[0, 3, 0, 0]), [0x6d, 0x00]);
}

proptest! {
    #[test]
    fn any_bytes_are_answered_with_status_bytes(
        instruction in 0_u8..5,
        control in 0_u8..10,
        bytes in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        let mut key = key(KeySettings::default());
        let requests = [
            bytes.clone(),
            [&[0, instruction, control, 0], bytes.as_slice()].concat(),
            extended(instruction, control, &bytes),
        ];
        for request in requests {
            let _ = key.waits_for_touch(&request, true);
            prop_assert!(key.message(&request).len() >= 2);
        }
    }
}
