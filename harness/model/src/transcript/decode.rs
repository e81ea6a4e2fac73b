//! Decodes options and responses into plain JSON, down to flags, AAGUIDs and certificate subjects.
//!
//! Whatever a mutation made of them is shown as it is; what cannot be decoded is shown as bytes.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ciborium::Value as Cbor;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{certificate, client_data};
use crate::{Aaguid, scenario::CeremonyKind};

const FLAGS: [(u8, &str); 8] = [
    (0x01, "UP"),
    (0x02, "RFU1"),
    (0x04, "UV"),
    (0x08, "BE"),
    (0x10, "BS"),
    (0x20, "RFU2"),
    (0x40, "AT"),
    (0x80, "ED"),
];
const DEEPEST_CBOR: usize = 32;
/// Labels of a COSE key (RFC 9053, RFC 8230), with what a long byte string under them is, and what anything else is.
const LABELS: [(i64, &str, &str); 5] = [
    (1, "kty", "kty"),
    (3, "alg", "alg"),
    (-1, "n", "crv"),
    (-2, "x", "e"),
    (-3, "y", "y"),
];
/// Longer byte strings are told by their length alone.
const LONGEST_SHOWN: usize = 4096;
/// A byte string of that length is a part of a key, and differs from key to key.
const SHORTEST_KEY: usize = 16;
/// No elliptic key is as long.
const SHORTEST_RSA: usize = 200;

/// Shortens options to what decides: `pubKeyCredParams` as a list of algorithms, descriptors as IDs, names,
/// time-outs and empty lists left out.
#[must_use]
pub fn decode_options(ceremony: CeremonyKind, options: &Value) -> Value {
    let mut decoded = Map::new();
    let mut copy = |name: &str, value: Option<&Value>| {
        if let Some(value) = value.filter(|value| !value.is_null() && **value != json!([])) {
            decoded.insert(name.to_owned(), value.clone());
        }
    };
    copy("challenge", options.get("challenge"));
    if ceremony == CeremonyKind::Registration {
        copy("rpId", options.pointer("/rp/id"));
        copy("userHandle", options.pointer("/user/id"));
        let parameters = options.get("pubKeyCredParams").and_then(Value::as_array);
        let algorithms = parameters
            .into_iter()
            .flatten()
            .map(|item| item["alg"].clone())
            .collect();
        copy("algorithms", Some(&algorithms));
        copy(
            "userVerification",
            options.pointer("/authenticatorSelection/userVerification"),
        );
        copy(
            "residentKey",
            options.pointer("/authenticatorSelection/residentKey"),
        );
        copy("attestation", options.get("attestation"));
        copy(
            "excludeCredentials",
            Some(&descriptors(options.get("excludeCredentials"))),
        );
    } else {
        copy("rpId", options.get("rpId"));
        copy("userVerification", options.get("userVerification"));
        copy(
            "allowCredentials",
            Some(&descriptors(options.get("allowCredentials"))),
        );
    }
    copy("extensions", options.get("extensions"));
    Value::Object(decoded)
}

fn descriptors(list: Option<&Value>) -> Value {
    let list = list
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    list.iter()
        .map(|descriptor| json!({ "id": descriptor["id"], "transports": descriptor["transports"] }))
        .collect()
}

/// Decodes a RegistrationResponseJSON or AuthenticationResponseJSON; other members stay as they are.
#[must_use]
pub fn decode_response(response: &Value, rp_id: &str) -> Value {
    let Value::Object(members) = response else {
        return response.clone();
    };
    let decoded = members.iter().map(|(name, value)| {
        let decoded = match value {
            Value::Object(inner) if name == "response" => Value::Object(decode_inner(inner, rp_id)),
            // Browsers and our client write them in orders of their own.
            Value::Object(results) if name == "clientExtensionResults" => {
                let mut sorted = results.clone();
                sorted.sort_keys();
                Value::Object(sorted)
            }
            other => other.clone(),
        };
        (name.clone(), decoded)
    });
    decoded.collect()
}

fn decode_inner(members: &Map<String, Value>, rp_id: &str) -> Map<String, Value> {
    let decode = |(name, value): (&String, &Value)| {
        let bytes = value
            .as_str()
            .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let decoded = match (name.as_str(), bytes) {
            ("clientDataJSON", Some(bytes)) => {
                client_data::shown(&bytes).unwrap_or_else(|| undecoded(&bytes))
            }
            ("attestationObject", Some(bytes)) => attestation_object(&bytes, rp_id),
            ("authenticatorData", Some(bytes)) => authenticator_data(&bytes, rp_id),
            ("publicKey", Some(bytes)) if bytes.len() >= SHORTEST_RSA => of_the_pool(&bytes),
            _ => value.clone(),
        };
        (name.clone(), decoded)
    };
    let mut decoded: Map<_, _> = members.iter().map(decode).collect();
    // Both say the same unless somebody changed one of them.
    if decoded.get("authenticatorData").is_some()
        && decoded.get("authenticatorData")
            == decoded
                .get("attestationObject")
                .and_then(|object| object.get("authData"))
    {
        decoded.insert(
            "authenticatorData".to_owned(),
            json!("as in attestationObject"),
        );
    }
    decoded
}

fn undecoded(bytes: &[u8]) -> Value {
    if bytes.len() > LONGEST_SHOWN {
        return json!({ "bytes": bytes.len() });
    }
    json!({ "bytes": URL_SAFE_NO_PAD.encode(bytes) })
}

fn attestation_object(bytes: &[u8], rp_id: &str) -> Value {
    let (Some(Cbor::Map(entries)), []) = one_cbor(bytes) else {
        return undecoded(bytes);
    };
    let mut decoded = Map::new();
    for (key, value) in &entries {
        let name = key_name(key);
        let value = match (name.as_str(), value) {
            ("authData", Cbor::Bytes(data)) => authenticator_data(data, rp_id),
            ("attStmt", Cbor::Map(statement)) => attestation_statement(statement),
            (_, other) => plain(other),
        };
        insert(&mut decoded, name, value);
    }
    Value::Object(decoded)
}

fn attestation_statement(entries: &[(Cbor, Cbor)]) -> Value {
    let mut decoded = Map::new();
    for (key, value) in entries {
        let name = key_name(key);
        let value = match (name.as_str(), value) {
            ("x5c", Cbor::Array(chain)) => chain.iter().map(certificate).collect(),
            ("sig", Cbor::Bytes(bytes)) => json!(URL_SAFE_NO_PAD.encode(bytes)),
            (_, other) => plain(other),
        };
        insert(&mut decoded, name, value);
    }
    Value::Object(decoded)
}

fn certificate(item: &Cbor) -> Value {
    let subject = item.as_bytes().and_then(|der| certificate::subject(der));
    subject.map_or_else(|| plain(item), Value::String)
}

/// Splits authenticator data (WebAuthn L3, 6.1): 32 bytes of hash, flags, counter, then what the flags announce.
fn authenticator_data(bytes: &[u8], rp_id: &str) -> Value {
    let Some((head, rest)) = bytes.split_at_checked(37) else {
        return undecoded(bytes);
    };
    let hash = if *Sha256::digest(rp_id.as_bytes()) == head[..32] {
        format!("SHA-256 of {rp_id}")
    } else {
        hex(&head[..32])
    };
    let count = u32::from_be_bytes([head[33], head[34], head[35], head[36]]);
    let set: Vec<&str> = FLAGS
        .iter()
        .filter(|(flag, _)| head[32] & flag != 0)
        .map(|(_, name)| *name)
        .collect();
    let mut decoded = Map::new();
    decoded.insert("rpIdHash".to_owned(), json!(hash));
    decoded.insert("flags".to_owned(), json!(set.join(" ")));
    decoded.insert("signCount".to_owned(), json!(count));
    let rest = if head[32] & 0x40 == 0 {
        Some(rest)
    } else {
        attested(rest, &mut decoded)
    };
    match rest {
        None => {
            decoded.insert("rest".to_owned(), undecoded(&bytes[37..]));
        }
        Some([]) => {}
        Some(rest) => match one_cbor(rest) {
            (Some(extensions), []) => {
                decoded.insert("extensions".to_owned(), plain(&extensions));
            }
            _ => {
                decoded.insert("rest".to_owned(), undecoded(rest));
            }
        },
    }
    Value::Object(decoded)
}

/// Reads attested credential data (WebAuthn L3, 6.5.1) and returns what stands behind it; nothing when it cannot be read.
fn attested<'a>(bytes: &'a [u8], decoded: &mut Map<String, Value>) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(18)?;
    let aaguid: [u8; 16] = head[..16].try_into().ok()?;
    let length = usize::from(u16::from_be_bytes([head[16], head[17]]));
    let (id, rest) = rest.split_at_checked(length)?;
    let (Some(key), rest) = one_cbor(rest) else {
        return None;
    };
    decoded.insert("aaguid".to_owned(), json!(Aaguid::from(aaguid).to_string()));
    decoded.insert("credentialId".to_owned(), json!(URL_SAFE_NO_PAD.encode(id)));
    decoded.insert("credentialIdLength".to_owned(), json!(length));
    decoded.insert("publicKey".to_owned(), cose_key(&key));
    Some(rest)
}

fn cose_key(key: &Cbor) -> Value {
    let Cbor::Map(entries) = key else {
        return plain(key);
    };
    let mut decoded = Map::new();
    for (label, value) in entries {
        let known = LABELS
            .iter()
            .find(|(known, ..)| integer(label) == Some(*known));
        let name = known.map(|(_, long, short)| match value {
            Cbor::Bytes(bytes) if bytes.len() >= SHORTEST_KEY => *long,
            _ => *short,
        });
        let name = name.map_or_else(|| key_name(label), str::to_owned);
        let value = match value {
            Cbor::Bytes(bytes) if bytes.len() >= SHORTEST_RSA => of_the_pool(bytes),
            Cbor::Bytes(bytes) if bytes.len() >= SHORTEST_KEY => {
                json!(URL_SAFE_NO_PAD.encode(bytes))
            }
            other => plain(other),
        };
        insert(&mut decoded, name, value);
    }
    Value::Object(decoded)
}

/// RSA keys come from a small pool: that two are the same says nothing.
fn of_the_pool(bytes: &[u8]) -> Value {
    json!(format!("RSA, {} bytes", bytes.len()))
}

fn integer(value: &Cbor) -> Option<i64> {
    value
        .as_integer()
        .and_then(|integer| i64::try_from(integer).ok())
}

/// Decodes one CBOR value and returns what stands behind it.
fn one_cbor(bytes: &[u8]) -> (Option<Cbor>, &[u8]) {
    let mut rest = bytes;
    let value = ciborium::de::from_reader_with_recursion_limit(&mut rest, DEEPEST_CBOR).ok();
    (value, rest)
}

/// A second member of one name is shown too: JSON maps would lose it.
fn insert(map: &mut Map<String, Value>, name: String, value: Value) {
    let name = if map.contains_key(&name) {
        format!("{name} (again)")
    } else {
        name
    };
    map.insert(name, value);
}

fn key_name(key: &Cbor) -> String {
    match key {
        Cbor::Text(text) => text.clone(),
        Cbor::Integer(integer) => i128::from(*integer).to_string(),
        other => format!("{other:?}"),
    }
}

fn plain(value: &Cbor) -> Value {
    match value {
        Cbor::Integer(integer) => i64::try_from(*integer).map_or_else(
            |_| json!(i128::from(*integer).to_string()),
            |number| json!(number),
        ),
        Cbor::Bytes(bytes) => json!(hex(bytes)),
        Cbor::Text(text) => json!(text),
        Cbor::Bool(value) => json!(value),
        Cbor::Null => Value::Null,
        Cbor::Array(items) => items.iter().map(plain).collect(),
        Cbor::Map(entries) => {
            let mut decoded = Map::new();
            for (key, value) in entries {
                insert(&mut decoded, key_name(key), plain(value));
            }
            Value::Object(decoded)
        }
        other => json!(format!("{other:?}")),
    }
}

fn hex(bytes: &[u8]) -> String {
    if bytes.len() > LONGEST_SHOWN {
        return format!("{} bytes", bytes.len());
    }
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("hex:{digits}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            let text = URL_SAFE_NO_PAD.encode(&bytes);
            let response = json!({ "response": { "clientDataJSON": text, "attestationObject": text, "authenticatorData": text } });
            let _ = decode_response(&response, "rp.test");
        }

        #[test]
        fn authenticator_data_shows_its_parts(flags in 0_u8..64, count: u32) {
            let data = [Sha256::digest(b"rp.test").as_slice(), &[flags & 0x3f], &count.to_be_bytes()].concat();
            let decoded = authenticator_data(&data, "rp.test");
            prop_assert_eq!(&decoded["rpIdHash"], "SHA-256 of rp.test");
            prop_assert_eq!(&decoded["signCount"], count);
            let shown = decoded["flags"].as_str().unwrap().split(' ').filter(|name| !name.is_empty()).count();
            prop_assert_eq!(shown, flags.count_ones() as usize);
        }
    }
}
