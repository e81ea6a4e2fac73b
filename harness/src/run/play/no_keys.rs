//! In place of security keys, where the program was built without them: rows with keys are blocked, and never come here.

use passkey_authenticators::{Client, Values, seed::Seed};
use passkey_model::{provider::AuthenticatorModel, scenario::StepSpec};
use serde_json::Value;

use super::ceremony::MadeOrNot;
use crate::keys::Keys;

/// What is asked of a key.
#[expect(dead_code, reason = "nothing is asked where there are no keys")]
pub(super) struct Asked<'a> {
    pub client: Client,
    pub options: &'a Value,
    pub values: &'a Values,
    pub spec: &'a StepSpec,
}

/// No keys.
pub(super) struct KeyRing(String);

impl KeyRing {
    pub(super) fn new(keys: Keys) -> Self {
        Self(keys.missing().unwrap_or_default().to_owned())
    }

    pub(super) fn model(&self, _: &str) -> Result<AuthenticatorModel, String> {
        Err(self.0.clone())
    }

    pub(super) async fn create(
        &mut self,
        _: &str,
        _: (&AuthenticatorModel, Seed),
        _: Asked<'_>,
    ) -> Result<MadeOrNot, String> {
        Err(self.0.clone())
    }

    pub(super) async fn get(&mut self, _: &str, _: Asked<'_>) -> Result<MadeOrNot, String> {
        Err(self.0.clone())
    }

    pub(super) fn make(&mut self, _: &str, _: &AuthenticatorModel, _: Seed, _: &StepSpec) {}

    pub(super) async fn plug_in(&mut self, _: &str, _: &StepSpec) -> Result<(), String> {
        Err(self.0.clone())
    }

    pub(super) async fn finish(&mut self) -> Result<(), String> {
        Ok(())
    }
}
