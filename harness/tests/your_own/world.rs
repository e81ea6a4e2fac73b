//! Relying parties to point at, folders for their files, and the command line.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicUsize, Ordering},
};

use passkey_reference_rp::RunningRp;

use super::reference;

/// Its subject is a registration that has to be refused at step 8.
pub const CHALLENGE: &str = "conformance::cd.chal-other::registration::software";

/// A folder that goes away with it.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("your-own-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let file = self.file(name);
        fs::write(&file, text).unwrap();
        file
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }

    /// Writes the file of a target at an address.
    pub fn target(&self, address: SocketAddr, more: &str) -> String {
        let text = format!(
            "target: shop\naddress: \"{address}\"\nrp-id: rp.test\norigin: https://login.rp.test\n{more}"
        );
        self.write("shop.yaml", &text)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a command did.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs the command line beside the servers of the test.
pub async fn harness(arguments: &[&str]) -> Said {
    harness_with(arguments, &[]).await
}

/// The same, with something else in its environment.
pub async fn harness_with(arguments: &[&str], environment: &[(&str, &str)]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_passkey-harness"));
    command.args(arguments).env("SHOP_PASS", reference::PASS);
    command.envs(environment.iter().copied());
    let run = tokio::task::spawn_blocking(move || command.output().unwrap());
    let Output {
        status,
        stdout,
        stderr,
    } = run.await.unwrap();
    Said {
        code: status.code().unwrap(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

impl Said {
    #[track_caller]
    pub fn has(&self, code: i32, parts: &[&str]) {
        let both = format!("{}\n{}", self.out, self.err);
        assert_eq!(self.code, code, "{both}");
        for part in parts {
            assert!(both.contains(part), "'{part}' is not in: {both}");
        }
    }
}

/// Starts the reference relying party, which answers as FIDO's conformance tests expect as well.
pub async fn reference() -> RunningRp {
    reference::start(reference::config(reference::expected(), &[])).await
}
