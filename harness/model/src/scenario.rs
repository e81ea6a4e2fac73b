//! The scenario files as they are written, one type a kind of file.
//!
//! Structs are flat and enums are plain, so that a mistake is reported at its line with the names that would have been right.

mod accounts;
mod availability;
mod grid;
mod key;
mod options;
mod request;
mod steps;
mod suites;
mod verification;

pub use accounts::{AccountSettings, CeremoniesKept, CeremoniesOfSession};
pub use availability::{
    Availability, AvailabilityRow, Available, Cell, CrossDevice, PhoneMinimum, SameDevice,
};
pub use grid::{ContextPair, Contexts, Grid, GridClauses, GridEntry, GridException, Profile};
pub use key::{CredentialProtection, KeyFault, KeySpec, PinState, Typed};
pub use options::{OptionsProperty, OptionsSpec};
pub use request::{Endpoint, Meanwhile, ReadOf, RequestSpec, Via};
pub use steps::{
    Action, Attached, CounterPolicy, Frame, Mediation, ModelMetadata, Place, RelyingPartySettings,
    Requirement, StepSpec, UserDoes, UserSpec,
};
pub use suites::{
    Basis, Case, CeremonyKind, Confidence, ConformanceGroup, Expected, Feature, MatrixKind,
    MatrixScenario, PerCeremony, PolicyCase, PolicyScenario, Severity, Suite, Variant,
};
pub use verification::{NotBuilt, NotBuiltCase, VerificationStep, VerificationSteps};
