//! The policy of a target that runs on its own is set where rows need one, and what was there is restored, whatever happens.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod reference;

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::get,
};
use passkey_harness::{
    cli,
    run::{Runner, epochs},
    target::{self, ReadyTarget},
};
use passkey_model::{row::Row, target::Target, verdict::Verdict};
use passkey_reference_rp::{Config, Defect, Defects, Expected, RunningRp};
use reference::PASS;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const GROUP: &str = "the-test-group";
const POLICY: &str =
    "/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/fido2";

/// A policy that is none of the scenarios', for a group.
fn former(group: &str) -> Value {
    let default = "00000000-0000-0000-0000-000000000001";
    json!({
        "@odata.type": "#microsoft.graph.fido2AuthenticationMethodConfiguration",
        "id": "Fido2",
        "state": "enabled",
        "isSelfServiceRegistrationAllowed": true,
        "defaultPasskeyProfile": default,
        "includeTargets": [{
            "targetType": "group", "id": group, "isRegistrationRequired": false,
            "allowedPasskeyProfiles": [default],
        }],
        "excludeTargets": [],
        "passkeyProfiles": [{
            "id": default, "name": "What was there", "passkeyTypes": "deviceBound,synced",
            "attestationEnforcement": "disabled",
            "keyRestrictions": { "isEnforced": false, "enforcementType": "allow", "aaGuids": [] },
        }],
    })
}

/// The reference relying party, run on its own, with a policy for a group.
async fn reference(group: &str, defect: Option<Defect>) -> RunningRp {
    let expected = Expected {
        policy: Some(former(group)),
        ..reference::expected()
    };
    let config = Config {
        defects: defect.map_or(Defects::NONE, Defects::from),
        ..reference::config(expected, &[GROUP])
    };
    reference::start(config).await
}

fn file(rp: &RunningRp, policy: &Value) -> Value {
    json!({
        "target": "tenant", "address": rp.address(), "rp-id": "rp.test",
        "origin": "https://login.rp.test", "pass-from": "TENANT_PASS", "policy": policy,
        "refusal": { "statuses": [400, 403], "members": ["error"] },
    })
}

fn for_group() -> Value {
    json!({ "graph": { "group": GROUP } })
}

async fn runner(rp: &RunningRp, policy: &Value) -> (Runner, Vec<Row>) {
    let (library, rows) = cli::rows(Path::new("scenarios")).unwrap();
    let target: Target = serde_json::from_value(file(rp, policy)).unwrap();
    let mut target = ReadyTarget::new(target, PASS.to_owned());
    target.meet(0).await.unwrap();
    let runner = Runner {
        library: Arc::new(library),
        target: Some(Arc::new(target)),
        ..Runner::default()
    };
    (runner, rows)
}

fn of_types(rows: Vec<Row>) -> Vec<Row> {
    let chosen = |row: &Row| {
        let name = row.name.to_string();
        name.starts_with("policy::types") && name.ends_with("::software")
    };
    rows.into_iter().filter(chosen).collect()
}

/// A folder of the test's own.
fn folder() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("policies-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

async fn policy_of(rp: &RunningRp) -> Value {
    policy_at(rp.address()).await
}

async fn policy_at(address: std::net::SocketAddr) -> Value {
    let read = move || {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let request =
            format!("GET {POLICY} HTTP/1.1\r\nHost: login.rp.test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

/// The command, in a folder where what it writes can be looked at.
fn harness(rp: &RunningRp, folder: &Path, policy: &Value, filter: &str) -> Command {
    let target = folder.join("tenant.yaml");
    fs::write(&target, file(rp, policy).to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_passkey-harness"));
    let scenarios = Path::new("scenarios").canonicalize().unwrap();
    command
        .current_dir(folder)
        .env("TENANT_PASS", PASS)
        .arg("--scenarios")
        .arg(scenarios)
        .args(["run", "--lane", "software", "--target"])
        .arg(target)
        .arg(filter);
    command
}

async fn output(mut command: Command) -> Output {
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap());
    ran.await.unwrap()
}

fn written_down(folder: &Path) -> Value {
    let mut files = fs::read_dir(folder.join("passkey-former-policies")).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none(), "one policy was there before");
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_run_under_their_policies_and_the_former_one_is_restored() {
    let rp = reference(GROUP, None).await;
    let folder = folder();
    let output = output(harness(&rp, &folder, &for_group(), "policy::types")).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}{told}");
    assert!(told.contains("6 conforms"), "{said}{told}");
    assert!(
        told.contains("the former policy of target tenant is in "),
        "{told}"
    );
    assert_eq!(policy_of(&rp).await, former(GROUP));
    assert_eq!(written_down(&folder), former(GROUP));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_former_policy_is_restored_after_red_rows() {
    let rp = reference(GROUP, Some(Defect::TypeIgnored)).await;
    let folder = folder();
    let output = output(harness(&rp, &folder, &for_group(), "policy::types")).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("3 deviates"), "{told}");
    assert_eq!(policy_of(&rp).await, former(GROUP));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_former_policy_is_restored_after_a_signal() {
    let rp = reference(GROUP, None).await;
    let folder = folder();
    let mut command = harness(&rp, &folder, &for_group(), "policy");
    let mut running = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = running.stdout.take().unwrap();
    let ended = tokio::task::spawn_blocking(move || {
        let mut lines = BufReader::new(stdout).lines();
        // Rows that need a policy are judged after those that do not run.
        let judged = |line: &String| line.starts_with("conforms");
        assert!(
            lines
                .by_ref()
                .map_while(Result::ok)
                .any(|line| judged(&line))
        );
        kill_process(Pid::from_child(&running), Signal::INT).unwrap();
        lines.for_each(drop);
        running.wait().unwrap()
    });
    assert_eq!(ended.await.unwrap().code(), Some(130));
    assert_eq!(policy_of(&rp).await, former(GROUP));
    assert_eq!(written_down(&folder), former(GROUP));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_former_policy_is_restored_when_a_row_panics() {
    let rp = reference(GROUP, None).await;
    let (runner, rows) = runner(&rp, &for_group()).await;
    let epochs = epochs(&runner, of_types(rows));
    let (lease, _) = runner.lease(&epochs, &folder()).await.unwrap().unwrap();
    epochs[0].begin(&runner).await.unwrap();
    assert_ne!(policy_of(&rp).await, former(GROUP));
    let fell = std::thread::spawn(move || {
        let _lease = lease;
        panic!("a row panics");
    });
    assert!(fell.join().is_err());
    assert_eq!(policy_of(&rp).await, former(GROUP));
    let late = epochs[0].begin(&runner).await.unwrap_err();
    assert!(late.contains("the run is over"), "{late}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_for_others_too_is_not_touched() {
    for others in ["all_users", "another-group"] {
        let rp = reference(others, None).await;
        let folder = folder();
        let output = output(harness(&rp, &folder, &for_group(), "policy::types")).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(5), "{told}");
        assert!(told.contains(&format!("it is for {others}, too")), "{told}");
        assert_eq!(policy_of(&rp).await, former(others));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_without_a_test_group_is_refused_before_anything_is_asked() {
    let rp = reference(GROUP, None).await;
    for policy in [
        json!({ "graph": {} }),
        json!({ "graph": { "group": "all_users" } }),
    ] {
        let output = output(harness(&rp, &folder(), &policy, "policy::types")).await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{told}");
        assert!(
            told.contains("expected group, with the group's id"),
            "{told}"
        );
        assert_eq!(policy_of(&rp).await, former(GROUP));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_do_not_change_one_policy() {
    let rp = reference(GROUP, None).await;
    let (first, rows) = runner(&rp, &for_group()).await;
    let (second, _) = runner(&rp, &for_group()).await;
    let epochs = epochs(&first, of_types(rows));
    let (lease, _) = first.lease(&epochs, &folder()).await.unwrap().unwrap();
    let held = second.lease(&epochs, &folder()).await.unwrap_err();
    assert!(
        held.contains("another run controls the policy of target tenant"),
        "{held}"
    );
    lease.end().unwrap();
    let (lease, _) = second.lease(&epochs, &folder()).await.unwrap().unwrap();
    lease.end().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_one_policy_are_one_epoch_and_those_that_change_it_are_alone() {
    let rp = reference(GROUP, None).await;
    let (runner, rows) = runner(&rp, &for_group()).await;
    let rows = of_types(rows);
    let all: BTreeSet<String> = rows.iter().map(|row| row.name.to_string()).collect();
    let epochs = epochs(&runner, rows);
    let sizes: Vec<usize> = epochs.iter().map(|epoch| epoch.rows.len()).collect();
    assert_eq!(sizes, [3, 1, 1, 1]);
    let ordered = epochs.iter().flat_map(|epoch| &epoch.rows);
    let ordered: BTreeSet<String> = ordered.map(|row| row.name.to_string()).collect();
    assert_eq!(ordered, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_policy_control_rows_that_need_a_policy_do_not_run() {
    let rp = reference(GROUP, None).await;
    let (runner, rows) = runner(&rp, &Value::Null).await;
    let row = &of_types(rows)[0];
    assert_eq!(
        runner.not_applicable(row).as_deref(),
        Some("the policy of target tenant cannot be set")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_started_again_in_another_environment_for_each_policy() {
    let folder = folder();
    let rp = reference(GROUP, None).await;
    let mut file = file(
        &rp,
        &json!({ "environment": { "PROFILE": "$POLICY/name" } }),
    );
    let scenarios = Path::new("scenarios").canonicalize().unwrap();
    let serve = format!(
        "exec {} --scenarios {} serve --port $PORT ${{PROFILE:+--profile $PROFILE}}",
        env!("CARGO_BIN_EXE_passkey-harness"),
        scenarios.display(),
    );
    file["address"] = json!("127.0.0.1:0");
    file["start"] = json!({ "command": ["sh", "-c", serve], "ready": "/healthz" });
    let mut command = harness(&rp, &folder, &Value::Null, "policy::types");
    fs::write(folder.join("tenant.yaml"), file.to_string()).unwrap();
    command.env("TENANT_PASS", PASS);
    let output = output(command).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}{told}");
    assert!(told.contains("3 conforms"), "{told}");
    assert!(
        told.contains("3 not-applicable"),
        "those that change it on their way: {told}"
    );
}

/// Changes the policy of the relying party at an address.
fn change(address: std::net::SocketAddr, policy: &Value) {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let body = policy.to_string();
    let request = format!(
        "PATCH {POLICY} HTTP/1.1\r\nHost: login.rp.test\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 204"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_ends_under_a_policy_is_started_again_under_the_same() {
    let folder = folder();
    let serve = format!(
        "echo $$ >pid; exec {} --scenarios {} serve --port $PORT",
        env!("CARGO_BIN_EXE_passkey-harness"),
        Path::new("scenarios").canonicalize().unwrap().display(),
    );
    let rp = reference(GROUP, None).await;
    let mut file = file(&rp, &for_group());
    file["address"] = json!("127.0.0.1:0");
    file["start"] = json!({ "command": ["sh", "-c", serve], "ready": "/healthz" });
    let (library, rows) = cli::rows(Path::new("scenarios")).unwrap();
    let library = Arc::new(library);
    let file: Target = serde_json::from_value(file).unwrap();
    let mut target = ReadyTarget::new(file, PASS.to_owned());
    let prepared = target::prepare(&mut target, &folder, &library, 0).await;
    let (started, _) = prepared.unwrap();
    let address = target.address;
    change(address, &former(GROUP));
    let runner = Runner {
        library,
        started,
        target: Some(Arc::new(target)),
        ..Runner::default()
    };
    let epochs = epochs(&runner, of_types(rows));
    let (lease, _) = runner.lease(&epochs, &folder).await.unwrap().unwrap();
    epochs[0].begin(&runner).await.unwrap();
    let under = policy_at(address).await;
    assert_ne!(under, former(GROUP));

    kill(&folder.join("pid"));
    runner.run_row(&epochs[0].rows[0]).await;
    assert_eq!(policy_at(address).await, under);
    // The last row of an epoch may end it, too.
    kill(&folder.join("pid"));
    epochs[0].begin(&runner).await.unwrap();
    assert_eq!(policy_at(address).await, under);
    lease.end().unwrap();
    assert_eq!(policy_at(address).await, former(GROUP));
}

/// Kills the process whose number is in a file; it is left for the run to find.
fn kill(file: &Path) {
    let pid: i32 = fs::read_to_string(file).unwrap().trim().parse().unwrap();
    let process = Pid::from_raw(pid).unwrap();
    kill_process(process, Signal::KILL).unwrap();
    // Until all of it has ended; it is left for the run to find.
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(process), ended).unwrap();
}

/// A policy that wants a token, is in force a while after it was set, and sometimes has no time.
#[derive(Default)]
struct Slow {
    policy: std::sync::Mutex<Value>,
    set: std::sync::Mutex<Option<(usize, Value)>>,
    /// How many requests are answered with 503 from now on.
    busy: AtomicUsize,
    /// Whether it says yes to any policy and goes on with the one that it has.
    keeps: AtomicBool,
}

impl Slow {
    fn is_busy(&self) -> bool {
        let one_less = |left: usize| left.checked_sub(1);
        self.busy
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
            .is_ok()
    }

    /// As Graph does: what is not named stays, and null empties.
    fn merge(&self, document: Value) {
        let mut policy = self.policy.lock().unwrap();
        for (name, value) in document.as_object().unwrap() {
            policy[name] = value.clone();
        }
        let members = policy.as_object_mut().unwrap();
        members.retain(|_, value| !value.is_null());
    }

    fn read(&self) -> Value {
        let mut set = self.set.lock().unwrap();
        if let Some((looks, document)) = set.take() {
            match looks {
                0 => self.merge(document),
                looks => *set = Some((looks - 1, document)),
            }
        }
        self.policy.lock().unwrap().clone()
    }

    async fn serve(self: Arc<Self>) -> std::net::SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let has_token = |headers: &HeaderMap| {
            headers
                .get("authorization")
                .is_some_and(|it| it == "Bearer a secret")
        };
        let read = move |State(slow): State<Arc<Self>>, headers: HeaderMap| async move {
            if slow.is_busy() {
                Err(StatusCode::SERVICE_UNAVAILABLE)
            } else if has_token(&headers) {
                Ok(Json(slow.read()))
            } else {
                Err(StatusCode::UNAUTHORIZED)
            }
        };
        let change = move |State(slow): State<Arc<Self>>,
                           headers: HeaderMap,
                           Json(new): Json<Value>| async move {
            if slow.is_busy() {
                StatusCode::SERVICE_UNAVAILABLE
            } else if has_token(&headers) {
                if !slow.keeps.load(Ordering::SeqCst) {
                    *slow.set.lock().unwrap() = Some((2, new));
                }
                StatusCode::NO_CONTENT
            } else {
                StatusCode::UNAUTHORIZED
            }
        };
        let app = Router::new()
            .route(POLICY, get(read).patch(change))
            .with_state(self);
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_used_when_it_is_in_force_and_its_token_is_told_nobody() {
    let slow = Arc::new(Slow::default());
    *slow.policy.lock().unwrap() = former(GROUP);
    let address = Arc::clone(&slow).serve().await;
    let rp = reference(GROUP, None).await;
    let policy = json!({ "graph": { "group": GROUP, "address": address, "token-from": "T" } });
    let (mut runner, rows) = runner(&rp, &policy).await;
    let mut target = runner.target.as_ref().unwrap().as_ref().clone();
    let epochs = epochs(&runner, of_types(rows));
    let refused = runner.lease(&epochs, &folder()).await.unwrap_err();
    assert!(
        refused.contains("the policy cannot be read: status 401"),
        "{refused}"
    );
    target.policy_token = Some("a secret".to_owned());
    target.meet(0).await.unwrap();
    let control = target.policy.clone().unwrap();
    assert!(!format!("{control:?}").contains("a secret"));
    runner.target = Some(Arc::new(target));
    let (lease, _) = runner.lease(&epochs, &folder()).await.unwrap().unwrap();
    epochs[0].begin(&runner).await.unwrap();
    let types = |policy: &Value| policy["passkeyProfiles"][0]["name"].clone();
    assert_ne!(types(&slow.policy.lock().unwrap()), types(&former(GROUP)));
    // Twice no time to take it, once none to tell it.
    slow.busy.store(3, Ordering::SeqCst);
    lease.end().unwrap();
    assert_eq!(types(&slow.policy.lock().unwrap()), types(&former(GROUP)));
}

/// The reference relying party, whose policy is a slow one's; it has two seconds to be in force.
async fn under(slow: &Arc<Slow>, rp: &RunningRp) -> (Runner, Vec<Row>) {
    *slow.policy.lock().unwrap() = former(GROUP);
    let address = Arc::clone(slow).serve().await;
    let policy = json!({ "graph": {
        "group": GROUP, "address": address, "token-from": "T", "effective-within-seconds": 2,
    } });
    let (mut runner, rows) = runner(rp, &policy).await;
    let mut target = runner.target.as_ref().unwrap().as_ref().clone();
    target.policy_token = Some("a secret".to_owned());
    target.meet(0).await.unwrap();
    runner.target = Some(Arc::new(target));
    (runner, rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_says_yes_to_a_policy_that_it_has_to_refuse_deviates_whatever_it_makes_of_it()
{
    let slow = Arc::new(Slow::default());
    let rp = reference(GROUP, None).await;
    let (runner, rows) = under(&slow, &rp).await;
    let name = "policy::fields-of-profiles::without-name::software";
    let chosen = |row: &Row| row.name.to_string() == name;
    let epochs = epochs(&runner, rows.into_iter().filter(chosen).collect());
    let (lease, _) = runner.lease(&epochs, &folder()).await.unwrap().unwrap();
    slow.keeps.store(true, Ordering::SeqCst);
    // One that has to be taken is the target's trouble, and says nothing about a row.
    let told = epochs[0].begin(&runner).await.unwrap_err();
    assert!(told.contains("is not in force after 2 s"), "{told}");
    let judged = runner.run_row(&epochs[0].rows[0]).await.judgement;
    assert_eq!(judged.verdict, Verdict::Deviates, "{judged:?}");
    slow.keeps.store(false, Ordering::SeqCst);
    lease.end().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_there_before_a_run_is_not_there_after_it() {
    let slow = Arc::new(Slow::default());
    let rp = reference(GROUP, None).await;
    let (runner, rows) = under(&slow, &rp).await;
    let mut without_default = former(GROUP);
    let members = without_default.as_object_mut().unwrap();
    members.remove("defaultPasskeyProfile");
    slow.policy.lock().unwrap().clone_from(&without_default);
    let epochs = epochs(&runner, of_types(rows));
    let (lease, _) = runner.lease(&epochs, &folder()).await.unwrap().unwrap();
    epochs[0].begin(&runner).await.unwrap();
    let has_default = || {
        slow.policy
            .lock()
            .unwrap()
            .get("defaultPasskeyProfile")
            .is_some()
    };
    assert!(has_default());
    lease.end().unwrap();
    assert!(!has_default());
    assert_eq!(*slow.policy.lock().unwrap(), without_default);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_to_restore_a_policy_by_hand_is_told_how() {
    let slow = Arc::new(Slow::default());
    let rp = reference(GROUP, None).await;
    let (runner, rows) = under(&slow, &rp).await;
    let epochs = epochs(&runner, of_types(rows));
    let folder = folder();
    let (lease, note) = runner.lease(&epochs, &folder).await.unwrap().unwrap();
    slow.busy.store(usize::MAX, Ordering::SeqCst);
    let told = lease.end().unwrap_err();
    let note = note.unwrap();
    let file = note.split(" is in ").nth(1).unwrap();
    let how = format!("; send {file} to ");
    assert!(
        told.contains("503") && told.contains(&how) && told.contains(POLICY),
        "{told}"
    );
    let kept: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(kept["@odata.type"], former(GROUP)["@odata.type"]);
    assert_eq!(kept.get("@odata.context"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_is_asked_no_faster_than_its_file_says() {
    let rp = reference(GROUP, None).await;
    let (library, rows) = cli::rows(Path::new("scenarios")).unwrap();
    let mut file = file(&rp, &Value::Null);
    file["pacing"] = json!({ "requests-per-second": 10 });
    let target: Target = serde_json::from_value(file).unwrap();
    let runner = Runner {
        library: Arc::new(library),
        target: Some(Arc::new(ReadyTarget::new(target, PASS.to_owned()))),
        ..Runner::default()
    };
    let name = "conformance::cd.chal-other::registration::software";
    let row = rows
        .iter()
        .find(|row| row.name.to_string() == name)
        .unwrap();
    let result = runner.run_row(row).await;
    let took = result.duration;
    // Each of its three registrations takes at least two requests.
    assert!(took >= std::time::Duration::from_millis(500), "{took:?}");
}
