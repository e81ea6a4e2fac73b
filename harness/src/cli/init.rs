//! `init`: looks at a relying party's page and writes a target file.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::Path,
};

use super::{EXIT_OK, EXIT_UNREACHABLE, EXIT_USAGE};
use crate::init::{InitError, look, write};

/// Looks at the page and writes the file, or prints it; returns the exit code.
pub(super) fn init(
    url: &str,
    file: Option<&Path>,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let found = match runtime.block_on(look(url)) {
        Ok(found) => found,
        Err(error) => {
            writeln!(err, "{error}")?;
            return Ok(match error {
                InitError::Url(_) => EXIT_USAGE,
                InitError::Unreachable { .. } => EXIT_UNREACHABLE,
            });
        }
    };
    found
        .notes
        .iter()
        .try_for_each(|note| writeln!(err, "{note}"))?;
    let text = write(&found);
    let Some(file) = file else {
        write!(out, "{text}")?;
        return Ok(EXIT_OK);
    };
    // What a person may have written by hand is not written over.
    let made = OpenOptions::new().write(true).create_new(true).open(file);
    let written = made.and_then(|mut made| made.write_all(text.as_bytes()));
    if let Err(error) = written {
        writeln!(err, "{} cannot be written: {error}", file.display())?;
        return Ok(EXIT_USAGE);
    }
    let file = file.display();
    writeln!(
        err,
        "written: {file}; read it, then: passkey-harness smoke --target {file}"
    )?;
    Ok(EXIT_OK)
}
