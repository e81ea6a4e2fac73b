//! The server from outside: sessions, challenges, policy, and answers to what is no request.

#![allow(clippy::unwrap_used)]

mod key;

use std::sync::Arc;

use key::Key;
use passkey_reference_rp::{Clock, Config, Defect, Defects, Expected, Recorded, RunningRp, User};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

const POLICY: &str =
    "/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/fido2";

fn expected() -> Expected {
    Expected {
        algorithms: vec![-7],
        ..Expected::new("rp.test", "https://login.rp.test")
    }
}

fn user(name: &str) -> User {
    User {
        name: name.to_owned(),
        groups: Vec::new(),
        guest: false,
        temporary_access_pass: "pass".to_owned(),
    }
}

struct Answer {
    status: u16,
    cookie: Option<String>,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    fn reasons(&self) -> Value {
        self.json()["error"]["reasons"].clone()
    }
}

/// A relying party with one browser.
struct Fixture {
    rp: RunningRp,
    cookie: Option<String>,
}

impl Fixture {
    async fn start(defects: impl Into<Defects>) -> Self {
        Self::with(|config| config.defects = defects.into()).await
    }

    async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new(expected());
        config.users = vec![user("alice"), user("bob")];
        config.clock = Clock::Fixed(1_767_225_600);
        change(&mut config);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let rp = RunningRp::start(config, listener).unwrap();
        Self { rp, cookie: None }
    }

    async fn raw(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.rp.address()).await.unwrap();
        let cookie = self.cookie.as_ref();
        let cookie = cookie.map_or(String::new(), |cookie| format!("cookie: {cookie}\r\n"));
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: login.rp.test\r\ncontent-type: {kind}\r\n{cookie}content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        let cookie = head
            .lines()
            .find_map(|line| line.strip_prefix("set-cookie: "))
            .map(|cookie| cookie.split(';').next().unwrap().to_owned());
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            cookie,
            text: text.to_owned(),
        }
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        self.raw(method, path, "application/json", body.as_bytes())
            .await
    }

    async fn post(&mut self, path: &str, body: &Value) -> Answer {
        let answer = self.send("POST", path, body).await;
        if answer.cookie.is_some() {
            self.cookie.clone_from(&answer.cookie);
        }
        answer
    }

    async fn let_in(&mut self, name: &str) {
        self.cookie = None;
        let body = json!({ "username": name, "temporaryAccessPass": "pass" });
        assert_eq!(self.post("/session/bootstrap", &body).await.status, 200);
    }

    async fn challenge(&mut self, path: &str, body: &Value) -> String {
        let options = self.post(path, body).await;
        assert_eq!(options.status, 200, "{}", options.text);
        options.json()["challenge"].as_str().unwrap().to_owned()
    }

    async fn register(&mut self, name: &str, key: &Key) -> Answer {
        self.let_in(name).await;
        let challenge = self
            .challenge("/webauthn/registration/options", &json!({}))
            .await;
        self.post("/webauthn/registration", &key.create(&challenge))
            .await
    }

    /// Makes a response to options that were asked for in a new session.
    async fn assertion(&mut self, key: &Key, count: u32, name: &str) -> Value {
        self.cookie = None;
        let body = json!({ "username": name });
        let challenge = self
            .challenge("/webauthn/authentication/options", &body)
            .await;
        key.get(&challenge, count)
    }

    async fn sign_in(&mut self, response: &Value) -> Answer {
        self.post("/webauthn/authentication", response).await
    }
}

fn policy(kinds: &str) -> Value {
    json!({
        "@odata.type": "#microsoft.graph.fido2AuthenticationMethodConfiguration",
        "state": "enabled",
        "isSelfServiceRegistrationAllowed": true,
        "defaultPasskeyProfile": "p",
        "includeTargets": [{ "id": "all_users", "allowedPasskeyProfiles": ["p"] }],
        "excludeTargets": [],
        "passkeyProfiles": [{
            "id": "p",
            "name": "p",
            "passkeyTypes": kinds,
            "attestationEnforcement": "disabled",
            "keyRestrictions": { "isEnforced": false, "enforcementType": "allow", "aaGuids": [] },
        }],
    })
}

#[tokio::test]
async fn a_user_registers_and_signs_in() {
    let mut rp = Fixture::start(Defects::NONE).await;
    let key = Key::new();
    assert_eq!(rp.register("alice", &key).await.status, 200);
    let response = rp.assertion(&key, 2, "alice").await;
    let answer = rp.sign_in(&response).await;
    assert_eq!(answer.json(), json!({ "user": "alice" }));
    let who = rp.send("GET", "/session", &Value::Null).await;
    assert_eq!(who.json()["user"], "alice");
    let view = rp
        .send("GET", "/admin/users/alice/passkeys", &Value::Null)
        .await;
    assert_eq!(view.json()[0]["signCount"], 2);
    let recorded = rp.rp.recorded();
    assert_eq!(recorded.len(), 2);
    assert!(
        recorded
            .iter()
            .all(|ceremony| ceremony.replay(&Defects::NONE).is_ok())
    );
}

#[tokio::test]
async fn what_was_refused_can_be_replayed_under_a_defect() {
    let mut rp = Fixture::start(Defects::NONE).await;
    let key = Key::new();
    rp.register("alice", &key).await;
    let response = rp.assertion(&key, 1, "alice").await;
    assert_eq!(rp.sign_in(&response).await.reasons(), json!(["auth.22"]));
    let recorded = rp.rp.recorded();
    let last: &Recorded = recorded.last().unwrap();
    assert_eq!(last.refused().unwrap().reasons, ["auth.22"]);
    assert_eq!(
        last.replay(&Defects::NONE).unwrap_err(),
        *last.refused().unwrap()
    );
    assert!(last.replay(&Defect::SignCountNotCompared.into()).is_ok());
}

#[tokio::test]
async fn a_challenge_is_good_once() {
    for (defect, second) in [(None, 400), (Some(Defect::ChallengeReusable), 200)] {
        let mut rp = Fixture::start(defect.into_iter().collect::<Defects>()).await;
        // A counter that rises would stand in for the challenge.
        let key = Key::new().without_counter();
        rp.register("alice", &key).await;
        let response = rp.assertion(&key, 0, "alice").await;
        assert_eq!(rp.sign_in(&response).await.status, 200);
        assert_eq!(rp.sign_in(&response).await.status, second);
    }
}

#[tokio::test]
async fn a_refused_response_uses_up_the_challenge() {
    let mut rp = Fixture::start(Defects::NONE).await;
    let key = Key::new();
    rp.register("alice", &key).await;
    let response = rp.assertion(&key, 2, "alice").await;
    let mut bad = response.clone();
    bad["response"]["signature"] = json!("AAAA");
    assert_eq!(rp.sign_in(&bad).await.reasons(), json!(["auth.21"]));
    assert_eq!(rp.sign_in(&response).await.reasons(), json!(["auth.11"]));
}

#[tokio::test]
async fn a_challenge_belongs_to_its_session_and_ceremony() {
    for (defect, other_session, other_ceremony) in [
        (None, 400, 400),
        (Some(Defect::ChallengeNotBoundToSession), 200, 400),
        (Some(Defect::ChallengeNotBoundToCeremony), 400, 200),
    ] {
        let mut rp = Fixture::start(defect.into_iter().collect::<Defects>()).await;
        let key = Key::new();
        rp.register("alice", &key).await;
        let stolen = rp.assertion(&key, 2, "alice").await;
        rp.assertion(&key, 2, "alice").await;
        assert_eq!(
            rp.sign_in(&stolen).await.status,
            other_session,
            "{defect:?}"
        );
        rp.let_in("alice").await;
        let challenge = rp
            .challenge("/webauthn/registration/options", &json!({}))
            .await;
        let response = key.get(&challenge, 3);
        assert_eq!(
            rp.sign_in(&response).await.status,
            other_ceremony,
            "{defect:?}"
        );
    }
}

#[tokio::test]
async fn a_challenge_expires() {
    for (defect, late) in [(None, 400), (Some(Defect::ChallengeNeverExpires), 200)] {
        let mut rp = Fixture::start(defect.into_iter().collect::<Defects>()).await;
        let key = Key::new();
        rp.register("alice", &key).await;
        let response = rp.assertion(&key, 2, "alice").await;
        rp.rp.advance_clock(300);
        assert_eq!(rp.sign_in(&response).await.status, 200);
        let response = rp.assertion(&key, 3, "alice").await;
        rp.rp.advance_clock(301);
        assert_eq!(rp.sign_in(&response).await.status, late);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_parallel_posts_one_succeeds() {
    let defect = Defect::ChallengeConsumedAfterVerification;
    for (defects, successes) in [(Defects::NONE, 1), (defect.into(), 4)] {
        let mut rp = Fixture::start(defects).await;
        let key = Key::new().without_counter();
        rp.register("alice", &key).await;
        let response = rp.assertion(&key, 0, "alice").await;
        let rp = Arc::new(rp);
        let posts: Vec<_> = (0..4)
            .map(|_| {
                let (rp, response) = (Arc::clone(&rp), response.clone());
                tokio::spawn(
                    async move { rp.send("POST", "/webauthn/authentication", &response).await },
                )
            })
            .collect();
        let mut count = 0;
        for post in posts {
            count += usize::from(post.await.unwrap().status == 200);
        }
        assert_eq!(count, successes, "{defects:?}");
        let late = rp.send("POST", "/webauthn/authentication", &response).await;
        assert_eq!(late.status, 400, "afterwards it is used up either way");
    }
}

#[tokio::test]
async fn the_counter_is_stored() {
    for (defect, second) in [(None, 400), (Some(Defect::SignCountNotUpdated), 200)] {
        let mut rp = Fixture::start(defect.into_iter().collect::<Defects>()).await;
        let key = Key::new();
        rp.register("alice", &key).await;
        let response = rp.assertion(&key, 9, "alice").await;
        assert_eq!(rp.sign_in(&response).await.status, 200);
        let response = rp.assertion(&key, 5, "alice").await;
        assert_eq!(rp.sign_in(&response).await.status, second);
    }
}

#[tokio::test]
async fn the_current_policy_decides() {
    for (defect, status) in [(None, 403), (Some(Defect::PolicyOfOptionsTime), 200)] {
        let mut rp = Fixture::with(|config| {
            config.expected.policy = Some(policy("deviceBound"));
            config.defects = defect.into_iter().collect();
        })
        .await;
        let key = Key::new();
        assert_eq!(rp.register("alice", &key).await.status, 200);
        let response = rp.assertion(&key, 2, "alice").await;
        let set = rp.send("PATCH", POLICY, &policy("synced")).await;
        assert_eq!((set.status, set.text.as_str()), (204, ""));
        let answer = rp.sign_in(&response).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
}

#[tokio::test]
async fn a_policy_that_breaks_its_rules_is_refused_as_graph_does() {
    let rp = Fixture::start(Defects::NONE).await;
    assert_eq!(rp.send("GET", POLICY, &Value::Null).await.status, 404);
    let mut bad = policy("synced");
    bad["defaultPasskeyProfile"] = json!("q");
    let answer = rp.send("PATCH", POLICY, &bad).await;
    assert_eq!(answer.status, 400);
    let reason = answer.json()["error"]["innerError"]["reason"].clone();
    assert_eq!(reason, "policy.default-profile");
    assert!(rp.rp.policy().is_none());
}

#[tokio::test]
async fn unlisted_credentials_leave_the_owner_to_step_6() {
    for (defect, status) in [(None, 400), (Some(Defect::CredentialOwnerNotCompared), 200)] {
        let mut rp = Fixture::with(|config| {
            config.lists_credentials = false;
            config.defects = defect.into_iter().collect();
        })
        .await;
        let key = Key::new();
        rp.register("alice", &key).await;
        let response = rp.assertion(&key, 2, "bob").await;
        assert_eq!(rp.sign_in(&response).await.status, status);
    }
}

#[tokio::test]
async fn what_is_no_request_gets_an_answer_all_the_same() {
    let rp = Fixture::start(Defects::NONE).await;
    let deep = "[".repeat(100_000);
    let long = "x".repeat(1_100_000);
    for (kind, body, status) in [
        ("application/json", "{", 400),
        ("application/json", "", 400),
        ("application/json", deep.as_str(), 400),
        ("application/json", long.as_str(), 413),
        ("text/plain", "{}", 415),
    ] {
        for path in ["/webauthn/authentication", "/attestation/result"] {
            let answer = rp.raw("POST", path, kind, body.as_bytes()).await;
            assert_eq!(answer.status, status, "{path}");
            if path.starts_with("/webauthn") {
                assert_eq!(answer.reasons(), json!(["parse"]));
            } else {
                assert_eq!(answer.json()["status"], "failed");
            }
        }
    }
    let answer = rp.send("POST", "/webauthn/registration", &json!([])).await;
    assert_eq!(answer.reasons(), json!(["state"]));
    let answer = rp
        .send("POST", "/webauthn/authentication", &json!([]))
        .await;
    assert_eq!(answer.reasons(), json!(["parse"]));
}

#[tokio::test]
async fn nobody_chooses_the_id_of_a_session() {
    let mut rp = Fixture::start(Defects::NONE).await;
    rp.cookie = Some("session=chosen".to_owned());
    rp.post("/webauthn/authentication/options", &json!({}))
        .await;
    assert_ne!(rp.cookie.as_deref(), Some("session=chosen"));
}

#[tokio::test]
async fn the_page_says_what_this_is() {
    let rp = Fixture::start(Defects::NONE).await;
    let page = rp.send("GET", "/", &Value::Null).await;
    assert!(page.status == 200 && page.text.contains("Reference RP"));
}

#[tokio::test]
async fn the_conformance_api_keeps_its_accounts_apart() {
    let mut rp = Fixture::start(Defects::NONE).await;
    let key = Key::new();
    let who = json!({ "username": "alice", "displayName": "Alice", "attestation": "direct" });
    let options = rp.post("/attestation/options", &who).await.json();
    assert_eq!(
        (&options["status"], &options["errorMessage"]),
        (&json!("ok"), &json!(""))
    );
    assert_eq!(options["user"]["name"], "alice");
    assert_eq!(options["user"]["displayName"], "Alice");
    assert_eq!(options["attestation"], "direct");
    assert_eq!(options["excludeCredentials"], json!([]));
    let mut response = key.create(options["challenge"].as_str().unwrap());
    response.as_object_mut().unwrap().remove("rawId");
    let answer = rp.post("/attestation/result", &response).await;
    assert_eq!(answer.json(), json!({ "status": "ok", "errorMessage": "" }));
    let options = rp.post("/attestation/options", &who).await.json();
    assert_eq!(options["excludeCredentials"].as_array().unwrap().len(), 1);
    let view = rp
        .send("GET", "/admin/users/alice/passkeys", &Value::Null)
        .await;
    assert_eq!(view.json(), json!([]));

    let who = json!({ "username": "alice", "userVerification": "required" });
    let options = rp.post("/assertion/options", &who).await.json();
    assert_eq!(options["userVerification"], "required");
    let mut response = key.get(options["challenge"].as_str().unwrap(), 2);
    response["response"]
        .as_object_mut()
        .unwrap()
        .remove("userHandle");
    let answer = rp.post("/assertion/result", &response).await;
    assert_eq!(answer.json()["status"], "ok", "{}", answer.text);
    let again = rp.post("/assertion/result", &response).await;
    assert_eq!(
        (again.status, again.json()["status"].as_str()),
        (400, Some("failed"))
    );
    let who = rp.send("GET", "/session", &Value::Null).await;
    assert_eq!(who.json()["user"], Value::Null);
}

#[tokio::test]
async fn the_conformance_api_refuses_what_is_no_request() {
    let mut rp = Fixture::start(Defects::NONE).await;
    for body in [
        json!({}),
        json!({ "username": "", "displayName": "x" }),
        json!({ "username": "x", "displayName": "x", "attestation": "odd" }),
    ] {
        let answer = rp.post("/attestation/options", &body).await;
        assert_eq!(answer.status, 400);
        assert_ne!(answer.json()["errorMessage"], "");
    }
}
