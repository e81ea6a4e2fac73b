//! A comparison as Markdown.

use std::fmt::Write as _;

use passkey_model::target::Whose;

use super::{Comparison, Finding, Line, verdicts::Since};

/// Returns the comparison as a page of Markdown; `cases` is the address of the page about the cases.
#[must_use]
pub fn markdown(comparison: &Comparison, cases: &str) -> String {
    let mut text = "# Relying parties compared\n\n".to_owned();
    summary(&mut text, comparison);
    for of in Whose::ALL {
        let title = format!("Known deviations of the {of}");
        findings(&mut text, &title, &comparison.findings(of));
    }
    let unexplained = comparison.unexplained();
    findings(&mut text, "Red, and not explained", &unexplained);
    changes(&mut text, comparison);
    table(&mut text, comparison, cases);
    text
}

/// Writes a line; a String takes all that is written to it.
fn line(text: &mut String, line: &str) {
    let _ = writeln!(text, "{line}");
}

fn summary(text: &mut String, comparison: &Comparison) {
    line(
        text,
        "| target | version | rows that ran | verdicts | not run |",
    );
    line(text, "|---|---|---|---|---|");
    for column in &comparison.columns {
        let not_run: usize = column.not_run.values().sum();
        let version = column.version.as_deref().unwrap_or("not stated");
        let cells = [
            safe(&column.target),
            safe(version),
            column.cells.len().to_string(),
            column.counted(),
            not_run.to_string(),
        ];
        line(text, &format!("| {} |", cells.join(" | ")));
    }
}

fn findings(text: &mut String, title: &str, findings: &[Finding<'_>]) {
    if findings.is_empty() {
        return;
    }
    line(text, &format!("\n## {title}\n"));
    for it in findings {
        let link = it.link.map(|link| format!(" (<{link}>)"));
        line(
            text,
            &format!(
                "- **{}**: {}{}",
                safe(&it.target),
                safe(it.found),
                link.unwrap_or_default()
            ),
        );
        for row in &it.rows {
            line(text, &format!("  - `{row}`"));
        }
    }
}

fn changes(text: &mut String, comparison: &Comparison) {
    for column in &comparison.columns {
        let Since::Held(file, changes) = &column.since else {
            continue;
        };
        if changes.is_empty() {
            continue;
        }
        let label = safe(&column.label());
        line(
            text,
            &format!(
                "\n## Verdicts of {label} that changed since {}\n",
                file.display()
            ),
        );
        for it in changes {
            line(
                text,
                &format!("- `{}`: {}, was {}", it.row, it.now, it.before),
            );
        }
    }
}

fn table(text: &mut String, comparison: &Comparison, cases: &str) {
    let labels = comparison.columns.iter().map(|it| safe(&it.label()));
    let labels: Vec<_> = labels.collect();
    line(text, "\n## Every row\n");
    line(
        text,
        &format!("| case | row | severity | basis | {} |", labels.join(" | ")),
    );
    line(
        text,
        &format!("|---|---|---|---|{}", "---|".repeat(labels.len())),
    );
    for it in &comparison.lines {
        let cells = comparison.columns.iter().map(|column| {
            let Some(cell) = column.cells.get(&it.row) else {
                return "not run".to_owned();
            };
            let known = cell.known.as_ref();
            let of = known.map(|known| format!(" ({})", known.of));
            format!("{}{}", cell.verdict.name(), of.unwrap_or_default())
        });
        let cells: Vec<_> = cells.collect();
        let (rest, severity, basis) = (&it.rest, it.severity, it.basis);
        line(
            text,
            &format!(
                "| {} | {rest} | {severity} | {basis} | {} |",
                linked(it, cases),
                cells.join(" | ")
            ),
        );
    }
}

fn linked(line: &Line, cases: &str) -> String {
    match &line.anchor {
        Some(anchor) => format!("[{}]({cases}#{anchor})", line.case),
        None => line.case.clone(),
    }
}

/// Keeps words of others in their line and their cell, and their markup from being any.
fn safe(text: &str) -> String {
    let mut safe = String::new();
    for it in text.chars() {
        match it {
            '\n' | '\r' => safe.push(' '),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '<' | '>' => safe.extend(['\\', it]),
            other => safe.push(other),
        }
    }
    safe
}
