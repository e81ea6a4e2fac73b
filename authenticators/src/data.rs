//! Authenticator data (WebAuthn L3, 6.1), before it is bytes and while it is changed.

use passkey_model::{Mutation, Operation, Stage};

use crate::{
    cbor::Cbor,
    mutate::{Applier, MutationError},
};

pub(crate) const UP: u8 = 0x01;
pub(crate) const UV: u8 = 0x04;
pub(crate) const BE: u8 = 0x08;
pub(crate) const BS: u8 = 0x10;
pub(crate) const AT: u8 = 0x40;
pub(crate) const ED: u8 = 0x80;
const FLAG_NAMES: [(&str, u8); 8] = [
    ("up", UP),
    ("rfu1", 0x02),
    ("uv", UV),
    ("be", BE),
    ("bs", BS),
    ("rfu2", 0x20),
    ("at", AT),
    ("ed", ED),
];

/// Authenticator data before it is bytes.
#[derive(Clone, Debug)]
pub(crate) struct AuthenticatorData {
    pub rp_id_hash: Vec<u8>,
    pub flags: u8,
    pub sign_count: u32,
    pub attested: Option<Attested>,
    pub extensions: Option<Cbor>,
    /// Stands for the whole encoding.
    pub whole: Option<Vec<u8>>,
}

/// Attested credential data (6.5.1) before it is bytes.
#[derive(Clone, Debug)]
pub(crate) struct Attested {
    pub aaguid: Vec<u8>,
    pub credential_id: Vec<u8>,
    /// The length that is written, where it is not the credential ID's own.
    pub length: Option<u16>,
    pub cose_key: Cbor,
    /// Stands for the whole encoding.
    pub whole: Option<Vec<u8>>,
}

impl AuthenticatorData {
    /// Takes bytes apart; nothing when they are anything else, or are not what `encode` makes of the parts.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (rp_id_hash, rest) = bytes.split_at_checked(32)?;
        let (&flags, rest) = rest.split_first()?;
        let (sign_count, mut rest) = rest.split_first_chunk()?;
        let mut attested = None;
        if flags & AT != 0 {
            let (found, after) = Attested::decode_first(rest)?;
            (attested, rest) = (Some(found), after);
        }
        let mut extensions = None;
        if flags & ED != 0 {
            extensions = Some(Cbor::decode(rest)?);
        }
        let data = Self {
            rp_id_hash: rp_id_hash.to_vec(),
            flags,
            sign_count: u32::from_be_bytes(*sign_count),
            attested,
            extensions,
            whole: None,
        };
        (data.encode() == bytes).then_some(data)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        if let Some(whole) = &self.whole {
            return whole.clone();
        }
        let mut out = self.rp_id_hash.clone();
        out.push(self.flags);
        out.extend(self.sign_count.to_be_bytes());
        out.extend(self.attested.iter().flat_map(Attested::encode));
        out.extend(self.extensions.iter().flat_map(Cbor::encode));
        out
    }
}

impl Attested {
    /// Takes apart what the bytes begin with; returns it with the bytes after it.
    fn decode_first(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (aaguid, rest) = bytes.split_at_checked(16)?;
        let (length, rest) = rest.split_first_chunk()?;
        let (credential_id, rest) =
            rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let (cose_key, rest) = Cbor::decode_first(rest)?;
        let attested = Self {
            aaguid: aaguid.to_vec(),
            credential_id: credential_id.to_vec(),
            length: None,
            cose_key,
            whole: None,
        };
        Some((attested, rest))
    }

    fn encode(&self) -> Vec<u8> {
        if let Some(whole) = &self.whole {
            return whole.clone();
        }
        let own = u16::try_from(self.credential_id.len()).unwrap_or(u16::MAX);
        let length = self.length.unwrap_or(own).to_be_bytes();
        let key = self.cose_key.encode();
        [&self.aaguid[..], &length, &self.credential_id, &key].concat()
    }
}

/// Returns the data that is signed and the data that is sent: both changed when the authenticator lied.
pub(crate) fn changed(
    honest: AuthenticatorData,
    change: &Applier<'_>,
) -> Result<(AuthenticatorData, AuthenticatorData), MutationError> {
    let stages = [
        Stage::AuthenticatorData,
        Stage::AttestedCredentialData,
        Stage::CoseKey,
    ];
    let Some(mutation) = stages.into_iter().find_map(|stage| change.at(stage)) else {
        return Ok((honest.clone(), honest));
    };
    let mut lied = honest.clone();
    match mutation.at.stage {
        Stage::AuthenticatorData => of_data(&mut lied, mutation, change)?,
        Stage::AttestedCredentialData => of_attested(&mut lied, mutation, change)?,
        _ => {
            let attested = lied.attested.as_mut();
            let attested = attested.ok_or_else(|| change.error(NOT_ATTESTED))?;
            change.cbor(mutation, &mutation.at.path, &mut attested.cose_key)?;
        }
    }
    change.changed(lied.encode() != honest.encode())?;
    let signed = if mutation.resign { &lied } else { &honest };
    Ok((signed.clone(), lied))
}

const NOT_ATTESTED: &str = "an assertion has no attested credential data";

fn of_data(
    data: &mut AuthenticatorData,
    mutation: &Mutation,
    change: &Applier<'_>,
) -> Result<(), MutationError> {
    let path: Vec<&str> = mutation.at.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        [] => {
            let mut bytes = data.encode();
            change.bytes(mutation, &mut bytes)?;
            data.whole = Some(bytes);
        }
        ["rp-id-hash"] => change.bytes(mutation, &mut data.rp_id_hash)?,
        ["flags"] => flags(data, mutation, change)?,
        ["sign-count"] if mutation.op == Operation::Set => {
            data.sign_count = u32::try_from(change.number(mutation)?)
                .map_err(|_| change.error("is more than 32 bits hold"))?;
        }
        ["attested-credential-data"] if mutation.op == Operation::Remove => data.attested = None,
        ["extensions", inner @ ..] => {
            let whole_set = inner.is_empty() && mutation.op == Operation::Set;
            if mutation.op == Operation::Set {
                data.flags |= ED;
            }
            let map = data.extensions.get_or_insert(Cbor::Map(Vec::new()));
            if whole_set {
                *map = change.operand_cbor(mutation)?;
            } else {
                change.cbor(mutation, &mutation.at.path[1..], map)?;
            }
        }
        _ => {
            return Err(
                change.error("is not a part of authenticator data, or takes another operation")
            );
        }
    }
    Ok(())
}

fn of_attested(
    data: &mut AuthenticatorData,
    mutation: &Mutation,
    change: &Applier<'_>,
) -> Result<(), MutationError> {
    let path: Vec<&str> = mutation.at.path.iter().map(String::as_str).collect();
    if let ([], Operation::Remove) = (path.as_slice(), mutation.op) {
        data.attested = None;
        data.flags &= !AT;
        return Ok(());
    }
    if let ([], Operation::Set, None) = (path.as_slice(), mutation.op, &data.attested) {
        data.flags |= AT;
        data.attested = Some(Attested {
            aaguid: Vec::new(),
            credential_id: Vec::new(),
            length: None,
            cose_key: Cbor::Null,
            whole: Some(change.operand_bytes(mutation)?),
        });
        return Ok(());
    }
    let attested = data.attested.as_mut();
    let attested = attested.ok_or_else(|| change.error(NOT_ATTESTED))?;
    match path.as_slice() {
        [] => {
            let mut bytes = attested.encode();
            change.bytes(mutation, &mut bytes)?;
            // What still is attested credential data names another credential, and the client reads that.
            match Attested::decode_first(&bytes) {
                Some((other, [])) => *attested = other,
                _ => attested.whole = Some(bytes),
            }
        }
        ["aaguid"] => change.bytes(mutation, &mut attested.aaguid)?,
        ["credential-id"] => change.bytes(mutation, &mut attested.credential_id)?,
        ["credential-id-length"] if mutation.op == Operation::Set => {
            let length = u16::try_from(change.number(mutation)?);
            attested.length = Some(length.map_err(|_| change.error("is more than 16 bits hold"))?);
        }
        _ => {
            return Err(change
                .error("is not a part of attested credential data, or takes another operation"));
        }
    }
    Ok(())
}

fn flags(
    data: &mut AuthenticatorData,
    mutation: &Mutation,
    change: &Applier<'_>,
) -> Result<(), MutationError> {
    let names = change.operand(mutation)?;
    let names = names
        .as_str()
        .ok_or_else(|| change.error("needs the names of flags"))?;
    for name in names.split(',').map(str::trim) {
        let known = FLAG_NAMES.iter().find(|(known, _)| *known == name);
        let (_, flag) = known.ok_or_else(|| change.error(format!("there is no flag '{name}'")))?;
        match mutation.op {
            Operation::SetFlags => data.flags |= flag,
            Operation::ClearFlags => data.flags &= !flag,
            _ => return Err(change.error("flags are set or cleared: set-flags, clear-flags")),
        }
    }
    Ok(())
}
