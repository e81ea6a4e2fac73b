//! What a client does for the extensions that options ask for (WebAuthn L3, 10.1), and what it says of it.

use serde_json::{Map, Value, json};

use crate::{client::ClientError, options::text};

/// Returns the client extension outputs of a registration; the authenticator has neither large blobs nor prf.
pub(crate) fn of_creation(options: &Value, discoverable: bool) -> Value {
    outputs(options, |name| match name {
        "credProps" => Some(json!({ "rk": discoverable })),
        "appidExclude" => Some(json!(true)),
        "largeBlob" => Some(json!({ "supported": false })),
        "prf" => Some(json!({ "enabled": false })),
        _ => None,
    })
}

/// Returns the client extension outputs of a sign-in; `app_id_used` tells whether the credential is one that U2F made.
pub(crate) fn of_request(options: &Value, app_id_used: bool) -> Value {
    outputs(options, |name| match name {
        "appid" => Some(json!(app_id_used)),
        "largeBlob" | "prf" => Some(json!({})),
        _ => None,
    })
}

/// Returns the AppID that request options name in place of their RP ID (10.1.1).
///
/// It has to be of the relying party, or the client refuses: an https URL whose host is the RP ID or below it.
pub(crate) fn app_id<'a>(options: &'a Value, rp_id: &str) -> Result<Option<&'a str>, ClientError> {
    let Some(app_id) = text(options, "/extensions/appid") else {
        return Ok(None);
    };
    let rest = app_id.strip_prefix("https://").unwrap_or_default();
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    let below = host.strip_suffix(rp_id);
    if below.is_some_and(|before| before.is_empty() || before.ends_with('.')) {
        Ok(Some(app_id))
    } else {
        Err(ClientError::Refused("SecurityError"))
    }
}

fn outputs(options: &Value, output: impl Fn(&str) -> Option<Value>) -> Value {
    let asked = options.get("extensions").and_then(Value::as_object);
    let answered = asked.into_iter().flat_map(Map::keys);
    let answered = answered.filter_map(|name| Some((name.clone(), output(name)?)));
    Value::Object(answered.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_asked_for_is_not_answered() {
        let asked = json!({ "extensions": { "credProps": true, "example.extension": true } });
        assert_eq!(
            of_creation(&asked, true),
            json!({ "credProps": { "rk": true } })
        );
        assert_eq!(of_creation(&json!({}), true), json!({}));
        assert_eq!(of_request(&asked, false), json!({}));
    }

    #[test]
    fn an_app_id_of_another_site_is_refused() {
        let asked = |id: &str| json!({ "extensions": { "appid": id } });
        for id in ["https://rp.test", "https://login.rp.test:8443/u2f"] {
            assert_eq!(app_id(&asked(id), "rp.test"), Ok(Some(id)));
        }
        for id in [
            "https://evil.example",
            "https://evilrp.test",
            "http://rp.test",
        ] {
            let refused = Err(ClientError::Refused("SecurityError"));
            assert_eq!(app_id(&asked(id), "rp.test"), refused);
        }
        assert_eq!(app_id(&json!({}), "rp.test"), Ok(None));
    }
}
