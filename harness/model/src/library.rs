//! Everything that the scenario files say, with the places where they say it.

use std::collections::BTreeMap;

use crate::{
    lane::{Differences, Lanes},
    platform::{Context, Flow, Platform, VersionSymbol},
    provider::{
        AttestationKind, AuthenticatorModel, Claim, PasskeyType, Provider, UserVerification,
    },
    row::SourceRef,
    scenario::{
        Availability, Available, Cell, ConformanceGroup, Contexts, Grid, MatrixScenario, NotBuilt,
        PolicyScenario, Profile, StepSpec, VerificationSteps,
    },
    target::Target,
};

/// A value with the file that it comes from and the places of its parts.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// The file, as the user would open it.
    pub file: String,
    /// The line and column of each part, from one, by JSON pointer: `/cases/3`.
    pub places: BTreeMap<String, (usize, usize)>,
}

impl<T> Located<T> {
    /// Returns the place of a part, or of what it would stand in where it is not written.
    #[must_use]
    pub fn at(&self, pointer: &str) -> SourceRef {
        let mut pointer = pointer;
        let (line, column) = loop {
            if let Some(place) = self.places.get(pointer) {
                break *place;
            }
            match pointer.rsplit_once('/') {
                Some((parent, _)) => pointer = parent,
                None => break (1, 1),
            }
        };
        SourceRef {
            file: self.file.clone(),
            line,
            column,
        }
    }
}

/// Holds all scenario files, parsed.
#[derive(Clone, Debug, Default)]
pub struct Library {
    /// The platforms.
    pub platforms: Vec<Located<Platform>>,
    /// The providers.
    pub providers: Vec<Located<Provider>>,
    /// The table of availability.
    pub availability: Option<Located<Availability>>,
    /// The profiles.
    pub profiles: Vec<Located<Profile>>,
    /// The pairs of contexts.
    pub contexts: Option<Located<Contexts>>,
    /// The literal grid.
    pub grid: Option<Located<Grid>>,
    /// The lanes; the software lane alone when there is no such file.
    pub lanes: Option<Located<Lanes>>,
    /// Where native lanes may differ from the software lane; nowhere when there is no such file.
    pub differences: Option<Located<Differences>>,
    /// The conformance cases that were not built; none when there is no such file.
    pub not_built: Option<Located<NotBuilt>>,
    /// The verification steps; none when there is no such file.
    pub steps: Option<Located<VerificationSteps>>,
    /// The scenarios of the suite `matrix`.
    pub matrix: Vec<Located<MatrixScenario>>,
    /// The scenarios of the suite `policy`.
    pub policy: Vec<Located<PolicyScenario>>,
    /// The groups of the suite `conformance`.
    pub conformance: Vec<Located<ConformanceGroup>>,
    /// The targets that run on their own.
    pub targets: Vec<Located<Target>>,
}

impl Library {
    /// Finds a provider.
    #[must_use]
    pub fn provider(&self, id: &str) -> Option<&Provider> {
        self.providers
            .iter()
            .map(|located| &located.value)
            .find(|provider| provider.id == id)
    }

    /// Finds a profile.
    #[must_use]
    pub fn profile(&self, id: &str) -> Option<&Profile> {
        self.profiles
            .iter()
            .map(|located| &located.value)
            .find(|profile| profile.id == id)
    }

    /// Finds the cell of the table that speaks of a provider on a platform, with its id `<row>/<platform>`.
    #[must_use]
    pub fn cell(&self, provider: &str, platform: &str) -> Option<(String, &Cell)> {
        let table = &self.availability.as_ref()?.value;
        let row = table
            .rows
            .iter()
            .find(|row| row.providers.iter().any(|known| known == provider))?;
        let cell = row.cells.iter().find(|cell| cell.platform == platform)?;
        Some((format!("{}/{platform}", row.id), cell))
    }

    /// Says why a provider's passkey cannot be used (or, with `registering`, made) in a context; nothing when it can.
    #[must_use]
    pub fn unavailable(
        &self,
        provider: &str,
        context: &Context,
        registering: bool,
    ) -> Option<String> {
        let client = &context.client;
        let Some((id, cell)) = self.cell(provider, &client.platform) else {
            return Some(format!(
                "no cell of the table speaks of {provider} on {}",
                client.platform
            ));
        };
        let (available, registration, minimum) = match &context.flow {
            Flow::SameDevice => (
                cell.same_device.available,
                cell.same_device.registration,
                &cell.same_device.minimum,
            ),
            Flow::CrossDevice(_) => (
                cell.cross_device.available,
                cell.cross_device.registration,
                &cell.cross_device.client_minimum,
            ),
        };
        let refused = |what: &str| Some(format!("cell {id}: {what}"));
        match (available, registration) {
            (Available::No, _) => return refused("the provider is not available in this flow"),
            (Available::Indeterminate, _) => {
                return refused("the sources leave open whether the provider is available");
            }
            (_, Available::No) if registering => {
                return refused("a passkey can be used here, not made");
            }
            _ => {}
        }
        if client.version == VersionSymbol::BelowMin {
            return refused(&format!(
                "the platform is below {}",
                minimum.as_deref().unwrap_or("its minimum")
            ));
        }
        let Flow::CrossDevice(phone) = &context.flow else {
            return None;
        };
        let Some(known) = cell
            .cross_device
            .phones
            .iter()
            .find(|known| known.platform == phone.platform)
        else {
            return refused(&format!("{} is no phone for this provider", phone.platform));
        };
        (phone.version == VersionSymbol::BelowMin)
            .then(|| format!("cell {id}: the phone is below {}", known.minimum))
    }
}

/// What a provider's passkey is, in the context where it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderInContext {
    /// What the sources say.
    pub claim: Claim,
    /// What our software authenticator does.
    pub model: AuthenticatorModel,
}

impl ProviderInContext {
    /// Has claim and model be what a step says instead.
    pub fn override_with(&mut self, spec: &StepSpec) {
        self.model.override_with(spec);
        if let Some(aaguid) = spec.aaguid {
            self.model.aaguid = aaguid;
            self.claim.aaguid = aaguid;
        }
        if let Some(attestation) = spec.attestation {
            self.model.attestation = attestation;
            self.claim.attestation = attestation;
        }
        if let Some(eligible) = spec.backup_eligible {
            self.claim.passkey_type = if eligible {
                PasskeyType::Synced
            } else {
                PasskeyType::DeviceBound
            };
        }
    }
}

impl Provider {
    /// Returns claim and model as they are in a context, or wherever nothing else is said.
    #[must_use]
    pub fn made_where(&self, context: Option<&Context>) -> ProviderInContext {
        context.map_or_else(
            || ProviderInContext {
                claim: self.claim.clone(),
                model: self.model.clone(),
            },
            |context| self.made_in(context),
        )
    }

    /// Returns claim and model as they are where the passkey is made.
    #[must_use]
    pub fn made_in(&self, context: &Context) -> ProviderInContext {
        let mut made = ProviderInContext {
            claim: self.claim.clone(),
            model: self.model.clone(),
        };
        let platform = context.authenticator_platform();
        let variant = self.variants.iter().find(|variant| {
            variant.platform == platform.platform
                && variant
                    .version
                    .is_none_or(|version| version == platform.version)
                && variant
                    .cross_device
                    .is_none_or(|cross_device| cross_device == context.is_cross_device())
        });
        let Some(variant) = variant else { return made };
        if let Some(aaguid) = variant.aaguid {
            made.claim.aaguid = aaguid;
            made.model.aaguid = aaguid;
        }
        if let Some(attestation) = variant.attestation {
            made.claim.attestation = attestation;
            made.model.attestation = attestation;
        }
        if let Some(passkey_type) = variant.passkey_type {
            made.claim.passkey_type = passkey_type;
        }
        made
    }
}

impl AuthenticatorModel {
    /// Has the model do what a step says instead: flags, algorithm, user verification.
    pub fn override_with(&mut self, spec: &StepSpec) {
        self.backup_eligible = spec.backup_eligible.unwrap_or(self.backup_eligible);
        self.backup_state = spec.backup_state.unwrap_or(self.backup_state);
        if let Some(algorithm) = spec.algorithm {
            self.algorithms = vec![algorithm];
        }
        match spec.user_verified {
            Some(true) => self.user_verification = UserVerification::Always,
            Some(false) => self.user_verification = UserVerification::Never,
            None => {}
        }
    }

    /// Says what of the model the software authenticator cannot make yet; nothing when it can make all.
    #[must_use]
    pub fn not_built(&self) -> Option<String> {
        (!self.attestation.is_built())
            .then(|| format!("attestation {} is not built yet", self.attestation.name()))
    }
}

impl AttestationKind {
    /// Returns the identifier of the attestation statement format.
    #[must_use]
    pub const fn format(self) -> &'static str {
        match self {
            Self::PackedSelf | Self::Packed | Self::PackedUnknownRoot => "packed",
            Self::FirstPartyApp => "x-first-party-app",
            other => other.name(),
        }
    }

    /// Tells whether the software authenticator can make it.
    #[must_use]
    pub const fn is_built(self) -> bool {
        matches!(
            self,
            Self::None
                | Self::PackedSelf
                | Self::Packed
                | Self::PackedUnknownRoot
                | Self::FirstPartyApp
        )
    }

    /// Returns the name as scenarios spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::PackedSelf => "packed-self",
            Self::Packed => "packed",
            Self::PackedUnknownRoot => "packed-unknown-root",
            Self::FirstPartyApp => "first-party-app",
            Self::Tpm => "tpm",
            Self::AndroidKey => "android-key",
            Self::Apple => "apple",
            Self::FidoU2f => "fido-u2f",
        }
    }
}
