//! The self-check: every defect of the reference relying party is revealed by the rows that name it, and the kill matrix says so.
//!
//! Rows that name a defect run against a relying party that makes it. Of all other rows, what the relying party verified is
//! verified again with the defect; a defect outside verification (state, policy store) cannot be shown that way.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    num::NonZero,
    panic::resume_unwind,
    sync::Arc,
    thread::{self, ScopedJoinHandle, available_parallelism},
};

use passkey_model::{
    lane::Lane,
    library::Library,
    row::{Role, Row},
    scenario::Expected,
    verdict::Verdict,
};
use passkey_reference_rp::{Defect, Defects, Recorded};
use tokio::{sync::Semaphore, task::JoinError};

use crate::run::{Runner, SOFTWARE_CAPACITY};

const HEADER: &str = "\
# The kill matrix: which row reveals which defect of the reference relying party.
# named: the row names the defect and goes red when a live relying party makes it.
# replay: what was verified in the row is decided otherwise when it is verified again with the defect.
# Written by: PASSKEY_UPDATE=1 cargo test --test defects
";

/// Says why the self-check could not be made: our own fault, or the scenario author's.
#[derive(Debug, thiserror::Error)]
pub enum SelfCheckError {
    /// A row panicked.
    #[error("a row ended without a verdict: {0}")]
    Row(#[from] JoinError),
    /// A row names a defect that there is none of.
    #[error("{place}: {cause}")]
    UnknownDefect {
        /// Where the row is written.
        place: String,
        /// What is wrong.
        cause: String,
    },
}

/// What the self-check found.
#[derive(Debug, Default)]
pub struct SelfCheck {
    /// How many rows ran without a defect.
    pub rows: usize,
    /// What is wrong, each in one line; empty when every defect is killed and nothing else is red.
    pub mistakes: Vec<String>,
    /// Which row reveals which defect.
    pub matrix: Matrix,
}

/// The rows that reveal each defect.
#[derive(Debug, Default)]
pub struct Matrix {
    named: BTreeMap<Defect, BTreeSet<String>>,
    replayed: BTreeMap<Defect, BTreeSet<String>>,
    /// Rows that have to be refused and reveal nothing, with what they say of it.
    reveal_nothing: BTreeMap<String, String>,
}

impl Matrix {
    /// Renders the matrix as it stands in the repository.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = HEADER.to_owned();
        let mut line = |arguments: std::fmt::Arguments<'_>| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{arguments}");
        };
        for defect in Defect::ALL {
            let places = defect.places().join(", ");
            line(format_args!(
                "\n{defect} ({places}): {}",
                defect.description()
            ));
            for row in self.named.get(defect).into_iter().flatten() {
                line(format_args!("  named   {row}"));
            }
            if defect.live_only() {
                line(format_args!("  not replayed"));
            }
            for row in self.replayed.get(defect).into_iter().flatten() {
                line(format_args!("  replay  {row}"));
            }
        }
        line(format_args!(
            "\nrows that have to be refused and reveal no defect"
        ));
        for (row, why) in &self.reveal_nothing {
            line(format_args!("  {row}: {why}"));
        }
        text
    }

    /// Counts the rows that go red under a defect that they name.
    #[must_use]
    pub fn kills(&self) -> usize {
        self.named.values().map(BTreeSet::len).sum()
    }
}

/// What became of a row.
struct Played {
    row: Row,
    defects: Vec<Defect>,
    verdict: Verdict,
    because: String,
    recorded: Vec<Recorded>,
}

/// Runs the rows of the software lane without defects, then every row with each defect that it names.
///
/// # Errors
/// When a row names an unknown defect or ends without a verdict. What the check itself finds is in [`SelfCheck::mistakes`].
pub async fn self_check(
    library: Arc<Library>,
    rows: Vec<Row>,
) -> Result<SelfCheck, SelfCheckError> {
    let mut sound = Vec::new();
    let mut named = Vec::new();
    for row in rows
        .into_iter()
        .filter(|row| row.lane.id == Lane::SOFTWARE && row.not_applicable.is_none())
    {
        let defects = defects_of(&row)?;
        named.extend(defects.iter().map(|defect| (row.clone(), vec![*defect])));
        sound.push((row, Vec::new()));
    }
    let sound = play(&library, sound).await?;
    let named = play(&library, named).await?;

    let mut check = SelfCheck {
        rows: sound.len(),
        ..SelfCheck::default()
    };
    check.nothing_is_red(&sound);
    check.named_defects_are_killed(named);
    check.replay(&sound)?;
    check.no_excuse_is_stale(&sound);
    Ok(check)
}

impl SelfCheck {
    fn nothing_is_red(&mut self, sound: &[Played]) {
        let red = sound.iter().filter(|played| played.verdict.is_red());
        self.mistakes.extend(red.map(|played| {
            format!(
                "red without any defect: {}: {}",
                played.row.name, played.because
            )
        }));
    }

    fn named_defects_are_killed(&mut self, named: Vec<Played>) {
        for played in named {
            let name = played.row.name.to_string();
            for defect in played.defects {
                if played.verdict == Verdict::Deviates {
                    let killers = self.matrix.named.entry(defect).or_default();
                    killers.insert(name.clone());
                } else {
                    let because = &played.because;
                    self.mistakes
                        .push(format!("{defect} survives {name}: {because}"));
                }
            }
        }
        let unnamed = Defect::ALL
            .iter()
            .filter(|defect| !self.matrix.named.contains_key(defect));
        self.mistakes
            .extend(unnamed.map(|defect| format!("no row kills {defect}")));
    }

    fn replay(&mut self, sound: &[Played]) -> Result<(), SelfCheckError> {
        for (played, replayed) in sound.iter().zip(replays(sound)) {
            let name = played.row.name.to_string();
            let own = defects_of(&played.row)?;
            let replayed: Vec<Defect> = replayed
                .into_iter()
                .filter(|defect| !own.contains(defect))
                .collect();
            if has_to_be_refused(&played.row) && own.is_empty() && replayed.is_empty() {
                match &played.row.reveals_nothing {
                    Some(why) => {
                        let silent = &mut self.matrix.reveal_nothing;
                        silent.insert(name.clone(), why.clone());
                    }
                    None => self.mistakes.push(format!(
                        "{}: {name} has to be refused and reveals no defect: name one, or say why in reveals-nothing",
                        played.row.source
                    )),
                }
            }
            for defect in replayed {
                let revealing = self.matrix.replayed.entry(defect).or_default();
                revealing.insert(name.clone());
            }
        }
        Ok(())
    }

    /// A case that says why it reveals nothing has a row that reveals nothing.
    fn no_excuse_is_stale(&mut self, sound: &[Played]) {
        let needed = |row: &Row| {
            let name = row.name.to_string();
            self.matrix.reveal_nothing.contains_key(&name)
        };
        let excused = sound
            .iter()
            .filter(|played| played.row.reveals_nothing.is_some());
        let stale: BTreeSet<String> = excused
            .map(|excused| &excused.row.source)
            .filter(|place| {
                let mut of_case = sound.iter().filter(|played| played.row.source == **place);
                !of_case.any(|played| needed(&played.row))
            })
            .map(|place| {
                format!("{place}: every row reveals a defect, and yet there is a reason why not")
            })
            .collect();
        self.mistakes.extend(stale);
    }
}

/// Runs rows, each with its own defects, as many at once as the lane takes.
async fn play(
    library: &Arc<Library>,
    rows: Vec<(Row, Vec<Defect>)>,
) -> Result<Vec<Played>, JoinError> {
    let places = Arc::new(Semaphore::new(SOFTWARE_CAPACITY));
    let start = |(row, defects): (Row, Vec<Defect>)| {
        let (library, places) = (Arc::clone(library), Arc::clone(&places));
        tokio::spawn(async move {
            // Nobody closes the semaphore.
            let _place = places.acquire().await.ok();
            let runner = Runner {
                library,
                // A step that the specification only advises is a step that can be left out.
                strict: true,
                defects: Defects::from_iter(defects.iter().copied()),
                ..Runner::default()
            };
            let result = runner.run_row(&row).await;
            Played {
                row,
                defects,
                verdict: result.judgement.verdict,
                because: result.judgement.because,
                recorded: result.recorded,
            }
        })
    };
    let tasks: Vec<_> = rows.into_iter().map(start).collect();
    let mut played = Vec::new();
    for task in tasks {
        played.push(task.await?);
    }
    Ok(played)
}

/// Finds the defects that replaying reveals, row by row, on as many threads as there are cores.
fn replays(sound: &[Played]) -> Vec<Vec<Defect>> {
    let of_row = |played: &Played| -> Vec<Defect> {
        let defects = Defect::ALL.iter().filter(|defect| !defect.live_only());
        let revealed = defects.filter(|defect| revealed_by_replay(&played.recorded, **defect));
        revealed.copied().collect()
    };
    let threads = available_parallelism().map_or(1, NonZero::get);
    let part = sound.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let parts: Vec<_> = sound
            .chunks(part)
            .map(|rows| scope.spawn(move || rows.iter().map(of_row).collect::<Vec<_>>()))
            .collect();
        let joined = parts.into_iter().map(ScopedJoinHandle::join);
        joined
            .flat_map(|part| part.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

/// Tells whether any ceremony of a row is decided otherwise with a defect.
fn revealed_by_replay(recorded: &[Recorded], defect: Defect) -> bool {
    let defects = Defects::from(defect);
    recorded
        .iter()
        .any(|ceremony| ceremony.replay(&defects).err().as_ref() != ceremony.refused())
}

fn has_to_be_refused(row: &Row) -> bool {
    row.steps.iter().any(|step| {
        step.role == Role::Subject
            && matches!(step.expect, Expected::Rejected | Expected::PolicyRefused)
    })
}

fn defects_of(row: &Row) -> Result<Vec<Defect>, SelfCheckError> {
    let known = |name: &String| {
        let defect: Result<Defect, _> = name.parse();
        defect.map_err(|error| SelfCheckError::UnknownDefect {
            place: row.source.to_string(),
            cause: error.to_string(),
        })
    };
    row.defects.iter().map(known).collect()
}
