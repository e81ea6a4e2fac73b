//! What the run itself tells a target, for no row: its policy.

use std::{net::SocketAddr, sync::Arc};

use hyper::{Method, header};
use passkey_model::target::{Answered, Exchange};
use serde_json::Value;

use super::{
    api::{Api, Reader},
    http::{Link, Message},
    speech::OfRow,
};
use crate::target::{ReadyTarget, Secrets};

/// Makes the requests that set a policy, which demands this.
///
/// # Errors
/// When one of them is not answered with yes.
pub(crate) async fn set_policy(
    target: &Arc<ReadyTarget>,
    exchanges: &[Exchange],
    demands: Value,
) -> Result<(), String> {
    let reader = Reader::Target(Arc::clone(target));
    let of_no_row = OfRow::default();
    let api = Api::connect(target.address, target.file.host(), reader, &of_no_row);
    let mut api = api.await.map_err(|error| error.to_string())?;
    let set = api.set_policy(exchanges, demands).await;
    let why = |outcome| format!("the policy cannot be set: {outcome}");
    set.map_err(|outcome| Secrets::of(target).veiled(why(outcome)))
}

/// Sends JSON with a bearer token, and returns what is answered.
///
/// # Errors
/// When nothing is.
pub(crate) async fn tell(
    (address, host): (SocketAddr, &str),
    method: Method,
    path: &str,
    token: Option<&str>,
    body: &Value,
) -> Result<Answered, String> {
    let mut message = Message::json(method, path, body);
    if let Some(token) = token {
        let name = header::AUTHORIZATION.to_string();
        message.headers.push((name, format!("Bearer {token}")));
    }
    let link = Link::connect(address, host).await;
    let mut link = link.map_err(|error| error.to_string())?;
    let answered = link.exchange(message).await;
    let (said, _) = answered.map_err(|outcome| format!("{path}: {outcome}"))?;
    Ok(said)
}
