//! The page about the conformance cases, for people who write relying parties.

use std::{collections::BTreeMap, fmt::Write};

use passkey_model::{
    library::Library,
    row::Row,
    scenario::{Basis, Case, CeremonyKind, Expected, Severity, Suite},
};

const HEAD: &str = "\
# The conformance cases

What each case does, what it means when it is red, and how to mend it. Written by `passkey-harness docs` from
`scenarios/conformance`; change it there.

A case is one change to an exchange that is otherwise right, or one thing that an attacker does. *Basis* says why it may be red:
MUST and SHOULD are WebAuthn L3's (SHOULD is red with `--strict` only), FIDO the FIDO server tests', security what an attacker
would gain, policy what the relying party itself declares. Run one with `passkey-harness run <case>::`, and look at its exchange
with `passkey-harness run --exact <row>`.
";

/// Returns the page, Markdown.
#[must_use]
pub fn page(library: &Library, rows: &[Row]) -> String {
    let mut lanes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let shown = rows
        .iter()
        .filter(|row| row.suite == Suite::Conformance && row.not_applicable.is_none());
    for row in shown {
        let of_case = lanes.entry(&row.scenario).or_default();
        if !of_case.contains(&row.lane.id.as_str()) {
            of_case.push(&row.lane.id);
        }
    }
    let mut text = HEAD.to_owned();
    for group in &library.conformance {
        line(&mut text, format_args!("\n## {}\n", group.value.title));
        for case in &group.value.cases {
            let lanes = lanes.get(case.id.as_str()).map(Vec::as_slice);
            describe(&mut text, case, lanes.unwrap_or_default());
        }
    }
    let not_built = library.not_built.iter().flat_map(|file| &file.value.cases);
    line(&mut text, format_args!("\n## Cases that were not built\n"));
    for case in not_built {
        line(
            &mut text,
            format_args!("- {}: {}", case.ids.join(", "), case.why),
        );
    }
    text
}

fn describe(text: &mut String, case: &Case, lanes: &[&str]) {
    line(text, format_args!("### {}\n", case.id));
    line(text, format_args!("{}.\n", case.title));
    let steps = case.ceremonies.iter().map(|ceremony| {
        let name = match ceremony {
            CeremonyKind::Registration => "registration",
            CeremonyKind::Authentication => "sign-in",
        };
        format!("{name} ({})", case.step.of(*ceremony))
    });
    let steps: Vec<String> = steps.collect();
    let expected = match case.expect {
        Expected::Accepted => "has to be accepted",
        Expected::Rejected => "has to be refused",
        Expected::PolicyRefused => "the policy has to be refused",
        Expected::NoCredential => "the client has to refuse",
        Expected::Reported => "is reported, not judged",
    };
    line(text, format_args!("- {expected}: {}", steps.join(", ")));
    line(
        text,
        format_args!(
            "- basis {}, severity {}",
            basis(case.basis),
            severity(case.severity)
        ),
    );
    if !case.also.is_empty() {
        line(text, format_args!("- shows also {}", case.also.join(", ")));
    }
    if !case.variants.is_empty() {
        let names = case.variants.iter().map(|variant| variant.name.as_str());
        let names: Vec<&str> = names.collect();
        line(text, format_args!("- variants: {}", names.join(", ")));
    }
    line(text, format_args!("- lanes: {}", lanes.join(", ")));
    line(
        text,
        format_args!("- sources: {}\n", case.sources.join("; ")),
    );
    line(text, format_args!("When it is red: {}\n", case.red));
    line(text, format_args!("To mend it: {}\n", case.mend));
}

/// Returns a basis as the page spells it.
pub(crate) const fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Must => "MUST",
        Basis::Should => "SHOULD",
        Basis::Fido => "FIDO",
        Basis::Security => "security",
        Basis::Policy => "policy",
    }
}

/// Returns a severity as the page spells it.
pub(crate) const fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{arguments}");
}
