//! The control pipe of a key on USB (USB 2.0, 9; HID 1.11, 6 and 7).

use super::descriptors::{
    MANUFACTURER, PRODUCT, PRODUCT_ID, RELEASE, REPORT_DESCRIPTOR, VENDOR_ID,
};

/// The endpoint of reports to the host.
pub(super) const ENDPOINT_IN: u32 = 1;
/// The endpoint of reports to the key.
pub(super) const ENDPOINT_OUT: u32 = 2;

const GET_STATUS: u8 = 0x00;
const GET_DESCRIPTOR: u8 = 0x06;
const SET_CONFIGURATION: u8 = 0x09;
const SET_INTERFACE: u8 = 0x0b;
const SET_IDLE: u8 = 0x0a;
const DEVICE: u8 = 1;
const CONFIGURATION: u8 = 2;
const STRING: u8 = 3;
const INTERFACE: u8 = 4;
const ENDPOINT: u8 = 5;
const HID: u8 = 0x21;
const REPORT: u8 = 0x22;
const INTERRUPT: u8 = 3;
const HID_CLASS: u8 = 3;
const ENGLISH: [u8; 2] = [0x09, 0x04];
const MAX_PACKET: u8 = 64;

/// Answers a request on endpoint 0: the data that it asked for, or nothing where the key stalls.
pub(super) fn control(setup: [u8; 8], serial: &str) -> Option<Vec<u8>> {
    let [kind, request, index, what, .., low, high] = setup;
    let mut answer = match (kind, request) {
        (0x80..=0x82, GET_STATUS) => vec![0, 0],
        (0x80, GET_DESCRIPTOR) => match what {
            DEVICE => device(),
            CONFIGURATION => configuration(),
            STRING => string(index, serial)?,
            _ => return None,
        },
        (0x81, GET_DESCRIPTOR) => match what {
            HID => hid().to_vec(),
            REPORT => REPORT_DESCRIPTOR.to_vec(),
            _ => return None,
        },
        (0x00, SET_CONFIGURATION) | (0x01, SET_INTERFACE) | (0x21, SET_IDLE) => Vec::new(),
        _ => return None,
    };
    answer.truncate(u16::from_le_bytes([low, high]).into());
    Some(answer)
}

fn device() -> Vec<u8> {
    let ([v0, v1], [p0, p1]) = (VENDOR_ID.to_le_bytes(), PRODUCT_ID.to_le_bytes());
    let [r0, r1] = RELEASE.to_le_bytes();
    // USB 2.0; the class is the interface's; three strings; one configuration.
    let rest = [
        0, 2, 0, 0, 0, MAX_PACKET, v0, v1, p0, p1, r0, r1, 1, 2, 3, 1,
    ];
    [&[18, DEVICE], &rest[..]].concat()
}

/// The configuration, its interface, and what belongs to that.
fn configuration() -> Vec<u8> {
    // One interface; powered by the bus, 100 mA.
    let head = [9, CONFIGURATION, 9 + 9 + 9 + 7 + 7, 0, 1, 1, 0, 0x80, 50];
    let interface = [9, INTERFACE, 0, 0, 2, HID_CLASS, 0, 0, 0];
    let endpoint = |address| [7, ENDPOINT, address, INTERRUPT, MAX_PACKET, 0, 5];
    let to_host = endpoint(0x80 | ENDPOINT_IN as u8);
    let to_key = endpoint(ENDPOINT_OUT as u8);
    [&head[..], &interface, &hid(), &to_host, &to_key].concat()
}

/// HID 1.11, with one report descriptor.
fn hid() -> [u8; 9] {
    let length = REPORT_DESCRIPTOR.len() as u8;
    [9, HID, 0x11, 0x01, 0, 1, REPORT, length, 0]
}

fn string(index: u8, serial: &str) -> Option<Vec<u8>> {
    let content: Vec<u8> = match index {
        0 => ENGLISH.to_vec(),
        1 => utf16(MANUFACTURER),
        2 => utf16(PRODUCT),
        3 => utf16(serial),
        _ => return None,
    };
    let length = u8::try_from(content.len() + 2).ok()?;
    Some([&[length, STRING], &content[..]].concat())
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_as_long_as_they_say() {
        let ask = |kind, what, index| {
            control([kind, GET_DESCRIPTOR, index, what, 0, 0, 0xff, 0], "serial")
        };
        assert_eq!(
            ask(0x80, DEVICE, 0).map(|answer| (answer.len(), answer[0])),
            Some((18, 18))
        );
        assert_eq!(
            ask(0x80, CONFIGURATION, 0).map(|answer| (answer.len(), answer[2])),
            Some((41, 41))
        );
        assert_eq!(
            ask(0x80, STRING, 3).map(|answer| (answer.len(), answer[0])),
            Some((14, 14))
        );
        assert_eq!(ask(0x81, REPORT, 0), Some(REPORT_DESCRIPTOR.to_vec()));
        assert_eq!(ask(0x80, 6, 0), None, "there is no other speed");
    }

    #[test]
    fn an_answer_is_not_longer_than_was_asked_for() {
        let setup = [0x80, GET_DESCRIPTOR, 0, CONFIGURATION, 0, 0, 9, 0];
        assert_eq!(control(setup, "").map(|answer| answer.len()), Some(9));
    }
}
