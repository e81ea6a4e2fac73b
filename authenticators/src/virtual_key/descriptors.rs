//! What a key says of itself to the kernel.

/// The name of the maker.
pub(super) const MANUFACTURER: &str = "passkey-harness";
/// The name of the product.
pub(super) const PRODUCT: &str = "virtual security key";
/// A vendor for tests (pid.codes).
pub(super) const VENDOR_ID: u16 = 0x1209;
/// A product for tests (pid.codes).
pub(super) const PRODUCT_ID: u16 = 0x0001;
/// The device's release number, BCD.
pub(super) const RELEASE: u16 = 0x0100;

/// The report descriptor (CTAP 2.1, 11.2.8.2): usage page FIDO, 64 bytes in, 64 bytes out, without report numbers.
pub(super) const REPORT_DESCRIPTOR: [u8; 34] = [
    0x06, 0xd0, 0xf1, // usage page 0xf1d0
    0x09, 0x01, // usage: CTAPHID
    0xa1, 0x01, // collection: application
    0x09, 0x20, // usage: data in
    0x15, 0x00, 0x26, 0xff, 0x00, // from 0 to 255
    0x75, 0x08, 0x95, 0x40, // 64 times 8 bits
    0x81, 0x02, // input
    0x09, 0x21, // usage: data out
    0x15, 0x00, 0x26, 0xff, 0x00, // from 0 to 255
    0x75, 0x08, 0x95, 0x40, // 64 times 8 bits
    0x91, 0x02, // output
    0xc0, // end of collection
];
