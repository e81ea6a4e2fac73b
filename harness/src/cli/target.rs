//! The target that a command is about.

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use super::{EXIT_BAD_FILE, EXIT_UNREACHABLE, arguments::EMBEDDED};
use crate::target::{self, ReadyTarget, TargetError};

/// Says that a target is started, which may take a while.
pub(super) fn announce(target: &ReadyTarget, err: &mut impl Write) {
    if let Some(start) = &target.file.start {
        let (name, limit) = (&target.file.target, start.within_seconds);
        // Nothing is lost with it but the progress.
        let _ = writeln!(
            err,
            "starting target {name}, which may take up to {limit} s"
        );
    }
}

/// Finds the target that is named, and its file; nothing stands for the embedded one.
pub(super) fn find(
    named: &str,
    scenarios: &Path,
) -> Result<Option<(ReadyTarget, PathBuf)>, TargetError> {
    if named == EMBEDDED {
        return Ok(None);
    }
    let in_folder = scenarios.join("targets").join(format!("{named}.yaml"));
    let file = if in_folder.exists() {
        in_folder
    } else {
        PathBuf::from(named)
    };
    Ok(Some((target::load(&file)?, file)))
}

/// Says why a target cannot be tested, and returns the exit code.
pub(super) fn error(error: &TargetError, err: &mut impl Write) -> std::io::Result<u8> {
    writeln!(err, "{error}")?;
    Ok(match error {
        TargetError::File(_) | TargetError::Secret { .. } => EXIT_BAD_FILE,
        TargetError::Start { .. } | TargetError::Unreachable { .. } => EXIT_UNREACHABLE,
    })
}

/// A target that runs on its own keeps what it is given: the same credential IDs would be refused the second time.
pub(super) fn default_seed(target: &str) -> u64 {
    if target == EMBEDDED {
        return 0;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        since.as_secs() << 20 | u64::from(since.subsec_micros())
    })
}
