//! Touches: waited for, cancelled, too late, and asked for over U2F.

use std::time::Duration;

use passkey_authenticators::ctaphid::{Command, Message, Touch};

use crate::host::{GET_INFO, Host, MAKE_CREDENTIAL, U2F_REGISTER, message};

const UP_NEEDED: u8 = 2;
const PROCESSING: u8 = 1;

/// Takes each message as it comes, for some time: what it is and when it came.
fn over(host: &mut Host, time: Duration) -> Vec<(u128, Message)> {
    let start = host.now;
    let mut seen = Vec::new();
    while host.now < start + time {
        host.pass(Duration::from_millis(50));
        let at = (host.now - start).as_millis();
        seen.extend(host.receive_all().into_iter().map(|message| (at, message)));
    }
    seen
}

#[test]
fn a_touch_at_once_needs_no_keepalive() {
    let mut host = Host::touched(Touch::AtOnce);
    let channel = host.channel();
    let answer = host.request(channel, Command::Cbor, &[MAKE_CREDENTIAL]);
    assert_eq!(answer.payload, [0, MAKE_CREDENTIAL]);
}

#[test]
fn keepalives_come_every_100_ms_until_the_touch_and_then_the_answer() {
    let mut host = Host::touched(Touch::After(Duration::from_millis(250)));
    let channel = host.channel();
    let keepalive = |status| message(channel, Command::Keepalive, &[status]);
    host.send(channel, Command::Cbor, &[MAKE_CREDENTIAL]);
    assert_eq!(host.receive(), keepalive(UP_NEEDED));
    assert_eq!(host.asked(), 0);
    let seen = over(&mut host, Duration::from_millis(600));
    let expected = [
        (100, keepalive(UP_NEEDED)),
        (200, keepalive(UP_NEEDED)),
        (250, keepalive(PROCESSING)),
        (250, message(channel, Command::Cbor, &[0, MAKE_CREDENTIAL])),
    ];
    assert_eq!(seen, expected);
    assert_eq!(host.asked(), 1);
}

#[test]
fn what_needs_no_touch_does_not_wait() {
    let mut host = Host::touched(Touch::Never);
    let channel = host.channel();
    let answer = host.request(channel, Command::Cbor, &[GET_INFO]);
    assert_eq!(answer.payload, [0, GET_INFO]);
}

#[test]
fn keepalives_that_nobody_takes_do_not_pile_up() {
    let mut host = Host::touched(Touch::Never);
    let channel = host.channel();
    host.send(channel, Command::Cbor, &[MAKE_CREDENTIAL]);
    host.pass(Duration::from_secs(10));
    assert_eq!(host.outputs().len(), 1);
}

#[test]
fn a_cancelled_request_says_so_and_is_not_carried_out() {
    let mut host = Host::touched(Touch::Never);
    let channel = host.channel();
    host.send(channel, Command::Cbor, &[MAKE_CREDENTIAL]);
    host.outputs();
    host.pass(Duration::from_millis(50));
    host.send(channel, Command::Cancel, &[]);
    assert_eq!(host.receive(), message(channel, Command::Cbor, &[0x2d]));
    assert_eq!((host.asked(), host.device.deadline()), (0, None));
    host.send(channel, Command::Cancel, &[]);
    assert!(host.is_quiet(), "CANCEL itself is not answered");
}

#[test]
fn another_channel_cancels_nothing() {
    let mut host = Host::touched(Touch::Never);
    let (first, second) = (host.channel(), host.channel());
    host.send(first, Command::Cbor, &[MAKE_CREDENTIAL]);
    host.outputs();
    host.send(second, Command::Cancel, &[]);
    assert!(host.is_quiet());
    assert!(host.device.deadline().is_some());
}

#[test]
fn nobody_is_waited_for_longer_than_30_s() {
    for touch in [Touch::Never, Touch::After(Duration::from_secs(31))] {
        let mut host = Host::touched(touch);
        let channel = host.channel();
        host.send(channel, Command::Cbor, &[MAKE_CREDENTIAL]);
        host.outputs();
        host.pass(Duration::from_millis(29_999));
        assert_eq!(host.receive().command, Command::Keepalive.code());
        host.pass(Duration::from_millis(1));
        let timeout = message(channel, Command::Cbor, &[0x2f]);
        assert_eq!(host.receive_all().last(), Some(&timeout));
        assert_eq!((host.asked(), host.device.deadline()), (0, None));
    }
}

#[test]
fn a_u2f_host_is_told_to_ask_again_until_the_touch() {
    let mut host = Host::touched(Touch::After(Duration::from_millis(450)));
    let channel = host.channel();
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let answer = host.request(channel, Command::Msg, &U2F_REGISTER);
        statuses.push(answer.payload);
        host.pass(Duration::from_millis(200));
    }
    let again = vec![0x69, 0x85];
    assert_eq!(
        statuses,
        [
            again.clone(),
            again.clone(),
            again.clone(),
            vec![0x90, 0x00]
        ]
    );
    assert_eq!(host.asked(), 1);
    let next = host.request(channel, Command::Msg, &U2F_REGISTER);
    assert_eq!(next.payload, again, "a touch is good for one answer");
}

#[test]
fn a_touch_for_a_u2f_host_that_went_away_is_not_kept() {
    let mut host = Host::touched(Touch::After(Duration::from_millis(450)));
    let channel = host.channel();
    host.request(channel, Command::Msg, &U2F_REGISTER);
    host.pass(Duration::from_secs(5));
    let answer = host.request(channel, Command::Msg, &U2F_REGISTER);
    assert_eq!(answer.payload, [0x69, 0x85]);
}

#[test]
fn without_a_touch_u2f_never_gets_further() {
    let mut host = Host::touched(Touch::Never);
    let channel = host.channel();
    for _ in 0..100 {
        let answer = host.request(channel, Command::Msg, &U2F_REGISTER);
        assert_eq!(answer.payload, [0x69, 0x85]);
        host.pass(Duration::from_secs(1));
    }
    assert_eq!(host.asked(), 0);
}
