//! The site that browsers are verified on: one page, and a passkey provider for the extension.

use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
};

use http::{HeaderValue, StatusCode, header};
use hyper::body::Bytes;
use passkey_authenticators::{Client, ClientError, SoftwareAuthenticator, Values, seed::Seed};
use passkey_model::{
    Aaguid,
    provider::{
        Algorithm, AttestationKind, AuthenticatorModel, Engine, SignCounter, Transport,
        UserVerification,
    },
};
use serde_json::{Value, json};

use crate::browser::{Request, Response, Site};

/// The page's origin.
pub(super) const ORIGIN: &str = "https://login.rp.test";
const HOST: &str = "login.rp.test";
/// The RP ID of its passkeys.
pub(super) const RP_ID: &str = "rp.test";
/// Where the extension finds its provider.
pub(super) const PROVIDER: &str = "https://provider.test";
const PROVIDER_HOST: &str = "provider.test";
/// The AAGUID of the provider's passkeys: one that no browser has of its own.
pub(super) const AAGUID: [u8; 16] = *b"passkey-harness.";

const PAGE: &str = include_str!("page.html");

/// The site.
pub(super) struct DoctorSite {
    /// The `User-Agent` header of the last request for the page.
    user_agent: Mutex<String>,
    provider: Mutex<SoftwareAuthenticator>,
}

impl DoctorSite {
    pub(super) fn new() -> Self {
        Self {
            user_agent: Mutex::default(),
            provider: Mutex::new(SoftwareAuthenticator::new(model(), Seed::new(0, "doctor"))),
        }
    }

    /// Returns the user agent that the last request for the page named.
    pub(super) fn user_agent(&self) -> String {
        let seen = self.user_agent.lock();
        seen.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn page(&self, request: &Request) -> Response {
        let user_agent = request.headers.get(header::USER_AGENT);
        let user_agent = user_agent.and_then(|value| value.to_str().ok());
        let mut seen = self
            .user_agent
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *seen = user_agent.unwrap_or_default().to_owned();
        response("text/html; charset=utf-8", PAGE.to_owned())
    }

    /// Answers a call of the extension, as its `page.js` has it.
    fn call(&self, call: &Value) -> Value {
        let mut provider = self.provider.lock().unwrap_or_else(PoisonError::into_inner);
        let client = Client {
            origin: ORIGIN.to_owned(),
            top_origin: None,
            cross_platform: false,
            conditional: false,
        };
        let (options, values) = (&call["options"], Values::new());
        let made = match call["kind"].as_str() {
            Some("create") => client.create(&mut provider, options, None, &values),
            Some("get") => client.get(&mut provider, options, None, &values),
            _ => return json!({ "do": "browser" }),
        };
        let error = |name: &str, message: String| json!({ "do": "error", "name": name, "message": message });
        match made {
            Ok(made) => json!({ "do": "credential", "credential": made.response }),
            Err(ClientError::Refused(name)) => error(name, name.to_owned()),
            Err(other) => error("UnknownError", other.to_string()),
        }
    }
}

impl Site for DoctorSite {
    fn serves(&self, host: &str) -> bool {
        [HOST, PROVIDER_HOST].contains(&host)
    }

    fn answer(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send + '_>> {
        let answer = match (request.host.as_str(), request.target.as_str()) {
            (HOST, "/") => self.page(&request),
            (PROVIDER_HOST, "/call") => {
                let call = serde_json::from_slice(&request.body).unwrap_or_default();
                response("application/json", self.call(&call).to_string())
            }
            _ => {
                let mut nothing = response("text/plain", "there is nothing here".to_owned());
                *nothing.status_mut() = StatusCode::NOT_FOUND;
                nothing
            }
        };
        Box::pin(async move { answer })
    }
}

fn response(content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Bytes::from(body));
    let content_type = HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

fn model() -> AuthenticatorModel {
    AuthenticatorModel {
        aaguid: Aaguid::from(AAGUID),
        backup_eligible: true,
        backup_state: true,
        attestation: AttestationKind::None,
        transports: vec![Transport::Internal],
        user_verification: UserVerification::Verifies,
        algorithms: vec![Algorithm::ES256],
        sign_counter: SignCounter::Zero,
        engine: Engine::Model,
    }
}
