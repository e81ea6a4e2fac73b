//! A comparison as one page of HTML that needs nothing else: no script, no font, no picture.

use std::fmt::Write as _;

use passkey_model::{target::Whose, verdict::Verdict};

use super::{Cell, Comparison, Finding, Line, verdicts::Since};

const STYLE: &str = include_str!("style.css");

/// Returns the comparison as a page; `cases` is the address of the page about the cases.
#[must_use]
pub fn html(comparison: &Comparison, cases: &str) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Relying parties compared</title>\n<style>\n{STYLE}</style>\n<h1>Relying parties compared</h1>\n"
    );
    summary(&mut page, comparison);
    for of in Whose::ALL {
        let title = format!("Known deviations of the {of}");
        findings(&mut page, &title, &comparison.findings(of));
    }
    let unexplained = comparison.unexplained();
    findings(&mut page, "Red, and not explained", &unexplained);
    changes(&mut page, comparison);
    table(&mut page, comparison, cases);
    page += "</html>\n";
    page
}

/// Writes a line; a String takes all that is written to it.
fn line(page: &mut String, line: &str) {
    let _ = writeln!(page, "{line}");
}

fn summary(page: &mut String, comparison: &Comparison) {
    line(page, "<ul>");
    for column in &comparison.columns {
        let not_run: usize = column.not_run.values().sum();
        line(
            page,
            &format!(
                "<li><b>{}</b>: {} rows ran: {}; {not_run} did not",
                escaped(&column.label()),
                column.cells.len(),
                column.counted()
            ),
        );
    }
    line(page, "</ul>");
}

fn findings(page: &mut String, title: &str, findings: &[Finding<'_>]) {
    if findings.is_empty() {
        return;
    }
    line(page, &format!("<h2>{title}</h2>\n<ul>"));
    for it in findings {
        let link = it.link.map(|link| {
            let link = escaped(link);
            format!(" <a href=\"{link}\">{link}</a>")
        });
        line(
            page,
            &format!(
                "<li><b>{}</b>: {}{}<details><summary>rows: {}</summary><ul>",
                escaped(&it.target),
                escaped(it.found),
                link.unwrap_or_default(),
                it.rows.len()
            ),
        );
        for row in &it.rows {
            line(page, &format!("<li><a href=\"#{row}\">{row}</a>"));
        }
        line(page, "</ul></details>");
    }
    line(page, "</ul>");
}

fn changes(page: &mut String, comparison: &Comparison) {
    for column in &comparison.columns {
        let Since::Held(_, changes) = &column.since else {
            continue;
        };
        if changes.is_empty() {
            continue;
        }
        let label = escaped(&column.label());
        line(
            page,
            &format!("<h2>Verdicts of {label} that changed</h2>\n<ul>"),
        );
        for it in changes {
            line(
                page,
                &format!(
                    "<li><a href=\"#{row}\">{row}</a>: {}, was {}",
                    escaped(&it.now),
                    escaped(&it.before),
                    row = escaped(&it.row)
                ),
            );
        }
        line(page, "</ul>");
    }
}

fn table(page: &mut String, comparison: &Comparison, cases: &str) {
    line(
        page,
        "<h2>Every row</h2>\n<table>\n<thead><tr><th>case<th>row<th>severity<th>basis",
    );
    for column in &comparison.columns {
        line(page, &format!("<th>{}", escaped(&column.label())));
    }
    line(page, "<tbody>");
    for it in &comparison.lines {
        line(
            page,
            &format!(
                "<tr id=\"{}\"><th scope=\"row\" title=\"{}\">{}<td>{}<td class=\"{severity}\">{severity}<td>{}",
                it.row,
                escaped(&it.title),
                linked(it, cases),
                escaped(&it.rest),
                it.basis,
                severity = it.severity
            ),
        );
        for column in &comparison.columns {
            line(page, &cell(column.cells.get(&it.row)));
        }
    }
    line(page, "</table>");
}

/// The verdict is a word: its colour only helps to find it.
fn cell(cell: Option<&Cell>) -> String {
    let Some(cell) = cell else {
        return "<td class=\"not-run\">not run".to_owned();
    };
    let name = cell.verdict.name();
    let because = escaped(&cell.because);
    let of = cell.known.as_ref();
    let of = of.map(|known| format!(" ({})", known.of));
    let of = of.unwrap_or_default();
    if cell.verdict == Verdict::Conforms {
        return format!("<td class=\"{name}\" title=\"{because}\">{name}");
    }
    format!("<td class=\"{name}\"><details><summary>{name}{of}</summary>{because}</details>")
}

fn linked(line: &Line, cases: &str) -> String {
    let case = escaped(&line.case);
    match &line.anchor {
        Some(anchor) => format!("<a href=\"{}#{anchor}\">{case}</a>", escaped(cases)),
        None => case,
    }
}

/// Keeps words of others from being markup.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for it in text.chars() {
        match it {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            other => safe.push(other),
        }
    }
    safe
}
