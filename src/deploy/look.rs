//! What would change at one place: what a diff shows, what an apply compares with what was agreed to.

use std::sync::Arc;

use super::history::history;
use crate::{
    plan::{self, Goal, Options, Plan},
    platform::{DestinationId, Failure, Observation, Platform, Scope},
    target::Target,
    value::{Application, Keyring, Origins, Secrets},
};

/// One place, and whose part of it is looked at.
pub struct Site<'a> {
    /// Where.
    pub platform: &'a dyn Platform,
    /// In which dialect.
    pub target: &'a dyn Target,
    /// The destination's name in the environment.
    pub destination: DestinationId,
    /// Whose.
    pub application: Application,
    /// What `build` is told.
    pub options: Options,
    /// All places of the run.
    pub origins: Arc<Origins>,
    /// All secret bytes of the run.
    pub concealed: Arc<Secrets>,
}

/// What was seen, and what follows from it.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// What is there, history included.
    pub seen: Observation,
    /// What would have to change.
    pub plan: Plan,
}

impl Site<'_> {
    /// Looks once, and plans. Nothing is changed; `goals` were translated under this keyring.
    pub async fn look(&self, goals: &[Goal], keyring: &Keyring) -> Result<Outlook, Failure> {
        let scope = Scope {
            application: &self.application,
            release: goals.first().map(|goal| &goal.release),
            preview: true,
            origins: &self.origins,
            concealed: &self.concealed,
        };
        let mut seen = self.platform.observe(scope).await?;
        seen.history = history(self.platform.ledger(), &self.application, &self.origins).await?;
        let plan = self.plan(goals, &seen, keyring);
        Ok(Outlook { seen, plan })
    }

    /// What follows from what was seen; nothing is asked.
    pub fn plan(&self, goals: &[Goal], seen: &Observation, keyring: &Keyring) -> Plan {
        plan::build(self.target, &self.destination, goals, seen, &self.options, keyring)
    }
}
