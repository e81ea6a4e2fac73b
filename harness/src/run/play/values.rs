//! The values of a row that mutations may name.

use passkey_authenticators::{Values, seed::Seed};
use passkey_model::row::Row;
use serde_json::{Value, json};

const LONG_IDS: [usize; 2] = [1023, 1024];

/// Returns the values that stand before anything happens: `$CREDENTIAL_ID_OF_1023_BYTES` and `_1024_`.
pub(super) fn at_start(row: &Row, seed: &Seed) -> Values {
    let mut specs = row.steps.iter().map(|step| &step.spec);
    if specs.all(|spec| spec.mutation.is_none()) {
        // Nobody will name them.
        return Values::default();
    }
    let digits: String = seed
        .bytes("long credential id")
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let long = |length: usize| {
        let mut text = format!("hex:{}", digits.repeat(2 * length / digits.len() + 1));
        text.truncate("hex:".len() + 2 * length);
        (format!("CREDENTIAL_ID_OF_{length}_BYTES"), json!(text))
    };
    LONG_IDS.into_iter().map(long).collect()
}

/// Returns the ID of a passkey that was registered.
pub(super) fn credential_id(values: &Values, passkey: &str) -> Option<String> {
    let name = passkey.to_ascii_uppercase().replace('-', "_");
    let id = values.get(&format!("{name}_CREDENTIAL_ID"))?;
    id.as_str().map(str::to_owned)
}

/// Adds what a registration made: `$CONTROL_CREDENTIAL_ID` and `$CONTROL_USER_HANDLE` for a passkey `control`.
pub(super) fn add(values: &mut Values, passkey: &str, options: &Value, response: &Value) {
    let name = passkey.to_ascii_uppercase().replace('-', "_");
    values.insert(format!("{name}_CREDENTIAL_ID"), response["id"].clone());
    values.insert(format!("{name}_USER_HANDLE"), options["user"]["id"].clone());
}
