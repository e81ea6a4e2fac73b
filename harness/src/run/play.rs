//! Plays the steps of one row.

mod ceremony;
#[cfg_attr(
    not(all(feature = "usb", target_os = "linux")),
    path = "play/no_keys.rs"
)]
mod keys;
mod made;
mod metadata;
mod native;
mod page;
mod provider;
pub(crate) mod setup;
mod values;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::SystemTime};

use passkey_authenticators::{SoftwareAuthenticator, Values, seed::Seed};
use passkey_model::{
    Aaguid,
    lane::Driver,
    library::Library,
    policy::name_observed,
    row::{Row, Step},
    scenario::{Action, CeremonyKind, Expected, StepSpec},
    transcript::{Message, StepRecord},
    verdict::{Judgement, Outcome},
};
use passkey_reference_rp::{Recorded, RunningRp, policy::UnknownSwitch};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot};

use super::{
    Browsers, Evidence, Runner,
    api::{Answer, Api, ConnectError},
    evidence,
    site::RowSite,
};
use crate::target::ReadyTarget;
use keys::KeyRing;
use native::Native;
use page::OnPage;

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
    #[error("{0}")]
    Browser(String),
}

/// What was played.
pub(super) struct Played {
    /// The steps, as far as they ran.
    pub records: Vec<StepRecord>,
    /// What the relying party verified.
    pub recorded: Vec<Recorded>,
    /// The verdict and why.
    pub judgement: Judgement,
    /// What the browser showed, where the row is red and has one.
    pub evidence: Evidence,
}

/// Plays a row until a step does not do what is expected of it.
pub(super) async fn play(runner: &Runner, row: &Row) -> Result<Played, PlayError> {
    let since = SystemTime::now();
    let rp = match &runner.target {
        Some(target) => Rp::External(target.clone()),
        None => Rp::Embedded(embedded(runner, row).await?),
    };
    let api = Api::connect(rp.address(), rp.host()).await?;
    let seed = Seed::new(runner.seed, &row.name.without_lane());
    let mut page = match row.lane.driver {
        Driver::Api => None,
        Driver::Page => Some(
            on_page(runner, row, &rp)
                .await
                .map_err(PlayError::Browser)?,
        ),
    };
    let mut player = Player {
        library: &runner.library,
        row,
        rp,
        api,
        seed,
        passkeys: BTreeMap::new(),
        keys: KeyRing::new(runner.browsers.keys().clone()),
        values: values::at_start(row, &seed),
        options: Value::Null,
        last: None,
        messages: Vec::new(),
        unfaithful: None,
        observed: None,
        unanswered: Vec::new(),
    };
    let mut records = Vec::new();
    let mut fault = None;
    for (index, step) in row.steps.iter().enumerate() {
        let outcome = match player.step(page.as_mut(), index, step).await {
            Ok(outcome) => outcome,
            Err(message) => {
                let message = match &page {
                    Some(page) => Browsers::diagnose(row, &page.session, message).await,
                    None => message,
                };
                fault = Some(format!("step {}: {message}", index + 1));
                break;
            }
        };
        let went_on = goes_on(step.expect, &outcome);
        records.push(StepRecord {
            messages: std::mem::take(&mut player.messages),
            outcome,
            client: page.as_mut().and_then(OnPage::take_shown),
        });
        if !went_on {
            break;
        }
    }
    if let Err(stays) = player.keys.finish().await {
        fault = fault.or(Some(stays));
    }
    let unfaithful = player
        .unfaithful
        .or_else(|| page.as_ref().and_then(OnPage::differs));
    let broken = fault.is_some();
    let fault =
        fault.or_else(|| unfaithful.map(|why| format!("the row is not about what it says: {why}")));
    let judgement = runner.judge(row, &records, fault);
    let mut evidence = Evidence::default();
    if let Some(page) = page {
        if judgement.verdict.is_red() {
            evidence = evidence::take(&page.session, since).await;
        }
        if !broken {
            runner.browsers.give_back(row, page.session).await;
        }
    }
    Ok(Played {
        records,
        recorded: player.rp.take_recorded(),
        judgement,
        evidence,
    })
}

/// Takes a browser for a row, and shows it the row's relying party. A row that fails does not give its browser back.
async fn on_page(runner: &Runner, row: &Row, rp: &Rp) -> Result<OnPage, String> {
    let session = runner.browsers.take(row).await?;
    let (site, events) = RowSite::new(rp.address(), runner.rp_id(), other_hosts(row));
    let site = Arc::new(site);
    session.route(Some(Arc::clone(&site) as _));
    let lane = &row.lane;
    let has_backup_flags = lane.fixed.backup_eligible.is_none();
    let native = lane
        .is_native()
        .then(|| Native::new(runner.rp_id().to_owned(), has_backup_flags));
    Ok(OnPage::new(session, (site, events), native))
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

/// Returns the hosts beside the relying party's own under which the row's pages are.
fn other_hosts(row: &Row) -> Vec<String> {
    let of_step = |step: &Step| {
        let frame = step.spec.framed.as_ref().map(|frame| frame.by.clone());
        [step.spec.page.clone(), frame]
    };
    let origins = row.steps.iter().flat_map(of_step).flatten();
    origins
        .filter_map(|origin| Some(origin.strip_prefix("https://")?.to_owned()))
        .collect()
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
    keys: KeyRing,
    values: Values,
    /// The options that were answered last, in a row that comes back to them.
    options: Value,
    /// The response that was posted last, in a row that posts it again.
    last: Option<Posted>,
    /// What was sent and received in the step that is being played.
    messages: Vec<Message>,
    unfaithful: Option<String>,
    /// The AAGUID that the last registration had, read from the bytes that were made.
    observed: Option<Aaguid>,
    /// Calls of the extension that get no answer, because the user never decides.
    unanswered: Vec<oneshot::Sender<Value>>,
}

impl Player<'_> {
    async fn step(
        &mut self,
        page: Option<&mut OnPage>,
        index: usize,
        step: &Step,
    ) -> Result<Outcome, String> {
        let spec = &step.spec;
        let user = spec.user.as_deref().unwrap_or("alice");
        match (spec.action, page) {
            (Action::Register, Some(page)) => self.register_on_page(page, index, user, spec).await,
            (Action::SignIn, Some(page)) => self.sign_in_on_page(page, user, spec).await,
            (Action::SignOut, Some(page)) => self.sign_out_on_page(page).await,
            (Action::DeleteAtProvider, Some(page)) => self.delete_at_provider(page, spec),
            (Action::DeleteAtRelyingParty, Some(page)) => {
                self.delete_at_relying_party(page, spec).await
            }
            _ => self.request(index, user, spec).await,
        }
    }

    /// Does what needs no page.
    async fn request(
        &mut self,
        index: usize,
        user: &str,
        spec: &StepSpec,
    ) -> Result<Outcome, String> {
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
            Action::DeleteAtProvider | Action::DeleteAtRelyingParty => {
                Err("this is done on a page, and the lane has none".to_owned())
            }
            Action::SetUser => {
                let rp = self.rp.controlled()?;
                rp.set_user(user, spec.groups.clone(), spec.guest);
                Ok(Outcome::Accepted)
            }
            Action::SignOut => {
                let answer = self.api.post(user, "/session/sign-out", &json!({})).await;
                self.api.forget(user);
                Ok(answer.outcome())
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
        let mut document = policy.document.as_ref().clone();
        if let Some(observed) = self.observed {
            name_observed(&mut document, observed);
        }
        self.messages.push(Message::Policy(document.clone()));
        Ok(self.api.patch(POLICY, &document).await.outcome())
    }

    async fn bootstrap(&mut self, user: &str) -> Option<Outcome> {
        let body = json!({ "username": user, "temporaryAccessPass": self.rp.pass() });
        match self.api.post(user, "/session/bootstrap", &body).await {
            Answer::Json(_) => None,
            Answer::Refused(outcome) => Some(outcome),
        }
    }
}
