//! What a certificate says, and how it is written (RFC 5280; WebAuthn L3, 8.2.1 and 8.2.2).

use crate::{
    der::{bit_string, integer, oid, sequence, time, value},
    key::Key,
    seed::Seed,
};

const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
/// BIT STRING with keyCertSign set, which a CA's certificate has to name (RFC 5280, 4.2.1.3).
const KEY_CERT_SIGN: [u8; 4] = [0x03, 0x02, 0x02, 0x04];
/// 1.3.6.1.4.1.45724.1.1.4, id-fido-gen-ce-aaguid (WebAuthn L3, 8.2.1).
const AAGUID_EXTENSION: &[u8] = &[
    0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xe5, 0x1c, 0x01, 0x01, 0x04,
];

/// 1.3.6.1.4.1.45724.1.1.2, id-fido-gen-ce-sernum (WebAuthn L3, 8.2.2).
const SERIAL_NUMBER_EXTENSION: &[u8] = &[
    0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xe5, 0x1c, 0x01, 0x01, 0x02,
];
const CRL_DISTRIBUTION_POINTS: &[u8] = &[0x55, 0x1d, 0x1f];
/// 1.3.6.1.5.5.7.1.1
const AUTHORITY_INFORMATION_ACCESS: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01];
/// 1.3.6.1.5.5.7.48.1
const OCSP: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01];
/// 1.3.6.1.5.5.7.48.2
const CA_ISSUERS: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];
/// 2.25.1, which nobody knows.
const UNKNOWN_EXTENSION: &[u8] = &[0x69, 0x01];

/// What a certificate says (WebAuthn L3, 8.2.1; RFC 5280).
#[derive(Clone, Debug)]
pub(crate) struct Contents {
    /// 2 stands for v3.
    pub version: u8,
    pub issuer: String,
    /// C, O, OU and CN; empty ones are left out.
    pub subject: [String; 4],
    pub ca: bool,
    /// Whether the key usage extension is there.
    pub signs_certificates: bool,
    /// What the AAGUID extension holds.
    pub aaguid_extension: Option<Vec<u8>>,
    pub aaguid_critical: bool,
    pub unknown_critical_extension: bool,
    /// The serial number of the one device that is attested.
    pub serial_number: Option<Vec<u8>>,
    /// Where revocations of this certificate are listed, as a URL.
    pub crl_distribution_point: Option<String>,
    /// Where revocation is answered for, as a URL.
    pub ocsp: Option<String>,
    /// Where the issuer's certificate is, as a URL.
    pub ca_issuers: Option<String>,
    /// As GeneralizedTime or UTCTime.
    pub not_before: String,
    pub not_after: String,
    /// Whether another CA's key signs it under this issuer's name.
    pub other_issuer_key: bool,
    /// What the certificate's own serial number is derived from.
    pub serial: String,
}

impl Contents {
    /// What the certificate of a CA says; `subject` is its common name.
    pub(super) fn of_ca(issuer: &str, subject: &str) -> Self {
        Self {
            version: 2,
            issuer: issuer.to_owned(),
            subject: names(subject),
            ca: true,
            signs_certificates: true,
            aaguid_extension: None,
            aaguid_critical: false,
            unknown_critical_extension: false,
            serial_number: None,
            crl_distribution_point: None,
            ocsp: None,
            ca_issuers: None,
            not_before: "200101000000Z".to_owned(),
            not_after: "491231235959Z".to_owned(),
            other_issuer_key: false,
            serial: subject.to_owned(),
        }
    }

    /// Writes the certificate, DER, of a key, signed with the issuer's.
    pub(super) fn certificate(&self, key: &Key, issuer_key: &Key) -> Vec<u8> {
        let algorithm = sequence(&[oid(ECDSA_WITH_SHA256)]);
        let serial = Seed::new(1, &self.serial).bytes(&self.issuer);
        let mut parts = vec![
            integer(&serial[..16]),
            algorithm.clone(),
            name(&names(&self.issuer)),
            sequence(&[time(&self.not_before), time(&self.not_after)]),
            name(&self.subject),
            key.spki(),
        ];
        // Version 1 is the default, which DER leaves out, and knows no extensions.
        if self.version > 0 {
            parts.insert(0, value(0xa0, &integer(&[self.version])));
            parts.push(value(0xa3, &sequence(&self.extensions())));
        }
        let to_be_signed = sequence(&parts);
        let signature = bit_string(&issuer_key.sign(&to_be_signed));
        sequence(&[to_be_signed, algorithm, signature])
    }

    fn extensions(&self) -> Vec<Vec<u8>> {
        let is_ca = if self.ca {
            value(0x01, &[0xff])
        } else {
            Vec::new()
        };
        let mut list = vec![extension(BASIC_CONSTRAINTS, true, &sequence(&[is_ca]))];
        if self.signs_certificates {
            list.push(extension(KEY_USAGE, true, &KEY_CERT_SIGN));
        }
        if let Some(content) = &self.aaguid_extension {
            list.push(extension(AAGUID_EXTENSION, self.aaguid_critical, content));
        }
        if self.unknown_critical_extension {
            list.push(extension(UNKNOWN_EXTENSION, true, &[0x05, 0x00]));
        }
        if let Some(number) = &self.serial_number {
            let number = value(0x04, number);
            list.push(extension(SERIAL_NUMBER_EXTENSION, false, &number));
        }
        list.extend(self.crl_distribution_point.as_deref().map(crl_extension));
        list.extend(self.access_extension());
        list
    }

    /// Authority Information Access (RFC 5280, 4.2.2.1).
    fn access_extension(&self) -> Option<Vec<u8>> {
        let access = [(OCSP, &self.ocsp), (CA_ISSUERS, &self.ca_issuers)];
        let descriptions: Vec<Vec<u8>> = access
            .into_iter()
            .filter_map(|(method, url)| Some(sequence(&[oid(method), uri(url.as_deref()?)])))
            .collect();
        let content = (!descriptions.is_empty()).then(|| sequence(&descriptions))?;
        Some(extension(AUTHORITY_INFORMATION_ACCESS, false, &content))
    }
}

/// CRL Distribution Points with one full name (RFC 5280, 4.2.1.13).
fn crl_extension(url: &str) -> Vec<u8> {
    let point = value(0xa0, &value(0xa0, &uri(url)));
    let points = sequence(&[sequence(&[point])]);
    extension(CRL_DISTRIBUTION_POINTS, false, &points)
}

/// GeneralName, uniformResourceIdentifier (RFC 5280, 4.2.1.6).
fn uri(text: &str) -> Vec<u8> {
    value(0x86, text.as_bytes())
}

fn extension(arcs: &[u8], critical: bool, content: &[u8]) -> Vec<u8> {
    let mut parts = vec![oid(arcs)];
    if critical {
        parts.push(value(0x01, &[0xff]));
    }
    parts.push(value(0x04, content));
    sequence(&parts)
}

/// The subject that WebAuthn L3, 8.2.1 demands: C, O, OU = "Authenticator Attestation", CN.
fn names(common_name: &str) -> [String; 4] {
    [
        "US",
        "passkey-harness",
        "Authenticator Attestation",
        common_name,
    ]
    .map(str::to_owned)
}

fn name(subject: &[String; 4]) -> Vec<u8> {
    const ATTRIBUTES: [(u8, u8); 4] = [(6, 0x13), (10, 0x0c), (11, 0x0c), (3, 0x0c)];
    let attribute = |(arc, tag): (u8, u8), text: &str| {
        let pair = sequence(&[oid(&[0x55, 0x04, arc]), value(tag, text.as_bytes())]);
        value(0x31, &pair)
    };
    let parts = ATTRIBUTES.iter().zip(subject);
    let parts = parts.filter(|(_, text)| !text.is_empty());
    sequence(
        &parts
            .map(|(kind, text)| attribute(*kind, text))
            .collect::<Vec<_>>(),
    )
}

/// Writes a time as RFC 5280, 4.1.2.5 wants it: UTCTime before 2050, GeneralizedTime from then on. `seconds` are of the Unix epoch.
pub(crate) fn time_text(seconds: u64) -> String {
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let rest = format!(
        "{month:02}{:02}{:02}{:02}{:02}Z",
        days + 1,
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    if year < 2050 {
        format!("{:02}{rest}", year % 100)
    } else {
        format!("{year}{rest}")
    }
}

#[cfg(test)]
mod tests {
    use super::time_text;

    #[test]
    fn times_are_written_as_rfc_5280_says() {
        assert_eq!(time_text(0), "700101000000Z");
        assert_eq!(time_text(951_782_400), "000229000000Z");
        assert_eq!(time_text(2_524_607_999), "491231235959Z");
        assert_eq!(time_text(2_524_608_000), "20500101000000Z");
    }
}
