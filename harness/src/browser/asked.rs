//! What a remote end is asked beside what every browser of ours is asked: capabilities from a YAML file.

use std::{env, path::Path};

use passkey_model::lane::Browser;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::load::{self, LoadError};

/// The environment variable with the YAML file of capabilities for `WEBDRIVER_URL`.
pub const CAPABILITIES: &str = "PASSKEY_CAPABILITIES";

/// What the harness sets itself: how its proxy is reached and that its certificates are taken.
const OURS: [&str; 2] = ["proxy", "acceptInsecureCerts"];

/// Capabilities by browser (WebDriver, section 7), as in `chromium: { platformName: linux, "se:recordVideo": true }`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// For Chromium.
    #[serde(default)]
    chromium: Map<String, Value>,
    /// For Firefox.
    #[serde(default)]
    firefox: Map<String, Value>,
}

impl Asked {
    /// Reads the file that the environment names; asks for nothing when it names none.
    ///
    /// # Errors
    /// When the file cannot be read, is not of that shape, or names what the harness sets itself.
    pub fn from_environment() -> Result<Self, LoadError> {
        match env::var_os(CAPABILITIES).filter(|file| !file.is_empty()) {
            Some(file) => Self::read(Path::new(&file)),
            None => Ok(Self::default()),
        }
    }

    fn read(file: &Path) -> Result<Self, LoadError> {
        let read = load::read::<Self>(file)?;
        for (browser, asked) in [
            ("chromium", &read.value.chromium),
            ("firefox", &read.value.firefox),
        ] {
            if let Some(name) = OURS.iter().find(|name| asked.contains_key(**name)) {
                let place = read.at(&format!("/{browser}/{name}"));
                let message = format!("{name} is set by the harness: leave it out");
                return Err(LoadError::at(place, message));
            }
        }
        Ok(read.value)
    }

    /// Returns what is asked of one browser.
    #[must_use]
    pub fn of(self, browser: Browser) -> Map<String, Value> {
        match browser {
            Browser::Chromium => self.chromium,
            Browser::Firefox => self.firefox,
        }
    }
}

/// Puts more capabilities over ours: objects are joined, lists appended, anything else replaced.
pub(super) fn join(ours: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (name, value) in more {
        match (ours.get_mut(name), value) {
            (Some(Value::Object(ours)), Value::Object(more)) => join(ours, more),
            (Some(Value::Array(ours)), Value::Array(more)) => ours.extend(more.iter().cloned()),
            _ => {
                ours.insert(name.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::{fs, process};

    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<Asked, String> {
        let name = format!("capabilities-{}-{}.yaml", process::id(), text.len());
        let file = env::temp_dir().join(name);
        fs::write(&file, text).unwrap();
        let said = |error: LoadError| {
            error
                .to_string()
                .replace(&file.display().to_string(), "grid.yaml")
        };
        let read = Asked::read(&file).map_err(said);
        fs::remove_file(&file).unwrap();
        read
    }

    #[test]
    fn capabilities_are_joined_with_ours() {
        let asked = read(
            "chromium:\n  platformName: linux\n  goog:chromeOptions: { args: [--lang=de], mobile: false }\n",
        );
        let ours =
            json!({ "goog:chromeOptions": { "args": ["--headless=new"] }, "platformName": "any" });
        let Value::Object(mut ours) = ours else {
            return;
        };
        join(&mut ours, &asked.clone().unwrap().of(Browser::Chromium));
        let joined = json!({
            "goog:chromeOptions": { "args": ["--headless=new", "--lang=de"], "mobile": false },
            "platformName": "linux",
        });
        assert_eq!(Value::Object(ours), joined);
        assert!(asked.unwrap().of(Browser::Firefox).is_empty());
    }

    #[test]
    fn what_the_harness_sets_itself_is_refused_with_its_line() {
        let refused = read("firefox:\n  proxy: { proxyType: direct }\n").unwrap_err();
        assert_eq!(
            refused,
            "grid.yaml:2:10: proxy is set by the harness: leave it out"
        );
        let refused = read("chrome: {}\n").unwrap_err();
        assert!(
            refused.starts_with("grid.yaml:1:1: unknown field `chrome`"),
            "{refused}"
        );
    }
}
