//! Where a provider's passkeys can be used: the published table, cell by cell, with the reading that we use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Holds the table of providers and platforms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Availability {
    /// Where the table was published.
    pub source: String,
    /// What is wrong in the published table, and how we read it.
    pub errata: Vec<String>,
    /// The footnotes as printed, first to last.
    pub footnotes: Vec<String>,
    /// One row of the table each.
    pub rows: Vec<AvailabilityRow>,
}

/// Holds one row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AvailabilityRow {
    /// The row's id, by which messages cite its cells: `<row>/<platform>`.
    pub id: String,
    /// The row's heading, literally where it is published.
    pub title: String,
    /// The providers that it speaks of.
    pub providers: Vec<String>,
    /// One cell a platform.
    pub cells: Vec<Cell>,
}

/// Holds one cell of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cell {
    /// The platform where the user signs in.
    pub platform: String,
    /// The cell's literal text with its footnote mark, as in `N/A[1]`; nothing where we add the cell ourselves.
    #[serde(default)]
    pub text: Option<String>,
    /// How we read it, in a sentence.
    pub reading: String,
    /// Use on the device itself.
    pub same_device: SameDevice,
    /// Use from a phone nearby.
    pub cross_device: CrossDevice,
    /// Kinds of device that are left out, as in `Samsung devices`.
    #[serde(default)]
    pub excluding: Vec<String>,
    /// Where the facts come from.
    pub sources: Vec<String>,
}

/// Tells whether something can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Available {
    /// It can.
    Yes,
    /// It cannot.
    No,
    /// The sources can be read both ways.
    Indeterminate,
}

/// States the use of a provider on the device itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SameDevice {
    /// Whether it can be used.
    pub available: Available,
    /// The first version of the platform, as users read it; nothing where the sources name none.
    #[serde(default)]
    pub minimum: Option<String>,
    /// What has to be there: `built in`, `Chrome`, `browser extension`, `app`.
    #[serde(default)]
    pub by: Option<String>,
    /// Whether a passkey can be made there as well as used.
    #[serde(default = "yes")]
    pub registration: Available,
}

/// States the use of a provider on a phone nearby, over the hybrid transport.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CrossDevice {
    /// Whether it can be used.
    pub available: Available,
    /// The first version of the platform where the user signs in.
    #[serde(default)]
    pub client_minimum: Option<String>,
    /// The phones that can hold the passkey, each with its own minimum.
    #[serde(default)]
    pub phones: Vec<PhoneMinimum>,
    /// Whether a passkey can be made this way as well as used.
    #[serde(default = "yes")]
    pub registration: Available,
}

/// States the first version of a phone that can hold the passkey in a cross-device flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PhoneMinimum {
    /// The phone's platform.
    pub platform: String,
    /// Its first version, as users read it.
    pub minimum: String,
}

const fn yes() -> Available {
    Available::Yes
}
