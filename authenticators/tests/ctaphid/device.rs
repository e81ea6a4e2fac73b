//! Channels, transactions and errors.

use std::time::Duration;

use passkey_authenticators::ctaphid::{BROADCAST, Command, HidError, MAX_MESSAGE, Settings, Touch};

use crate::host::{GET_INFO, Host, MAKE_CREDENTIAL, NONCE, channel_in, cut, message, refusal};

const WINK: u8 = 0x08;

#[test]
fn init_gives_each_host_a_channel_and_says_what_the_key_speaks() {
    let mut host = Host::new(Settings::default());
    let answer = host.request(BROADCAST, Command::Init, &NONCE);
    assert_eq!(answer.channel, BROADCAST);
    assert_eq!(answer.payload[..8], NONCE);
    assert_eq!(answer.payload.len(), 17);
    assert_eq!(answer.payload[12], 2, "the version of CTAPHID");
    assert_eq!(answer.payload[16], 0x04, "CBOR, and MSG too");
    let second = host.channel();
    assert_ne!(second, channel_in(&answer));
    assert!(![0, BROADCAST].contains(&second));
}

#[test]
fn a_key_says_what_it_does_not_speak_and_refuses_it() {
    let settings = Settings {
        speaks_messages: false,
        ..Settings::default()
    };
    let mut host = Host::with(settings, false, 0);
    let answer = host.request(BROADCAST, Command::Init, &NONCE);
    assert_eq!(answer.payload[16], 0x08, "no CBOR, and no MSG either");
    let channel = channel_in(&answer);
    for command in [Command::Cbor, Command::Msg] {
        host.send(channel, command, &[GET_INFO]);
        host.expect_error(channel, HidError::InvalidCommand);
    }
    assert_eq!(host.asked(), 0);
}

#[test]
fn init_with_another_length_is_refused() {
    let mut host = Host::new(Settings::default());
    host.send(BROADCAST, Command::Init, &NONCE[..7]);
    host.expect_error(BROADCAST, HidError::InvalidLength);
}

#[test]
fn a_ping_of_any_length_comes_back() {
    let mut host = Host::new(Settings::default());
    let channel = host.channel();
    for length in [0, 1, 57, 58, MAX_MESSAGE] {
        let payload = vec![0x5a; length];
        let answer = host.request(channel, Command::Ping, &payload);
        assert_eq!(answer, message(channel, Command::Ping, &payload));
    }
}

#[test]
fn cbor_and_messages_reach_the_application() {
    let mut host = Host::new(Settings::default());
    let channel = host.channel();
    let answer = host.request(channel, Command::Cbor, &[GET_INFO]);
    assert_eq!(answer, message(channel, Command::Cbor, &[0, GET_INFO]));
    let answer = host.request(channel, Command::Msg, &[0, 3, 0, 0]);
    assert_eq!(answer, message(channel, Command::Msg, &[0x90, 0x00]));
    assert_eq!(host.asked(), 2);
}

#[test]
fn cbor_without_a_command_is_refused() {
    let mut host = Host::new(Settings::default());
    let channel = host.channel();
    host.send(channel, Command::Cbor, &[]);
    host.expect_error(channel, HidError::InvalidLength);
}

#[test]
fn unknown_commands_are_refused() {
    let mut host = Host::new(Settings::default());
    let channel = host.channel();
    let mut report = cut(channel, Command::Ping, &[])[0];
    for command in [WINK, 0x00, 0x7f, Command::Keepalive.code()] {
        report[4] = 0x80 | command;
        host.reports(&[report]);
        host.expect_error(channel, HidError::InvalidCommand);
    }
}

#[test]
fn channels_that_nobody_was_given_are_refused() {
    let mut host = Host::new(Settings::default());
    let channel = host.channel();
    for other in [0, channel + 1, BROADCAST] {
        host.send(other, Command::Ping, &[1]);
        host.expect_error(other, HidError::InvalidChannel);
    }
    host.send(channel + 1, Command::Init, &NONCE);
    host.expect_error(channel + 1, HidError::InvalidChannel);
}

#[test]
fn a_message_that_says_it_is_too_long_is_refused() {
    let mut host = Host::new(Settings::default());
    let channel = host.channel();
    let mut report = cut(channel, Command::Ping, &[])[0];
    report[5..7].copy_from_slice(&7610u16.to_be_bytes());
    host.reports(&[report]);
    host.expect_error(channel, HidError::InvalidLength);
}

#[test]
fn an_answer_that_is_too_long_becomes_an_error() {
    let mut host = Host::with(Settings::default(), true, MAX_MESSAGE + 1);
    let channel = host.channel();
    host.send(channel, Command::Cbor, &[GET_INFO]);
    host.expect_error(channel, HidError::Other);
}

#[test]
fn a_packet_out_of_sequence_ends_the_message() {
    let mut host = Host::new(Settings::default());
    let channel = host.channel();
    let reports = cut(channel, Command::Ping, &[0; 200]);
    host.reports(&[reports[0], reports[2]]);
    host.expect_error(channel, HidError::InvalidSequence);
    host.reports(&reports[1..]);
    assert!(host.is_quiet(), "what follows belongs to nothing");
    host.reports(&reports);
    assert_eq!(host.receive().payload, [0; 200]);
}

#[test]
fn a_message_that_begins_inside_another_is_out_of_sequence() {
    let mut host = Host::new(Settings::default());
    let channel = host.channel();
    host.reports(&cut(channel, Command::Ping, &[0; 200])[..2]);
    host.send(channel, Command::Ping, &[1]);
    host.expect_error(channel, HidError::InvalidSequence);
    assert_eq!(host.request(channel, Command::Ping, &[1]).payload, [1]);
}

#[test]
fn a_message_whose_next_packet_is_late_times_out() {
    let mut host = Host::new(Settings::default());
    let channel = host.channel();
    let reports = cut(channel, Command::Ping, &[0; 200]);
    host.reports(&reports[..1]);
    host.pass(Duration::from_millis(499));
    host.reports(&reports[1..2]);
    host.pass(Duration::from_millis(499));
    assert!(host.is_quiet(), "the time is that between packets");
    host.pass(Duration::from_millis(1));
    host.expect_error(channel, HidError::MessageTimeout);
    assert_eq!(host.device.deadline(), None);
}

#[test]
fn a_late_packet_finds_its_message_timed_out_without_a_poll() {
    let mut host = Host::new(Settings::default());
    let channel = host.channel();
    let reports = cut(channel, Command::Ping, &[0; 100]);
    host.reports(&reports[..1]);
    host.now += Duration::from_millis(500);
    host.reports(&reports[1..]);
    host.expect_error(channel, HidError::MessageTimeout);
}

#[test]
fn other_channels_are_told_that_the_key_is_busy() {
    let mut host = Host::touched(Touch::Never);
    let (first, second) = (host.channel(), host.channel());
    let reports = cut(first, Command::Ping, &[0; 100]);
    host.reports(&reports[..1]);
    host.send(second, Command::Ping, &[1]);
    host.expect_error(second, HidError::ChannelBusy);
    let third = host.channel();
    host.reports(&cut(second, Command::Ping, &[0; 100])[1..]);
    assert!(host.is_quiet(), "a continuation packet of nothing");
    host.reports(&reports[1..]);
    assert_eq!(host.receive().payload, [0; 100], "the first goes on");

    host.send(first, Command::Cbor, &[MAKE_CREDENTIAL]);
    assert_eq!(host.receive(), message(first, Command::Keepalive, &[2]));
    for busy in [first, second, third] {
        host.send(busy, Command::Cbor, &[GET_INFO]);
        host.expect_error(busy, HidError::ChannelBusy);
    }
    assert_eq!(host.asked(), 0);
}

#[test]
fn init_on_a_channel_ends_what_is_under_way_there() {
    let mut host = Host::touched(Touch::Never);
    let (first, second) = (host.channel(), host.channel());
    host.reports(&cut(first, Command::Ping, &[0; 100])[..1]);
    let answer = host.request(first, Command::Init, &NONCE);
    assert_eq!((answer.channel, channel_in(&answer)), (first, first));
    assert_eq!(host.device.deadline(), None);

    host.send(first, Command::Cbor, &[MAKE_CREDENTIAL]);
    let answer = host.request(first, Command::Init, &NONCE);
    assert_eq!(
        answer.command,
        Command::Init.code(),
        "the keepalive that nobody took is gone"
    );
    assert_eq!(host.request(second, Command::Ping, &[1]).payload, [1]);
}

#[test]
fn init_on_another_channel_does_not_end_it() {
    let mut host = Host::new(Settings::default());
    let (first, second) = (host.channel(), host.channel());
    let reports = cut(first, Command::Ping, &[0; 100]);
    host.reports(&reports[..1]);
    host.request(second, Command::Init, &NONCE);
    host.reports(&reports[1..]);
    assert_eq!(host.receive().payload, [0; 100]);
}

#[test]
fn a_power_cycle_forgets_channels_and_transactions() {
    let mut host = Host::touched(Touch::Never);
    let channel = host.channel();
    host.send(channel, Command::Cbor, &[MAKE_CREDENTIAL]);
    host.device.power_cycle();
    assert_eq!(*host.asked.power_cycles.lock().unwrap(), 1);
    assert!(host.is_quiet());
    host.send(channel, Command::Ping, &[1]);
    assert_eq!(host.receive(), refusal(channel, HidError::InvalidChannel));
}
