//! Sets the policy of a target that runs on its own, and puts back what was there.
//!
//! One run at a time controls a target's policy, which a lock file makes sure of. What was there before is written to disk, then
//! policies are set one after the other, and it is restored when the run is over: also on a signal, and after a row that panicked.

mod graph;
mod lock;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use passkey_model::{
    row::NamedPolicy,
    target::{self, Answered, Requests, Start, Template, Variable},
};
use serde_json::Value;
use tokio::{runtime, sync::Mutex};

use super::{ReadyTarget, Started, TargetError};
use crate::run;
use graph::Tenant;
use lock::Lock;

/// Controls the policy of one target.
#[derive(Debug)]
pub struct Control {
    target: Arc<ReadyTarget>,
    way: Way,
    state: Mutex<State>,
}

/// How the policy is set.
#[derive(Debug)]
enum Way {
    Graph(Box<Tenant>),
    Environment(BTreeMap<String, Template>),
    Requests(Box<Requests>),
}

#[derive(Debug, Default)]
struct State {
    /// Held from the first change to the restoration.
    lock: Option<Lock>,
    /// What restores what was there before, where that can be read, and the file that it is in.
    former: Option<(Value, PathBuf)>,
    /// Nothing is set any more.
    over: bool,
    /// What was set last.
    current: Option<NamedPolicy>,
    /// The target, where the run started it.
    started: Option<Arc<Started>>,
}

/// Says why a policy cannot be set or restored.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// Two runs would change it under each other.
    #[error("another run controls the policy of target {target} (lock {}); wait until it is over", file.display())]
    Held {
        /// The target's name.
        target: String,
        /// The lock.
        file: PathBuf,
    },
    /// The lock or the former policy cannot be written: the environment's fault.
    #[error("{} cannot be written, without which the policy is not touched: {cause}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It is for others, too: the guard.
    #[error(
        "the policy of target {target} is not touched: it is for {other}, too; it may be for the test group {group} only"
    )]
    Others {
        /// The target's name.
        target: String,
        /// Whom it names.
        other: String,
        /// The test group.
        group: String,
    },
    /// The target does not take it, and says so.
    #[error("the policy is not taken: {0}")]
    Refused(Answered),
    /// The target took it, but what can be read is another one: the target's fault.
    #[error("the policy that was set is not in force after {limit} s{why}")]
    NotInForce {
        /// How long was waited for it, in seconds.
        limit: u64,
        /// Why it could not be read at the end; nothing when it could.
        why: String,
    },
    /// It could not be set or read: the target's fault.
    #[error("{0}")]
    Failed(String),
    /// What was there before could not be put back, and a person has to.
    #[error("{cause}; send {} to {place} with PATCH, as soon as that answers", file.display())]
    NotRestored {
        /// Where the policy is.
        place: String,
        /// The file with what restores it.
        file: PathBuf,
        /// What happened.
        cause: Box<PolicyError>,
    },
    /// The target could not be started again.
    #[error(transparent)]
    Start(Box<TargetError>),
    /// The run is over.
    #[error("the policy is not set any more: the run is over")]
    Over,
}

impl Control {
    /// Returns what controls a target's policy, where its file says how.
    #[must_use]
    pub fn of(target: &ReadyTarget) -> Option<Arc<Self>> {
        let how = target.file.policy.as_ref()?;
        let way = match (&how.graph, &how.environment, &how.requests) {
            (Some(graph), ..) => Way::Graph(Box::new(Tenant::new(graph.clone(), target))),
            (_, Some(variables), _) => Way::Environment(variables.clone()),
            (.., Some(requests)) => Way::Requests(Box::new(requests.clone())),
            _ => return None,
        };
        Some(Arc::new(Self {
            target: Arc::new(target.clone()),
            way,
            state: Mutex::default(),
        }))
    }

    /// Takes note that the run started the target, and can start it again.
    pub async fn runs(&self, started: Arc<Started>) {
        self.state.lock().await.started = Some(started);
    }

    /// Takes the target's policy for this run, and writes down in a folder what it was; returns what people should know of that.
    ///
    /// # Errors
    /// When another run has it, or it may not be changed.
    pub async fn take(&self, folder: &Path) -> Result<Option<String>, PolicyError> {
        let name = &self.target.file.target;
        let mut state = self.state.lock().await;
        let place = match &self.way {
            Way::Graph(tenant) => tenant.to_string(),
            Way::Environment(_) | Way::Requests(_) => self.target.address.to_string(),
        };
        let lock = Lock::take(name, &place)?;
        let note = match &self.way {
            Way::Graph(tenant) => {
                let former = tenant.read().await?;
                tenant.guard(name, &former)?;
                let former = target::that_restores(&former);
                let file = write_down(folder, name, &former)?;
                let note = format!(
                    "the former policy of target {name} is in {}",
                    file.display()
                );
                state.former = Some((former, file));
                Some(note)
            }
            Way::Environment(_) | Way::Requests(_) => None,
        };
        state.lock = Some(lock);
        Ok(note)
    }

    /// Sets a policy and waits until it is in force.
    ///
    /// # Errors
    /// When the target does not take it, or the run is over.
    pub async fn set(&self, policy: &NamedPolicy) -> Result<(), PolicyError> {
        let mut state = self.state.lock().await;
        if state.over || state.lock.is_none() {
            return Err(PolicyError::Over);
        }
        state.current = Some(policy.clone());
        match &self.way {
            Way::Graph(tenant) => {
                let document = tenant.graph.for_group(&policy.document);
                tenant.change(&document).await?;
                // Whoever restores meanwhile does not wait for what is not wanted any more.
                drop(state);
                tenant.until_in_force(&document).await
            }
            Way::Requests(requests) => {
                let (exchanges, demands) = requests
                    .that_set(&policy.document)
                    .map_err(PolicyError::Failed)?;
                let exchanges = requests.clear.iter().chain(exchanges).cloned();
                let exchanges: Vec<_> = exchanges.collect();
                let done = run::set_policy(&self.target, &exchanges, demands).await;
                done.map_err(PolicyError::Failed)
            }
            Way::Environment(variables) => {
                let started = state.started.clone();
                // There is nothing to restore, so whoever ends the run does not wait for the start.
                drop(state);
                self.start_again(variables, policy, started.as_deref())
                    .await
            }
        }
    }

    /// Sets again what was set last, after the target was started again.
    ///
    /// # Errors
    /// When the target does not take it, or the run is over.
    pub(super) async fn set_again(&self) -> Result<(), PolicyError> {
        // Its environment is the one of the policy.
        if matches!(self.way, Way::Environment(_)) {
            return Ok(());
        }
        let current = self.state.lock().await.current.clone();
        match current {
            Some(policy) => self.set(&policy).await,
            None => Ok(()),
        }
    }

    async fn start_again(
        &self,
        variables: &BTreeMap<String, Template>,
        policy: &NamedPolicy,
        started: Option<&Started>,
    ) -> Result<(), PolicyError> {
        let (Some(started), Some(how)) = (started, &self.target.file.start) else {
            return Err(PolicyError::Failed(
                "only a target that the run started can be started again".to_owned(),
            ));
        };
        let how = in_environment(how, variables, policy).map_err(PolicyError::Failed)?;
        let started = started.again(how).await;
        started.map_err(|error| PolicyError::Start(Box::new(error)))
    }

    /// Restores what was there before this run; afterwards nothing is set any more. A second call does nothing.
    ///
    /// It blocks, and can be called wherever one may.
    ///
    /// # Errors
    /// When it cannot be restored.
    pub fn restore(&self) -> Result<(), PolicyError> {
        let failed = |cause: std::io::Error| PolicyError::Failed(cause.to_string());
        // A thread and a runtime of its own: whoever calls may be inside another one.
        thread::scope(|scope| {
            let restoring = thread::Builder::new().name("restoring".to_owned());
            let restoring = restoring.spawn_scoped(scope, || {
                let runtime = runtime::Builder::new_current_thread().enable_all().build();
                runtime.map_err(failed)?.block_on(self.put_back())
            });
            let ended = restoring.map_err(failed)?.join();
            ended.unwrap_or_else(|_| Err(PolicyError::Failed("restoring it failed".to_owned())))
        })
    }

    async fn put_back(&self) -> Result<(), PolicyError> {
        let mut state = self.state.lock().await;
        state.started = None;
        if std::mem::replace(&mut state.over, true) {
            return Ok(());
        }
        let Some(_lock) = state.lock.take() else {
            return Ok(());
        };
        match (&self.way, &state.former) {
            (Way::Graph(tenant), Some((former, file))) => {
                let restored = tenant.restore(former).await;
                restored.map_err(|cause| PolicyError::NotRestored {
                    place: tenant.location(),
                    file: file.clone(),
                    cause: Box::new(cause),
                })
            }
            (Way::Requests(requests), _) => {
                let done = run::set_policy(&self.target, &requests.clear, Value::Null).await;
                done.map_err(PolicyError::Failed)
            }
            (Way::Graph(_), None) | (Way::Environment(_), _) => Ok(()),
        }
    }
}

/// Returns how a target is started under a policy.
fn in_environment(
    how: &Start,
    variables: &BTreeMap<String, Template>,
    policy: &NamedPolicy,
) -> Result<Start, String> {
    let mut how = how.clone();
    let policy = target::in_environment(policy);
    let look_up = |variable| (variable == Variable::Policy).then(|| policy.clone());
    for (name, template) in variables {
        let value = template.fill_text(&look_up)?;
        how.environment.insert(name.clone(), value);
    }
    Ok(how)
}

/// Writes down a policy in a file of its own, and returns its path.
fn write_down(folder: &Path, name: &str, former: &Value) -> Result<PathBuf, PolicyError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.map_or(0, |since| since.as_millis());
    let file = folder.join(format!("{name}-{since}.json"));
    let failed = |cause| PolicyError::File {
        file: file.clone(),
        cause,
    };
    fs::create_dir_all(folder).map_err(failed)?;
    fs::write(&file, format!("{former:#}\n")).map_err(failed)?;
    Ok(file)
}
