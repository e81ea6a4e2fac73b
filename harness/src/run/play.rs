//! Plays the steps of one row.

mod actors;
mod aftermath;
mod alike;
mod canary;
mod ceremony;
mod course;
#[cfg_attr(
    not(all(feature = "usb", target_os = "linux")),
    path = "play/no_keys.rs"
)]
mod keys;
mod made;
mod metadata;
mod native;
mod options;
mod page;
mod provider;
mod rp;
pub(crate) mod setup;
mod values;

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use passkey_authenticators::{SoftwareAuthenticator, Values, seed::Seed};
use passkey_model::{
    Aaguid,
    lane::Driver,
    library::Library,
    options::Registered,
    policy::name_observed,
    row::{NamedPolicy, Row, Step},
    scenario::{Action, CeremonyKind, Expected, StepSpec},
    target::Answered,
    transcript::{Message, StepRecord},
    verdict::{Judgement, Outcome, Verdict, aftermath::Aftermath},
};
use passkey_reference_rp::{Recorded, policy::UnknownSwitch};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{
    Browsers, Evidence, Runner,
    api::{self, Answer, Api, ConnectError, Jar},
    command, evidence,
    site::RowSite,
    speech::OfRow,
};
use crate::target::PolicyError;
use canary::Canary;
pub(crate) use ceremony::ceremony_of;
pub(super) use ceremony::path;
use keys::KeyRing;
pub(crate) use metadata::of_models;
use native::Native;
use page::OnPage;
use rp::Rp;

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
    #[error("the canary does not hear what is sent to it: {0}")]
    Canary(std::io::Error),
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
    let rp = Rp::of(runner, row).await?;
    let mut page = match row.lane.driver {
        Driver::Api => None,
        Driver::Page => {
            let page = on_page(runner, row, &rp).await;
            Some(page.map_err(PlayError::Browser)?)
        }
    };
    let mut player = Player::new(runner, row, rp).await?;
    let (records, broken) = player.run(page.as_mut()).await;
    let unfaithful = player.unfaithful.take();
    let unfaithful = unfaithful.or_else(|| page.as_ref().and_then(OnPage::differs));
    let otherwise = |why| format!("the row is not about what it says: {why}");
    let fault = broken.clone().or_else(|| unfaithful.map(otherwise));
    let judgement = runner.judge(row, &records, &player.aftermaths, fault);
    let judgement = match player.api.not_shown().await {
        Some(because) if shows_not(&records, &because) => Judgement {
            verdict: Verdict::NotApplicable,
            because,
        },
        _ => judgement,
    };
    let is_red = judgement.verdict.is_red();
    let evidence = match page {
        Some(page) => {
            let evidence = if is_red {
                evidence::take(&page.session, since).await
            } else {
                Evidence::default()
            };
            if broken.is_none() {
                let forgets = !page.stays_signed_in();
                runner.browsers.give_back(row, page.session, forgets).await;
            }
            evidence
        }
        None => Evidence::default(),
    };
    Ok(Played {
        records,
        recorded: player.rp.take_recorded(),
        judgement,
        evidence,
    })
}

/// Tells whether a step came to what a library cannot show; what is tried beside the steps does not matter.
fn shows_not(records: &[StepRecord], why: &str) -> bool {
    let outcome = command::not_shown(why);
    records.iter().any(|record| record.outcome == outcome)
}

/// Takes a browser for a row, and shows it the row's relying party. A row that fails does not give its browser back.
async fn on_page(runner: &Runner, row: &Row, rp: &Rp) -> Result<OnPage, String> {
    let session = runner.browsers.take(row).await?;
    let (site, events) = RowSite::new(rp.address(), runner.rp_id(), other_hosts(row), rp.reader());
    let described = rp.described();
    let pages = described
        .as_ref()
        .and_then(|target| target.file.page.as_ref());
    let site = Arc::new(match pages {
        Some(pages) => site.of_own_pages(pages.tls),
        None => site,
    });
    session.route(Some(Arc::clone(&site) as _));
    let lane = &row.lane;
    let has_backup_flags = lane.fixed.backup_eligible.is_none();
    let native = lane
        .is_native()
        .then(|| Native::new(runner.rp_id().to_owned(), has_backup_flags));
    let mut page = OnPage::new(session, (site, events), native);
    page.described = described;
    Ok(page)
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

/// Reads why a policy was not taken, which stands where Graph puts it.
fn broken_rule(said: &Answered) -> Outcome {
    match said.json() {
        Some(json) if said.status == 400 && json.get("error").is_some() => {
            api::refusal(&json["error"])
        }
        _ => Outcome::OtherRefusal {
            what: said.to_string(),
        },
    }
}

/// A response that was posted, to post it again.
struct Posted {
    /// Whose session it was posted in.
    user: String,
    ceremony: CeremonyKind,
    response: Value,
    /// The cookies with which it was posted.
    cookies: Option<Jar>,
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
    /// Whom nobody may call, in a row that is about that.
    canary: Option<Canary>,
    /// The options that were answered last, in a row that comes back to them.
    options: Value,
    /// The response that was posted last, in a row that posts it again.
    last: Option<Posted>,
    /// The state of the last ceremony, which the relying party left to the client.
    held_state: Option<String>,
    /// Enrolment links by account.
    links: BTreeMap<String, String>,
    /// What was sent and received in the step that is being played.
    messages: Vec<Message>,
    unfaithful: Option<String>,
    /// The AAGUID that the last registration had, read from the bytes that were made.
    observed: Option<Aaguid>,
    /// The passkeys that the relying party took from our HTTP client.
    registered: Vec<Registered>,
    /// Calls of the extension that get no answer, because the user never decides.
    unanswered: Vec<oneshot::Sender<Value>>,
    /// Who registered each passkey, by its name in the row.
    owners: BTreeMap<String, String>,
    /// Who was let in with the pass in the step that is being played.
    admitted: Option<String>,
    /// Why the session of the step that is being played was not renewed, where it had to be.
    kept_session: Option<String>,
    /// What the judged steps left behind.
    aftermaths: Vec<Aftermath>,
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
            (Action::Register, Some(page)) if page.is_described() => {
                self.register_by_steps(page, index, user, spec).await
            }
            (Action::SignIn, Some(page)) if page.is_described() => {
                self.sign_in_by_steps(page, user, spec).await
            }
            (Action::SignOut, Some(page)) if page.is_described() => {
                self.sign_out_by_steps(page).await
            }
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
            Action::Replay => self.replay(user, spec).await,
            Action::PasswordSignIn => Ok(self.give_password(user, spec).await),
            Action::Send => self.send(user, spec).await,
            Action::Read => self.read(user, spec).await,
            Action::ReadOptions => self.read_options(user, spec).await,
            Action::SetPolicy => self.set_policy(index, spec).await,
            Action::AdvanceClock => {
                let rp = self.rp.controlled()?;
                rp.advance_clock(spec.seconds.unwrap_or_default());
                Ok(Outcome::Accepted)
            }
            Action::DeleteAtRelyingParty => self.delete_passkey(user, spec).await,
            Action::DeleteAtProvider => {
                Err("this is done on a page, and the lane has none".to_owned())
            }
            Action::SetUser => {
                let rp = self.rp.controlled()?;
                rp.set_user(user, spec.groups.clone(), spec.guest, spec.disabled);
                Ok(Outcome::Accepted)
            }
            Action::SignOut => {
                let answer = self.api.post(user, "/session/sign-out", &json!({})).await;
                self.api.forget(user);
                Ok(answer.outcome())
            }
        }
    }

    /// Deletes a passkey in its owner's session.
    async fn delete_passkey(&mut self, user: &str, spec: &StepSpec) -> Result<Outcome, String> {
        let passkey = spec.credential.as_deref().unwrap_or("passkey");
        let id = values::credential_id(&self.values, passkey)
            .ok_or_else(|| format!("no passkey '{passkey}' was registered before"))?;
        let answer = self.api.delete(user, &format!("/passkeys/{id}")).await;
        Ok(answer.outcome())
    }

    async fn replay(&mut self, user: &str, spec: &StepSpec) -> Result<Outcome, String> {
        let posted = self.last.as_ref().ok_or("no response was posted before")?;
        let (ceremony, response) = (posted.ceremony, posted.response.clone());
        let caught = posted.cookies.clone().filter(|_| posted.user == user);
        let outcome = self.finish(user, ceremony, spec, response.clone()).await?;
        let renewed = self.api.cookies(user).cloned();
        let refused = matches!(
            outcome,
            Outcome::Rejected { .. } | Outcome::OtherRefusal { .. }
        );
        if !refused || caught.is_none() || caught == renewed {
            return Ok(outcome);
        }
        // Whoever caught the request has its cookies too, in which a relying party may keep the challenge.
        self.api.keep(user, caught);
        let again = self.finish(user, ceremony, spec, response).await?;
        self.api.keep(user, renewed);
        let is_worse = again == Outcome::Accepted || again.broke_down();
        Ok(if is_worse { again } else { outcome })
    }

    /// Tells whether the row has such a step: what no step asks for need not be kept.
    fn has_step(&self, is_one: impl Fn(&StepSpec) -> bool) -> bool {
        self.row.steps.iter().any(|step| is_one(&step.spec))
    }

    async fn set_policy(&mut self, index: usize, spec: &StepSpec) -> Result<Outcome, String> {
        let name = spec
            .policy
            .as_deref()
            .ok_or("set-policy has to name a policy")?;
        let step = self.row.steps.get(index);
        let must_refuse = step.is_some_and(|step| step.expect == Expected::PolicyRefused);
        self.put_policy(name, must_refuse).await
    }

    async fn put_policy(&mut self, name: &str, must_refuse: bool) -> Result<Outcome, String> {
        let policy = self.row.policies.iter().find(|policy| policy.name == name);
        let policy = policy.ok_or_else(|| format!("there is no policy '{name}'"))?;
        let mut document = policy.document.as_ref().clone();
        if let Some(observed) = self.observed {
            name_observed(&mut document, observed);
        }
        self.messages.push(Message::Policy(document.clone()));
        match self.rp.policy_control() {
            None => Ok(self.api.patch(POLICY, &document).await.outcome()),
            Some(control) => match control.set(&NamedPolicy::new(name, &document)).await {
                Ok(()) => Ok(Outcome::Accepted),
                Err(PolicyError::Refused(said)) => Ok(broken_rule(&said)),
                // It took what it has to refuse, whatever it made of that.
                Err(PolicyError::NotInForce { .. }) if must_refuse => Ok(Outcome::Accepted),
                Err(error) => Err(error.to_string()),
            },
        }
    }

    async fn bootstrap(&mut self, user: &str) -> Option<Outcome> {
        let body = json!({ "username": user, "temporaryAccessPass": self.rp.pass() });
        match self.api.post(user, "/session/bootstrap", &body).await {
            Answer::Json(_) => {
                self.admitted = Some(user.to_owned());
                None
            }
            Answer::Refused(outcome) => Some(outcome),
        }
    }
}
