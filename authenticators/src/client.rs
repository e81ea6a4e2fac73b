//! A conformant client: what a browser does between the page and the authenticator (WebAuthn L3, 5.1.3 and 5.1.4).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use passkey_model::{Aaguid, Stage, provider::Engine};
use serde_json::{Map, Value, json};

use crate::{
    crate_stack, extensions,
    mutate::{Applier, MutationError, Values},
    options::{self, text, wrong},
    software::{self, SoftwareAuthenticator},
    stages,
};

/// A page's client: its origin, and where the authenticator is seen from it.
#[derive(Clone, Debug)]
pub struct Client {
    /// The origin of the page.
    pub origin: String,
    /// The origin that embeds the page, if one does.
    pub top_origin: Option<String>,
    /// Whether the authenticator is on another device, or plugged in.
    pub cross_platform: bool,
    /// Whether the ceremony is asked for with conditional mediation.
    pub conditional: bool,
}

/// Why no response was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The client or the authenticator refuses: the name of the DOMException.
    #[error("the client refuses: {0}")]
    Refused(&'static str),
    /// The relying party's options cannot be used: its fault.
    #[error("the relying party's options are wrong: {0}")]
    Options(String),
    /// The mutation cannot be applied: the scenario author's fault.
    #[error(transparent)]
    Mutation(#[from] MutationError),
}

/// A response, with what was observed while it was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The response as the page posts it.
    pub response: Value,
    /// What a registration made.
    pub observed: Option<Observed>,
}

/// What a registration made, read from our own bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The AAGUID.
    pub aaguid: Aaguid,
    /// The attestation statement format.
    pub format: String,
    /// The BE flag.
    pub backup_eligible: bool,
    /// The credential ID.
    pub credential_id: Vec<u8>,
}

/// Decodes base64url without padding.
#[must_use]
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Encodes base64url without padding.
#[must_use]
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Client {
    /// Makes a passkey as `navigator.credentials.create()` does.
    ///
    /// With another engine than the model it blocks the thread: under tokio, call it from `spawn_blocking`.
    ///
    /// # Errors
    /// When the client refuses, the options are wrong, or the mutation cannot be applied.
    pub fn create(
        &self,
        authenticator: &mut SoftwareAuthenticator,
        options: &Value,
        mutation: Option<&passkey_model::Mutation>,
        values: &Values,
    ) -> Result<Made, ClientError> {
        let change = Applier::new(mutation, values);
        takes(authenticator, &change)?;
        let rp_id = self.rp_id(options.pointer("/rp/id"))?;
        let mut request = options::creation(authenticator, options, &rp_id)?;
        let (client_data, hash) = self.client_data("webauthn.create", options, &change)?;
        request.client_data_hash = hash;
        request.up = !self.conditional;
        let made = match authenticator.model.engine {
            Engine::Model => authenticator.make(&request, &change)?,
            Engine::Ctap | Engine::SoftToken => {
                crate_stack::make(authenticator, &request, options)?
            }
        };
        // As `getTransports()` has them: in lexicographical order (WebAuthn L3, 5.2.1).
        let transports = authenticator.model.transports.iter();
        let mut transports: Vec<Value> = transports.map(|transport| json!(transport)).collect();
        transports.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
        let outputs = extensions::of_creation(options, request.discoverable);
        self.registered(made, &client_data, transports, outputs, &change)
    }

    /// Uses a passkey as `navigator.credentials.get()` does.
    ///
    /// With another engine than the model it blocks the thread: under tokio, call it from `spawn_blocking`.
    ///
    /// # Errors
    /// When the client refuses, the options are wrong, or the mutation cannot be applied.
    pub fn get(
        &self,
        authenticator: &mut SoftwareAuthenticator,
        options: &Value,
        mutation: Option<&passkey_model::Mutation>,
        values: &Values,
    ) -> Result<Made, ClientError> {
        let change = Applier::new(mutation, values);
        takes(authenticator, &change)?;
        let rp_id = self.rp_id(options.get("rpId"))?;
        let mut request = options::request(authenticator, options, rp_id)?;
        let app_id = extensions::app_id(options, &request.rp_id)?;
        let app_id = app_id.filter(|id| authenticator.keeps_one_of(id, &request.allowed));
        if let Some(app_id) = app_id {
            app_id.clone_into(&mut request.rp_id);
        }
        let (client_data, hash) = self.client_data("webauthn.get", options, &change)?;
        request.client_data_hash = hash;
        let asserted = match authenticator.model.engine {
            Engine::Model => authenticator.use_one(&request, &change)?,
            Engine::Ctap | Engine::SoftToken => crate_stack::assert(authenticator, &request)?,
        };
        let user_handle = Some(asserted.user_handle.as_slice());
        let outputs = extensions::of_request(options, app_id.is_some());
        self.asserted(&asserted, user_handle, &client_data, outputs, &change)
    }

    /// Builds the response to a registration, whoever made the passkey (WebAuthn L3, 5.1, RegistrationResponseJSON).
    pub(crate) fn registered(
        &self,
        made: software::Made,
        client_data: &[u8],
        transports: Vec<Value>,
        outputs: Value,
        change: &Applier<'_>,
    ) -> Result<Made, ClientError> {
        let mut response = self.envelope(&made.credential_id, outputs);
        response.insert(
            "response".to_owned(),
            json!({
                "publicKey": made.public_key.as_deref().map(base64url),
                "clientDataJSON": base64url(client_data),
                "attestationObject": base64url(&made.attestation_object),
                "authenticatorData": base64url(&made.authenticator_data),
                "publicKeyAlgorithm": made.algorithm,
                "transports": transports,
            }),
        );
        let observed = Observed {
            aaguid: made.aaguid,
            format: made.format,
            backup_eligible: made.flags & 0x08 != 0,
            credential_id: made.credential_id,
        };
        Ok(Made {
            response: stages::response(response, change)?,
            observed: Some(observed),
        })
    }

    /// Builds the response to a sign-in, whoever signed (WebAuthn L3, 5.1, AuthenticationResponseJSON).
    pub(crate) fn asserted(
        &self,
        asserted: &software::Asserted,
        user_handle: Option<&[u8]>,
        client_data: &[u8],
        outputs: Value,
        change: &Applier<'_>,
    ) -> Result<Made, ClientError> {
        let mut members = json!({
            "clientDataJSON": base64url(client_data),
            "authenticatorData": base64url(&asserted.authenticator_data),
            "signature": base64url(&asserted.signature),
        });
        if let Some(user_handle) = user_handle {
            members["userHandle"] = json!(base64url(user_handle));
        }
        let mut response = self.envelope(&asserted.credential_id, outputs);
        response.insert("response".to_owned(), members);
        Ok(Made {
            response: stages::response(response, change)?,
            observed: None,
        })
    }

    /// The RP ID has to be the origin's host or a domain above it (WebAuthn L3, 5.1.3 step 8).
    pub(crate) fn rp_id(&self, id: Option<&Value>) -> Result<String, ClientError> {
        let host = self.origin.split("://").nth(1).unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default();
        let id = id.and_then(Value::as_str).unwrap_or(host);
        let fits = host == id
            || host
                .strip_suffix(id)
                .is_some_and(|rest| rest.ends_with('.'));
        if fits {
            Ok(id.to_owned())
        } else {
            Err(ClientError::Refused("SecurityError"))
        }
    }

    /// Returns the client data JSON (5.8.1.1) and the hash that the authenticator is given.
    pub(crate) fn client_data(
        &self,
        ceremony: &str,
        options: &Value,
        change: &Applier<'_>,
    ) -> Result<(Vec<u8>, Vec<u8>), ClientError> {
        let challenge = text(options, "/challenge").ok_or_else(|| wrong("challenge is missing"))?;
        let mut members = vec![
            ("type".to_owned(), json!(ceremony)),
            ("challenge".to_owned(), json!(challenge)),
            ("origin".to_owned(), json!(self.origin)),
            ("crossOrigin".to_owned(), json!(self.top_origin.is_some())),
        ];
        if let Some(top_origin) = &self.top_origin {
            members.push(("topOrigin".to_owned(), json!(top_origin)));
        }
        Ok(stages::client_data(&mut members, change)?)
    }

    fn envelope(&self, id: &[u8], extensions: Value) -> Map<String, Value> {
        let mut response = Map::new();
        response.insert("id".to_owned(), json!(base64url(id)));
        response.insert("rawId".to_owned(), json!(base64url(id)));
        response.insert("type".to_owned(), json!("public-key"));
        let attachment = if self.cross_platform {
            "cross-platform"
        } else {
            "platform"
        };
        response.insert("authenticatorAttachment".to_owned(), json!(attachment));
        response.insert("clientExtensionResults".to_owned(), extensions);
        response
    }
}

/// Only the model takes mutations of what an authenticator makes; what the client makes is changed whoever signs.
fn takes(authenticator: &SoftwareAuthenticator, change: &Applier<'_>) -> Result<(), MutationError> {
    if authenticator.model.engine == Engine::Model {
        return Ok(());
    }
    changes_the_client(change)
}

/// Refuses a mutation of what the authenticator makes.
pub(crate) fn changes_the_client(change: &Applier<'_>) -> Result<(), MutationError> {
    let of_the_client = [Stage::ClientData, Stage::ClientDataHash, Stage::Response];
    if change
        .stage()
        .is_none_or(|stage| of_the_client.contains(&stage))
    {
        return Ok(());
    }
    Err(change.error("only the model takes mutations of what the authenticator makes"))
}
