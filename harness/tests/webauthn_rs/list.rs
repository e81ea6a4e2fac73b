//! The list of what webauthn-rs does that the specification does not let it do, with what its source says of that.

use std::{collections::BTreeSet, fmt::Write};

use passkey_harness::run::Runner;
use passkey_model::{
    row::Row,
    scenario::Basis,
    verdict::{Judgement, Verdict},
};

const HEADER: &str = "\
# What webauthn-rs 0.6.2 takes and should refuse, or refuses and should take, row by row: verdict, basis, what happened; at the end, what
# its source says of each case. Three uses of it are tested: webauthn-rs's passkeys with sign-in by its conditional API; the same where
# users give their name first; and webauthn-rs-core where it is asked for direct attestation.
# Written by: PASSKEY_UPDATE=1 cargo test --test webauthn_rs
";
const NOBODY: &str = "nobody has looked at this yet";

/// What the source says, by case.
pub const NOTES: &[(&str, &str)] = &[
    (
        "ad.credid-1024",
        "a choice: core's constants.rs lets credential IDs have 4096 bytes, for keys of post-quantum algorithms",
    ),
    (
        "ad.credid-differs-envelope",
        "leniency: id and rawId of a registration are not compared with the ID that is attested",
    ),
    (
        "ad.credid-zero",
        "leniency: core's acd_parser bounds the length of credential IDs from above only",
    ),
    (
        "ad.ed-clear-ext",
        "leniency: as of ad.trailing, what no flag announces is left over and dropped",
    ),
    (
        "ad.trailing",
        "leniency: what core's authenticator_data_parser leaves over is dropped",
    ),
    (
        "ao.indefinite",
        "leniency: serde_cbor_2 decodes whatever CBOR it is given, canonical or not",
    ),
    (
        "ao.nonpreferred-key",
        "leniency: serde_cbor_2 decodes whatever CBOR it is given, canonical or not",
    ),
    (
        "ao.type",
        "leniency: the statement of format none is not looked at; fmt is read from a byte string as from a text",
    ),
    (
        "att.packed.alg-wrong",
        "leniency: verify_packed_attestation reads alg, and uses it for self attestation only; with certificates the key decides",
    ),
    (
        "att.packed.cert-subject",
        "leniency: assert_packed_attest_req asks whether the subject has a C, not what it is",
    ),
    (
        "att.packed.enterprise-sernum",
        "leniency: the extension is not looked for",
    ),
    (
        "be.flip-0-1",
        "a choice: start_passkey_authentication sets allow_backup_eligible_upgrade (\"Allow authenticators to modify their backup \
         eligibility\"), start_discoverable_authentication does not",
    ),
    (
        "cd.bom",
        "too strict: the client data is parsed without UTF-8 decode before, which strips the mark; no client is known that makes one",
    ),
    (
        "cd.chal-similar",
        "leniency: the challenge is decoded before it is compared, with and without padding",
    ),
    (
        "cd.origin-spelling",
        "leniency: the origin is parsed as a URL and compared as one (proto's CollectedClientData and origins_match), so that its \
         spelling and its path do not count",
    ),
    (
        "cd.top-without-xo",
        "leniency: CollectedClientData has no topOrigin",
    ),
    (
        "cd.xo-true-unexpected",
        "leniency: register_credential looks at crossOrigin, verify_credential_internal does not",
    ),
    (
        "env.id-rawid-differ",
        "a choice: at registration id \"is NEVER actually used\", as proto's documentation says; at sign-in rawId alone is looked up",
    ),
    (
        "key.es256-crv384",
        "leniency: COSEKey::try_from takes any known curve with any ECDSA algorithm",
    ),
    (
        "key.es384-crv256",
        "leniency: COSEKey::try_from takes any known curve with any ECDSA algorithm",
    ),
    (
        "key.extra-params",
        "leniency: COSEKey::try_from looks for the parameters that it needs, and at no others",
    ),
    (
        "key.noncanonical",
        "leniency: serde_cbor_2 decodes whatever CBOR it is given, canonical or not",
    ),
    (
        "key.private-included",
        "leniency: COSEKey::try_from looks for the parameters that it needs, and at no others",
    ),
    (
        "user.uh-mismatch-identified",
        "leniency: of a user who gave a name, authenticate_credential does not look at the user handle",
    ),
];

/// A row that was judged on a target.
#[derive(Debug, PartialEq, Eq)]
pub struct Judged {
    pub target: String,
    pub row: String,
    pub case: String,
    pub basis: Basis,
    pub verdict: Verdict,
    pub because: String,
}

impl Judged {
    pub fn new(runner: &Runner, row: &Row, judgement: Judgement) -> Self {
        Self {
            target: runner.target_name().to_owned(),
            row: row.name.to_string(),
            case: row.scenario.clone(),
            basis: row.grounds.basis,
            verdict: judgement.verdict,
            because: judgement.because,
        }
    }
}

/// Writes down the red rows, and what the source says of their cases.
pub fn render(judged: &[Judged]) -> String {
    let mut text = HEADER.to_owned();
    let mut target = "";
    let mut cases = BTreeSet::new();
    for row in judged.iter().filter(|row| row.verdict.is_red()) {
        if row.target != target {
            target = &row.target;
            writeln!(text, "\n{target}").unwrap();
        }
        let basis = serde_json::to_value(row.basis).unwrap();
        let (verdict, basis) = (row.verdict.name(), basis.as_str().unwrap());
        writeln!(
            text,
            "  {}\n    {verdict} ({basis}): {}",
            row.row, row.because
        )
        .unwrap();
        cases.insert(row.case.as_str());
    }
    writeln!(text, "\nwhat its source says").unwrap();
    for case in cases {
        let note = NOTES.iter().find(|(known, _)| *known == case);
        writeln!(text, "  {case}: {}", note.map_or(NOBODY, |(_, note)| note)).unwrap();
    }
    text
}
