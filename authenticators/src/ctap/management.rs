//! authenticatorCredentialManagement (CTAP 2.1, 6.8): the discoverable credentials, listed and changed.

use sha2::{Digest as _, Sha256};

use super::{
    SecurityKey, Status,
    key::Sequence,
    labelled, public_key,
    request::Parameters,
    token::{MANAGE, Token},
    user_entity,
};
use crate::{
    cbor::Cbor,
    software::{Credential, SoftwareAuthenticator, UserNames},
};

const GET_METADATA: i64 = 0x01;
const ENUMERATE_RPS: i64 = 0x02;
const NEXT_RP: i64 = 0x03;
const ENUMERATE_CREDENTIALS: i64 = 0x04;
const NEXT_CREDENTIAL: i64 = 0x05;
const DELETE: i64 = 0x06;
const UPDATE_USER: i64 = 0x07;

impl SecurityKey {
    /// Answers a subcommand; `before` is what the command before left to go on with.
    pub(super) fn manage(
        &mut self,
        parameters: &Parameters,
        before: Option<Sequence>,
    ) -> Result<Option<Cbor>, Status> {
        let subcommand = parameters.required(1, Cbor::as_int)?;
        match (subcommand, before) {
            (NEXT_RP, Some(Sequence::Rps(rest))) => return self.next_rp(rest).map(Some),
            (NEXT_CREDENTIAL, Some(Sequence::Credentials(rest))) => {
                return self.next_credential(rest).map(Some);
            }
            (NEXT_RP | NEXT_CREDENTIAL, _) => return Err(Status::NotAllowed),
            (GET_METADATA..=UPDATE_USER, _) => {}
            _ => return Err(Status::InvalidSubcommand),
        }
        let (nested, bytes) = parameters.nested(2)?;
        let pin = parameters.pin(4, 3)?;
        if pin.parameter.is_none() {
            return Err(Status::PuatRequired);
        }
        let code = u8::try_from(subcommand).map_err(|_| Status::InvalidSubcommand)?;
        let message = [&[code], &bytes[..]].concat();
        let parameter = self.pin.parameter(&pin)?;
        let parameter = parameter.ok_or(Status::PuatRequired)?;
        let token = self.pin.token().ok_or(Status::PinAuthInvalid)?;
        token.check(parameter, &message, MANAGE)?;
        let token = token.clone();
        match subcommand {
            GET_METADATA => {
                of_everything(&token)?;
                Ok(Some(self.metadata()))
            }
            ENUMERATE_RPS => {
                of_everything(&token)?;
                self.enumerate_rps().map(Some)
            }
            ENUMERATE_CREDENTIALS => {
                let hash = nested.bytes(1)?;
                of_rp(&token, &hash)?;
                self.enumerate_credentials(&hash).map(Some)
            }
            DELETE => {
                let id = nested.descriptor(2)?;
                of_rp(&token, &self.kept(&id)?.rp_id_hash)?;
                let kept = &mut self.authenticator.credentials;
                kept.retain(|credential| credential.id != id);
                Ok(None)
            }
            _ => {
                let (id, user) = (nested.descriptor(2)?, nested.user(3)?);
                let kept = self.kept(&id)?;
                of_rp(&token, &kept.rp_id_hash)?;
                if kept.user_handle != user.id {
                    return Err(Status::InvalidParameter);
                }
                kept.user_names = user.names.filled();
                Ok(None)
            }
        }
    }

    /// getCredsMetadata (6.8.2).
    fn metadata(&self) -> Cbor {
        let number = |number: usize| Cbor::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let existing = discoverable(&self.authenticator).count();
        labelled([(1, number(existing)), (2, number(self.remaining()))])
    }

    /// enumerateRPsBegin (6.8.3).
    fn enumerate_rps(&mut self) -> Result<Cbor, Status> {
        let mut ids: Vec<String> = Vec::new();
        for credential in discoverable(&self.authenticator) {
            if !ids.contains(&credential.rp_id) {
                ids.push(credential.rp_id.clone());
            }
        }
        ids.reverse();
        let total = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        with_member(self.next_rp(ids)?, 5, Cbor::Int(total))
    }

    /// enumerateRPsGetNextRP; the next one is the last.
    fn next_rp(&mut self, mut ids: Vec<String>) -> Result<Cbor, Status> {
        let id = ids.pop().ok_or(Status::NoCredentials)?;
        let hash = Sha256::digest(id.as_bytes()).to_vec();
        let rp = Cbor::Map(vec![(Cbor::text("id"), Cbor::Text(id))]);
        self.sequence = (!ids.is_empty()).then_some(Sequence::Rps(ids));
        Ok(labelled([(3, rp), (4, Cbor::Bytes(hash))]))
    }

    /// enumerateCredentialsBegin (6.8.4).
    fn enumerate_credentials(&mut self, hash: &[u8]) -> Result<Cbor, Status> {
        let of_rp =
            discoverable(&self.authenticator).filter(|credential| credential.rp_id_hash == hash);
        let mut ids: Vec<_> = of_rp.map(|credential| credential.id.clone()).collect();
        ids.reverse();
        let total = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        with_member(self.next_credential(ids)?, 9, Cbor::Int(total))
    }

    /// enumerateCredentialsGetNextCredential; the next one is the last.
    fn next_credential(&mut self, mut ids: Vec<Vec<u8>>) -> Result<Cbor, Status> {
        let id = ids.pop().ok_or(Status::NoCredentials)?;
        let credential = self.kept(&id)?;
        let answer = labelled([
            (
                6,
                user_entity(&credential.user_handle, &credential.user_names),
            ),
            (7, public_key(&id)),
            (8, credential.key.cose()),
            (10, Cbor::Int(i64::from(credential.protection))),
        ]);
        self.sequence = (!ids.is_empty()).then_some(Sequence::Credentials(ids));
        Ok(answer)
    }

    /// The discoverable credential of an ID.
    fn kept(&mut self, id: &[u8]) -> Result<&mut Credential, Status> {
        let kept = self.authenticator.credentials.iter_mut();
        let mut kept = kept.filter(|credential| credential.discoverable);
        let found = kept.find(|credential| credential.id == id);
        found.ok_or(Status::NoCredentials)
    }
}

impl UserNames {
    /// Leaves out what is empty, as updateUserInformation does (6.8.6).
    fn filled(self) -> Self {
        let filled = |name: Option<String>| name.filter(|name| !name.is_empty());
        Self {
            name: filled(self.name),
            display_name: filled(self.display_name),
        }
    }
}

/// The credentials that are managed.
pub(super) fn discoverable(
    authenticator: &SoftwareAuthenticator,
) -> impl Iterator<Item = &Credential> {
    let kept = authenticator.credentials.iter();
    kept.filter(|credential| credential.discoverable)
}

/// Fails when a token is for one relying party.
const fn of_everything(token: &Token) -> Result<(), Status> {
    match token.rp_id {
        None => Ok(()),
        Some(_) => Err(Status::PinAuthInvalid),
    }
}

/// Fails when a token is for another relying party.
fn of_rp(token: &Token, hash: &[u8]) -> Result<(), Status> {
    let bound = token.rp_id.as_deref();
    let hash_of = |rp_id: &str| Sha256::digest(rp_id.as_bytes());
    if bound.is_none_or(|rp_id| hash_of(rp_id)[..] == *hash) {
        Ok(())
    } else {
        Err(Status::PinAuthInvalid)
    }
}

/// Puts a member into a map where canonical order wants it.
fn with_member(map: Cbor, label: i64, value: Cbor) -> Result<Cbor, Status> {
    let Cbor::Map(mut members) = map else {
        return Err(Status::Other);
    };
    members.push((Cbor::Int(label), value));
    members.sort_by_key(|(label, _)| label.as_int());
    Ok(Cbor::Map(members))
}
