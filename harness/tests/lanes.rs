//! Lanes are data: which rows they show, what they cannot show and why, and what is said when one is not there.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::symlink,
    path::{self, Path, PathBuf},
    process::{Command, Output},
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use passkey_harness::{cli, lanes};
use passkey_model::{
    library::Library,
    row::Row,
    scenario::{Expected, GridEntry},
};

/// Read once: the rows of every lane.
static ALL: LazyLock<(Library, Vec<Row>)> = LazyLock::new(|| cli::rows(&scenarios()).unwrap());

const NOWHERE: &str = "/no/such/chromedriver";
const IN_EVERY_LANE: &str = "matrix::register-then-sign-in::all-types::bitwarden::windows-current.same-device::windows-current.same-device";

fn scenarios() -> PathBuf {
    path::absolute("scenarios").unwrap()
}

/// Runs the command line with these variables and none of those that it reads otherwise.
fn harness(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_passkey-harness"));
    for ours in [
        "CHROMEDRIVER",
        "WEBDRIVER_URL",
        "PASSKEY_REQUIRED_LANES",
        "PASSKEY_SHARD",
        "PASSKEY_BROWSERS",
        "PASSKEY_USB_AAGUIDS",
        "PASSKEY_VIRTUAL_KEY",
    ] {
        command.env_remove(ours);
    }
    command.envs(variables.iter().copied());
    command.args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs the command line, which has to end with this code and to say all of this on standard error.
#[track_caller]
fn says(variables: &[(&str, &str)], arguments: &[&str], code: i32, wanted: &[&str]) {
    let output = harness(variables, arguments);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for part in wanted {
        assert!(said.contains(part), "'{part}' is not in: {said}");
    }
}

/// The scenarios with other lanes; the folder goes away with it.
struct OtherLanes(PathBuf);

impl OtherLanes {
    fn new(change: impl FnOnce(String) -> String) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("lanes-{}-{number}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
        fs::create_dir_all(&folder).unwrap();
        let file = "lanes.yaml";
        for entry in fs::read_dir(scenarios()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap();
            if name != file {
                symlink(&path, folder.join(name)).unwrap();
            }
        }
        let text = fs::read_to_string(scenarios().join(file)).unwrap();
        let changed = change(text.clone());
        assert_ne!(text, changed, "nothing was changed");
        fs::write(folder.join(file), changed).unwrap();
        Self(folder)
    }
}

impl Drop for OtherLanes {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The rows of each lane by their names without it.
fn by_lane(rows: &[Row]) -> BTreeMap<&str, BTreeMap<String, &Row>> {
    let mut found: BTreeMap<&str, BTreeMap<_, _>> = BTreeMap::new();
    for row in rows {
        let lane = found.entry(row.lane.id.as_str()).or_default();
        lane.insert(row.name.without_lane(), row);
    }
    found
}

#[test]
fn rows_that_every_lane_shows_have_the_same_names_in_all_of_them() {
    let lanes = by_lane(&ALL.1);
    let prefix = "matrix::register-then-sign-in::all-types::";
    let names = |lane: &str| -> BTreeSet<&String> {
        let names = lanes[lane].keys();
        names.filter(|name| name.starts_with(prefix)).collect()
    };
    assert_eq!(lanes.len(), 7);
    assert!(names("software").len() > 50);
    for (lane, rows) in &lanes {
        if !rows.values().any(|row| row.lane.has_keys()) {
            assert_eq!(names(lane), names("software"), "{lane}");
        }
        for (name, row) in rows {
            assert_eq!(row.name.to_string(), format!("{name}::{lane}"));
        }
    }
}

#[test]
fn every_browser_lane_has_the_rows_that_it_was_promised() {
    let lanes = by_lane(&ALL.1);
    for (lane, least) in [
        ("chromium", 300),
        ("chromium-provider", 300),
        ("firefox", 100),
        ("firefox-provider", 100),
    ] {
        let rows = lanes[lane].values();
        let applicable = rows.filter(|row| row.not_applicable.is_none()).count();
        assert!(applicable >= least, "{lane} has {applicable} rows");
    }
}

#[test]
fn every_pair_of_the_grid_that_is_accepted_runs_where_the_provider_is_itself() {
    let (library, rows) = &*ALL;
    // What nobody can attest yet says so, and has its rows all the same.
    let counts = |row: &&Row| match &row.not_applicable {
        None => !row.lane.is_native(),
        Some(why) => why == "attestation tpm is not built yet",
    };
    let runs: BTreeSet<(&str, &str)> = rows
        .iter()
        .filter(counts)
        .filter_map(|row| Some((axis(row, "provider")?, axis(row, "profile")?)))
        .collect();
    let accepted = |entry: &&GridEntry| {
        (entry.registration, entry.sign_in) == (Expected::Accepted, Expected::Accepted)
    };
    let entries = &library.grid.as_ref().unwrap().value.entries;
    let accepted: Vec<_> = entries.iter().filter(accepted).collect();
    assert!(accepted.len() > 30, "{} pairs", accepted.len());
    let missing: Vec<_> = accepted
        .iter()
        .map(|entry| (entry.provider.as_str(), entry.profile.as_str()))
        .filter(|pair| !runs.contains(pair))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn axis<'a>(row: &'a Row, named: &str) -> Option<&'a str> {
    let mut axes = row.axes.iter();
    let (_, value) = axes.find(|(name, _)| *name == named)?;
    Some(value)
}

#[test]
fn a_row_about_a_listed_provider_is_not_shown_with_the_browsers_own_authenticator() {
    let shown = "- matrix::register-then-sign-in::all-types::*";
    let also = format!("{shown}\n      - matrix::register-then-sign-in::aaguid-allow-list::*");
    let other = OtherLanes::new(|text| text.replace(shown, &also));
    let (_, rows) = cli::rows(&other.0).unwrap();
    let lanes = by_lane(&rows);
    let mut compared = 0;
    for (name, row) in &lanes["chromium-provider"] {
        let listed = axis(row, "profile") == Some("aaguid-allow-list");
        let Some(native) = lanes["chromium"].get(name).filter(|_| listed) else {
            continue;
        };
        if row.not_applicable.is_some() {
            continue;
        }
        compared += 1;
        let why = native.not_applicable.as_deref().unwrap_or_default();
        assert!(why.starts_with("lane chromium "), "{}: {why}", native.name);
        let folder = other.0.to_str().unwrap();
        if compared == 1 {
            let explain = |name: &str| {
                let output = harness(&[], &["--scenarios", folder, "explain", name]);
                String::from_utf8(output.stdout).unwrap()
            };
            let told = format!("not applicable in lane chromium: {why}");
            let native = explain(&native.name.to_string());
            assert!(native.contains(&told), "{native}");
            let own = explain(&row.name.to_string());
            assert!(!own.contains("not applicable"), "{own}");
        }
    }
    assert!(compared > 3, "{compared} rows");
}

#[test]
fn a_required_lane_without_its_driver_makes_the_run_red_and_says_what_to_do() {
    says(
        &[
            ("PASSKEY_REQUIRED_LANES", "software, chromium"),
            ("CHROMEDRIVER", NOWHERE),
        ],
        &["run", "--exact", &format!("{IN_EVERY_LANE}::software")],
        1,
        &[
            "PASSKEY_REQUIRED_LANES names the lane 'chromium'",
            "CHROMEDRIVER names /no/such/chromedriver",
            "run ci/install-chromium",
        ],
    );
}

#[test]
fn a_required_lane_that_nobody_knows_makes_the_run_red_and_names_those_there_are() {
    says(
        &[("PASSKEY_REQUIRED_LANES", "software,safari")],
        &["run", "--exact", &format!("{IN_EVERY_LANE}::software")],
        1,
        &[
            "names the lane 'safari', which is not there",
            "there is: software, chromium,",
        ],
    );
}

#[test]
fn rows_of_a_lane_without_its_driver_are_blocked_and_the_run_is_green() {
    let without = [("CHROMEDRIVER", NOWHERE)];
    let why = "1  CHROMEDRIVER names /no/such/chromedriver";
    let browser = format!("{IN_EVERY_LANE}::chromium");
    let blocked = ["run", "--exact", browser.as_str()];
    says(&without, &blocked, 3, &[why, "1 rows in", ": 1 blocked"]);
    let software = format!("{IN_EVERY_LANE}::software");
    let both = ["run", "--exact", browser.as_str(), software.as_str()];
    says(&without, &both, 0, &[why, "1 conforms, 1 blocked"]);
}

#[test]
fn shards_together_have_every_row_of_a_browser_lane_once_and_each_has_all_others() {
    let parts = ["1/2", "2/2"].map(|part| {
        let rows = lanes::in_shard(ALL.1.clone(), Some(part.parse().unwrap()));
        let names = rows.iter().map(|row| row.name.to_string());
        names.collect::<Vec<_>>()
    });
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for name in parts.iter().flatten() {
        *times.entry(name).or_default() += 1;
    }
    for row in &ALL.1 {
        let expected = if row.lane.browser.is_some() { 1 } else { 2 };
        assert_eq!(
            times[row.name.to_string().as_str()],
            expected,
            "{}",
            row.name
        );
    }
}

#[test]
fn a_run_obeys_the_shard_that_the_environment_names() {
    let rows = |part: &str| -> usize {
        let variables = [("CHROMEDRIVER", NOWHERE), ("PASSKEY_SHARD", part)];
        let output = harness(&variables, &["run", "--lane", "chromium"]);
        assert_eq!(output.status.code(), Some(3));
        let said = stderr(&output);
        let counts = said.lines().last().unwrap();
        counts.split(' ').next().unwrap().parse().unwrap()
    };
    let (first, second) = (rows("1/2"), rows("2/2"));
    assert!(first > 0 && second > 0);
    assert_eq!(first + second, by_lane(&ALL.1)["chromium"].len());
}

#[test]
fn values_of_the_environment_that_make_no_sense_are_usage_errors() {
    for wrong in ["3/2", "0/2", "half", "1/0"] {
        let told = format!("PASSKEY_SHARD is '{wrong}': write k/n");
        says(&[("PASSKEY_SHARD", wrong)], &["run"], 2, &[&told]);
    }
    for wrong in ["0", "-1", "many"] {
        let told = format!("PASSKEY_BROWSERS is '{wrong}': write how many browsers");
        says(&[("PASSKEY_BROWSERS", wrong)], &["run"], 2, &[&told]);
    }
}

#[test]
fn a_lane_that_is_not_there_is_a_usage_error_with_the_nearest() {
    for command in ["run", "list"] {
        says(
            &[],
            &[command, "--lane", "chromum"],
            2,
            &[
                "there is no lane 'chromum'; did you mean 'chromium'?",
                "there is: software, chromium, chromium-provider, firefox, firefox-provider",
            ],
        );
    }
}

/// Changes the first such text in lanes.yaml, and checks that `place` (line and column) is told what is wrong.
#[track_caller]
fn is_told(from: &str, to: &str, place: &str, wanted: &str) {
    let mut line = 0;
    let other = OtherLanes::new(|text| {
        let before = text.split(from).next().unwrap_or_default();
        line = before.matches('\n').count() + 1;
        text.replacen(from, to, 1)
    });
    let folder = other.0.to_str().unwrap();
    let place = place.replace("LINE", &line.to_string());
    let told = format!("{folder}/lanes.yaml:{place}: {wanted}");
    says(&[], &["--scenarios", folder, "run"], 4, &[&told]);
}

#[test]
fn a_capability_that_is_not_known_is_told_with_its_place_and_the_nearest() {
    is_told(
        "[change, resign-assertions,",
        "[change, resign-asertions,",
        "LINE:19",
        "lanes[1].can[1]: unknown variant `resign-asertions`",
    );
}

#[test]
fn a_browser_that_is_not_known_is_told_with_its_place() {
    is_told(
        "browser: firefox",
        "browser: safari",
        "LINE:14",
        "lanes[3].browser: unknown variant `safari`, expected `chromium` or `firefox`",
    );
}

#[test]
fn a_second_lane_of_the_same_name_is_told_with_its_place() {
    is_told(
        "id: firefox-provider",
        "id: firefox",
        "LINE:9",
        "there is a lane 'firefox' already",
    );
}

#[test]
fn a_lane_with_a_page_and_without_a_browser_is_told_with_its_place() {
    is_told(
        "id: chromium\n    title: Chromium's own virtual authenticator, on the relying party's page\n    driver: page\n    browser: chromium\n",
        "id: chromium\n    title: nothing\n    driver: page\n",
        "LINE:9",
        "lane 'chromium': a lane whose driver is 'page' names its browser, and no other does",
    );
}

#[test]
fn a_virtual_authenticator_without_a_page_is_told_with_its_place() {
    is_told(
        "driver: api\n    authenticator: software",
        "driver: api\n    authenticator: virtual",
        // The lane is named two lines above its driver.
        "4:9",
        "lane 'software': a virtual authenticator is a browser's: the driver has to be 'page'",
    );
}

#[test]
fn a_text_that_is_no_pattern_is_told_with_its_place() {
    is_told(
        r#""!flows::*""#,
        r#""!Flows::*""#,
        "LINE:17",
        "lanes[0].rows: '!Flows::*' is not a pattern: write the name of a row without its lane",
    );
}

#[test]
fn rows_with_keys_are_blocked_without_a_key_and_say_what_to_do() {
    let why = if cfg!(feature = "usb") {
        "no security key may be used: name the AAGUID of yours in PASSKEY_USB_AAGUIDS"
    } else {
        "this program was built without USB keys: build it with --features usb"
    };
    let row = "security-keys::pin::right::usb";
    says(&[], &["run", "--exact", row], 3, &[why]);
    let explained = harness(&[], &["explain", row]).stdout;
    let explained = String::from_utf8_lossy(&explained).into_owned();
    assert!(
        explained.contains(&format!("blocked: {why}")),
        "{explained}"
    );
    let required = [("PASSKEY_REQUIRED_LANES", "usb")];
    says(
        &required,
        &["run", "--exact", row],
        1,
        &["names the lane 'usb'", why],
    );
}
