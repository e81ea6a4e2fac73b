//! Policy epochs: a policy is one for all users of a target, so rows of one policy run side by side, and policies one after the other.

use std::sync::Arc;

use passkey_model::{
    row::{NamedPolicy, Row},
    target::{changes_policy, is_about_policy},
};

use super::Runner;
use crate::{browser::processes, target::Control};

/// Rows that can run side by side.
#[derive(Debug)]
pub struct Epoch {
    /// The policy that they need; whatever there is when there is none.
    pub policy: Option<NamedPolicy>,
    /// The rows.
    pub rows: Vec<Row>,
    /// Whether its row changes the policy on its way.
    alone: bool,
}

/// Orders rows by policy: first those that need none, or do not run.
///
/// Where every row has a relying party of its own, all of them are one epoch.
#[must_use]
pub fn epochs(runner: &Runner, rows: Vec<Row>) -> Vec<Epoch> {
    let mut epochs = vec![Epoch {
        policy: None,
        rows: Vec::new(),
        alone: false,
    }];
    let mut alone = Vec::new();
    for row in rows {
        let needs_one = runner.control().is_some()
            && is_about_policy(&row)
            && runner.does_not_run(&row).is_none();
        if !needs_one {
            epochs[0].rows.push(row);
            continue;
        }
        let policy = row.policy.clone();
        if changes_policy(&row) {
            alone.push(Epoch {
                policy,
                rows: vec![row],
                alone: true,
            });
            continue;
        }
        let same = |epoch: &&mut Epoch| {
            let document = |policy: &Option<NamedPolicy>| {
                policy.as_ref().map(|policy| Arc::clone(&policy.document))
            };
            document(&epoch.policy) == document(&policy)
        };
        match epochs.iter_mut().skip(1).find(same) {
            Some(epoch) => epoch.rows.push(row),
            None => epochs.push(Epoch {
                policy,
                rows: vec![row],
                alone: false,
            }),
        }
    }
    epochs.extend(alone);
    epochs.retain(|epoch| !epoch.rows.is_empty());
    epochs
}

/// A target's policy in the hands of this run: dropping it restores what was there, as a signal does.
#[derive(Debug)]
pub struct Lease {
    control: Arc<Control>,
    hook: Option<u64>,
}

impl Lease {
    /// Takes care of a policy that was taken.
    #[must_use]
    pub fn new(control: Arc<Control>) -> Self {
        let restored = Arc::clone(&control);
        let hook = processes::before_ending(Box::new(move || complain(&restored)));
        Self {
            control,
            hook: Some(hook),
        }
    }

    /// Restores what was there.
    ///
    /// # Errors
    /// When it cannot be restored, in words.
    pub fn end(mut self) -> Result<(), String> {
        self.forget();
        self.control.restore().map_err(|error| error.to_string())
    }

    fn forget(&mut self) {
        if let Some(hook) = self.hook.take() {
            processes::forget(hook);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.hook.is_some() {
            self.forget();
            complain(&self.control);
        }
    }
}

/// Restores a policy, and tells a person where it cannot; there is nobody to return it to.
fn complain(control: &Control) {
    if let Err(error) = control.restore() {
        processes::complain(&format!("the former policy is not restored: {error}"));
    }
}

impl Epoch {
    /// Puts the policy of the epoch in force, on a target that is started again where the last row has ended it.
    ///
    /// # Errors
    /// When it cannot be set, in words.
    pub async fn begin(&self, runner: &Runner) -> Result<(), String> {
        let (Some(control), Some(policy)) = (runner.control(), &self.policy) else {
            return Ok(());
        };
        if let Some(started) = &runner.started {
            let there = started.revive(None).await;
            there.map_err(|error| error.to_string())?;
        }
        let set = control.set(policy).await;
        set.map_err(|error| format!("policy {}: {error}", policy.name))
    }

    /// Tells whether its rows need the target's policy.
    #[must_use]
    pub const fn needs_policy(&self) -> bool {
        self.policy.is_some() || self.alone
    }
}

impl Runner {
    /// Returns what controls the target's policy.
    #[must_use]
    pub fn control(&self) -> Option<&Arc<Control>> {
        self.target.as_ref()?.policy.as_ref()
    }

    /// Takes the target's policy, where epochs need it; returns what people should know of that.
    ///
    /// # Errors
    /// When it cannot be taken, in words.
    pub async fn lease(
        &self,
        epochs: &[Epoch],
        folder: &std::path::Path,
    ) -> Result<Option<(Lease, Option<String>)>, String> {
        let Some(control) = self
            .control()
            .filter(|_| epochs.iter().any(Epoch::needs_policy))
        else {
            return Ok(None);
        };
        let note = control.take(folder).await;
        let note = note.map_err(|error| error.to_string())?;
        Ok(Some((Lease::new(Arc::clone(control)), note)))
    }
}
