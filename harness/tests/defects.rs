//! The self-check finds nothing, and the kill matrix in the repository is the one that it makes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod derived;

use std::{path::Path, sync::Arc};

use passkey_harness::{cli, self_check::self_check};

#[tokio::test(flavor = "multi_thread")]
async fn every_defect_is_revealed_by_the_rows_that_name_it() {
    let (library, rows) = cli::rows(Path::new("scenarios")).unwrap();
    let check = self_check(Arc::new(library), rows).await.unwrap();
    assert_eq!(check.mistakes, Vec::<String>::new());
    let matrix = Path::new("harness/kill-matrix.txt");
    derived::hold("defects", matrix, &check.matrix.render());
}
