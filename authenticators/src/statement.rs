//! Attestation statements, their certificates, and the attestation object around them (WebAuthn L3, 6.5.4 and 8.2).

use passkey_model::{Aaguid, Mutation, Operation, Stage, provider::AttestationKind};

use crate::{
    ca::{self, AttestationKey, Contents, TestCa, Which},
    cbor::Cbor,
    data::AuthenticatorData,
    der,
    key::Key,
    mutate::{Applier, MutationError},
    software::MakeRequest,
};

/// Names the credential's own key where an attestation key should sign.
pub(crate) const BY_CREDENTIAL_KEY: &str = "$BY_CREDENTIAL_KEY";
const BY_OTHER_KEY: &str = "$BY_OTHER_KEY";

/// Who can sign an attestation.
pub(crate) struct Signer<'a> {
    /// The credential's own key.
    pub key: &'a Key,
    /// Makes a key that has nothing to do with it; few signatures are by one.
    pub other: &'a dyn Fn() -> Option<Key>,
    /// The model that certificates name.
    pub aaguid: Aaguid,
}

/// An attestation statement with its format.
pub(crate) struct Statement {
    pub format: String,
    pub members: Cbor,
}

/// Makes the statement of a kind over authenticator data and client data hash.
pub(crate) fn statement(
    request: &MakeRequest<'_>,
    signer: &Signer<'_>,
    signed: &AuthenticatorData,
    change: &Applier<'_>,
) -> Result<Statement, MutationError> {
    let (format, ca) = match request.attestation {
        AttestationKind::None => {
            return finished("none", Cbor::Map(Vec::new()), change);
        }
        AttestationKind::PackedSelf => ("packed", None),
        AttestationKind::Packed => ("packed", ca::known()),
        AttestationKind::PackedUnknownRoot => ("packed", ca::unknown()),
        AttestationKind::FirstPartyApp => ("x-first-party-app", ca::first_party()),
        other => return Err(change.error(format!("attestation {} is not built", other.name()))),
    };
    let attestation_key = ca
        .map(|ca| certificates(ca, signer.aaguid, change))
        .transpose()?
        .flatten();
    let key = attestation_key.as_ref().map_or(signer.key, |own| &own.key);
    let message = change.to_be_signed(&signed.encode(), &request.client_data_hash)?;
    let signature = match by_other(change) {
        Some(name) => {
            let signed = sign_by(name, &message, signer.key, signer.other, change)?;
            change.changed(signed != key.sign(&message))?;
            signed
        }
        None => key.sign(&message),
    };
    let mut members = vec![
        (Cbor::text("alg"), Cbor::Int(key.algorithm().cose())),
        (Cbor::text("sig"), Cbor::Bytes(signature)),
    ];
    if let Some(own) = &attestation_key {
        let chain = own.certificates.iter().cloned().map(Cbor::Bytes).collect();
        members.push((Cbor::text("x5c"), Cbor::List(chain)));
    }
    finished(format, Cbor::Map(members), change)
}

/// Returns the name of the key that is to sign instead: `$BY_CREDENTIAL_KEY` or `$BY_OTHER_KEY` set at `sig`.
pub(crate) fn by_other<'a>(change: &Applier<'a>) -> Option<&'a str> {
    let mutation = change.peek(Stage::AttestationStatement)?;
    let at_signature = mutation.at.path == ["sig"] && mutation.op == Operation::Set;
    let name = mutation.value.as_ref().and_then(|value| value.as_str())?;
    Some(name).filter(|name| at_signature && name.starts_with("$BY_"))
}

/// Signs with the key that [`by_other`] names.
pub(crate) fn sign_by(
    name: &str,
    message: &[u8],
    credential_key: &Key,
    other: &dyn Fn() -> Option<Key>,
    change: &Applier<'_>,
) -> Result<Vec<u8>, MutationError> {
    match name {
        BY_CREDENTIAL_KEY => Ok(credential_key.sign(message)),
        BY_OTHER_KEY => {
            let other = other().ok_or_else(|| change.error("no other key"))?;
            Ok(other.sign(message))
        }
        _ => {
            Err(change
                .error("no statement is signed by that: use $BY_CREDENTIAL_KEY or $BY_OTHER_KEY"))
        }
    }
}

/// Applies a mutation of the members, which are complete.
pub(crate) fn finished(
    format: &str,
    mut members: Cbor,
    change: &Applier<'_>,
) -> Result<Statement, MutationError> {
    if let Some(mutation) = change.at(Stage::AttestationStatement)
        && by_other(change).is_none()
    {
        change.cbor(mutation, &mutation.at.path, &mut members)?;
    }
    Ok(Statement {
        format: format.to_owned(),
        members,
    })
}

fn certificates(
    ca: &TestCa,
    aaguid: Aaguid,
    change: &Applier<'_>,
) -> Result<Option<AttestationKey>, MutationError> {
    let Some(mutation) = change.at(Stage::Certificates) else {
        return Ok(ca.issue(aaguid));
    };
    let path: Vec<&str> = mutation.at.path.iter().map(String::as_str).collect();
    let changed = |which, what: &[&str]| {
        ca.issue_changed(aaguid, which, |contents| {
            let before = format!("{contents:?}");
            say(contents, what, mutation, change)?;
            change.changed(format!("{contents:?}") != before)
        })
    };
    let value = mutation.value.as_ref().and_then(|value| value.as_str());
    match (path.as_slice(), mutation.op, value) {
        (["leaf", what @ ..], ..) => changed(Which::Leaf, what),
        (["intermediate", what @ ..], ..) => changed(Which::Intermediate, what),
        (["chain"], Operation::Set, Some("$IMPOSTOR")) => Ok(ca.issue_by_impostor(aaguid)),
        (["chain"], ..) => {
            let mut issued = ca.issue(aaguid);
            if let Some(issued) = &mut issued {
                chain(&mut issued.certificates, Some(ca), mutation, change)?;
            }
            Ok(issued)
        }
        _ => {
            Err(change
                .error("is not a part of the certificates: chain, leaf/..., intermediate/..."))
        }
    }
}

/// Applies a mutation of the chain; `ca` issued it, unless somebody did whose root is not known.
pub(crate) fn chain(
    chain: &mut Vec<Vec<u8>>,
    ca: Option<&TestCa>,
    mutation: &Mutation,
    change: &Applier<'_>,
) -> Result<(), MutationError> {
    let before = chain.clone();
    let certificate = || match mutation.value.as_ref().and_then(|value| value.as_str()) {
        Some("$ROOT") => ca
            .map(|ca| ca.root().to_vec())
            .ok_or_else(|| change.error("the root of this chain is not known")),
        Some("$SELF_SIGNED_ROOT") => ca
            .and_then(TestCa::forged_root)
            .ok_or_else(|| change.error("no key for a root, or the root is not known")),
        _ => change.operand_bytes(mutation),
    };
    match mutation.op {
        Operation::Swap => chain.reverse(),
        Operation::Append => chain.push(certificate()?),
        Operation::Prepend => chain.insert(0, certificate()?),
        Operation::Truncate => {
            chain.truncate(before.len().saturating_sub(change.number(mutation)?));
        }
        Operation::Remove => chain.clear(),
        _ => return Err(change.error("this operation does not apply to a chain")),
    }
    change.changed(*chain != before)
}

/// Changes what one certificate says.
fn say(
    contents: &mut Contents,
    path: &[&str],
    mutation: &Mutation,
    change: &Applier<'_>,
) -> Result<(), MutationError> {
    let removed = mutation.op == Operation::Remove;
    if !removed && mutation.op != Operation::Set {
        return Err(change.error("what a certificate says is set or removed"));
    }
    let flag = || {
        let value = change.operand(mutation)?.as_bool();
        value.ok_or_else(|| change.error("needs true or false"))
    };
    let url = || match change.operand(mutation) {
        _ if removed => Ok(None),
        value => Ok(value?.as_str().map(str::to_owned)),
    };
    let seconds = || Ok::<_, MutationError>(ca::time_text(change.number(mutation)? as u64));
    match path {
        ["version"] => {
            let version = u8::try_from(change.number(mutation)?).ok();
            let version = version.filter(|version| (1..=3).contains(version));
            contents.version = version.ok_or_else(|| change.error("needs 1, 2 or 3"))? - 1;
        }
        ["subject", attribute] => {
            let names = ["c", "o", "ou", "cn"];
            let index = names.iter().position(|name| name == attribute);
            let index = index.ok_or_else(|| change.error("knows the attributes c, o, ou, cn"))?;
            contents.subject[index] = match change.operand(mutation) {
                _ if removed => String::new(),
                value => value?.as_str().unwrap_or_default().to_owned(),
            };
        }
        ["basic-constraints-ca"] => contents.ca = flag()?,
        ["aaguid-extension"] if removed => contents.aaguid_extension = None,
        ["aaguid-extension"] => {
            contents.aaguid_extension = Some(der::value(0x04, &change.operand_bytes(mutation)?));
        }
        ["aaguid-extension-raw"] => {
            contents.aaguid_extension = Some(change.operand_bytes(mutation)?);
        }
        ["aaguid-extension-critical"] => contents.aaguid_critical = flag()?,
        ["unknown-critical-extension"] => contents.unknown_critical_extension = flag()?,
        ["serial-number-extension"] if removed => contents.serial_number = None,
        ["serial-number-extension"] => {
            contents.serial_number = Some(change.operand_bytes(mutation)?);
        }
        ["crl-distribution-point"] => contents.crl_distribution_point = url()?,
        ["ocsp"] => contents.ocsp = url()?,
        ["ca-issuers"] => contents.ca_issuers = url()?,
        ["not-before"] => contents.not_before = seconds()?,
        ["not-after"] => contents.not_after = seconds()?,
        ["issuer-key"] => contents.other_issuer_key = flag()?,
        _ => return Err(change.error("is not a part of a certificate")),
    }
    Ok(())
}

/// Encodes the attestation object; returns it with the authenticator data that it holds.
pub(crate) fn attestation_object(
    statement: &Statement,
    authenticator_data: Vec<u8>,
    change: &Applier<'_>,
) -> Result<(Vec<u8>, Vec<u8>), MutationError> {
    let mut object = Cbor::Map(vec![
        (Cbor::text("fmt"), Cbor::text(&statement.format)),
        (Cbor::text("attStmt"), statement.members.clone()),
        (
            Cbor::text("authData"),
            Cbor::Bytes(authenticator_data.clone()),
        ),
    ]);
    if let Some(mutation) = change.at(Stage::AttestationObject) {
        change.cbor(mutation, &mutation.at.path, &mut object)?;
    }
    let held = match object.get("authData") {
        Some(Cbor::Bytes(bytes)) => bytes.clone(),
        _ => authenticator_data,
    };
    Ok((object.encode(), held))
}
