//! One driver, one browser, one proxy.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fantoccini::{
    Client, ClientBuilder,
    error::{CmdError, ErrorStatus},
    wd::WebDriverCompatibleCommand,
};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tokio::{sync::OwnedSemaphorePermit, task, time::timeout};
use url::{ParseError, Url};

use passkey_model::platform::UserAgent;

use super::{
    Browser, BrowserError, Extension, Look, Place, Site,
    capabilities::{Wanted, capabilities},
    driver::{self, Tail},
    patience::patient,
    processes::Family,
    proxy::Proxy,
    remote::RemoteSession,
};

/// How long a start may take, from the first process to the first command.
pub(super) const START_LIMIT: Duration = Duration::from_secs(60);
const INSTALL_LIMIT: Duration = Duration::from_secs(20);
/// How long a browser may take to say that it is there, and to quit.
const SHORT_LIMIT: Duration = Duration::from_secs(10);

/// A browser that is driven. Dropping it ends all its processes, at once and before the drop returns; [`Session::close`] lets it quit first.
pub struct Session {
    kind: Browser,
    /// The user agent that it shows in place of its own.
    pub worn: Option<UserAgent>,
    /// How long it waits before each act on a page.
    pub(super) pause: Duration,
    client: Client,
    tail: Tail,
    broken: AtomicBool,
    proxy: Proxy,
    /// Before the permit: the place is free when the processes have ended.
    family: Family,
    permit: Option<OwnedSemaphorePermit>,
}

impl Session {
    /// Starts a driver (if it is to be ours) and a session with a proxy of its own, which has no site yet.
    ///
    /// `extension` is the folder of an unpacked WebExtension, or for Firefox also a packed one. A start that is given up ends what it started.
    ///
    /// # Errors
    /// When something is missing, does not start, or takes longer than 60 s.
    pub async fn start(
        kind: Browser,
        place: &Place,
        look: Look,
        extension: Option<&Extension>,
    ) -> Result<Self, BrowserError> {
        let tail = Tail::default();
        let start = Self::begin(kind, place, look, extension, &tail);
        let limit = patient(START_LIMIT);
        let started = timeout(limit, start).await;
        started.unwrap_or_else(|_| Err(late(kind, "starting a session", limit, &tail)))
    }

    async fn begin(
        kind: Browser,
        place: &Place,
        look: Look,
        extension: Option<&Extension>,
        tail: &Tail,
    ) -> Result<Self, BrowserError> {
        let family = Family::new()?;
        let proxy = Proxy::start().await?;
        let folder = family.folder().join("extension");
        let extension = extension.map(|write| write(&folder)).transpose();
        let extension = extension.map_err(|cause| BrowserError::Folder { folder, cause })?;
        let extension = extension.as_deref();
        let (browser, folder, url) = match place {
            Place::Local(found) => {
                let url = driver::start(&family, kind, found, tail).await?;
                (found.browser.as_deref(), Some(family.folder()), url)
            }
            Place::Remote { url, .. } => (None, None, url.clone()),
        };
        let wanted = Wanted {
            kind,
            look,
            browser,
            folder,
            proxy: proxy.address(),
            extension,
            more: match place {
                Place::Local(_) => None,
                Place::Remote { capabilities, .. } => Some(capabilities),
            },
        };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let connect = builder.capabilities(capabilities(&wanted)).connect(&url);
        let client = connect.await.map_err(|cause| BrowserError::Driver {
            driver: match place {
                Place::Local(found) => found.driver.clone(),
                Place::Remote { url, .. } => url.into(),
            },
            cause: format!("no session: {cause}"),
            words: tail.words(),
        })?;
        let session = Self {
            kind,
            worn: None,
            pause: look.pause,
            client,
            tail: tail.clone(),
            broken: AtomicBool::new(false),
            proxy,
            family,
            permit: None,
        };
        session.finish(place, extension).await?;
        Ok(session)
    }

    /// Does what can only be done once there is a session.
    async fn finish(&self, place: &Place, extension: Option<&Path>) -> Result<(), BrowserError> {
        if let Place::Remote { url, .. } = place {
            let id = self.client.session_id();
            let id = self
                .limited("asking for the session's id", SHORT_LIMIT, id)
                .await?;
            self.family.adopt(RemoteSession {
                driver: url.clone(),
                id: id.unwrap_or_default(),
            });
        }
        if let (Browser::Firefox, Some(extension)) = (self.kind, extension) {
            let install = InstallAddon(extension.display().to_string());
            let install = self.client.issue_cmd(install);
            self.limited("installing the extension", INSTALL_LIMIT, install)
                .await?;
        }
        Ok(())
    }

    /// Returns the client for commands, each of which belongs into [`Session::limited`].
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns which browser it is.
    #[must_use]
    pub fn browser(&self) -> Browser {
        self.kind
    }

    /// From now on requests go to this site, also those over connections that are open already; without a site they are answered 503.
    pub fn route(&self, site: Option<Arc<dyn Site>>) {
        self.proxy.route(site);
    }

    /// Waits for a command for a limited time; `command` says what it does, as in "loading the page".
    ///
    /// # Errors
    /// When it fails or takes longer. A session that is lost or hangs is not used again by its pool.
    pub async fn limited<T>(
        &self,
        command: &str,
        limit: Duration,
        future: impl Future<Output = Result<T, CmdError>>,
    ) -> Result<T, BrowserError> {
        let limit = patient(limit);
        match timeout(limit, future).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(cause)) => {
                if is_fatal(&cause) {
                    self.broken.store(true, Ordering::Relaxed);
                }
                Err(BrowserError::Command {
                    kind: self.kind,
                    command: command.to_owned(),
                    cause: Box::new(cause),
                    words: self.tail.words(),
                })
            }
            Err(_) => {
                self.broken.store(true, Ordering::Relaxed);
                Err(late(self.kind, command, limit, &self.tail))
            }
        }
    }

    /// Says whether no command of this session was lost or hung, and the browser still answers.
    pub async fn works(&self) -> bool {
        if self.is_broken() {
            return false;
        }
        let ask = self.client.execute("return 1", vec![]);
        self.limited("asking whether it is there", SHORT_LIMIT, ask)
            .await
            .is_ok()
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Keeps a place of a pool for as long as the session lives.
    pub(super) fn hold(&mut self, permit: OwnedSemaphorePermit) {
        self.permit = Some(permit);
    }

    /// Lets go of the place.
    pub(super) fn release(&mut self) -> Option<OwnedSemaphorePermit> {
        self.permit.take()
    }

    /// Lets the browser quit, then ends what is left of its processes and removes its folder.
    pub async fn close(self) {
        if !self.is_broken() {
            // What does not quit is killed below.
            let _ = timeout(SHORT_LIMIT, self.client.clone().close()).await;
        }
        self.end().await;
    }

    /// Ends the processes without letting the browser quit, on a thread that may wait for them.
    pub(super) async fn end(self) {
        // Fails only when the runtime is ending; then the session was dropped all the same.
        let _ = task::spawn_blocking(move || drop(self)).await;
    }
}

/// Says whether an error means that the session cannot be used any more.
fn is_fatal(error: &CmdError) -> bool {
    match error {
        CmdError::Standard(error) => {
            matches!(
                error.error,
                ErrorStatus::InvalidSessionId | ErrorStatus::NoSuchWindow
            )
        }
        CmdError::Failed(_) | CmdError::FailedC(_) | CmdError::Lost(_) | CmdError::NotJson(_) => {
            true
        }
        _ => false,
    }
}

fn late(kind: Browser, command: &str, limit: Duration, tail: &Tail) -> BrowserError {
    BrowserError::Late {
        kind,
        command: command.to_owned(),
        limit,
        words: tail.words(),
    }
}

/// geckodriver's command for a temporary extension, with its path.
#[derive(Debug)]
struct InstallAddon(String);

impl WebDriverCompatibleCommand for InstallAddon {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/moz/addon/install"))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let body = json!({"path": self.0, "temporary": true});
        (Method::POST, Some(body.to_string()))
    }
}
