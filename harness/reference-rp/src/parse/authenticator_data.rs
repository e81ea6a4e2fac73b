//! Authenticator data (WebAuthn L3, 6.1 and 6.5.1).

use std::io::Read;

use ciborium::Value as Cbor;

use super::{CoseKey, cbor};
use crate::defects::{Defect, Defects};

/// Authenticator data (6.1).
#[derive(Clone, Debug)]
pub(crate) struct AuthenticatorData {
    pub bytes: Vec<u8>,
    pub rp_id_hash: [u8; 32],
    pub flags: u8,
    pub sign_count: u32,
    pub attested: Option<Attested>,
    /// The outputs of extensions: a map.
    pub extensions: Option<Cbor>,
}

/// Attested credential data (6.5.1).
#[derive(Clone, Debug)]
pub(crate) struct Attested {
    pub aaguid: [u8; 16],
    pub credential_id: Vec<u8>,
    pub key: CoseKey,
}

impl AuthenticatorData {
    pub(crate) const UP: u8 = 0x01;
    pub(crate) const UV: u8 = 0x04;
    pub(crate) const BE: u8 = 0x08;
    pub(crate) const BS: u8 = 0x10;
    const AT: u8 = 0x40;
    const ED: u8 = 0x80;

    /// Parses the bytes; every one has to be accounted for by the flags.
    ///
    /// Reserved flags are left alone: authenticators set them to zero, but a relying party that insisted would break the
    /// day they get a meaning.
    pub(crate) fn parse(bytes: &[u8], defects: &Defects) -> Result<Self, &'static str> {
        const SHORT: &str = "authenticator data is shorter than 37 bytes";
        let mut rest = bytes;
        let rp_id_hash = take(&mut rest).ok_or(SHORT)?;
        let [flags] = take(&mut rest).ok_or(SHORT)?;
        let count = take(&mut rest).ok_or(SHORT)?;
        let unannounced = !rest.is_empty() && defects.has(Defect::AttestedDataFlagIgnored);
        let attested = (flags & Self::AT != 0 || unannounced)
            .then(|| Attested::parse(&mut rest, defects))
            .transpose()?;
        let extensions = extensions(flags, rest, defects)?;
        Ok(Self {
            bytes: bytes.to_vec(),
            rp_id_hash,
            flags,
            sign_count: u32::from_be_bytes(count),
            attested,
            extensions,
        })
    }

    pub(crate) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Reads what follows the credential, or the counter where there is none: outputs of extensions, if they are announced.
fn extensions(flags: u8, mut rest: &[u8], defects: &Defects) -> Result<Option<Cbor>, &'static str> {
    if defects.has(Defect::ExtensionDataNotRead) {
        return Ok(None);
    }
    let mut outputs = None;
    if flags & AuthenticatorData::ED != 0 {
        let decoded = cbor(&mut rest, defects).ok_or("the extensions are no CBOR")?;
        outputs = Some(decoded);
    }
    if outputs.as_ref().is_some_and(|outputs| !outputs.is_map()) {
        return Err("the extensions are no map");
    }
    if !rest.is_empty() {
        return Err("authenticator data has bytes that its flags do not announce");
    }
    Ok(outputs)
}

impl Attested {
    fn parse(rest: &mut &[u8], defects: &Defects) -> Result<Self, &'static str> {
        let aaguid = take(rest).ok_or("the AAGUID is cut off")?;
        let length = take(rest)
            .map(u16::from_be_bytes)
            .ok_or("the credential ID's length is cut off")?;
        let (id, after) = rest
            .split_at_checked(length.into())
            .ok_or("the credential ID is longer than the data")?;
        *rest = after;
        if id.is_empty() && !defects.has(Defect::EmptyCredentialIdAccepted) {
            return Err("the credential ID is empty");
        }
        Ok(Self {
            aaguid,
            credential_id: id.to_vec(),
            key: CoseKey::parse(rest, defects)?,
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    rest.read_exact(&mut bytes).ok().map(|()| bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8]) -> Result<AuthenticatorData, &'static str> {
        AuthenticatorData::parse(bytes, &Defects::NONE)
    }

    fn data(flags: u8, more: &[u8]) -> Vec<u8> {
        [&[7; 32][..], &[flags], &[0, 0, 1, 2], more].concat()
    }

    #[test]
    fn every_byte_is_accounted_for() {
        assert!(parse(&data(0x01, &[])).is_ok_and(|d| d.sign_count == 258));
        assert!(parse(&data(0x01, &[])[..36]).is_err());
        assert!(parse(&data(0x01, &[0])).is_err());
    }

    #[test]
    fn extensions_are_there_exactly_when_announced() {
        assert!(parse(&data(0x81, &[0xa0])).is_ok());
        assert!(parse(&data(0x81, &[])).is_err());
        assert!(parse(&data(0x81, &[0x80])).is_err());
        assert!(parse(&data(0x01, &[0xa0])).is_err());
    }

    #[test]
    fn attested_data_is_there_when_announced() {
        assert!(parse(&data(0x41, &[])).is_err());
        let long = [&[0; 16][..], &[0xff, 0xff], &[1; 40]].concat();
        assert!(parse(&data(0x41, &long)).is_err());
        let no_id = [&[0; 16][..], &[0, 0], &[0xa0]].concat();
        assert!(parse(&data(0x41, &no_id)).is_err());
    }

    #[test]
    fn reserved_flags_are_left_alone() {
        assert!(parse(&data(0x23, &[])).is_ok());
    }
}
