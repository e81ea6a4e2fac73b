//! Attestation statements (WebAuthn L3, 8.2 and 8.7).

use ciborium::Value as Cbor;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::FIRST_PARTY_FORMAT;
use crate::{
    defects::{Defect, Defects},
    parse::{Attested, is_built, member, verifies_with_certificate_key},
};

/// The certificate extension with the AAGUID, id-fido-gen-ce-aaguid (8.2.1).
const AAGUID_EXTENSION: &str = "1.3.6.1.4.1.45724.1.1.4";

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
        .and_then(|algorithm| i64::try_from(algorithm).ok())
        .ok_or("the statement has no alg")?;
    let sig = member(statement, "sig")
        .and_then(Cbor::as_bytes)
        .ok_or("the statement has no sig")?;
    match member(statement, "x5c") {
        None => packed_self(algorithm, sig, signed, defects),
        Some(chain) => packed_certified(chain, algorithm, sig, signed, defects),
    }
}

fn packed_self(
    algorithm: i64,
    sig: &[u8],
    signed: Signed<'_>,
    defects: &Defects,
) -> Result<Statement, &'static str> {
    if defects.has(Defect::SelfAttestationNotVerified) {
        return Ok(Statement::Own);
    }
    let key = &signed.attested.key;
    if algorithm != key.algorithm {
        Err("alg of a self attestation is not the credential's")
    } else if key.verifies(signed.message, sig) {
        Ok(Statement::Own)
    } else {
        Err("the self attestation's signature is wrong")
    }
}

fn packed_certified(
    chain: &Cbor,
    algorithm: i64,
    sig: &[u8],
    signed: Signed<'_>,
    defects: &Defects,
) -> Result<Statement, &'static str> {
    let chain = certificates(chain).ok_or("x5c is no list of certificates")?;
    let (rest, leaf) = X509Certificate::from_der(&chain[0])
        .map_err(|_| "the attestation certificate cannot be read")?;
    if !rest.is_empty() {
        return Err("there are bytes behind the attestation certificate");
    }
    if !is_built(algorithm) {
        return Err("alg is not one that can be verified");
    }
    let verified =
        verifies_with_certificate_key(algorithm, leaf.public_key().raw, signed.message, sig);
    if !verified && !defects.has(Defect::AttestationSignatureNotVerified) {
        return Err("the attestation signature is wrong");
    }
    if !defects.has(Defect::AttestationCertificateNotChecked) {
        requirements(&leaf)?;
    }
    if !defects.has(Defect::AttestationAaguidNotCompared) {
        aaguid_extension(&leaf, signed.attested.aaguid)?;
    }
    Ok(Statement::Certified(chain))
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
    let named = subject.iter_country().next().is_some()
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

/// The extension may be left out; where it is there, it names the model, and is not critical (8.2.1).
fn aaguid_extension(leaf: &X509Certificate<'_>, aaguid: [u8; 16]) -> Result<(), &'static str> {
    let extension = leaf
        .extensions()
        .iter()
        .find(|extension| extension.oid.to_id_string() == AAGUID_EXTENSION);
    let Some(extension) = extension else {
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
