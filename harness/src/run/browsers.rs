//! The browsers that rows run in, kept between rows.

use std::{collections::BTreeMap, env, sync::Arc};

use passkey_authenticators::webdriver::{chromium, extension};
use passkey_model::{
    lane::{AuthenticatorKind, Browser, Lane},
    row::Row,
};

use super::site::PROVIDER;
use crate::{
    browser::{BrowserError, Look, Pool, Session, page},
    keys::Keys,
    lanes::Places,
};

/// The environment variable with the number of browsers that a lane has at once.
const VARIABLE: &str = "PASSKEY_BROWSERS";
/// How many there are when it does not say. Browsers are busy all the time, and the lanes run side by side: more would wait for each
/// other's cores.
const USUAL: usize = 1;

/// Which sessions a row can use: those of a browser, with or without the extension.
type Sort = (Browser, bool);

/// The sessions of a run.
#[derive(Default)]
pub struct Browsers {
    places: Places,
    pools: BTreeMap<Sort, Pool>,
}

/// Says that the number of browsers is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{VARIABLE} is '{0}': write how many browsers a lane has at once, from 1 on")]
pub struct CapacityError(String);

/// Returns how many rows of one browser lane run at once.
///
/// # Errors
/// When `PASSKEY_BROWSERS` is no number from 1 on.
pub fn capacity() -> Result<usize, CapacityError> {
    match env::var(VARIABLE) {
        Ok(text) if !text.is_empty() => match text.parse() {
            Ok(number) if number >= 1 => Ok(number),
            _ => Err(CapacityError(text)),
        },
        _ => Ok(USUAL),
    }
}

impl Browsers {
    /// Makes the pools of the lanes whose browsers are there; nothing is started before a row needs it.
    ///
    /// # Errors
    /// When `PASSKEY_BROWSERS` is wrong.
    pub fn of(lanes: &[Arc<Lane>], places: Places, look: Look) -> Result<Self, CapacityError> {
        let capacity = capacity()?;
        let mut pools = BTreeMap::new();
        for browser in lanes.iter().filter_map(|lane| lane.browser) {
            let Ok(place) = places.of(browser) else {
                continue;
            };
            for with_extension in [false, true] {
                pools.entry((browser, with_extension)).or_insert_with(|| {
                    let write = move |folder: &std::path::Path| {
                        extension::write(folder, browser, &format!("https://{PROVIDER}"))
                    };
                    let extension = with_extension.then(|| Arc::new(write) as _);
                    Pool::of(browser, place.clone(), look, extension, capacity)
                });
            }
        }
        Ok(Self { places, pools })
    }

    /// Says why a lane is not there; nothing when it is.
    #[must_use]
    pub fn blocked(&self, lane: &Lane) -> Option<&str> {
        self.places.blocked(lane)
    }

    /// Returns where security keys come from.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        self.places.keys()
    }

    /// Says why a row cannot run here; nothing when it can.
    #[must_use]
    pub fn lacking(&self, row: &Row) -> Option<String> {
        self.places.lacking(row)
    }

    /// Takes a session for a row, which has it for itself.
    pub(super) async fn take(&self, row: &Row) -> Result<Session, String> {
        let pool = self.pool(row)?;
        let session = match pool.take().await {
            Ok(session) => session,
            Err(BrowserError::Ending) => return Err(BrowserError::Ending.to_string()),
            Err(error) => return Err(advise(row, &error.to_string())),
        };
        if session.browser() == Browser::Chromium && !row.lane.has_keys() {
            // Without it, a ceremony for which there is no authenticator would stay open for ever.
            let enabled = chromium::enable_virtual_authenticators(session.client()).await;
            enabled.map_err(|error| error.to_string())?;
        }
        Ok(session)
    }

    /// Adds to what went wrong in a row that its browser does not work any more, if so.
    pub(super) async fn diagnose(row: &Row, session: &Session, wrong: String) -> String {
        if session.works().await {
            wrong
        } else {
            advise(row, &wrong)
        }
    }

    /// Gives a session back after a row that went well, cleaned unless whoever is signed in stays so; a session that cannot be cleaned
    /// is ended.
    pub(super) async fn give_back(&self, row: &Row, session: Session, forgets: bool) {
        if let Ok(pool) = self.pool(row)
            && (!forgets || page::forget_everything(&session).await.is_ok())
        {
            pool.give_back(session).await;
        }
    }

    /// Lets every browser quit.
    pub async fn close(&self) {
        for pool in self.pools.values() {
            pool.close_all().await;
        }
    }

    fn pool(&self, row: &Row) -> Result<&Pool, String> {
        let browser = row
            .lane
            .browser
            .ok_or_else(|| format!("lane {} has no browser", row.lane.id))?;
        // A browser that makes the passkeys itself is only looked over the shoulder where something is to be changed.
        let changes = row.steps.iter().any(|step| step.spec.mutation.is_some());
        let sort = (
            browser,
            changes || row.lane.authenticator == AuthenticatorKind::Software,
        );
        self.pools
            .get(&sort)
            .ok_or_else(|| BrowserError::Ending.to_string())
    }
}

/// Says whose fault it is that a browser does not work, and what a person can do.
fn advise(row: &Row, wrong: &str) -> String {
    let browser = row.lane.browser.map(Browser::name).unwrap_or_default();
    format!(
        "{wrong}\n{browser} or its driver died or hangs, which says nothing of the relying party; other rows get a new browser. \
         Run the row again; if it happens again, see whether the system killed it for want of memory, or run ci/install-{browser}"
    )
}

impl std::fmt::Debug for Browsers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Browsers")
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}
