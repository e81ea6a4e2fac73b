//! Certification paths (WebAuthn L3, 7.1 step 24; RFC 5280).

use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::defects::{Defect, Defects};

/// Tells whether a chain, the leaf first, leads to one of the roots.
pub(super) fn leads_to(chain: &[Vec<u8>], roots: &[Vec<u8>], now: u64, defects: &Defects) -> bool {
    let Some((leaf, between)) = chain.split_first() else {
        return false;
    };
    let mut roots = roots.to_vec();
    if defects.has(Defect::AttestationRootFromResponse) {
        roots.extend(chain.last().cloned());
    }
    if defects.has(Defect::AttestationRootMatchedByName) {
        let names: Vec<Vec<u8>> = roots.iter().filter_map(|root| subject(root)).collect();
        let namesakes = chain
            .iter()
            .filter(|der| subject(der).is_some_and(|name| names.contains(&name)));
        roots.extend(namesakes.cloned());
    }
    let now = if defects.has(Defect::AttestationChainExpiryIgnored) {
        moment_of_issue(chain).unwrap_or(now)
    } else {
        now
    };
    // A leaf that is itself an anchor is acceptable (step 24), which a path builder does not see.
    if roots.contains(leaf) {
        return is_in_force(leaf, now);
    }
    has_path(leaf, between, &roots, now)
}

/// The subject's name, DER.
fn subject(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.subject().as_raw().to_vec())
}

/// The moment from which all certificates of the chain were valid.
fn moment_of_issue(chain: &[Vec<u8>]) -> Option<u64> {
    let starts = chain.iter().filter_map(|der| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        u64::try_from(certificate.validity().not_before.timestamp()).ok()
    });
    starts.max()
}

fn is_in_force(der: &[u8], now: u64) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return false;
    };
    let validity = certificate.validity();
    i64::try_from(now).is_ok_and(|now| {
        (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now)
    })
}

fn has_path(leaf: &[u8], between: &[Vec<u8>], roots: &[Vec<u8>], now: u64) -> bool {
    let roots: Vec<CertificateDer<'_>> = roots
        .iter()
        .map(|root| CertificateDer::from(root.as_slice()))
        .collect();
    let anchors: Vec<_> = roots
        .iter()
        .filter_map(|root| webpki::anchor_from_trusted_cert(root).ok())
        .collect();
    let leaf = CertificateDer::from(leaf);
    let between: Vec<CertificateDer<'_>> = between
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let Ok(leaf) = webpki::EndEntityCert::try_from(&leaf) else {
        return false;
    };
    leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        &between,
        UnixTime::since_unix_epoch(Duration::from_secs(now)),
        webpki::KeyUsage::client_auth(),
        None,
        None,
    )
    .is_ok()
}
