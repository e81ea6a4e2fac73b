//! Faults: each does what it says, once, when it is triggered.

use std::time::Duration;

use passkey_authenticators::ctaphid::{
    BROADCAST, Command, Fault, HidError, Output, Packet, PlannedFault, Settings, Touch, Trigger,
};

use crate::host::{GET_INFO, Host, MAKE_CREDENTIAL, NONCE, U2F_REGISTER, message, refusal};

/// The answers of a device with faults have 150 bytes: three packets.
const PACKETS: usize = 3;

#[track_caller]
fn works_again(host: &mut Host, channel: u32) {
    let answer = host.request(channel, Command::Cbor, &[MAKE_CREDENTIAL]);
    assert_eq!((answer.channel, answer.payload.len()), (channel, 150));
}

#[test]
fn a_fault_waits_for_its_trigger_and_happens_once() {
    let mut host = Host::with_faults(&["error-status=0x27@make-credential"]);
    let channel = host.channel();
    assert_eq!(
        host.request(channel, Command::Cbor, &[GET_INFO]).payload[0],
        0
    );
    let answer = host.request(channel, Command::Cbor, &[MAKE_CREDENTIAL]);
    assert_eq!(answer.payload, [0x27]);
    assert_eq!(host.asked(), 1, "it was not carried out");
    works_again(&mut host, channel);
}

#[test]
fn a_fault_that_happened_does_not_happen_again_after_a_power_cycle() {
    let mut host = Host::with_faults(&["unplug@make-credential"]);
    let channel = host.channel();
    host.send(channel, Command::Cbor, &[MAKE_CREDENTIAL]);
    let outputs = host.outputs();
    assert_eq!(outputs.len(), PACKETS / 2 + 1);
    assert_eq!(outputs.last(), Some(&Output::Unplug));
    host.send(channel, Command::Ping, &[1]);
    assert!(host.is_quiet(), "it is not there any more");
    host.device.power_cycle();
    let channel = host.channel();
    works_again(&mut host, channel);
}

#[test]
fn a_stalled_key_answers_after_init_on_its_channel() {
    let mut host = Host::with_faults(&["stall@make-credential"]);
    let (channel, other) = (host.channel(), host.channel());
    host.send(channel, Command::Cbor, &[MAKE_CREDENTIAL]);
    host.pass(Duration::from_secs(60));
    host.send(channel, Command::Cancel, &[]);
    assert!(host.is_quiet());
    host.send(other, Command::Ping, &[1]);
    host.expect_error(other, HidError::ChannelBusy);
    host.request(channel, Command::Init, &NONCE);
    works_again(&mut host, channel);
}

#[test]
fn keepalives_for_ever_outlast_cancel_and_30_s() {
    let mut host = Host::with_faults(&["keepalive-forever@make-credential"]);
    let channel = host.channel();
    host.send(channel, Command::Cbor, &[MAKE_CREDENTIAL]);
    host.send(channel, Command::Cancel, &[]);
    for _ in 0..1000 {
        assert_eq!(host.receive().command, Command::Keepalive.code());
        host.pass(Duration::from_millis(100));
    }
    host.request(channel, Command::Init, &NONCE);
    works_again(&mut host, channel);
}

#[test]
fn an_answer_comes_on_a_channel_that_nobody_has() {
    let mut host = Host::with_faults(&["wrong-channel@make-credential"]);
    let channel = host.channel();
    let answer = host.request(channel, Command::Cbor, &[MAKE_CREDENTIAL]);
    assert_ne!(answer.channel, channel);
    assert_eq!(answer.payload.len(), 150);
    host.send(answer.channel, Command::Ping, &[]);
    host.expect_error(answer.channel, HidError::InvalidChannel);
    works_again(&mut host, channel);
}

#[test]
fn the_last_packet_never_comes() {
    for (trigger, command, channel) in [
        ("make-credential", Command::Cbor, None),
        ("init", Command::Init, Some(BROADCAST)),
    ] {
        let mut host = Host::with_faults(&[&format!("truncated-message@{trigger}")]);
        let channel = channel.unwrap_or_else(|| host.channel());
        let payload = if command == Command::Init {
            &NONCE[..]
        } else {
            &[MAKE_CREDENTIAL]
        };
        host.send(channel, command, payload);
        let outputs = host.outputs();
        let Some(Output::Report(first)) = outputs.first() else {
            unreachable!("{outputs:?}")
        };
        let Packet::Initialization { length, .. } = Packet::read(first) else {
            unreachable!("{first:?}")
        };
        let sent = 57 + 59 * (outputs.len() - 1);
        assert!(usize::from(length) > sent, "{trigger}: {length} of {sent}");
    }
}

#[test]
fn the_first_report_is_short() {
    let mut host = Host::with_faults(&["short-report@make-credential"]);
    let channel = host.channel();
    host.send(channel, Command::Cbor, &[MAKE_CREDENTIAL]);
    let outputs = host.outputs();
    assert_eq!(outputs.len(), PACKETS);
    assert!(matches!(outputs[0], Output::Short(report) if report[..4] == channel.to_be_bytes()));
    assert!(matches!(outputs[1], Output::Report(_)));
}

#[test]
fn a_nonce_is_not_the_one_that_was_sent() {
    let mut host = Host::with_faults(&["wrong-nonce@init"]);
    let answer = host.request(BROADCAST, Command::Init, &NONCE);
    assert_eq!(answer.payload.len(), 17);
    assert_ne!(answer.payload[..8], NONCE);
    assert_eq!(
        host.request(BROADCAST, Command::Init, &NONCE).payload[..8],
        NONCE
    );
}

#[test]
fn init_can_stall_and_be_refused() {
    let mut host = Host::with_faults(&["stall@init", "error-status@init", "unplug@init"]);
    host.send(BROADCAST, Command::Init, &NONCE);
    assert!(host.is_quiet());
    host.send(BROADCAST, Command::Init, &NONCE);
    assert_eq!(host.receive(), refusal(BROADCAST, HidError::Other));
    host.send(BROADCAST, Command::Init, &NONCE);
    assert_eq!(host.outputs(), [Output::Unplug]);
}

#[test]
fn faults_reach_u2f_messages_once_the_key_is_touched() {
    let mut host = Host::with_faults(&["error-status@make-credential"]);
    let channel = host.channel();
    let answer = host.request(channel, Command::Msg, &U2F_REGISTER);
    assert_eq!(answer, message(channel, Command::Msg, &[0x6f, 0x7f]));

    let settings = Settings {
        touch: Touch::After(Duration::from_millis(100)),
        faults: vec!["stall@make-credential".parse().unwrap()],
        ..Settings::default()
    };
    let mut host = Host::new(settings);
    let channel = host.channel();
    let answer = host.request(channel, Command::Msg, &U2F_REGISTER);
    assert_eq!(answer.payload, [0x69, 0x85]);
    host.pass(Duration::from_millis(100));
    host.send(channel, Command::Msg, &U2F_REGISTER);
    assert!(host.is_quiet());
}

#[test]
fn a_u2f_check_triggers_nothing() {
    const CHECK_ONLY: [u8; 4] = [0, 2, 7, 0];
    let mut host = Host::with_faults(&["stall@get-assertion"]);
    let channel = host.channel();
    assert_eq!(
        host.request(channel, Command::Msg, &CHECK_ONLY).payload,
        [0x90, 0x00]
    );
    host.send(channel, Command::Msg, &[0, 2, 3, 0]);
    assert!(host.is_quiet());
}

#[test]
fn a_fault_waits_for_the_touch_where_there_is_an_answer() {
    let settings = Settings {
        touch: Touch::After(Duration::from_millis(50)),
        faults: vec!["unplug@make-credential".parse().unwrap()],
        ..Settings::default()
    };
    let mut host = Host::new(settings);
    let channel = host.channel();
    host.send(channel, Command::Cbor, &[MAKE_CREDENTIAL]);
    assert_eq!(host.receive().command, Command::Keepalive.code());
    host.pass(Duration::from_millis(50));
    assert_eq!(host.outputs().last(), Some(&Output::Unplug));
}

#[test]
fn names_are_read_from_text_and_yaml_and_written_again() {
    for name in [
        "unplug@init",
        "stall@get-info",
        "keepalive-forever@make-credential",
        "wrong-channel@get-assertion",
        "truncated-message@init",
        "short-report@init",
        "wrong-nonce@init",
        "error-status=0x27@make-credential",
    ] {
        let planned: PlannedFault = name.parse().unwrap();
        assert_eq!(planned.to_string(), name);
        let read: PlannedFault = serde_json::from_value(name.into()).unwrap();
        assert_eq!(read, planned);
        let fault: Fault = serde_json::from_value(planned.fault().to_string().into()).unwrap();
        assert_eq!(fault, planned.fault());
        let trigger: Trigger =
            serde_json::from_value(planned.trigger().to_string().into()).unwrap();
        assert_eq!(trigger, planned.trigger());
    }
}

#[test]
fn names_that_mean_nothing_are_refused_with_those_that_do() {
    for (name, hint) in [
        ("unplugged@init", "write unplug,"),
        ("unplug@create", "make-credential or get-assertion"),
        ("unplug", "unplug@make-credential"),
        ("wrong-nonce@make-credential", "wrong-nonce@init"),
        ("error-status=39@init", "error-status=0x27"),
        ("error-status=0x1ff@init", "error-status=0x27"),
    ] {
        let error = name.parse::<PlannedFault>().unwrap_err().to_string();
        assert!(error.contains(hint), "{error}");
    }
}
