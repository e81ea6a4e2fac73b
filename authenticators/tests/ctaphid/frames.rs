//! Messages in reports.

use std::time::{Duration, Instant};

use passkey_authenticators::ctaphid::{
    BROADCAST, Command, Device, MAX_MESSAGE, Message, Packet, REPORT_SIZE, Reassembly, Report,
    Settings, TooLong, Touch,
};
use proptest::prelude::*;

use crate::host::{Asked, NONCE, Recorder, cut};

fn put_together(reports: &[Report]) -> Message {
    let (first, rest) = reports.split_first().unwrap();
    let mut reassembly = Reassembly::begin(&Packet::read(first)).unwrap();
    for report in rest {
        assert!(!reassembly.is_whole(), "a report too many");
        reassembly.add(&Packet::read(report)).unwrap();
    }
    reassembly.finish().expect("nothing is missing")
}

fn any_report() -> impl Strategy<Value = Report> {
    // Small numbers make channels, sequences and lengths that belong together likely.
    let likely = (
        0u8..4,
        prop_oneof![0u8..3, 0x80u8..0x92],
        0u8..2,
        any::<u8>(),
    );
    let likely = likely.prop_map(|(channel, kind, high, low)| {
        let mut report = [0; REPORT_SIZE];
        report[3..7].copy_from_slice(&[channel, kind, high, low]);
        if channel == 0 {
            report[..4].copy_from_slice(&BROADCAST.to_be_bytes());
        }
        report
    });
    prop_oneof![proptest::array::uniform(any::<u8>()), likely]
}

proptest! {
    #[test]
    fn any_message_comes_out_of_its_reports(
        channel: u32,
        command in 0u8..128,
        payload in proptest::collection::vec(any::<u8>(), 0..=MAX_MESSAGE),
    ) {
        let message = Message { channel, command, payload };
        prop_assert_eq!(&put_together(&message.reports().unwrap()), &message);
    }

    #[test]
    fn no_reports_make_it_panic(reports in proptest::collection::vec((any_report(), 0u64..700), 0..60)) {
        let application = Recorder { asked: Asked::default(), speaks_cbor: true, answer_length: 0 };
        let settings = Settings { touch: Touch::After(Duration::from_millis(300)), ..Settings::default() };
        let mut device = Device::new(Box::new(application), settings);
        let mut now = Instant::now();
        for (report, wait) in &reports {
            now += Duration::from_millis(*wait);
            device.receive(report, now);
        }
        while device.next_output().is_some() {}
        // Whatever it went through, who asks for a channel gets one.
        device.receive(&cut(BROADCAST, Command::Init, &NONCE)[0], now);
        prop_assert!(device.next_output().is_some());
    }

    #[test]
    fn no_reports_make_reassembly_panic(reports in proptest::collection::vec(any_report(), 1..60)) {
        let mut reassembly = None;
        for report in &reports {
            let packet = Packet::read(report);
            match &mut reassembly {
                None => reassembly = Reassembly::begin(&packet).ok(),
                Some(reassembly) => drop(reassembly.add(&packet)),
            }
        }
    }
}

#[test]
fn lengths_at_the_edges_take_the_fewest_reports() {
    for (length, count) in [(0, 1), (57, 1), (58, 2), (116, 2), (117, 3), (7609, 129)] {
        let payload = vec![0xa5; length];
        let message = Message {
            channel: 7,
            command: 1,
            payload,
        };
        let reports = message.reports().unwrap();
        assert_eq!(reports.len(), count, "{length} bytes");
        assert_eq!(put_together(&reports), message);
    }
}

#[test]
fn one_byte_more_than_fits_is_refused() {
    let payload = vec![0; MAX_MESSAGE + 1];
    let message = Message {
        channel: 7,
        command: 1,
        payload,
    };
    assert_eq!(MAX_MESSAGE, 7609);
    assert_eq!(message.reports(), Err(TooLong(7610)));
}

#[test]
fn a_report_is_laid_out_as_in_the_specification() {
    let reports = cut(0x0102_0304, Command::Cbor, &[9; 60]);
    assert_eq!(reports[0][..8], [1, 2, 3, 4, 0x90, 0, 60, 9]);
    assert_eq!(reports[1][..9], [1, 2, 3, 4, 0, 9, 9, 9, 0]);
}
