//! What a step makes: the provider's model with what the step overrides, and whether it is what the provider claims.

use passkey_authenticators::{Client, ClientError, Observed, SoftwareAuthenticator};
use passkey_model::{
    library::{Library, ProviderInContext},
    platform::Context,
    provider::{AttestationKind, AuthenticatorModel, PasskeyType, Transport},
    scenario::{Mediation, StepSpec},
    verdict::Outcome,
};

/// Returns what a registration step makes: its provider in its context, with what the step overrides.
pub(super) fn in_step(library: &Library, spec: &StepSpec) -> Result<ProviderInContext, String> {
    let id = spec
        .provider
        .as_deref()
        .ok_or("a registration has to name its provider")?;
    let provider = library
        .provider(id)
        .ok_or_else(|| format!("there is no provider '{id}'"))?;
    let mut made = provider.made_where(spec.context.as_ref());
    made.override_with(spec);
    Ok(made)
}

/// Sets the BS flag of everything that an authenticator keeps, from now on.
pub(super) fn set_backup_state(
    authenticator: &mut SoftwareAuthenticator,
    rp_id: &str,
    state: Option<bool>,
) {
    let kept = authenticator.credentials(rp_id);
    let ids: Vec<_> = kept.map(|credential| credential.id.clone()).collect();
    for (id, state) in ids.iter().zip(state.into_iter().cycle()) {
        authenticator.set_backup_state(id, state);
    }
}

/// Returns the client of a step: a page on the relying party's origin or on that of the tenant that the step names, and where it sees the authenticator.
pub(super) fn client(origin: &str, spec: &StepSpec, model: &AuthenticatorModel) -> Client {
    let roaming = !model.transports.contains(&Transport::Internal);
    let of_tenant = spec.tenant.as_ref().map(|host| format!("https://{host}"));
    Client {
        origin: of_tenant.unwrap_or_else(|| origin.to_owned()),
        top_origin: spec.embedded_in.clone(),
        cross_platform: roaming || spec.context.as_ref().is_some_and(Context::is_cross_device),
        conditional: spec.mediation == Some(Mediation::Conditional),
    }
}

/// Tells what it means for the row that the client made nothing.
pub(super) fn refused_by_client(error: ClientError) -> Result<Outcome, String> {
    match error {
        ClientError::Refused(name) => Ok(Outcome::NoCredential {
            error: name.to_owned(),
        }),
        ClientError::Options(how) => Ok(Outcome::Crashed {
            how: format!("its options are wrong: {how}"),
        }),
        ClientError::Mutation(error) => Err(error.to_string()),
    }
}

/// What was made has to be what the sources say of the provider, or the row is about something else.
pub(super) fn faithful(
    made: &ProviderInContext,
    observed: Option<&Observed>,
) -> Result<(), String> {
    let observed = observed.ok_or("nothing was observed")?;
    if observed.aaguid != made.claim.aaguid {
        return Err(format!(
            "the model's AAGUID {} is not the provider's, {}",
            observed.aaguid, made.claim.aaguid
        ));
    }
    let claimed = made.claim.attestation.format();
    if observed.format != claimed || made.model.attestation != made.claim.attestation {
        return Err(format!(
            "the model attests with {} (format {}), the provider with {} (format {claimed})",
            made.model.attestation.name(),
            observed.format,
            made.claim.attestation.name()
        ));
    }
    let first_party = made.claim.attestation == AttestationKind::FirstPartyApp;
    let synced = observed.backup_eligible && !first_party;
    if synced != (made.claim.passkey_type == PasskeyType::Synced) {
        return Err(format!(
            "the model's BE flag is {}, but the provider's passkeys are {:?}",
            observed.backup_eligible, made.claim.passkey_type
        ));
    }
    Ok(())
}
