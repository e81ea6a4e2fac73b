//! Explains one row to a person: where it is written, what it does, what is expected and who says so.

use std::fmt::Write;

use passkey_model::{
    row::{Role, Row, Step},
    scenario::Action,
    verdict::expectation,
};

/// Returns the explanation of a row, several lines of text.
#[must_use]
pub fn explain(row: &Row) -> String {
    let mut text = format!(
        "{}\n  {}\n  written at {}\n  expectation at {}\n",
        row.name, row.title, row.source, row.expected_at
    );
    for (axis, value) in &row.axes {
        line(&mut text, format_args!("  {axis}: {value}"));
    }
    line(
        &mut text,
        format_args!("  lane: {} ({})", row.lane.id, row.lane.title),
    );
    let policy = row
        .policy
        .as_ref()
        .map_or("none: a relying party without passkey profiles", |policy| {
            &policy.name
        });
    line(&mut text, format_args!("  policy at the start: {policy}"));
    for (index, step) in row.steps.iter().enumerate() {
        line(
            &mut text,
            format_args!(
                "  {}. {}: {}{}",
                index + 1,
                describe(step),
                expectation(step),
                role(step)
            ),
        );
    }
    for source in &row.grounds.spec {
        line(&mut text, format_args!("  says {source}"));
    }
    let (basis, severity) = (row.grounds.basis, row.grounds.severity);
    line(
        &mut text,
        format_args!("  basis {basis:?}, severity {severity:?}"),
    );
    if let Some(why) = &row.not_applicable {
        line(
            &mut text,
            format_args!("  not applicable in lane {}: {why}", row.lane.id),
        );
    }
    text
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{arguments}");
}

const fn role(step: &Step) -> &'static str {
    match step.role {
        Role::Control => " (control)",
        Role::Subject => "",
    }
}

fn describe(step: &Step) -> String {
    let spec = &step.spec;
    let user = spec.user.as_deref().unwrap_or("alice");
    let place = spec
        .context
        .as_ref()
        .map(|context| format!(" on {context}"))
        .unwrap_or_default();
    let change = spec
        .mutation
        .as_ref()
        .map(|mutation| format!(", with {} changed", mutation.at))
        .unwrap_or_default();
    match spec.action {
        Action::Register => {
            format!(
                "{user} registers with {}{place}{change}",
                spec.provider.as_deref().unwrap_or("no provider")
            )
        }
        Action::SignIn => format!("{user} signs in{place}{change}"),
        Action::Replay => format!("{user} posts the last response again"),
        Action::ReadOptions => format!(
            "{user} reads options, and sees whether a property holds: {}",
            serde_json::json!(spec.options.as_ref().map(|options| options.property))
        ),
        Action::SetPolicy => format!(
            "policy {} comes into force",
            spec.policy.as_deref().unwrap_or("(none)")
        ),
        Action::AdvanceClock => format!("{} seconds pass", spec.seconds.unwrap_or_default()),
        Action::SetUser => format!("{user} changes groups or kind"),
        Action::SignOut => format!("{user} signs out"),
        Action::DeleteAtProvider => format!("{user} deletes the passkey where it is kept"),
        Action::DeleteAtRelyingParty => format!("{user} deletes the passkey on the page"),
        Action::PasswordSignIn => format!("{user} gives a password"),
        Action::Send => format!("{user} sends what no ceremony made"),
        Action::Read => format!("{user} reads what the relying party has"),
    }
}
