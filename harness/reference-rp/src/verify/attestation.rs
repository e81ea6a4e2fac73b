//! The steps of 7.1 that look at the attestation statement: 21 to 24.

use super::{
    Refusal, refuse,
    registration::{Ceremony, Object},
};
use crate::{
    defects::Defect,
    policy::{self, AttestationLevel, InvalidStatement},
    trust::{self, Statement},
};

impl Ceremony<'_> {
    /// Under passkey profiles other formats are not verified, and the clause `format` decides whether they are taken.
    pub(super) fn step_21_format(&self, object: &Object) -> Result<(), Refusal> {
        let built = ["none", "packed", trust::FIRST_PARTY_FORMAT];
        if built.contains(&object.format.as_str())
            || self.expected.policy.is_some()
            || self.defects.has(Defect::UnknownFormatAccepted)
        {
            return Ok(());
        }
        refuse("reg.21", "the attestation format is not supported")
    }

    pub(super) fn step_22_statement(
        &self,
        object: &Object,
        hash: &[u8],
    ) -> Result<Statement, Refusal> {
        let message = [object.data.bytes.as_slice(), hash].concat();
        let signed = trust::Signed {
            message: &message,
            attested: &object.attested,
            enterprise: self.expected.attestation == "enterprise",
        };
        match trust::verify_statement(&object.format, &object.statement, signed, self.defects) {
            Ok(statement) => Ok(statement),
            Err(_) if self.ignores_invalid_statements() => Ok(Statement::Ignored),
            Err(message) => refuse("reg.22", message),
        }
    }

    /// An invalid statement may be ignored only where some profile of the user does not enforce attestation.
    fn ignores_invalid_statements(&self) -> bool {
        self.expected.switches.invalid_statement == InvalidStatement::Ignored
            && self
                .enforcement()
                .is_some_and(|enforcement| !enforcement.everywhere)
    }

    pub(super) fn steps_23_24_trust(
        &self,
        object: &Object,
        statement: &Statement,
    ) -> Result<bool, Refusal> {
        let proven = trust::is_attested(
            &self.expected.anchors,
            &object.format,
            statement,
            object.attested.aaguid,
            self.exchange.situation.now,
            self.defects,
        );
        let left_out = !matches!(statement, Statement::Certified(_))
            && self.defects.has(Defect::AttestationLeftOutAccepted);
        if self.expected.attestation_required && !proven && !left_out {
            return refuse("reg.24", "the attestation leads to no trusted root");
        }
        Ok(proven)
    }

    fn enforcement(&self) -> Option<policy::Enforcement> {
        let policy = self.expected.policy.as_ref()?;
        let subject = &self.exchange.situation.subject;
        Some(policy::enforcement(
            policy,
            &self.expected.switches,
            self.defects,
            subject,
        ))
    }

    /// Tells whether a proven model is stored as proven where no profile asks for it.
    pub(super) fn keeps_level(&self) -> bool {
        self.expected.switches.attestation_level == AttestationLevel::AsVerified
            || self
                .enforcement()
                .is_none_or(|enforcement| enforcement.anywhere)
    }
}
