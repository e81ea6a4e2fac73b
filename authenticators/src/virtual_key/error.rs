//! What can be wrong with a virtual key: nearly always the environment, and what to do about it.

use std::{io, path::PathBuf};

/// A name is not one of a bus: the text that holds it is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no bus for a virtual key: write uhid or vhci")]
pub struct UnknownBus(pub String);

/// Why a virtual key cannot be plugged in or unplugged.
#[derive(Debug, thiserror::Error)]
pub enum VirtualKeyError {
    /// The kernel's module is not there.
    #[error("{path} is not there: run `modprobe {module}` as root, or use ci/usb-bench")]
    NoModule {
        /// What was looked for.
        path: &'static str,
        /// The module that makes it.
        module: &'static str,
    },
    /// This user may not use the kernel's module.
    #[error(
        "this user may not write to {path}: run as root, give the user access to it, or use ci/usb-bench"
    )]
    NotAllowed {
        /// What may not be written to.
        path: &'static str,
    },
    /// The kernel's module refused.
    #[error("the kernel did not take a virtual key at {path}: {source}")]
    Refused {
        /// What was written to.
        path: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Every port of the virtual host controller has a device.
    #[error(
        "vhci-hcd has no free port: unplug other USB/IP devices (see /sys/devices/platform/vhci_hcd.0/status)"
    )]
    NoFreePort,
    /// The kernel made no node.
    #[error(
        "the kernel took the virtual key, and no /dev/hidraw node came within 20 s: run `modprobe -a {0} hid-generic usbhid` as root"
    )]
    NoNode(&'static str),
    /// The kernel made a node that is not in /dev.
    #[error(
        "the kernel made a hidraw node that is not in /dev: a container needs the host's /dev (devtmpfs)"
    )]
    NoDev,
    /// The node may not be opened.
    #[error(
        "this user may not open {0}: run as root, or add a udev rule for FIDO devices (TAG+=\"uaccess\")"
    )]
    NodeClosed(PathBuf),
    /// The node did not go away.
    #[error("{0} is still there 20 s after the virtual key was unplugged: end what holds it open")]
    NodeStays(PathBuf),
    /// The key vanished before its node was used: a fault can do that.
    #[error("the virtual key vanished as soon as it was plugged in")]
    Vanished,
    /// The thread could not be started.
    #[error("no thread could be started for the virtual key: {0}")]
    Thread(#[source] io::Error),
    /// The thread did not end: its application is at fault.
    #[error("the virtual key's thread did not end within 5 s: its application does not answer")]
    ThreadStays,
    /// The thread ended with an error.
    #[error("the kernel and the virtual key cannot talk any more: {0}")]
    Serve(#[source] io::Error),
    /// /dev cannot be watched.
    #[error("/dev cannot be watched for the virtual key's node: {0}")]
    Watch(#[source] io::Error),
}

impl VirtualKeyError {
    /// Says what it means that something of the kernel's cannot be opened or written.
    pub(super) fn of_kernel(path: &'static str, module: &'static str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::NoModule { path, module },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotAllowed { path }
            }
            // The node of a module that is not loaded can be there.
            _ if source.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) => {
                Self::NoModule { path, module }
            }
            _ => Self::Refused { path, source },
        }
    }
}
