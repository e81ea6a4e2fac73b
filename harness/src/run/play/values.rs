//! The values of a row that mutations may name.

use passkey_authenticators::{
    Values,
    cbor::Cbor,
    client::{base64url, from_base64url},
    seed::Seed,
};
use passkey_model::row::Row;
use serde_json::{Value, json};

use super::canary::{self, Canary};

const LONG_IDS: [usize; 3] = [1023, 1024, 65535];

/// Returns the values that stand before anything happens, as far as the row names them: credential IDs of its own, so that a
/// relying party that keeps what it is given meets them for the first time, and `$CANARY`.
///
/// `$CREDENTIAL_ID_OF_1023_BYTES`, `_1024_` and `_65535_` are long ones. `$TWIN_ID` has 257 bytes, `$TWIN_ID_ALIKE_IN_256_BYTES` and
/// `$TWIN_ID_ALIKE_IN_255_BYTES` begin as it does.
pub(super) fn at_start(row: &Row, seed: &Seed, canary: Option<&Canary>) -> Values {
    let mutations = row
        .steps
        .iter()
        .filter_map(|step| step.spec.mutation.as_ref());
    let operands: Vec<String> = mutations
        .filter_map(|mutation| Some(mutation.value.as_ref()?.to_string()))
        .collect();
    let named = |name: &String| {
        operands
            .iter()
            .any(|operand| operand.contains(name.as_str()))
    };
    let digits = digits(&seed.bytes("long credential id"));
    let long = |length: usize| {
        let mut text = digits.repeat(2 * length / digits.len() + 1);
        text.truncate(2 * length);
        text
    };
    let twin = |alike: usize, rest: &str| format!("hex:{}{rest}", long(alike));
    let long_ids = LONG_IDS.map(|length| (format!("CREDENTIAL_ID_OF_{length}_BYTES"), length));
    let long_ids = long_ids
        .into_iter()
        .filter(|(name, _)| named(name))
        .map(|(name, length)| (name, json!(twin(length, ""))));
    let twins = [
        ("TWIN_ID", twin(256, "01")),
        ("TWIN_ID_ALIKE_IN_256_BYTES", twin(256, "02")),
        (
            "TWIN_ID_ALIKE_IN_255_BYTES",
            twin(255, &other_byte(&long(256))),
        ),
    ];
    let twins = twins.map(|(name, id)| (name.to_owned(), json!(id)));
    let canary = canary.map(|canary| (canary::NAME.to_owned(), json!(canary.url())));
    let twins = twins.into_iter().filter(|(name, _)| named(name));
    long_ids.chain(twins).chain(canary).collect()
}

/// Returns another byte than the last of these digits, and one behind it.
fn other_byte(digits: &str) -> String {
    let last = digits.get(digits.len() - 2..).unwrap_or_default();
    let other = if last == "00" { "01" } else { "00" };
    format!("{other}01")
}

/// Returns the ID of a passkey that was registered.
pub(super) fn credential_id(values: &Values, passkey: &str) -> Option<String> {
    let name = in_capitals(passkey);
    let id = values.get(&format!("{name}_CREDENTIAL_ID"))?;
    id.as_str().map(str::to_owned)
}

/// Adds the challenge of the options that are being answered: `$CHALLENGE`.
pub(super) fn add_challenge(values: &mut Values, options: &Value) {
    values.insert("CHALLENGE".to_owned(), options["challenge"].clone());
}

/// Adds what a registration made: `$CONTROL_CREDENTIAL_ID`, `$CONTROL_USER_HANDLE` and the whole `$CONTROL_REGISTRATION` for a
/// passkey `control`, and where the client says so `_PUBLIC_KEY` (SubjectPublicKeyInfo), `_ATTESTED_DATA` (6.5.1, without
/// extensions behind it) and `_COSE_KEY` in it.
pub(super) fn add(values: &mut Values, passkey: &str, options: &Value, response: &Value) {
    let name = in_capitals(passkey);
    values.insert(format!("{name}_CREDENTIAL_ID"), response["id"].clone());
    values.insert(format!("{name}_USER_HANDLE"), options["user"]["id"].clone());
    values.insert(format!("{name}_REGISTRATION"), response.clone());
    let members = &response["response"];
    values.insert(format!("{name}_PUBLIC_KEY"), members["publicKey"].clone());
    let attested = members["authenticatorData"].as_str().and_then(attested);
    if let Some((data, key)) = attested {
        values.insert(format!("{name}_ATTESTED_DATA"), data);
        values.insert(format!("{name}_COSE_KEY"), key);
    }
}

/// Adds the whole response with which a passkey signed in: `$CONTROL_ASSERTION`.
pub(super) fn add_assertion(values: &mut Values, passkey: &str, response: &Value) {
    let name = in_capitals(passkey);
    values.insert(format!("{name}_ASSERTION"), response.clone());
}

fn in_capitals(passkey: &str) -> String {
    passkey.to_ascii_uppercase().replace('-', "_")
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the attested credential data and the key in it, base64url, without the outputs of extensions that may follow.
fn attested(data: &str) -> Option<(Value, Value)> {
    let data = from_base64url(data)?;
    let (_, attested) = data.split_at_checked(37)?;
    let (_, rest) = attested.split_at_checked(16)?;
    let (length, rest) = rest.split_first_chunk()?;
    let (_, key) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (_, behind) = Cbor::decode_first(key)?;
    let text = |bytes: &[u8]| json!(base64url(&bytes[..bytes.len() - behind.len()]));
    Some((text(attested), text(key)))
}
