//! The command line of passkey-harness.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use passkey_harness::cli;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let result =
        cli::execute(&arguments, &mut out, &mut err).and_then(|code| out.flush().map(|()| code));
    match result {
        Ok(code) => ExitCode::from(code),
        // A reader that has seen enough, as in `list | head`, is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(cli::EXIT_OK),
        Err(_) => ExitCode::from(cli::EXIT_HARNESS),
    }
}
