//! The folder of a session: profiles, sockets, temporary files.

use std::{
    env, fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process, thread,
    time::{Duration, Instant},
};

/// The longest folder that leaves room for the names of Chromium's sockets, which end at 108 bytes.
const LONGEST: usize = 30;
/// How often a folder is looked at until it is gone.
const LOOK: Duration = Duration::from_millis(10);

/// Returns where session `number` of this process has its folder.
///
/// It is below the system's folder for temporary files, or below `/tmp` where that is too deep.
pub(super) fn path(number: u64) -> PathBuf {
    let name = format!("pk-{}-{number}", process::id());
    let usual = env::temp_dir().join(&name);
    let short = Path::new("/tmp");
    if usual.as_os_str().len() > LONGEST && short.is_dir() {
        short.join(name)
    } else {
        usual
    }
}

/// Makes a folder that only we can read. One that is there already belonged to a process that had our id and was killed.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::DirBuilder::new().mode(0o700).create(folder)
}

/// Removes a folder, again while dying processes still write into it, until `deadline`.
///
/// # Errors
/// When something is left.
pub(super) fn remove(folder: &Path, deadline: Instant) -> io::Result<()> {
    loop {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.exists() => {
                return Ok(());
            }
            Err(error) if Instant::now() >= deadline => return Err(error),
            // Gone at the first look is gone: nothing lives that could make it again.
            Ok(()) if !folder.exists() => return Ok(()),
            Ok(()) | Err(_) => thread::sleep(LOOK),
        }
    }
}
