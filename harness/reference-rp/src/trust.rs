//! Attestation: the statement (WebAuthn L3, 7.1 step 22) and the trust in it (steps 23 and 24).

mod chain;
mod metadata;
mod statement;

use std::sync::Arc;

use serde_json::Value;

pub(crate) use statement::{Signed, Statement, is_self_attestation, verify_statement};

use crate::defects::{Defect, Defects};

/// The format of first-party apps: a synthetic stand-in for App Attest and Play Integrity.
pub(crate) const FIRST_PARTY_FORMAT: &str = "x-first-party-app";

/// What the relying party trusts.
#[derive(Clone, Debug, Default)]
pub struct Anchors {
    /// A decoded metadata payload of FIDO's service (MDS 3.1, 3.1.6), which many relying parties may share.
    pub metadata: Arc<Value>,
    /// The roots of first-party apps, DER.
    pub first_party_roots: Vec<Vec<u8>>,
    /// The AAGUIDs of first-party apps.
    pub first_party_aaguids: Vec<[u8; 16]>,
}

/// Tells whether a verified statement proves the authenticator's model.
pub(crate) fn is_attested(
    anchors: &Anchors,
    format: &str,
    statement: &Statement,
    aaguid: [u8; 16],
    now: u64,
    defects: &Defects,
) -> bool {
    let Statement::Certified(chain) = statement else {
        return false;
    };
    if defects.has(Defect::AttestationChainNotVerified) {
        return true;
    }
    let leads_to = |roots: &[Vec<u8>]| chain::leads_to(chain, roots, now, defects);
    if format == FIRST_PARTY_FORMAT {
        return anchors.first_party_aaguids.contains(&aaguid)
            && leads_to(&anchors.first_party_roots);
    }
    metadata::candidates(&anchors.metadata, aaguid, defects)
        .filter(|entry| metadata::is_good_enough(entry, now, defects))
        .any(|entry| {
            let roots = metadata::roots(entry);
            let unknown = roots.is_empty() && defects.has(Defect::MetadataWithoutRootsTrusted);
            unknown || leads_to(&roots)
        })
}
