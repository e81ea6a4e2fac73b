//! Platforms, their versions, flows, and the context of one ceremony.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Describes an operating system where a user signs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Platform {
    /// The name in rows.
    pub id: String,
    /// The product's name.
    pub name: String,
    /// Whether it can be the phone of a cross-device flow.
    pub phone: bool,
    /// What `current` means, as the user would read it.
    pub current: String,
    /// User agents by version symbol, where they matter to what the relying party sees.
    #[serde(default)]
    pub user_agents: Vec<UserAgent>,
    /// Where the facts come from.
    pub sources: Vec<String>,
}

/// States the user agent of a platform at one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UserAgent {
    /// The version that it belongs to.
    pub version: VersionSymbol,
    /// The `User-Agent` header.
    pub user_agent: String,
}

/// Stands for a version, so that the names of rows never change when versions do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum VersionSymbol {
    /// The last version that the requirements do not admit.
    BelowMin,
    /// The first version that the requirements admit.
    Min,
    /// The version of today.
    Current,
}

impl VersionSymbol {
    /// Returns the symbol as rows spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BelowMin => "below-min",
            Self::Min => "min",
            Self::Current => "current",
        }
    }
}

/// A platform at a version: `ios-min`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlatformVersion {
    /// The platform's id.
    pub platform: String,
    /// Its version.
    pub version: VersionSymbol,
}

/// Tells where the authenticator is, seen from the platform of the ceremony.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flow {
    /// On the device itself, or plugged into it.
    SameDevice,
    /// On that phone, reached over the hybrid transport.
    CrossDevice(PlatformVersion),
}

/// Says where one ceremony happens: `windows-current.cross-device-ios-min`.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Context {
    /// The platform where the user signs in.
    pub client: PlatformVersion,
    /// Where the authenticator is.
    pub flow: Flow,
}

impl Context {
    /// Returns the platform that the authenticator runs on: the phone's in a cross-device flow.
    #[must_use]
    pub const fn authenticator_platform(&self) -> &PlatformVersion {
        match &self.flow {
            Flow::SameDevice => &self.client,
            Flow::CrossDevice(phone) => phone,
        }
    }

    /// Tells whether the authenticator is on another device.
    #[must_use]
    pub const fn is_cross_device(&self) -> bool {
        matches!(self.flow, Flow::CrossDevice(_))
    }
}

/// Says why a text is not a context.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a context: write <platform>-<version>.same-device or <platform>-<version>.cross-device-<phone>-<version>, a version being below-min, min or current"
)]
pub struct ParseContextError(pub String);

impl FromStr for PlatformVersion {
    type Err = ParseContextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [
            VersionSymbol::BelowMin,
            VersionSymbol::Min,
            VersionSymbol::Current,
        ]
        .into_iter()
        .find_map(|version| {
            let platform = text.strip_suffix(version.name())?.strip_suffix('-')?;
            (!platform.is_empty()).then(|| Self {
                platform: platform.to_owned(),
                version,
            })
        })
        .ok_or_else(|| ParseContextError(text.to_owned()))
    }
}

impl fmt::Display for PlatformVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.platform, self.version.name())
    }
}

impl FromStr for Context {
    type Err = ParseContextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseContextError(text.to_owned());
        let (client, flow) = text.split_once('.').ok_or_else(error)?;
        let client = client.parse().map_err(|_| error())?;
        let flow = if flow == "same-device" {
            Flow::SameDevice
        } else {
            let phone = flow.strip_prefix("cross-device-").ok_or_else(error)?;
            Flow::CrossDevice(phone.parse().map_err(|_| error())?)
        };
        Ok(Self { client, flow })
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.flow {
            Flow::SameDevice => write!(f, "{}.same-device", self.client),
            Flow::CrossDevice(phone) => write!(f, "{}.cross-device-{phone}", self.client),
        }
    }
}

impl TryFrom<String> for Context {
    type Error = ParseContextError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Context> for String {
    fn from(context: Context) -> Self {
        context.to_string()
    }
}
