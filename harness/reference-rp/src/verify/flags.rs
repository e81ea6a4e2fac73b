//! What both ceremonies ask of authenticator data (WebAuthn L3, 6.1): 7.1 steps 14 to 17, 7.2 steps 15 to 18.

use aws_lc_rs::digest::{SHA256, digest};

use super::{Expected, Refusal, refuse};
use crate::{
    defects::{Defect, Defects},
    parse::AuthenticatorData,
};

/// Authenticator data in the hands of one ceremony.
pub(super) struct Check<'a> {
    pub data: &'a AuthenticatorData,
    pub expected: &'a Expected,
    pub defects: &'a Defects,
}

impl Check<'_> {
    fn unless(&self, defect: Defect, step: &str, fails: bool, why: &str) -> Result<(), Refusal> {
        if fails && !self.defects.has(defect) {
            return refuse(step, why);
        }
        Ok(())
    }

    /// Compares the hash with those of what it may be of.
    pub(super) fn rp_id_hash(&self, step: &str, ids: &[&str]) -> Result<(), Refusal> {
        let is_of = |id: &str| digest(&SHA256, id.as_bytes()).as_ref() == self.data.rp_id_hash;
        let of_tenant = |id: &String| is_of(id);
        let any = self.defects.has(Defect::RpIdHashOfAnyTenant)
            && self.expected.other_rp_ids.iter().any(of_tenant);
        let other = !ids.iter().any(|id| is_of(id)) && !any;
        self.unless(
            Defect::RpIdHashNotCompared,
            step,
            other,
            "the RP ID is another",
        )
    }

    pub(super) fn user_present(&self, step: &str) -> Result<(), Refusal> {
        let absent = !self.data.has(AuthenticatorData::UP);
        let why = "the user was not present";
        self.unless(Defect::UserPresenceNotRequired, step, absent, why)
    }

    pub(super) fn user_verified(&self, step: &str) -> Result<(), Refusal> {
        let required = self.expected.user_verification == "required";
        let fails = required && !self.data.has(AuthenticatorData::UV);
        let why = "the user was not verified";
        self.unless(Defect::UserVerificationNotRequired, step, fails, why)
    }

    pub(super) fn backup_state(&self, step: &str) -> Result<(), Refusal> {
        let fails = self.data.has(AuthenticatorData::BS) && !self.data.has(AuthenticatorData::BE);
        self.unless(
            Defect::BackupStateWithoutEligibilityAccepted,
            step,
            fails,
            "backed up, but not eligible for backup",
        )
    }
}
