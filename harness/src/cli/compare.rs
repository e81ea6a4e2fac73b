//! `compare`: the same rows against several targets, side by side, held against the verdicts that are kept of them.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use passkey_model::{lane::Lane, verdict::Verdict};

use super::{
    EXIT_BAD_FILE, EXIT_HARNESS, EXIT_OK, EXIT_RED, EXIT_UNREACHABLE,
    arguments::{CompareArguments, EMBEDDED, Format, RunArguments},
    run::{ByPolicy, Ending, Prepared, by_policy, end, exit_code, play, prepare},
    target,
};
use crate::{
    browser::processes,
    compare::{
        Column, Comparison, Line, html, json, markdown,
        verdicts::{self, Change, Since, VerdictsError},
    },
    report::Event,
};

/// What is compared where nobody says so. On a target whose policy is not set, the first of them alone has rows that run.
const SUITES: [&str; 3] = ["conformance::", "matrix::", "policy::"];
/// The page about the cases, as the project's folder has it.
const CASES: &str = "harness/CASES.md";
/// Where it is for those who have not got the project's folder.
const CASES_ELSEWHERE: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/harness/CASES.md");

/// Runs the rows against one target after the other and writes the table; returns the exit code.
pub(super) fn compare(
    scenarios: &Path,
    told: &CompareArguments,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    processes::end_on_signals()?;
    // Nothing that was started outlives the run.
    let _ending = Ending;
    let folder = told.verdicts.clone();
    let folder = folder.unwrap_or_else(|| scenarios.join("targets/verdicts"));
    let (mut codes, mut columns, mut plan) = (Vec::new(), Vec::new(), Vec::new());
    for target in &told.targets {
        let ran = match prepare(scenarios, &as_run(told, target, scenarios), err)? {
            Ok(prepared) => run(&prepared, target, err)?,
            Err(code) => Err(code),
        };
        let Ran {
            mut column,
            code,
            lines,
        } = match ran {
            Ok(ran) => ran,
            Err(code) => {
                writeln!(err, "{target} is left out")?;
                codes.push(code);
                continue;
            }
        };
        codes.push(code);
        match since(&folder, &column, told, &lines) {
            Ok(since) => column.since = since,
            Err(error) => {
                writeln!(err, "{error}")?;
                codes.push(EXIT_BAD_FILE);
            }
        }
        if tell(&column, out)? {
            codes.push(EXIT_RED);
        }
        columns.push(column);
        add_new(&mut plan, lines);
    }
    if !columns.is_empty() {
        let comparison = Comparison::of(&plan, columns);
        write(&comparison, &told.out)?;
        writeln!(err, "written: {}", told.out.join("compare.html").display())?;
    }
    Ok(worst(&codes))
}

/// Returns what `run` would be told of one of the targets.
fn as_run(told: &CompareArguments, target: &str, scenarios: &Path) -> RunArguments {
    // Whatever is wrong with its file is said when it is prepared.
    let found = target::find(target, scenarios).ok().flatten();
    let usual_lane = found.map_or(Lane::SOFTWARE, |(ready, _)| ready.file.usual_lane());
    let or = |given: &[String], usual: &[&str]| match given {
        [] => usual.iter().map(|it| (*it).to_owned()).collect(),
        given => given.to_vec(),
    };
    RunArguments {
        filter: or(&told.filter, &SUITES),
        exact: told.exact,
        lane: or(&told.lane, &[usual_lane]),
        target: target.to_owned(),
        strict: told.strict,
        jobs: told.jobs,
        headed: false,
        slow_motion: 0,
        seed: told.seed,
        report: None,
        format: Format::Text,
    }
}

/// What came of the rows of a target.
struct Ran {
    column: Column,
    code: u8,
    /// The rows, in the order of the plan.
    lines: Vec<Line>,
}

/// Runs the rows of a target; an exit code where none ran, or its policy is not restored.
fn run(prepared: &Prepared, named: &str, err: &mut impl Write) -> io::Result<Result<Ran, u8>> {
    let ByPolicy { epochs, lease } = match by_policy(prepared, err)? {
        Ok(found) => found,
        Err(code) => return Ok(Err(code)),
    };
    let runner = &prepared.runner;
    let version = match &runner.target {
        Some(target) => target.file.version.as_deref(),
        None if named == EMBEDDED => Some(env!("CARGO_PKG_VERSION")),
        None => None,
    };
    let mut column = Column::new(runner.target_name(), version);
    let label = column.label();
    let (mut all, mut done) = (0, 0);
    let mut note = |event: &Event<'_>| match event {
        Event::Started { runnable } => {
            all = *runnable;
            writeln!(err, "{label}: {all} rows")
        }
        Event::Judged { row, result } => {
            column.note(row, result);
            if !result.judgement.verdict.has_run() {
                return Ok(());
            }
            done += 1;
            if is_another_tenth(done, all) {
                writeln!(err, "{label}: {done} of {all} rows")?;
            }
            Ok(())
        }
        Event::Finished { .. } => Ok(()),
    };
    let (counts, _) = play(prepared, epochs, false, &mut note)?;
    if let Some(code) = end(lease, err)? {
        return Ok(Err(code));
    }
    Ok(Ok(Ran {
        column,
        code: exit_code(&counts, &prepared.unmatched),
        lines: prepared.rows.iter().map(Line::of).collect(),
    }))
}

/// Tells whether a tenth of the rows is done with this one; the counts tell of the last.
fn is_another_tenth(done: usize, all: usize) -> bool {
    done < all && done * 10 / all > (done - 1) * 10 / all
}

/// Puts the rows of another target into the table that it does not have yet, as those of another lane.
fn add_new(plan: &mut Vec<Line>, lines: Vec<Line>) {
    let known: BTreeSet<String> = plan.iter().map(|line| line.row.clone()).collect();
    let new = lines.into_iter().filter(|line| !known.contains(&line.row));
    plan.extend(new);
}

fn since(
    folder: &Path,
    column: &Column,
    told: &CompareArguments,
    plan: &[Line],
) -> Result<Since, VerdictsError> {
    // What failed on our side is no verdict to keep, nor is that nothing ran.
    let nothing_to_keep =
        column.cells.is_empty() || column.counts().contains_key(&Verdict::HarnessError);
    if told.update && nothing_to_keep {
        return Ok(Since::Uncommitted);
    }
    if told.update {
        return verdicts::write(folder, column);
    }
    let only_some = !told.filter.is_empty() || !told.lane.is_empty();
    let chosen = only_some.then(|| {
        plan.iter()
            .map(|line| line.row.clone())
            .collect::<BTreeSet<_>>()
    });
    verdicts::hold(folder, column, chosen.as_ref())
}

/// Says what came of a target, and what changed; tells whether anything did.
fn tell(column: &Column, out: &mut impl Write) -> io::Result<bool> {
    let label = column.label();
    if column.cells.is_empty() {
        writeln!(out, "{label}: nothing ran")?;
        let mut reasons = column.not_run.iter();
        reasons.try_for_each(|(because, count)| writeln!(out, "  {count:>4}  {because}"))?;
    } else {
        writeln!(out, "{label}: {}", column.counted())?;
    }
    match &column.since {
        Since::Uncommitted => writeln!(
            out,
            "  no verdicts are written: that nothing ran, or failed on our side, is none to keep"
        )?,
        Since::NoFile(file) => {
            writeln!(
                out,
                "  no verdicts of it are kept; --update writes {}",
                file.display()
            )?;
        }
        Since::Written(file) => writeln!(out, "  verdicts written: {}", file.display())?,
        Since::Held(file, changes) if changes.is_empty() => {
            writeln!(out, "  the verdicts are those of {}", file.display())?;
        }
        Since::Held(file, changes) => {
            writeln!(
                out,
                "  verdicts changed since {}: {}",
                file.display(),
                changes.len()
            )?;
            for Change { row, before, now } in changes {
                writeln!(out, "    {row}: {now}, was {before}")?;
            }
            return Ok(true);
        }
    }
    Ok(false)
}

fn write(comparison: &Comparison, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let cases = cases_from(folder);
    fs::write(folder.join("compare.md"), markdown(comparison, &cases))?;
    fs::write(folder.join("compare.html"), html(comparison, &cases))?;
    let text = serde_json::to_string_pretty(&json(comparison))?;
    fs::write(folder.join("compare.json"), text + "\n")
}

/// Returns the address of the page about the cases, as a page in the folder names it.
fn cases_from(folder: &Path) -> String {
    let below = folder
        .components()
        .all(|it| matches!(it, std::path::Component::Normal(_)));
    if !below || !Path::new(CASES).exists() {
        return CASES_ELSEWHERE.to_owned();
    }
    let up: PathBuf = folder.components().map(|_| "..").collect();
    up.join(CASES).display().to_string()
}

/// Of several exit codes the one that counts: a failure of the harness, then a target that is not there, then a wrong file, then red.
fn worst(codes: &[u8]) -> u8 {
    let ranked = [EXIT_HARNESS, EXIT_UNREACHABLE, EXIT_BAD_FILE, EXIT_RED];
    let found = ranked.into_iter().find(|code| codes.contains(code));
    found.unwrap_or_else(|| {
        codes
            .iter()
            .copied()
            .find(|code| *code != EXIT_OK)
            .unwrap_or(EXIT_OK)
    })
}

#[cfg(test)]
mod tests {
    use super::{Line, Path, add_new};
    use crate::cli;

    #[test]
    #[allow(clippy::unwrap_used, reason = "tests")]
    fn rows_of_another_lane_are_added_to_the_table_once() {
        let (_, rows) = cli::rows(Path::new("scenarios")).unwrap();
        let of = |lane: &str| -> Vec<Line> {
            let rows = rows.iter().filter(|row| row.lane.id == lane);
            rows.take(3).map(Line::of).collect()
        };
        let mut plan = Vec::new();
        for lane in ["software", "chromium-provider", "software"] {
            add_new(&mut plan, of(lane));
        }
        assert_eq!(plan, [of("software"), of("chromium-provider")].concat());
    }
}
