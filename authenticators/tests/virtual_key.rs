//! A virtual key in the kernel's HID stack, over uhid and over USB/IP: a host of the test's own talks to its hidraw node.
//!
//! Needs `/dev/uhid` or `vhci-hcd`. Without them a test says that it was left out, unless PASSKEY_UHID=required or
//! PASSKEY_VHCI=required: then it fails.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use passkey_authenticators::{
    ctaphid::{
        Application, BROADCAST, Command, Fault, MAX_MESSAGE, Message, Packet, PlannedFault,
        Reassembly, Report, Settings, Touch, Trigger,
    },
    virtual_key::{Bus, VirtualKey},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const LIMIT: Duration = Duration::from_secs(20);
const NONCE: [u8; 8] = *b"a nonce!";
const MAKE_CREDENTIAL: u8 = 0x01;

/// Answers with the request, backwards, and counts how often it lost power.
#[derive(Default)]
struct Mirror {
    power_cycles: Arc<AtomicU32>,
}

impl Application for Mirror {
    fn cbor(&mut self, request: &[u8]) -> Vec<u8> {
        request.iter().rev().copied().collect()
    }

    fn message(&mut self, _request: &[u8]) -> Vec<u8> {
        vec![0x6d, 0x00]
    }

    fn waits_for_touch(&self, request: &[u8], _is_message: bool) -> bool {
        request.first() == Some(&MAKE_CREDENTIAL)
    }

    fn speaks_cbor(&self) -> bool {
        true
    }

    fn power_cycle(&mut self) {
        self.power_cycles.fetch_add(1, Ordering::Relaxed);
    }
}

/// Tells whether a bus can be tried, and says so where it cannot.
fn is_there(bus: Bus) -> bool {
    let (path, variable) = match bus {
        Bus::Uhid => ("/dev/uhid", "PASSKEY_UHID"),
        Bus::Vhci => ("/sys/devices/platform/vhci_hcd.0/attach", "PASSKEY_VHCI"),
    };
    if OpenOptions::new().write(true).open(path).is_ok() {
        return true;
    }
    let required = std::env::var(variable).is_ok_and(|value| value == "required");
    assert!(
        !required,
        "{path} cannot be opened, and {variable}=required"
    );
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    // Past the test harness, which shows nothing of a test that passes.
    let reason = format!("{path} cannot be opened ({variable}=required makes this fail)");
    let mut stderr = std::io::stderr();
    writeln!(stderr, "SKIPPED {name}: {reason}").unwrap();
    false
}

fn plug_in(bus: Bus, settings: Settings) -> VirtualKey {
    VirtualKey::plug_in(bus, Box::new(Mirror::default()), settings).unwrap()
}

/// A host on one hidraw node.
struct Host {
    node: File,
    bus: Bus,
}

impl Host {
    fn open(bus: Bus, key: &VirtualKey) -> Self {
        let node = OpenOptions::new()
            .read(true)
            .write(true)
            .open(key.path().unwrap());
        let node = node.unwrap();
        Self { node, bus }
    }

    fn send(&mut self, channel: u32, command: Command, payload: &[u8]) {
        let message = Message {
            channel,
            command: command.code(),
            payload: payload.to_vec(),
        };
        for report in message.reports().unwrap() {
            let mut written = vec![0];
            written.extend(report);
            self.node.write_all(&written).unwrap();
            if self.bus == Bus::Uhid {
                // uhid drops what comes faster than its device reads; a USB host sends one report in a frame.
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Reads one report, however long; an error when the key vanishes.
    fn read(&mut self) -> std::io::Result<Vec<u8>> {
        let mut sources = [PollFd::new(&self.node, PollFlags::IN)];
        let limit = Timespec::try_from(LIMIT).unwrap();
        assert_eq!(poll(&mut sources, Some(&limit)).unwrap(), 1, "nothing came");
        let mut report = [0; 64];
        let count = self.node.read(&mut report)?;
        Ok(report[..count].to_vec())
    }

    fn receive(&mut self) -> Message {
        let first = self.report();
        let mut reassembly = Reassembly::begin(&Packet::read(&first)).unwrap();
        while !reassembly.is_whole() {
            let next = self.report();
            reassembly.add(&Packet::read(&next)).unwrap();
        }
        reassembly.finish().unwrap()
    }

    fn report(&mut self) -> Report {
        self.read().unwrap().try_into().unwrap()
    }

    fn channel(&mut self) -> u32 {
        self.send(BROADCAST, Command::Init, &NONCE);
        let answer = self.receive();
        assert_eq!(
            (answer.channel, answer.command),
            (BROADCAST, Command::Init.code())
        );
        assert_eq!(answer.payload[..8], NONCE);
        u32::from_be_bytes(answer.payload[8..12].try_into().unwrap())
    }
}

fn init_and_the_longest_ping(bus: Bus) {
    let key = plug_in(bus, Settings::default());
    let mut host = Host::open(bus, &key);
    let channel = host.channel();
    let payload: Vec<u8> = (0..=250).cycle().take(MAX_MESSAGE).collect();
    host.send(channel, Command::Ping, &payload);
    let answer = host.receive();
    assert_eq!(
        (answer.channel, answer.command),
        (channel, Command::Ping.code())
    );
    assert!(answer.payload == payload, "all of it came back");
}

fn a_touch_is_waited_for(bus: Bus) {
    let touch = Touch::After(Duration::from_millis(350));
    let key = plug_in(
        bus,
        Settings {
            touch,
            ..Settings::default()
        },
    );
    let mut host = Host::open(bus, &key);
    let channel = host.channel();
    let start = Instant::now();
    host.send(channel, Command::Cbor, &[MAKE_CREDENTIAL, 0]);
    let mut keepalives = Vec::new();
    let answer = loop {
        match host.receive() {
            message if message.command == Command::Keepalive.code() => {
                keepalives.extend(message.payload)
            }
            message => break message,
        }
    };
    assert_eq!(answer.payload, [0, MAKE_CREDENTIAL]);
    assert!(start.elapsed() >= Duration::from_millis(350));
    assert_eq!(keepalives.first(), Some(&2), "a touch is needed");
    assert_eq!(keepalives.last(), Some(&1), "then it is at work");
}

fn unplugging_removes_the_node_and_keeps_the_application(bus: Bus) {
    let application = Mirror::default();
    let power_cycles = Arc::clone(&application.power_cycles);
    let mut key = VirtualKey::plug_in(bus, Box::new(application), Settings::default()).unwrap();
    let path: PathBuf = key.path().unwrap().to_owned();
    assert!(path.exists());
    let mut host = Host::open(bus, &key);
    key.unplug().unwrap();
    assert!(!path.exists());
    assert_eq!(key.path(), None);
    assert!(host.read().is_err(), "a host that has it open hears of it");
    key.unplug().unwrap();
    drop(host);
    key.plug_in_again().unwrap();
    assert_eq!(power_cycles.load(Ordering::Relaxed), 1);
    let mut host = Host::open(bus, &key);
    assert_ne!(host.channel(), 0);
    drop(key);
    assert!(host.read().is_err(), "dropping it unplugs it");
}

fn an_unplug_fault_removes_the_node(bus: Bus) {
    let faults = vec![PlannedFault::new(Fault::Unplug, Trigger::MakeCredential).unwrap()];
    let mut key = plug_in(
        bus,
        Settings {
            faults,
            ..Settings::default()
        },
    );
    let path = key.path().unwrap().to_owned();
    let mut host = Host::open(bus, &key);
    let channel = host.channel();
    let mut request = vec![0; 200];
    request[0] = MAKE_CREDENTIAL;
    host.send(channel, Command::Cbor, &request);
    // The first half may get lost with the key.
    let end = (0..4).map(|_| host.read()).find(Result::is_err);
    assert!(end.is_some(), "the whole answer came");
    key.unplug().unwrap();
    assert_eq!(key.path(), None);
    assert!(!path.exists());
    key.plug_in_again().unwrap();
    let mut host = Host::open(bus, &key);
    let channel = host.channel();
    host.send(channel, Command::Cbor, &request);
    assert_eq!(host.receive().payload.len(), 200, "it happens once");
}

/// Some versions of Linux hand short reports on, others drop them.
fn a_short_report_is_short_or_lost(bus: Bus) {
    let faults = vec![PlannedFault::new(Fault::ShortReport, Trigger::Init).unwrap()];
    let settings = Settings {
        faults,
        ..Settings::default()
    };
    let key = plug_in(bus, settings);
    let mut host = Host::open(bus, &key);
    host.send(BROADCAST, Command::Init, &NONCE);
    host.send(BROADCAST, Command::Init, &NONCE);
    let first = host.read().unwrap();
    if first.len() == 64 {
        assert_eq!(first[15..19], [0, 0, 0, 2], "the second answer");
    } else {
        assert_eq!(first.len(), 32);
    }
}

fn two_keys_are_told_apart(bus: Bus) {
    let first = plug_in(bus, Settings::default());
    let second = plug_in(bus, Settings::default());
    assert_ne!(first.path(), second.path());
    assert_ne!(first.serial(), second.serial());
    Host::open(bus, &first).channel();
    Host::open(bus, &second).channel();
}

macro_rules! on_each_bus {
    ($($behaviour:ident),*) => {
        mod uhid { $(#[test] fn $behaviour() {
            if super::is_there(super::Bus::Uhid) { super::$behaviour(super::Bus::Uhid) }
        })* }
        mod vhci { $(#[test] fn $behaviour() {
            if super::is_there(super::Bus::Vhci) { super::$behaviour(super::Bus::Vhci) }
        })* }
    };
}

on_each_bus!(
    init_and_the_longest_ping,
    a_touch_is_waited_for,
    unplugging_removes_the_node_and_keeps_the_application,
    an_unplug_fault_removes_the_node,
    a_short_report_is_short_or_lost,
    two_keys_are_told_apart
);

#[test]
fn without_the_kernels_module_the_error_says_what_to_do() {
    let key = |bus| VirtualKey::plug_in(bus, Box::new(Mirror::default()), Settings::default());
    for (bus, path, module) in [
        (Bus::Uhid, "/dev/uhid", "modprobe uhid"),
        (
            Bus::Vhci,
            "/sys/devices/platform/vhci_hcd.0",
            "modprobe vhci-hcd",
        ),
    ] {
        if !Path::new(path).exists() {
            let error = key(bus).err().unwrap().to_string();
            assert!(error.contains(module), "{error}");
        }
    }
}
