//! Tokens against cross-site requests, where a target wants one with what it is sent.

use std::collections::BTreeMap;

use hyper::{HeaderMap, Method};
use passkey_model::{
    target::{Call, Csrf, Pattern},
    verdict::Outcome,
};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{api::Api, http::Message, speech::unclear};

/// The token of each session.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens(BTreeMap<String, String>);

impl Tokens {
    pub(super) fn of(&self, session: &str) -> Option<&str> {
        self.0.get(session).map(String::as_str)
    }

    pub(super) fn forget(&mut self, session: &str) {
        self.0.remove(session);
    }

    /// Reads the token of a session before a request, where it stands in a cookie or on a page.
    pub(super) async fn find(
        &mut self,
        csrf: Option<&Csrf>,
        api: &mut Api,
        session: &str,
    ) -> Result<(), Outcome> {
        let found = match csrf {
            Some(Csrf {
                cookie: Some(name), ..
            }) => in_cookie(api, session, name).await?,
            Some(Csrf {
                page: Some(page),
                pattern: Some(pattern),
                ..
            }) if !self.0.contains_key(session) => on_page(api, session, page, pattern).await?,
            _ => return Ok(()),
        };
        self.0.insert(session.to_owned(), found);
        Ok(())
    }

    /// Notes the token in the headers of an answer; forgets one that stood on a page before somebody signed in or out, since many sites
    /// make another one then.
    pub(super) fn note(
        &mut self,
        csrf: Option<&Csrf>,
        (session, call): (&str, &Call),
        headers: &HeaderMap,
    ) {
        let Some(csrf) = csrf else {
            return;
        };
        let header = csrf.header.as_ref();
        let token = header.and_then(|name| headers.get(name.as_str()));
        if let Some(token) = token.and_then(|token| token.to_str().ok()) {
            self.0.insert(session.to_owned(), token.to_owned());
        }
        if csrf.page.is_some() && matches!(call, Call::LetIn | Call::Result(_) | Call::SignOut) {
            self.forget(session);
        }
    }
}

/// Returns the token in a cookie as scripts read it; where it is not there yet, the first page has to set it.
async fn in_cookie(api: &mut Api, session: &str, name: &str) -> Result<String, Outcome> {
    let held = |api: &Api| api.cookies(session).and_then(|jar| jar.get(name).cloned());
    if held(api).is_none() {
        let message = Message::json(Method::GET, "/", &Value::Null);
        api.carry(session, message).await?;
    }
    let token = held(api).ok_or_else(|| {
        unclear(format!(
            "the cookie {name}, which has the token against cross-site requests, is not set, nor does GET / set it"
        ))
    })?;
    let token = percent_decode_str(&token).decode_utf8_lossy();
    Ok(token.into_owned())
}

async fn on_page(
    api: &mut Api,
    session: &str,
    page: &str,
    pattern: &Pattern,
) -> Result<String, Outcome> {
    let message = Message::json(Method::GET, page, &Value::Null);
    let (said, _) = api.carry(session, message).await?;
    let text = String::from_utf8_lossy(&said.body);
    pattern.first_group(&text).ok_or_else(|| {
        unclear(format!(
            "the page {page} has no token against cross-site requests: {said}"
        ))
    })
}
