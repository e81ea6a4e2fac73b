//! `keys` and `virtual-key`: the security keys of this machine, and one without hardware for other programs.

use std::io::{self, Write};

use super::EXIT_HARNESS;
use super::arguments::VirtualKeyArguments;

#[cfg(not(all(feature = "usb", target_os = "linux")))]
fn missing(err: &mut impl Write) -> io::Result<u8> {
    let keys = crate::keys::Keys::look();
    writeln!(err, "{}", keys.missing().unwrap_or_default())?;
    Ok(EXIT_HARNESS)
}

/// Lists the keys that are plugged in.
#[cfg(not(all(feature = "usb", target_os = "linux")))]
pub(super) fn keys(_: &mut impl Write, err: &mut impl Write) -> io::Result<u8> {
    missing(err)
}

/// Plugs in a virtual key.
#[cfg(not(all(feature = "usb", target_os = "linux")))]
pub(super) fn virtual_key(
    _: &VirtualKeyArguments,
    _: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    missing(err)
}

#[cfg(all(feature = "usb", target_os = "linux"))]
mod linux {
    use std::{fmt::Display, str::FromStr, time::Duration};

    use passkey_authenticators::{
        SoftwareAuthenticator,
        ctap::{KeySettings, SecurityKey},
        ctaphid::{Settings, Touch},
        seed::Seed,
        usb::{self, KeyInfo},
        virtual_key::{Bus, VirtualKey},
    };
    use passkey_model::{
        Aaguid,
        provider::{
            Algorithm, AttestationKind, AuthenticatorModel, Engine, SignCounter, Transport,
            UserVerification,
        },
    };

    use super::{EXIT_HARNESS, VirtualKeyArguments, Write, io};
    use crate::{
        cli::{EXIT_NOTHING, EXIT_OK, EXIT_USAGE},
        keys::ALLOWED,
    };

    /// How long a key may take to say what it is.
    const LISTING: Duration = Duration::from_secs(5);

    /// Lists the keys that are plugged in, and what a run would do with them.
    pub(in crate::cli) fn keys(out: &mut impl Write, err: &mut impl Write) -> io::Result<u8> {
        let keys = match usb::keys(LISTING) {
            Ok(keys) => keys,
            Err(error) => {
                writeln!(err, "{error}")?;
                return Ok(EXIT_HARNESS);
            }
        };
        if keys.is_empty() {
            writeln!(err, "{}", usb::UsbError::NoKey)?;
            return Ok(EXIT_NOTHING);
        }
        for key in &keys {
            let path = key.path.as_deref().map(|path| path.display().to_string());
            let path = path.unwrap_or_else(|| "?".to_owned());
            writeln!(out, "{path}  {}", key.name.as_deref().unwrap_or("?"))?;
            match &key.info {
                Ok(info) => describe(info, out)?,
                Err(error) => writeln!(out, "  cannot be asked: {error}")?,
            }
        }
        writeln!(
            err,
            "a run writes to a key only when {ALLOWED} names its AAGUID; it never resets one, tries its PIN once, and deletes \
             what it made where the key can"
        )?;
        Ok(EXIT_OK)
    }

    fn describe(info: &KeyInfo, out: &mut impl Write) -> io::Result<()> {
        let aaguid = info.aaguid.unwrap_or(Aaguid::ZERO);
        let versions: Vec<&str> = info.versions.iter().map(String::as_str).collect();
        writeln!(out, "  AAGUID     {aaguid}")?;
        writeln!(out, "  versions   {}", versions.join(", "))?;
        let options: Vec<String> = info
            .options
            .iter()
            .map(|(name, set)| format!("{name}={set}"))
            .collect();
        writeln!(out, "  options    {}", options.join(", "))?;
        let room = info.remaining.map_or_else(
            || "not told".to_owned(),
            |remaining| format!("for {remaining} more discoverable credentials"),
        );
        writeln!(out, "  room       {room}")?;
        let deletes = if info.deletes() { "yes" } else { "no" };
        writeln!(out, "  can delete {deletes}")
    }

    /// Plugs in a virtual key, prints its device, and serves it until it is interrupted.
    pub(in crate::cli) fn virtual_key(
        told: &VirtualKeyArguments,
        out: &mut impl Write,
        err: &mut impl Write,
    ) -> io::Result<u8> {
        let made = told.key().and_then(|(key, settings, bus)| {
            let key = VirtualKey::plug_in(bus, Box::new(key), settings);
            key.map_err(|error| (EXIT_HARNESS, error.to_string()))
        });
        let mut key = match made {
            Ok(key) => key,
            Err((code, why)) => {
                writeln!(err, "{why}")?;
                return Ok(code);
            }
        };
        let path = key.path().map(|path| path.display().to_string());
        writeln!(out, "{}", path.unwrap_or_default())?;
        out.flush()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(interrupted())?;
        match key.unplug() {
            Ok(()) => Ok(EXIT_OK),
            Err(error) => {
                writeln!(err, "{error}")?;
                Ok(EXIT_HARNESS)
            }
        }
    }

    async fn interrupted() -> io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut ended = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = ended.recv() => Ok(()),
        }
    }

    fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<T, (u8, String)> {
        text.parse()
            .map_err(|error: T::Err| (EXIT_USAGE, error.to_string()))
    }

    impl VirtualKeyArguments {
        fn key(&self) -> Result<(SecurityKey, Settings, Bus), (u8, String)> {
            let bus = parsed(&self.bus)?;
            let faults = self.fault.iter().map(|fault| parsed(fault));
            let settings = Settings {
                touch: match self.touch_after {
                    _ if self.untouched => Touch::Never,
                    0 => Touch::AtOnce,
                    after => Touch::After(Duration::from_millis(after)),
                },
                faults: faults.collect::<Result<_, _>>()?,
                ..Settings::default()
            };
            let model = AuthenticatorModel {
                aaguid: parsed(&self.aaguid)?,
                backup_eligible: false,
                backup_state: false,
                attestation: AttestationKind::Packed,
                transports: vec![Transport::Usb],
                user_verification: UserVerification::Verifies,
                algorithms: vec![Algorithm::ES256],
                sign_counter: SignCounter::Increments,
                engine: Engine::Model,
            };
            let seed = Seed::new(self.seed, "virtual key");
            let key_settings = KeySettings {
                pin: self.pin.clone(),
                u2f_only: self.u2f_only,
                ..KeySettings::default()
            };
            let authenticator = SoftwareAuthenticator::new(model, seed);
            Ok((
                SecurityKey::new(authenticator, key_settings, &seed),
                settings,
                bus,
            ))
        }
    }
}

#[cfg(all(feature = "usb", target_os = "linux"))]
pub(super) use linux::{keys, virtual_key};
