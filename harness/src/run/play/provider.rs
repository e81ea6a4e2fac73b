//! What the extension is answered: a response of our software authenticator, or the browser's own with one change.

use passkey_authenticators::{Client, ClientError, native};
use passkey_model::{
    provider::{AuthenticatorModel, Transport},
    scenario::{CeremonyKind, StepSpec},
};
use serde_json::{Value, json};

use super::{
    Player, made,
    page::{BrowserSide, Ceremony, Played},
};

impl Player<'_> {
    /// Answers a call of the extension: what it is to do, as `authenticators/extension/page.js` has it.
    pub(super) async fn answer(
        &mut self,
        ceremony: &mut Ceremony<'_>,
        call: &Value,
        side: &BrowserSide<'_>,
    ) -> Played<Value> {
        let kind = call["kind"].as_str().unwrap_or_default();
        if self.row.lane.is_native() {
            return match (kind, &ceremony.spec.mutation) {
                ("made", Some(_)) => self.changed(ceremony, call, side).await,
                (_, Some(_)) => Ok(json!({ "do": "change" })),
                _ => Ok(json!({ "do": "browser" })),
            };
        }
        if ceremony.spec.attached.is_some() {
            return Ok(json!({ "do": "browser" }));
        }
        if ceremony.spec.user_does.is_some() {
            return Ok(refused("NotAllowedError"));
        }
        match (ceremony.kind, kind) {
            (CeremonyKind::Registration, "create") | (CeremonyKind::Authentication, "get") => {
                self.software(ceremony, call).await
            }
            _ => Ok(json!({ "do": "browser" })),
        }
    }

    async fn software(&mut self, ceremony: &mut Ceremony<'_>, call: &Value) -> Played<Value> {
        let spec = ceremony.spec;
        let mut options = call["options"].clone();
        let response = if let Some(made) = ceremony.made.clone() {
            if spec.ignore_allow_list {
                options["excludeCredentials"] = json!([]);
            }
            let client = client(call, spec, &made.model);
            let asked = (ceremony.index, ceremony.passkey.as_str(), spec);
            self.create(asked, &made, client, &options).await?
        } else {
            if spec.ignore_allow_list {
                options["allowCredentials"] = json!([]);
            }
            let client = |model: &AuthenticatorModel| client(call, spec, model);
            self.get(spec, &options, client).await?
        };
        match response {
            Ok(made) => Ok(json!({ "do": "credential", "credential": made.response })),
            Err(ClientError::Refused(name)) => Ok(refused(name)),
            Err(error) => {
                ceremony.outcome = Some(made::refused_by_client(error)?);
                Ok(refused("UnknownError"))
            }
        }
    }

    /// Changes what the browser made, and has it signed again where that is part of the change.
    async fn changed(
        &mut self,
        ceremony: &Ceremony<'_>,
        call: &Value,
        side: &BrowserSide<'_>,
    ) -> Played<Value> {
        let mutation = ceremony
            .spec
            .mutation
            .as_ref()
            .ok_or("nothing is to be changed")?;
        let made = &call["credential"];
        let key = side.key(ceremony, made).await?;
        let change = match ceremony.kind {
            CeremonyKind::Registration => native::change_registration,
            CeremonyKind::Authentication => native::change_authentication,
        };
        let changed = change(made, mutation, &self.values, key.as_ref());
        let credential = changed.map_err(|error| error.to_string())?;
        Ok(json!({ "do": "credential", "credential": credential }))
    }
}

pub(in crate::run::play) fn refused(name: &str) -> Value {
    json!({ "do": "error", "name": name, "message": "the provider has no passkey for this" })
}

/// Returns the client that a call comes from: its page, as the browser says where it is.
pub(in crate::run::play) fn client(
    call: &Value,
    spec: &StepSpec,
    model: &AuthenticatorModel,
) -> Client {
    let text = |name: &str| call[name].as_str().map(str::to_owned);
    let embedded = call["crossOrigin"] == true;
    Client {
        origin: text("origin").unwrap_or_default(),
        top_origin: text("topOrigin").filter(|_| embedded),
        cross_platform: !model.transports.contains(&Transport::Internal)
            || spec
                .context
                .as_ref()
                .is_some_and(passkey_model::platform::Context::is_cross_device),
        conditional: call["mediation"] == "conditional",
    }
}
