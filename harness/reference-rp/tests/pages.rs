//! The pages from outside: headers, what they ask of the API, who may do what, and what defects change.

#![allow(clippy::unwrap_used)]

mod key;

use key::Key;
use passkey_reference_rp::{Clock, Config, Defect, Defects, Expected, RunningRp, User};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const ORIGIN: &str = "https://login.rp.test";
const NOW: u64 = 1_767_225_600;
const WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)";
const MAC: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)";
const ANDROID: &str = "Mozilla/5.0 (Linux; Android 15; Pixel 9)";
const OPTIONS: [&str; 2] = [
    "/webauthn/registration/options",
    "/webauthn/authentication/options",
];

fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::new(Expected {
        algorithms: vec![-7],
        ..Expected::new("rp.test", ORIGIN)
    });
    config.users = ["alice", "bob"]
        .map(|name| User {
            name: name.to_owned(),
            groups: Vec::new(),
            guest: false,
            temporary_access_pass: "pass".to_owned(),
        })
        .into();
    config.clock = Clock::Fixed(NOW);
    change(&mut config);
    config
}

struct Answer {
    status: u16,
    head: String,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        pairs
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

/// A relying party with one browser.
struct Browser {
    rp: RunningRp,
    agent: String,
    cookie: Option<String>,
}

impl Browser {
    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let rp = RunningRp::start(config(change), listener).unwrap();
        let agent = WINDOWS.to_owned();
        Self {
            rp,
            agent,
            cookie: None,
        }
    }

    async fn send(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let cookie = self.cookie.as_ref();
        let cookie = cookie.map_or(String::new(), |cookie| format!("cookie: {cookie}\r\n"));
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: any.test\r\nuser-agent: {}\r\ncontent-type: application/json\r\n\
             {cookie}content-length: {}\r\nconnection: close\r\n\r\n{body}",
            self.agent,
            body.len()
        );
        let mut stream = TcpStream::connect(self.rp.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        let answer = Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            text: text.to_owned(),
        };
        if let Some(cookie) = answer.header("set-cookie") {
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        answer
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &Value::Null).await
    }

    async fn let_in(&mut self, name: &str) -> Answer {
        self.cookie = None;
        let body = json!({ "username": name, "temporaryAccessPass": "pass" });
        let answer = self.send("POST", "/session/bootstrap", &body).await;
        assert_eq!(answer.status, 200);
        answer
    }

    async fn register(&mut self, key: &Key) -> String {
        self.let_in("alice").await;
        let options = self.send("POST", OPTIONS[0], &json!({})).await.json();
        let response = key.create(options["challenge"].as_str().unwrap());
        let answer = self.send("POST", "/webauthn/registration", &response).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["credentialId"].as_str().unwrap().to_owned()
    }

    async fn sign_in(&mut self, key: &Key) -> Answer {
        self.cookie = None;
        let options = self.send("POST", OPTIONS[1], &json!({})).await.json();
        let response = key.get(options["challenge"].as_str().unwrap(), 2);
        self.send("POST", "/webauthn/authentication", &response)
            .await
    }
}

#[tokio::test]
async fn pages_run_only_scripts_of_their_own_and_ask_for_client_hints() {
    let mut browser = Browser::with(|_| ()).await;
    for path in ["/", "/sign-in", "/account", "/?autofill", "/endpoints"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(
            page.header("content-security-policy"),
            Some(
                "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                 form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
            )
        );
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert!(
            page.header("accept-ch")
                .unwrap()
                .contains("Sec-CH-UA-Platform-Version")
        );
        assert_eq!(page.header("permissions-policy"), None);
        assert!(!page.text.contains("style=") && !page.text.contains("onclick="));
    }
}

#[tokio::test]
async fn everything_that_the_pages_load_is_there_and_may_be_kept() {
    let mut browser = Browser::with(|_| ()).await;
    let page = browser.get("/").await.text;
    let quoted: Vec<&str> = page
        .split('"')
        .filter(|text| text.starts_with("/pages/"))
        .collect();
    assert!(quoted.len() > 2);
    for path in quoted {
        let asset = browser.get(path).await;
        assert_eq!(
            (asset.status, asset.header("cache-control")),
            (200, Some("max-age=3600"))
        );
        for module in asset.text.split('"').filter(|text| text.starts_with("./")) {
            let module = format!("/pages/{}", &module[2..]);
            assert!(page.contains(&module), "{module} is not loaded beforehand");
        }
    }
}

#[tokio::test]
async fn embedding_is_up_to_the_configuration_and_the_embedding_page() {
    let mut alone = Browser::with(|_| ()).await;
    let strict = alone.let_in("alice").await;
    assert!(
        strict
            .header("set-cookie")
            .unwrap()
            .ends_with("SameSite=Strict")
    );

    let embedders = vec!["https://partner.test".to_owned()];
    let mut browser = Browser::with(|config| config.embedders = embedders).await;
    let page = browser.get("/").await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.ends_with("frame-ancestors 'self' https://partner.test"));
    let cookie = browser.let_in("alice").await;
    assert!(
        cookie
            .header("set-cookie")
            .unwrap()
            .ends_with("Secure; SameSite=None; Partitioned")
    );

    let plain = browser.get("/embedded").await;
    let policy = plain.header("content-security-policy").unwrap();
    assert!(policy.ends_with("; frame-src https://login.rp.test"));
    assert!(
        plain
            .text
            .contains(r#"<iframe src="https://login.rp.test/""#)
    );
    assert!(!plain.text.contains("allow="));
    let allowed = browser.get("/embedded?allowed").await.text;
    assert!(
        allowed.contains(r#" allow="publickey-credentials-get; publickey-credentials-create""#)
    );
}

#[tokio::test]
async fn related_origins_are_published_and_their_responses_taken() {
    let mut browser = Browser::with(|_| ()).await;
    assert_eq!(browser.get("/.well-known/webauthn").await.status, 404);

    let related = vec![ORIGIN.to_owned(), "https://shop.test".to_owned()];
    let origins = vec!["https://shop.test".to_owned(), ORIGIN.to_owned()];
    let mut browser = Browser::with(|config| {
        config.related_origins = related.clone();
        config.expected.origins = origins;
    })
    .await;
    let published = browser.get("/.well-known/webauthn").await;
    assert_eq!(published.json(), json!({ "origins": related }));
    assert_eq!(published.header("content-type"), Some("application/json"));
    let key = Key::new();
    browser.register(&key).await;
    assert_eq!(browser.sign_in(&key).await.status, 200);
}

#[tokio::test]
async fn users_see_and_delete_their_own_passkeys_alone() {
    let mut browser = Browser::with(|_| ()).await;
    for (method, path) in [("GET", "/passkeys"), ("DELETE", "/passkeys/AAAA")] {
        let answer = browser.send(method, path, &Value::Null).await;
        assert_eq!(answer.json()["error"]["reasons"], json!(["state"]));
    }
    let key = Key::new();
    let id = browser.register(&key).await;
    let listed = browser.get("/passkeys").await;
    assert_eq!(
        listed.json(),
        json!([{
            "id": id,
            "transports": [],
            "passkeyType": "deviceBound",
            "aaguid": "00000000-0000-0000-0000-000000000000",
            "madeAt": NOW,
        }])
    );
    assert_eq!(listed.header("cache-control"), Some("no-store"));

    let path = format!("/passkeys/{id}");
    browser.let_in("bob").await;
    assert_eq!(browser.get("/passkeys").await.json(), json!([]));
    assert_eq!(
        browser.send("DELETE", &path, &Value::Null).await.status,
        404
    );
    browser.let_in("alice").await;
    assert_eq!(
        browser.send("DELETE", &path, &Value::Null).await.status,
        204
    );
    assert_eq!(browser.get("/passkeys").await.json(), json!([]));
    assert_eq!(
        browser.send("DELETE", &path, &Value::Null).await.status,
        404
    );

    let refused = browser.sign_in(&key).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["error"]["unknownCredential"], true);
}

#[tokio::test]
async fn a_known_credential_is_not_called_unknown() {
    let mut browser = Browser::with(|_| ()).await;
    let key = Key::new();
    browser.register(&key).await;
    assert_eq!(browser.sign_in(&key).await.status, 200);
    let refused = browser.sign_in(&key).await.json();
    assert_eq!(refused["error"]["reasons"], json!(["auth.22"]));
    assert_eq!(refused["error"]["unknownCredential"], Value::Null);
}

#[tokio::test]
async fn a_credential_that_is_not_named_is_not_called_unknown() {
    let mut browser = Browser::with(|_| ()).await;
    for raw_id in [Value::Null, json!("AQID=")] {
        let response = json!({ "type": "public-key", "response": {}, "rawId": raw_id });
        let path = "/webauthn/authentication";
        let refused = browser.send("POST", path, &response).await.json();
        assert_eq!(refused["error"]["reasons"], json!(["parse"]));
        assert_eq!(refused["error"]["unknownCredential"], Value::Null);
    }
}

#[tokio::test]
async fn the_session_says_what_signals_need() {
    let mut browser = Browser::with(|_| ()).await;
    let nobody = json!({ "user": null, "userHandle": null, "rpId": "rp.test" });
    assert_eq!(browser.get("/session").await.json(), nobody);
    browser.let_in("alice").await;
    let session = browser.get("/session").await.json();
    let options = browser.send("POST", OPTIONS[0], &json!({})).await.json();
    assert_eq!(session["user"], "alice");
    assert_eq!(session["userHandle"], options["user"]["id"]);
}

#[tokio::test]
async fn options_have_the_timeout_and_the_attachment_that_were_asked_for() {
    for (timeout, sent) in [(None, 300_000), (Some(1_500), 1_500)] {
        let mut browser = Browser::with(|config| config.options_timeout = timeout).await;
        browser.let_in("alice").await;
        for path in OPTIONS {
            let options = browser.send("POST", path, &json!({})).await.json();
            assert_eq!(options["timeout"], sent, "{path}");
        }
    }
    let mut browser = Browser::with(|_| ()).await;
    browser.let_in("alice").await;
    for (asked, sent) in [
        (json!("platform"), json!("platform")),
        (json!("cross-platform"), json!("cross-platform")),
        (json!("other"), Value::Null),
        (Value::Null, Value::Null),
    ] {
        let body = json!({ "authenticatorAttachment": asked });
        let options = browser.send("POST", OPTIONS[0], &body).await.json();
        let selection = &options["authenticatorSelection"];
        assert_eq!(selection["authenticatorAttachment"], sent);
    }
}

#[tokio::test]
async fn requests_are_seen_but_not_their_cookies_or_what_pages_load() {
    let mut browser = Browser::with(|_| ()).await;
    browser.let_in("alice").await;
    for path in ["/pages/app.js", "/account?autofill"] {
        assert_eq!(browser.get(path).await.status, 200);
    }
    let seen = browser.rp.seen();
    let paths: Vec<(&str, &str)> = seen
        .iter()
        .map(|seen| (seen.method.as_str(), seen.path.as_str()))
        .collect();
    assert_eq!(paths, [("POST", "/session/bootstrap"), ("GET", "/account")]);
    assert_eq!(seen[1].user_agent.as_deref(), Some(WINDOWS));
    let names: Vec<&str> = seen[1]
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert!(names.contains(&"host") && !names.contains(&"cookie"));
}

#[tokio::test]
async fn user_agents_are_turned_away_only_by_defects() {
    for (defect, agent, status) in [
        (None, ANDROID, 200),
        (None, MAC, 200),
        (Some(Defect::UserAgentAllowList), ANDROID, 403),
        (Some(Defect::UserAgentAllowList), MAC, 200),
        (Some(Defect::UserAgentVersionGate), ANDROID, 200),
        (Some(Defect::UserAgentVersionGate), MAC, 403),
        (Some(Defect::UserAgentVersionGate), WINDOWS, 200),
    ] {
        let mut browser =
            Browser::with(|config| config.defects = defect.into_iter().collect()).await;
        browser.agent = agent.to_owned();
        browser.let_in("alice").await;
        for path in OPTIONS {
            let answer = browser.send("POST", path, &json!({})).await;
            assert_eq!(answer.status, status, "{defect:?} {agent} {path}");
            if status == 403 {
                let error = &answer.json()["error"];
                let message = error["message"].as_str().unwrap();
                assert!(message.starts_with("this browser is not supported"));
                assert_eq!(error["reasons"], json!(["browser"]));
            }
        }
    }
}

#[tokio::test]
async fn the_same_device_is_offered_whatever_the_client_says_only_by_a_defect() {
    let mut sound = Browser::with(|_| ()).await;
    let attribute = "data-same-device-offer=\"always\"";
    assert!(!sound.get("/").await.text.contains(attribute));
    let mut browser =
        Browser::with(|config| config.defects = Defect::SameDeviceAlwaysOffered.into()).await;
    assert!(browser.get("/").await.text.contains(attribute));
}

#[test]
fn defects_of_pages_are_listed_apart() {
    for defect in Defect::PAGE {
        assert!(!Defect::ALL.contains(defect) && defect.live_only());
        assert_eq!(defect.name().parse(), Ok(*defect));
        let set: Defects = (*defect).into();
        assert_eq!(set.iter().collect::<Vec<_>>(), [*defect]);
    }
}
