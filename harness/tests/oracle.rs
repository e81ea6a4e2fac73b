//! The oracle and the reference relying party read the same documentation apart from each other: on random policies and
//! requests they have to come to the same decision.
//!
//! `PASSKEY_ORACLE_CASES` says how many cases each test draws, 5,000 when it is not set. The cases are the same every time
//! unless `PROPTEST_RNG_SEED` says otherwise; a failure is shrunk before it is shown. From 1,000 cases on, the tests also
//! hold that nothing is compared in name only: every clause decides in two cases of a hundred at least, both ways.
//!
//! A clause *refuses* in a case when leaving it out of the oracle turns the denial into an admission. A clause *admits* in a
//! case when the request is admitted, what the clause speaks of is there (a list, enforced attestation, an excluded group, a
//! registration, ...), and changing that alone for the worse makes the clause refuse, in the sense above.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "oracle/cases.rs"]
mod cases;
#[path = "oracle/coverage.rs"]
mod coverage;
#[path = "oracle/documents.rs"]
mod documents;
#[path = "oracle/policies.rs"]
mod policies;

use std::{cell::RefCell, collections::BTreeSet, env};

use cases::Case;
use coverage::{Request, Shares};
use documents::Draft;
use passkey_model::{
    policy::{self as oracle, Clause, Decision, Limits, Operation, Policy},
    provider::PasskeyType,
};
use passkey_reference_rp::{
    Defect, Defects,
    policy::{self as rp, Credential, Subject},
};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, RngSeed, TestCaseResult, TestRunner},
};
use serde_json::Value;

const DEFAULT_CASES: u32 = 5_000;
const SEED: u64 = 20;

/// The rules that a policy document has to keep.
const RULES: [&str; 10] = [
    "policy.attestation-with-synced",
    "policy.default-profile",
    "policy.duplicate-profile",
    "policy.malformed-aaguid",
    "policy.missing-field",
    "policy.profile-in-use",
    "policy.profile-limit",
    "policy.size-limit",
    "policy.unknown-profile",
    "policy.unknown-value",
];

/// Reads how many cases are wanted.
fn wanted_cases(text: Option<&str>) -> Result<u32, String> {
    let Some(text) = text else {
        return Ok(DEFAULT_CASES);
    };
    match text.parse() {
        Ok(0) | Err(_) => Err(format!(
            "PASSKEY_ORACLE_CASES is '{text}': it has to be a number of cases, from 1 to {}",
            u32::MAX
        )),
        Ok(cases) => Ok(cases),
    }
}

/// Draws the wanted number of cases, and shrinks the first that fails.
fn for_all<S: Strategy>(strategy: &S, test: impl Fn(S::Value) -> TestCaseResult) {
    let wanted = env::var("PASSKEY_ORACLE_CASES").ok();
    let mut config = Config {
        cases: wanted_cases(wanted.as_deref()).unwrap_or_else(|message| panic!("{message}")),
        failure_persistence: None,
        // Several times faster than the default in a debug build, and good enough to draw cases from.
        rng_algorithm: RngAlgorithm::XorShift,
        ..Config::default()
    };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(SEED);
    }
    let seed = config.rng_seed;
    if let Err(error) = TestRunner::new(config).run(strategy, test) {
        panic!("with PROPTEST_RNG_SEED={seed}: {error}");
    }
}

/// What the relying party was told, and decides.
struct Asked<'a> {
    case: &'a Case,
    switches: rp::Switches,
    subject: Subject,
    credential: Credential,
}

impl<'a> Asked<'a> {
    fn new(case: &'a Case) -> Self {
        let switches = rp::Switches::from_json(&case.switches).expect("switches of ours");
        let (user, made) = (&case.user, &case.credential);
        let synced = rp::is_synced(
            made.backup_eligible,
            made.first_party,
            made.attested,
            &switches,
            &Defects::NONE,
        );
        Self {
            case,
            switches,
            subject: Subject {
                groups: user.groups.clone(),
                guest: user.guest,
                mfa_age_seconds: user.mfa_age_seconds,
            },
            credential: Credential {
                synced,
                aaguid: made.aaguid.bytes(),
                format: made.format.clone(),
                self_attested: made.self_attested,
                attested: made.attested,
            },
        }
    }

    fn decide(&self, defects: impl Into<Defects>) -> Result<(), Vec<String>> {
        rp::decide(
            &self.case.document,
            &self.switches,
            &defects.into(),
            &self.subject,
            &self.credential,
            self.case.operation == Operation::Registration,
        )
    }
}

/// The mistake of leaving a clause out.
const fn without(clause: Clause) -> Defect {
    match clause {
        Clause::MethodDisabled => Defect::MethodDisabledIgnored,
        Clause::ExcludedGroup => Defect::ExcludedGroupIgnored,
        Clause::SelfServiceOff => Defect::SelfServiceIgnored,
        Clause::Guest => Defect::GuestIgnored,
        Clause::StepUp => Defect::StepUpIgnored,
        Clause::NotTargeted => Defect::TargetsIgnored,
        Clause::Type => Defect::TypeIgnored,
        Clause::Attestation => Defect::AttestationIgnored,
        Clause::Format => Defect::FormatIgnored,
        Clause::AaguidAllow => Defect::AaguidAllowIgnored,
        Clause::AaguidBlock => Defect::AaguidBlockIgnored,
        Clause::WindowsHello => Defect::WindowsHelloNotSpecial,
    }
}

/// Reads a case as the oracle reads it.
fn request(case: &Case) -> Request {
    let switches = serde_json::from_value(case.switches.clone()).expect("switches of ours");
    let policy = Policy::from_graph(&case.document, &switches, &Limits::default(), None);
    Request {
        policy: policy.expect("a policy that keeps its rules"),
        switches,
        user: case.user.clone(),
        credential: case.credential.clone(),
        operation: case.operation,
    }
}

fn compare(case: &Case, shares: &mut Shares) -> TestCaseResult {
    let (request, asked) = (request(case), Asked::new(case));
    shares.next_case();
    let kind = oracle::passkey_type(&request.credential, &request.switches);
    prop_assert_eq!(kind == PasskeyType::Synced, asked.credential.synced, "type");
    match (request.decision(), asked.decide(Defects::NONE)) {
        (Decision::Admitted(_), Ok(())) => {
            for (clause, name) in Clause::ALL {
                if request.is_admitted_by(clause) {
                    shares.saw(format!("{name} admits"));
                }
            }
        }
        (Decision::Denied(clauses), Err(refused)) => {
            let names: Vec<&str> = clauses.iter().map(|clause| clause.name()).collect();
            let both: BTreeSet<&str> = refused.iter().map(String::as_str).collect();
            prop_assert_eq!(BTreeSet::from_iter(names), both, "clauses");
            for clause in clauses {
                let decides = request.is_refused_by(clause);
                let admitted = asked.decide(without(clause)).is_ok();
                prop_assert_eq!(decides, admitted, "whether {} alone refuses", clause);
                if decides {
                    shares.saw(format!("{clause} refuses"));
                }
            }
        }
        (oracle, rp) => prop_assert!(false, "oracle {oracle:?}, relying party {rp:?}"),
    }
    Ok(())
}

#[test]
fn the_oracle_and_the_reference_rp_decide_alike() {
    let wanted = Clause::ALL
        .iter()
        .flat_map(|(_, name)| [format!("{name} refuses"), format!("{name} admits")]);
    let shares = RefCell::new(Shares::of(wanted));
    for_all(&cases::case(), |case| {
        compare(&case, &mut shares.borrow_mut())
    });
    shares.into_inner().assert_enough();
}

/// Returns the rule that each side finds broken.
fn broken_rules(draft: &Draft) -> (Option<String>, Option<String>) {
    let switches = serde_json::from_value(draft.switches.clone()).expect("switches of ours");
    let read = |document: &Value, previous: Option<&Policy>| {
        Policy::from_graph(document, &switches, &draft.limits, previous)
    };
    let previous = draft.previous.as_ref().map(|document| {
        Policy::from_graph(document, &switches, &Limits::default(), None)
            .expect("a policy that keeps its rules")
    });
    let oracle = read(&draft.document, previous.as_ref()).err();
    let limits = rp::Limits {
        profiles: draft.limits.profiles,
        bytes: draft.limits.bytes,
    };
    let rp = rp::validate(
        &draft.document,
        draft.previous.as_ref(),
        &rp::Switches::from_json(&draft.switches).expect("switches of ours"),
        &limits,
        &Defects::NONE,
    );
    (
        oracle.map(|refusal| format!("policy.{}", refusal.rule)),
        rp.err().map(|broken| broken.rule.to_owned()),
    )
}

#[test]
fn the_oracle_and_the_reference_rp_refuse_the_same_policies() {
    let outcomes = RULES.into_iter().chain(["valid"]);
    let shares = RefCell::new(Shares::of(outcomes.map(str::to_owned)));
    for_all(&documents::draft(), |draft| {
        let (oracle, rp) = broken_rules(&draft);
        prop_assert_eq!(&oracle, &rp);
        let outcome = oracle.as_deref().unwrap_or("valid");
        prop_assert!(
            outcome == "valid" || RULES.contains(&outcome),
            "{outcome} is no rule"
        );
        let mut shares = shares.borrow_mut();
        shares.next_case();
        shares.saw(outcome);
        Ok(())
    });
    shares.into_inner().assert_enough();
}

#[test]
fn the_number_of_cases_is_a_number() {
    assert_eq!(wanted_cases(None), Ok(DEFAULT_CASES));
    assert_eq!(wanted_cases(Some("200000")), Ok(200_000));
    for wrong in ["", "many", "-1", "1e6", "0", "99999999999"] {
        let message = wanted_cases(Some(wrong)).expect_err("it is no number");
        assert!(
            message.contains(&format!("PASSKEY_ORACLE_CASES is '{wrong}'")),
            "{message}"
        );
    }
}
