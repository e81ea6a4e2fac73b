//! What a pinUvAuthToken permits, with a platform of our own: the peer in the other tests never goes beyond it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use passkey_model::provider::Algorithm;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    KeySettings, PinProtocol, SecurityKey, Status, labelled,
    pin_protocol::{public_cose, shared_point},
    public_key,
};
use crate::{
    cbor::Cbor, ctaphid::Application as _, key::Key, seed::Seed, software::SoftwareAuthenticator,
};

const HASH: [u8; 32] = [7; 32];
const BOTH: [PinProtocol; 2] = [PinProtocol::One, PinProtocol::Two];

fn key() -> SecurityKey {
    let model = serde_json::from_value(json!({
        "aaguid": "00112233-4455-6677-8899-aabbccddeeff",
        "backup-eligible": false, "backup-state": false, "attestation": "packed-self",
        "transports": ["usb"], "user-verification": "never", "algorithms": ["ES256"],
    }));
    let seed = Seed::new(0, "token");
    let settings = KeySettings {
        pin: Some("1234".to_owned()),
        ..KeySettings::default()
    };
    SecurityKey::new(
        SoftwareAuthenticator::new(model.unwrap(), seed),
        settings,
        &seed,
    )
}

fn call(key: &mut SecurityKey, code: u8, parameters: Vec<(i64, Cbor)>) -> Result<Cbor, u8> {
    let request = [&[code][..], &labelled(parameters).encode()].concat();
    let answer = key.cbor(&request);
    match answer.split_first().unwrap() {
        (0, []) => Ok(Cbor::Null),
        (0, body) => Ok(Cbor::decode_canonical(body).unwrap()),
        (status, _) => Err(*status),
    }
}

/// Gets a token with the right PIN: with permissions, or by getPinToken without.
fn token(
    key: &mut SecurityKey,
    protocol: PinProtocol,
    asked: Vec<(i64, Cbor)>,
) -> Result<Vec<u8>, u8> {
    let own = Key::new(Algorithm::ES256, &Seed::new(0, "platform")).unwrap();
    let own = own.p256().unwrap();
    let number = Cbor::Int(protocol.number());
    let agreed = call(key, 6, vec![(1, number.clone()), (2, Cbor::Int(2))])?;
    let z = shared_point(own, agreed.get("1").unwrap()).unwrap();
    let secret = protocol.derive(&z);
    let pin = &Sha256::digest(b"1234")[..16];
    let encrypted = protocol.encrypt(&secret, [9; 16], pin).unwrap();
    let subcommand = if asked.is_empty() { 5 } else { 9 };
    let mut parameters = vec![
        (1, number),
        (2, Cbor::Int(subcommand)),
        (3, public_cose(own)),
        (6, Cbor::Bytes(encrypted)),
    ];
    parameters.extend(asked);
    let answer = call(key, 6, parameters)?;
    let token = answer.get("2").unwrap().as_bytes().unwrap();
    Ok(protocol.decrypt(&secret, token).unwrap())
}

fn permitting(permissions: i64, rp_id: &str) -> Vec<(i64, Cbor)> {
    vec![(9, Cbor::Int(permissions)), (10, Cbor::text(rp_id))]
}

/// Makes a credential, or uses one, with a token; returns the flags.
fn use_token(
    key: &mut SecurityKey,
    code: u8,
    rp_id: &str,
    (protocol, token): (PinProtocol, &[u8]),
) -> Result<u8, u8> {
    let mac = Cbor::Bytes(protocol.authenticate(token, &HASH));
    let number = Cbor::Int(protocol.number());
    let hash = Cbor::Bytes(HASH.to_vec());
    let algorithm = Cbor::Map(vec![
        (Cbor::text("alg"), Cbor::Int(-7)),
        (Cbor::text("type"), Cbor::text("public-key")),
    ]);
    let id = |id| Cbor::Map(vec![(Cbor::text("id"), id)]);
    let rk = Cbor::Map(vec![(Cbor::text("rk"), Cbor::Bool(true))]);
    let parameters = if code == 1 {
        vec![
            (1, hash),
            (2, id(Cbor::text(rp_id))),
            (3, id(Cbor::Bytes(vec![1]))),
            (4, Cbor::List(vec![algorithm])),
            (7, rk),
            (8, mac),
            (9, number),
        ]
    } else {
        vec![(1, Cbor::text(rp_id)), (2, hash), (6, mac), (7, number)]
    };
    let answer = call(key, code, parameters)?;
    Ok(answer.get("2").unwrap().as_bytes().unwrap()[32])
}

const REFUSED: Result<u8, u8> = Err(Status::PinAuthInvalid as u8);

#[test]
fn a_token_is_used_up_by_a_touch() {
    for protocol in BOTH {
        let mut key = key();
        let token = token(&mut key, protocol, permitting(3, "rp.test")).unwrap();
        let given = (protocol, token.as_slice());
        assert_eq!(use_token(&mut key, 1, "rp.test", given), Ok(0x45));
        assert_eq!(use_token(&mut key, 2, "rp.test", given), REFUSED);
    }
}

#[test]
fn a_token_permits_what_was_asked_for_and_one_relying_party() {
    for protocol in BOTH {
        let mut key = key();
        let token = token(&mut key, protocol, permitting(2, "rp.test")).unwrap();
        let given = (protocol, token.as_slice());
        assert_eq!(use_token(&mut key, 1, "rp.test", given), REFUSED);
        assert_eq!(use_token(&mut key, 2, "other.test", given), REFUSED);
        let right = use_token(&mut key, 2, "rp.test", given);
        assert_eq!(right, Err(Status::NoCredentials.code()));
    }
}

#[test]
fn the_older_token_makes_and_uses_for_the_relying_party_of_its_first_use() {
    for protocol in BOTH {
        let mut key = key();
        let first = token(&mut key, protocol, vec![]).unwrap();
        let made = use_token(&mut key, 1, "rp.test", (protocol, &first));
        assert_eq!(made, Ok(0x45));
        let second = token(&mut key, protocol, vec![]).unwrap();
        let given = (protocol, second.as_slice());
        let nothing = use_token(&mut key, 2, "other.test", given);
        assert_eq!(nothing, Err(Status::NoCredentials.code()));
        assert_eq!(use_token(&mut key, 2, "rp.test", given), REFUSED);
    }
}

#[test]
fn a_token_ends_with_the_next_one_and_with_the_power() {
    let protocol = PinProtocol::Two;
    let mut key = key();
    let first = token(&mut key, protocol, permitting(1, "rp.test")).unwrap();
    let second = token(&mut key, protocol, permitting(1, "rp.test")).unwrap();
    let refused = use_token(&mut key, 1, "rp.test", (protocol, &first));
    assert_eq!(refused, REFUSED);
    key.power_cycle();
    let refused = use_token(&mut key, 1, "rp.test", (protocol, &second));
    assert_eq!(refused, REFUSED);
}

#[test]
fn permissions_that_there_are_not_are_refused() {
    for (permissions, expected) in [
        (0, Status::InvalidParameter),
        (0x08, Status::UnauthorizedPermission),
        (0x100, Status::InvalidParameter),
    ] {
        let refused = token(&mut key(), PinProtocol::Two, permitting(permissions, "a"));
        assert_eq!(refused, Err(expected.code()), "{permissions}");
    }
    let without = token(&mut key(), PinProtocol::Two, vec![(9, Cbor::Int(1))]);
    assert_eq!(without, Err(Status::MissingParameter.code()));
}

#[test]
fn a_token_of_one_relying_party_manages_its_credentials_alone() {
    let protocol = PinProtocol::Two;
    let mut key = key();
    let making = token(&mut key, protocol, permitting(1, "rp.test")).unwrap();
    use_token(&mut key, 1, "rp.test", (protocol, &making)).unwrap();
    let id = key.authenticator().credentials[0].id.clone();
    let mut delete = |bound: &str| {
        let token = token(&mut key, protocol, permitting(4, bound)).unwrap();
        let nested = labelled([(2, public_key(&id))]);
        let message = [&[6][..], &nested.encode()].concat();
        let parameters = vec![
            (1, Cbor::Int(6)),
            (2, nested),
            (3, Cbor::Int(2)),
            (4, Cbor::Bytes(protocol.authenticate(&token, &message))),
        ];
        call(&mut key, 0x0a, parameters)
    };
    assert_eq!(delete("other.test"), Err(Status::PinAuthInvalid.code()));
    assert_eq!(delete("rp.test"), Ok(Cbor::Null));
    assert_eq!(delete("rp.test"), Err(Status::NoCredentials.code()));
}
