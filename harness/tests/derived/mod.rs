//! Committed files that are derived: compared with what they should be, or, with PASSKEY_UPDATE=1, written anew.

use std::{env, fs, path::Path};

use passkey_harness::snapshot::first_difference;

/// Tells whether derived files are written anew.
pub fn updating() -> bool {
    env::var_os("PASSKEY_UPDATE").is_some()
}

/// Compares a committed file with what it should be, or writes it; `test` is the test target that makes it.
pub fn hold(test: &str, file: &Path, expected: &str) {
    if updating() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, expected).unwrap();
        return;
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    assert_eq!(
        first_difference(&found, expected),
        None,
        "{} is out of date; write it anew with PASSKEY_UPDATE=1 cargo test --test {test}",
        file.display()
    );
}
