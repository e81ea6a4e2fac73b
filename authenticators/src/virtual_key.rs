//! A USB security key without hardware (Linux): a [`Device`] that the kernel's HID stack takes for a real one.
//!
//! Over [`Bus::Uhid`] the kernel gets a HID device, over [`Bus::Vhci`] a whole USB device (USB/IP). Either way a
//! `/dev/hidrawN` appears that browsers and libraries find as they find a key. A thread of its own serves it.

mod descriptors;
mod error;
mod node;
mod serve;
mod uhid;
mod usb;
mod usbip;
mod vhci;

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde::Deserialize;

pub use self::error::{UnknownBus, VirtualKeyError};
use self::{
    node::{Waited, Watch},
    serve::{Link, Server},
    uhid::Uhid,
    vhci::Vhci,
};
use crate::ctaphid::{Application, Device, Settings};

/// How long the kernel may take to make the node or to take it away.
const NODE_LIMIT: Duration = Duration::from_secs(20);
/// How long the thread may take to end: an application answers from memory.
const THREAD_LIMIT: Duration = Duration::from_secs(5);

/// How the kernel is told of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bus {
    /// A HID device of user space: `/dev/uhid`.
    Uhid,
    /// A USB device of user space: USB/IP with `vhci-hcd`.
    Vhci,
}

impl FromStr for Bus {
    type Err = UnknownBus;

    fn from_str(name: &str) -> Result<Self, UnknownBus> {
        match name {
            "uhid" => Ok(Self::Uhid),
            "vhci" => Ok(Self::Vhci),
            _ => Err(UnknownBus(name.to_owned())),
        }
    }
}

/// A key that is plugged in, or was. Dropping it unplugs it and ends its thread.
pub struct VirtualKey {
    bus: Bus,
    serial: String,
    state: State,
}

enum State {
    PluggedIn {
        server: Server,
        path: PathBuf,
    },
    Unplugged(Box<Device>),
    /// The thread did not give the device back in time.
    Lost,
}

impl VirtualKey {
    /// Plugs a key in and waits, up to 20 s, until the kernel has made its node and this user may open it.
    ///
    /// # Errors
    /// When the kernel's part is missing or not allowed, or no node comes: the environment is at fault, and the error says what to do.
    pub fn plug_in(
        bus: Bus,
        application: Box<dyn Application>,
        settings: Settings,
    ) -> Result<Self, VirtualKeyError> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let device = Box::new(Device::new(application, settings));
        let mut key = Self {
            bus,
            serial: format!("passkey-harness-{}-{number}", std::process::id()),
            state: State::Unplugged(device),
        };
        key.plug_in_again()?;
        Ok(key)
    }

    /// Returns the node, `/dev/hidrawN`, while it is plugged in. A key with a fault may have unplugged itself.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.state {
            State::PluggedIn { server, path } if !server.has_ended() => Some(path),
            _ => None,
        }
    }

    /// Returns the serial number by which the kernel knows it (HID_UNIQ).
    #[must_use]
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// Unplugs it, with its application kept, and waits, up to 20 s, until the node is gone. Does nothing when it is unplugged.
    ///
    /// # Errors
    /// When its thread does not end or the node does not go away.
    pub fn unplug(&mut self) -> Result<(), VirtualKeyError> {
        let (server, path) = match std::mem::replace(&mut self.state, State::Lost) {
            State::PluggedIn { server, path } => (server, path),
            other => {
                self.state = other;
                return Ok(());
            }
        };
        let watch = Watch::new().map_err(VirtualKeyError::Watch)?;
        let (mut device, end) = server.stop(THREAD_LIMIT)?;
        device.power_cycle();
        self.state = State::Unplugged(device);
        let is_gone = || (!path.exists()).then_some(());
        match watch.wait(None, NODE_LIMIT, is_gone) {
            Ok(Waited::Seen(())) => end.map_err(VirtualKeyError::Serve),
            Ok(_) => Err(VirtualKeyError::NodeStays(path)),
            Err(source) => Err(VirtualKeyError::Watch(source)),
        }
    }

    /// Plugs it in again, with the application as it was, and returns its node. Unplugs it first where it is plugged in.
    ///
    /// # Errors
    /// As [`VirtualKey::plug_in`] and [`VirtualKey::unplug`].
    pub fn plug_in_again(&mut self) -> Result<&Path, VirtualKeyError> {
        self.unplug()?;
        let watch = Watch::new().map_err(VirtualKeyError::Watch)?;
        let link: Box<dyn Link> = match self.bus {
            Bus::Uhid => Box::new(Uhid::create(&self.serial)?),
            Bus::Vhci => Box::new(Vhci::attach(&self.serial)?),
        };
        let device = match std::mem::replace(&mut self.state, State::Lost) {
            State::Unplugged(device) => device,
            _ => return Err(VirtualKeyError::ThreadStays),
        };
        let server = Server::start(device, link)?;
        let find = || node::find(&self.serial).filter(|path| node::is_open_to_us(path));
        let waited = watch.wait(Some(server.ended()), NODE_LIMIT, find);
        // Kept whatever came of it, so that it is unplugged properly.
        let path = match &waited {
            Ok(Waited::Seen(path)) => path.clone(),
            _ => node::find(&self.serial).unwrap_or_default(),
        };
        self.state = State::PluggedIn {
            server,
            path: path.clone(),
        };
        match waited.map_err(VirtualKeyError::Watch)? {
            Waited::Seen(_) => self.path().ok_or(VirtualKeyError::Vanished),
            Waited::Ended => Err(self.unplug().err().unwrap_or(VirtualKeyError::Vanished)),
            Waited::TimedOut if path.exists() => Err(VirtualKeyError::NodeClosed(path)),
            Waited::TimedOut if node::is_known(&self.serial) => Err(VirtualKeyError::NoDev),
            Waited::TimedOut => Err(VirtualKeyError::NoNode(self.bus.module())),
        }
    }
}

impl Bus {
    /// Returns the kernel's module.
    const fn module(self) -> &'static str {
        match self {
            Self::Uhid => "uhid",
            Self::Vhci => "vhci-hcd",
        }
    }
}

impl Drop for VirtualKey {
    fn drop(&mut self) {
        if let State::PluggedIn { server, .. } = std::mem::replace(&mut self.state, State::Lost) {
            // Nobody is left who could be told.
            let _ = server.stop(THREAD_LIMIT);
        }
    }
}
