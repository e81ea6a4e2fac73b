//! The lock that keeps two runs from changing one policy.

use std::{
    env,
    fs::{File, TryLockError},
    path::PathBuf,
};

use super::PolicyError;

/// Held until it is dropped, or the process ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a policy, which `place` tells from others.
    ///
    /// # Errors
    /// When another run has it.
    pub(super) fn take(target: &str, place: &str) -> Result<Self, PolicyError> {
        let plain = |sign: char| {
            if sign.is_ascii_alphanumeric() {
                sign
            } else {
                '-'
            }
        };
        let name: String = place.chars().map(plain).collect();
        let path: PathBuf = env::temp_dir().join(format!("passkey-harness-policy-{name}.lock"));
        let failed = |cause| PolicyError::File {
            file: path.clone(),
            cause,
        };
        // It stays when it is free again: who removed it could remove another run's.
        let file = File::create(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(PolicyError::Held {
                target: target.to_owned(),
                file: path,
            }),
            Err(TryLockError::Error(cause)) => Err(failed(cause)),
        }
    }
}
