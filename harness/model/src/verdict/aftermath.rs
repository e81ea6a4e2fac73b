//! What the judged step left behind: a refusal that lets somebody in all the same, or changes what is stored, is none.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Judgement, Outcome, Verdict};
use crate::{
    row::{Role, Row, Step},
    scenario::{Action, Expected, StepSpec},
};

/// Who is signed in in a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Session {
    /// The relying party does not show it.
    #[default]
    Unseen,
    /// Nobody.
    Nobody,
    /// The user of that name.
    Of(String),
}

/// What was seen of a relying party at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Who is signed in in the session of the one who tries; before the step, whoever is let in with the pass in it counts too.
    pub session: Session,
    /// The lists of stored credential records by user; none where they cannot be read.
    pub records: Option<BTreeMap<String, Value>>,
}

/// What was seen around one judged step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aftermath {
    /// The step's index in its row.
    pub step: usize,
    /// What was there before.
    pub before: Seen,
    /// What is there afterwards.
    pub after: Seen,
    /// Who registered the passkey of the step, if that is known.
    pub owner: Option<String>,
    /// Why a session that had to be renewed was not, if so.
    pub kept_session: Option<String>,
    /// What an accepted response that had to be refused is good for, in words.
    pub gained: Option<String>,
}

/// Judges again, by what the judged steps left behind.
///
/// A violation makes the row deviate whatever its basis: nobody may be let in by what was refused. What cannot be seen is not
/// judged, and a fault of ours stays one.
#[must_use]
pub fn with_aftermath(
    judgement: Judgement,
    row: &Row,
    outcomes: &[Outcome],
    aftermaths: &[Aftermath],
) -> Judgement {
    if judgement.verdict == Verdict::HarnessError {
        return judgement;
    }
    let mut because = judgement.because;
    let mut verdict = judgement.verdict;
    for aftermath in aftermaths {
        let index = aftermath.step;
        let (Some(step), Some(outcome)) = (row.steps.get(index), outcomes.get(index)) else {
            continue;
        };
        let mut found = violations(&step.spec, outcome, aftermath);
        found.extend(locked_out(row, outcomes, index));
        let found = found.join(", and ");
        if found.is_empty() {
            if let Some(gained) = &aftermath.gained {
                because = format!("{because}; and {gained}");
            }
        } else if verdict == Verdict::Deviates {
            because = format!("{because}; and {found}");
        } else {
            verdict = Verdict::Deviates;
            because = format!("step {}: {outcome}, and yet {found}", index + 1);
        }
    }
    Judgement { verdict, because }
}

/// Tells whether an outcome is a refusal, of whatever shape.
fn is_refusal(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Rejected { .. } | Outcome::OtherRefusal { .. }
    )
}

fn violations(spec: &StepSpec, outcome: &Outcome, aftermath: &Aftermath) -> Vec<String> {
    let mut found = Vec::new();
    if is_refusal(outcome) {
        found.extend(let_in(aftermath));
        found.extend(changed(&aftermath.before, &aftermath.after));
    } else if *outcome == Outcome::Accepted {
        found.extend(somebody_else(spec, aftermath));
        found.extend(aftermath.kept_session.clone());
    }
    found
}

/// After a refusal nobody is signed in who was not before.
fn let_in(aftermath: &Aftermath) -> Option<String> {
    let Session::Of(now) = &aftermath.after.session else {
        return None;
    };
    let before = &aftermath.before.session;
    (*before != Session::Unseen && *before != aftermath.after.session)
        .then(|| format!("{now} is signed in in that session"))
}

/// After a sign-in the owner of the passkey is signed in, whoever was named.
fn somebody_else(spec: &StepSpec, aftermath: &Aftermath) -> Option<String> {
    let (Action::SignIn, Session::Of(now), Some(owner)) =
        (spec.action, &aftermath.after.session, &aftermath.owner)
    else {
        return None;
    };
    (now != owner).then(|| format!("{now} is signed in with a passkey of {owner}'s"))
}

/// After a refusal every credential record is the one that it was.
fn changed(before: &Seen, after: &Seen) -> Vec<String> {
    let (Some(before), Some(after)) = (&before.records, &after.records) else {
        return Vec::new();
    };
    let nothing = Value::Array(Vec::new());
    let differing = after
        .iter()
        .map(|(user, now)| (user, before.get(user).unwrap_or(&nothing), now))
        .filter(|(_, was, now)| was != now);
    differing
        .map(|(user, was, now)| what_changed(user, was, now))
        .collect()
}

fn what_changed(user: &str, was: &Value, now: &Value) -> String {
    let (was, now) = (list(was), list(now));
    if was.len() != now.len() {
        return format!(
            "{user} has {} passkeys where there were {}",
            now.len(),
            was.len()
        );
    }
    let pairs = was
        .iter()
        .zip(now)
        .filter_map(|(was, now)| Some((was.as_object()?, now.as_object()?)));
    let members = pairs.flat_map(|(was, now)| {
        let other = now
            .iter()
            .filter(|(name, value)| was.get(*name) != Some(value));
        other.map(|(name, value)| {
            let before = was.get(name).unwrap_or(&Value::Null);
            format!("{name} {value} where there was {before}")
        })
    });
    let members: Vec<String> = members.collect();
    format!(
        "a passkey of {user}'s is stored with {}",
        members.join(", ")
    )
}

fn list(records: &Value) -> &[Value] {
    records.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// After a refusal the victim signs in as before.
fn locked_out(row: &Row, outcomes: &[Outcome], index: usize) -> Option<String> {
    let was_refused = outcomes.get(index).is_some_and(is_refusal);
    let is_control = |step: &Step| {
        step.role == Role::Control
            && step.expect == Expected::Accepted
            && step.spec.action == Action::SignIn
    };
    let later = row.steps.iter().zip(outcomes).skip(index + 1);
    let mut refused = later
        .filter(|(step, outcome)| is_control(step) && matches!(outcome, Outcome::Rejected { .. }));
    let (_, outcome) = refused.next().filter(|_| was_refused)?;
    Some(format!("the control passkey signs in no more: {outcome}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused() -> Outcome {
        Outcome::Rejected {
            reasons: Vec::new(),
            message: "no".to_owned(),
        }
    }

    fn seen(session: Session, records: &Value) -> Seen {
        Seen {
            session,
            records: Some(BTreeMap::from([("alice".to_owned(), records.clone())])),
        }
    }

    fn around(before: Session, after: Session) -> Aftermath {
        let records = json!([{ "credentialId": "AQ", "signCount": 2 }]);
        Aftermath {
            before: seen(before, &records),
            after: seen(after, &records),
            ..Aftermath::default()
        }
    }

    fn alice() -> Session {
        Session::Of("alice".to_owned())
    }

    #[test]
    fn a_refusal_signs_nobody_in() {
        let spec = StepSpec::new(Action::SignIn);
        let found = |before, after| violations(&spec, &refused(), &around(before, after));
        assert_eq!(
            found(Session::Nobody, alice()),
            ["alice is signed in in that session"]
        );
        assert!(found(Session::Nobody, Session::Nobody).is_empty());
        assert!(found(alice(), alice()).is_empty());
        assert!(found(alice(), Session::Nobody).is_empty());
        let bob = Session::Of("bob".to_owned());
        assert_eq!(found(bob, alice()).len(), 1);
    }

    #[test]
    fn what_a_relying_party_does_not_show_is_not_judged() {
        let spec = StepSpec::new(Action::SignIn);
        let mut unseen = around(Session::Unseen, alice());
        unseen.before.records = None;
        assert!(violations(&spec, &refused(), &unseen).is_empty());
    }

    #[test]
    fn a_refusal_leaves_the_records_alone() {
        let spec = StepSpec::new(Action::SignIn);
        let mut changed = around(Session::Nobody, Session::Nobody);
        let records = json!([{ "credentialId": "AQ", "signCount": 1 }]);
        changed.after = seen(Session::Nobody, &records);
        assert_eq!(
            violations(&spec, &refused(), &changed),
            ["a passkey of alice's is stored with signCount 1 where there was 2"]
        );
        changed.after = seen(Session::Nobody, &json!([]));
        assert_eq!(
            violations(&spec, &refused(), &changed),
            ["alice has 0 passkeys where there were 1"]
        );
    }

    #[test]
    fn an_accepted_passkey_signs_in_its_owner() {
        let spec = StepSpec::new(Action::SignIn);
        let mut around = around(Session::Nobody, alice());
        around.owner = Some("bob".to_owned());
        assert_eq!(
            violations(&spec, &Outcome::Accepted, &around),
            ["alice is signed in with a passkey of bob's"]
        );
        around.owner = Some("alice".to_owned());
        assert!(violations(&spec, &Outcome::Accepted, &around).is_empty());
    }
}
