//! The scenario files themselves: the grid against the oracle, names, and what is said of bad files.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use passkey_harness::{cli, coverage::Coverage, load};
use passkey_model::{
    library::{Library, ProviderInContext},
    policy::{
        self, Clause, CredentialFacts, Decision, Limits, Operation, Policy, Switches, UserFacts,
    },
    provider::AttestationKind,
    row::RowName,
    scenario::Expected,
};

fn scenarios() -> PathBuf {
    PathBuf::from("scenarios")
}

#[test]
fn every_conformance_case_says_what_red_means_and_how_to_mend_it() {
    let (library, _) = cli::rows(&scenarios()).unwrap();
    let cases = library
        .conformance
        .iter()
        .flat_map(|group| &group.value.cases);
    let silent = cases.filter(|case| case.red.trim().is_empty() || case.mend.trim().is_empty());
    let silent: Vec<&str> = silent.map(|case| case.id.as_str()).collect();
    assert_eq!(silent, Vec::<&str>::new());
}

#[test]
fn no_case_is_built_and_listed_as_not_built() {
    let (library, _) = cli::rows(&scenarios()).unwrap();
    let groups = library.conformance.iter();
    let built: BTreeSet<&String> = groups
        .flat_map(|group| &group.value.cases)
        .flat_map(|case| case.also.iter().chain([&case.id]))
        .collect();
    let listed = &library.not_built.as_ref().unwrap().value.cases;
    let ids = listed.iter().flat_map(|cases| &cases.ids);
    let both: Vec<&String> = ids.filter(|id| built.contains(id)).collect();
    assert_eq!(both, Vec::<&String>::new());
}

#[test]
fn every_step_of_the_specification_has_cases_or_says_why_not() {
    let (library, rows) = cli::rows(&scenarios()).unwrap();
    let coverage = Coverage::of(&library, &rows);
    assert_eq!(coverage.gaps(), Vec::<String>::new());
    let steps = |prefix: &str| {
        let of_ceremony = coverage.steps.iter();
        of_ceremony
            .filter(|step| step.step.starts_with(prefix))
            .count()
    };
    assert_eq!((steps("reg."), steps("auth.")), (29, 25));
}

fn credential(made: &ProviderInContext) -> CredentialFacts {
    let attestation = made.model.attestation;
    let format = match attestation {
        AttestationKind::None => "none",
        AttestationKind::FirstPartyApp => "x-first-party-app",
        AttestationKind::Tpm => "tpm",
        _ => "packed",
    };
    CredentialFacts {
        backup_eligible: made.model.backup_eligible,
        aaguid: made.model.aaguid,
        format: format.to_owned(),
        self_attested: attestation == AttestationKind::PackedSelf,
        attested: matches!(
            attestation,
            AttestationKind::Packed | AttestationKind::FirstPartyApp
        ),
        first_party: made.claim.attestation == AttestationKind::FirstPartyApp,
    }
}

fn decided(
    library: &Library,
    profile: &str,
    made: &ProviderInContext,
    operation: Operation,
) -> (Expected, Vec<Clause>) {
    let document = &library.profile(profile).expect("the profile").policy;
    let switches = Switches::default();
    let policy =
        Policy::from_graph(document, &switches, &Limits::default(), None).expect("a policy");
    match policy::evaluate(
        &policy,
        &switches,
        &UserFacts::default(),
        &credential(made),
        operation,
    ) {
        Decision::Admitted(_) => (Expected::Accepted, Vec::new()),
        Decision::Denied(clauses) => (Expected::Rejected, clauses.into_iter().collect()),
    }
}

fn sorted(clauses: &[Clause]) -> Vec<Clause> {
    let mut clauses = clauses.to_vec();
    clauses.sort();
    clauses
}

#[test]
fn the_oracle_agrees_with_every_cell_of_the_grid() {
    let (library, _) = cli::rows(&scenarios()).expect("scenarios");
    let mut cells = 0;
    for pair in &library.contexts.as_ref().expect("contexts").value.pairs {
        let made = library
            .provider(&pair.provider)
            .expect("the provider")
            .made_in(&pair.registration);
        for entry in &library.grid.as_ref().expect("the grid").value.entries {
            if entry.provider != pair.provider {
                continue;
            }
            let exception = entry
                .except
                .iter()
                .find(|exception| exception.contexts.contains(&pair.registration));
            let (registration, sign_in, clauses) = exception.map_or_else(
                || (entry.registration, entry.sign_in, &entry.clauses),
                |exception| {
                    (
                        exception.registration,
                        exception.sign_in,
                        &exception.clauses,
                    )
                },
            );
            let cell = format!(
                "{} under {} made in {}",
                entry.provider, entry.profile, pair.registration
            );
            let oracle = decided(&library, &entry.profile, &made, Operation::Registration);
            assert_eq!(
                oracle,
                (registration, sorted(&clauses.registration)),
                "registration of {cell}"
            );
            let oracle = decided(&library, &entry.profile, &made, Operation::SignIn);
            assert_eq!(
                oracle,
                (sign_in, sorted(&clauses.sign_in)),
                "sign-in of {cell}"
            );
            cells += 1;
        }
    }
    assert!(cells >= 400, "only {cells} cells were compared");
}

#[test]
fn names_of_rows_are_sorted_and_parse_back() {
    let (_, rows) = cli::rows(&scenarios()).expect("scenarios");
    assert!(rows.windows(2).all(|pair| pair[0].name < pair[1].name));
    for row in &rows {
        assert_eq!(
            row.name.to_string().parse::<RowName>().as_ref(),
            Ok(&row.name)
        );
    }
}

/// Writes one profile file with these bytes and returns what is said of it.
fn said_of(test: &str, bytes: &[u8]) -> String {
    let root = std::env::temp_dir().join(format!("passkey-harness-{}-{test}", std::process::id()));
    let folder = root.join("profiles");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("p.yaml"), bytes).expect("a file");
    let errors = load::library(&root).expect_err("the file is bad");
    fs::remove_dir_all(&root).expect("the folder is ours");
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn bad_files_are_refused_with_line_and_column() {
    let cases: [(&str, &[u8], &[&str]); 7] = [
        ("empty", b"", &["p.yaml:1:1: the file is empty"]),
        (
            "second-document",
            b"id: a\n---\nid: b\n",
            &["p.yaml:2:", "second document"],
        ),
        (
            "alias",
            b"id: &x a\ntitle: *x\n",
            &["p.yaml:2:8: aliases are not allowed"],
        ),
        (
            "duplicate-key",
            b"id: a\nid: b\n",
            &["p.yaml:2:1: 'id' stands here a second time"],
        ),
        (
            "not-utf-8",
            b"id: a\ntitle: \xff\n",
            &["p.yaml:2:8: is not UTF-8"],
        ),
        (
            "unknown-field",
            b"id: a\ntitel: b\n",
            &[
                "p.yaml:2:1:",
                "unknown field `titel`",
                "did you mean `title`?",
            ],
        ),
        ("not-yaml", b"id: [a\n", &["p.yaml:"]),
    ];
    for (test, bytes, wanted) in cases {
        let said = said_of(test, bytes);
        for part in wanted {
            assert!(said.contains(part), "{test}: {said}");
        }
    }
}

#[test]
fn a_large_file_is_refused_before_it_is_parsed() {
    let said = said_of("large", &vec![b'#'; 10 * 1024 * 1024]);
    assert!(said.contains("has 10485760 bytes"), "{said}");
}
