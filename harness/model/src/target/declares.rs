//! What a target declares itself to be, held against what a row needs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Driver, Target};
use crate::{
    Operation, Stage,
    library::{Library, ProviderInContext},
    provider::{AttestationKind, PasskeyType},
    row::{Role, Row, Step},
    scenario::{
        Action, CeremonyKind, Feature, Meanwhile, Mediation, OptionsProperty, RelyingPartySettings,
        StepSpec, UserSpec,
    },
};

/// What every relying party has that speaks the reference relying party's API, unless its file says otherwise.
const USUAL_FEATURES: [Feature; 3] = [
    Feature::UsernameFlow,
    Feature::Usernameless,
    Feature::SeveralPasskeys,
];
/// What every relying party has in which users give their names first, as FIDO's conformance API wants it.
const USUAL_BY_NAME: [Feature; 2] = [Feature::UsernameFlow, Feature::SeveralPasskeys];

/// The settings that rows presume where they do not name them, with the steps that they decide.
const PRESUMED: [(&str, &str, &[&str]); 5] = [
    ("user-verification", "required", &["reg.16", "auth.17"]),
    (
        "attestation",
        "direct",
        &["reg.21", "reg.22", "reg.23", "reg.24"],
    ),
    ("counter", "reject", &["auth.22"]),
    ("cross-origin-expected", "false", &["reg.10", "auth.13"]),
    ("omit-allow-credentials", "false", &["auth.5"]),
];

/// The label of `alg` in a COSE key (RFC 9052, 7.1).
const ALGORITHM_LABEL: &str = "3";

/// The settings that whoever asks for options chooses in FIDO's conformance API, and in the protocol of adapters.
const CHOSEN_WHEN_ASKING: [&str; 2] = ["user-verification", "attestation"];

/// States what a target is like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Declares {
    /// How it is set up: a row that names a setting runs only where the same is declared.
    #[serde(default)]
    pub relying_party: RelyingPartySettings,
    /// What it has; `username-flow`, `several-passkeys` and, but for the driver `fido-api`, `usernameless` when left out.
    #[serde(default)]
    pub features: Option<Vec<Feature>>,
    /// Whether it means to pass FIDO's conformance tests; otherwise what only they demand is observed, and not red.
    #[serde(default)]
    pub fido: bool,
}

/// Says what a row sets that only the embedded relying party can be told.
///
/// A target that has users of their own for every row knows no passkeys of a user but the row's, and the policy of one can be set whose file
/// says how.
pub(super) fn to_be_told(row: &Row, target: &Target) -> Option<&'static str> {
    let of_step = |step: &Step| {
        let spec = &step.spec;
        let moves_clock = spec.action == Action::AdvanceClock || spec.wait_seconds.is_some();
        let sets_policy = spec.action == Action::SetPolicy || spec.switch_policy.is_some();
        match () {
            () if moves_clock => Some("clock"),
            () if sets_policy && target.policy.is_none() => Some("policy"),
            () if spec.action == Action::SetUser => Some("users"),
            () if spec.stored.is_some() => Some("view of records"),
            () if spec.action == Action::Read => Some("view of records and sessions"),
            () if counts_passkeys(spec) && !target.has_fresh_users() => Some("users"),
            () if spec.tenant.is_some() => Some("tenants"),
            () if signs_out(spec) && !target.signs_out() => Some("end of a session"),
            () => None,
        }
    };
    let usual = |(_, user): &(String, UserSpec)| *user == UserSpec::default();
    match () {
        () if row.policy.is_some() && target.policy.is_none() => Some("policy"),
        () if row.requires.contains(&Feature::Clock) => Some("clock"),
        () if !row.users.iter().all(usual) => Some("users"),
        () => row.steps.iter().find_map(of_step),
    }
}

/// Tells whether somebody signs out in a step, or meanwhile.
fn signs_out(spec: &StepSpec) -> bool {
    let meanwhile = spec.request.as_ref().and_then(|request| request.meanwhile);
    spec.action == Action::SignOut || meanwhile == Some(Meanwhile::SignOut)
}

/// Tells whether a row asks whether a session was renewed.
pub(super) fn asks_whether_renewed(row: &Row) -> bool {
    row.steps.iter().any(|step| step.spec.renews_session)
}

/// Tells whether somebody registers in a row who is not signed in.
pub(super) fn registers_signed_out(row: &Row) -> bool {
    let is_one = |step: &Step| {
        let request = step.spec.request.as_ref();
        let signed_out = request.is_some_and(|request| request.signed_out);
        signed_out && step.spec.action == Action::Register
    };
    row.steps.iter().any(is_one)
}

/// Returns the ceremony for whose options a row asks less than the relying party demands, if it does.
pub(super) fn asks_for_less(row: &Row) -> Option<CeremonyKind> {
    let asks = |step: &&Step| {
        let asked = step.spec.asks.as_ref();
        asked.is_some_and(|asked| asked.contains_key("userVerification"))
    };
    let step = row.steps.iter().find(asks)?;
    Some(match step.spec.action {
        Action::Register => CeremonyKind::Registration,
        _ => CeremonyKind::Authentication,
    })
}

/// Tells whether a step is about all passkeys of a user, who on a target that keeps them has others than the row's.
fn counts_passkeys(spec: &StepSpec) -> bool {
    let property = spec.options.as_ref().map(|options| options.property);
    matches!(
        property,
        Some(OptionsProperty::AllowsExactly | OptionsProperty::UserWithoutPasskeyLikeKnown)
    )
}

impl Declares {
    pub(super) fn has(&self, feature: Feature, driver: Driver) -> bool {
        let usual: &[Feature] = match driver {
            Driver::Reference | Driver::Json | Driver::Page | Driver::Command => &USUAL_FEATURES,
            Driver::FidoApi => &USUAL_BY_NAME,
        };
        let features = self.features.as_deref();
        features.unwrap_or(usual).contains(&feature)
    }

    /// Says what a row needs and the target does not declare; nothing when it declares all of it.
    pub(super) fn lacks(&self, library: &Library, row: &Row, driver: Driver) -> Option<String> {
        self.lacks_a_feature(row, driver)
            .or_else(|| self.lacks_a_setting(row, driver))
            .or_else(|| self.has_outputs(row))
            .or_else(|| self.refuses_a_provider(library, row))
            .or_else(|| self.offers_no_such_algorithm(row))
    }

    fn lacks_a_feature(&self, row: &Row, driver: Driver) -> Option<String> {
        let missing = |feature: &Feature| {
            (!self.has(*feature, driver)).then(|| format!("does not declare {}", word(feature)))
        };
        let named = |spec: &StepSpec| spec.username || !self.has(Feature::Usernameless, driver);
        let gives_name = |step: &Step| step.spec.action == Action::SignIn && named(&step.spec);
        let gives_none = |step: &Step| {
            let spec = &step.spec;
            let subject = step.role == Role::Subject;
            let is_about_it = subject && is_about(row, "auth.6") && !spec.username;
            let conditional = spec.mediation == Some(Mediation::Conditional);
            spec.action == Action::SignIn && (is_about_it || conditional)
        };
        let steps = &row.steps;
        let mut needed = row.requires.clone();
        needed.extend(
            steps
                .iter()
                .any(gives_name)
                .then_some(Feature::UsernameFlow),
        );
        needed.extend(
            steps
                .iter()
                .any(gives_none)
                .then_some(Feature::Usernameless),
        );
        needed.iter().find_map(missing)
    }

    /// Says which outputs every registration has that the row presumes absent.
    fn has_outputs(&self, row: &Row) -> Option<String> {
        let asks = self.relying_party.credential_protection.is_some();
        let changes_outputs = |step: &Step| {
            let mutation = step.spec.mutation.as_ref()?;
            let flag = mutation.value.as_ref().and_then(Value::as_str);
            let named = mutation.at.path.first().map(String::as_str);
            let flags = named == Some("flags")
                && flag.is_some_and(|flags| flags.split(',').any(|flag| flag.trim() == "ed"));
            let registers = step.spec.action == Action::Register;
            (registers && mutation.at.stage == Stage::AuthenticatorData && flags).then(|| {
                "declares credential-protection, and the row presumes that there are no extension \
                 outputs"
                    .to_owned()
            })
        };
        row.steps.iter().filter(|_| asks).find_map(changes_outputs)
    }

    fn lacks_a_setting(&self, row: &Row, driver: Driver) -> Option<String> {
        let (mut wanted, declared) = (members(&row.relying_party), members(&self.relying_party));
        if driver.asks_per_ceremony() {
            // What is declared all the same is not chosen there.
            for chosen in CHOSEN_WHEN_ASKING {
                if !declared.get(chosen).is_some_and(is_set) {
                    wanted.remove(chosen);
                }
            }
        }
        let differs = |(name, value): (&String, &Value)| {
            let chain = name == "attestation-required" && self.judges_chain_of(row, driver);
            let lacks = is_set(value) && !covers(declared.get(name), value) && !chain;
            lacks.then(|| format!("does not declare {name}: {}", text(value)))
        };
        if let Some(why) = wanted.iter().find_map(differs) {
            return Some(why);
        }
        PRESUMED.iter().find_map(|(name, presumed, steps)| {
            let said = declared.get(*name).filter(|value| is_set(value))?;
            let named = wanted.get(*name).is_some_and(is_set);
            let other = text(said) != *presumed && decides(row, name, steps) && !named;
            other.then(|| {
                format!(
                    "declares {name}: {}, and the row presumes {presumed}",
                    text(said)
                )
            })
        })
    }

    /// Says which setting that a row presumes is neither declared nor what the options say that were sent; nothing when each is.
    pub(super) fn sends_otherwise(
        &self,
        row: &Row,
        sent: &[(CeremonyKind, &Value)],
    ) -> Option<String> {
        let declared = members(&self.relying_party);
        let wanted = members(&row.relying_party);
        let is_open = |name: &str| {
            let is_set = |settings: &Map<String, Value>| settings.get(name).is_some_and(is_set);
            !is_set(&declared) && !is_set(&wanted)
        };
        PRESUMED.iter().find_map(|(name, presumed, steps)| {
            let about = steps.iter().find(|step| is_about(row, step));
            let ceremony = match about {
                Some(step) if step.starts_with("auth.") => CeremonyKind::Authentication,
                Some(_) => CeremonyKind::Registration,
                None => sent.last()?.0,
            };
            let says = said_by_options(name, ceremony, sent)?;
            let other = says != *presumed && is_open(name) && decides(row, name, steps);
            other.then(|| {
                format!(
                    "sends {name}: {says}, and the row presumes {presumed}; declare which it is"
                )
            })
        })
    }

    /// Tells whether a row is about a chain of certificates, which is judged here also where attestation is not required.
    fn judges_chain_of(&self, row: &Row, driver: Driver) -> bool {
        let has_chain = |step: &Step| {
            let kind = step.spec.attestation.unwrap_or(AttestationKind::Packed);
            matches!(
                kind,
                AttestationKind::Packed | AttestationKind::PackedUnknownRoot
            )
        };
        let mut subjects = row.steps.iter().filter(|step| step.role == Role::Subject);
        self.has(Feature::RefusesUntrustedAttestation, driver) && subjects.all(has_chain)
    }

    /// Returns the settings that a row presumes: its own, and beside them those that are declared, and those that every row presumes.
    pub(super) fn wanted(&self, row: &RelyingPartySettings) -> Map<String, Value> {
        let mut wanted: Map<String, Value> = PRESUMED
            .iter()
            .map(|(name, presumed, _)| ((*name).to_owned(), Value::from(*presumed)))
            .collect();
        for settings in [members(&self.relying_party), members(row)] {
            wanted.extend(settings.into_iter().filter(|(_, value)| is_set(value)));
        }
        wanted
    }

    /// Says which algorithm a row writes into a key, to show another thing of it, that is refused for not having been offered.
    fn offers_no_such_algorithm(&self, row: &Row) -> Option<String> {
        let offered = self.relying_party.algorithms.as_ref()?;
        let offered: Vec<i64> = offered.iter().map(|algorithm| algorithm.cose()).collect();
        if is_about(row, "reg.20") {
            return None;
        }
        row.steps.iter().find_map(|step| {
            let mutation = step.spec.mutation.as_ref()?;
            let sets_algorithm =
                mutation.at.stage == Stage::CoseKey && mutation.at.path == [ALGORITHM_LABEL];
            let written = mutation.value.as_ref().and_then(Value::as_i64)?;
            (sets_algorithm && mutation.op == Operation::Set && !offered.contains(&written))
                .then(|| format!("does not declare the algorithm {written}"))
        })
    }

    /// Says which passkeys of the row it takes from nobody.
    fn refuses_a_provider(&self, library: &Library, row: &Row) -> Option<String> {
        let settings = &self.relying_party;
        let asked = &row.relying_party;
        row.steps.iter().find_map(|step| {
            let spec = &step.spec;
            let id = spec.provider.as_deref()?;
            let provider = library.provider(id)?;
            let mut made: ProviderInContext = provider.made_where(spec.context.as_ref());
            made.override_with(spec);
            let offered = settings.algorithms.as_deref().unwrap_or_default();
            let known = &made.model.algorithms;
            if !offered.is_empty() && !known.iter().any(|known| offered.contains(known)) {
                return Some(format!("does not declare an algorithm of {id}: {known:?}"));
            }
            let synced = made.claim.passkey_type == PasskeyType::Synced;
            if settings.single_device_required && !asked.single_device_required && synced {
                return Some(format!(
                    "declares single-device-required, and passkeys of {id} are synced"
                ));
            }
            let attested = made.claim.attestation == AttestationKind::Packed;
            (settings.attestation_required && !asked.attestation_required && !attested).then(|| {
                format!("declares attestation-required, and passkeys of {id} are not attested")
            })
        })
    }
}

/// Tells whether a setting that rows presume, and which decides these steps, decides a row.
fn decides(row: &Row, name: &str, steps: &[&str]) -> bool {
    steps.iter().any(|step| is_about(row, step))
        || (name == "user-verification" && compares_verification(row))
        || (name == "attestation" && makes_attestation(row))
}

/// Returns what the options of a ceremony that were sent say of a setting; what they leave out has its default (WebAuthn L3, 5.4 and 5.5). Nothing where
/// options do not say it, or none were sent.
fn said_by_options<'a>(
    name: &str,
    ceremony: CeremonyKind,
    sent: &[(CeremonyKind, &'a Value)],
) -> Option<&'a str> {
    use CeremonyKind::{Authentication, Registration};
    let (of, pointer, default) = match (name, ceremony) {
        ("user-verification", Registration) => {
            let pointer = "/authenticatorSelection/userVerification";
            (Registration, pointer, "preferred")
        }
        ("user-verification", Authentication) => (Authentication, "/userVerification", "preferred"),
        ("attestation", _) => (Registration, "/attestation", "none"),
        _ => return None,
    };
    // The first ones are the control's: for those behind them the row may have asked for less.
    let (_, options) = sent.iter().find(|(kind, _)| *kind == of)?;
    let said = options.pointer(pointer).filter(|said| !said.is_null());
    said.map_or(Some(default), Value::as_str)
}

/// Tells whether a step of the specification decides a row.
fn is_about(row: &Row, step: &str) -> bool {
    let named = row.grounds.spec.first().is_some_and(|named| named == step);
    let expected = |known: &Step| {
        known
            .reasons
            .iter()
            .any(|reason| reason.to_string() == step)
    };
    named || row.steps.iter().any(expected)
}

/// Tells whether a row holds what the options say of user verification against what is asked for.
fn compares_verification(row: &Row) -> bool {
    let wanted = OptionsProperty::UserVerificationEchoed;
    let asks = |step: &Step| step.spec.options.as_ref().map(|options| options.property);
    row.steps.iter().any(|step| asks(step) == Some(wanted))
}

/// Tells whether a row changes an attestation statement, or needs one of a kind.
fn makes_attestation(row: &Row) -> bool {
    row.steps.iter().any(|step| {
        let spec = &step.spec;
        let stage = spec.mutation.as_ref().map(|mutation| mutation.at.stage);
        let kind = spec.attestation.unwrap_or(AttestationKind::None);
        matches!(
            stage,
            Some(Stage::AttestationStatement | Stage::Certificates)
        ) || kind != AttestationKind::None
    })
}

/// Returns settings as a file has them, by name.
fn members(settings: &RelyingPartySettings) -> Map<String, Value> {
    // Settings are plain data, which JSON can always hold.
    match serde_json::to_value(settings) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// Tells whether what is declared has everything that is wanted; what is not set is not wanted.
fn covers(declared: Option<&Value>, wanted: &Value) -> bool {
    match wanted {
        Value::Object(members) => members
            .iter()
            .filter(|(_, value)| is_set(value))
            .all(|(name, value)| covers(declared.and_then(|all| all.get(name)), value)),
        wanted => declared == Some(wanted),
    }
}

/// Tells whether a setting, as a file has it, is other than none.
#[must_use]
pub fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(set) => *set,
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => map.values().any(is_set),
        Value::Number(_) | Value::String(_) => true,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn word(feature: &Feature) -> String {
    serde_json::to_value(feature).map_or_else(|_| format!("{feature:?}"), |value| text(&value))
}
