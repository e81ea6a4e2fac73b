//! Properties of the options that a relying party sends: what has to be asked for, and whether the answers hold.
//!
//! Everything here is pure: the run stage posts what [`asks`] lists, and hands what came back to [`hold`].

mod accounts;
mod challenge;
mod lists;
mod shape;
mod user;
mod wishes;

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    scenario::{CeremonyKind, OptionsProperty},
    verdict::Outcome,
};

/// The name of a user whom no relying party has.
const NOBODY: &str = "nobody-has-this-name";
/// Another one.
const NOBODY_ELSE: &str = "nobody-has-that-name";

/// A request for options, posted so many times.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The ceremony that the options are for.
    pub ceremony: CeremonyKind,
    /// Whose session it is posted in; in a new one, in which nobody is signed in, when there is none.
    pub session: Option<String>,
    /// The JSON that is posted.
    pub request: Value,
    /// How many times.
    pub times: usize,
}

/// A passkey that was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Whose it is.
    pub user: String,
    /// Its credential ID, base64url.
    pub id: String,
    /// The transports that its registration reported.
    pub transports: BTreeSet<String>,
}

/// What is known beside the options.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The user whose options are read.
    pub user: &'a str,
    /// The host of the relying party's page.
    pub page_host: &'a str,
    /// Every passkey that was registered before.
    pub registered: &'a [Registered],
}

/// Options, or what happened in their place.
pub type Answer = Result<Value, Outcome>;

/// Whether a property holds; if not, what is wrong: the member and its value.
type Held = Result<(), String>;

/// Lists what has to be asked for, in order, to see whether a property holds.
#[must_use]
pub fn asks(property: OptionsProperty, ceremony: CeremonyKind, user: &str) -> Vec<Ask> {
    use OptionsProperty as P;
    let once = |request: Value| Ask::new(ceremony, user, request);
    let named = |name: &str| once(json!({ "username": name }));
    let plain = || once(json!({}));
    match (property, ceremony) {
        (P::ChallengeFresh | P::ChallengeNoUuid, _) => vec![plain().times(challenge::FEW)],
        (P::ChallengeRandom, _) => vec![plain().times(challenge::MANY)],
        (P::UserIdStable, _) => {
            let other = if user == "bob" { "alice" } else { "bob" };
            vec![plain().times(2), Ask::new(ceremony, other, json!({}))]
        }
        (P::AttestationNoneEchoed, _) => vec![once(json!({ "attestation": "none" }))],
        (P::UserVerificationEchoed, _) => vec![once(json!({ "userVerification": "required" }))],
        (P::ClientValuesIgnored, _) => vec![once(wishes::of_a_client(ceremony, user))],
        (P::RpIdAsRegistered, _) => {
            let registration = CeremonyKind::Registration;
            vec![Ask::new(registration, user, json!({})), plain()]
        }
        (P::UnknownUserLikeKnown, _) => vec![named(user), named(NOBODY)],
        (P::UnknownUserStable, _) => vec![named(NOBODY).times(2), named(NOBODY_ELSE)],
        (P::UserWithoutPasskeyLikeKnown, _) => vec![named("alice"), named(user), named(NOBODY)],
        (P::Shape, CeremonyKind::Authentication) => vec![plain(), named(user)],
        (
            P::Base64url | P::AllowsExactly | P::AllowsTransports | P::ListsNobodyElse,
            CeremonyKind::Authentication,
        ) => vec![named(user)],
        _ => vec![plain()],
    }
}

impl Ask {
    fn new(ceremony: CeremonyKind, user: &str, request: Value) -> Self {
        // Whoever is about to sign in has a session in which nobody is signed in.
        let session = (ceremony == CeremonyKind::Registration).then(|| user.to_owned());
        Self {
            ceremony,
            session,
            request,
            times: 1,
        }
    }

    fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }
}

/// Tells whether a property holds of what came back, one answer for each time that something was asked.
///
/// Returns [`Outcome::Accepted`], [`Outcome::Differs`], or what happened in the place of options.
#[must_use]
pub fn hold(
    property: OptionsProperty,
    ceremony: CeremonyKind,
    facts: &Facts<'_>,
    answers: &[Answer],
) -> Outcome {
    if let Some(outcome) = answers_themselves(property, answers) {
        return outcome;
    }
    let options: Vec<&Value> = answers.iter().flatten().collect();
    match held(property, ceremony, facts, &options) {
        Ok(()) => Outcome::Accepted,
        Err(how) => Outcome::Differs { how },
    }
}

/// What a refusal in the place of options means.
fn answers_themselves(property: OptionsProperty, answers: &[Answer]) -> Option<Outcome> {
    let position = answers.iter().position(Result::is_err)?;
    let refused = answers[position].as_ref().err()?;
    let other = position > 0 && !matches!(refused, Outcome::Crashed { .. } | Outcome::Hung);
    match (property, refused) {
        // A relying party may refuse what no client has to say.
        (OptionsProperty::ClientValuesIgnored, Outcome::Rejected { .. }) => Some(Outcome::Accepted),
        (
            OptionsProperty::UnknownUserLikeKnown | OptionsProperty::UserWithoutPasskeyLikeKnown,
            _,
        ) if other => {
            let how = format!(
                "options are sent to a user who has a passkey, and not to another name: {refused}"
            );
            Some(Outcome::Differs { how })
        }
        _ => Some(refused.clone()),
    }
}

fn held(
    property: OptionsProperty,
    ceremony: CeremonyKind,
    facts: &Facts<'_>,
    options: &[&Value],
) -> Held {
    use OptionsProperty as P;
    let all = |check: &dyn Fn(&Value) -> Held| options.iter().try_for_each(|one| check(one));
    match property {
        P::Shape => all(&|one| shape::shape(ceremony, one)),
        P::Base64url => all(&shape::base64url),
        P::ParametersTyped => all(&shape::parameters_typed),
        P::ParametersBaseline => all(&shape::parameters_baseline),
        P::ParametersNotWeak => all(&shape::parameters_not_weak),
        P::TimeoutRange => all(&shape::timeout_range),
        P::RpIdOfPage => all(&|one| shape::rp_id_of_page(one, facts.page_host)),
        P::RpIdAsRegistered => shape::rp_id_as_registered(options, facts.page_host),
        P::ChallengeLength => all(&challenge::length),
        P::ChallengeFresh => challenge::fresh(options),
        P::ChallengeRandom => challenge::random(options),
        P::ChallengeNoUuid => challenge::no_uuid(options),
        P::UserIdLength => all(&user::length),
        P::UserIdOpaque => all(&|one| user::opaque(one, facts.user)),
        P::UserIdStable => user::stable(options),
        P::AttestationNoneEchoed => all(&wishes::attestation_none),
        P::UserVerificationEchoed => all(&|one| wishes::user_verification(ceremony, one)),
        P::ResidentKeyConsistent => all(&wishes::resident_key),
        P::ClientValuesIgnored => all(&|one| wishes::ignored(ceremony, facts.user, one)),
        P::ExcludesExisting => all(&|one| lists::has_all(one, ceremony, facts)),
        P::ListsNobodyElse => all(&|one| lists::nobody_else(one, ceremony, facts)),
        P::ExcludesTransports | P::AllowsTransports => {
            all(&|one| lists::transports(one, ceremony, facts))
        }
        P::AllowsExactly => all(&|one| lists::exactly(one, facts)),
        P::AllowsNothing => all(&lists::nothing),
        P::UnknownUserLikeKnown | P::UserWithoutPasskeyLikeKnown => accounts::alike(options),
        P::UnknownUserStable => accounts::stable(options),
    }
}

/// Returns a text at a JSON pointer.
fn text<'a>(options: &'a Value, pointer: &str) -> Option<&'a str> {
    options.pointer(pointer).and_then(Value::as_str)
}

/// Decodes a member that has to be base64url without padding.
fn bytes(options: &Value, pointer: &str) -> Result<Vec<u8>, String> {
    let name = pointer.trim_start_matches('/').replace('/', ".");
    let found = options.pointer(pointer).unwrap_or(&Value::Null);
    let decoded = found
        .as_str()
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    decoded.ok_or_else(|| format!("{name} is {found}, which is not base64url without padding"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHENTICATION: CeremonyKind = CeremonyKind::Authentication;

    fn held_of(property: OptionsProperty, answers: &[Answer]) -> Outcome {
        let facts = Facts {
            user: "alice",
            page_host: "login.rp.test",
            registered: &[],
        };
        hold(property, AUTHENTICATION, &facts, answers)
    }

    fn refused() -> Answer {
        Err(Outcome::OtherRefusal {
            what: "status 404".to_owned(),
        })
    }

    #[test]
    fn a_refusal_in_the_place_of_options_is_what_happened() {
        let outcome = held_of(OptionsProperty::Shape, &[refused()]);
        assert_eq!(Err(outcome), refused());
    }

    #[test]
    fn a_name_that_nobody_has_is_told_by_its_refusal() {
        let known = Ok(json!({ "challenge": "AAAA" }));
        let property = OptionsProperty::UnknownUserLikeKnown;
        let outcome = held_of(property, &[known.clone(), refused()]);
        assert_eq!(outcome.name(), "differs");
        // Where nobody gets options, nothing is told.
        assert_eq!(Err(held_of(property, &[refused(), refused()])), refused());
        assert_eq!(
            held_of(property, &[known.clone(), known]),
            Outcome::Accepted
        );
    }

    #[test]
    fn a_relying_party_may_refuse_what_a_client_has_no_say_in() {
        let rejected = Outcome::Rejected {
            reasons: Vec::new(),
            message: String::new(),
        };
        let property = OptionsProperty::ClientValuesIgnored;
        assert_eq!(held_of(property, &[Err(rejected)]), Outcome::Accepted);
    }

    #[test]
    fn whoever_signs_in_has_no_session_yet_and_is_asked_for_once_unless_more_tell_more() {
        let asked = asks(OptionsProperty::ChallengeFresh, AUTHENTICATION, "alice");
        assert_eq!((asked.len(), asked[0].times), (1, challenge::FEW));
        assert_eq!(asked[0].session, None);
        let asked = asks(
            OptionsProperty::UserIdStable,
            CeremonyKind::Registration,
            "bob",
        );
        let sessions: Vec<_> = asked.iter().map(|ask| ask.session.as_deref()).collect();
        assert_eq!(sessions, [Some("bob"), Some("alice")]);
    }
}
