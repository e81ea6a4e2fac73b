//! Looks at a relying party's page and writes a target file with what was found there, and with what has to be filled in.

mod fetch;
mod look;
mod write;

use std::{collections::BTreeSet, net::SocketAddr};

use hyper::Method;
use serde_json::{Value, json};
use tokio::net::lookup_host;
use url::Url;

pub use look::{Endpoints, Page, Part};
pub use write::write;

use fetch::{Got, fetch};

/// How many scripts of a page are read.
const MOST_SCRIPTS: usize = 16;
const WELL_KNOWN: &str = "/.well-known/webauthn";
const FIDO_OPTIONS: &str = "/attestation/options";

/// What was found of a relying party.
#[derive(Clone, Debug)]
pub struct Found {
    /// The address that was looked at.
    pub url: Url,
    /// Where it listens; nothing where it is reached over TLS, which is not spoken here.
    pub address: Option<SocketAddr>,
    /// The RP ID that its options name.
    pub rp_id: Option<String>,
    /// Whether it answers as FIDO's conformance tests expect.
    pub fido_api: bool,
    /// The origins that may use its passkeys, too.
    pub related_origins: Vec<String>,
    /// What its page and their scripts say.
    pub page: Page,
    /// What could not be looked at, in words.
    pub notes: Vec<String>,
}

/// Says why a relying party cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The address is no address of a page.
    #[error("'{0}' is not the address of a page: expected one as http://localhost:8080/login")]
    Url(String),
    /// It does not answer.
    #[error("{url} cannot be read: {cause}; start the relying party, or correct the address")]
    Unreachable {
        /// The address.
        url: Url,
        /// What happened.
        cause: String,
    },
}

/// Looks at a relying party.
///
/// # Errors
/// When the address is none, or nobody answers there.
pub async fn look(text: &str) -> Result<Found, InitError> {
    let no_url = || InitError::Url(text.to_owned());
    let url = Url::parse(text).map_err(|_| no_url())?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(no_url());
    }
    let mut found = Found {
        address: None,
        rp_id: None,
        fido_api: false,
        related_origins: Vec::new(),
        page: Page::default(),
        notes: Vec::new(),
        url,
    };
    if found.url.scheme() == "https" {
        let note = "its page was not looked at: passkey-harness speaks plain HTTP alone, and the address is one of https; give the address where the relying party listens behind its TLS";
        found.notes.push(note.to_owned());
        return Ok(found);
    }
    let unreachable = |cause: String| InitError::Unreachable {
        url: found.url.clone(),
        cause,
    };
    let address = resolve(&found.url).await.map_err(unreachable)?;
    found.address = Some(address);
    let page = fetch(address, &found.url, Method::GET, &Value::Null).await;
    let page = page.map_err(unreachable)?;
    found.read_page(address, &page).await;
    found.ask_well_known(address).await;
    found.ask_fido(address).await;
    Ok(found)
}

/// Returns where a host listens, over IPv4 if it does.
async fn resolve(url: &Url) -> Result<SocketAddr, String> {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().unwrap_or(80);
    let found = lookup_host((host, port)).await;
    let found: Vec<SocketAddr> = found.map_err(|error| error.to_string())?.collect();
    let four = found.iter().find(|address| address.is_ipv4());
    let any = four.or(found.first()).copied();
    any.ok_or_else(|| format!("{host} has no address"))
}

impl Found {
    async fn read_page(&mut self, address: SocketAddr, page: &Got) {
        if !(200..=299).contains(&page.status) {
            let note = format!("{} was answered with status {}", self.url, page.status);
            self.notes.push(note);
        }
        let text = page.text();
        let mut texts = vec![text.clone()];
        let mut scripts = BTreeSet::new();
        for source in look::scripts(&text) {
            match self.url.join(&source) {
                Ok(script) if script.origin() == self.url.origin() => {
                    scripts.insert(script);
                }
                Ok(script) => self.notes.push(format!(
                    "the script {script} is of another origin, and was not read"
                )),
                Err(_) => {}
            }
        }
        if scripts.len() > MOST_SCRIPTS {
            let note = format!("of {} scripts {MOST_SCRIPTS} were read", scripts.len());
            self.notes.push(note);
        }
        for script in scripts.into_iter().take(MOST_SCRIPTS) {
            match fetch(address, &script, Method::GET, &Value::Null).await {
                Ok(got) if got.status == 200 => texts.push(got.text()),
                Ok(got) => self.notes.push(format!(
                    "the script {script} was answered with status {}",
                    got.status
                )),
                Err(cause) => self
                    .notes
                    .push(format!("the script {script} cannot be read: {cause}")),
            }
        }
        self.page = Page::of(&texts);
    }

    async fn ask_well_known(&mut self, address: SocketAddr) {
        let Ok(url) = self.url.join(WELL_KNOWN) else {
            return;
        };
        let got = fetch(address, &url, Method::GET, &Value::Null).await;
        let Some(json) = got
            .ok()
            .filter(|got| got.status == 200)
            .and_then(|got| got.json())
        else {
            return;
        };
        let origins = json["origins"].as_array().into_iter().flatten();
        let origins = origins.filter_map(Value::as_str).map(str::to_owned);
        self.related_origins = origins.collect();
    }

    async fn ask_fido(&mut self, address: SocketAddr) {
        let Ok(url) = self.url.join(FIDO_OPTIONS) else {
            return;
        };
        let body = json!({
            "username": "passkey-harness-init",
            "displayName": "passkey-harness init",
            "authenticatorSelection": {},
            "attestation": "none",
        });
        let got = fetch(address, &url, Method::POST, &body).await;
        let Some(json) = got
            .ok()
            .filter(|got| got.status == 200)
            .and_then(|got| got.json())
        else {
            return;
        };
        self.fido_api = json["status"] == "ok" && json["challenge"].is_string();
        let rp_id = json.pointer("/rp/id").and_then(Value::as_str);
        self.rp_id = rp_id.filter(|_| self.fido_api).map(str::to_owned);
    }
}
