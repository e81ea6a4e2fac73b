//! JUnit XML: one test suite for each suite of rows.

use std::{collections::BTreeMap, io, time::Duration};

use passkey_model::{
    row::Row,
    verdict::{Verdict, known::Listed},
};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Event, Reporter, failure, matches_nothing};
use crate::run::RowResult;

/// The test suite of the list of known deviations itself.
const KNOWN: &str = "known-deviations";

/// Gathers test cases, to be written at the end.
#[derive(Debug)]
pub(super) struct Junit {
    /// The command that runs a row again, up to its name.
    command: String,
    suites: BTreeMap<&'static str, Vec<TestCase>>,
    elapsed: Duration,
}

impl Junit {
    pub(super) const fn new(command: String) -> Self {
        Self {
            command,
            suites: BTreeMap::new(),
            elapsed: Duration::ZERO,
        }
    }

    pub(super) fn write(&self, out: impl io::Write) -> io::Result<()> {
        let mut report = Report::new("passkey-harness");
        report.set_time(self.elapsed);
        for (name, cases) in &self.suites {
            let mut suite = TestSuite::new(*name);
            suite.add_test_cases(cases.iter().cloned());
            report.add_test_suite(suite);
        }
        report.serialize(out).map_err(io::Error::other)
    }
}

impl Reporter for Junit {
    fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        match event {
            Event::Started { .. } => {}
            Event::Judged { row, result } => {
                self.suites.entry(row.suite.name()).or_default().push(case(
                    row,
                    result,
                    &self.command,
                ));
            }
            Event::Finished {
                elapsed, unmatched, ..
            } => {
                self.elapsed = *elapsed;
                let cases = unmatched.iter().map(unmatched_case);
                let cases: Vec<_> = cases.collect();
                if !cases.is_empty() {
                    self.suites.insert(KNOWN, cases);
                }
            }
        }
        Ok(())
    }
}

/// A known deviation that no row can show.
fn unmatched_case(listed: &Listed) -> TestCase {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_message(matches_nothing(listed));
    let mut case = TestCase::new(listed.deviation.rows.to_string(), status);
    case.set_classname(KNOWN);
    case
}

fn case(row: &Row, result: &RowResult, command: &str) -> TestCase {
    let because = result.judgement.because.as_str();
    let non_success = |kind| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(because);
        status.set_type(result.judgement.verdict.name());
        status.set_description(failure(row, result, &[], command));
        status
    };
    let status = match result.judgement.verdict {
        Verdict::Conforms | Verdict::Observed | Verdict::KnownDeviation => {
            TestCaseStatus::success()
        }
        Verdict::Deviates | Verdict::Inconclusive => non_success(NonSuccessKind::Failure),
        Verdict::HarnessError => non_success(NonSuccessKind::Error),
        Verdict::NotApplicable | Verdict::Blocked => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(because);
            status
        }
    };
    let mut case = TestCase::new(row.name.to_string(), status);
    case.set_classname(format!("{}::{}", row.suite.name(), row.scenario));
    case.set_time(result.duration);
    if let Some(known) = &result.known {
        case.add_property(("known-deviation", known.of.name()));
        case.set_system_out(because);
    }
    case
}
