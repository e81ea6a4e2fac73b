//! Expansion does not depend on the order in which files are found, makes every name once, and what it writes as a name can
//! be read back.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::{fmt::Debug, fmt::Display, path::Path, str::FromStr, sync::LazyLock};

use passkey_harness::load;
use passkey_model::{
    Aaguid, MutationPath, Stage,
    expand::expand,
    library::Library,
    platform::{Context, Flow, PlatformVersion, VersionSymbol},
    policy::Clause,
    row::{Row, RowName},
    verdict::Reason,
};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestCaseResult};

static LIBRARY: LazyLock<Library> = LazyLock::new(|| {
    let root = Path::new("scenarios");
    load::library(root).expect("scenarios")
});

/// A row in full: its name and everything that it says, but for the line of the grid, which moves with the order of entries.
fn in_full(rows: &[Row]) -> Vec<String> {
    let without_line = |row: &Row| Row {
        expected_at: row.source.clone(),
        ..row.clone()
    };
    rows.iter()
        .map(|row| format!("{:?}", without_line(row)))
        .collect()
}

static ROWS: LazyLock<Vec<String>> = LazyLock::new(|| in_full(&expand(&LIBRARY).expect("rows")));

/// The library as it would be read if files were found, and written, in another order.
fn shuffled(seed: u64) -> Library {
    let mut library = LIBRARY.clone();
    let mut shuffle = Shuffle(seed);
    shuffle.list(&mut library.platforms);
    shuffle.list(&mut library.providers);
    shuffle.list(&mut library.profiles);
    shuffle.list(&mut library.matrix);
    shuffle.list(&mut library.policy);
    shuffle.list(&mut library.conformance);
    let grid = library.grid.as_mut().expect("the grid");
    shuffle.list(&mut grid.value.entries);
    let contexts = library.contexts.as_mut().expect("contexts");
    shuffle.list(&mut contexts.value.pairs);
    let table = library.availability.as_mut().expect("the table");
    shuffle.list(&mut table.value.rows);
    library
}

/// Puts lists in an order that a number decides.
struct Shuffle(u64);

impl Shuffle {
    fn list<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            // The constants are Knuth's, of MMIX.
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let other = (self.0 >> 33) as usize % (last + 1);
            list.swap(last, other);
        }
    }
}

/// Two rows from a little before the place where they differ: in full they fill pages.
fn difference(row: &str, other: &str) -> String {
    let same = row.chars().zip(other.chars());
    let start = same.take_while(|(one, other)| one == other).count();
    let shown = |text: &str| -> String {
        let name: String = text.chars().take(120).collect();
        let rest = text.chars().skip(start.saturating_sub(80)).take(300);
        format!("{name} ... {}", rest.collect::<String>())
    };
    format!("{}\n{}", shown(row), shown(other))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 8,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn rows_do_not_depend_on_the_order_of_files(seed in any::<u64>()) {
        let rows = in_full(&expand(&shuffled(seed)).expect("rows"));
        prop_assert_eq!(rows.len(), ROWS.len());
        for (row, before) in rows.iter().zip(&*ROWS) {
            prop_assert!(row == before, "{}", difference(row, before));
        }
    }
}

#[test]
fn a_second_row_of_one_name_is_refused_at_its_place() {
    let mut library = LIBRARY.clone();
    let mut copy = library.conformance[0].clone();
    let original = copy.at("/cases/0");
    copy.file = "copy.yaml".to_owned();
    copy.value.cases.truncate(1);
    library.conformance.push(copy);
    let errors = expand(&library).expect_err("rows of one name");
    for error in errors {
        let said = error.to_string();
        assert!(said.starts_with("copy.yaml:"), "{said}");
        assert!(
            said.ends_with(&format!("is already made at {original}")),
            "{said}"
        );
    }
}

/// What is written is read back as what it was.
fn reads_back<T: Display + FromStr + PartialEq + Debug>(value: &T) -> TestCaseResult
where
    T::Err: Debug,
{
    let text = value.to_string();
    let back = text.parse::<T>();
    prop_assert_eq!(back.as_ref().ok(), Some(value), "{}", text);
    Ok(())
}

fn is_refused<T: FromStr + Debug>(text: &str) -> TestCaseResult {
    let read = text.parse::<T>().ok();
    prop_assert!(read.is_none(), "'{}' reads as {:?}", text, read);
    Ok(())
}

fn part() -> impl Strategy<Value = String> {
    "[a-z0-9.-]{1,12}"
}

/// No platform is called `...-below`: its `min` would read as another platform's `below-min`.
fn platform_version() -> impl Strategy<Value = PlatformVersion> {
    let version = select(vec![
        VersionSymbol::BelowMin,
        VersionSymbol::Min,
        VersionSymbol::Current,
    ]);
    let platform = "[a-z][a-z0-9-]{0,10}";
    let platform = platform.prop_filter("reads as below-min", |id| !id.ends_with("-below"));
    (platform, version).prop_map(|(platform, version)| PlatformVersion { platform, version })
}

fn context() -> impl Strategy<Value = Context> {
    let flow = prop_oneof![
        Just(Flow::SameDevice),
        platform_version().prop_map(Flow::CrossDevice),
    ];
    (platform_version(), flow).prop_map(|(client, flow)| Context { client, flow })
}

fn reason() -> impl Strategy<Value = Reason> {
    prop_oneof![
        select(Clause::ALL.to_vec()).prop_map(|(clause, _)| Reason::Clause(clause)),
        (1..=29).prop_map(|step| Reason::Step(format!("reg.{step}"))),
        (1..=25).prop_map(|step| Reason::Step(format!("auth.{step}"))),
        "[a-z-]{1,20}".prop_map(|rule| Reason::PolicyRule(format!("policy.{rule}"))),
        select(vec![Reason::Parse, Reason::State, Reason::Unknown]),
    ]
}

/// Parts of which one cannot stand in a name.
fn wrong_parts() -> impl Strategy<Value = Vec<String>> {
    let wrong = prop_oneof![
        Just(String::new()),
        (part(), "[^a-z0-9.-]", part()).prop_map(|(before, wrong, after)| before + &wrong + &after),
    ];
    (vec(part(), 3..6), 0..3_usize, wrong).prop_map(|(mut parts, place, wrong)| {
        parts[place] = wrong;
        parts
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn names_of_rows_read_back(parts in vec(part(), 3..9)) {
        let name = RowName::new(parts.clone()).expect("parts that names may have");
        prop_assert_eq!(name.parts(), parts);
        reads_back(&name)?;
    }

    #[test]
    fn parts_that_no_name_may_have_are_refused(parts in wrong_parts()) {
        prop_assert!(RowName::new(parts).is_err());
    }

    #[test]
    fn names_of_fewer_than_three_parts_are_refused(parts in vec(part(), 0..3)) {
        prop_assert!(RowName::new(parts.clone()).is_err());
        is_refused::<RowName>(&parts.join("::"))?;
    }

    #[test]
    fn contexts_read_back(context in context()) {
        reads_back(&context)?;
        reads_back(context.authenticator_platform())?;
    }

    #[test]
    fn a_context_without_version_or_flow_is_refused(context in context(), end in 0..80_usize) {
        let text = context.to_string();
        let end = end % text.len();
        let cut = text.get(..end).expect("ASCII");
        // What is cut off may leave another context: `...-a-min` of `...-a-min-min`.
        let read = cut.parse::<Context>();
        prop_assert!(read.is_err() || read.is_ok_and(|context| context.to_string() == cut));
        let (client, flow) = text.split_once('.').expect("a flow");
        is_refused::<Context>(client)?;
        is_refused::<Context>(&format!(".{flow}"))?;
        is_refused::<Context>(&format!("{client}."))?;
    }

    #[test]
    fn paths_of_mutations_read_back(stage in select(Stage::ALL.to_vec()), path in vec("[^/]{0,8}", 0..4)) {
        reads_back(&MutationPath { stage: stage.0, path })?;
    }

    #[test]
    fn an_unknown_stage_is_refused_with_the_nearest(stage in select(Stage::ALL.to_vec()), at in 0..60_usize) {
        let mut name = stage.1.to_owned();
        name.insert(at % (name.len() + 1), '_');
        let error = format!("{name}/type").parse::<MutationPath>().expect_err("no stage");
        prop_assert_eq!((error.found, error.nearest), (name, stage.1));
    }

    #[test]
    fn aaguids_read_back_in_either_case(bytes in any::<[u8; 16]>()) {
        let aaguid = Aaguid::from(bytes);
        reads_back(&aaguid)?;
        prop_assert_eq!(aaguid.bytes(), bytes);
        prop_assert_eq!(aaguid.to_string().to_uppercase().parse(), Ok(aaguid));
    }

    #[test]
    fn a_text_of_another_shape_is_no_aaguid(bytes in any::<[u8; 16]>(), at in 0..36_usize, wrong in "[^-0-9a-fA-F]|") {
        let mut text = Aaguid::from(bytes).to_string();
        text.replace_range(at..=at, &wrong);
        is_refused::<Aaguid>(&text)?;
        is_refused::<Aaguid>(&text.replace('-', ""))?;
    }

    #[test]
    fn reasons_read_back(reason in reason()) {
        reads_back(&reason)?;
    }

    #[test]
    fn other_steps_and_words_are_no_reasons(number in 30..1000_u16, word in "[a-z]{1,3}|reg|auth", at in any::<bool>()) {
        let ceremony = if at { "reg" } else { "auth" };
        is_refused::<Reason>(&format!("{ceremony}.{number}"))?;
        is_refused::<Reason>(&format!("{ceremony}.0"))?;
        is_refused::<Reason>(&word)?;
        is_refused::<Reason>(&format!("{word}."))?;
    }
}
