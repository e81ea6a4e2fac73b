//! What a browser is asked to be: WebDriver capabilities, arguments and preferences.

use std::{env, net::SocketAddr, path::Path, time::Duration};

use fantoccini::wd::Capabilities;
use serde_json::{Map, Value, json};

use super::{
    Browser, Look, asked::join, page::CEREMONY_LIMIT, patience::patient, session::START_LIMIT,
};

/// The environment variable with more arguments for Chromium, separated by blanks.
pub const ARGUMENTS: &str = "PASSKEY_CHROMIUM_ARGUMENTS";

/// Chromium's work ahead of time, which costs more here than it saves: pages kept for "back", a process kept for the next site,
/// translations, hints for searches, looking for television sets.
const NEEDLESS: &str =
    "SpareRendererForSitePerProcess,BackForwardCache,Translate,OptimizationHints,MediaRouter";

/// What the capabilities depend on.
pub(super) struct Wanted<'a> {
    pub kind: Browser,
    pub look: Look,
    /// The browser; without it the driver looks for one.
    pub browser: Option<&'a Path>,
    /// The session's folder, where the driver is ours.
    pub folder: Option<&'a Path>,
    pub proxy: SocketAddr,
    /// The folder of an unpacked extension (Chromium loads it when it starts).
    pub extension: Option<&'a Path>,
    /// What a remote end is asked beside.
    pub more: Option<&'a Capabilities>,
}

/// Returns the capabilities of a session (WebDriver, section 7; `goog:chromeOptions`; `moz:firefoxOptions`).
pub(super) fn capabilities(wanted: &Wanted<'_>) -> Capabilities {
    let proxy = wanted.proxy.to_string();
    let (name, options) = match wanted.kind {
        Browser::Chromium => ("goog:chromeOptions", chromium(wanted)),
        Browser::Firefox => ("moz:firefoxOptions", firefox(wanted)),
    };
    let mut capabilities = Map::new();
    let script = patient(CEREMONY_LIMIT + Duration::from_secs(10)).as_millis();
    capabilities.insert("timeouts".to_owned(), json!({ "script": script }));
    capabilities.insert("acceptInsecureCerts".to_owned(), json!(true));
    capabilities.insert(
        "proxy".to_owned(),
        json!({"proxyType": "manual", "sslProxy": proxy, "httpProxy": proxy}),
    );
    capabilities.insert(name.to_owned(), Value::Object(options));
    if wanted.kind == Browser::Chromium {
        // Read when a row is red.
        let logs = json!({"browser": "ALL"});
        capabilities.insert("goog:loggingPrefs".to_owned(), logs);
    }
    if let Some(more) = wanted.more {
        join(&mut capabilities, more);
    }
    capabilities
}

fn chromium(wanted: &Wanted<'_>) -> Map<String, Value> {
    let mut arguments: Vec<String> = [
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    .map(str::to_owned)
    .into();
    if !wanted.look.headed {
        arguments.push("--headless=new".to_owned());
        // Nobody looks, and a large window takes longer to paint.
        arguments.push("--window-size=800,600".to_owned());
    }
    if rustix::process::geteuid().is_root() {
        // Its sandbox refuses to work for root.
        arguments.push("--no-sandbox".to_owned());
    }
    let more = env::var(ARGUMENTS).unwrap_or_default();
    arguments.extend(more.split_whitespace().map(str::to_owned));
    if let Some(folder) = wanted.folder {
        let profile = folder.join("profile");
        arguments.push(format!("--user-data-dir={}", profile.display()));
    }
    // One switch for all: of several, only the last counts.
    let mut disabled = NEEDLESS.to_owned();
    if let Some(extension) = wanted.extension {
        arguments.push(format!("--load-extension={}", extension.display()));
        disabled.push_str(",DisableLoadExtensionCommandLineSwitch");
    }
    arguments.push(format!("--disable-features={disabled}"));
    let mut options = options(wanted, arguments);
    let startup = patient(START_LIMIT).as_millis();
    options.insert("browserStartupTimeout".to_owned(), json!(startup));
    // An empty page at the start in place of the one for new tabs, which is an application of its own.
    options.insert(
        "prefs".to_owned(),
        json!({ "session.restore_on_startup": 4, "session.startup_urls": ["about:blank"] }),
    );
    options
}

fn firefox(wanted: &Wanted<'_>) -> Map<String, Value> {
    let headless = (!wanted.look.headed).then(|| "-headless".to_owned());
    let mut options = options(wanted, headless.into_iter().collect());
    options.insert("prefs".to_owned(), preferences());
    options
}

fn options(wanted: &Wanted<'_>, arguments: Vec<String>) -> Map<String, Value> {
    let mut options = Map::new();
    options.insert("args".to_owned(), json!(arguments));
    if let Some(browser) = wanted.browser {
        options.insert("binary".to_owned(), json!(browser.display().to_string()));
    }
    options
}

fn preferences() -> Value {
    json!({
        // The virtual authenticators, and nothing that is plugged in.
        "security.webauth.webauthn_enable_softtoken": true,
        "security.webauth.webauthn_enable_usbtoken": false,
        // Otherwise a question that nobody answers.
        "security.webauthn.always_allow_direct_attestation": true,
        // Our certificates are self-signed.
        "security.webauthn.allow_with_certificate_override": true,
        // Less to paint: a quarter of the processor's time of a row went into it.
        "layout.frame_rate": 20,
        "ui.prefersReducedMotion": 1,
        // No page and no process ahead of time.
        "browser.startup.page": 0,
        "browser.newtab.preload": false,
        "dom.ipc.processPrelaunch.enabled": false,
        // Quiet: no questions, no updates, nothing sent.
        "app.normandy.enabled": false,
        "app.update.disabledForTesting": true,
        "browser.shell.checkDefaultBrowser": false,
        "datareporting.healthreport.uploadEnabled": false,
        "datareporting.policy.dataSubmissionEnabled": false,
        "extensions.update.enabled": false,
        "network.captive-portal-service.enabled": false,
        "network.connectivity-service.enabled": false,
        "toolkit.telemetry.enabled": false,
    })
}
