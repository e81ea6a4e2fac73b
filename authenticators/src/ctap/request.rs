//! The parameters of CTAP2 commands, and the statuses of those that are wrong (CTAP 2.1, 6.1 and 6.2).

use super::Status;
use crate::{cbor::Cbor, software::UserNames};

/// The parameters of a command: a map with integer labels.
pub(super) struct Parameters(Cbor);

/// authenticatorMakeCredential's parameters.
pub(super) struct MakeCredential {
    pub client_data_hash: Vec<u8>,
    pub rp_id: String,
    pub user: User,
    pub algorithms: Vec<i64>,
    pub excluded: Vec<Vec<u8>>,
    pub protection: Option<u8>,
    pub options: Options,
    pub pin: Pin,
}

/// authenticatorGetAssertion's parameters.
pub(super) struct GetAssertion {
    pub rp_id: String,
    pub client_data_hash: Vec<u8>,
    pub allowed: Vec<Vec<u8>>,
    pub options: Options,
    pub pin: Pin,
}

/// A user entity: PublicKeyCredentialUserEntity.
pub(super) struct User {
    pub id: Vec<u8>,
    pub names: UserNames,
}

/// The options that are known; all others are ignored.
pub(super) struct Options {
    pub rk: Option<bool>,
    pub up: Option<bool>,
    pub uv: Option<bool>,
}

/// The pinUvAuthParam of a command, with its pinUvAuthProtocol.
pub(super) struct Pin {
    pub parameter: Option<Vec<u8>>,
    pub protocol: Option<i64>,
}

impl Pin {
    /// Refuses every PIN, as none can be set. An empty one asks whether one is set (CTAP 2.1, 6.1.2 step 1).
    pub(super) fn refuse(&self) -> Result<(), Status> {
        match &self.parameter {
            None => Ok(()),
            Some(empty) if empty.is_empty() => Err(Status::PinNotSet),
            Some(_) => Err(Status::PinAuthInvalid),
        }
    }
}

impl Parameters {
    /// Reads the map that follows the command byte.
    pub(super) fn read(payload: &[u8]) -> Result<Self, Status> {
        let value = Cbor::decode_canonical(payload).ok_or(Status::InvalidCbor)?;
        map(&value).ok_or(Status::UnexpectedType)?;
        Ok(Self(value))
    }

    pub(super) fn optional<'a, T>(
        &'a self,
        label: i64,
        read: impl Fn(&'a Cbor) -> Option<T>,
    ) -> Result<Option<T>, Status> {
        member(&self.0, &Cbor::Int(label), read)
    }

    pub(super) fn required<'a, T>(
        &'a self,
        label: i64,
        read: impl Fn(&'a Cbor) -> Option<T>,
    ) -> Result<T, Status> {
        self.optional(label, read)?.ok_or(Status::MissingParameter)
    }

    pub(super) fn bytes(&self, label: i64) -> Result<Vec<u8>, Status> {
        self.required(label, Cbor::as_bytes).map(<[u8]>::to_vec)
    }

    /// The members of an entity: `id` of the user or the relying party.
    fn id<'a, T>(&'a self, label: i64, read: impl Fn(&'a Cbor) -> Option<T>) -> Result<T, Status> {
        let entity = self.required(label, map)?;
        member(entity, &Cbor::text("id"), read)?.ok_or(Status::MissingParameter)
    }

    /// A list of credential descriptors; those of another type than `public-key` name nothing that we keep.
    fn descriptors(&self, label: i64) -> Result<Vec<Vec<u8>>, Status> {
        let list = self.optional(label, list)?.unwrap_or_default();
        let entries = list.iter().map(|entry| typed(entry, "id", Cbor::as_bytes));
        let ids: Result<Vec<_>, Status> = entries.collect();
        Ok(ids?.into_iter().flatten().map(<[u8]>::to_vec).collect())
    }

    fn options(&self, label: i64) -> Result<Options, Status> {
        let none = Cbor::Map(Vec::new());
        let options = self.optional(label, map)?.unwrap_or(&none);
        let option = |name: &str| {
            let set = |value: &Cbor| match value {
                Cbor::Bool(set) => Some(*set),
                _ => None,
            };
            member(options, &Cbor::text(name), set)
        };
        Ok(Options {
            rk: option("rk")?,
            up: option("up")?,
            uv: option("uv")?,
        })
    }

    /// A user entity; its `icon` is ignored.
    pub(super) fn user(&self, label: i64) -> Result<User, Status> {
        let entity = self.required(label, map)?;
        let name = |key: &str| -> Result<_, Status> {
            let name = member(entity, &Cbor::text(key), Cbor::as_text)?;
            Ok(name.map(str::to_owned))
        };
        Ok(User {
            id: self.id(label, Cbor::as_bytes)?.to_vec(),
            names: UserNames {
                name: name("name")?,
                display_name: name("displayName")?,
            },
        })
    }

    /// The pinUvAuthParam under a label and the pinUvAuthProtocol under another.
    pub(super) fn pin(&self, parameter: i64, protocol: i64) -> Result<Pin, Status> {
        let bytes = self.optional(parameter, Cbor::as_bytes)?;
        Ok(Pin {
            parameter: bytes.map(<[u8]>::to_vec),
            protocol: self.optional(protocol, Cbor::as_int)?,
        })
    }

    /// The parameters of a subcommand, with their bytes; none are an empty map without bytes.
    pub(super) fn nested(&self, label: i64) -> Result<(Self, Vec<u8>), Status> {
        match self.optional(label, map)? {
            Some(nested) => Ok((Self(nested.clone()), nested.encode())),
            None => Ok((Self(Cbor::Map(Vec::new())), Vec::new())),
        }
    }

    /// The ID of one credential descriptor.
    pub(super) fn descriptor(&self, label: i64) -> Result<Vec<u8>, Status> {
        let id = typed(self.required(label, map)?, "id", Cbor::as_bytes)?;
        id.map(<[u8]>::to_vec).ok_or(Status::NoCredentials)
    }

    /// The credProtect level (CTAP 2.1, 12.1); other extensions are ignored.
    fn protection(&self, label: i64) -> Result<Option<u8>, Status> {
        let Some(extensions) = self.optional(label, map)? else {
            return Ok(None);
        };
        let Some(level) = member(extensions, &Cbor::text("credProtect"), Cbor::as_int)? else {
            return Ok(None);
        };
        let level = u8::try_from(level).ok();
        let level = level.filter(|level| (1..=3).contains(level));
        level.map(Some).ok_or(Status::InvalidOption)
    }
}

impl MakeCredential {
    pub(super) fn read(parameters: &Parameters) -> Result<Self, Status> {
        let offered = parameters.required(4, list)?.iter();
        let offered = offered.map(|entry| typed(entry, "alg", Cbor::as_int));
        let algorithms: Result<Vec<_>, Status> = offered.collect();
        Ok(Self {
            client_data_hash: parameters.bytes(1)?,
            rp_id: parameters.id(2, Cbor::as_text)?.to_owned(),
            user: parameters.user(3)?,
            algorithms: algorithms?.into_iter().flatten().collect(),
            excluded: parameters.descriptors(5)?,
            protection: parameters.protection(6)?,
            options: parameters.options(7)?,
            pin: parameters.pin(8, 9)?,
        })
    }
}

impl GetAssertion {
    pub(super) fn read(parameters: &Parameters) -> Result<Self, Status> {
        Ok(Self {
            rp_id: parameters.required(1, Cbor::as_text)?.to_owned(),
            client_data_hash: parameters.bytes(2)?,
            allowed: parameters.descriptors(3)?,
            options: parameters.options(5)?,
            pin: parameters.pin(6, 7)?,
        })
    }
}

/// Reads an entry of a list whose `type` is `public-key`; nothing when it is of another type.
///
/// An entry without its members is CTAP2_ERR_INVALID_CBOR (CTAP 2.1, 6.1.2 step 3).
fn typed<'a, T>(
    entry: &'a Cbor,
    name: &str,
    read: impl Fn(&'a Cbor) -> Option<T>,
) -> Result<Option<T>, Status> {
    map(entry).ok_or(Status::UnexpectedType)?;
    let kind = member(entry, &Cbor::text("type"), Cbor::as_text)?;
    let kind = kind.ok_or(Status::InvalidCbor)?;
    let value = member(entry, &Cbor::text(name), read)?.ok_or(Status::InvalidCbor)?;
    Ok((kind == "public-key").then_some(value))
}

/// Reads a member of a map: nothing when it is not there, an error when it is of another type.
fn member<'a, T>(
    of: &'a Cbor,
    key: &Cbor,
    read: impl Fn(&'a Cbor) -> Option<T>,
) -> Result<Option<T>, Status> {
    let Cbor::Map(entries) = of else {
        return Err(Status::UnexpectedType);
    };
    let found = entries.iter().find(|(known, _)| known == key);
    found
        .map(|(_, value)| read(value).ok_or(Status::UnexpectedType))
        .transpose()
}

pub(super) fn map(value: &Cbor) -> Option<&Cbor> {
    matches!(value, Cbor::Map(_)).then_some(value)
}

fn list(value: &Cbor) -> Option<&[Cbor]> {
    match value {
        Cbor::List(items) => Some(items),
        _ => None,
    }
}
