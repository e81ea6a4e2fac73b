//! Where the programs of browsers are.

use std::{
    env,
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::Browser;

/// Where the programs of a browser are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The WebDriver server.
    pub driver: PathBuf,
    /// The browser; without it the driver looks for one itself.
    pub browser: Option<PathBuf>,
}

/// Says that a driver is missing, and what a person can do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// It is nowhere.
    #[error("{driver} not found: run {script}, or name it in {variable}")]
    Nowhere {
        /// The driver.
        driver: &'static str,
        /// What installs it.
        script: &'static str,
        /// The variable that can name it.
        variable: &'static str,
    },
    /// What the environment names is none.
    #[error("{variable} names {}, which is no program that can be run: correct it, or leave it out and run {script}", path.display())]
    NoProgram {
        /// The variable.
        variable: &'static str,
        /// What it names.
        path: PathBuf,
        /// What installs one.
        script: &'static str,
    },
}

struct Names {
    driver: &'static str,
    variable: &'static str,
    script: &'static str,
    browsers: &'static [&'static str],
}

const CHROMIUM: Names = Names {
    driver: "chromedriver",
    variable: "CHROMEDRIVER",
    script: "ci/install-chromium",
    browsers: &["chromium", "chromium-browser", "google-chrome"],
};
const FIREFOX: Names = Names {
    driver: "geckodriver",
    variable: "GECKODRIVER",
    script: "ci/install-firefox",
    browsers: &["firefox-esr", "firefox"],
};

/// Finds the driver and the browser, without starting anything.
///
/// The driver is the one that `CHROMEDRIVER` or `GECKODRIVER` names, else the one on `PATH`, else the one that our install script put
/// into the cache (`PASSKEY_CACHE`, or `passkey-harness` in `XDG_CACHE_HOME` or `~/.cache`). The browser is on `PATH`.
///
/// # Errors
/// When there is no driver.
pub fn find(kind: Browser) -> Result<Found, Missing> {
    find_in(kind, |name| env::var_os(name).map(PathBuf::from))
}

/// Finds the browser alone, on `PATH`; its driver may not be there.
#[must_use]
pub fn find_browser(kind: Browser) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut browsers = names(kind).browsers.iter();
    browsers.find_map(|browser| on_path(&path, browser))
}

const fn names(kind: Browser) -> Names {
    match kind {
        Browser::Chromium => CHROMIUM,
        Browser::Firefox => FIREFOX,
    }
}

fn on_path(path: &OsStr, program: &str) -> Option<PathBuf> {
    let mut candidates = env::split_paths(path).map(|folder| folder.join(program));
    candidates.find(|candidate| is_program(candidate))
}

fn find_in(kind: Browser, variable: impl Fn(&str) -> Option<PathBuf>) -> Result<Found, Missing> {
    let names = names(kind);
    let path = variable("PATH").unwrap_or_default();
    let on_path = |program: &&str| on_path(path.as_os_str(), program);
    let driver = match variable(names.variable) {
        Some(named) if is_program(&named) => named,
        Some(named) => {
            return Err(Missing::NoProgram {
                variable: names.variable,
                path: named,
                script: names.script,
            });
        }
        None => on_path(&names.driver)
            .or_else(|| in_cache(&cache(&variable)?, names.driver))
            .ok_or(Missing::Nowhere {
                driver: names.driver,
                script: names.script,
                variable: names.variable,
            })?,
    };
    let browser = names.browsers.iter().find_map(on_path);
    Ok(Found { driver, browser })
}

fn cache(variable: &impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let ours = |folder: PathBuf| folder.join("passkey-harness");
    variable("PASSKEY_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(ours))
        .or_else(|| variable("HOME").map(|home| ours(home.join(".cache"))))
}

/// Finds `<driver>-<version>/bin/<driver>`; of several versions, the one whose name sorts last.
fn in_cache(cache: &Path, driver: &str) -> Option<PathBuf> {
    let prefix = format!("{driver}-");
    let folders = fs::read_dir(cache).ok()?.flatten();
    folders
        .filter(|folder| folder.file_name().to_string_lossy().starts_with(&prefix))
        .map(|folder| folder.path().join("bin").join(driver))
        .filter(|program| is_program(program))
        .max()
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
#[path = "find_tests.rs"]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
