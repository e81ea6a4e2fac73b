//! What a person wants to know of an attestation certificate.

use x509_parser::{certificate::X509Certificate, prelude::FromDer};

/// Returns the subject, or nothing when the bytes are no certificate.
pub(super) fn subject(der: &[u8]) -> Option<String> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    rest.is_empty().then(|| certificate.subject().to_string())
}
