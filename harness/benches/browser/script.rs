//! The bare script: the WebDriver commands that a row sends, in the row's order, and nothing else of the harness.

use std::sync::Arc;

use fantoccini::{Client, wd::WebDriverCompatibleCommand};
use http::Method;
use passkey_harness::browser::{Look, Place, Session, emulation};
use passkey_model::{lane::Browser, platform::UserAgent};
use passkey_reference_rp::RunningRp;
use serde_json::{Value, json};
use url::{ParseError, Url};

use super::site::{self, Minimal};

const REGISTER: &str = include_str!("register.js");
const SIGN_IN: &str = include_str!("sign-in.js");
const FORGET: &str = include_str!("../../src/browser/page/forget.js");

/// A browser with a relying party.
pub(super) struct Script {
    session: Session,
    _relying_party: RunningRp,
}

impl Script {
    /// Starts a browser as a row has it, and a relying party with so many users.
    pub(super) async fn start(place: &Place, user_agent: &UserAgent, users: usize) -> Self {
        let session = Session::start(Browser::Chromium, place, Look::default(), None).await;
        let session = session.expect("a browser");
        let worn = emulation::wear(session.client(), Browser::Chromium, Some(user_agent));
        worn.await.expect("the user agent");
        let relying_party = site::relying_party(users).await;
        session.route(Some(Arc::new(Minimal::of(relying_party.address()))));
        Self {
            session,
            _relying_party: relying_party,
        }
    }

    /// Registers a user's passkey, signs in with it, and leaves the browser as it was.
    pub(super) async fn once(&self, user: usize) {
        let client = self.session.client();
        client.execute("return 1", vec![]).await.expect("a browser");
        let enable = json!({ "cmd": "WebAuthn.enable", "params": { "enableUI": false } });
        send(client, Method::POST, "goog/cdp/execute", Some(enable)).await;
        client.goto(site::ORIGIN).await.expect("the page");

        let authenticator = add_authenticator(client).await;
        run(
            client,
            REGISTER,
            vec![json!(site::user(user)), json!(site::PASS)],
        )
        .await;
        let passkeys = take_away(client, &authenticator).await;

        let authenticator = add_authenticator(client).await;
        let path = format!("webauthn/authenticator/{authenticator}/credential");
        send(client, Method::POST, &path, Some(passkeys[0].clone())).await;
        run(client, SIGN_IN, vec![]).await;
        take_away(client, &authenticator).await;

        client.delete_all_cookies().await.expect("no cookies");
        let forgotten = client.execute_async(FORGET, vec![]).await;
        forgotten.expect("an empty storage");
    }

    pub(super) async fn close(self) {
        self.session.close().await;
    }
}

async fn add_authenticator(client: &Client) -> String {
    let wanted = json!({
        "protocol": "ctap2_1",
        "transport": "internal",
        "hasResidentKey": true,
        "hasUserVerification": true,
        "isUserVerified": true,
        "defaultBackupEligibility": true,
        "defaultBackupState": true,
    });
    let added = send(client, Method::POST, "webauthn/authenticator", Some(wanted)).await;
    added.as_str().expect("an authenticator").to_owned()
}

/// Takes an authenticator away and returns its passkeys.
async fn take_away(client: &Client, authenticator: &str) -> Value {
    let path = format!("webauthn/authenticator/{authenticator}");
    let passkeys = send(client, Method::GET, &format!("{path}/credentials"), None).await;
    send(client, Method::DELETE, &path, None).await;
    passkeys
}

/// Runs a script, which says what the page's state is at the end.
async fn run(client: &Client, script: &str, arguments: Vec<Value>) {
    let state = client.execute_async(script, arguments).await;
    assert_eq!(state.expect("a state"), json!("done"));
}

async fn send(client: &Client, method: Method, path: &str, body: Option<Value>) -> Value {
    let command = Command {
        method,
        path: path.to_owned(),
        body: body.map(|body| body.to_string()),
    };
    client.issue_cmd(command).await.expect("a command")
}

/// A command that fantoccini does not know.
#[derive(Debug)]
struct Command {
    method: Method,
    path: String,
    body: Option<String>,
}

impl WebDriverCompatibleCommand for Command {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/{}", self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (self.method.clone(), self.body.clone())
    }
}
