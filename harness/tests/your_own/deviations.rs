//! What a target is known to do otherwise is listed, held, and counted.

use std::{collections::BTreeMap, path::Path, slice, time::Duration};

use passkey_harness::{
    cli,
    report::{Event, Files, Reporter as _, Terminal},
};
use passkey_model::{row::SourceRef, target::Deviation, verdict::known};
use serde_json::{Value, json};

use super::{
    fake::Fake,
    world::{CHALLENGE, Folder, harness, reference},
};

const LISTED: &str = "pass-from: SHOP_PASS\ndeviations: shop.deviations.yaml\n";
const OF_FIDO: &str = "driver: fido-api\ndeviations: shop.deviations.yaml\n";

fn entry(rows: &str, verdict: &str, of: &str) -> String {
    format!(
        "  - rows: {rows}\n    verdict: {verdict}\n    of: {of}\n    found: It never looks.\n    link: https://shop.example/docs\n"
    )
}

/// Writes the list with the entries.
fn list(folder: &Folder, entries: &[String]) -> String {
    let text = format!("deviations:\n{}", entries.concat());
    folder.write("shop.deviations.yaml", &text)
}

#[tokio::test]
async fn a_deviation_that_is_listed_is_green_and_counted_by_whose_it_is() {
    let folder = Folder::new();
    let target = folder.target(Fake::new(Vec::new()).serve().await, LISTED);
    // The second entry is of rows that were not chosen.
    let entries = [
        entry("conformance::cd.chal-oth*", "deviates", "library"),
        entry("conformance::no-such-case*", "deviates", "deployment"),
    ];
    list(&folder, &entries);
    let report = folder.file("report");
    let arguments = [
        "run", "--target", &target, "--report", &report, "--exact", CHALLENGE,
    ];
    let said = harness(&arguments).await;
    said.has(
        0,
        &["known-deviation", "1  of the library", "1 known-deviation"],
    );
    let row: Value = serde_json::from_str(folder.read("report/rows.jsonl").trim()).unwrap();
    assert_eq!(row["verdict"], "known-deviation");
    assert_eq!(
        row["known"],
        json!({ "of": "library", "found": "It never looks.", "link": "https://shop.example/docs" })
    );
    assert_eq!(
        row["outcome"], "accepted",
        "what it did is told all the same"
    );
    let junit = folder.read("report/junit.xml");
    assert!(junit.contains(r#"failures="0""#), "{junit}");
    assert!(
        junit.contains(r#"<property name="known-deviation" value="library"/>"#),
        "{junit}"
    );
}

#[tokio::test]
async fn a_listed_row_that_conforms_is_red() {
    let folder = Folder::new();
    let rp = reference().await;
    let target = folder.target(rp.address(), OF_FIDO);
    list(&folder, &[entry(CHALLENGE, "deviates", "application")]);
    let said = harness(&["run", "--target", &target, "--exact", CHALLENGE]).await;
    said.has(
        1,
        &[
            "and it conforms: remove the entry",
            "shop.deviations.yaml:2:",
        ],
    );
}

#[tokio::test]
async fn what_is_listed_as_by_chance_is_known_whether_it_shows_or_not() {
    let by_chance = entry(CHALLENGE, "deviates", "application") + "    by-chance: true\n";
    let conforming = reference().await;
    for (address, driver) in [
        (Fake::new(Vec::new()).serve().await, LISTED),
        (conforming.address(), OF_FIDO),
    ] {
        let folder = Folder::new();
        let target = folder.target(address, driver);
        list(&folder, slice::from_ref(&by_chance));
        let said = harness(&["run", "--target", &target, "--exact", CHALLENGE]).await;
        said.has(0, &["1 known-deviation", "1  of the application"]);
    }
}

#[tokio::test]
async fn a_row_that_conforms_is_red_where_one_of_its_entries_is_not_by_chance() {
    let folder = Folder::new();
    let rp = reference().await;
    let target = folder.target(rp.address(), OF_FIDO);
    let entries = [
        entry(CHALLENGE, "deviates", "application") + "    by-chance: true\n",
        entry("conformance::cd.chal-oth*", "inconclusive", "library"),
    ];
    list(&folder, &entries);
    let said = harness(&["run", "--target", &target, "--exact", CHALLENGE]).await;
    said.has(
        1,
        &[
            "and it conforms: remove the entry",
            "shop.deviations.yaml:8:",
        ],
    );
}

#[tokio::test]
async fn a_row_that_is_listed_with_another_verdict_is_red() {
    let folder = Folder::new();
    let target = folder.target(Fake::new(Vec::new()).serve().await, LISTED);
    list(&folder, &[entry(CHALLENGE, "inconclusive", "library")]);
    let said = harness(&["run", "--target", &target, "--exact", CHALLENGE]).await;
    said.has(1, &["was accepted", "listed as inconclusive at "]);
}

#[test]
fn an_entry_that_no_row_matches_is_found() {
    let (_, rows) = cli::rows(Path::new("scenarios")).unwrap();
    let listed = |rows: &str| {
        let deviation: Deviation = serde_json::from_value(json!({
            "rows": rows, "verdict": "deviates", "of": "library", "found": "f", "link": "https://a.example",
        }))
        .unwrap();
        let at = SourceRef {
            file: "list".to_owned(),
            line: 1,
            column: 1,
        };
        known::Listed { deviation, at }
    };
    let of_lane = listed("conformance::cd.chal-other::registration::*");
    let without_lane = listed("conformance::cd.chal-other::registration");
    let gone = listed("conformance::cd.chal-gone*");
    let rows: Vec<_> = rows.iter().collect();
    let found = known::unmatched(&[of_lane, without_lane, gone.clone()], &rows);
    assert_eq!(found, [gone]);
    let folder = Folder::new();
    let mut files = Files::create(folder.file("").as_ref(), "shop", "run").unwrap();
    let mut told = Vec::new();
    let nowhere = None::<Vec<u8>>;
    let mut terminal = Terminal::new(nowhere, &mut told, "report".into(), "run".into(), false);
    let event = Event::Finished {
        counts: &BTreeMap::new(),
        unmatched: &found,
        elapsed: Duration::ZERO,
    };
    terminal.event(&event).unwrap();
    files.event(&event).unwrap();
    drop(terminal);
    let words = "list:1:1: the known deviation 'conformance::cd.chal-gone*' is of no row that this target can show: remove the entry";
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains(words), "{told}");
    let junit = folder.read("junit.xml");
    assert!(junit.contains(r#"failures="1""#), "{junit}");
}

#[tokio::test]
async fn a_list_that_says_nothing_that_holds_is_refused_with_its_place() {
    let folder = Folder::new();
    let target = folder.target(([127, 0, 0, 1], 1).into(), OF_FIDO);
    let said = harness(&["check", &target]).await;
    said.has(4, &["shop.deviations.yaml:1:1: cannot be read"]);
    let bad = entry(CHALLENGE, "deviates", "library").replace("https", "http");
    list(&folder, &[bad]);
    let said = harness(&["check", &target]).await;
    said.has(
        4,
        &["shop.deviations.yaml:6:", "expected the https:// address"],
    );
    list(&folder, &[entry(CHALLENGE, "conforms", "library")]);
    let said = harness(&["check", &target]).await;
    said.has(4, &["expected `deviates` or `inconclusive`"]);
}
