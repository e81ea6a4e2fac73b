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
    /// What browsers show of it, one entry a version symbol: all three or none.
    #[serde(default)]
    pub user_agents: Vec<UserAgent>,
    /// Where the facts come from.
    pub sources: Vec<String>,
}

impl Platform {
    /// Returns what a browser shows of this platform at a version; nothing where the file does not say.
    #[must_use]
    pub fn user_agent(&self, version: VersionSymbol) -> Option<&UserAgent> {
        self.user_agents
            .iter()
            .find(|user_agent| user_agent.version == version)
    }
}

/// States what the platform's usual browser shows a relying party and a page at one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UserAgent {
    /// The version that it belongs to.
    pub version: VersionSymbol,
    /// The `User-Agent` header and `navigator.userAgent`.
    pub user_agent: String,
    /// `navigator.platform`, frozen in today's browsers: `MacIntel`, `Win32`.
    pub platform: String,
    /// User agent client hints; absent where the browser sends none, as Safari and every browser on iOS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hints: Option<ClientHints>,
}

/// States the `Sec-CH-UA` headers and `navigator.userAgentData`, member by member as `UADataValues` has them.
///
/// Source: WICG, User-Agent Client Hints, sections 3 and 4.1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClientHints {
    /// `Sec-CH-UA-Platform`: `Android`, `Windows`.
    pub platform: String,
    /// `Sec-CH-UA-Platform-Version`: `14.0.0`; Windows 11 counts from 13.
    pub platform_version: String,
    /// `Sec-CH-UA-Model`; empty on desktops.
    pub model: String,
    /// `Sec-CH-UA-Mobile`.
    pub mobile: bool,
    /// `Sec-CH-UA-Arch`: `x86`, `arm`; empty on Android.
    pub architecture: String,
    /// `Sec-CH-UA-Bitness`: `64`; empty on Android.
    pub bitness: String,
    /// `Sec-CH-UA`, in the order in which it is sent, with the meaningless brand that browsers mix in.
    pub brands: Vec<BrandVersion>,
}

/// Names a browser and its significant version, as `NavigatorUABrandVersion` does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BrandVersion {
    /// The name: `Microsoft Edge`.
    pub brand: String,
    /// The major version: `108`.
    pub version: String,
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
    /// Every symbol, from the oldest version to the newest.
    pub const ALL: [Self; 3] = [Self::BelowMin, Self::Min, Self::Current];

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
