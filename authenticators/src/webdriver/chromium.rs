//! What ChromeDriver has beyond the specification: commands of the DevTools protocol (CDP).
//!
//! ChromeDriver names virtual authenticators as CDP does, so an [`AuthenticatorId`] serves both.

use super::{
    AuthenticatorId,
    command::{Command, CommandError},
};
use fantoccini::Client;
use serde::Serialize;
use serde_json::{Value, json};

/// The certificate with which Chromium's virtual authenticators attest, in DER; it is its own issuer.
///
/// Its key is the same in every Chromium, and so is its beginning, 2017-07-14; its end is twenty years after it was made.
pub const BATCH_CERTIFICATE: &[u8] = include_bytes!("chromium-batch.der");

/// Executes one CDP command for the current tab, and returns its result.
///
/// # Errors
/// When ChromeDriver refuses the command or cannot be reached.
pub async fn execute(
    client: &Client,
    cmd: &str,
    params: &impl Serialize,
) -> Result<Value, CommandError> {
    let body = Execute { cmd, params };
    let path = "goog/cdp/execute".to_owned();
    Command::post("goog/cdp/execute", path, &body)?
        .issue(client)
        .await
}

#[derive(Serialize)]
struct Execute<'a, P> {
    cmd: &'a str,
    params: &'a P,
}

/// Turns on virtual authenticators in the current tab without adding one
/// ([WebAuthn.enable](https://chromedevtools.github.io/devtools-protocol/tot/WebAuthn/#method-enable)).
///
/// Without any authenticator a ceremony then ends after its time-out, where it would otherwise stay open for ever.
///
/// # Errors
/// When ChromeDriver refuses the command or cannot be reached.
pub async fn enable_virtual_authenticators(client: &Client) -> Result<(), CommandError> {
    let params = json!({ "enableUI": false });
    execute(client, "WebAuthn.enable", &params).await.map(drop)
}

/// Says what an authenticator does wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResponseOverrideBits {
    /// Signs with a signature that does not verify.
    pub is_bogus_signature: bool,
    /// Answers without the UV flag.
    #[serde(rename = "isBadUV")]
    pub is_bad_uv: bool,
    /// Answers without the UP flag.
    #[serde(rename = "isBadUP")]
    pub is_bad_up: bool,
}

/// Makes an authenticator answer wrongly
/// ([WebAuthn.setResponseOverrideBits](https://chromedevtools.github.io/devtools-protocol/tot/WebAuthn/#method-setResponseOverrideBits)).
///
/// # Errors
/// When ChromeDriver refuses the command or cannot be reached.
pub async fn set_response_override_bits(
    client: &Client,
    authenticator: &AuthenticatorId,
    bits: ResponseOverrideBits,
) -> Result<(), CommandError> {
    let params = OfAuthenticator {
        authenticator_id: authenticator,
        rest: bits,
    };
    execute(client, "WebAuthn.setResponseOverrideBits", &params)
        .await
        .map(drop)
}

#[derive(Serialize)]
struct OfAuthenticator<'a, P> {
    #[serde(rename = "authenticatorId")]
    authenticator_id: &'a AuthenticatorId,
    #[serde(flatten)]
    rest: P,
}

/// Says whether the user is there by itself; without, a ceremony waits
/// ([WebAuthn.setAutomaticPresenceSimulation](https://chromedevtools.github.io/devtools-protocol/tot/WebAuthn/#method-setAutomaticPresenceSimulation)).
///
/// # Errors
/// When ChromeDriver refuses the command or cannot be reached.
pub async fn set_automatic_presence_simulation(
    client: &Client,
    authenticator: &AuthenticatorId,
    enabled: bool,
) -> Result<(), CommandError> {
    let params = json!({ "authenticatorId": authenticator, "enabled": enabled });
    execute(client, "WebAuthn.setAutomaticPresenceSimulation", &params)
        .await
        .map(drop)
}

/// Describes the browser that a tab claims to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserAgent {
    /// The `User-Agent` header and `navigator.userAgent`.
    pub user_agent: String,
    /// `navigator.platform`.
    pub platform: String,
    /// The client hints; without them none are sent, as browsers on iOS do.
    #[serde(rename = "userAgentMetadata", skip_serializing_if = "Option::is_none")]
    pub metadata: Option<UserAgentMetadata>,
}

/// Describes the client hints, `Sec-CH-UA-*` and `navigator.userAgentData`
/// ([Emulation.UserAgentMetadata](https://chromedevtools.github.io/devtools-protocol/tot/Emulation/#type-UserAgentMetadata)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserAgentMetadata {
    /// The brands with their major versions; the browser's own when there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub brands: Vec<Brand>,
    /// The brands with their full versions; the browser's own when there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub full_version_list: Vec<Brand>,
    /// The operating system, such as `Windows`.
    pub platform: String,
    /// The operating system's version, such as `15.0.0`.
    pub platform_version: String,
    /// The architecture, such as `x86`; empty on phones.
    pub architecture: String,
    /// The device's model; empty on desktops.
    pub model: String,
    /// Whether it is a phone.
    pub mobile: bool,
}

/// One brand of a browser.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Brand {
    /// The name, such as `Google Chrome`.
    pub brand: String,
    /// Its version.
    pub version: String,
}

/// Makes the current tab claim to be another browser
/// ([Emulation.setUserAgentOverride](https://chromedevtools.github.io/devtools-protocol/tot/Emulation/#method-setUserAgentOverride)).
///
/// # Errors
/// When ChromeDriver refuses the command or cannot be reached.
pub async fn set_user_agent_override(
    client: &Client,
    user_agent: &UserAgent,
) -> Result<(), CommandError> {
    execute(client, "Emulation.setUserAgentOverride", user_agent)
        .await
        .map(drop)
}
