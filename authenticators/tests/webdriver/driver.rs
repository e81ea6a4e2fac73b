//! Starts a driver and a session of its browser, and ends both also when a test panics.

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use passkey_model::lane::Browser;
use serde_json::{Value, json};
use std::{
    env, fs,
    future::Future,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{self, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// Generous: a browser's start takes seconds on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a test may have its session for.
const TEST_LIMIT: Duration = Duration::from_secs(120);

/// Runs a test in a session of its own, or leaves it out when there is no driver.
pub async fn in_session<Test>(
    browser: Browser,
    extension: Option<&Path>,
    test: impl FnOnce(Client) -> Test,
) where
    Test: Future<Output = ()> + Send + 'static,
{
    let Some(driver) = Driver::start(browser).await else {
        return;
    };
    let client = driver.session(capabilities(browser, extension)).await;
    // A task, so that a panic inside is caught until the session is closed.
    let outcome = timeout(TEST_LIMIT, tokio::spawn(test(client.clone()))).await;
    // Whatever does not close by itself ends with the driver's process group.
    let _ = timeout(Duration::from_secs(10), client.close()).await;
    drop(driver);
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => std::panic::resume_unwind(failure.into_panic()),
        Err(_) => panic!("the test took longer than {TEST_LIMIT:?}"),
    }
}

/// A folder of one test's own, removed when the test ends.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("passkey-webdriver-{}-{next}", process::id());
        let folder = env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Driver {
    child: Child,
    /// Where the driver puts the browser's profile, which it does not always remove; dropped after the browser.
    _profiles: Folder,
    /// The process group of the driver and its browser.
    group: u32,
    port: u16,
}

impl Driver {
    async fn start(browser: Browser) -> Option<Self> {
        let (lane, variable, default) = match browser {
            Browser::Chromium => ("chromium", "CHROMEDRIVER", "chromedriver"),
            Browser::Firefox => ("firefox", "GECKODRIVER", "geckodriver"),
        };
        let program = env::var_os(variable).unwrap_or_else(|| default.into());
        let profiles = Folder::new();
        let spawned = Command::new(&program)
            .arg("--port=0")
            .env("TMPDIR", &profiles.0)
            .process_group(0)
            .stdout(Stdio::piped())
            // Browsers are talkative.
            .stderr(Stdio::null())
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let required = env::var("PASSKEY_REQUIRED_LANES").unwrap_or_default();
                assert!(
                    !required.split(',').any(|name| name.trim() == lane),
                    "PASSKEY_REQUIRED_LANES names {lane}, but {program:?} is not there"
                );
                eprintln!("left out: {program:?} is not there (set {variable})");
                return None;
            }
            Err(error) => panic!("{program:?} does not start: {error}"),
        };
        let output = child.stdout.take().unwrap();
        let mut driver = Self {
            group: child.id().unwrap(),
            child,
            _profiles: profiles,
            port: 0,
        };
        driver.port = timeout(START_LIMIT, port(output))
            .await
            .expect("the driver says in time on which port it listens");
        Some(driver)
    }

    async fn session(&self, capabilities: Value) -> Client {
        let Value::Object(capabilities) = capabilities else {
            panic!("capabilities are an object");
        };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities);
        let address = format!("http://127.0.0.1:{}", self.port);
        timeout(START_LIMIT, builder.connect(&address))
            .await
            .expect("the browser starts in time")
            .expect("the browser starts")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The group and not the child alone: a driver that is killed leaves its browser behind.
        let group = format!("-{}", self.group);
        let killed = process::Command::new("kill")
            .args(["-KILL", "--", &group])
            .status();
        if let Err(error) = killed {
            eprintln!("the driver's processes are left: {error}");
        }
        // Reaps the driver, which is dead by now.
        let _ = self.child.try_wait();
    }
}

/// Reads the port from the driver's output, and keeps the pipe drained after that.
async fn port(output: tokio::process::ChildStdout) -> u16 {
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        // "... was started successfully on port 1234." and "... Listening on 127.0.0.1:1234".
        let said = line.split_once("successfully on port ").or_else(|| {
            let (_, address) = line.split_once("Listening on ")?;
            address.rsplit_once(':')
        });
        if let Some((_, port)) = said {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return port.trim_end_matches('.').parse().unwrap();
        }
    }
    panic!("the driver ended before it listened");
}

fn capabilities(browser: Browser, extension: Option<&Path>) -> Value {
    match browser {
        Browser::Chromium => {
            let mut arguments = vec![
                "--headless=new".to_owned(),
                "--no-sandbox".to_owned(),
                "--disable-gpu".to_owned(),
                "--no-first-run".to_owned(),
                "--disable-background-networking".to_owned(),
                "--disable-component-update".to_owned(),
                "--disable-sync".to_owned(),
            ];
            if let Some(folder) = extension {
                arguments.push(format!("--load-extension={}", folder.display()));
                arguments
                    .push("--disable-features=DisableLoadExtensionCommandLineSwitch".to_owned());
            }
            json!({ "goog:chromeOptions": { "args": arguments } })
        }
        // Firefox takes extensions later, by a command.
        Browser::Firefox => json!({ "moz:firefoxOptions": {
            "args": ["-headless"],
            "prefs": {
                "security.webauth.webauthn_enable_softtoken": true,
                "security.webauth.webauthn_enable_usbtoken": false,
                "security.webauthn.always_allow_direct_attestation": true,
            },
        } }),
    }
}
