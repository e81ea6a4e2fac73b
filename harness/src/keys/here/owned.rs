//! Keys of the user's: which may be written to, and the one that a run uses.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    fs::OpenOptions,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use passkey_authenticators::usb::{self, AllowedKeys, KeyInfo, OpenKey, Person, UsbError};
use passkey_model::{Aaguid, row::Row, scenario::Action};

use super::super::ALLOWED;

/// How long a key may take to say what it is.
const LISTING: Duration = Duration::from_secs(5);
/// How long its holder may take to touch it.
const TOUCH: Duration = Duration::from_secs(30);

/// The keys that their owner lets a run write to. One is open at a time, for the whole run: its PIN is asked for once.
#[derive(Debug)]
pub struct Owned {
    plugged_in: BTreeMap<Aaguid, KeyInfo>,
    open: Mutex<Option<(Aaguid, OpenKey)>>,
}

impl Owned {
    /// Asks what is plugged in, and keeps what the list allows.
    ///
    /// # Errors
    /// When the list is wrong, or none of its keys is there.
    pub(super) fn look(allowed: &str) -> Result<Self, UsbError> {
        let allowed: AllowedKeys = allowed.parse()?;
        let mut plugged_in = BTreeMap::new();
        let mut others = Vec::new();
        let mut failure = None;
        for key in usb::keys(LISTING)? {
            match key.info {
                Ok(info) => {
                    let aaguid = info.aaguid.unwrap_or(Aaguid::ZERO);
                    if allowed.allows(aaguid) {
                        plugged_in.insert(aaguid, info);
                    } else {
                        others.push(aaguid);
                    }
                }
                Err(error) => failure = Some(error),
            }
        }
        if plugged_in.is_empty() {
            return Err(match failure {
                Some(failure) => failure,
                None if others.is_empty() => UsbError::NoKey,
                None => UsbError::not_allowed(others),
            });
        }
        Ok(Self {
            plugged_in,
            open: Mutex::new(None),
        })
    }

    /// Says why a row needs a key that is none of these.
    pub(super) fn lacking(&self, row: &Row) -> Option<String> {
        if row.lane.browser.is_some() {
            return Some(
                "needs a virtual key, since a browser writes to keys without our care: run ci/usb-bench --chromium"
                    .to_owned(),
            );
        }
        let mut authenticators = BTreeSet::new();
        for (index, step) in row.steps.iter().enumerate() {
            let spec = &step.spec;
            if spec.key.is_some() || spec.aaguid.is_some() || spec.attestation.is_some() {
                return Some(
                    "needs a key that is made for it: run ci/usb-bench, which brings virtual keys"
                        .to_owned(),
                );
            }
            if spec.action == Action::Register {
                let name = spec.credential.clone();
                authenticators.insert(name.unwrap_or_else(|| format!("step {index}")));
            }
        }
        (authenticators.len() > 1)
            .then(|| "needs two keys: run ci/usb-bench, which brings virtual keys".to_owned())
    }

    /// Says that no key of a model is plugged in and allowed.
    pub(crate) fn lacks(&self, model: Aaguid) -> Option<String> {
        let there: Vec<String> = self.plugged_in.keys().map(Aaguid::to_string).collect();
        (!self.plugged_in.contains_key(&model)).then(|| {
            format!(
                "no key of the model {model} is plugged in and allowed by {ALLOWED}; there is {}",
                there.join(", ")
            )
        })
    }

    /// Says what a run of these rows leaves on the keys, for their owner to read before it starts.
    pub(super) fn announcement(&self, rows: &[Row]) -> Option<String> {
        let made = rows
            .iter()
            .filter(|row| row.lane.has_keys() && row.not_applicable.is_none())
            .filter(|row| self.lacking(row).is_none())
            .flat_map(|row| &row.steps)
            .filter(|step| step.spec.action == Action::Register)
            .count();
        let made = u32::try_from(made).unwrap_or(u32::MAX);
        let of_key = |(aaguid, info): (&Aaguid, &KeyInfo)| {
            let plan = info.plan(made);
            let left = if plan.left == 0 {
                "which are deleted after each row".to_owned()
            } else {
                format!("of which {} stay: it cannot delete them", plan.left)
            };
            let room = if plan.fits == Some(false) {
                "; it has no room for so many"
            } else {
                ""
            };
            format!(
                "security key {aaguid}: up to {made} discoverable credentials will be made, {left}{room}"
            )
        };
        let told: Vec<String> = self.plugged_in.iter().map(of_key).collect();
        (made > 0).then(|| told.join("\n"))
    }

    /// Deletes what the row made on the key that is open, where the key can.
    ///
    /// # Errors
    /// When the key or its holder does not do their part.
    pub(crate) fn delete_made(&self) -> Result<(), UsbError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.as_mut() {
            Some((_, key)) => key.delete_made().map(|_| ()),
            None => Ok(()),
        }
    }

    /// Uses the key of a model, which stays open for the next use.
    ///
    /// # Errors
    /// When it cannot be opened, or the use fails.
    pub(crate) fn with<R>(
        &self,
        model: Aaguid,
        work: impl FnOnce(&mut OpenKey) -> Result<R, UsbError>,
    ) -> Result<R, UsbError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // A key of another model is closed here, and the lock on keys goes with it.
        let kept = open.take().filter(|(of, _)| *of == model);
        let key = match kept {
            Some((_, key)) => key,
            None => {
                let only: AllowedKeys = model.to_string().parse()?;
                let person: Arc<dyn Person> = Arc::new(Holder);
                usb::open(&only, &person, TOUCH)?
            }
        };
        let (_, key) = open.insert((model, key));
        work(key)
    }
}

/// Whoever sits at the terminal.
struct Holder;

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Holder")
    }
}

impl Person for Holder {
    fn touch(&self, key: Aaguid) {
        // Standard error belongs to whoever reports the run, for as long as it lasts.
        let terminal = OpenOptions::new().write(true).open("/dev/tty");
        if let Ok(mut terminal) = terminal {
            // Without a terminal nobody would see it.
            let _ = writeln!(terminal, "touch the security key {key} while it blinks");
        }
    }

    fn pin(&self, key: Aaguid) -> Option<String> {
        let question = format!("PIN of the security key {key} (tried once): ");
        rpassword::prompt_password(question)
            .ok()
            .filter(|pin| !pin.is_empty())
    }
}
