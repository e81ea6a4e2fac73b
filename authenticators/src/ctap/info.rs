//! authenticatorGetInfo (CTAP 2.1, 6.4).

use passkey_model::provider::{AuthenticatorModel, Transport, UserVerification};
use serde_json::json;

use super::{labelled, pin_protocol::PinProtocol};
use crate::{cbor::Cbor, software::SoftwareAuthenticator};

/// What a platform may assume where nothing is said; our answers with certificates fit.
const MAX_MESSAGE_SIZE: i64 = 2048;
/// What CTAPHID can carry in one message (CTAP 2.1, 11.2.4).
const MAX_HID_MESSAGE_SIZE: i64 = 7609;
/// What platforms may send at least; more is taken as well.
const CREDENTIALS_IN_LIST: i64 = 64;
/// The longest credential ID that U2F can name, too.
const CREDENTIAL_ID_LENGTH: i64 = 255;

/// What a security key says of itself beside its model.
pub(super) struct KeyInfo {
    pub versions: Vec<&'static str>,
    /// Whether a PIN is set.
    pub client_pin: bool,
    pub protocols: Vec<PinProtocol>,
    pub min_pin_length: usize,
    /// How many more discoverable credentials there is room for.
    pub remaining: usize,
}

/// What the model says of itself, which has no clientPin.
pub(super) fn of_model(authenticator: &SoftwareAuthenticator) -> Cbor {
    let model = &authenticator.model;
    let mut options = vec![option("rk", true), option("up", true)];
    if model.user_verification != UserVerification::Never {
        options.push(option("uv", true));
    }
    options.push(option("plat", is_platform(model)));
    labelled([
        (1, texts(&["FIDO_2_0"])),
        (2, texts(&["credProtect"])),
        (3, Cbor::Bytes(model.aaguid.bytes().to_vec())),
        (4, Cbor::Map(options)),
        (5, Cbor::Int(MAX_MESSAGE_SIZE)),
        (9, transports(model)),
        (10, algorithms(model)),
    ])
}

/// What a security key says of itself.
pub(super) fn of_key(model: &AuthenticatorModel, key: &KeyInfo) -> Cbor {
    let number = |number: usize| Cbor::Int(i64::try_from(number).unwrap_or(i64::MAX));
    let mut options = vec![
        option("rk", true),
        option("up", true),
        option("plat", is_platform(model)),
    ];
    let mut more = Vec::new();
    if key.knows_pins() {
        options.extend([
            option("credMgmt", true),
            option("clientPin", key.client_pin),
            option("pinUvAuthToken", true),
            option("makeCredUvNotRqd", true),
        ]);
        let protocols = key.protocols.iter();
        let protocols = protocols.map(|protocol| Cbor::Int(protocol.number()));
        more = vec![
            (6, Cbor::List(protocols.collect())),
            (13, number(key.min_pin_length)),
            (20, number(key.remaining)),
        ];
    }
    let mut told = vec![
        (1, texts(&key.versions)),
        (2, texts(&["credProtect"])),
        (3, Cbor::Bytes(model.aaguid.bytes().to_vec())),
        (4, Cbor::Map(options)),
        (5, Cbor::Int(MAX_HID_MESSAGE_SIZE)),
        (7, Cbor::Int(CREDENTIALS_IN_LIST)),
        (8, Cbor::Int(CREDENTIAL_ID_LENGTH)),
        (9, transports(model)),
        (10, algorithms(model)),
    ];
    told.append(&mut more);
    // Canonical CBOR has its labels in order.
    told.sort_by_key(|(label, _)| *label);
    labelled(told)
}

impl KeyInfo {
    /// Tells whether the key knows PINs at all.
    pub(super) fn knows_pins(&self) -> bool {
        !self.protocols.is_empty()
    }
}

fn option(name: &str, set: bool) -> (Cbor, Cbor) {
    (Cbor::text(name), Cbor::Bool(set))
}

fn texts(texts: &[&str]) -> Cbor {
    Cbor::List(texts.iter().map(|text| Cbor::text(text)).collect())
}

fn is_platform(model: &AuthenticatorModel) -> bool {
    model.transports.contains(&Transport::Internal)
}

fn transports(model: &AuthenticatorModel) -> Cbor {
    let names = model.transports.iter().map(|transport| json!(transport));
    let names = names.filter_map(|name| name.as_str().map(Cbor::text));
    Cbor::List(names.collect())
}

fn algorithms(model: &AuthenticatorModel) -> Cbor {
    let entries = model.algorithms.iter().map(|algorithm| {
        Cbor::Map(vec![
            (Cbor::text("alg"), Cbor::Int(algorithm.cose())),
            (Cbor::text("type"), Cbor::text("public-key")),
        ])
    });
    Cbor::List(entries.collect())
}
