//! Files that are derived and committed: names of rows, schemas, snapshots. With PASSKEY_UPDATE=1 they are written anew.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod derived;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use passkey_harness::{
    cli, docs,
    snapshot::{self, Owners},
};
use passkey_model::schema;

const NAMES_HEADER: &str = "\
# The name of every row that there ever was, sorted; a name is for ever. Written by: PASSKEY_UPDATE=1 cargo test --test committed
# A row that is removed or renamed stays here as '- <name>  # <reason>'.
";

fn root() -> &'static Path {
    Path::new(".")
}

fn hold(file: &Path, expected: &str) {
    derived::hold("committed", file, expected);
}

#[test]
fn schemas_are_those_of_the_types() {
    let folder = root().join("scenarios/schema");
    for (name, schema) in schema::schemas() {
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        hold(&folder.join(name), &text);
    }
}

/// The rows that were removed, with the reason.
fn removed(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("- "));
    let split = lines.map(|line| line.split_once("  # ").unwrap_or((line, "")));
    split
        .map(|(name, reason)| (name.trim().to_owned(), reason.trim().to_owned()))
        .collect()
}

#[test]
fn no_name_of_a_row_is_lost() {
    let file = root().join("scenarios/rows.txt");
    let (_, rows) = cli::rows(&root().join("scenarios")).unwrap();
    let current: BTreeSet<String> = rows.iter().map(|row| row.name.to_string()).collect();
    let text = fs::read_to_string(&file).unwrap_or_default();
    let removed = removed(&text);
    for (name, reason) in &removed {
        assert!(!reason.is_empty(), "{name} was removed for no reason");
        assert!(!current.contains(name), "{name} was removed, but is there");
    }
    let committed = text
        .lines()
        .filter(|line| !line.starts_with(['#', '-']) && !line.is_empty());
    for name in committed {
        assert!(
            current.contains(name),
            "row {name} is gone: names are for ever; if it has to go, write '- {name}  # <reason>' in {}",
            file.display()
        );
    }
    let gone = removed
        .iter()
        .map(|(name, reason)| format!("- {name}  # {reason}"));
    let lines: Vec<String> = gone.chain(current).collect();
    hold(&file, &format!("{NAMES_HEADER}{}\n", lines.join("\n")));
}

#[test]
fn every_snapshot_belongs_to_a_row_and_none_is_pending() {
    let (library, rows) = cli::rows(&root().join("scenarios")).unwrap();
    let folder = root().join("snapshots");
    let owned = Owners::of(&library, &rows).files(&folder);
    let (found, pending) = snapshot::walk(&folder).unwrap();
    let orphans: Vec<&PathBuf> = found.difference(&owned).collect();
    if derived::updating() {
        orphans
            .iter()
            .for_each(|file| fs::remove_file(file).unwrap());
    } else {
        assert_eq!(orphans, Vec::<&PathBuf>::new(), "snapshots of no row");
    }
    assert_eq!(
        pending,
        BTreeSet::new(),
        "nobody reviewed these: cargo insta review"
    );
}

#[test]
fn the_page_about_the_cases_is_that_of_the_scenarios() {
    let (library, rows) = cli::rows(&root().join("scenarios")).unwrap();
    let page = docs::page(&library, &rows);
    hold(&root().join("harness/CASES.md"), &page);
}

#[test]
fn no_transcript_is_too_long_to_review() {
    let (found, _) = snapshot::walk(&root().join("snapshots")).unwrap();
    for file in found {
        let lines = snapshot::read(&file).unwrap().lines().count();
        assert!(lines <= 80, "{} has {lines} lines", file.display());
    }
}
