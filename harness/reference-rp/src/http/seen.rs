//! What requests the relying party saw.

use std::sync::{Mutex, PoisonError};

use axum::{
    extract::Request,
    http::{HeaderMap, header},
};

use super::pages::ASSETS;

const MOST_SEEN: usize = 10_000;

/// A request, without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The header `User-Agent`.
    pub user_agent: Option<String>,
    /// The headers in their order, names in lower case; without cookies and without what is no ASCII text.
    pub headers: Vec<(String, String)>,
}

/// The requests that were seen.
#[derive(Debug, Default)]
pub(super) struct Log(Mutex<Vec<Seen>>);

impl Log {
    /// Notes a request, unless it is for what a page loads.
    pub(super) fn note(&self, request: &Request) {
        let path = request.uri().path();
        if path.starts_with(ASSETS) {
            return;
        }
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < MOST_SEEN {
            let headers = texts(request.headers());
            let agent = headers.iter().find(|(name, _)| name == "user-agent");
            seen.push(Seen {
                method: request.method().to_string(),
                path: path.to_owned(),
                user_agent: agent.map(|(_, agent)| agent.clone()),
                headers,
            });
        }
    }

    pub(super) fn all(&self) -> Vec<Seen> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let kept = headers.iter().filter(|(name, _)| *name != header::COOKIE);
    kept.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect()
}
