//! What the metadata service says of the models of a row.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use passkey_authenticators::{ca, webdriver::chromium};
use passkey_model::{
    Aaguid, lane::Fixed, library::Library, provider::AttestationKind, scenario::ModelMetadata,
};
use passkey_reference_rp::trust::Anchors;
use serde_json::{Value, json};

/// Returns what a relying party trusts: metadata of the attested providers and of the models that are named.
pub(super) fn anchors(
    library: &Library,
    named: &BTreeMap<Aaguid, ModelMetadata>,
    lane: &Fixed,
) -> Anchors {
    let providers = || library.providers.iter().map(|located| &located.value.claim);
    let of = |kind| {
        providers()
            .filter(move |claim| claim.attestation == kind)
            .map(|claim| claim.aaguid)
    };
    Anchors {
        metadata: metadata(of(AttestationKind::Packed).collect(), named, lane),
        first_party_roots: ca::first_party()
            .map(|ca| ca.root().to_vec())
            .into_iter()
            .collect(),
        first_party_aaguids: of(AttestationKind::FirstPartyApp)
            .map(|aaguid| aaguid.bytes())
            .collect(),
    }
}

/// Returns the metadata of the models whose attestation the test CA issues, as `metadata.json` for a target that is started has it.
pub(crate) fn of_models(library: &Library) -> Value {
    let claims = library.providers.iter().map(|located| &located.value.claim);
    let attested = claims.filter(|claim| claim.attestation == AttestationKind::Packed);
    let attested = attested.map(|claim| claim.aaguid).collect();
    metadata(attested, &BTreeMap::new(), &Fixed::default())
        .as_ref()
        .clone()
}

fn metadata(
    attested: Vec<Aaguid>,
    named: &BTreeMap<Aaguid, ModelMetadata>,
    lane: &Fixed,
) -> Arc<Value> {
    let mut payload = of_providers(attested);
    let named = named.iter();
    let own: Vec<Value> = named
        .filter_map(|(model, said)| entry(*model, *said))
        .chain(of_browser(lane))
        .collect();
    if own.is_empty() {
        return payload;
    }
    let entries = Arc::make_mut(&mut payload).get_mut("entries");
    if let Some(entries) = entries.and_then(Value::as_array_mut) {
        entries.retain(|known| own.iter().all(|entry| entry["aaguid"] != known["aaguid"]));
        entries.extend(own);
    }
    payload
}

/// Returns the metadata of attested providers, made once for all rows of a library.
fn of_providers(attested: Vec<Aaguid>) -> Arc<Value> {
    static LAST: Mutex<Option<(Vec<Aaguid>, Arc<Value>)>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    match &*last {
        Some((models, metadata)) if *models == attested => Arc::clone(metadata),
        _ => {
            let metadata = ca::known().map(|ca| ca.metadata(&attested));
            let metadata = Arc::new(metadata.unwrap_or_default());
            *last = Some((attested, Arc::clone(&metadata)));
            metadata
        }
    }
}

/// Makes the entry of a lane whose browser attests with a certificate of its own.
fn of_browser(lane: &Fixed) -> Option<Value> {
    let attests = lane.attestation == Some(AttestationKind::Packed);
    let model = lane.aaguid.filter(|_| attests)?;
    Some(ca::metadata_entry(model, chromium::BATCH_CERTIFICATE))
}

/// Makes the entry of one model: a certified one, with one change.
fn entry(model: Aaguid, said: ModelMetadata) -> Option<Value> {
    let ca = if said == ModelMetadata::OtherRoot {
        ca::unknown()
    } else {
        ca::known()
    }?;
    let mut entry = ca.metadata(&[model]).pointer_mut("/entries/0")?.take();
    let (pointer, value) = match said {
        ModelMetadata::Certified | ModelMetadata::OtherRoot => return Some(entry),
        ModelMetadata::LeafAsRoot => {
            let issued = ca.issue(model)?;
            return Some(ca::metadata_entry(model, issued.certificates.first()?));
        }
        ModelMetadata::SelfOnly => {
            entry["metadataStatement"]["attestationTypes"] = json!(["basic_surrogate"]);
            (ROOTS, json!([]))
        }
        ModelMetadata::NotCertified => ("/statusReports/0/status", json!("NOT_FIDO_CERTIFIED")),
        ModelMetadata::NoHmacSecret => (GET_INFO_EXTENSIONS, json!(["credProtect"])),
        ModelMetadata::U2fOnly => (GET_INFO_VERSIONS, json!(["U2F_V2"])),
        ModelMetadata::NoResidentKeys => (GET_INFO_OPTIONS, options(false, true, true)),
        ModelMetadata::ClientPinOnly => (GET_INFO_OPTIONS, options(true, false, true)),
        ModelMetadata::NoUserVerification => (GET_INFO_OPTIONS, options(true, false, false)),
        ModelMetadata::Revoked => return reported(entry, "REVOKED"),
        ModelMetadata::UserVerificationBypass => {
            return reported(entry, "USER_VERIFICATION_BYPASS");
        }
        ModelMetadata::AttestationKeyCompromise => {
            return reported(entry, "ATTESTATION_KEY_COMPROMISE");
        }
        ModelMetadata::UserKeyRemoteCompromise => {
            return reported(entry, "USER_KEY_REMOTE_COMPROMISE");
        }
        ModelMetadata::UserKeyPhysicalCompromise => {
            return reported(entry, "USER_KEY_PHYSICAL_COMPROMISE");
        }
    };
    *entry.pointer_mut(pointer)? = value;
    Some(entry)
}

const ROOTS: &str = "/metadataStatement/attestationRootCertificates";
const GET_INFO_VERSIONS: &str = "/metadataStatement/authenticatorGetInfo/versions";
const GET_INFO_EXTENSIONS: &str = "/metadataStatement/authenticatorGetInfo/extensions";
const GET_INFO_OPTIONS: &str = "/metadataStatement/authenticatorGetInfo/options";

fn options(rk: bool, uv: bool, client_pin: bool) -> Value {
    json!({ "rk": rk, "up": true, "uv": uv, "clientPin": client_pin })
}

/// Adds a later report to the certification (FIDO MDS3, 3.1.4).
fn reported(mut entry: Value, status: &str) -> Option<Value> {
    let report = json!({ "status": status, "effectiveDate": "2025-01-01" });
    entry["statusReports"].as_array_mut()?.push(report);
    entry["timeOfLastStatusChange"] = json!("2025-01-01");
    Some(entry)
}
