//! Real browsers, driven over WebDriver: their processes, sessions and proxies. Nothing here knows of WebAuthn.
//!
//! A [`Session`] is one driver with one browser and one proxy. What the browser asks for arrives at the proxy and is answered by the
//! [`Site`] that is set at that moment, or refused. A [`Pool`] keeps sessions so that rows can use one after the other.
//! Everything that a session starts ends with it ([`processes`]).

pub mod asked;
mod capabilities;
mod certificates;
mod driver;
pub mod emulation;
mod find;
mod folder;
pub mod look;
pub mod page;
pub(crate) mod patience;
mod pool;
pub mod processes;
mod proxy;
mod remote;
mod scan;
mod session;

use std::{
    env, fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub use passkey_model::lane::Browser;
use serde_json::{Map, Value};

use crate::load::LoadError;
use asked::Asked;

pub(crate) use driver::Tail;
pub use find::{Found, Missing, find, find_browser};
pub use pool::Pool;
pub use proxy::{Request, Response, Site};
pub use session::Session;

/// The environment variable with the address of a driver that runs already, on this machine.
pub const WEBDRIVER_URL: &str = "WEBDRIVER_URL";

/// Where a session is started.
#[derive(Clone, Debug)]
pub enum Place {
    /// With a driver of our own, which ends with the session.
    Local(Found),
    /// With a driver that runs already. It has to be on this machine, since our proxy is.
    Remote {
        /// Its address, as in `http://127.0.0.1:4444`.
        url: String,
        /// What it is asked beside what every browser of ours is.
        capabilities: Map<String, Value>,
    },
}

impl Place {
    /// Returns where the environment says that sessions start: at `WEBDRIVER_URL`, with what [`asked::CAPABILITIES`] asks of it, or with
    /// the programs that [`find`] finds.
    ///
    /// # Errors
    /// When there is neither, or the file of capabilities is wrong.
    pub fn from_environment(kind: Browser) -> Result<Self, NoPlace> {
        match env::var(WEBDRIVER_URL) {
            Ok(url) if !url.is_empty() => Ok(Self::Remote {
                url,
                capabilities: Asked::from_environment()?.of(kind),
            }),
            _ => Ok(find(kind).map(Self::Local)?),
        }
    }
}

/// Says why sessions can start nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// There is no driver.
    #[error(transparent)]
    Missing(#[from] Missing),
    /// The file of capabilities is wrong.
    #[error("PASSKEY_CAPABILITIES: {0}")]
    Capabilities(#[from] LoadError),
}

/// Writes a WebExtension into a folder and returns what the browser is to load: that folder, or a file in it.
pub type Extension = Arc<dyn Fn(&Path) -> io::Result<PathBuf> + Send + Sync>;

/// What a person sees of a browser.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// With windows; otherwise headless.
    pub headed: bool,
    /// How long to wait before each act on a page.
    pub pause: Duration,
}

/// Says why a browser cannot be used. All of it is the environment's fault, or ours; never the relying party's.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    /// The harness ends, so nothing is started any more.
    #[error("no browser is started any more: the harness is ending")]
    Ending,
    /// There is no place for a session's files.
    #[error("cannot make a folder for the browser at {}: {cause}; free some space, or set TMPDIR to a folder that can be written", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What happened.
        cause: std::io::Error,
    },
    /// The proxy cannot listen, or cannot make a certificate.
    #[error("cannot start the browser's proxy on 127.0.0.1: {0}")]
    Proxy(String),
    /// The driver is no program that runs.
    #[error("cannot start {}: {cause}; install it again, or name another one", driver.display())]
    Spawn {
        /// The driver.
        driver: PathBuf,
        /// What happened.
        cause: std::io::Error,
    },
    /// The driver ended, or did not say where it listens.
    #[error("{} did not start: {cause}{words}", driver.display())]
    Driver {
        /// The driver.
        driver: PathBuf,
        /// What happened.
        cause: String,
        /// The driver's last words.
        words: Words,
    },
    /// A command took too long.
    #[error("{kind}: {command} took longer than {} s; the browser or its driver hangs{words}", limit.as_secs())]
    Late {
        /// The browser.
        kind: Browser,
        /// What it was told.
        command: String,
        /// How long it was given.
        limit: Duration,
        /// The driver's last words.
        words: Words,
    },
    /// A command failed.
    #[error("{kind}: {command} failed: {cause}{words}")]
    Command {
        /// The browser.
        kind: Browser,
        /// What it was told.
        command: String,
        /// What happened.
        cause: Box<fantoccini::error::CmdError>,
        /// The driver's last words.
        words: Words,
    },
}

/// The last lines that a driver and its browser wrote.
#[derive(Clone, Debug, Default)]
pub struct Words(pub Vec<String>);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, "\nthe driver's last words:")?;
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}
