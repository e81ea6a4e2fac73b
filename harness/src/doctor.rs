//! What is installed on this machine, which lanes run with it, and whether its browsers still do what the harness relies on.

mod bench;
mod checks;
mod programs;
mod site;
mod verify;

use std::{path::PathBuf, sync::Arc};

use passkey_model::{
    lane::{Browser, Lane},
    row::Row,
};

use crate::{browser, lanes::Places};

pub use verify::{Verification, Verified, Wrong, verify};

/// A program that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Where it is.
    pub path: PathBuf,
    /// What it says to `--version`, or why it says nothing.
    pub version: Result<String, String>,
}

impl Program {
    /// Asks a program for its version, for at most 10 s.
    #[must_use]
    pub fn ask(path: PathBuf) -> Self {
        let version = programs::version(&path);
        Self { path, version }
    }
}

/// The programs of one browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The WebDriver server, or what to do about its absence.
    pub driver: Result<Program, String>,
    /// The browser, where it is on `PATH`; otherwise the driver looks for one.
    pub browser: Option<Program>,
}

impl Installed {
    /// Looks for the programs of a browser, and asks them for their versions.
    #[must_use]
    pub fn look(kind: Browser) -> Self {
        let found = browser::find(kind).map_err(|missing| missing.to_string());
        Self {
            driver: found.map(|found| Program::ask(found.driver)),
            browser: browser::find_browser(kind).map(Program::ask),
        }
    }
}

/// What becomes of the rows of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaneState {
    /// They run.
    Runs {
        /// How many rows there are.
        rows: usize,
        /// How many rows the lane cannot show; they are among neither.
        not_applicable: usize,
    },
    /// They do not: why, and what to do.
    Blocked(String),
}

impl LaneState {
    /// Says what becomes of the rows of a lane.
    #[must_use]
    pub fn of(lane: &Arc<Lane>, rows: &[Row], places: &Places) -> Self {
        if let Some(why) = places.blocked(lane) {
            return Self::Blocked(why.to_owned());
        }
        let of_lane = rows.iter().filter(|row| row.lane.id == lane.id);
        let (not_applicable, runs): (Vec<&Row>, Vec<&Row>) =
            of_lane.partition(|row| row.not_applicable.is_some());
        Self::Runs {
            rows: runs.len(),
            not_applicable: not_applicable.len(),
        }
    }
}
