//! A USB key behind our conformant client.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::executor::block_on;
use passkey_model::{Aaguid, Mutation};
use serde_json::{Value, json};
use webauthn_authenticator_rs::{
    AuthenticatorBackendHashedClientData as _,
    ctap2::{CtapAuthenticator, commands::GetInfoRequest},
    error::WebauthnCError,
    transport::Token,
};

use super::{
    AllowedKeys, KeyInfo, Person, UsbError, UsbLock, allowed,
    bounded::bounded,
    info::Ceremony,
    line::{Line, Ui},
};
use crate::{
    client::{self, Client, ClientError, Made},
    crate_stack::{self, Additions, Interposed, TIMEOUT_MS},
    extensions,
    mutate::{Applier, Values},
    options::{self, AssertRequest, text},
    software::Asserted,
};

/// How much longer than its limit a use may take to end by itself, before its thread is left behind.
const GRACE: Duration = Duration::from_secs(2);

/// A key that may be used, at the other end of a [`Client`].
pub struct SecurityKey<T> {
    line: Line<T>,
    info: KeyInfo,
    aaguid: Aaguid,
    person: Arc<dyn Person>,
    /// Whether the person was asked for the PIN, and what they said.
    pin: Option<Option<String>>,
    limit: Duration,
    /// The discoverable credentials made here: their RP IDs and credential IDs.
    made: Vec<(String, Vec<u8>)>,
    pub(super) lock: Option<UsbLock>,
}

/// Without the PIN.
impl<T> fmt::Debug for SecurityKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityKey")
            .field("info", &self.info)
            .field("limit", &self.limit)
            .field("lock", &self.lock)
            .finish_non_exhaustive()
    }
}

type Stack<'a, T> = CtapAuthenticator<'a, Interposed<Line<T>>, Ui>;

impl<T: Token + 'static> SecurityKey<T> {
    /// Opens a token that the user allows; `limit` bounds each thing that is asked of it, the touch included.
    ///
    /// # Errors
    /// When the key does not answer, may not be used, or is not to be used again.
    pub fn open(
        token: T,
        allowed: &AllowedKeys,
        person: Arc<dyn Person>,
        limit: Duration,
    ) -> Result<Self, UsbError> {
        let line = Line::new(token);
        let info = ask(&line, Arc::clone(&person), limit)?;
        let aaguid = info.aaguid.unwrap_or(Aaguid::ZERO);
        if !allowed.allows(aaguid) {
            return Err(UsbError::not_allowed([aaguid]));
        }
        allowed::usable(&aaguid.to_string())?;
        Ok(Self {
            line,
            info,
            aaguid,
            person,
            pin: None,
            limit,
            made: Vec::new(),
            lock: None,
        })
    }

    /// Returns what the key said of itself when it was opened.
    pub const fn info(&self) -> &KeyInfo {
        &self.info
    }

    /// Makes a passkey as `navigator.credentials.create()` does. It blocks: under tokio, call it from `spawn_blocking`.
    ///
    /// # Errors
    /// When the client or the key refuses, the options are wrong, the mutation is of what the key makes, or the key or its
    /// user does not do their part.
    pub fn create(
        &mut self,
        client: &Client,
        options: &Value,
        mutation: Option<&Mutation>,
        values: &Values,
    ) -> Result<Made, UsbError> {
        let change = Applier::new(mutation, values);
        client::changes_the_client(&change)?;
        let rp_id = client.rp_id(options.pointer("/rp/id"))?;
        if client.conditional {
            // No key makes a passkey that nobody consents to.
            return Err(ClientError::Refused("NotAllowedError").into());
        }
        let discoverable = self.discoverable(options)?;
        let requirement = text(options, "/authenticatorSelection/userVerification");
        let ceremony = Ceremony::Create { discoverable };
        let uv = self.info.verifies(requirement, ceremony)?;
        let user_handle = options::bytes(options.pointer("/user/id"), "user.id")?;
        let asked = crate_stack::creation(&rp_id, &user_handle, uv, options)?;
        let (client_data, hash) = client.client_data("webauthn.create", options, &change)?;
        let knows_levels = self
            .info
            .extensions
            .iter()
            .any(|name| name == "credProtect");
        let additions = Additions {
            discoverable,
            user_verification: uv,
            protection: options::protection(options)?.filter(|_| knows_levels),
        };
        let object = self.use_for(additions, uv, move |stack, _| {
            let made = stack.perform_register(hash, asked, TIMEOUT_MS)?;
            Ok(made.response.attestation_object)
        })?;
        let conveyed = text(options, "/attestation").unwrap_or("none") != "none";
        let made = crate_stack::conveyed(&object, conveyed, !conveyed).ok_or_else(|| {
            UsbError::Unexpected("its attestation object cannot be read".to_owned())
        })?;
        if discoverable {
            self.made.push((rp_id, made.credential_id.clone()));
        }
        let transports = self.info.transports.iter().map(|name| json!(name));
        let transports = transports.collect();
        let outputs = extensions::of_creation(options, discoverable);
        Ok(client.registered(made, &client_data, transports, outputs, &change)?)
    }

    /// Uses a passkey as `navigator.credentials.get()` does. It blocks: under tokio, call it from `spawn_blocking`.
    ///
    /// # Errors
    /// As [`SecurityKey::create`].
    pub fn get(
        &mut self,
        client: &Client,
        options: &Value,
        mutation: Option<&Mutation>,
        values: &Values,
    ) -> Result<Made, UsbError> {
        let change = Applier::new(mutation, values);
        client::changes_the_client(&change)?;
        let rp_id = client.rp_id(options.get("rpId"))?;
        let requirement = text(options, "/userVerification");
        let uv = self.info.verifies(requirement, Ceremony::Get)?;
        let (client_data, hash) = client.client_data("webauthn.get", options, &change)?;
        let request = AssertRequest {
            rp_id,
            allowed: options::ids(options.get("allowCredentials"))?,
            uv,
            client_data_hash: hash.clone(),
        };
        let asked = crate_stack::asking(&request, &request.allowed);
        let additions = Additions {
            user_verification: uv,
            ..Additions::default()
        };
        let asserted = self.use_for(additions, uv, move |stack, user_handle| {
            let asserted = stack.perform_auth(hash, asked, TIMEOUT_MS)?;
            Ok(Asserted {
                authenticator_data: asserted.response.authenticator_data,
                signature: asserted.response.signature,
                credential_id: asserted.raw_id,
                user_handle: user_handle.get(),
            })
        })?;
        // A credential that is not discoverable has none to give.
        let user_handle = Some(asserted.user_handle.as_slice()).filter(|handle| !handle.is_empty());
        let outputs = extensions::of_request(options, false);
        Ok(client.asserted(&asserted, user_handle, &client_data, outputs, &change)?)
    }

    /// Deletes the discoverable credentials that were made here, and no others, where the key can; returns how many.
    ///
    /// # Errors
    /// When the key or its user does not do their part.
    pub fn delete_made(&mut self) -> Result<usize, UsbError> {
        if !self.info.deletes() || self.made.is_empty() {
            return Ok(0);
        }
        self.ask_for_pin();
        let made = self.made.clone();
        let deleted = self.use_for(Additions::default(), true, move |stack, _| {
            delete(stack, &made)
        })?;
        self.made.clear();
        Ok(deleted)
    }

    /// Decides whether the credential is to be discoverable (WebAuthn L3, 5.4.4).
    fn discoverable(&self, options: &Value) -> Result<bool, ClientError> {
        let wanted = options::wants_discoverable(options);
        let preferred = text(options, "/authenticatorSelection/residentKey") == Some("preferred");
        match (wanted, self.info.has("rk")) {
            (true, false) if preferred => Ok(false),
            (true, false) => Err(ClientError::Refused("NotAllowedError")),
            (wanted, _) => Ok(wanted),
        }
    }

    /// Asks the person for the PIN, unless they were asked before; here, since their typing is in no limit.
    fn ask_for_pin(&mut self) {
        if self.pin.is_none() {
            self.pin = Some(self.person.pin(self.aaguid));
        }
    }

    /// Uses the key once, on a thread of its own.
    fn use_for<R: Send + 'static>(
        &mut self,
        additions: Additions,
        uv: bool,
        work: impl FnOnce(&mut Stack<'_, T>, &crate_stack::UserHandle) -> Result<R, WebauthnCError>
        + Send
        + 'static,
    ) -> Result<R, UsbError> {
        let name = self.aaguid.to_string();
        allowed::usable(&name)?;
        if uv && !self.info.has("uv") {
            self.ask_for_pin();
        }
        let ui = Ui {
            person: Arc::clone(&self.person),
            aaguid: self.aaguid,
            pin: self.pin.clone().flatten(),
            told: AtomicBool::new(false),
        };
        let line = self.line.within(self.limit, !uv);
        let result = bounded(self.limit + GRACE, move || {
            let (token, user_handle) = Interposed::new(line.clone(), additions);
            let stack = block_on(CtapAuthenticator::new(token, &ui));
            let result = stack.map_or(Err(WebauthnCError::NotSupported), |mut stack| {
                work(&mut stack, &user_handle)
            });
            result.map_err(|error| told(&line, &ui, &error))
        });
        keep_away(&name, &result);
        result
    }
}

/// Initialises a key and asks it what it is (CTAP 2.1, 6.4).
pub(super) fn ask<T: Token + 'static>(
    line: &Line<T>,
    person: Arc<dyn Person>,
    limit: Duration,
) -> Result<KeyInfo, UsbError> {
    let mut line = line.within(limit, false);
    let ui = Ui {
        person,
        aaguid: Aaguid::ZERO,
        pin: None,
        told: AtomicBool::new(false),
    };
    bounded(limit + GRACE, move || {
        let info = block_on(async {
            line.initialise().await?;
            line.transmit(GetInfoRequest {}, &ui).await
        });
        let info = info.map_err(|error| told(&line, &ui, &error))?;
        let speaks = info.versions.iter().any(|name| name.starts_with("FIDO_2"));
        if speaks {
            Ok(info.into())
        } else {
            Err(UsbError::NotCtap2)
        }
    })
}

/// Says what went wrong: first what the line saw, then what the crate says.
fn told<T>(line: &Line<T>, ui: &Ui, error: &WebauthnCError) -> UsbError {
    let failure = line.failure().unwrap_or_else(|| UsbError::from(error));
    if failure == UsbError::TooSlow && ui.told.load(Ordering::Relaxed) {
        return UsbError::NotTouched;
    }
    failure
}

/// Leaves a key alone after what another try would make worse.
pub(super) fn keep_away<R>(name: &str, result: &Result<R, UsbError>) {
    if let Err(error) = result
        && error.ends_use()
    {
        allowed::set_aside(name, error);
    }
}

fn delete<T: Token>(
    stack: &mut Stack<'_, T>,
    made: &[(String, Vec<u8>)],
) -> Result<usize, WebauthnCError> {
    let management = stack.credential_management();
    let management = management.ok_or(WebauthnCError::NotSupported)?;
    let mut deleted = 0;
    let mut rp_ids: Vec<&String> = made.iter().map(|(rp_id, _)| rp_id).collect();
    rp_ids.sort();
    rp_ids.dedup();
    for rp_id in rp_ids {
        let kept = block_on(management.enumerate_credentials_by_rpid(rp_id))?;
        let kept = kept.into_iter().filter_map(|found| found.credential_id);
        let ours = kept.filter(|found| made.iter().any(|(_, id)| *id == found.id));
        for id in ours {
            block_on(management.delete_credential(id))?;
            deleted += 1;
        }
    }
    Ok(deleted)
}
