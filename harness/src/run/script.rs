//! Plays the steps of one row.

use std::collections::BTreeMap;

use passkey_authenticators::{
    Client, ClientError, Observed, SoftwareAuthenticator, Values, ca, seed::Seed,
};
use passkey_model::{
    library::{Library, ProviderInContext},
    platform::Context,
    provider::{AttestationKind, AuthenticatorModel, PasskeyType, Transport, UserVerification},
    row::{Row, Step},
    scenario::{Action, CeremonyKind, CounterPolicy, Expected, Mediation, Requirement, StepSpec},
    transcript::{Message, StepRecord},
    verdict::Outcome,
};
use passkey_reference_rp::{
    Clock, Config, Defects, RunningRp, User,
    policy::{Limits, Switches},
    trust::Anchors,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::api::{Answer, Api, ConnectError};

pub(super) const RP_ID: &str = "rp.test";
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

/// What was played.
pub(super) struct Played {
    /// The steps, as far as they ran.
    pub records: Vec<StepRecord>,
    /// Why what was made is not what the row is about, if so.
    pub unfaithful: Option<String>,
}

/// Plays a row until a step does not do what is expected of it.
pub(super) async fn play(library: &Library, row: &Row, seed: u64) -> Result<Played, PlayError> {
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
        last: None,
        messages: Vec::new(),
        unfaithful: None,
    };
    let mut records = Vec::new();
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
                | (_, Expected::Reported)
        );
        records.push(StepRecord {
            messages: std::mem::take(&mut player.messages),
            outcome,
        });
        if !went_on {
            break;
        }
    }
    Ok(Played {
        records,
        unfaithful: player.unfaithful,
    })
}

fn config(library: &Library, row: &Row) -> Config {
    let settings = &row.relying_party;
    let requirement = match settings.user_verification {
        None | Some(Requirement::Required) => "required",
        Some(Requirement::Preferred) => "preferred",
        Some(Requirement::Discouraged) => "discouraged",
    };
    let offered = settings.algorithms.as_ref();
    // Both sides know the same words; they share no type, so that neither reads them for the other.
    let switches = serde_json::to_value(row.switches)
        .ok()
        .and_then(|json| Switches::from_json(&json).ok())
        .unwrap_or_default();
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
            anchors: anchors(library),
            policy: row.policy.as_ref().map(|policy| policy.document.clone()),
            switches,
        },
        users: users.collect(),
        clock: Clock::Fixed(NOW),
        challenge_lifetime: CHALLENGE_LIFETIME_SECONDS,
        lists_credentials: true,
        limits: Limits::default(),
        defects: Defects::NONE,
    }
}

fn anchors(library: &Library) -> Anchors {
    let providers = || library.providers.iter().map(|located| &located.value.claim);
    let of = |kind| {
        providers()
            .filter(move |claim| claim.attestation == kind)
            .map(|claim| claim.aaguid)
    };
    let attested: Vec<_> = of(AttestationKind::Packed).collect();
    Anchors {
        metadata: ca::known()
            .map(|ca| ca.metadata(&attested))
            .unwrap_or_default(),
        first_party_roots: ca::first_party()
            .map(|ca| ca.root().to_vec())
            .into_iter()
            .collect(),
        first_party_aaguids: of(AttestationKind::FirstPartyApp)
            .map(|aaguid| aaguid.bytes())
            .collect(),
    }
}

/// A response that was posted, to post it again.
struct Posted {
    ceremony: CeremonyKind,
    response: Value,
}

struct Player<'a> {
    library: &'a Library,
    row: &'a Row,
    rp: RunningRp,
    api: Api,
    seed: Seed,
    passkeys: BTreeMap<String, SoftwareAuthenticator>,
    last: Option<Posted>,
    /// What was sent and received in the step that is being played.
    messages: Vec<Message>,
    unfaithful: Option<String>,
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
        let conditional = spec.mediation == Some(Mediation::Conditional);
        let request = if conditional {
            json!({ "mediation": "conditional" })
        } else {
            json!({})
        };
        let options = match self
            .options(CeremonyKind::Registration, user, request)
            .await
        {
            Ok(options) => options,
            Err(outcome) => return Ok(outcome),
        };
        self.between(spec).await?;
        let mut authenticator = SoftwareAuthenticator::new(
            made.model.clone(),
            self.seed.derive(&format!("step {index}")),
        );
        let client = client(spec, &made.model);
        let mutation = spec.mutation.clone();
        let create = move |authenticator: &mut SoftwareAuthenticator| {
            client.create(authenticator, &options, mutation.as_ref(), &Values::new())
        };
        let made_by_it = blocking(&mut authenticator, create).await?;
        let response = match made_by_it {
            Ok(response) => response,
            Err(error) => return refused_by_client(error),
        };
        if spec.mutation.is_none() && self.row.relying_party.attestation.is_none() {
            let fidelity = faithful(&made, response.observed.as_ref());
            self.unfaithful = self.unfaithful.take().or(fidelity.err());
        }
        let name = spec.credential.as_deref().unwrap_or("passkey").to_owned();
        self.passkeys.insert(name, authenticator);
        Ok(self
            .finish(user, CeremonyKind::Registration, response.response)
            .await)
    }

    async fn sign_in(&mut self, user: &str, spec: &StepSpec) -> Result<Outcome, String> {
        let request = if spec.username {
            json!({ "username": user })
        } else {
            json!({})
        };
        self.api.forget(user);
        let options = match self
            .options(CeremonyKind::Authentication, user, request)
            .await
        {
            Ok(options) => options,
            Err(outcome) => return Ok(outcome),
        };
        self.between(spec).await?;
        let name = spec.credential.as_deref().unwrap_or("passkey");
        let mut authenticator = self
            .passkeys
            .remove(name)
            .ok_or_else(|| format!("no passkey '{name}' was registered before"))?;
        let kept = authenticator.model.clone();
        override_model(&mut authenticator.model, spec);
        let client = client(spec, &authenticator.model);
        let mutation = spec.mutation.clone();
        let get = move |authenticator: &mut SoftwareAuthenticator| {
            client.get(authenticator, &options, mutation.as_ref(), &Values::new())
        };
        let made = blocking(&mut authenticator, get).await?;
        authenticator.model = kept;
        self.passkeys.insert(name.to_owned(), authenticator);
        match made {
            Ok(made) => Ok(self
                .finish(user, CeremonyKind::Authentication, made.response)
                .await),
            Err(error) => refused_by_client(error),
        }
    }

    async fn replay(&mut self, user: &str) -> Result<Outcome, String> {
        let posted = self.last.as_ref().ok_or("no response was posted before")?;
        let (ceremony, response) = (posted.ceremony, posted.response.clone());
        Ok(self.finish(user, ceremony, response).await)
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
        self.messages.push(Message::Policy(policy.document.clone()));
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

    /// Asks for the options of a ceremony; the error is what the relying party did instead.
    async fn options(
        &mut self,
        ceremony: CeremonyKind,
        user: &str,
        request: Value,
    ) -> Result<Value, Outcome> {
        let path = format!("/webauthn/{}/options", ceremony.name());
        match self.api.post(user, &path, &request).await {
            Answer::Refused(outcome) => Err(outcome),
            Answer::Json(options) => {
                self.messages.push(Message::Options {
                    ceremony,
                    request,
                    options: options.clone(),
                });
                Ok(options)
            }
        }
    }

    async fn finish(&mut self, user: &str, ceremony: CeremonyKind, response: Value) -> Outcome {
        let path = format!("/webauthn/{}", ceremony.name());
        let answer = self.api.post(user, &path, &response).await;
        self.messages.push(Message::Response {
            ceremony,
            response: response.clone(),
        });
        self.last = Some(Posted { ceremony, response });
        outcome(answer)
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

/// Lets an authenticator work where it may block: some engines wait on futures of their own.
async fn blocking<T: Send + 'static>(
    authenticator: &mut SoftwareAuthenticator,
    work: impl FnOnce(&mut SoftwareAuthenticator) -> T + Send + 'static,
) -> Result<T, String> {
    let mut working = authenticator.clone();
    let done = tokio::task::spawn_blocking(move || {
        let result = work(&mut working);
        (working, result)
    });
    let (worked, result) = done.await.map_err(|error| error.to_string())?;
    *authenticator = worked;
    Ok(result)
}

fn override_model(model: &mut AuthenticatorModel, spec: &StepSpec) {
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

fn client(spec: &StepSpec, model: &AuthenticatorModel) -> Client {
    let roaming = !model.transports.contains(&Transport::Internal);
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
