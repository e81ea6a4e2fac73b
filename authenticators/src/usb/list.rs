//! What is plugged in.

use std::{
    fmt, fs,
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::executor::block_on;
use passkey_model::Aaguid;
use webauthn_authenticator_rs::{
    transport::Transport as _,
    usb::{USBToken, USBTransport},
};

use super::{
    AllowedKeys, KeyInfo, Person, SecurityKey, UsbError, UsbLock, allowed,
    bounded::bounded,
    key::{ask, keep_away},
    line::Line,
};

/// Where Linux lists raw HID devices.
const HIDRAW: &str = "/sys/class/hidraw";
/// How a FIDO key's report descriptor begins: usage page 0xF1D0 (CTAP 2.1, 11.2.8.1).
const FIDO_USAGE_PAGE: [u8; 3] = [0x06, 0xd0, 0xf1];
/// The bus of USB, as HID_ID says it.
const USB_BUS: &str = "0003:";

/// A key of the kernel's that is open.
pub type OpenKey = SecurityKey<USBToken>;

/// A key that is plugged in.
#[derive(Clone, Debug)]
pub struct UsbKey {
    /// The device, `/dev/hidraw0` for example; nothing when several keys cannot be told apart.
    pub path: Option<PathBuf>,
    /// The manufacturer's and the product's name, where the device tells.
    pub name: Option<String>,
    /// What the key says of itself, or why it could not be asked.
    pub info: Result<KeyInfo, UsbError>,
}

/// A FIDO device in the kernel's list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Device {
    path: PathBuf,
    /// Its place in the device tree, which is another each time that it is plugged in.
    place: PathBuf,
    name: Option<String>,
    /// Why it cannot be opened, if it cannot.
    refused: Option<UsbError>,
}

/// Lists the keys that are plugged in, each asked what it is; `limit` bounds the listing and each answer.
///
/// # Errors
/// When the machine offers no HID devices, or listing them fails.
pub fn keys(limit: Duration) -> Result<Vec<UsbKey>, UsbError> {
    let (tokens, closed) = plugged_in(limit)?;
    let open = tokens.into_iter().map(|(token, device)| {
        let info = usable(device.as_ref()).and_then(|()| {
            let info = ask(&Line::new(token), Arc::new(Nobody), limit);
            leave(device.as_ref(), &info);
            info
        });
        UsbKey {
            path: device.as_ref().map(|device| device.path.clone()),
            name: device.and_then(|device| device.name),
            info,
        }
    });
    let closed = closed.into_iter().filter_map(|device| {
        Some(UsbKey {
            info: Err(device.refused?),
            path: Some(device.path),
            name: device.name,
        })
    });
    Ok(open.chain(closed).collect())
}

/// Opens the first key that is plugged in and allowed, and takes the lock on USB keys with it; `limit` bounds the wait for
/// the lock, and each thing that is asked of the key, the touch included.
///
/// # Errors
/// When there is no such key, or somebody else uses them.
pub fn open(
    allowed: &AllowedKeys,
    person: &Arc<dyn Person>,
    limit: Duration,
) -> Result<OpenKey, UsbError> {
    let lock = UsbLock::take(limit)?;
    let (tokens, closed) = plugged_in(limit)?;
    let refused = closed.into_iter().filter_map(|device| device.refused);
    let mut failures: Vec<UsbError> = refused.collect();
    for (token, device) in tokens {
        let opened = usable(device.as_ref())
            .and_then(|()| SecurityKey::open(token, allowed, Arc::clone(person), limit));
        leave(device.as_ref(), &opened);
        match opened {
            Ok(mut key) => {
                key.lock = Some(lock);
                return Ok(key);
            }
            Err(error) => failures.push(error),
        }
    }
    // The last is of a key that could be opened, if there was one.
    Err(failures.pop().unwrap_or(UsbError::NoKey))
}

type Tokens = Vec<(USBToken, Option<Device>)>;

/// Opens every key; returns also those that this user may not open.
fn plugged_in(limit: Duration) -> Result<(Tokens, Vec<Device>), UsbError> {
    let devices = devices(Path::new(HIDRAW));
    let devices = devices.map_err(|error| UsbError::NoHidraw(format!("{HIDRAW}: {error}")))?;
    let (closed, open): (Vec<_>, Vec<_>) = devices
        .into_iter()
        .partition(|device| device.refused.is_some());
    let tokens = bounded(limit, || {
        block_on(async { USBTransport::new().await?.tokens().await })
            .map_err(|error| UsbError::NoHidraw(error.to_string()))
    })?;
    // The crate lists in the order of the device tree and does not say which is which.
    let same = tokens.len() == open.len();
    let devices = open.into_iter().map(Some).filter(|_| same);
    let devices = devices.chain(std::iter::repeat(None));
    Ok((tokens.into_iter().zip(devices).collect(), closed))
}

/// Reads the kernel's list of FIDO devices on USB, in the order of the device tree.
fn devices(class: &Path) -> io::Result<Vec<Device>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(class)? {
        let entry = entry?;
        let device = entry.path().join("device");
        // One that is unplugged meanwhile has nothing to read any more.
        let descriptor = fs::read(device.join("report_descriptor")).unwrap_or_default();
        let event = fs::read_to_string(device.join("uevent")).unwrap_or_default();
        let value = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
        let is_usb = value("HID_ID=").is_some_and(|id| id.starts_with(USB_BUS));
        if !is_usb || !descriptor.starts_with(&FIDO_USAGE_PAGE) {
            continue;
        }
        let path = Path::new("/dev").join(entry.file_name());
        let opened = OpenOptions::new().read(true).write(true).open(&path);
        let place = fs::canonicalize(entry.path())?;
        let device = Device {
            place,
            name: value("HID_NAME=").map(str::to_owned),
            refused: opened.err().map(|error| refused(&path, &error)),
            path,
        };
        found.push(device);
    }
    found.sort_by(|one, other| one.place.cmp(&other.place));
    Ok(found)
}

/// In a container the kernel may list a device that is not there.
fn refused(path: &Path, error: &io::Error) -> UsbError {
    let told = format!("{} ({error})", path.display());
    if error.kind() == io::ErrorKind::PermissionDenied {
        UsbError::Permission(told)
    } else {
        UsbError::NoHidraw(told)
    }
}

fn usable(device: Option<&Device>) -> Result<(), UsbError> {
    device.map_or(Ok(()), |device| {
        allowed::usable(&device.place.to_string_lossy())
    })
}

fn leave<R>(device: Option<&Device>, result: &Result<R, UsbError>) {
    if let Some(device) = device {
        keep_away(&device.place.to_string_lossy(), result);
    }
}

/// Nobody is asked for anything while keys are listed.
struct Nobody;

impl fmt::Debug for Nobody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nobody")
    }
}

impl Person for Nobody {
    fn touch(&self, _: Aaguid) {}

    fn pin(&self, _: Aaguid) -> Option<String> {
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{env, process};

    use super::*;

    /// Writes what the kernel says of a HID device.
    fn device(class: &Path, name: &str, bus: &str, descriptor: &[u8]) {
        let device = class.join(name).join("device");
        fs::create_dir_all(&device).unwrap();
        fs::write(device.join("report_descriptor"), descriptor).unwrap();
        let event = format!("HID_ID={bus}:00001050:00000407\nHID_NAME=Maker Key\n");
        fs::write(device.join("uevent"), event).unwrap();
    }

    #[test]
    fn only_fido_devices_on_usb_are_found_and_a_missing_node_is_no_matter_of_permission() {
        let class = env::temp_dir().join(format!("passkey-usb-class-{}", process::id()));
        let fido = [0x06, 0xd0, 0xf1, 0x09, 0x01];
        device(&class, "hidraw-none-1", "0003", &fido);
        device(&class, "hidraw-none-2", "0005", &fido);
        device(&class, "hidraw-none-3", "0003", &[0x05, 0x01, 0x09, 0x06]);
        let found = devices(&class).unwrap();
        fs::remove_dir_all(&class).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, Path::new("/dev/hidraw-none-1"));
        assert_eq!(found[0].name.as_deref(), Some("Maker Key"));
        assert!(matches!(found[0].refused, Some(UsbError::NoHidraw(_))));
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let told = refused(Path::new("/dev/hidraw0"), &denied).to_string();
        assert!(
            told.contains("/dev/hidraw0") && told.contains("udev rule"),
            "{told}"
        );
    }

    #[test]
    fn without_a_list_of_devices_there_is_an_error() {
        assert!(devices(Path::new("/nowhere")).is_err());
    }
}
