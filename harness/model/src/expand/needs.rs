//! What a row needs of its lane, and whether the lane has it.
//!
//! A row that needs more than its lane can is not applicable there. Before that is decided, what the lane cannot choose is
//! replaced in what the row's providers claim; if that changes the verdict of the policy or the clauses that decide it, the row
//! is not applicable either: no row is green on other facts than those it is about.

use crate::{
    Mutation, Stage,
    lane::{Capability, Driver, Fixed, Lane},
    library::{Library, ProviderInContext},
    policy::{Story, Told},
    provider::{AttestationKind, Engine, Transport, UserVerification},
    row::{Row, Step},
    scenario::{Action, CeremoniesKept, Mediation, Requirement, StepSpec, Suite},
};

/// How many discoverable credentials a browser's virtual authenticator keeps.
const VIRTUAL_AUTHENTICATOR_KEEPS: usize = 3;

/// Says what a row needs that its lane lacks; nothing when the lane can show it.
pub(super) fn lacking(library: &Library, row: &Row) -> Option<String> {
    let needs = Needs {
        library,
        row,
        lane: &row.lane,
    };
    let why = needs.lacking()?;
    Some(format!("lane {} {why}", row.lane.id))
}

/// Tells whether a step is about what a user meets on a page.
fn is_of_a_page(spec: &StepSpec) -> bool {
    spec.action == Action::DeleteAtProvider
        || spec.page.is_some()
        || spec.framed.is_some()
        || spec.place.is_some()
        || spec.attached.is_some()
        || spec.user_does.is_some()
        || spec.offers_same_device.is_some()
}

/// Tells whether another passkey of the same authenticator signs.
fn is_by_another_credential(mutation: &Mutation) -> bool {
    let operand = mutation.value.as_ref().and_then(|value| value.as_str());
    operand == Some("$BY_OTHER_CREDENTIAL")
}

struct Needs<'a> {
    library: &'a Library,
    row: &'a Row,
    lane: &'a Lane,
}

impl Needs<'_> {
    fn lacking(&self) -> Option<String> {
        let of_step = |step: &Step| self.of_step(&step.spec);
        self.row
            .steps
            .iter()
            .find_map(of_step)
            .or_else(|| self.lane.is_native().then(|| self.of_native()).flatten())
            .or_else(|| self.lane.has_keys().then(|| self.of_keys()).flatten())
            .map(str::to_owned)
    }

    fn of_step(&self, spec: &StepSpec) -> Option<&'static str> {
        if self.lane.driver == Driver::Api && is_of_a_page(spec) {
            return Some("has no page");
        }
        if spec.key.is_some() && !self.lane.has_keys() {
            return Some("has no security key to hold");
        }
        let without =
            |needed: bool, capability, why| (needed && !self.lane.can(capability)).then_some(why);
        let free = matches!(spec.action, Action::Replay | Action::ReadOptions)
            || spec.asks.is_some()
            || spec.without_options
            || spec.options_of.is_some()
            || spec.options_from.is_some()
            || spec.same_options
            || spec.parallel.is_some()
            || spec.request.is_some()
            // The page brings nothing back that is no part of a response.
            || self.row.relying_party.accounts.ceremonies_kept == Some(CeremoniesKept::AtTheClient)
            || spec.action == Action::PasswordSignIn
            || spec.names.is_some()
            || spec.in_session
            || spec.finish_names.is_some()
            || spec.renews_session
            || spec.compares_refusals
            || spec.tenant.is_some();
        let conditional = spec.mediation == Some(Mediation::Conditional);
        let registers = spec.action == Action::Register;
        without(
            free,
            Capability::FreeRequests,
            "sends only what the page sends",
        )
        .or_else(|| {
            without(
                spec.ignore_allow_list,
                Capability::IgnoreLists,
                "uses only passkeys that the options list",
            )
        })
        .or_else(|| {
            without(
                conditional && registers,
                Capability::ConditionalCreate,
                "makes no passkey without asking",
            )
        })
        .or_else(|| {
            without(
                conditional && !registers,
                Capability::ConditionalGet,
                "cannot ask for a passkey while the page goes on",
            )
        })
        .or_else(|| {
            without(
                spec.embedded_in.is_some(),
                Capability::ClaimEmbedding,
                "is where its page says it is",
            )
        })
        .or_else(|| {
            let mutation = spec.mutation.as_ref()?;
            self.of_mutation(spec.action, mutation)
        })
    }

    fn of_mutation(&self, action: Action, mutation: &Mutation) -> Option<&'static str> {
        let registers = action == Action::Register;
        // What is posted beside the signed bytes, and a signature itself, are changed without a key.
        if self.lane.is_native() && is_by_another_credential(mutation) {
            return Some("signs with the passkey's own key alone");
        }
        let signed = mutation.at.stage <= Stage::ToBeSigned;
        let resigns = signed && mutation.resign;
        let none = self.row.relying_party.attestation.as_deref() == Some("none");
        let unsigned = registers && self.lane.is_native() && none;
        let needed = match mutation.at.stage {
            Stage::Certificates => Capability::Certificates,
            _ if resigns && registers && !unsigned => Capability::ResignAttestations,
            _ if resigns && !registers => Capability::ResignAssertions,
            _ => Capability::Change,
        };
        let why = match needed {
            Capability::Certificates => "has no key of a test CA",
            Capability::ResignAttestations => "cannot make an attestation signature anew",
            Capability::ResignAssertions => "cannot make a signature anew",
            _ => "cannot change a response",
        };
        (!self.lane.can(needed)).then_some(why)
    }

    /// What a security key does not do.
    fn of_keys(&self) -> Option<&'static str> {
        self.row.steps.iter().find_map(|step| {
            let spec = &step.spec;
            if spec.backup_eligible.or(spec.backup_state).is_some() {
                return Some("keeps passkeys that never leave the key");
            }
            if spec.under_app_id.is_some() {
                return Some("has its passkeys made over CTAP2");
            }
            if spec.user_verified.is_some() && !self.lane.can(Capability::ChooseUserVerification) {
                return Some("verifies the user as its key does");
            }
            let provider = self.library.provider(spec.provider.as_deref()?)?;
            let ProviderInContext { model, .. } = provider.made_where(spec.context.as_ref());
            if !model.transports.contains(&Transport::Usb) {
                return Some("has security keys, and the row's passkeys are kept elsewhere");
            }
            (model.engine != Engine::Model && !self.lane.can(Capability::OtherEngines))
                .then_some("has a key make the credential, not another program")
        })
    }

    /// What a browser's own authenticator cannot do.
    fn of_native(&self) -> Option<&'static str> {
        let steps = || self.row.steps.iter().map(|step| &step.spec);
        let settings = &self.row.relying_party;
        let fixed = &self.lane.fixed;
        if !settings.metadata.is_empty() {
            return Some("cannot be one of the models whose metadata the row is about");
        }
        if let (Some(offered), Some(algorithm)) = (&settings.algorithms, fixed.algorithm)
            && !offered.contains(&algorithm)
        {
            return Some("makes no keys of an algorithm that is offered");
        }
        if self.uses_what_was_posted() {
            return Some("signs in with what its authenticator made, not with what was posted");
        }
        if self.asks_for_protection() {
            return Some("does not say how it protects credentials");
        }
        if settings.attestation_required && fixed.attestation != Some(AttestationKind::Packed) {
            return Some("attests with no certificate");
        }
        if steps()
            .filter(|spec| spec.action == Action::Register)
            .count()
            > VIRTUAL_AUTHENTICATOR_KEEPS
        {
            return Some("keeps no more than three passkeys");
        }
        steps()
            .find_map(|spec| self.of_native_step(spec))
            .or_else(|| self.says_otherwise())
    }

    /// Tells whether a step signs in with a passkey whose registration was changed before it was posted.
    fn uses_what_was_posted(&self) -> bool {
        let steps = || self.row.steps.iter().map(|step| &step.spec);
        let changed = steps().filter(|spec| {
            let mutation = spec.mutation.as_ref();
            spec.action == Action::Register
                && mutation.is_some_and(|change| change.at.stage == Stage::AttestedCredentialData)
        });
        changed.map(|spec| &spec.credential).any(|name| {
            steps().any(|spec| spec.action == Action::SignIn && spec.credential == *name)
        })
    }

    fn asks_for_protection(&self) -> bool {
        let asked = &self.row.relying_party.extensions.registration;
        asked.contains_key("credentialProtectionPolicy")
    }

    fn of_native_step(&self, spec: &StepSpec) -> Option<&'static str> {
        let fixed = &self.lane.fixed;
        let chooses = |wanted: bool, fixed: bool| wanted && fixed;
        if chooses(spec.aaguid.is_some(), fixed.aaguid.is_some()) {
            return Some("cannot choose the AAGUID");
        }
        if chooses(spec.attestation.is_some(), fixed.attestation.is_some()) {
            return Some("cannot choose the attestation");
        }
        if spec
            .algorithm
            .is_some_and(|algorithm| fixed.algorithm.is_some_and(|only| only != algorithm))
        {
            return Some("cannot choose the algorithm");
        }
        let flags = spec.backup_eligible.or(spec.backup_state).is_some();
        if chooses(flags, fixed.backup_eligible.is_some()) {
            return Some("has no BE and BS flags");
        }
        if spec.under_app_id.is_some() {
            return Some("keeps no passkeys that U2F made");
        }
        if spec.user_verified.is_some() && !self.lane.can(Capability::ChooseUserVerification) {
            return Some("verifies the user as its browser does");
        }
        self.of_native_model(spec)
    }

    fn of_native_model(&self, spec: &StepSpec) -> Option<&'static str> {
        let provider = self.library.provider(spec.provider.as_deref()?)?;
        let ProviderInContext { model, .. } = provider.made_where(spec.context.as_ref());
        if model.engine != Engine::Model && !self.lane.can(Capability::OtherEngines) {
            return Some("has its browser make the credential, not another program");
        }
        if model.user_verification == UserVerification::Never
            && !matches!(
                self.row.relying_party.user_verification,
                Some(Requirement::Preferred | Requirement::Discouraged)
            )
        {
            return Some("makes nothing without user verification where it is required");
        }
        None
    }

    /// Whether what is fixed changes what the row is about.
    fn says_otherwise(&self) -> Option<&'static str> {
        let why = "cannot be the provider that the row is about: with what the browser makes instead, the verdict or its clauses would be others";
        match self.row.suite {
            Suite::Conformance => self
                .case_is_about_its_provider()
                .then_some("cannot be the provider that the case is about"),
            _ => self.policy_says_otherwise().then_some(why),
        }
    }

    /// A conformance case is about its provider when a step names another than the control's, and they differ in what is fixed.
    fn case_is_about_its_provider(&self) -> bool {
        let fixed = &self.lane.fixed;
        let mut registrations = self
            .row
            .steps
            .iter()
            .filter(|step| step.spec.action == Action::Register);
        let replaced = |step: &Step| {
            let provider = self.library.provider(step.spec.provider.as_deref()?)?;
            let mut made = provider.made_where(step.spec.context.as_ref());
            made.override_with(&step.spec);
            let before = (made.clone(), made.model.backup_eligible);
            fixed.replace(&mut made);
            Some((before, made))
        };
        let strict = self.row.relying_party.single_device_required;
        registrations.any(|step| {
            replaced(step).is_some_and(|((before, eligible), after)| {
                let attested =
                    |made: &ProviderInContext| made.model.attestation != AttestationKind::None;
                (strict && eligible != after.model.backup_eligible)
                    || (attested(&before) != attested(&after) && self.is_about_attestation())
            })
        })
    }

    fn is_about_attestation(&self) -> bool {
        let stages = [Stage::AttestationStatement, Stage::AttestationObject];
        self.row.relying_party.attestation_required
            || self.row.steps.iter().any(|step| {
                let mutation = step.spec.mutation.as_ref();
                mutation.is_some_and(|mutation| stages.contains(&mutation.at.stage))
            })
    }

    fn policy_says_otherwise(&self) -> bool {
        let as_claimed = Fixed::default();
        let told = |fixed| -> Option<Vec<Told>> {
            let mut story = Story::new(self.library, self.row, fixed)?;
            Some(self.row.steps.iter().map(|step| story.step(step)).collect())
        };
        let same = |(one, other): (&Told, &Told)| match (one, other) {
            // Which profile admits is nothing that anybody sees.
            (Told::Ceremony(one, deciding), Told::Ceremony(other, also)) => {
                use crate::policy::Decision::{Admitted, Denied};
                match (one, other) {
                    (Admitted(_), Admitted(_)) => true,
                    (Denied(one), Denied(other)) => one == other && deciding == also,
                    _ => false,
                }
            }
            (one, other) => one == other,
        };
        match (told(&as_claimed), told(&self.lane.fixed)) {
            (Some(claimed), Some(replaced)) => !claimed.iter().zip(&replaced).all(same),
            _ => false,
        }
    }
}
