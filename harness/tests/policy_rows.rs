//! The rows of the suite `policy` against the oracle: every literal expectation, and every clause that a defect leaves out.
#![allow(clippy::expect_used, reason = "tests")]

use std::{collections::BTreeSet, path::Path};

use passkey_harness::cli;
use passkey_model::{
    lane::{Fixed, Lane},
    policy::{Clause, Decision, Story, Told},
    row::{Role, Row, Step},
    scenario::{Expected, Suite},
    verdict::Reason,
};

/// Holds what the oracle says of a step against what the row expects of it.
fn compare(row: &Row, step: &Step, told: Told) {
    let name = &row.name;
    match told {
        Told::Ceremony(decision, deciding) => compare_ceremony(row, step, &decision, &deciding),
        // How a request says of which type it is, is nothing that the document holds.
        Told::Policy(_) if name.to_string().contains("::without-odata-type::") => {}
        Told::Policy(read) => match (step.expect, read) {
            (Expected::Rejected, Err(_)) | (Expected::Accepted, Ok(())) => {}
            (Expected::PolicyRefused, Err(refusal)) => {
                let rule = Reason::PolicyRule(format!("policy.{}", refusal.rule));
                assert!(step.reasons.contains(&rule), "{name}: {refusal}");
            }
            (expected, read) => panic!("{name}: {expected:?}, but {read:?}"),
        },
        Told::Nothing => {}
    }
}

fn compare_ceremony(row: &Row, step: &Step, decision: &Decision, deciding: &BTreeSet<Clause>) {
    let name = &row.name;
    let clauses: Vec<Clause> = step
        .reasons
        .iter()
        .filter_map(|reason| match reason {
            Reason::Clause(clause) => Some(*clause),
            _ => None,
        })
        .collect();
    match decision {
        Decision::Admitted(_) => {
            // A step of the verification may refuse what the policy takes.
            let by_step = step.expect == Expected::Rejected && clauses.is_empty();
            assert!(
                by_step || step.expect == Expected::Accepted,
                "{name}: admitted"
            );
        }
        Decision::Denied(denied) => {
            assert_eq!(
                step.expect,
                Expected::Rejected,
                "{name}: denied by {denied:?}"
            );
            for clause in &clauses {
                assert!(denied.contains(clause), "{name}: {clause} does not refuse");
            }
            let named = row.defects.iter().filter_map(|name| clause_of(name));
            for clause in named.filter(|_| step.role == Role::Subject) {
                assert!(
                    deciding.contains(&clause),
                    "{name}: {clause} does not decide"
                );
            }
        }
    }
}

/// The clause that a defect leaves out.
fn clause_of(defect: &str) -> Option<Clause> {
    match defect {
        "self-service-ignored" => Some(Clause::SelfServiceOff),
        "windows-hello-not-special" => Some(Clause::WindowsHello),
        _ => defect.strip_suffix("-ignored")?.parse().ok(),
    }
}

#[test]
fn the_oracle_agrees_with_every_row_about_policies() {
    let root = Path::new("scenarios");
    let (library, rows) = cli::rows(root).expect("scenarios");
    let rows: Vec<_> = rows
        .iter()
        .filter(|row| row.suite == Suite::Policy && row.lane.id == Lane::SOFTWARE)
        .collect();
    assert!(rows.len() >= 200, "only {} rows", rows.len());
    let chosen = Fixed::default();
    for row in rows {
        let mut story = Story::new(&library, row, &chosen).expect("a policy that keeps its rules");
        for step in &row.steps {
            compare(row, step, story.step(step));
        }
    }
}
