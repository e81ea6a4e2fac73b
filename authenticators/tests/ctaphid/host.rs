//! A host with a clock of its own, and an application that writes down what it is asked.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use passkey_authenticators::ctaphid::{
    Application, BROADCAST, Command, Device, HidError, Message, Output, Packet, Reassembly, Report,
    Settings, Touch,
};

pub const NONCE: [u8; 8] = *b"12345678";
pub const MAKE_CREDENTIAL: u8 = 0x01;
pub const GET_INFO: u8 = 0x04;
pub const U2F_REGISTER: [u8; 4] = [0, 1, 0, 0];

/// What the application was asked, and how often it lost power.
#[derive(Clone, Default)]
pub struct Asked {
    pub requests: Arc<Mutex<Vec<Vec<u8>>>>,
    pub power_cycles: Arc<Mutex<u32>>,
}

/// Answers with the request after a status; makeCredential and U2F_REGISTER need a touch.
pub struct Recorder {
    pub asked: Asked,
    pub speaks_cbor: bool,
    pub answer_length: usize,
}

impl Application for Recorder {
    fn cbor(&mut self, request: &[u8]) -> Vec<u8> {
        self.asked.requests.lock().unwrap().push(request.to_vec());
        let mut answer = vec![0];
        answer.extend(request);
        answer.resize(answer.len().max(self.answer_length), 0xaa);
        answer
    }

    fn message(&mut self, request: &[u8]) -> Vec<u8> {
        self.asked.requests.lock().unwrap().push(request.to_vec());
        vec![0x90, 0x00]
    }

    fn waits_for_touch(&self, request: &[u8], is_message: bool) -> bool {
        request.get(usize::from(is_message)) == Some(&MAKE_CREDENTIAL)
    }

    fn speaks_cbor(&self) -> bool {
        self.speaks_cbor
    }

    fn power_cycle(&mut self) {
        *self.asked.power_cycles.lock().unwrap() += 1;
    }
}

/// A host, the device it talks to, and the time.
pub struct Host {
    pub device: Device,
    pub asked: Asked,
    pub now: Instant,
}

impl Host {
    pub fn new(settings: Settings) -> Self {
        Self::with(settings, true, 0)
    }

    pub fn touched(touch: Touch) -> Self {
        Self::new(Settings {
            touch,
            ..Settings::default()
        })
    }

    pub fn with_faults(faults: &[&str]) -> Self {
        let faults = faults.iter().map(|fault| fault.parse().unwrap()).collect();
        let settings = Settings {
            faults,
            ..Settings::default()
        };
        Self::with(settings, true, 150)
    }

    pub fn with(settings: Settings, speaks_cbor: bool, answer_length: usize) -> Self {
        let asked = Asked::default();
        let application = Recorder {
            asked: asked.clone(),
            speaks_cbor,
            answer_length,
        };
        Self {
            device: Device::new(Box::new(application), settings),
            asked,
            now: Instant::now(),
        }
    }

    /// Sends reports.
    pub fn reports(&mut self, reports: &[Report]) {
        for report in reports {
            self.device.receive(report, self.now);
        }
    }

    pub fn send(&mut self, channel: u32, command: Command, payload: &[u8]) {
        self.reports(&cut(channel, command, payload));
    }

    /// Lets time pass, up to each deadline on the way.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.device.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            self.device.poll(self.now);
        }
        self.now = end;
    }

    pub fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.device.next_output()).collect()
    }

    /// Takes the one whole message that is there.
    pub fn receive(&mut self) -> Message {
        let mut messages = self.receive_all();
        assert_eq!(messages.len(), 1, "{messages:?}");
        messages.remove(0)
    }

    /// Takes all messages that are there; they have to be whole.
    pub fn receive_all(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        let mut outputs = self.outputs().into_iter();
        let mut next = || match outputs.next() {
            Some(Output::Report(report)) => Some(report),
            None => None,
            other => unreachable!("{other:?}"),
        };
        while let Some(first) = next() {
            let mut reassembly = Reassembly::begin(&Packet::read(&first)).unwrap();
            while !reassembly.is_whole() {
                let report = next().expect("the message is whole");
                reassembly.add(&Packet::read(&report)).unwrap();
            }
            messages.push(reassembly.finish().unwrap());
        }
        messages
    }

    pub fn request(&mut self, channel: u32, command: Command, payload: &[u8]) -> Message {
        self.send(channel, command, payload);
        self.receive()
    }

    pub fn is_quiet(&mut self) -> bool {
        self.outputs().is_empty()
    }

    /// Asks for a channel.
    pub fn channel(&mut self) -> u32 {
        let answer = self.request(BROADCAST, Command::Init, &NONCE);
        assert_eq!(answer.command, Command::Init.code());
        channel_in(&answer)
    }

    #[track_caller]
    pub fn expect_error(&mut self, channel: u32, error: HidError) {
        assert_eq!(self.receive(), refusal(channel, error));
    }

    pub fn asked(&self) -> usize {
        self.asked.requests.lock().unwrap().len()
    }
}

pub fn cut(channel: u32, command: Command, payload: &[u8]) -> Vec<Report> {
    let command = command.code();
    let payload = payload.to_vec();
    let message = Message {
        channel,
        command,
        payload,
    };
    message.reports().unwrap()
}

pub fn message(channel: u32, command: Command, payload: &[u8]) -> Message {
    Message {
        channel,
        command: command.code(),
        payload: payload.to_vec(),
    }
}

pub fn refusal(channel: u32, error: HidError) -> Message {
    message(channel, Command::Error, &[error.code()])
}

pub fn channel_in(init: &Message) -> u32 {
    u32::from_be_bytes(init.payload[8..12].try_into().unwrap())
}
