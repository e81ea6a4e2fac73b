//! The security keys of a row: plugged in when a step needs them, asked, and unplugged.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use passkey_authenticators::{
    Client, ClientError, Made, SoftwareAuthenticator, Values,
    ctap::{KeySettings, SecurityKey},
    ctaphid::{Settings, Touch},
    seed::Seed,
    usb::{self, AllowedKeys, OpenKey, Person, UsbError},
    virtual_key::{Bus, VirtualKey},
};
use passkey_model::{
    Aaguid, Mutation,
    provider::{AuthenticatorModel, UserVerification},
    scenario::{Action, KeyFault, KeySpec, PinState, StepSpec, Typed},
};
use serde_json::Value;

use super::ceremony::MadeOrNot;
use crate::keys::Keys;

const PIN: &str = "271828";
const WRONG_PIN: &str = "314159";
/// How long a ceremony with a key may take at most, whatever the options allow.
const LIMIT: Duration = Duration::from_secs(30);
/// The model of a key that lies beside the row's.
const ANOTHER: &str = "73796e74-6865-7469-632d-616e6f746872";

/// One of the two ceremonies with a key.
pub(super) type WithKey =
    fn(&mut OpenKey, &Client, &Value, Option<&Mutation>, &Values) -> Result<Made, UsbError>;

/// What is asked of a key.
pub(super) struct Asked<'a> {
    pub client: Client,
    pub options: &'a Value,
    pub values: &'a Values,
    pub spec: &'a StepSpec,
}

/// The keys of a row, by the names of their credentials.
pub(super) struct KeyRing {
    keys: Keys,
    held: BTreeMap<String, Held>,
}

/// A virtual key, with what is on it, and whether it is plugged in.
struct Held {
    key: Arc<Mutex<SecurityKey>>,
    aaguid: Aaguid,
    settings: Settings,
    /// Never locked: it makes what is only sent between threads one that may be shared, as a row's future has to be.
    plugged_in: Mutex<Option<VirtualKey>>,
}

impl KeyRing {
    pub(super) fn new(keys: Keys) -> Self {
        Self {
            keys,
            held: BTreeMap::new(),
        }
    }

    /// Returns the model of the key of that name.
    pub(super) fn model(&self, name: &str) -> Result<AuthenticatorModel, String> {
        let held = self.held.get(name);
        let held = held.ok_or_else(|| format!("no passkey '{name}' was registered before"))?;
        Ok(held.model())
    }

    /// Makes a passkey on the key of that name, or on a new one of this model.
    pub(super) async fn create(
        &mut self,
        name: &str,
        (model, seed): (&AuthenticatorModel, Seed),
        asked: Asked<'_>,
    ) -> Result<MadeOrNot, String> {
        self.make(name, model, seed, asked.spec);
        self.ask(name, OpenKey::create, asked).await
    }

    /// Uses the passkey of that name.
    pub(super) async fn get(&mut self, name: &str, asked: Asked<'_>) -> Result<MadeOrNot, String> {
        self.ask(name, OpenKey::get, asked).await
    }

    /// Plugs in the key of that name, on a bus that is no person's.
    pub(super) async fn plug_in(&mut self, name: &str, spec: &StepSpec) -> Result<(), String> {
        let Keys::Virtual(bus) = self.keys else {
            return Err("only virtual keys are plugged in by a row".to_owned());
        };
        let mut held = self.take(name)?;
        let settings = settings(spec)?;
        self.unplug_all().await?;
        let (held, plugged_in) = blocking(move || {
            let plugged_in = held.plug_in(bus, settings);
            (held, plugged_in)
        })
        .await?;
        self.held.insert(name.to_owned(), held);
        plugged_in
    }

    /// Makes a key of that name that is not plugged in yet.
    pub(super) fn make(
        &mut self,
        name: &str,
        model: &AuthenticatorModel,
        seed: Seed,
        spec: &StepSpec,
    ) {
        if spec.credential.is_none() || !self.held.contains_key(name) {
            self.held
                .insert(name.to_owned(), Held::new(model, seed, spec));
        }
    }

    /// Ends the row: nothing is left plugged in, or on a person's key.
    pub(super) async fn finish(&mut self) -> Result<(), String> {
        if let Keys::Owned(owned) = &self.keys {
            let owned = Arc::clone(owned);
            let deleted = blocking(move || owned.delete_made()).await?;
            return deleted.map_err(|error| error.to_string());
        }
        self.unplug_all().await
    }

    /// Unplugs every key of the row.
    async fn unplug_all(&mut self) -> Result<(), String> {
        let plugged_in: Vec<VirtualKey> = self
            .held
            .values_mut()
            .filter_map(|held| held.plugged_in().take())
            .collect();
        blocking(move || {
            let unplug = |mut key: VirtualKey| key.unplug().map_err(|error| error.to_string());
            plugged_in.into_iter().try_for_each(unplug)
        })
        .await?
    }

    fn take(&mut self, name: &str) -> Result<Held, String> {
        let held = self.held.remove(name);
        held.ok_or_else(|| format!("no passkey '{name}' was registered before"))
    }

    async fn ask(
        &mut self,
        name: &str,
        ceremony: WithKey,
        asked: Asked<'_>,
    ) -> Result<MadeOrNot, String> {
        let work = Work::new(ceremony, &asked);
        let aaguid = self.held.get(name).map(|held| held.aaguid);
        let aaguid = aaguid.ok_or_else(|| format!("no passkey '{name}' was registered before"))?;
        let result = match &self.keys {
            Keys::Missing(why) => return Err(why.clone()),
            Keys::Owned(owned) => {
                if let Some(lacks) = owned.lacks(aaguid) {
                    return Err(lacks);
                }
                let owned = Arc::clone(owned);
                blocking(move || owned.with(aaguid, |key| work.on(key))).await?
            }
            Keys::Virtual(bus) => {
                let bus = *bus;
                self.ask_virtual(name, bus, work, asked.spec).await?
            }
        };
        made_or_not(result, asked.spec)
    }

    async fn ask_virtual(
        &mut self,
        name: &str,
        bus: Bus,
        work: Work,
        spec: &StepSpec,
    ) -> Result<Result<Made, UsbError>, String> {
        let settings = settings(spec)?;
        let key = spec.key.clone().unwrap_or_default();
        let mut held = self.take(name)?;
        self.unplug_all().await?;
        let (held, result) = blocking(move || {
            let result = held.ask(bus, settings, &key, work);
            (held, result)
        })
        .await?;
        self.held.insert(name.to_owned(), held);
        result
    }
}

impl Held {
    /// Makes a key of a model, as the step that registers describes it.
    fn new(model: &AuthenticatorModel, seed: Seed, spec: &StepSpec) -> Self {
        let key = spec.key.clone().unwrap_or_default();
        let verifies = model.user_verification != UserVerification::Never;
        let pin = match key.pin {
            Some(PinState::Unknown | PinState::NotSet) => false,
            Some(PinState::Set | PinState::Blocked) => true,
            None => verifies,
        };
        let usual = KeySettings::default();
        let settings = KeySettings {
            pin: pin.then(|| PIN.to_owned()),
            pin_retries: if key.pin == Some(PinState::Blocked) {
                0
            } else {
                usual.pin_retries
            },
            pin_protocols: if key.pin == Some(PinState::Unknown) {
                Vec::new()
            } else {
                usual.pin_protocols
            },
            u2f_only: key.u2f_only,
            capacity: if key.full { 0 } else { usual.capacity },
            ..usual
        };
        let authenticator = SoftwareAuthenticator::new(model.clone(), seed);
        Self {
            key: Arc::new(Mutex::new(SecurityKey::new(authenticator, settings, &seed))),
            aaguid: model.aaguid,
            settings: Settings::default(),
            plugged_in: Mutex::new(None),
        }
    }

    fn plugged_in(&mut self) -> &mut Option<VirtualKey> {
        let inner = self.plugged_in.get_mut();
        inner.unwrap_or_else(PoisonError::into_inner)
    }

    /// Plugs it in, where it is not or behaves otherwise.
    fn plug_in(&mut self, bus: Bus, settings: Settings) -> Result<(), String> {
        let is_there = self
            .plugged_in()
            .as_ref()
            .is_some_and(|key| key.path().is_some());
        if is_there && self.settings == settings {
            return Ok(());
        }
        // The one before is gone before the next one comes.
        if let Some(mut before) = self.plugged_in().take() {
            before.unplug().map_err(|error| error.to_string())?;
        }
        let application = Box::new(Arc::clone(&self.key));
        let plugged_in = VirtualKey::plug_in(bus, application, settings.clone());
        *self.plugged_in() = Some(plugged_in.map_err(|error| error.to_string())?);
        self.settings = settings;
        Ok(())
    }

    /// Plugs it in and asks it, with another key beside it where the step says so.
    fn ask(
        &mut self,
        bus: Bus,
        settings: Settings,
        spec: &KeySpec,
        work: Work,
    ) -> Result<Result<Made, UsbError>, String> {
        self.plug_in(bus, settings)?;
        let mut another = spec.beside_another.then(|| self.another());
        if let Some(another) = &mut another {
            another.plug_in(bus, Settings::default())?;
        }
        let person: Arc<dyn Person> = Arc::new(Holder(spec.typed));
        let only = self.aaguid.to_string();
        let result = only
            .parse::<AllowedKeys>()
            .and_then(|allowed| usb::open(&allowed, &person, work.limit))
            .and_then(|mut key| work.on(&mut key));
        if let Some(mut another) = another.and_then(|mut another| another.plugged_in().take()) {
            another.unplug().map_err(|error| error.to_string())?;
        }
        if spec.fault.is_some() {
            // A key that hangs or vanished is pulled out: the next step finds it plugged in anew.
            if let Some(mut key) = self.plugged_in().take() {
                key.unplug().map_err(|error| error.to_string())?;
            }
        }
        Ok(result)
    }

    fn model(&self) -> AuthenticatorModel {
        let key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        key.authenticator().model.clone()
    }

    /// Makes a key with nothing on it, of a model of its own.
    fn another(&self) -> Self {
        let mut model = self.model();
        model.aaguid = ANOTHER.parse().unwrap_or(Aaguid::ZERO);
        Self::new(
            &model,
            Seed::new(0, ANOTHER),
            &StepSpec::new(Action::Register),
        )
    }
}

/// A ceremony that can be done on another thread.
struct Work {
    ceremony: WithKey,
    client: Client,
    options: Value,
    mutation: Option<Mutation>,
    values: Values,
    limit: Duration,
}

impl Work {
    fn new(ceremony: WithKey, asked: &Asked<'_>) -> Self {
        let allowed = asked.options.get("timeout").and_then(Value::as_u64);
        Self {
            ceremony,
            client: asked.client.clone(),
            options: asked.options.clone(),
            mutation: asked.spec.mutation.clone(),
            values: asked.values.clone(),
            limit: allowed.map_or(LIMIT, |timeout| Duration::from_millis(timeout).min(LIMIT)),
        }
    }

    fn on(self, key: &mut OpenKey) -> Result<Made, UsbError> {
        let mutation = self.mutation.as_ref();
        (self.ceremony)(key, &self.client, &self.options, mutation, &self.values)
    }
}

/// Returns how a key behaves in a step.
fn settings(spec: &StepSpec) -> Result<Settings, String> {
    let key = spec.key.clone().unwrap_or_default();
    let faults = key.fault.map(|fault| {
        let trigger = match (fault, spec.action) {
            (KeyFault::WrongNonce, _) => "init",
            (_, Action::Register) => "make-credential",
            _ => "get-assertion",
        };
        format!("{}@{trigger}", fault.name()).parse()
    });
    let faults = faults.transpose();
    Ok(Settings {
        touch: if key.untouched {
            Touch::Never
        } else {
            Touch::AtOnce
        },
        faults: faults
            .map_err(|error: passkey_authenticators::ctaphid::UnknownName| error.to_string())?
            .into_iter()
            .collect(),
        ..Settings::default()
    })
}

/// What a page sees when a key or its holder does not do their part, where the step is about that; otherwise our or the environment's fault.
fn made_or_not(result: Result<Made, UsbError>, spec: &StepSpec) -> Result<MadeOrNot, String> {
    let error = match result {
        Ok(made) => return Ok(Ok(made)),
        Err(UsbError::Client(error)) => return Ok(Err(error)),
        Err(error) => error,
    };
    let key = spec.key.clone().unwrap_or_default();
    let is_told = match &error {
        UsbError::NoVerification => true,
        UsbError::PinWrong => key.typed == Typed::Wrong,
        UsbError::PinBlocked => key.pin == Some(PinState::Blocked),
        UsbError::StoreFull => key.full,
        UsbError::NotCtap2 => key.u2f_only,
        UsbError::NotTouched => key.untouched,
        UsbError::Panicked(_) => key.fault == Some(KeyFault::WrongNonce),
        UsbError::Removed(_) => key.fault == Some(KeyFault::Unplug),
        UsbError::Hung | UsbError::TooSlow => matches!(
            key.fault,
            Some(KeyFault::Stall | KeyFault::KeepaliveForever | KeyFault::TruncatedMessage)
        ),
        _ => false,
    };
    if is_told {
        Ok(Err(ClientError::Refused("NotAllowedError")))
    } else {
        Err(error.to_string())
    }
}

/// Whoever holds a virtual key.
#[derive(Debug)]
struct Holder(Typed);

impl Person for Holder {
    // The key touches itself.
    fn touch(&self, _: Aaguid) {}

    fn pin(&self, _: Aaguid) -> Option<String> {
        Some(match self.0 {
            Typed::Right => PIN.to_owned(),
            Typed::Wrong => WRONG_PIN.to_owned(),
        })
    }
}

/// Does what waits for the kernel where it may block.
async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, String> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| error.to_string())
}
