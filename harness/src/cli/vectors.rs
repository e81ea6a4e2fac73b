//! `vectors`: the specification's test vectors, played through an adapter.

use std::{
    io::{self, Write},
    path::Path,
    sync::Arc,
};

use passkey_model::target::Driver;

use super::{
    EXIT_NOTHING, EXIT_OK, EXIT_RED, EXIT_USAGE, arguments::VectorsArguments, run::Ending, target,
};
use crate::{
    browser::processes,
    target::prepare_adapter,
    vectors::{Shown, Vectors},
};

/// Plays the vectors and returns the exit code.
pub(super) fn vectors(
    scenarios: &Path,
    told: &VectorsArguments,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    processes::end_on_signals()?;
    let _ending = Ending;
    let vectors = match Vectors::read(&told.vectors) {
        Ok(vectors) => vectors,
        Err(error) => {
            writeln!(err, "{error}")?;
            return Ok(EXIT_USAGE);
        }
    };
    let found = match target::find(&told.target, scenarios) {
        Ok(found) => found.filter(|(target, _)| target.file.driver == Driver::Command),
        Err(error) => return target::error(&error, err),
    };
    let Some((mut target, file)) = found else {
        writeln!(
            err,
            "vectors are played through an adapter: expected a target with driver: command"
        )?;
        return Ok(EXIT_USAGE);
    };
    target.file.rp_id.clone_from(&vectors.rp_id);
    target.file.origin.clone_from(&vectors.origin);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let met = runtime.block_on(prepare_adapter(&mut target, folder, vectors.root()));
    match met {
        Ok(note) => writeln!(err, "{note}")?,
        Err(error) => return target::error(&error, err),
    }
    let target = Arc::new(target);
    let played = runtime.block_on(vectors.play(&target));
    let mut counts = [0_usize; 4];
    for (id, shown) in &played {
        let (index, word, why) = match shown {
            Shown::Accepted => (0, "accepted", ""),
            Shown::Refused(why) => (1, "refused", why.as_str()),
            Shown::Skipped(why) => (2, "skipped", why.as_str()),
            Shown::Failed(why) => (3, "failed", why.as_str()),
        };
        counts[index] += 1;
        let line = format!("{word:9} {id:30} {why}");
        writeln!(out, "{}", line.trim_end())?;
    }
    let [accepted, refused, skipped, failed] = counts;
    writeln!(
        out,
        "{} vectors: {accepted} accepted, {refused} refused, {skipped} skipped, {failed} failed",
        played.len()
    )?;
    Ok(match counts {
        [_, 0, _, 0] if accepted > 0 => EXIT_OK,
        [_, 0, _, 0] => EXIT_NOTHING,
        _ => EXIT_RED,
    })
}
