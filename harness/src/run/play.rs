//! Plays the steps of one row.

mod ceremony;
mod made;
mod metadata;
pub(crate) mod setup;
mod values;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use passkey_authenticators::{SoftwareAuthenticator, Values, seed::Seed};
use passkey_model::{
    library::Library,
    row::{Row, Step},
    scenario::{Action, CeremonyKind, Expected, StepSpec},
    transcript::{Message, StepRecord},
    verdict::Outcome,
};
use passkey_reference_rp::{Recorded, RunningRp, policy::UnknownSwitch};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    Runner,
    api::{Answer, Api, ConnectError},
};
use crate::target::ReadyTarget;

const POLICY: &str =
    "/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/fido2";

/// Why a row could not be played: our fault, or the scenario author's.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlayError {
    #[error("cannot listen on loopback: {0}")]
    Listen(std::io::Error),
    #[error("the row's set-up is not one of the relying party's: {0}")]
    SetUp(#[from] UnknownSwitch),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("step {step}: {message}")]
    Step { step: usize, message: String },
}

/// What was played.
pub(super) struct Played {
    /// The steps, as far as they ran.
    pub records: Vec<StepRecord>,
    /// What the relying party verified.
    pub recorded: Vec<Recorded>,
    /// Why what was made is not what the row is about, if so.
    pub unfaithful: Option<String>,
}

/// Plays a row until a step does not do what is expected of it.
pub(super) async fn play(runner: &Runner, row: &Row) -> Result<Played, PlayError> {
    let rp = match &runner.target {
        Some(target) => Rp::External(target.clone()),
        None => Rp::Embedded(embedded(runner, row).await?),
    };
    let api = Api::connect(rp.address(), rp.host()).await?;
    let seed = Seed::new(runner.seed, &row.name.without_lane());
    let mut player = Player {
        library: &runner.library,
        row,
        rp,
        api,
        seed,
        passkeys: BTreeMap::new(),
        values: values::at_start(row, &seed),
        options: Value::Null,
        last: None,
        messages: Vec::new(),
        unfaithful: None,
    };
    let mut records = Vec::new();
    for (index, step) in row.steps.iter().enumerate() {
        let outcome = player.step(index, step).await;
        let outcome = outcome.map_err(|message| PlayError::Step {
            step: index + 1,
            message,
        })?;
        let went_on = goes_on(step.expect, &outcome);
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
        recorded: player.rp.take_recorded(),
        unfaithful: player.unfaithful,
    })
}

const fn goes_on(expected: Expected, outcome: &Outcome) -> bool {
    matches!(
        (outcome, expected),
        (Outcome::Accepted, Expected::Accepted)
            | (
                Outcome::Rejected { .. },
                Expected::Rejected | Expected::PolicyRefused
            )
            | (Outcome::NoCredential { .. }, Expected::NoCredential)
            | (_, Expected::Reported)
    )
}

async fn embedded(runner: &Runner, row: &Row) -> Result<RunningRp, PlayError> {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .map_err(PlayError::Listen)?;
    let config = setup::config(&runner.library, row, runner.defects)?;
    RunningRp::start(config, listener).map_err(PlayError::Listen)
}

/// The relying party of a row: one of its own, or one that runs on its own.
enum Rp {
    Embedded(RunningRp),
    External(Arc<ReadyTarget>),
}

impl Rp {
    fn address(&self) -> SocketAddr {
        match self {
            Self::Embedded(rp) => rp.address(),
            Self::External(target) => target.file.address,
        }
    }

    fn host(&self) -> &str {
        match self {
            Self::Embedded(_) => setup::HOST,
            Self::External(target) => target.file.host(),
        }
    }

    fn origin(&self) -> &str {
        match self {
            Self::Embedded(_) => setup::ORIGIN,
            Self::External(target) => &target.file.origin,
        }
    }

    fn pass(&self) -> &str {
        match self {
            Self::Embedded(_) => setup::PASS,
            Self::External(target) => &target.pass,
        }
    }

    fn take_recorded(&self) -> Vec<Recorded> {
        match self {
            Self::Embedded(rp) => rp.take_recorded(),
            Self::External(_) => Vec::new(),
        }
    }

    /// Returns the relying party that can be told what to do; rows that need it are not-applicable elsewhere.
    fn controlled(&self) -> Result<&RunningRp, String> {
        match self {
            Self::Embedded(rp) => Ok(rp),
            Self::External(target) => {
                Err(format!("target {} cannot be told this", target.file.target))
            }
        }
    }
}

/// A response that was posted, to post it again.
struct Posted {
    ceremony: CeremonyKind,
    response: Value,
}

/// A row that is being played.
struct Player<'a> {
    library: &'a Library,
    row: &'a Row,
    rp: Rp,
    api: Api,
    seed: Seed,
    passkeys: BTreeMap<String, SoftwareAuthenticator>,
    values: Values,
    /// The options that were answered last, in a row that comes back to them.
    options: Value,
    /// The response that was posted last, in a row that posts it again.
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
                let rp = self.rp.controlled()?;
                rp.advance_clock(spec.seconds.unwrap_or_default());
                Ok(Outcome::Accepted)
            }
            Action::SetUser => {
                let rp = self.rp.controlled()?;
                rp.set_user(user, spec.groups.clone(), spec.guest);
                Ok(Outcome::Accepted)
            }
            Action::SignOut => {
                let answer = self.api.post(user, "/session/sign-out", &json!({})).await;
                self.api.forget(user);
                Ok(outcome(answer))
            }
        }
    }

    async fn replay(&mut self, user: &str) -> Result<Outcome, String> {
        let posted = self.last.as_ref().ok_or("no response was posted before")?;
        let (ceremony, response) = (posted.ceremony, posted.response.clone());
        Ok(self.post(user, ceremony, response).await)
    }

    /// Tells whether the row has such a step: what no step asks for need not be kept.
    fn has_step(&self, is_one: impl Fn(&StepSpec) -> bool) -> bool {
        self.row.steps.iter().any(|step| is_one(&step.spec))
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
        let document = policy.document.as_ref().clone();
        self.messages.push(Message::Policy(document));
        Ok(outcome(self.api.patch(POLICY, &policy.document).await))
    }

    async fn bootstrap(&mut self, user: &str) -> Option<Outcome> {
        let body = json!({ "username": user, "temporaryAccessPass": self.rp.pass() });
        match self.api.post(user, "/session/bootstrap", &body).await {
            Answer::Json(_) => None,
            Answer::Refused(outcome) => Some(outcome),
        }
    }
}

fn outcome(answer: Answer) -> Outcome {
    match answer {
        Answer::Json(_) => Outcome::Accepted,
        Answer::Refused(outcome) => outcome,
    }
}
