//! The self-test: every defect of the reference relying party is revealed by the rows that name it, and the kill matrix says so.
//!
//! Rows that name a defect run against a relying party that makes it. Of all other rows, what the relying party verified is
//! verified again with the defect; a defect outside verification (state, policy store) cannot be shown that way.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write,
    fs,
    path::Path,
    sync::Arc,
};

use passkey_harness::{
    cli,
    run::{Runner, SOFTWARE_CAPACITY},
    snapshot::first_difference,
};
use passkey_model::{
    lane::Lane,
    library::Library,
    row::{Role, Row},
    scenario::Expected,
    verdict::Verdict,
};
use passkey_reference_rp::{Defect, Defects, Recorded};
use tokio::sync::Semaphore;

const HEADER: &str = "\
# The kill matrix: which row reveals which defect of the reference relying party.
# named: the row names the defect and goes red when a live relying party makes it.
# replay: what was verified in the row is decided otherwise when it is verified again with the defect.
# Written by: PASSKEY_UPDATE=1 cargo test --test defects
";

/// What became of a row.
struct Played {
    row: Row,
    verdict: Verdict,
    because: String,
    recorded: Vec<Recorded>,
}

/// Runs rows, each with its own defects, as many at once as the lane takes.
async fn play(library: &Arc<Library>, rows: Vec<(Row, Defects)>) -> Vec<Played> {
    let places = Arc::new(Semaphore::new(SOFTWARE_CAPACITY));
    let tasks: Vec<_> = rows
        .into_iter()
        .map(|(row, defects)| {
            let (library, places) = (Arc::clone(library), Arc::clone(&places));
            tokio::spawn(async move {
                let _place = places.acquire().await.unwrap();
                let runner = Runner {
                    library,
                    // A step that the specification only advises is a step that can be left out.
                    strict: true,
                    defects,
                    ..Runner::default()
                };
                let result = runner.run_row(&row).await;
                Played {
                    row,
                    verdict: result.judgement.verdict,
                    because: result.judgement.because,
                    recorded: result.recorded,
                }
            })
        })
        .collect();
    let mut played = Vec::new();
    for task in tasks {
        played.push(task.await.unwrap());
    }
    played
}

/// Tells whether any ceremony of a row is decided otherwise with a defect.
fn revealed_by_replay(recorded: &[Recorded], defect: Defect) -> bool {
    let defects = Defects::from(defect);
    recorded
        .iter()
        .any(|ceremony| ceremony.replay(&defects).err().as_ref() != ceremony.refused())
}

/// The rows that reveal each defect.
#[derive(Default)]
struct Matrix {
    named: BTreeMap<Defect, BTreeSet<String>>,
    replayed: BTreeMap<Defect, BTreeSet<String>>,
    /// Rows that have to be refused and reveal nothing, with what they say of it.
    reveal_nothing: BTreeMap<String, String>,
}

impl Matrix {
    fn render(&self) -> String {
        let mut text = HEADER.to_owned();
        for defect in Defect::ALL {
            let places = defect.places().join(", ");
            writeln!(text, "\n{defect} ({places}): {}", defect.description()).unwrap();
            for row in self.named.get(defect).into_iter().flatten() {
                writeln!(text, "  named   {row}").unwrap();
            }
            if defect.live_only() {
                writeln!(text, "  not replayed").unwrap();
            }
            for row in self.replayed.get(defect).into_iter().flatten() {
                writeln!(text, "  replay  {row}").unwrap();
            }
        }
        writeln!(text, "\nrows that have to be refused and reveal no defect").unwrap();
        for (row, why) in &self.reveal_nothing {
            writeln!(text, "  {row}: {why}").unwrap();
        }
        text
    }
}

fn has_to_be_refused(row: &Row) -> bool {
    row.steps.iter().any(|step| {
        step.role == Role::Subject
            && matches!(step.expect, Expected::Rejected | Expected::PolicyRefused)
    })
}

fn defects_of(row: &Row) -> Vec<Defect> {
    let known = |name: &String| {
        name.parse()
            .unwrap_or_else(|error| panic!("{}: {error}", row.source))
    };
    row.defects.iter().map(known).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_defect_is_revealed_by_the_rows_that_name_it() {
    let root = Path::new(".");
    let (library, rows) = cli::rows(&root.join("scenarios")).unwrap();
    let library = Arc::new(library);
    let rows: Vec<Row> = rows
        .into_iter()
        .filter(|row| row.lane.id == Lane::SOFTWARE && row.not_applicable.is_none())
        .collect();
    let named: Vec<(Row, Defects)> = rows
        .iter()
        .flat_map(|row| {
            defects_of(row)
                .into_iter()
                .map(|defect| (row.clone(), defect.into()))
        })
        .collect();
    let mut matrix = Matrix::default();

    let sound = play(
        &library,
        rows.into_iter().map(|row| (row, Defects::NONE)).collect(),
    )
    .await;
    let red: Vec<&str> = sound
        .iter()
        .filter(|played| played.verdict.is_red())
        .map(|played| played.because.as_str())
        .collect();
    assert_eq!(red, Vec::<&str>::new(), "red without any defect");

    let defects: Vec<Defects> = named.iter().map(|(_, defects)| *defects).collect();
    let mut survivors = Vec::new();
    for (played, defects) in play(&library, named).await.into_iter().zip(defects) {
        let defect = defects.iter().next().unwrap();
        let name = played.row.name.to_string();
        if played.verdict == Verdict::Deviates {
            matrix.named.entry(defect).or_default().insert(name);
        } else {
            survivors.push(format!("{defect} survives {name}: {}", played.because));
        }
    }
    assert!(survivors.is_empty(), "{}", survivors.join("\n"));
    for defect in Defect::ALL {
        assert!(matrix.named.contains_key(defect), "no row names {defect}");
    }

    replay(&mut matrix, &sound);
    no_excuse_is_stale(&matrix, &sound);
    hold(&root.join("harness/kill-matrix.txt"), &matrix.render());
}

fn replay(matrix: &mut Matrix, sound: &[Played]) {
    for played in sound {
        let name = played.row.name.to_string();
        let own = defects_of(&played.row);
        let replayed = Defect::ALL
            .iter()
            .filter(|defect| !defect.live_only() && !own.contains(defect))
            .filter(|defect| revealed_by_replay(&played.recorded, **defect));
        let replayed: Vec<Defect> = replayed.copied().collect();
        if has_to_be_refused(&played.row) && own.is_empty() && replayed.is_empty() {
            let why = played.row.reveals_nothing.clone();
            let why = why.unwrap_or_else(|| {
                panic!("{name} reveals no defect: say why at {}", played.row.source)
            });
            matrix.reveal_nothing.insert(name.clone(), why);
        }
        for defect in replayed {
            matrix
                .replayed
                .entry(defect)
                .or_default()
                .insert(name.clone());
        }
    }
}

/// A case that says why it reveals nothing has a row that reveals nothing.
fn no_excuse_is_stale(matrix: &Matrix, sound: &[Played]) {
    let needed = |row: &Row| matrix.reveal_nothing.contains_key(&row.name.to_string());
    for excused in sound
        .iter()
        .filter(|played| played.row.reveals_nothing.is_some())
    {
        let place = &excused.row.source;
        let of_case = sound.iter().filter(|played| played.row.source == *place);
        assert!(
            of_case.into_iter().any(|played| needed(&played.row)),
            "{}: every row reveals a defect, and yet there is a reason why not",
            place
        );
    }
}

fn hold(file: &Path, expected: &str) {
    if env::var_os("PASSKEY_UPDATE").is_some() {
        fs::write(file, expected).unwrap();
        return;
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    assert_eq!(
        first_difference(&found, expected),
        None,
        "{} is out of date; write it anew with PASSKEY_UPDATE=1 cargo test --test defects",
        file.display()
    );
}
