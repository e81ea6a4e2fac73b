//! Attestation statements (WebAuthn L3, 8.2 and 8.7).

use ciborium::Value as Cbor;
use x509_parser::prelude::{FromDer, X509Certificate, X509Extension};

use super::FIRST_PARTY_FORMAT;
use crate::{
    defects::{Defect, Defects},
    parse::{Attested, is_built, member, verifies_with_certificate_key},
};

/// The certificate extension with the AAGUID, id-fido-gen-ce-aaguid (8.2.1).
const AAGUID_EXTENSION: &str = "1.3.6.1.4.1.45724.1.1.4";
/// The certificate extension with the serial number of one device, id-fido-gen-ce-sernum (8.2.2).
const SERIAL_NUMBER_EXTENSION: &str = "1.3.6.1.4.1.45724.1.1.2";

/// One of each kind of algorithm that can be verified.
const ALGORITHMS: [i64; 5] = [-7, -35, -36, -8, -257];

/// How an attestation statement was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    /// Without attestation.
    None,
    /// With the credential's own key.
    Own,
    /// With an attestation key; its certificates, the leaf first.
    Certified(Vec<Vec<u8>>),
    /// In a format that this relying party cannot verify.
    Unknown,
    /// It does not verify, and that does not matter.
    Ignored,
}

/// What a statement is about.
#[derive(Clone, Copy)]
pub(crate) struct Signed<'a> {
    /// Authenticator data and the hash of client data.
    pub message: &'a [u8],
    /// What is attested.
    pub attested: &'a Attested,
    /// Whether an attestation of one device, not of a model alone, was asked for.
    pub enterprise: bool,
}

/// Tells whether a statement is, by its form, signed with the credential's own key.
pub(crate) fn is_self_attestation(format: &str, statement: &Cbor) -> bool {
    format == "packed" && member(statement, "x5c").is_none()
}

/// Verifies a statement by the procedure of its format.
pub(crate) fn verify_statement(
    format: &str,
    statement: &Cbor,
    signed: Signed<'_>,
    defects: &Defects,
) -> Result<Statement, &'static str> {
    match format {
        "none" => {
            let empty = statement.as_map().is_some_and(Vec::is_empty);
            if empty || defects.has(Defect::NoneStatementNotChecked) {
                Ok(Statement::None)
            } else {
                Err("format none has a statement")
            }
        }
        "packed" => packed(statement, signed, defects),
        // First-party apps are attested by certificates, or not at all.
        FIRST_PARTY_FORMAT if member(statement, "x5c").is_none() => {
            Err("the statement of a first-party app has no certificates")
        }
        FIRST_PARTY_FORMAT => packed(statement, signed, defects),
        _ => Ok(Statement::Unknown),
    }
}

fn packed(
    statement: &Cbor,
    signed: Signed<'_>,
    defects: &Defects,
) -> Result<Statement, &'static str> {
    let algorithm = member(statement, "alg")
        .and_then(Cbor::as_integer)
        .and_then(|algorithm| i64::try_from(algorithm).ok());
    let algorithm = if defects.has(Defect::AttestationAlgorithmIgnored) {
        None
    } else {
        Some(algorithm.ok_or("the statement has no alg")?)
    };
    let sig = member(statement, "sig")
        .and_then(Cbor::as_bytes)
        .ok_or("the statement has no sig")?;
    match member(statement, "x5c") {
        None => packed_self(algorithm, sig, signed, defects),
        Some(chain) => packed_certified(chain, algorithm, sig, signed, defects),
    }
}

/// `algorithm` is what the statement says, unless nobody looks.
fn packed_self(
    algorithm: Option<i64>,
    sig: &[u8],
    signed: Signed<'_>,
    defects: &Defects,
) -> Result<Statement, &'static str> {
    if defects.has(Defect::SelfAttestationNotVerified) {
        return Ok(Statement::Own);
    }
    let key = &signed.attested.key;
    if algorithm.is_some_and(|algorithm| algorithm != key.algorithm) {
        Err("alg of a self attestation is not the credential's")
    } else if key.verifies(signed.message, sig) {
        Ok(Statement::Own)
    } else {
        Err("the self attestation's signature is wrong")
    }
}

fn packed_certified(
    chain: &Cbor,
    algorithm: Option<i64>,
    sig: &[u8],
    signed: Signed<'_>,
    defects: &Defects,
) -> Result<Statement, &'static str> {
    let mut chain = certificates(chain).ok_or("x5c is no list of certificates")?;
    if defects.has(Defect::AttestationCertificateAnywhere) {
        let signed_by = |der: &Vec<u8>| signs(der, algorithm, sig, signed.message);
        chain.sort_by_key(|der| !signed_by(der));
    }
    let (rest, leaf) = X509Certificate::from_der(&chain[0])
        .map_err(|_| "the attestation certificate cannot be read")?;
    if !rest.is_empty() {
        return Err("there are bytes behind the attestation certificate");
    }
    if algorithm.is_some_and(|algorithm| !is_built(algorithm)) {
        return Err("alg is not one that can be verified");
    }
    let verified = signs(&chain[0], algorithm, sig, signed.message);
    if !verified && !defects.has(Defect::AttestationSignatureNotVerified) {
        return Err("the attestation signature is wrong");
    }
    if !defects.has(Defect::AttestationCertificateNotChecked) {
        requirements(&leaf)?;
    }
    if !defects.has(Defect::AttestationAaguidNotCompared) {
        aaguid_extension(&leaf, signed.attested.aaguid)?;
    }
    if !signed.enterprise && !defects.has(Defect::SerialNumberAccepted) {
        no_serial_number(&leaf)?;
    }
    Ok(Statement::Certified(chain))
}

/// Tells whether a certificate's key made a signature, by an algorithm or, where none is named, by whichever fits the key.
fn signs(der: &[u8], algorithm: Option<i64>, sig: &[u8], message: &[u8]) -> bool {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return false;
    };
    let key = certificate.public_key().raw;
    let verifies = |algorithm| verifies_with_certificate_key(algorithm, key, message, sig);
    algorithm.map_or_else(|| ALGORITHMS.into_iter().any(verifies), verifies)
}

fn certificates(chain: &Cbor) -> Option<Vec<Vec<u8>>> {
    let items = chain.as_array().filter(|items| !items.is_empty())?;
    items.iter().map(|der| der.as_bytes().cloned()).collect()
}

/// The certificate requirements of 8.2.1.
fn requirements(leaf: &X509Certificate<'_>) -> Result<(), &'static str> {
    let subject = leaf.subject();
    let unit = subject
        .iter_organizational_unit()
        .next()
        .and_then(|unit| unit.as_str().ok());
    let country = subject
        .iter_country()
        .next()
        .and_then(|country| country.as_str().ok());
    let named = country.is_some_and(is_country_code)
        && subject.iter_organization().next().is_some()
        && subject.iter_common_name().next().is_some();
    if leaf.version().0 != 2 {
        return Err("the attestation certificate is not of version 3");
    }
    if !named || unit != Some("Authenticator Attestation") {
        return Err("the attestation certificate's subject is not as 8.2.1 demands");
    }
    let constraints = leaf.basic_constraints().ok().flatten();
    if constraints.is_none_or(|constraints| constraints.value.ca) {
        return Err("the attestation certificate may sign certificates");
    }
    Ok(())
}

/// Tells whether a text has the form of a country's code in ISO 3166-1.
fn is_country_code(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|letter| letter.is_ascii_uppercase())
}

/// What names one device is not for a relying party that did not ask for it (8.2.2).
fn no_serial_number(leaf: &X509Certificate<'_>) -> Result<(), &'static str> {
    match extension(leaf, SERIAL_NUMBER_EXTENSION) {
        Some(_) => Err("the attestation certificate names one device, which was not asked for"),
        None => Ok(()),
    }
}

fn extension<'c>(leaf: &'c X509Certificate<'_>, id: &str) -> Option<&'c X509Extension<'c>> {
    let mut extensions = leaf.extensions().iter();
    extensions.find(|extension| extension.oid.to_id_string() == id)
}

/// The extension may be left out; where it is there, it names the model, and is not critical (8.2.1).
fn aaguid_extension(leaf: &X509Certificate<'_>, aaguid: [u8; 16]) -> Result<(), &'static str> {
    let Some(extension) = extension(leaf, AAGUID_EXTENSION) else {
        return Ok(());
    };
    if extension.critical {
        return Err("the AAGUID extension is critical");
    }
    if extension.value.strip_prefix(&[0x04, 0x10]) == Some(aaguid.as_slice()) {
        Ok(())
    } else {
        Err("the attestation certificate names another AAGUID")
    }
}
