//! A conformant client: what a browser does between the page and the authenticator (WebAuthn L3, 5.1.3 and 5.1.4).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use passkey_model::{
    Aaguid, Stage,
    provider::{Algorithm, AttestationKind, Transport},
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::{
    client_data,
    mutate::{Applier, MutationError, Values},
    software::{self, SoftwareAuthenticator},
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

pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Client {
    /// Makes a passkey as `navigator.credentials.create()` does.
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
        let rp_id = self.rp_id(options.pointer("/rp/id"))?;
        let excluded = ids(options.get("excludeCredentials"))?;
        if authenticator
            .credentials(&rp_id)
            .any(|credential| excluded.contains(&credential.id))
        {
            return Err(ClientError::Refused("InvalidStateError"));
        }
        let verification =
            text(options, "/authenticatorSelection/userVerification").unwrap_or("preferred");
        let uv = authenticator
            .user_verified(verification)
            .ok_or(ClientError::Refused("NotAllowedError"))?;
        let conveyed = text(options, "/attestation").unwrap_or("none") != "none";
        let roaming = !authenticator
            .model
            .transports
            .contains(&Transport::Internal);
        let (client_data, client_data_hash) =
            self.client_data("webauthn.create", options, &change)?;
        let request = software::MakeRequest {
            rp_id: &rp_id,
            user_handle: bytes(options.pointer("/user/id"), "user.id")?,
            algorithm: algorithm(authenticator, options)?,
            attestation: if conveyed {
                authenticator.model.attestation
            } else {
                AttestationKind::None
            },
            hide_aaguid: !conveyed && roaming,
            uv,
            up: !self.conditional,
            client_data_hash,
            protection: protection(options)?,
        };
        let made = authenticator.make(&request, &change)?;
        let transports: Vec<Value> = authenticator
            .model
            .transports
            .iter()
            .map(|transport| json!(transport))
            .collect();
        let mut response =
            self.envelope(&made.credential_id, json!({ "credProps": { "rk": true } }));
        response.insert(
            "response".to_owned(),
            json!({
                "publicKey": made.public_key.as_deref().map(base64url),
                "clientDataJSON": base64url(&client_data),
                "attestationObject": base64url(&made.attestation_object),
                "authenticatorData": base64url(&made.authenticator_data),
                "publicKeyAlgorithm": request.algorithm.cose(),
                "transports": transports,
            }),
        );
        let observed = Observed {
            aaguid: made.aaguid,
            format: made.format,
            backup_eligible: made.flags & 0x08 != 0,
            credential_id: made.credential_id,
        };
        finish(response, &change).map(|response| Made {
            response,
            observed: Some(observed),
        })
    }

    /// Uses a passkey as `navigator.credentials.get()` does.
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
        let rp_id = self.rp_id(options.get("rpId"))?;
        let allowed = ids(options.get("allowCredentials"))?;
        let verification = text(options, "/userVerification").unwrap_or("preferred");
        let uv = authenticator
            .user_verified(verification)
            .ok_or(ClientError::Refused("NotAllowedError"))?;
        let shown = |protection| uv || protection == 1 || (protection == 2 && !allowed.is_empty());
        let usable = authenticator
            .credentials(&rp_id)
            .filter(|credential| allowed.is_empty() || allowed.contains(&credential.id))
            .filter(|credential| shown(credential.protection))
            .last()
            .map(|credential| credential.id.clone());
        let id = usable.ok_or(ClientError::Refused("NotAllowedError"))?;
        let (client_data, hash) = self.client_data("webauthn.get", options, &change)?;
        let asserted = authenticator.assert(&id, (true, uv), &hash, &change)?;
        let mut response = self.envelope(&asserted.credential_id, json!({}));
        response.insert(
            "response".to_owned(),
            json!({
                "clientDataJSON": base64url(&client_data),
                "authenticatorData": base64url(&asserted.authenticator_data),
                "signature": base64url(&asserted.signature),
                "userHandle": base64url(&asserted.user_handle),
            }),
        );
        finish(response, &change).map(|response| Made {
            response,
            observed: None,
        })
    }

    /// The RP ID has to be the origin's host or a domain above it (WebAuthn L3, 5.1.3 step 8).
    fn rp_id(&self, id: Option<&Value>) -> Result<String, ClientError> {
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
    fn client_data(
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
        let honest = client_data::encode(&members);
        let (sent, hashed) = match change.at(Stage::ClientData) {
            None => (honest.clone(), honest),
            Some(mutation) => {
                let sent = client_data::changed(&mut members, mutation, change)?;
                (sent.clone(), if mutation.resign { sent } else { honest })
            }
        };
        let mut hash = Sha256::digest(&hashed).to_vec();
        if let Some(mutation) = change.at(Stage::ClientDataHash) {
            change.bytes(mutation, &mut hash)?;
        }
        Ok((sent, hash))
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

fn finish(mut response: Map<String, Value>, change: &Applier<'_>) -> Result<Value, ClientError> {
    if let Some(mutation) = change.at(Stage::Response) {
        change.json(mutation, &mut response)?;
    }
    change.finish()?;
    Ok(Value::Object(response))
}

fn wrong(message: &str) -> ClientError {
    ClientError::Options(message.to_owned())
}

fn text<'a>(options: &'a Value, pointer: &str) -> Option<&'a str> {
    options.pointer(pointer).and_then(Value::as_str)
}

fn bytes(value: Option<&Value>, name: &str) -> Result<Vec<u8>, ClientError> {
    let decoded = value.and_then(Value::as_str).and_then(from_base64url);
    decoded.ok_or_else(|| wrong(&format!("{name} is not base64url")))
}

fn ids(descriptors: Option<&Value>) -> Result<Vec<Vec<u8>>, ClientError> {
    let descriptors = descriptors
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    descriptors
        .iter()
        .map(|descriptor| bytes(descriptor.get("id"), "a credential descriptor's id"))
        .collect()
}

/// Reads the credProtect level that is asked for (CTAP 2.1, 12.1).
fn protection(options: &Value) -> Result<Option<u8>, ClientError> {
    match text(options, "/extensions/credentialProtectionPolicy") {
        None => Ok(None),
        Some("userVerificationOptional") => Ok(Some(1)),
        Some("userVerificationOptionalWithCredentialIDList") => Ok(Some(2)),
        Some("userVerificationRequired") => Ok(Some(3)),
        Some(_) => Err(wrong("credentialProtectionPolicy is not one of the three")),
    }
}

fn algorithm(
    authenticator: &SoftwareAuthenticator,
    options: &Value,
) -> Result<Algorithm, ClientError> {
    let offered = options.get("pubKeyCredParams").and_then(Value::as_array);
    let offered = offered.ok_or_else(|| wrong("pubKeyCredParams is missing"))?;
    let offered = offered
        .iter()
        .filter_map(|parameter| parameter.get("alg").and_then(Value::as_i64));
    let known = &authenticator.model.algorithms;
    offered
        .filter_map(|id| known.iter().find(|algorithm| algorithm.cose() == id))
        .next()
        .copied()
        .ok_or(ClientError::Refused("NotSupportedError"))
}
