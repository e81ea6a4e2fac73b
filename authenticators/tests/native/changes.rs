//! Changes of every stage.

use serde_json::{Value, json};

/// Changes of every stage that a registration has whatever its attestation, each a lie and tampering.
pub(super) fn of_registration() -> Vec<Value> {
    let changes = [
        json!({ "at": "client-data/origin", "op": "set", "value": "https://evil.example" }),
        json!({ "at": "client-data/challenge", "op": "duplicate", "value": "AAAA" }),
        json!({ "at": "client-data/challenge", "op": "append", "value": "hex:ff" }),
        json!({ "at": "client-data/origin/first", "op": "duplicate", "value": "https://evil.example" }),
        json!({ "at": "client-data", "op": "reencode", "value": "bom" }),
        json!({ "at": "client-data", "op": "reencode", "value": "nested" }),
        json!({ "at": "cose-key/3", "op": "set", "value": -257 }),
        json!({ "at": "cose-key", "op": "reencode", "value": "off-curve" }),
        json!({ "at": "attested-credential-data/aaguid", "op": "flip-bit", "value": 3 }),
        json!({ "at": "attested-credential-data/credential-id", "op": "append", "value": "hex:00" }),
        json!({ "at": "attested-credential-data/credential-id-length", "op": "set", "value": 9 }),
        json!({ "at": "attested-credential-data", "op": "remove" }),
        json!({ "at": "authenticator-data/rp-id-hash", "op": "set", "value": "sha256:evil" }),
        json!({ "at": "authenticator-data/flags", "op": "clear-flags", "value": "up,uv" }),
        json!({ "at": "authenticator-data/sign-count", "op": "set", "value": 7 }),
        json!({ "at": "authenticator-data/extensions", "op": "set", "value": "hex:a0" }),
        json!({ "at": "authenticator-data", "op": "append", "value": "hex:00" }),
        json!({ "at": "attestation-statement/alg", "op": "set", "value": -8 }),
        json!({ "at": "attestation-object/fmt", "op": "set", "value": "Packed" }),
        json!({ "at": "attestation-object/authData", "op": "duplicate" }),
        json!({ "at": "attestation-object", "op": "reencode", "value": "indefinite-length" }),
        json!({ "at": "response/response/attestationObject", "op": "truncate", "value": 1 }),
        json!({ "at": "response/rawId", "op": "remove" }),
    ];
    lies_and_tampering(&changes)
}

/// Changes of the stages that only a signed registration has.
pub(super) fn of_signed_registration() -> Vec<Value> {
    lies_and_tampering(&[
        json!({ "at": "client-data-hash", "op": "flip-bit" }),
        json!({ "at": "to-be-signed/client-data-hash", "op": "remove" }),
        json!({ "at": "attestation-statement/sig", "op": "flip-bit", "value": 300 }),
    ])
}

pub(super) fn of_authentication() -> Vec<Value> {
    lies_and_tampering(&[
        json!({ "at": "client-data/type", "op": "set", "value": "webauthn.create" }),
        json!({ "at": "client-data-hash", "op": "flip-bit" }),
        json!({ "at": "attested-credential-data", "op": "set", "value": "hex:00" }),
        json!({ "at": "authenticator-data/flags", "op": "clear-flags", "value": "uv" }),
        json!({ "at": "authenticator-data/sign-count", "op": "set", "value": 0 }),
        json!({ "at": "authenticator-data", "op": "truncate", "value": 1 }),
        json!({ "at": "to-be-signed/authenticator-data", "op": "remove" }),
        json!({ "at": "signature", "op": "reencode", "value": "p1363" }),
        json!({ "at": "signature", "op": "flip-bit", "value": 100 }),
        json!({ "at": "response/response/userHandle", "op": "remove" }),
        json!({ "at": "response/response/authenticatorData", "op": "reencode", "value": "base64" }),
        json!({ "at": "response", "op": "set", "value": { "verified": true } }),
    ])
}

fn lies_and_tampering(changes: &[Value]) -> Vec<Value> {
    let with = |change: &Value, resign: bool| {
        let mut change = change.clone();
        change["resign"] = json!(resign);
        change
    };
    changes
        .iter()
        .flat_map(|change| [with(change, true), with(change, false)])
        .collect()
}
