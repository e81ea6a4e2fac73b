//! A policy in Graph's shape over HTTP.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use hyper::Method;
use passkey_model::target::{self, Answered, Graph};
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::PolicyError;
use crate::{
    run,
    target::{ReadyTarget, Secrets},
};

/// How often a policy is read until it is in force: nobody tells us.
const LOOK: Duration = Duration::from_millis(500);

/// Where the policy is.
pub(super) struct Tenant {
    pub(super) graph: Graph,
    address: SocketAddr,
    host: String,
    token: Option<String>,
    secrets: Secrets,
    pace: Option<Arc<run::Pace>>,
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{}", self.address, self.host, self.graph.path)
    }
}

/// Without the token.
impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tenant({self})")
    }
}

impl Tenant {
    pub(super) fn new(graph: Graph, target: &ReadyTarget) -> Self {
        let host = graph.host.clone();
        Self {
            address: graph.address.unwrap_or(target.address),
            host: host.unwrap_or_else(|| target.file.host().to_owned()),
            token: target.policy_token.clone(),
            secrets: Secrets::of(target),
            pace: target.pace.clone(),
            graph,
        }
    }

    /// Returns host and path, for a person who has to go there.
    pub(super) fn location(&self) -> String {
        format!("{}{}", self.host, self.graph.path)
    }

    pub(super) async fn read(&self) -> Result<Value, PolicyError> {
        let said = self.ask(Method::GET, &Value::Null).await?;
        let read = said.json().filter(|_| said.is_success());
        read.filter(Value::is_object)
            .ok_or_else(|| PolicyError::Failed(format!("the policy cannot be read: {said}")))
    }

    /// Makes sure that nobody but the test group is under the policy.
    pub(super) fn guard(&self, target: &str, former: &Value) -> Result<(), PolicyError> {
        let group = self.graph.group.clone().unwrap_or_default();
        match self.graph.others(former) {
            None => Ok(()),
            Some(other) => Err(PolicyError::Others {
                target: target.to_owned(),
                other,
                group,
            }),
        }
    }

    pub(super) async fn change(&self, document: &Value) -> Result<(), PolicyError> {
        let said = self.ask(Method::PATCH, document).await?;
        if said.is_success() {
            Ok(())
        } else {
            Err(PolicyError::Refused(said))
        }
    }

    /// Puts a policy back: a tenant that is busy, or not there for a moment, is asked again within the limit.
    pub(super) async fn restore(&self, former: &Value) -> Result<(), PolicyError> {
        let deadline = self.deadline();
        loop {
            let next = Instant::now() + LOOK;
            match self.put_back(former).await {
                Ok(()) => return Ok(()),
                Err(PolicyError::Refused(said)) if !is_for_now(said.status) => {
                    return Err(PolicyError::Refused(said));
                }
                Err(error) if next >= deadline => return Err(error),
                Err(_) => sleep_until(next).await,
            }
        }
    }

    async fn put_back(&self, former: &Value) -> Result<(), PolicyError> {
        self.change(former).await?;
        self.until_in_force(former).await?;
        self.take_away_what_was_added(former).await
    }

    /// Empties what was not there before the run: a change leaves alone what it does not name.
    async fn take_away_what_was_added(&self, former: &Value) -> Result<(), PolicyError> {
        let added = target::added(&self.read().await?, former);
        if added.is_empty() {
            return Ok(());
        }
        let left = PolicyError::Failed(format!(
            "the policy has what was not there before the run, and keeps it: {}",
            added.join(", ")
        ));
        let kind = target::that_restores(&Value::Null);
        let mut document = kind.as_object().cloned().unwrap_or_default();
        document.extend(added.into_iter().map(|name| (name, Value::Null)));
        let document = Value::Object(document);
        self.change(&document).await?;
        let emptied = self.until_in_force(&document).await;
        emptied.map_err(|_| left)
    }

    /// Reads until what is read is what was set; what cannot be read for a moment is read again.
    pub(super) async fn until_in_force(&self, document: &Value) -> Result<(), PolicyError> {
        let deadline = self.deadline();
        loop {
            let next = Instant::now() + LOOK;
            let why = match self.read().await {
                Ok(read) if target::is_in_force(&read, document) => return Ok(()),
                Ok(_) => String::new(),
                Err(error) => format!(": {error}"),
            };
            if next >= deadline {
                let limit = self.graph.effective_within_seconds;
                return Err(PolicyError::NotInForce { limit, why });
            }
            sleep_until(next).await;
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_secs(self.graph.effective_within_seconds)
    }

    async fn ask(&self, method: Method, body: &Value) -> Result<Answered, PolicyError> {
        if let Some(pace) = &self.pace {
            pace.wait().await;
        }
        let token = self.token.as_deref();
        let place = (self.address, self.host.as_str());
        let said = run::tell(place, method, &self.graph.path, token, body).await;
        let mut said = said.map_err(PolicyError::Failed)?;
        if !said.is_success() {
            // Its words are told, and it may say the token again.
            let words = String::from_utf8_lossy(&said.body).into_owned();
            said.body = self.secrets.veiled(words).into_bytes();
        }
        Ok(said)
    }
}

/// Tells whether a status says to come back later.
fn is_for_now(status: u16) -> bool {
    status == 429 || status >= 500
}
