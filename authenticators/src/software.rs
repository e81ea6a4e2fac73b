//! The software authenticator: credentials, flags, counters and attestation, as its model says.

use passkey_model::{
    Aaguid, Operation, Stage,
    provider::{Algorithm, AttestationKind, AuthenticatorModel, SignCounter, UserVerification},
};
use sha2::{Digest, Sha256};

use crate::{
    ca::{self, AttestationKey},
    cbor::Cbor,
    key::Key,
    mutate::{Applier, MutationError},
    seed::Seed,
};

const UP: u8 = 0x01;
const UV: u8 = 0x04;
const BE: u8 = 0x08;
const BS: u8 = 0x10;
const AT: u8 = 0x40;
const ED: u8 = 0x80;
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

/// A seeded authenticator that behaves as its model says.
#[derive(Clone, Debug)]
pub struct SoftwareAuthenticator {
    /// How it behaves.
    pub model: AuthenticatorModel,
    seed: Seed,
    credentials: Vec<Credential>,
}

/// A credential that an authenticator keeps.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The credential ID.
    pub id: Vec<u8>,
    /// The RP ID that it is scoped to.
    pub rp_id: String,
    /// The user handle.
    pub user_handle: Vec<u8>,
    key: Key,
    sign_count: u32,
}

/// What a client asks of an authenticator when a passkey is made.
pub(crate) struct MakeRequest<'a> {
    pub rp_id: &'a str,
    pub user_handle: Vec<u8>,
    pub algorithm: Algorithm,
    pub attestation: AttestationKind,
    pub hide_aaguid: bool,
    pub uv: bool,
    pub up: bool,
    pub client_data_hash: [u8; 32],
}

/// What an authenticator answers when a passkey is made.
pub(crate) struct Made {
    pub authenticator_data: Vec<u8>,
    pub attestation_object: Vec<u8>,
    pub credential_id: Vec<u8>,
    pub format: String,
    pub aaguid: Aaguid,
    pub flags: u8,
}

/// What an authenticator answers when a passkey is used.
pub(crate) struct Asserted {
    pub authenticator_data: Vec<u8>,
    pub signature: Vec<u8>,
    pub credential_id: Vec<u8>,
    pub user_handle: Vec<u8>,
}

/// Authenticator data before it is bytes (WebAuthn L3, 6.1).
#[derive(Clone)]
struct AuthenticatorData {
    rp_id_hash: Vec<u8>,
    flags: u8,
    sign_count: u32,
    attested: Option<Attested>,
    extensions: Vec<u8>,
    trailing: Option<Vec<u8>>,
}

#[derive(Clone)]
struct Attested {
    aaguid: Vec<u8>,
    credential_id: Vec<u8>,
    length: Option<u16>,
    cose_key: Vec<u8>,
}

impl SoftwareAuthenticator {
    /// Makes an authenticator without credentials.
    #[must_use]
    pub const fn new(model: AuthenticatorModel, seed: Seed) -> Self {
        Self {
            model,
            seed,
            credentials: Vec::new(),
        }
    }

    /// Returns the credentials that it keeps for a relying party.
    pub fn credentials<'a>(&'a self, rp_id: &'a str) -> impl Iterator<Item = &'a Credential> {
        self.credentials
            .iter()
            .filter(move |credential| credential.rp_id == rp_id)
    }

    /// Tells whether the UV flag is set when this is asked; nothing when the request cannot be met.
    pub(crate) fn user_verified(&self, requirement: &str) -> Option<bool> {
        match (self.model.user_verification, requirement) {
            (UserVerification::Never, "required") => None,
            (UserVerification::Never, _) | (UserVerification::Verifies, "discouraged") => {
                Some(false)
            }
            _ => Some(true),
        }
    }

    pub(crate) fn make(
        &mut self,
        request: &MakeRequest<'_>,
        change: &Applier<'_>,
    ) -> Result<Made, MutationError> {
        let seed = self
            .seed
            .derive(&format!("credential {}", self.credentials.len()));
        let key = Key::new(request.algorithm, &seed)
            .ok_or_else(|| change.error("this algorithm is not built"))?;
        let aaguid = if request.hide_aaguid {
            Aaguid::ZERO
        } else {
            self.model.aaguid
        };
        let credential = Credential {
            id: seed.bytes("credential id").to_vec(),
            rp_id: request.rp_id.to_owned(),
            user_handle: request.user_handle.clone(),
            key,
            sign_count: u32::from(self.model.sign_counter == SignCounter::Increments),
        };
        let mut honest = self.data(&credential, request.rp_id, request.up, request.uv);
        honest.flags |= AT;
        honest.attested = Some(Attested {
            aaguid: aaguid.bytes().to_vec(),
            credential_id: credential.id.clone(),
            length: None,
            cose_key: credential.key.cose().encode(),
        });
        let (signed, sent) = changed(honest, change)?;
        let statement = statement(request, &credential.key, self.model.aaguid, &signed, change)?;
        let attested = sent.attested.clone();
        let stored = Credential {
            id: attested.as_ref().map_or_else(
                || credential.id.clone(),
                |attested| attested.credential_id.clone(),
            ),
            ..credential
        };
        let made = Made {
            attestation_object: attestation_object(&statement, &sent.encode(), change)?,
            authenticator_data: sent.encode(),
            credential_id: stored.id.clone(),
            format: statement.format,
            aaguid,
            flags: sent.flags,
        };
        self.credentials.push(stored);
        Ok(made)
    }

    pub(crate) fn assert(
        &mut self,
        id: &[u8],
        (up, uv): (bool, bool),
        client_data_hash: &[u8; 32],
        change: &Applier<'_>,
    ) -> Result<Asserted, MutationError> {
        let counts = self.model.sign_counter == SignCounter::Increments;
        let position = self
            .credentials
            .iter()
            .position(|credential| credential.id == id);
        let position = position
            .ok_or_else(|| change.error("the authenticator does not keep this credential"))?;
        self.credentials[position].sign_count += u32::from(counts);
        let credential = &self.credentials[position];
        let (signed, sent) = changed(self.data(credential, &credential.rp_id, up, uv), change)?;
        let mut message = [signed.encode().as_slice(), client_data_hash].concat();
        if let Some(mutation) = change.at(Stage::ToBeSigned) {
            change.bytes(mutation, &mut message)?;
        }
        let mut signature = credential.key.sign(&message);
        if let Some(mutation) = change.at(Stage::Signature) {
            change.bytes(mutation, &mut signature)?;
        }
        Ok(Asserted {
            authenticator_data: sent.encode(),
            signature,
            credential_id: credential.id.clone(),
            user_handle: credential.user_handle.clone(),
        })
    }

    fn data(&self, credential: &Credential, rp_id: &str, up: bool, uv: bool) -> AuthenticatorData {
        let bit = |set: bool, flag: u8| if set { flag } else { 0 };
        AuthenticatorData {
            rp_id_hash: Sha256::digest(rp_id.as_bytes()).to_vec(),
            flags: bit(up, UP)
                | bit(uv, UV)
                | bit(self.model.backup_eligible, BE)
                | bit(self.model.backup_state, BS),
            sign_count: credential.sign_count,
            attested: None,
            extensions: Vec::new(),
            trailing: None,
        }
    }
}

impl AuthenticatorData {
    fn encode(&self) -> Vec<u8> {
        let mut out = self.rp_id_hash.clone();
        out.push(self.flags);
        out.extend(self.sign_count.to_be_bytes());
        if let Some(attested) = &self.attested {
            out.extend(&attested.aaguid);
            let length = u16::try_from(attested.credential_id.len()).unwrap_or(u16::MAX);
            out.extend(attested.length.unwrap_or(length).to_be_bytes());
            out.extend(&attested.credential_id);
            out.extend(&attested.cose_key);
        }
        out.extend(&self.extensions);
        self.trailing.clone().unwrap_or(out)
    }
}

/// Returns the data that is signed and the data that is sent: both changed when the authenticator lied.
fn changed(
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
    apply(&mut lied, mutation, change)?;
    change.changed(lied.encode() != honest.encode())?;
    Ok((
        if mutation.resign {
            lied.clone()
        } else {
            honest
        },
        lied,
    ))
}

fn apply(
    data: &mut AuthenticatorData,
    mutation: &passkey_model::Mutation,
    change: &Applier<'_>,
) -> Result<(), MutationError> {
    let path: Vec<&str> = mutation.at.path.iter().map(String::as_str).collect();
    match (mutation.at.stage, path.as_slice()) {
        (Stage::AuthenticatorData, ["rp-id-hash"]) => change.bytes(mutation, &mut data.rp_id_hash),
        (Stage::AuthenticatorData, ["flags"]) => flags(data, mutation, change),
        (Stage::AuthenticatorData, ["sign-count"]) => {
            let count = change.number(mutation)?;
            data.sign_count =
                u32::try_from(count).map_err(|_| change.error("is more than 32 bits hold"))?;
            Ok(())
        }
        (Stage::AuthenticatorData, ["extensions"]) => {
            data.flags |= ED;
            change.bytes(mutation, &mut data.extensions)
        }
        (Stage::AuthenticatorData, []) => {
            let mut bytes = data.encode();
            change.bytes(mutation, &mut bytes)?;
            data.trailing = Some(bytes);
            Ok(())
        }
        (stage, path) => {
            let attested = data.attested.as_mut();
            let attested = attested
                .ok_or_else(|| change.error("an assertion has no attested credential data"))?;
            match (stage, path) {
                (Stage::AttestedCredentialData, ["aaguid"]) => {
                    change.bytes(mutation, &mut attested.aaguid)
                }
                (Stage::AttestedCredentialData, ["credential-id"]) => {
                    change.bytes(mutation, &mut attested.credential_id)
                }
                (Stage::AttestedCredentialData, ["credential-id-length"]) => {
                    let length = change.number(mutation)?;
                    attested.length = Some(
                        u16::try_from(length)
                            .map_err(|_| change.error("is more than 16 bits hold"))?,
                    );
                    Ok(())
                }
                (Stage::CoseKey, []) => change.bytes(mutation, &mut attested.cose_key),
                _ => Err(change.error("is not a part of authenticator data")),
            }
        }
    }
}

fn flags(
    data: &mut AuthenticatorData,
    mutation: &passkey_model::Mutation,
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

/// An attestation statement with its format.
struct Statement {
    format: String,
    members: Vec<(Cbor, Cbor)>,
}

fn statement(
    request: &MakeRequest<'_>,
    credential_key: &Key,
    aaguid: Aaguid,
    signed: &AuthenticatorData,
    change: &Applier<'_>,
) -> Result<Statement, MutationError> {
    let issued = |ca: Option<&ca::TestCa>| ca.and_then(|ca| ca.issue(aaguid));
    let (format, attestation_key): (&str, Option<AttestationKey>) = match request.attestation {
        AttestationKind::None => {
            return Ok(Statement {
                format: "none".to_owned(),
                members: Vec::new(),
            });
        }
        AttestationKind::PackedSelf => ("packed", None),
        AttestationKind::Packed => ("packed", issued(ca::known())),
        AttestationKind::PackedUnknownRoot => ("packed", issued(ca::unknown())),
        AttestationKind::FirstPartyApp => ("x-first-party-app", issued(ca::first_party())),
        other => return Err(change.error(format!("attestation {} is not built", other.name()))),
    };
    let key = attestation_key
        .as_ref()
        .map_or(credential_key, |attestation| &attestation.key);
    let mut signature = key.sign(&[signed.encode().as_slice(), &request.client_data_hash].concat());
    let mut algorithm = key.algorithm().cose();
    if let Some(mutation) = change.at(Stage::AttestationStatement) {
        match mutation
            .at
            .path
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .as_slice()
        {
            ["sig"] => change.bytes(mutation, &mut signature)?,
            ["alg"] => {
                let value = change.operand(mutation)?.as_i64();
                algorithm = value.ok_or_else(|| change.error("needs a number"))?;
            }
            _ => return Err(change.error("is not a member of this statement: sig, alg")),
        }
    }
    let mut members = vec![
        (Cbor::text("alg"), Cbor::Int(algorithm)),
        (Cbor::text("sig"), Cbor::Bytes(signature)),
    ];
    if let Some(attestation) = attestation_key {
        members.push((
            Cbor::text("x5c"),
            Cbor::List(vec![Cbor::Bytes(attestation.certificate)]),
        ));
    }
    Ok(Statement {
        format: format.to_owned(),
        members,
    })
}

fn attestation_object(
    statement: &Statement,
    authenticator_data: &[u8],
    change: &Applier<'_>,
) -> Result<Vec<u8>, MutationError> {
    let mut format = statement.format.clone();
    let mutation = change.at(Stage::AttestationObject);
    let path: Option<Vec<&str>> =
        mutation.map(|mutation| mutation.at.path.iter().map(String::as_str).collect());
    if let (Some(mutation), Some(["fmt"])) = (mutation, path.as_deref()) {
        let value = change.operand(mutation)?;
        value
            .as_str()
            .ok_or_else(|| change.error("needs a text"))?
            .clone_into(&mut format);
        change.changed(format != statement.format)?;
    }
    let object = Cbor::Map(vec![
        (Cbor::text("fmt"), Cbor::Text(format)),
        (Cbor::text("attStmt"), Cbor::Map(statement.members.clone())),
        (
            Cbor::text("authData"),
            Cbor::Bytes(authenticator_data.to_vec()),
        ),
    ]);
    let mut bytes = object.encode();
    match (mutation, path.as_deref()) {
        (Some(mutation), Some([])) => change.bytes(mutation, &mut bytes)?,
        (None, _) | (_, Some(["fmt"])) => {}
        _ => {
            return Err(change.error(
                "is not a part of the attestation object that can be changed: fmt, or its bytes",
            ));
        }
    }
    Ok(bytes)
}
