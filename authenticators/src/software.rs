//! The software authenticator: credentials, flags, counters and attestation, as its model says.

use std::collections::VecDeque;

use passkey_model::{
    Aaguid, Stage,
    provider::{Algorithm, AttestationKind, AuthenticatorModel, SignCounter, UserVerification},
};
use sha2::{Digest, Sha256};

use crate::{
    cbor::Cbor,
    client::ClientError,
    crate_stack::SoftTokenState,
    ctap,
    data::{AT, Attested, AuthenticatorData, BE, BS, ED, UP, UV, changed},
    key::Key,
    mutate::{Applier, MutationError, SigningKeys},
    options::AssertRequest,
    seed::Seed,
    stages,
    statement::{Signer, statement},
};

/// A seeded authenticator that behaves as its model says.
#[derive(Clone, Debug)]
pub struct SoftwareAuthenticator {
    /// How it behaves.
    pub model: AuthenticatorModel,
    pub(crate) credentials: Vec<Credential>,
    /// What getNextAssertion goes on with.
    pub(crate) remembered: Option<ctap::Remembered>,
    /// The crate's SoftToken that stands in for the model, if that is the engine.
    pub(crate) soft_token: Option<SoftTokenState>,
    seed: Seed,
    /// How many credentials were made, so that one that was removed does not come again.
    made: usize,
    material: VecDeque<Material>,
}

/// What a credential is made of, where it is not derived from the seed: published test vectors.
#[derive(Clone, Debug)]
pub struct Material {
    /// The credential's key.
    pub key: Key,
    /// The credential ID.
    pub credential_id: Vec<u8>,
}

/// A credential that an authenticator keeps.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The credential ID.
    pub id: Vec<u8>,
    /// The RP ID that it is scoped to; empty when it was made over U2F, which knows the hash alone.
    pub rp_id: String,
    /// The SHA-256 of the RP ID, or U2F's application parameter.
    pub rp_id_hash: Vec<u8>,
    /// The user handle.
    pub user_handle: Vec<u8>,
    /// The user's name and display name, as far as a security key keeps them.
    pub user_names: UserNames,
    /// The credProtect level, 1 to 3 (CTAP 2.1, 12.1).
    pub protection: u8,
    /// Whether it is found without its ID (WebAuthn L3, client-side discoverable credential).
    pub discoverable: bool,
    pub(crate) key: Key,
    pub(crate) sign_count: u32,
    pub(crate) backup_state: bool,
}

/// What people call a user (WebAuthn L3, 5.4.1 and 5.4.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserNames {
    /// `user.name`.
    pub name: Option<String>,
    /// `user.displayName`.
    pub display_name: Option<String>,
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
    pub client_data_hash: Vec<u8>,
    /// The credProtect level that was asked for.
    pub protection: Option<u8>,
    pub discoverable: bool,
}

/// What an authenticator answers when a passkey is made.
pub(crate) struct Made {
    pub authenticator_data: Vec<u8>,
    pub attestation_object: Vec<u8>,
    pub public_key: Option<Vec<u8>>,
    pub credential_id: Vec<u8>,
    pub format: String,
    pub statement: Cbor,
    pub aaguid: Aaguid,
    pub flags: u8,
    /// The COSE identifier of the key's algorithm.
    pub algorithm: i64,
}

/// What an authenticator answers when a passkey is used.
pub(crate) struct Asserted {
    pub authenticator_data: Vec<u8>,
    pub signature: Vec<u8>,
    pub credential_id: Vec<u8>,
    pub user_handle: Vec<u8>,
}

impl Credential {
    /// Tells whether its credProtect level lets it be seen (CTAP 2.1, 12.1).
    pub(crate) const fn is_shown(&self, uv: bool, listed: bool) -> bool {
        uv || self.protection == 1 || (self.protection == 2 && listed)
    }
}

impl SoftwareAuthenticator {
    /// Makes an authenticator without credentials.
    #[must_use]
    pub const fn new(model: AuthenticatorModel, seed: Seed) -> Self {
        Self {
            model,
            credentials: Vec::new(),
            remembered: None,
            soft_token: None,
            seed,
            made: 0,
            material: VecDeque::new(),
        }
    }

    /// Makes an authenticator whose first credentials are of this material, in this order.
    #[must_use]
    pub fn with_material(
        model: AuthenticatorModel,
        seed: Seed,
        material: impl IntoIterator<Item = Material>,
    ) -> Self {
        Self {
            material: material.into_iter().collect(),
            ..Self::new(model, seed)
        }
    }

    /// Returns the credentials that it keeps for a relying party.
    pub fn credentials<'a>(&'a self, rp_id: &'a str) -> impl Iterator<Item = &'a Credential> {
        let hash = Sha256::digest(rp_id.as_bytes());
        self.credentials
            .iter()
            .filter(move |credential| credential.rp_id_hash == hash[..])
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
        let Material { key, credential_id } = self
            .next_material(request.algorithm)
            .ok_or_else(|| change.error("there is no such key"))?;
        let aaguid = if request.hide_aaguid {
            Aaguid::ZERO
        } else {
            self.model.aaguid
        };
        let credential = Credential {
            id: credential_id,
            rp_id: request.rp_id.to_owned(),
            rp_id_hash: Sha256::digest(request.rp_id.as_bytes()).to_vec(),
            user_handle: request.user_handle.clone(),
            user_names: UserNames::default(),
            protection: request.protection.unwrap_or(1),
            discoverable: request.discoverable,
            key,
            sign_count: u32::from(self.model.sign_counter == SignCounter::Increments),
            backup_state: self.model.backup_state,
        };
        let honest = self.attested_data(&credential, request, aaguid);
        let signer = Signer {
            key: &credential.key,
            other: &|| self.other_key(request.algorithm),
            aaguid: self.model.aaguid,
        };
        let state = |signed: &AuthenticatorData| statement(request, &signer, signed, change);
        let built = stages::registration(honest, state, change)?;
        let stored = Credential {
            id: built.credential_id.unwrap_or(credential.id),
            ..credential
        };
        let made = Made {
            attestation_object: built.attestation_object,
            authenticator_data: built.authenticator_data,
            public_key: built.same_key.then(|| stored.key.spki()),
            credential_id: stored.id.clone(),
            format: built.statement.format,
            statement: built.statement.members,
            aaguid,
            flags: built.flags,
            algorithm: stored.key.algorithm().cose(),
        };
        self.credentials.push(stored);
        Ok(made)
    }

    /// Returns what the next credential is made of: given material first, then what the seed gives.
    pub(crate) fn next_material(&mut self, algorithm: Algorithm) -> Option<Material> {
        let seed = self.seed.derive(&format!("credential {}", self.made));
        self.made += 1;
        let derived = || {
            let key = Key::new(algorithm, &seed)?;
            let credential_id = seed.bytes("credential id").to_vec();
            Some(Material { key, credential_id })
        };
        self.material.pop_front().or_else(derived)
    }

    fn attested_data(
        &self,
        credential: &Credential,
        request: &MakeRequest<'_>,
        aaguid: Aaguid,
    ) -> AuthenticatorData {
        let mut data = self.data(credential, request.up, request.uv);
        data.flags |= AT;
        data.attested = Some(Attested {
            aaguid: aaguid.bytes().to_vec(),
            credential_id: credential.id.clone(),
            length: None,
            cose_key: credential.key.cose(),
            whole: None,
        });
        if let Some(level) = request.protection {
            data.flags |= ED;
            let level = Cbor::Int(i64::from(level));
            data.extensions = Some(Cbor::Map(vec![(Cbor::text("credProtect"), level)]));
        }
        data
    }

    /// A key that no credential has.
    fn other_key(&self, algorithm: Algorithm) -> Option<Key> {
        Key::new(algorithm, &self.seed.derive("other key"))
    }

    /// The key of the newest other credential that is kept for the same relying party.
    fn key_of_another(&self, credential: &Credential) -> Option<&Key> {
        let mut newest_first = self.credentials.iter().rev();
        let other = newest_first
            .find(|other| other.rp_id_hash == credential.rp_id_hash && other.id != credential.id);
        other.map(|other| &other.key)
    }

    /// Forgets every credential of a relying party, as when its user deletes them.
    pub fn forget(&mut self, rp_id: &str) {
        let hash = Sha256::digest(rp_id.as_bytes());
        self.credentials
            .retain(|credential| credential.rp_id_hash != hash[..]);
    }

    /// Sets the BS flag of a credential from now on; tells whether the credential is kept here.
    pub fn set_backup_state(&mut self, id: &[u8], backed_up: bool) -> bool {
        let mut kept = self.credentials.iter_mut();
        let found = kept.find(|credential| credential.id == id);
        found
            .map(|credential| credential.backup_state = backed_up)
            .is_some()
    }

    /// Has every credential be one that U2F made under an AppID, from now on (WebAuthn L3, 10.1.1).
    pub fn put_under_app_id(&mut self, app_id: &str) {
        for credential in &mut self.credentials {
            credential.rp_id.clear();
            credential.rp_id_hash = Sha256::digest(app_id.as_bytes()).to_vec();
        }
    }

    /// Sets the signature counter of a credential, from which the next assertion counts on; tells whether it is kept here.
    pub fn set_sign_count(&mut self, id: &[u8], count: u32) -> bool {
        let mut kept = self.credentials.iter_mut();
        let found = kept.find(|credential| credential.id == id);
        found
            .map(|credential| credential.sign_count = count)
            .is_some()
    }

    /// Tells whether one of these credentials is kept for a relying party.
    pub(crate) fn keeps_one_of(&self, rp_id: &str, ids: &[Vec<u8>]) -> bool {
        let of_token = self.soft_token.as_ref();
        self.credentials(rp_id)
            .any(|credential| ids.contains(&credential.id))
            || of_token.is_some_and(|token| token.passkey(rp_id, ids).is_some())
    }

    /// Signs with the newest credential that a request may see (WebAuthn L3, 6.3.3).
    pub(crate) fn use_one(
        &mut self,
        request: &AssertRequest,
        change: &Applier<'_>,
    ) -> Result<Asserted, ClientError> {
        let listed = !request.allowed.is_empty();
        let usable = self
            .credentials(&request.rp_id)
            .filter(|credential| !listed || request.allowed.contains(&credential.id))
            .filter(|credential| credential.is_shown(request.uv, listed))
            .last()
            .map(|credential| credential.id.clone());
        let id = usable.ok_or(ClientError::Refused("NotAllowedError"))?;
        let hash = &request.client_data_hash;
        Ok(self.assert(&id, (true, request.uv), hash, change)?)
    }

    pub(crate) fn assert(
        &mut self,
        id: &[u8],
        (up, uv): (bool, bool),
        client_data_hash: &[u8],
        change: &Applier<'_>,
    ) -> Result<Asserted, MutationError> {
        let position = self
            .count_use(id)
            .ok_or_else(|| change.error("the authenticator does not keep this credential"))?;
        let credential = &self.credentials[position];
        let (signed, sent) = changed(self.data(credential, up, uv), change)?;
        let message = change.to_be_signed(&signed.encode(), client_data_hash)?;
        let mut signature = credential.key.sign(&message);
        if let Some(mutation) = change.at(Stage::Signature) {
            let other = self.other_key(credential.key.algorithm());
            let keys = SigningKeys {
                own: &credential.key,
                other: other.as_ref(),
                other_credential: self.key_of_another(credential),
            };
            change.signature(mutation, &mut signature, &message, keys)?;
        }
        Ok(Asserted {
            authenticator_data: sent.encode(),
            signature,
            credential_id: credential.id.clone(),
            user_handle: credential.user_handle.clone(),
        })
    }

    /// Counts one more signature of a credential, as the model counts; returns where the credential is, if it is kept here.
    pub(crate) fn count_use(&mut self, id: &[u8]) -> Option<usize> {
        let counts = self.model.sign_counter == SignCounter::Increments;
        let position = self
            .credentials
            .iter()
            .position(|credential| credential.id == id)?;
        let count = &mut self.credentials[position].sign_count;
        *count = count.saturating_add(u32::from(counts));
        Some(position)
    }

    fn data(&self, credential: &Credential, up: bool, uv: bool) -> AuthenticatorData {
        let bit = |set: bool, flag: u8| if set { flag } else { 0 };
        AuthenticatorData {
            rp_id_hash: credential.rp_id_hash.clone(),
            flags: bit(up, UP)
                | bit(uv, UV)
                | bit(self.model.backup_eligible, BE)
                | bit(credential.backup_state, BS),
            sign_count: credential.sign_count,
            attested: None,
            extensions: None,
            whole: None,
        }
    }
}
