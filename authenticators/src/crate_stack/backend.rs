//! The software authenticator as a backend of the crate.

use serde::Serialize;
use serde_json::Value;
use webauthn_authenticator_rs::{
    AuthenticatorBackendHashedClientData,
    error::{CtapError, WebauthnCError},
};
use webauthn_rs_proto::{
    AuthenticationExtensionsClientOutputs, AuthenticatorAssertionResponseRaw,
    AuthenticatorAttestationResponseRaw, PublicKeyCredential, PublicKeyCredentialCreationOptions,
    PublicKeyCredentialRequestOptions, RegisterPublicKeyCredential,
    RegistrationExtensionsClientOutputs,
};

use crate::{
    client::{ClientError, base64url},
    mutate::{Applier, Values},
    options,
    software::SoftwareAuthenticator,
};

/// The model as that crate's clients see it. The crate makes an `AuthenticatorBackend` of it too, with client data of its
/// own: the origin ends in a slash there.
impl AuthenticatorBackendHashedClientData for SoftwareAuthenticator {
    fn perform_register(
        &mut self,
        client_data_hash: Vec<u8>,
        options: PublicKeyCredentialCreationOptions,
        _timeout_ms: u32,
    ) -> Result<RegisterPublicKeyCredential, WebauthnCError> {
        let json = json(&options)?;
        let mut request = options::creation(self, &json, &options.rp.id).map_err(error)?;
        request.client_data_hash = client_data_hash;
        let made = self.make(&request, &Applier::new(None, &Values::new()));
        let made = made.map_err(|_| WebauthnCError::Internal)?;
        let transports = json_of_transports(self)?;
        Ok(RegisterPublicKeyCredential {
            id: base64url(&made.credential_id),
            raw_id: made.credential_id,
            response: AuthenticatorAttestationResponseRaw {
                attestation_object: made.attestation_object,
                client_data_json: Vec::new(),
                transports: serde_json::from_value(transports).ok(),
            },
            type_: "public-key".to_owned(),
            extensions: RegistrationExtensionsClientOutputs::default(),
        })
    }

    fn perform_auth(
        &mut self,
        client_data_hash: Vec<u8>,
        options: PublicKeyCredentialRequestOptions,
        _timeout_ms: u32,
    ) -> Result<PublicKeyCredential, WebauthnCError> {
        let json = json(&options)?;
        let mut request = options::request(self, &json, options.rp_id).map_err(error)?;
        request.client_data_hash = client_data_hash;
        let asserted = self.use_one(&request, &Applier::new(None, &Values::new()));
        let asserted = asserted.map_err(error)?;
        Ok(PublicKeyCredential {
            id: base64url(&asserted.credential_id),
            raw_id: asserted.credential_id,
            response: AuthenticatorAssertionResponseRaw {
                authenticator_data: asserted.authenticator_data,
                client_data_json: Vec::new(),
                signature: asserted.signature,
                user_handle: Some(asserted.user_handle),
            },
            extensions: AuthenticationExtensionsClientOutputs::default(),
            type_: "public-key".to_owned(),
        })
    }
}

/// The crate's options serialise to the JSON that our client reads.
fn json(options: &impl Serialize) -> Result<Value, WebauthnCError> {
    serde_json::to_value(options).map_err(|_| WebauthnCError::Json)
}

fn json_of_transports(authenticator: &SoftwareAuthenticator) -> Result<Value, WebauthnCError> {
    json(&authenticator.model.transports)
}

fn error(error: ClientError) -> WebauthnCError {
    match error {
        ClientError::Refused("InvalidStateError") => CtapError::Ctap2CredentialExcluded.into(),
        ClientError::Refused("NotSupportedError") => CtapError::Ctap2UnsupportedAlgorithm.into(),
        ClientError::Refused(_) => CtapError::Ctap2NoCredentials.into(),
        ClientError::Options(_) | ClientError::Mutation(_) => WebauthnCError::Internal,
    }
}
