//! Other tenants on the same server: accounts, sessions and passkeys of their own, behind a host of their own.

use std::sync::Arc;

use super::{Config, state::State};
use crate::verify::Record;

/// The other tenants, by host.
#[derive(Debug, Default)]
pub(super) struct Tenants(Vec<(String, Arc<State>)>);

impl Tenants {
    pub(super) fn new(configs: Vec<(String, Config)>) -> Self {
        let configs = configs.into_iter();
        Self(
            configs
                .map(|(host, config)| (host, Arc::new(State::new(config))))
                .collect(),
        )
    }

    /// Returns the tenant that is reached under a host.
    pub(super) fn at(&self, host: &str) -> Option<Arc<State>> {
        let found = self.0.iter().find(|(known, _)| known == host);
        found.map(|(_, state)| Arc::clone(state))
    }

    /// Returns every tenant.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<State>> {
        self.0.iter().map(|(_, state)| state)
    }

    /// Stores a passkey with every tenant.
    pub(super) fn share(&self, record: Option<&Record>) {
        for tenant in self.all() {
            tenant.memory().records.extend(record.cloned());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::*;
    use crate::http::User;

    fn server() -> State {
        let mut config = Config::new(crate::sample::expected());
        config.users = vec![User {
            name: "alice".to_owned(),
            groups: Vec::new(),
            guest: false,
            temporary_access_pass: "pass".to_owned(),
        }];
        let tenants = vec![("second.rp.test".to_owned(), config.clone())];
        State::new(Config { tenants, ..config })
    }

    fn let_in(state: &State) -> Option<String> {
        state.bootstrap(&json!({ "username": "alice", "temporaryAccessPass": "pass" }))
    }

    #[test]
    fn a_session_of_one_tenant_is_nobodys_at_another() {
        let first = server();
        let second = first.tenant("second.rp.test").unwrap();
        let session = let_in(&first);
        assert_eq!(first.who(session.as_deref())["user"], "alice");
        assert_eq!(second.who(session.as_deref())["user"], Value::Null);
        assert!(first.tenant("login.rp.test").is_none());
    }

    #[test]
    fn an_account_that_is_disabled_has_no_session() {
        let server = server();
        let session = let_in(&server);
        server.set_user("alice", None, None, Some(true));
        assert_eq!(server.who(session.as_deref())["user"], Value::Null);
        assert_eq!(let_in(&server), None);
        server.set_user("alice", None, None, Some(false));
        assert!(let_in(&server).is_some());
    }
}
