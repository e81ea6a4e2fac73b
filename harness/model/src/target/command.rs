//! The driver `command`: a library behind an adapter, around which the harness is the application.
//!
//! ```yaml
//! target: my-library
//! start: { command: [./adapter] }     # speaks harness/COMMAND.md on standard input and output; several run side by side
//! rp-id: rp.test
//! origin: https://login.rp.test
//! driver: command
//! reasons: [{ code: "^bad_challenge$", is: [reg.8, auth.11] }]
//! ```
//!
//! Users, sessions and what is stored are the harness's own there. A row that would judge those judges nothing of the library's.

use super::{Driver, Target, refusal::Refusing};
use crate::{
    lane,
    row::{Role, Row, Step},
    scenario::{Action, OptionsProperty, RequestSpec, StepSpec},
    verdict::Reason,
};

/// Where an adapter's refusal has its code and its words.
const CODE_AT: &str = "/rejected/code";
const MESSAGE_AT: &str = "/rejected/message";
/// The status under which a refusal of an adapter goes, for the lack of its own.
pub const REFUSED: u16 = 400;

/// Says what a row needs that no library has; nothing when a library can show it.
pub(super) fn no_library_has(row: &Row) -> Option<&'static str> {
    if row.lane.driver == lane::Driver::Page {
        return Some("the lane needs a page, and a library has none");
    }
    let judged = row.steps.iter().filter(|step| step.role == Role::Subject);
    let of_state = row.grounds.spec.first().is_some_and(|spec| spec == "state");
    let is_applications = of_state || judged.into_iter().any(is_applications);
    is_applications.then_some("the row is about the application, which is the harness's own here")
}

/// Tells whether a judged step is about sessions, accounts or what is stored.
fn is_applications(step: &Step) -> bool {
    let spec = &step.spec;
    let needs_state =
        !step.reasons.is_empty() && step.reasons.iter().all(|it| *it == Reason::State);
    let by_library = match spec.action {
        Action::Register | Action::SignIn => true,
        Action::ReadOptions => spec
            .options
            .as_ref()
            .is_some_and(|it| of_library(it.property)),
        _ => false,
    };
    let otherwise_asked = spec
        .request
        .as_ref()
        .is_some_and(|it| *it != RequestSpec::default());
    !by_library || needs_state || otherwise_asked || is_of_sessions(spec)
}

const fn is_of_sessions(spec: &StepSpec) -> bool {
    spec.renews_session
        || spec.compares_refusals
        || spec.same_options
        || spec.without_options
        || spec.in_session
        || spec.parallel.is_some()
        || spec.asks.is_some()
        || spec.finish_names.is_some()
        || spec.options_from.is_some()
}

/// Tells whether it is the library that sees to a property of options, not whoever says who the user is and what is listed.
const fn of_library(property: OptionsProperty) -> bool {
    use OptionsProperty as P;
    matches!(
        property,
        P::Shape
            | P::Base64url
            | P::ChallengeLength
            | P::ChallengeFresh
            | P::ChallengeRandom
            | P::ChallengeNoUuid
            | P::ParametersTyped
            | P::ParametersBaseline
            | P::ParametersNotWeak
            | P::TimeoutRange
            | P::ExcludesTransports
            | P::AllowsTransports
            | P::AttestationNoneEchoed
            | P::UserVerificationEchoed
            | P::ResidentKeyConsistent
    )
}

/// Lists what is wrong in a target's file for this driver, and what is wrong in that of another for not being this one.
pub(super) fn mistakes(target: &Target) -> Vec<(String, &'static str)> {
    let has = |name: &str, is_there: bool, mistake: &'static str| {
        is_there.then(|| (format!("/{name}"), mistake))
    };
    let found = if target.driver == Driver::Command {
        const FIXED: &str = "an adapter's refusals are as its protocol says: expected no such member with driver: command";
        vec![
            has(
                "driver",
                target.start.is_none(),
                "the driver command needs start, which says what the adapter is",
            ),
            has(
                "address",
                target.address.is_some(),
                "an adapter listens nowhere: expected no address with driver: command",
            ),
            has("refusal", target.refusal.is_some(), FIXED),
            has("code-at", target.code_at.is_some(), FIXED),
            has("message-at", target.message_at.is_some(), FIXED),
        ]
    } else {
        vec![has(
            "target",
            target.address.is_none(),
            "the file does not say where the target listens: expected address, or driver: command",
        )]
    };
    found.into_iter().flatten().collect()
}

impl Target {
    /// Returns how it refuses, where its file says so or its driver leaves no choice.
    #[must_use]
    pub fn refuses_as(&self) -> Option<Refusing> {
        let of_adapter = || Refusing::with_member(REFUSED, "rejected");
        let is_adapter = self.driver == Driver::Command;
        self.refusal
            .clone()
            .or_else(|| is_adapter.then(of_adapter).flatten())
    }

    /// Returns where a refusal has its code.
    pub(super) fn code_pointer(&self) -> Option<&str> {
        self.code_at.as_deref().or_else(|| self.of_adapter(CODE_AT))
    }

    /// Returns where a refusal has its words.
    pub(super) fn message_pointer(&self) -> Option<&str> {
        self.message_at
            .as_deref()
            .or_else(|| self.of_adapter(MESSAGE_AT))
    }

    fn of_adapter(&self, pointer: &'static str) -> Option<&'static str> {
        (self.driver == Driver::Command).then_some(pointer)
    }
}
