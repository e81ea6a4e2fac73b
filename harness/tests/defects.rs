//! The self-check finds nothing, and the kill matrix in the repository is the one that it makes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{env, fs, path::Path, sync::Arc};

use passkey_harness::{cli, self_check::self_check, snapshot::first_difference};

const MATRIX: &str = "harness/kill-matrix.txt";

#[tokio::test(flavor = "multi_thread")]
async fn every_defect_is_revealed_by_the_rows_that_name_it() {
    let (library, rows) = cli::rows(Path::new("scenarios")).unwrap();
    let check = self_check(Arc::new(library), rows).await.unwrap();
    assert_eq!(check.mistakes, Vec::<String>::new());
    hold(Path::new(MATRIX), &check.matrix.render());
}

fn hold(file: &Path, expected: &str) {
    if env::var_os("PASSKEY_UPDATE").is_some() {
        fs::write(file, expected).unwrap();
        return;
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    assert_eq!(
        first_difference(&found, expected),
        None,
        "{MATRIX} is out of date; write it anew with PASSKEY_UPDATE=1 cargo test --test defects"
    );
}
