//! Every row is a trial under its own name.
#![allow(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test target speaks to the terminal"
)]

use std::{path::Path, process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Failed, Trial};
use passkey_harness::{cli, run};

const SUITES: [&str; 3] = ["conformance", "matrix", "policy"];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let (library, rows) = match cli::rows(&root) {
        Ok(found) => found,
        Err(mistakes) => panic!("{}", mistakes.join("\n")),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let library = Arc::new(library);
    let trials: Vec<Trial> = rows
        .into_iter()
        .map(|row| {
            let (library, handle) = (Arc::clone(&library), runtime.handle().clone());
            let ignored = row.not_applicable.is_some();
            let trial = Trial::test(row.name.to_string(), move || {
                let result = handle.block_on(run::run_row(&library, &row, 0, false));
                if result.judgement.verdict.is_red() {
                    Err(Failed::from(run::failure(&row, &result)))
                } else {
                    Ok(())
                }
            });
            trial.with_ignored_flag(ignored)
        })
        .collect();
    if let Some(filter) = &arguments.filter
        && SUITES.iter().any(|suite| filter.starts_with(suite))
        && !trials
            .iter()
            .any(|trial| trial.name().contains(filter.as_str()))
    {
        eprintln!("no row matches {filter}");
        return ExitCode::FAILURE;
    }
    // A row that its lane cannot show is never run, not even with --include-ignored.
    let arguments = Arguments {
        include_ignored: false,
        ..arguments
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}
