//! What a person wants to know of an attestation certificate.

use x509_parser::{certificate::X509Certificate, prelude::FromDer};

const UUID_GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

/// Returns the subject, or nothing when the bytes are no certificate; a UUID in it is that of one run, and left out.
pub(super) fn subject(der: &[u8]) -> Option<String> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    rest.is_empty()
        .then(|| without_uuids(&certificate.subject().to_string()))
}

fn without_uuids(subject: &str) -> String {
    let words = subject.split_inclusive([' ', '=', ',', '/', ':']);
    let shown = words.map(|word| {
        let bare = word.trim_end_matches([' ', '=', ',', '/', ':']);
        let is_uuid = bare.split('-').map(str::len).eq(UUID_GROUPS);
        if is_uuid {
            format!("<uuid>{}", &word[bare.len()..])
        } else {
            word.to_owned()
        }
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::without_uuids;

    #[test]
    fn a_uuid_is_left_out_of_a_subject() {
        let subject = "C=AU, CN=Token 7f0e1c1e-0000-4000-8000-0123456789ab, O=Key";
        assert_eq!(without_uuids(subject), "C=AU, CN=Token <uuid>, O=Key");
    }
}
