//! The credential-provider extension: it answers `navigator.credentials` on a page as password managers do.
//!
//! A page's ceremony goes as JSON to `POST {provider}/call`, and what comes back is the page's credential, its error, or the order to
//! let the browser do it. The messages are described in `page.js`. Chromium and Firefox take the same scripts and a manifest each.
//!
//! Chromium loads the folder with `--load-extension=FOLDER` together with
//! `--disable-features=DisableLoadExtensionCommandLineSwitch`; for Firefox there is [`install_addon`](super::firefox::install_addon).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use passkey_model::lane::Browser;
use url::Url;

/// The address that the sources name.
const PROVIDER: &str = "https://provider.test";
const SCRIPTS: [(&str, &str); 3] = [
    ("page.js", include_str!("../../extension/page.js")),
    ("bridge.js", include_str!("../../extension/bridge.js")),
    (
        "background.js",
        include_str!("../../extension/background.js"),
    ),
];

/// Writes the extension's files into a folder, which is made if it is not there, and returns the folder's absolute path.
///
/// `provider` is the origin that answers the page, such as `https://provider.test` or `http://localhost:8080`; the extension adds `/call`.
///
/// # Errors
/// `InvalidInput` when `provider` is not an origin, or what writing says.
pub fn write(folder: &Path, browser: Browser, provider: &str) -> io::Result<PathBuf> {
    let (origin, hosts) = addresses(provider)?;
    let manifest = match browser {
        Browser::Chromium => include_str!("../../extension/chromium.json"),
        Browser::Firefox => include_str!("../../extension/firefox.json"),
    };
    fs::create_dir_all(folder)?;
    fs::write(
        folder.join("manifest.json"),
        manifest.replace(&format!("{PROVIDER}/*"), &hosts),
    )?;
    for (name, script) in SCRIPTS {
        fs::write(folder.join(name), script.replace(PROVIDER, &origin))?;
    }
    fs::canonicalize(folder)
}

/// Returns the provider's origin, and the pattern of hosts that covers it: patterns have no ports.
fn addresses(provider: &str) -> io::Result<(String, String)> {
    let url = Url::parse(provider).ok();
    let parts = url.as_ref().and_then(|url| {
        let web = matches!(url.scheme(), "http" | "https");
        url.host_str().filter(|_| web).map(|host| (url, host))
    });
    let Some((url, host)) = parts else {
        let message = format!(
            "the provider's address {provider:?} is not an origin; give one like {PROVIDER}"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    };
    let hosts = format!("{}://{host}/*", url.scheme());
    Ok((url.origin().ascii_serialization(), hosts))
}
