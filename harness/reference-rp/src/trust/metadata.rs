//! What metadata says of a model (FIDO Metadata Service 3.1; concept-fido2-hardware-vendor for the demands).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use x509_parser::time::ASN1Time;

use crate::{
    defects::{Defect, Defects},
    policy::guid,
};

/// Statuses after which a model is not to be trusted (MDS 3.1, 3.1.4).
const BAD: [&str; 5] = [
    "REVOKED",
    "USER_VERIFICATION_BYPASS",
    "ATTESTATION_KEY_COMPROMISE",
    "USER_KEY_REMOTE_COMPROMISE",
    "USER_KEY_PHYSICAL_COMPROMISE",
];

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Lists the entries whose roots may attest a model: its own.
pub(super) fn candidates<'a>(
    metadata: &'a Value,
    aaguid: [u8; 16],
    defects: &Defects,
) -> impl Iterator<Item = &'a Value> + use<'a> {
    let wanted = guid(aaguid);
    let of_any_model = defects.has(Defect::MetadataRootOfAnyModel);
    list(&metadata["entries"]).iter().filter(move |entry| {
        of_any_model
            || entry["aaguid"]
                .as_str()
                .is_some_and(|known| known.eq_ignore_ascii_case(&wanted))
    })
}

/// Lists the roots of an entry, DER.
pub(super) fn roots(entry: &Value) -> Vec<Vec<u8>> {
    list(&entry["metadataStatement"]["attestationRootCertificates"])
        .iter()
        .filter_map(|root| STANDARD.decode(root.as_str()?).ok())
        .collect()
}

/// Tells whether a model is certified, not compromised, and capable of what passkeys need.
pub(super) fn is_good_enough(entry: &Value, now: u64, defects: &Defects) -> bool {
    let statuses = statuses(entry, now);
    let compromised = statuses.iter().any(|status| BAD.contains(status));
    let certified = statuses
        .iter()
        .any(|status| status.starts_with("FIDO_CERTIFIED"));
    (!compromised || defects.has(Defect::MetadataStatusIgnored))
        && ((certified && is_capable(entry)) || defects.has(Defect::MetadataCapabilitiesIgnored))
}

/// Lists the statuses in effect; one without a date is in effect as long as it is there.
fn statuses(entry: &Value, now: u64) -> Vec<&str> {
    let today = date(now);
    list(&entry["statusReports"])
        .iter()
        .filter(|report| {
            // Dates are ISO 8601, so that their order is that of the texts.
            report["effectiveDate"]
                .as_str()
                .is_none_or(|since| since <= today.as_str())
        })
        .filter_map(|report| report["status"].as_str())
        .collect()
}

/// Writes a time's date as ISO 8601.
fn date(now: u64) -> String {
    let time = i64::try_from(now).ok().map(ASN1Time::from_timestamp);
    match time {
        Some(Ok(time)) => time.to_datetime().date().to_string(),
        _ => "9999-12-31".to_owned(),
    }
}

/// FIDO 2.0 or later, user verification, discoverable credentials, hmac-secret or prf.
fn is_capable(entry: &Value) -> bool {
    let info = &entry["metadataStatement"]["authenticatorGetInfo"];
    let lists = |name: &str, wanted: &dyn Fn(&str) -> bool| {
        list(&info[name])
            .iter()
            .filter_map(Value::as_str)
            .any(wanted)
    };
    let option = |name: &str| info["options"][name] == true;
    lists("versions", &|version| {
        version.starts_with("FIDO_2_") && !version.contains("PRE")
    }) && lists("extensions", &|name| ["hmac-secret", "prf"].contains(&name))
        && option("rk")
        && (option("uv") || option("clientPin"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// 2026-01-01.
    const NOW: u64 = 1_767_225_600;

    fn entry(reports: Value) -> Value {
        json!({
            "metadataStatement": { "authenticatorGetInfo": {
                "versions": ["FIDO_2_1"],
                "extensions": ["hmac-secret"],
                "options": { "rk": true, "clientPin": true },
            } },
            "statusReports": reports,
        })
    }

    fn is_good(entry: &Value) -> bool {
        is_good_enough(entry, NOW, &Defects::NONE)
    }

    #[test]
    fn a_model_is_certified_and_not_compromised() {
        assert!(is_good(&entry(json!([{ "status": "FIDO_CERTIFIED_L1" }]))));
        assert!(!is_good(&entry(
            json!([{ "status": "NOT_FIDO_CERTIFIED" }])
        )));
        assert!(!is_good(&entry(json!([]))));
        for bad in BAD {
            let reports = json!([{ "status": bad }, { "status": "FIDO_CERTIFIED" }]);
            assert!(!is_good(&entry(reports)), "{bad}");
        }
    }

    #[test]
    fn a_status_counts_from_its_date() {
        let revoked = |date: &str| {
            entry(json!([
                { "status": "FIDO_CERTIFIED", "effectiveDate": "2020-01-01" },
                { "status": "REVOKED", "effectiveDate": date },
            ]))
        };
        assert!(!is_good(&revoked("2026-01-01")));
        assert!(is_good(&revoked("2026-01-02")));
        let ignored = Defects::from(Defect::MetadataStatusIgnored);
        assert!(is_good_enough(&revoked("2025-01-01"), NOW, &ignored));
    }

    #[test]
    fn a_model_is_capable() {
        let good = entry(json!([{ "status": "FIDO_CERTIFIED" }]));
        for (pointer, value) in [
            ("versions", json!(["U2F_V2", "FIDO_2_1_PRE"])),
            ("extensions", json!(["credProtect"])),
            ("options", json!({ "rk": true, "uv": false })),
            ("options", json!({ "uv": true })),
        ] {
            let mut bad = good.clone();
            bad["metadataStatement"]["authenticatorGetInfo"][pointer] = value;
            assert!(!is_good(&bad), "{pointer}");
            let ignored = Defects::from(Defect::MetadataCapabilitiesIgnored);
            assert!(is_good_enough(&bad, NOW, &ignored));
        }
    }
}
