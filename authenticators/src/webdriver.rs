//! Virtual authenticators of browsers over WebDriver, as typed commands for [`fantoccini`].
//!
//! The commands are those of [WebAuthn L3, section 11](https://www.w3.org/TR/webauthn-3/#sctn-automation), one function a section.
//! What only one browser has is in [`chromium`] and [`firefox`]. [`extension`] writes the credential-provider extension, which
//! answers a page from whatever listens at an address of ours.
//!
//! ```no_run
//! # async fn example(client: fantoccini::Client) -> Result<(), passkey_authenticators::webdriver::CommandError> {
//! use passkey_authenticators::webdriver::{self, Protocol, Transport, VirtualAuthenticator};
//!
//! let mut options = VirtualAuthenticator::new(Protocol::Ctap2_1, Transport::Internal);
//! options.has_resident_key = Some(true);
//! let authenticator = webdriver::add_virtual_authenticator(&client, &options).await?;
//! // The page makes and uses passkeys.
//! let credentials = webdriver::get_credentials(&client, &authenticator).await?;
//! webdriver::remove_virtual_authenticator(&client, &authenticator).await?;
//! # Ok(()) }
//! ```

pub mod chromium;
mod command;
pub mod extension;
pub mod firefox;
mod types;

use command::{Command, read};
use fantoccini::Client;
pub use passkey_model::provider::Transport;
use serde_json::json;

pub use command::CommandError;
pub use types::{
    AuthenticatorId, Bytes, Credential, CredentialProperties, Protocol, VirtualAuthenticator,
};

/// Names the capability of drivers with virtual authenticators ([11.1](https://www.w3.org/TR/webauthn-3/#sctn-automation-webdriver-capability)).
pub const CAPABILITY: &str = "webauthn:virtualAuthenticators";

/// Adds a virtual authenticator to the current tab ([11.3](https://www.w3.org/TR/webauthn-3/#sctn-automation-add-virtual-authenticator)).
///
/// # Errors
/// When the driver refuses the command or cannot be reached.
pub async fn add_virtual_authenticator(
    client: &Client,
    authenticator: &VirtualAuthenticator,
) -> Result<AuthenticatorId, CommandError> {
    let name = "Add Virtual Authenticator";
    let path = "webauthn/authenticator".to_owned();
    let answer = Command::post(name, path, authenticator)?
        .issue(client)
        .await?;
    read(name, answer)
}

/// Removes a virtual authenticator ([11.4](https://www.w3.org/TR/webauthn-3/#sctn-automation-remove-virtual-authenticator)).
///
/// # Errors
/// When the driver refuses the command or cannot be reached.
pub async fn remove_virtual_authenticator(
    client: &Client,
    authenticator: &AuthenticatorId,
) -> Result<(), CommandError> {
    let path = format!("webauthn/authenticator/{authenticator}");
    let command = Command::delete("Remove Virtual Authenticator", path);
    command.issue(client).await.map(drop)
}

/// Puts a credential into a virtual authenticator ([11.5](https://www.w3.org/TR/webauthn-3/#sctn-automation-add-credential)).
///
/// # Errors
/// When the driver refuses the command or cannot be reached.
pub async fn add_credential(
    client: &Client,
    authenticator: &AuthenticatorId,
    credential: &Credential,
) -> Result<(), CommandError> {
    let path = format!("webauthn/authenticator/{authenticator}/credential");
    let command = Command::post("Add Credential", path, credential)?;
    command.issue(client).await.map(drop)
}

/// Returns the credentials of a virtual authenticator with their private keys ([11.6](https://www.w3.org/TR/webauthn-3/#sctn-automation-get-credentials)).
///
/// # Errors
/// When the driver refuses the command or cannot be reached.
pub async fn get_credentials(
    client: &Client,
    authenticator: &AuthenticatorId,
) -> Result<Vec<Credential>, CommandError> {
    let name = "Get Credentials";
    let path = format!("webauthn/authenticator/{authenticator}/credentials");
    let answer = Command::get(name, path).issue(client).await?;
    read(name, answer)
}

/// Removes one credential ([11.7](https://www.w3.org/TR/webauthn-3/#sctn-automation-remove-credential)).
///
/// # Errors
/// When the driver refuses the command or cannot be reached.
pub async fn remove_credential(
    client: &Client,
    authenticator: &AuthenticatorId,
    credential_id: &Bytes,
) -> Result<(), CommandError> {
    let path = format!("webauthn/authenticator/{authenticator}/credentials/{credential_id}");
    let command = Command::delete("Remove Credential", path);
    command.issue(client).await.map(drop)
}

/// Removes every credential of a virtual authenticator ([11.8](https://www.w3.org/TR/webauthn-3/#sctn-automation-remove-all-credentials)).
///
/// # Errors
/// When the driver refuses the command or cannot be reached.
pub async fn remove_all_credentials(
    client: &Client,
    authenticator: &AuthenticatorId,
) -> Result<(), CommandError> {
    let path = format!("webauthn/authenticator/{authenticator}/credentials");
    let command = Command::delete("Remove All Credentials", path);
    command.issue(client).await.map(drop)
}

/// Says whether user verification succeeds from now on ([11.9](https://www.w3.org/TR/webauthn-3/#sctn-automation-set-user-verified)).
///
/// # Errors
/// When the driver refuses the command or cannot be reached.
pub async fn set_user_verified(
    client: &Client,
    authenticator: &AuthenticatorId,
    is_user_verified: bool,
) -> Result<(), CommandError> {
    let path = format!("webauthn/authenticator/{authenticator}/uv");
    let body = json!({ "isUserVerified": is_user_verified });
    let command = Command::post("Set User Verified", path, &body)?;
    command.issue(client).await.map(drop)
}

/// Changes the BE and BS flags of a credential ([11.10](https://www.w3.org/TR/webauthn-3/#sctn-automation-set-credential-properties)).
///
/// # Errors
/// When the driver refuses the command (geckodriver does not have it) or cannot be reached.
pub async fn set_credential_properties(
    client: &Client,
    authenticator: &AuthenticatorId,
    credential_id: &Bytes,
    properties: &CredentialProperties,
) -> Result<(), CommandError> {
    let path = format!("webauthn/authenticator/{authenticator}/credentials/{credential_id}/props");
    let command = Command::post("Set Credential Properties", path, properties)?;
    command.issue(client).await.map(drop)
}
