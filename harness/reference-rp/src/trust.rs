//! Attestation: the statement (WebAuthn L3, 7.1 step 22) and the trust in it (steps 23 and 24).

use std::time::Duration;

use aws_lc_rs::signature::{self, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ciborium::Value as Cbor;
use rustls_pki_types::{CertificateDer, UnixTime};
use serde_json::Value;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::parse::{CoseKey, member};

/// The format of first-party apps: a synthetic stand-in for App Attest and Play Integrity.
pub(crate) const FIRST_PARTY_FORMAT: &str = "x-first-party-app";
const AAGUID_EXTENSION: &str = "1.3.6.1.4.1.45724.1.1.4";

/// What the relying party trusts.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    /// A decoded metadata payload of FIDO's service.
    pub metadata: Value,
    /// The roots of first-party apps, DER.
    pub first_party_roots: Vec<Vec<u8>>,
    /// The AAGUIDs of first-party apps.
    pub first_party_aaguids: Vec<[u8; 16]>,
}

/// How an attestation statement was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    None,
    Own,
    Certified(Vec<Vec<u8>>),
    /// A format that this relying party cannot verify.
    Unknown,
}

/// Verifies a statement over what was signed by the procedure of its format.
pub(crate) fn verify_statement(
    format: &str,
    statement: &Cbor,
    signed: &[u8],
    key: &CoseKey,
    aaguid: [u8; 16],
) -> Result<Statement, &'static str> {
    match format {
        "none" if statement.as_map().is_some_and(Vec::is_empty) => Ok(Statement::None),
        "none" => Err("format none has a statement"),
        "packed" | FIRST_PARTY_FORMAT => packed(statement, signed, key, aaguid),
        _ => Ok(Statement::Unknown),
    }
}

fn packed(
    statement: &Cbor,
    signed: &[u8],
    key: &CoseKey,
    aaguid: [u8; 16],
) -> Result<Statement, &'static str> {
    let algorithm = member(statement, "alg")
        .and_then(Cbor::as_integer)
        .ok_or("the statement has no alg")?;
    let sig = member(statement, "sig")
        .and_then(Cbor::as_bytes)
        .ok_or("the statement has no sig")?;
    let Some(chain) = member(statement, "x5c") else {
        if i128::from(algorithm) != i128::from(key.algorithm) {
            return Err("alg of a self attestation is not the credential's");
        }
        return if key.verifies(signed, sig) {
            Ok(Statement::Own)
        } else {
            Err("the self attestation's signature is wrong")
        };
    };
    let chain: Option<Vec<Vec<u8>>> = chain
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .map(|der| der.as_bytes().cloned())
        .collect();
    let chain = chain
        .filter(|chain| !chain.is_empty())
        .ok_or("x5c is no list of certificates")?;
    let (_, leaf) = X509Certificate::from_der(&chain[0])
        .map_err(|_| "the attestation certificate cannot be read")?;
    if i128::from(algorithm) != -7 {
        return Err("alg is not that of the attestation certificate");
    }
    let public_key = leaf.public_key().subject_public_key.data.as_ref();
    UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, public_key)
        .verify(signed, sig)
        .map_err(|_| "the attestation signature is wrong")?;
    requirements(&leaf, aaguid)?;
    Ok(Statement::Certified(chain))
}

/// The certificate requirements of WebAuthn L3, 8.2.1.
fn requirements(leaf: &X509Certificate<'_>, aaguid: [u8; 16]) -> Result<(), &'static str> {
    let subject = leaf.subject();
    let unit = subject
        .iter_organizational_unit()
        .next()
        .and_then(|unit| unit.as_str().ok());
    let named = subject.iter_country().next().is_some()
        && subject.iter_organization().next().is_some()
        && subject.iter_common_name().next().is_some();
    if leaf.version().0 != 2 {
        return Err("the attestation certificate is not of version 3");
    }
    if !named || unit != Some("Authenticator Attestation") {
        return Err("the attestation certificate's subject is not as 8.2.1 demands");
    }
    if leaf
        .basic_constraints()
        .ok()
        .flatten()
        .is_none_or(|constraints| constraints.value.ca)
    {
        return Err("the attestation certificate may sign certificates");
    }
    let extension = leaf
        .extensions()
        .iter()
        .find(|extension| extension.oid.to_id_string() == AAGUID_EXTENSION);
    let Some(extension) = extension else {
        return Ok(());
    };
    if extension.critical || extension.value.strip_prefix(&[0x04, 0x10]) != Some(aaguid.as_slice())
    {
        return Err("the attestation certificate names another AAGUID");
    }
    Ok(())
}

/// Tells whether a verified statement proves the authenticator's model.
pub(crate) fn is_attested(
    anchors: &Anchors,
    format: &str,
    statement: &Statement,
    aaguid: [u8; 16],
    now: u64,
) -> bool {
    let Statement::Certified(chain) = statement else {
        return false;
    };
    if format == FIRST_PARTY_FORMAT {
        return anchors.first_party_aaguids.contains(&aaguid)
            && leads_to(chain, &anchors.first_party_roots, now);
    }
    let entries = anchors
        .metadata
        .get("entries")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let wanted = crate::policy::guid(aaguid);
    let entry = entries
        .iter()
        .find(|entry| entry["aaguid"].as_str() == Some(wanted.as_str()));
    entry.is_some_and(|entry| is_good_enough(entry) && leads_to(chain, &roots(entry), now))
}

fn roots(entry: &Value) -> Vec<Vec<u8>> {
    let list = entry
        .pointer("/metadataStatement/attestationRootCertificates")
        .and_then(Value::as_array);
    let list = list.map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .filter_map(|root| STANDARD.decode(root.as_str()?).ok())
        .collect()
}

/// Certified, not compromised, FIDO 2.0 or later, verifies users, keeps discoverable credentials, has hmac-secret or prf.
fn is_good_enough(entry: &Value) -> bool {
    let reports = entry["statusReports"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let statuses: Vec<&str> = reports
        .iter()
        .filter_map(|report| report["status"].as_str())
        .collect();
    let bad = [
        "REVOKED",
        "USER_VERIFICATION_BYPASS",
        "ATTESTATION_KEY_COMPROMISE",
        "USER_KEY_REMOTE_COMPROMISE",
        "USER_KEY_PHYSICAL_COMPROMISE",
    ];
    let info = &entry["metadataStatement"]["authenticatorGetInfo"];
    let lists = |name: &str, wanted: &[&str]| {
        let list = info[name].as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter()
            .filter_map(Value::as_str)
            .any(|item| wanted.contains(&item))
    };
    let option = |name: &str| info["options"][name].as_bool() == Some(true);
    statuses
        .iter()
        .any(|status| status.starts_with("FIDO_CERTIFIED"))
        && !statuses.iter().any(|status| bad.contains(status))
        && lists("versions", &["FIDO_2_0", "FIDO_2_1", "FIDO_2_2"])
        && lists("extensions", &["hmac-secret", "prf"])
        && option("rk")
        && (option("uv") || option("clientPin"))
}

fn leads_to(chain: &[Vec<u8>], roots: &[Vec<u8>], now: u64) -> bool {
    // A leaf that is itself an anchor is acceptable (step 24), which a path builder does not see.
    if roots.contains(&chain[0]) {
        return true;
    }
    let roots: Vec<CertificateDer<'_>> = roots
        .iter()
        .map(|root| CertificateDer::from(root.as_slice()))
        .collect();
    let anchors: Vec<_> = roots
        .iter()
        .filter_map(|root| webpki::anchor_from_trusted_cert(root).ok())
        .collect();
    let leaf = CertificateDer::from(chain[0].as_slice());
    let between: Vec<CertificateDer<'_>> = chain[1..]
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let Ok(leaf) = webpki::EndEntityCert::try_from(&leaf) else {
        return false;
    };
    let time = UnixTime::since_unix_epoch(Duration::from_secs(now));
    let usage = webpki::KeyUsage::client_auth();
    leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        &between,
        time,
        usage,
        None,
        None,
    )
    .is_ok()
}
