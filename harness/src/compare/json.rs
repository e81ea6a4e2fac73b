//! A comparison as JSON.

use serde_json::{Value, json};

use super::{Cell, Column, Comparison, verdicts::Since};

/// Returns the comparison as one JSON object: `targets`, and `rows` with one verdict for each target in the same order.
#[must_use]
pub fn json(comparison: &Comparison) -> Value {
    let rows = comparison.lines.iter().map(|line| {
        let cells = comparison.columns.iter().map(|it| it.cells.get(&line.row));
        let verdicts: Vec<_> = cells.map(|cell| cell.map(of_cell)).collect();
        json!({
            "row": line.row,
            "case": line.case,
            "title": line.title,
            "severity": line.severity,
            "basis": line.basis,
            "spec": line.spec,
            "verdicts": verdicts,
        })
    });
    let rows: Vec<_> = rows.collect();
    let targets: Vec<_> = comparison.columns.iter().map(of_column).collect();
    json!({ "targets": targets, "rows": rows })
}

fn of_column(column: &Column) -> Value {
    let counts = column.counts().into_iter();
    let counts = counts.map(|(verdict, count)| (verdict.name().to_owned(), json!(count)));
    let changed = match &column.since {
        Since::Held(_, changes) => Some(
            changes
                .iter()
                .map(|it| json!({ "row": it.row, "before": it.before, "now": it.now })),
        ),
        _ => None,
    };
    json!({
        "target": column.target,
        "version": column.version,
        "counts": Value::Object(counts.collect()),
        "not_run": column.not_run,
        "changed": changed.map(Iterator::collect::<Vec<_>>),
    })
}

fn of_cell(cell: &Cell) -> Value {
    json!({
        "verdict": cell.verdict,
        "because": cell.because,
        "known": cell.known.as_ref().map(|known| json!({
            "of": known.of, "found": known.found, "link": known.link,
        })),
    })
}
