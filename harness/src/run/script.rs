//! Plays the steps of one row.

mod metadata;
mod values;

use std::collections::BTreeMap;

use passkey_authenticators::{
    Client, ClientError, Made, Observed, SoftwareAuthenticator, Values, seed::Seed,
};
use passkey_model::{
    library::{Library, ProviderInContext},
    platform::Context,
    provider::{AttestationKind, PasskeyType, Transport, UserVerification},
    row::{Row, Step},
    scenario::{Action, CeremonyKind, CounterPolicy, Expected, Mediation, Requirement, StepSpec},
    verdict::Outcome,
};
use passkey_reference_rp::{Config, RunningRp, User};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use super::api::{Answer, Api, ConnectError};

const RP_ID: &str = "rp.test";
const ORIGIN: &str = "https://login.rp.test";
const HOST: &str = "login.rp.test";
const POLICY: &str =
    "/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/fido2";
/// 2026-01-01: inside the validity of every test certificate.
const NOW: u64 = 1_767_225_600;
const CHALLENGE_LIFETIME_SECONDS: u64 = 300;
const PASS: &str = "temporary access pass";

/// Why a row could not be played: our fault, or the scenario author's.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlayError {
    #[error("cannot listen on loopback: {0}")]
    Listen(std::io::Error),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("step {step}: {message}")]
    Step { step: usize, message: String },
}

/// Plays a row until a step does not do what is expected of it.
pub(super) async fn play(
    library: &Library,
    row: &Row,
    seed: u64,
) -> Result<Vec<Outcome>, PlayError> {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .map_err(PlayError::Listen)?;
    let rp = RunningRp::start(config(library, row), listener).map_err(PlayError::Listen)?;
    let api = Api::connect(rp.address(), HOST).await?;
    let seed = Seed::new(seed, &row.name.without_lane());
    let mut player = Player {
        library,
        row,
        rp,
        api,
        seed,
        passkeys: BTreeMap::new(),
        values: values::at_start(&seed),
        options: Value::Null,
        last: None,
    };
    let mut outcomes = Vec::new();
    for (index, step) in row.steps.iter().enumerate() {
        let outcome = player
            .step(index, step)
            .await
            .map_err(|message| PlayError::Step {
                step: index + 1,
                message,
            })?;
        let went_on = matches!(
            (&outcome, step.expect),
            (Outcome::Accepted, Expected::Accepted)
                | (
                    Outcome::Rejected { .. },
                    Expected::Rejected | Expected::PolicyRefused
                )
                | (Outcome::NoCredential { .. }, Expected::NoCredential)
                | (_, Expected::Reported)
        );
        outcomes.push(outcome);
        if !went_on {
            break;
        }
    }
    Ok(outcomes)
}

fn config(library: &Library, row: &Row) -> Config {
    let settings = &row.relying_party;
    let requirement = match settings.user_verification {
        None | Some(Requirement::Required) => "required",
        Some(Requirement::Preferred) => "preferred",
        Some(Requirement::Discouraged) => "discouraged",
    };
    let offered = settings.algorithms.as_ref();
    let users = row.users.iter().map(|(name, user)| User {
        name: name.clone(),
        groups: user.groups.clone(),
        guest: user.guest,
        temporary_access_pass: PASS.to_owned(),
    });
    Config {
        expected: passkey_reference_rp::Expected {
            rp_id: RP_ID.to_owned(),
            origin: ORIGIN.to_owned(),
            cross_origin: settings.cross_origin_expected,
            top_origins: settings.top_origins.clone(),
            user_verification: requirement.to_owned(),
            algorithms: offered.map_or_else(
                || vec![-7, -8, -35, -257],
                |list| list.iter().map(|algorithm| algorithm.cose()).collect(),
            ),
            attestation: settings
                .attestation
                .clone()
                .unwrap_or_else(|| "direct".to_owned()),
            single_device_required: settings.single_device_required,
            attestation_required: settings.attestation_required,
            counter_must_rise: settings.counter != Some(CounterPolicy::Report),
            anchors: metadata::anchors(library, row),
            policy: row.policy.as_ref().map(|policy| policy.document.clone()),
        },
        users: users.collect(),
        now: NOW,
        challenge_lifetime: CHALLENGE_LIFETIME_SECONDS,
    }
}

/// A response that was posted, to post it again.
struct Posted {
    path: &'static str,
    response: Value,
}

struct Player<'a> {
    library: &'a Library,
    row: &'a Row,
    rp: RunningRp,
    api: Api,
    seed: Seed,
    passkeys: BTreeMap<String, SoftwareAuthenticator>,
    values: Values,
    /// The options that were answered last.
    options: Value,
    last: Option<Posted>,
}

impl Player<'_> {
    async fn step(&mut self, index: usize, step: &Step) -> Result<Outcome, String> {
        let spec = &step.spec;
        let user = spec.user.as_deref().unwrap_or("alice");
        match spec.action {
            Action::Register => self.register(index, user, spec).await,
            Action::SignIn => self.sign_in(user, spec).await,
            Action::Replay => self.replay(user).await,
            Action::SetPolicy => self.set_policy(spec).await,
            Action::AdvanceClock => {
                self.rp.advance_clock(spec.seconds.unwrap_or_default());
                Ok(Outcome::Accepted)
            }
            Action::SetUser => {
                self.rp.set_user(user, spec.groups.clone(), spec.guest);
                Ok(Outcome::Accepted)
            }
            Action::SignOut => {
                let answer = self.api.post(user, "/session/sign-out", &json!({})).await;
                self.api.forget(user);
                Ok(outcome(answer))
            }
        }
    }

    async fn register(
        &mut self,
        index: usize,
        user: &str,
        spec: &StepSpec,
    ) -> Result<Outcome, String> {
        let made = self.made(spec)?;
        if !self.api.has_session(user)
            && let Some(refused) = self.bootstrap(user).await
        {
            return Ok(refused);
        }
        let request = match spec.mediation {
            Some(Mediation::Conditional) => json!({ "mediation": "conditional" }),
            None => json!({}),
        };
        let fetched = self
            .options(user, spec, CeremonyKind::Registration, &request)
            .await;
        let options = match fetched {
            Ok(options) => options,
            Err(outcome) => return Ok(outcome),
        };
        self.between(spec).await?;
        let name = spec.credential.as_deref().unwrap_or("passkey").to_owned();
        let mut authenticator = self.authenticator(index, spec, &made);
        let response = client(spec, &made).create(
            &mut authenticator,
            &options,
            spec.mutation.as_ref(),
            &self.values,
        );
        self.passkeys.insert(name.clone(), authenticator);
        let response = match response {
            Ok(response) => response,
            Err(error) => return refused_by_client(error),
        };
        if spec.mutation.is_none() && self.row.relying_party.attestation.is_none() {
            faithful(&made, response.observed.as_ref())?;
        }
        values::add(&mut self.values, &name, &options, &response.response);
        self.finish(user, CeremonyKind::Registration, spec, response.response)
            .await
    }

    /// The authenticator that has a passkey of the name that the step gives, or a new one.
    fn authenticator(
        &mut self,
        index: usize,
        spec: &StepSpec,
        made: &ProviderInContext,
    ) -> SoftwareAuthenticator {
        let named = spec.credential.as_ref();
        let kept = named.and_then(|name| self.passkeys.remove(name));
        kept.unwrap_or_else(|| {
            let seed = self.seed.derive(&format!("step {index}"));
            SoftwareAuthenticator::new(made.model.clone(), seed)
        })
    }

    async fn sign_in(&mut self, user: &str, spec: &StepSpec) -> Result<Outcome, String> {
        let request = if spec.username {
            json!({ "username": user })
        } else {
            json!({})
        };
        if !spec.same_options {
            self.api.forget(user);
        }
        let fetched = self
            .options(user, spec, CeremonyKind::Authentication, &request)
            .await;
        let mut options = match fetched {
            Ok(options) => options,
            Err(outcome) => return Ok(outcome),
        };
        if spec.ignore_allow_list {
            options["allowCredentials"] = json!([]);
        }
        self.between(spec).await?;
        match self.used(spec, &options)? {
            Ok(made) => {
                self.finish(user, CeremonyKind::Authentication, spec, made.response)
                    .await
            }
            Err(error) => refused_by_client(error),
        }
    }

    /// Uses the passkey that the step names.
    fn used(
        &mut self,
        spec: &StepSpec,
        options: &Value,
    ) -> Result<Result<Made, ClientError>, String> {
        let name = spec.credential.as_deref().unwrap_or("passkey");
        let mut authenticator = self
            .passkeys
            .remove(name)
            .ok_or_else(|| format!("no passkey '{name}' was registered before"))?;
        let kept = authenticator.model.clone();
        override_model(&mut authenticator.model, spec);
        set_backup_state(&mut authenticator, spec.backup_state);
        let client = Client {
            origin: ORIGIN.to_owned(),
            top_origin: spec.embedded_in.clone(),
            cross_platform: spec.context.as_ref().is_some_and(Context::is_cross_device),
            conditional: false,
        };
        let made = client.get(
            &mut authenticator,
            options,
            spec.mutation.as_ref(),
            &self.values,
        );
        authenticator.model = kept;
        self.passkeys.insert(name.to_owned(), authenticator);
        Ok(made)
    }

    /// Fetches the options of a ceremony; their challenge is another session's or another ceremony's where the step says so.
    async fn options(
        &mut self,
        user: &str,
        spec: &StepSpec,
        ceremony: CeremonyKind,
        request: &Value,
    ) -> Result<Value, Outcome> {
        if spec.same_options {
            return Ok(self.options.clone());
        }
        let mut options = self.fetch(user, ceremony, request).await?;
        self.options.clone_from(&options);
        if spec.options_of.is_none() && spec.options_from.is_none() {
            return Ok(options);
        }
        let other = spec.options_of.as_deref().unwrap_or(user);
        let of = spec.options_from.unwrap_or(ceremony);
        // Whoever is about to sign in has a session in which nobody is signed in.
        let anonymous = ceremony == CeremonyKind::Authentication || !self.api.has_session(other);
        if of == CeremonyKind::Registration
            && anonymous
            && let Some(refused) = self.bootstrap(other).await
        {
            return Err(refused);
        }
        let others = self.fetch(other, of, &json!({})).await?;
        options["challenge"] = others["challenge"].clone();
        Ok(options)
    }

    async fn fetch(
        &mut self,
        user: &str,
        ceremony: CeremonyKind,
        request: &Value,
    ) -> Result<Value, Outcome> {
        let path = format!("{}/options", path(ceremony));
        match self.api.post(user, &path, request).await {
            Answer::Json(options) => Ok(options),
            Answer::Refused(outcome) => Err(outcome),
        }
    }

    async fn replay(&mut self, user: &str) -> Result<Outcome, String> {
        let posted = self.last.as_ref().ok_or("no response was posted before")?;
        let answer = self.api.post(user, posted.path, &posted.response).await;
        Ok(outcome(answer))
    }

    async fn set_policy(&mut self, spec: &StepSpec) -> Result<Outcome, String> {
        let name = spec
            .policy
            .as_deref()
            .ok_or("set-policy has to name a policy")?;
        self.put_policy(name).await
    }

    async fn put_policy(&mut self, name: &str) -> Result<Outcome, String> {
        let policy = self.row.policies.iter().find(|policy| policy.name == name);
        let policy = policy.ok_or_else(|| format!("there is no policy '{name}'"))?;
        Ok(outcome(self.api.patch(POLICY, &policy.document).await))
    }

    /// What happens between the options and the response.
    async fn between(&mut self, spec: &StepSpec) -> Result<(), String> {
        self.rp.advance_clock(spec.wait_seconds.unwrap_or_default());
        if let Some(name) = &spec.switch_policy
            && self.put_policy(name).await? != Outcome::Accepted
        {
            return Err(format!("policy '{name}' was refused"));
        }
        Ok(())
    }

    async fn bootstrap(&mut self, user: &str) -> Option<Outcome> {
        let body = json!({ "username": user, "temporaryAccessPass": PASS });
        match self.api.post(user, "/session/bootstrap", &body).await {
            Answer::Json(_) => None,
            Answer::Refused(outcome) => Some(outcome),
        }
    }

    async fn finish(
        &mut self,
        user: &str,
        ceremony: CeremonyKind,
        spec: &StepSpec,
        response: Value,
    ) -> Result<Outcome, String> {
        let path = path(ceremony);
        let outcome = match spec.parallel {
            Some(times) => self.post_at_once(user, path, &response, times).await?,
            None => outcome(self.api.post(user, path, &response).await),
        };
        self.last = Some(Posted { path, response });
        Ok(outcome)
    }

    /// Posts the same response several times at once: accepted when more than one was taken, refused when one was.
    async fn post_at_once(
        &self,
        user: &str,
        path: &'static str,
        response: &Value,
        times: u32,
    ) -> Result<Outcome, String> {
        let mut connections = Vec::new();
        for _ in 0..times {
            let twin = self.api.twin(self.rp.address()).await;
            connections.push(twin.map_err(|error| error.to_string())?);
        }
        let mut posts = JoinSet::new();
        for mut connection in connections {
            let (user, response) = (user.to_owned(), response.clone());
            posts.spawn(async move { outcome(connection.post(&user, path, &response).await) });
        }
        let outcomes = posts.join_all().await;
        let accepted = |outcome: &&Outcome| **outcome == Outcome::Accepted;
        let unexpected = outcomes
            .iter()
            .find(|outcome| !accepted(outcome) && !matches!(outcome, Outcome::Rejected { .. }));
        let refused = outcomes.iter().find(|outcome| !accepted(outcome));
        Ok(match (outcomes.iter().filter(accepted).count(), refused) {
            (0, _) => Outcome::Crashed {
                how: format!("none of {times} equal responses was taken"),
            },
            (1, Some(refused)) => unexpected.unwrap_or(refused).clone(),
            _ => Outcome::Accepted,
        })
    }

    fn made(&self, spec: &StepSpec) -> Result<ProviderInContext, String> {
        let id = spec
            .provider
            .as_deref()
            .ok_or("a registration has to name its provider")?;
        let provider = self
            .library
            .provider(id)
            .ok_or_else(|| format!("there is no provider '{id}'"))?;
        let mut made = spec.context.as_ref().map_or_else(
            || ProviderInContext {
                claim: provider.claim.clone(),
                model: provider.model.clone(),
            },
            |context| provider.made_in(context),
        );
        override_model(&mut made.model, spec);
        if let Some(aaguid) = spec.aaguid {
            made.model.aaguid = aaguid;
            made.claim.aaguid = aaguid;
        }
        if let Some(attestation) = spec.attestation {
            made.model.attestation = attestation;
            made.claim.attestation = attestation;
        }
        if let Some(eligible) = spec.backup_eligible {
            made.claim.passkey_type = if eligible {
                PasskeyType::Synced
            } else {
                PasskeyType::DeviceBound
            };
        }
        Ok(made)
    }
}

const fn path(ceremony: CeremonyKind) -> &'static str {
    match ceremony {
        CeremonyKind::Registration => "/webauthn/registration",
        CeremonyKind::Authentication => "/webauthn/authentication",
    }
}

fn set_backup_state(authenticator: &mut SoftwareAuthenticator, state: Option<bool>) {
    let kept = authenticator.credentials(RP_ID);
    let ids: Vec<_> = kept.map(|credential| credential.id.clone()).collect();
    for (id, state) in ids.iter().zip(state.into_iter().cycle()) {
        authenticator.set_backup_state(id, state);
    }
}

fn override_model(model: &mut passkey_model::provider::AuthenticatorModel, spec: &StepSpec) {
    model.backup_eligible = spec.backup_eligible.unwrap_or(model.backup_eligible);
    model.backup_state = spec.backup_state.unwrap_or(model.backup_state);
    if let Some(algorithm) = spec.algorithm {
        model.algorithms = vec![algorithm];
    }
    match spec.user_verified {
        Some(true) => model.user_verification = UserVerification::Always,
        Some(false) => model.user_verification = UserVerification::Never,
        None => {}
    }
}

fn client(spec: &StepSpec, made: &ProviderInContext) -> Client {
    let roaming = !made.model.transports.contains(&Transport::Internal);
    Client {
        origin: ORIGIN.to_owned(),
        top_origin: spec.embedded_in.clone(),
        cross_platform: roaming || spec.context.as_ref().is_some_and(Context::is_cross_device),
        conditional: spec.mediation == Some(Mediation::Conditional),
    }
}

fn outcome(answer: Answer) -> Outcome {
    match answer {
        Answer::Json(_) => Outcome::Accepted,
        Answer::Refused(outcome) => outcome,
    }
}

fn refused_by_client(error: ClientError) -> Result<Outcome, String> {
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
fn faithful(made: &ProviderInContext, observed: Option<&Observed>) -> Result<(), String> {
    let observed = observed.ok_or("nothing was observed")?;
    if observed.aaguid != made.claim.aaguid {
        return Err(format!(
            "the model's AAGUID {} is not the provider's, {}",
            observed.aaguid, made.claim.aaguid
        ));
    }
    let claimed = match made.claim.attestation {
        AttestationKind::None => "none",
        AttestationKind::PackedSelf
        | AttestationKind::Packed
        | AttestationKind::PackedUnknownRoot => "packed",
        AttestationKind::FirstPartyApp => "x-first-party-app",
        other => other.name(),
    };
    if observed.format != claimed || made.model.attestation != made.claim.attestation {
        return Err(format!(
            "the model's attestation is {}, the provider's {claimed}",
            observed.format
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
