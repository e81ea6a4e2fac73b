//! The model identifier of an authenticator.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Identifies an authenticator's make and model.
///
/// Sixteen bytes, written as a lower-case GUID with hyphens; input is accepted in either case.
/// See [WebAuthn L3, 6.5.1](https://www.w3.org/TR/webauthn-3/#aaguid).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Aaguid([u8; 16]);

/// Says why a text is not an AAGUID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an AAGUID: write 32 hexadecimal digits as 8-4-4-4-12")]
pub struct ParseAaguidError(String);

impl Aaguid {
    /// The AAGUID of an authenticator that does not tell its model.
    pub const ZERO: Self = Self([0; 16]);

    /// Returns the sixteen bytes in the order in which authenticator data carries them.
    #[must_use]
    pub const fn bytes(&self) -> [u8; 16] {
        self.0
    }

    /// Returns what a program reads that takes the bytes for a Windows GUID, whose first three groups are little-endian.
    #[must_use]
    pub const fn swapped(&self) -> Self {
        let [a, b, c, d, e, f, g, h, rest @ ..] = self.0;
        let [i, j, k, l, m, n, o, p] = rest;
        Self([d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p])
    }
}

impl From<[u8; 16]> for Aaguid {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Aaguid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Aaguid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Aaguid {
    type Err = ParseAaguidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseAaguidError(text.to_owned());
        let groups: Vec<&str> = text.split('-').collect();
        let well_formed = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
            && text
                .bytes()
                .all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
        if !well_formed {
            return Err(error());
        }
        let digits = groups.concat();
        let mut bytes = [0; 16];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte =
                u8::from_str_radix(&digits[index * 2..index * 2 + 2], 16).map_err(|_| error())?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Aaguid {
    type Error = ParseAaguidError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Aaguid> for String {
    fn from(aaguid: Aaguid) -> Self {
        aaguid.to_string()
    }
}
