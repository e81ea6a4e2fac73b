//! Real browsers wear the user agents of the platforms.
//!
//! Without a driver a test says so and passes, unless PASSKEY_REQUIRED_LANES names its browser.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "tests"
)]

use std::{collections::BTreeMap, env, path::Path, pin::Pin, sync::Arc, time::Duration};

use passkey_harness::{
    browser::{
        Browser, Look, Place, Request, Response, Session, Site, emulation::wear, find, page,
    },
    cli,
};
use passkey_model::platform::UserAgent;
use serde_json::{Map, Value, json};

const LIMIT: Duration = Duration::from_secs(20);
const ADDRESS: &str = "https://login.rp.test/";

const HINTS: &str = "Sec-CH-UA-Platform-Version, Sec-CH-UA-Model, Sec-CH-UA-Arch, Sec-CH-UA-Bitness, \
    Sec-CH-UA-Full-Version-List, Sec-CH-UA-Form-Factors";

const LOOK: &str = "\
const done = arguments[arguments.length - 1];
const names = ['platformVersion', 'model', 'architecture', 'bitness', 'fullVersionList', 'formFactors'];
const data = navigator.userAgentData;
const hints = data ? data.getHighEntropyValues(names) : Promise.resolve(null);
hints.then(hints => done({
  headers: JSON.parse(document.body.textContent), userAgent: navigator.userAgent, platform: navigator.platform, hints,
}));";

/// The user agents in the scenario files, by platform and version.
fn user_agents() -> BTreeMap<String, UserAgent> {
    let scenarios = Path::new("scenarios");
    let (library, _) = cli::rows(scenarios).unwrap();
    let platforms = library.platforms.into_iter().map(|platform| platform.value);
    platforms
        .flat_map(|platform| {
            let name = platform.id;
            let named = move |one: UserAgent| (format!("{name}-{}", one.version.name()), one);
            platform.user_agents.into_iter().map(named)
        })
        .collect()
}

/// Answers with the headers that say who asks, and asks for every hint.
struct WhoAsks;

impl Site for WhoAsks {
    fn serves(&self, host: &str) -> bool {
        host == "login.rp.test"
    }

    fn answer(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send + '_>> {
        let told = |name: &str| name == "user-agent" || name.starts_with("sec-ch-ua");
        let headers = request.headers.iter();
        let found: Map<String, Value> = headers
            .filter(|(name, _)| told(name.as_str()))
            .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
            .collect();
        let response = http::Response::builder()
            .header("content-type", "text/html")
            .header("accept-ch", HINTS)
            .body(Value::Object(found).to_string().into());
        Box::pin(async move { response.unwrap() })
    }
}

/// Starts a browser that asks who it is; nothing when there is no driver.
async fn start(browser: Browser) -> Option<Session> {
    let found = match find(browser) {
        Ok(found) => found,
        Err(missing) => {
            let required = env::var("PASSKEY_REQUIRED_LANES").unwrap_or_default();
            let is_required = required
                .split(',')
                .any(|lane| lane.trim() == browser.name());
            assert!(!is_required, "{missing}");
            eprintln!("{browser} is not tested: {missing}");
            return None;
        }
    };
    let place = Place::Local(found);
    let session = Session::start(browser, &place, Look::default(), None);
    let session = session.await.unwrap();
    session.route(Some(Arc::new(WhoAsks)));
    Some(session)
}

async fn look(session: &Session) -> Value {
    page::open(session, ADDRESS).await.unwrap();
    let look = session.client().execute_async(LOOK, Vec::new());
    session.limited("looking", LIMIT, look).await.unwrap()
}

fn assert_text(seen: &Value, name: &str, worn: &UserAgent) {
    assert_eq!(seen["headers"]["user-agent"], worn.user_agent, "{name}");
    assert_eq!(seen["userAgent"], worn.user_agent, "{name}");
    assert_eq!(seen["platform"], worn.platform, "{name}");
}

fn assert_hints(seen: &Value, name: &str, worn: &UserAgent) {
    let headers = seen["headers"].as_object().unwrap();
    let Some(hints) = &worn.hints else {
        assert_eq!(headers.len(), 1, "{name} sends no hints: {headers:?}");
        return;
    };
    let quoted = |text: &str| json!(format!("\"{text}\""));
    assert_eq!(
        headers["sec-ch-ua-platform"],
        quoted(&hints.platform),
        "{name}"
    );
    assert_eq!(
        headers["sec-ch-ua-platform-version"],
        quoted(&hints.platform_version),
        "{name}"
    );
    assert_eq!(headers["sec-ch-ua-model"], quoted(&hints.model), "{name}");
    assert_eq!(
        headers["sec-ch-ua-mobile"],
        if hints.mobile { "?1" } else { "?0" },
        "{name}"
    );
    let brand = |full: &str| -> Vec<Value> {
        let versions = hints.brands.iter();
        let version = |one: &str| format!("{one}{full}");
        versions
            .map(|one| json!({ "brand": one.brand, "version": version(&one.version) }))
            .collect()
    };
    let page = json!({
        "brands": brand(""),
        "fullVersionList": brand(".0.0.0"),
        "formFactors": [if hints.mobile { "Mobile" } else { "Desktop" }],
        "platform": hints.platform,
        "platformVersion": hints.platform_version,
        "model": hints.model,
        "mobile": hints.mobile,
        "architecture": hints.architecture,
        "bitness": hints.bitness,
    });
    assert_eq!(seen["hints"], page, "{name}");
}

async fn wears_all(browser: Browser) {
    let Some(session) = start(browser).await else {
        return;
    };
    // Asked for hints once, it sends them from then on.
    look(&session).await;
    let own = look(&session).await;
    for (name, worn) in user_agents() {
        wear(session.client(), browser, Some(&worn)).await.unwrap();
        let seen = look(&session).await;
        assert_text(&seen, &name, &worn);
        if browser == Browser::Chromium {
            assert_hints(&seen, &name, &worn);
        }
    }
    wear(session.client(), browser, None).await.unwrap();
    assert_eq!(look(&session).await, own);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_sends_and_shows_every_platform_and_its_own_again() {
    wears_all(Browser::Chromium).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn firefox_sends_and_shows_every_platform_and_its_own_again() {
    wears_all(Browser::Firefox).await;
}
