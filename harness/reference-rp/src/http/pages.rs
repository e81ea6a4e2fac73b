//! The pages for people and their browsers: plain HTML, CSS and ES modules.
//!
//! `/`, `/sign-in` and `/account` are one document, which shows what the session calls for; `/endpoints` lists the API;
//! `/embedded` embeds the first of them in an iframe, with `allow` when it is asked for as `/embedded?allowed`. What the
//! document loads is under `/pages/`.
//!
//! # What a test driver may rely on
//!
//! On `body`:
//! - `data-state`: `busy` until the page has loaded, then `ready`; `busy` while something is done, then `done` or `failed`.
//! - `data-did`: what was done or, when the state is `failed`, tried: `registered`, `signed-in`, `signed-out`, `deleted`.
//! - `data-error`: why it failed: the name of the `DOMException`, `rejected` (the relying party refused) or `unreachable`
//!   (it did not answer within ten seconds). `data-reasons`: the reasons of a refusal, separated by blanks. Both are absent
//!   otherwise.
//!
//! When something has settled, and words and lists on the page are up to date, `document` gets the event `settled` with
//! `detail: {did, state, error, reasons}`. What another ceremony replaces (conditional sign-in) settles without an event.
//! While the state is `busy`, all buttons but `#cancel` are disabled.
//!
//! Nobody is signed in: `#username` (may stay empty), `#sign-in`, `#other-ways` (shows `#another-way`), `#another-way` with
//! `#pass` and `#use-pass`. It is hidden at first, unless the browser has no passkeys, and shown by every failure.
//!
//! Somebody is: `#user`, `#passkeys` with `li[data-id][data-transports]` (transports separated by blanks) and a `.delete`
//! button in each, `#register`, `#register-here` (only where the client can), `#other-places` (in its place),
//! `#register-elsewhere`, `#sign-out`.
//!
//! Always: `#words` (`role=alert`, what went wrong), `#news` (`role=status`, what was done), `#cancel` (while a ceremony waits).
//!
//! With the query `autofill`, conditional sign-in is under way by the time that the state is `ready`, if the client says that
//! it is available (Chromium does not without an internal authenticator). If its options are refused, the state is `failed`
//! without having been `ready`.

pub(super) mod browsers;

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    http::{HeaderName, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use super::{Config, state::State};
use crate::defects::Defect;

/// Where what the pages load is.
pub(super) const ASSETS: &str = "/pages/";
const HINTS: &str =
    "Sec-CH-UA-Platform, Sec-CH-UA-Platform-Version, Sec-CH-UA-Model, Sec-CH-UA-Mobile, Sec-CH-UA";

type App = Extension<Arc<State>>;

/// What the pages need of the configuration; it does not change.
#[derive(Debug)]
pub(super) struct Site {
    origin: String,
    related_origins: Vec<String>,
    /// The directive of the content security policy that says who may embed.
    frame_ancestors: String,
    /// The attributes of the session's cookie that say where it is sent.
    pub same_site: &'static str,
}

impl Site {
    pub(super) fn new(config: &Config) -> Self {
        let embedders = config.embedders.iter();
        Self {
            origin: config.expected.origins.first().cloned().unwrap_or_default(),
            related_origins: config.related_origins.clone(),
            frame_ancestors: embedders.fold("'self'".to_owned(), |list, origin| {
                format!("{list} {origin}")
            }),
            // In an iframe on another site, a cookie is sent only if it is meant to be.
            same_site: if config.embedders.is_empty() {
                "Strict"
            } else {
                "None; Partitioned"
            },
        }
    }

    /// Answers with a document; `more` stands in its content security policy too.
    fn page(&self, html: String, more: &str) -> Response {
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
             form-action 'none'; base-uri 'none'; frame-ancestors {}{more}",
            self.frame_ancestors
        );
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, &policy),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (HeaderName::from_static("accept-ch"), HINTS),
        ];
        // An embedder that is no text of a header is the configuration's mistake, and an error 500.
        (headers, html).into_response()
    }
}

/// Makes the router of the pages.
pub(super) fn router() -> Router {
    let css = "text/css; charset=utf-8";
    let js = "text/javascript; charset=utf-8";
    let mut router = Router::new()
        .route("/", get(app))
        .route("/sign-in", get(app))
        .route("/account", get(app))
        .route("/endpoints", get(endpoints))
        .route("/embedded", get(embedded))
        .route("/.well-known/webauthn", get(related_origins));
    for (name, kind, text) in [
        ("style.css", css, include_str!("pages/style.css")),
        ("app.js", js, include_str!("pages/app.js")),
        ("api.js", js, include_str!("pages/api.js")),
        ("ceremony.js", js, include_str!("pages/ceremony.js")),
        ("signals.js", js, include_str!("pages/signals.js")),
        ("view.js", js, include_str!("pages/view.js")),
        ("words.js", js, include_str!("pages/words.js")),
    ] {
        let headers = [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "max-age=3600"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        let asset = move || async move { (headers, text) };
        router = router.route(&format!("{ASSETS}{name}"), get(asset));
    }
    router
}

/// Whatever else is answered is about one session at one moment.
pub(super) fn forbid_storing(response: &mut Response) {
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

async fn app(Extension(state): App) -> Response {
    let html = include_str!("pages/app.html");
    let always = state.has(Defect::SameDeviceAlwaysOffered);
    let offer = if always { "always" } else { "where-it-works" };
    state
        .site
        .page(html.replace("SAME_DEVICE_OFFER", offer), "")
}

async fn endpoints(Extension(state): App) -> Response {
    let html = include_str!("pages/endpoints.html");
    state.site.page(html.to_owned(), "")
}

async fn embedded(Extension(state): App, uri: Uri) -> Response {
    let allow = match uri.query() {
        Some("allowed") => r#" allow="publickey-credentials-get; publickey-credentials-create""#,
        _ => "",
    };
    let origin = &state.site.origin;
    let html = include_str!("pages/embedded.html")
        .replace("ORIGIN", origin)
        .replace(" ALLOW", allow);
    state.site.page(html, &format!("; frame-src {origin}"))
}

/// Answers as WebAuthn L3, 5.11.1 has it.
async fn related_origins(Extension(state): App) -> Response {
    let origins = &state.site.related_origins;
    if origins.is_empty() {
        return StatusCode::NOT_FOUND.into_response();
    }
    Json(json!({ "origins": origins })).into_response()
}
