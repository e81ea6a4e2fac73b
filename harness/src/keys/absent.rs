//! In place of security keys, where the program was built without them.

use passkey_model::row::Row;

/// No keys, and why.
#[derive(Clone, Debug)]
pub struct Keys(String);

impl Default for Keys {
    fn default() -> Self {
        Self("nobody looked for security keys".to_owned())
    }
}

impl Keys {
    /// Says how to build a program that finds keys.
    #[must_use]
    pub fn look() -> Self {
        Self(
            "this program was built without USB keys: build it with --features usb on Linux, as ci/usb-bench does"
                .to_owned(),
        )
    }

    /// Says why no row with a security key can run.
    #[must_use]
    pub fn missing(&self) -> Option<&str> {
        Some(&self.0)
    }

    /// Says nothing: no key is written to.
    #[must_use]
    pub fn announcement(&self, _: &[Row]) -> Option<String> {
        None
    }

    /// Says why this row cannot be shown.
    #[must_use]
    pub fn lacking(&self, _: &Row) -> Option<String> {
        Some(self.0.clone())
    }
}
