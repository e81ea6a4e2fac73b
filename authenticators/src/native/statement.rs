//! The attestation statement of a browser's registration, kept or signed anew (WebAuthn L3, 8.2).

use passkey_model::Stage;

use super::{NativeError, other_key};
use crate::{
    cbor::Cbor,
    key::Key,
    mutate::Applier,
    statement::{BY_CREDENTIAL_KEY, Statement, by_other, chain, finished, sign_by},
};

/// The browser's statement, with what it signs: authenticator data and client data hash.
pub(super) struct Taken {
    pub statement: Statement,
    pub message: Vec<u8>,
}

impl Taken {
    /// Makes the statement over the authenticator data and the client data hash that are to be signed now.
    pub(super) fn over(
        self,
        (data, hash): (&[u8], &[u8]),
        key: Option<&Key>,
        change: &Applier<'_>,
    ) -> Result<Statement, NativeError> {
        let Statement {
            format,
            mut members,
        } = self.statement;
        if format == "none" {
            return Ok(finished(&format, members, change)?);
        }
        let batch = members.get("x5c").is_some();
        if batch {
            certificates(&format, &mut members, change)?;
        }
        let message = change.to_be_signed(data, hash)?;
        let named = by_other(change);
        if named.is_some() || message != self.message {
            // Another key signs what the browser's did, where the mutation says so; otherwise it has to be the same one.
            if format != "packed" || (batch && named.is_none()) {
                return Err(NativeError::CannotResign { format });
            }
            if !batch && named == Some(BY_CREDENTIAL_KEY) {
                let message = "changes nothing: the credential's key signs a self attestation";
                return Err(change.error(message).into());
            }
            let key = key.ok_or(NativeError::NeedsKey)?;
            let signature = match named {
                Some(name) => sign_by(name, &message, key, &|| other_key(key), change)?,
                None => key.sign(&message),
            };
            replace(&mut members, "sig", Cbor::Bytes(signature));
        }
        Ok(finished(&format, members, change)?)
    }
}

/// Applies a mutation of the chain; a leaf that says something else would have to be signed by its issuer.
fn certificates(format: &str, members: &mut Cbor, change: &Applier<'_>) -> Result<(), NativeError> {
    let Some(mutation) = change.at(Stage::Certificates) else {
        return Ok(());
    };
    if mutation.at.path != ["chain"] {
        return Err(NativeError::CannotResign {
            format: format.to_owned(),
        });
    }
    let Some(Cbor::List(listed)) = members.get("x5c") else {
        return Err(NativeError::Unreadable("x5c is not a list"));
    };
    let listed: Option<Vec<_>> = listed
        .iter()
        .map(|one| one.as_bytes().map(<[u8]>::to_vec))
        .collect();
    let mut certificates = listed.ok_or(NativeError::Unreadable(
        "x5c holds something else than bytes",
    ))?;
    chain(&mut certificates, None, mutation, change)?;
    let certificates = certificates.into_iter().map(Cbor::Bytes).collect();
    replace(members, "x5c", Cbor::List(certificates));
    Ok(())
}

fn replace(members: &mut Cbor, name: &str, value: Cbor) {
    if let Cbor::Map(entries) = members {
        let mut entries = entries.iter_mut();
        if let Some((_, old)) = entries.find(|(key, _)| key.is_named(name)) {
            *old = value;
        }
    }
}
