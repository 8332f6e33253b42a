//! What a plan consists of: changes, which people read, and steps, which are called.

use crate::{
    platform::{DestinationId, Identity, Refusal},
    target::{Cascade, Condition, Release},
    value::{Address, Application, Fingerprint, Key, Masked, Path, Sources, Spot},
};

/// What is to be reached, and what must hold before the next goal is begun.
#[derive(Clone, Debug)]
pub struct Goal {
    /// `deploy`, `destroy`, later the steps of a strategy.
    pub name: &'static str,
    /// Everything there should be.
    pub release: Release,
    /// What must hold after it.
    pub gate: Gate,
}

/// What must hold after a goal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// Everything has settled.
    #[default]
    Settled,
    /// Everything was accepted (a directory; `--no-wait`).
    Accepted,
}

/// Stages in order; a stage is one goal at one destination.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whose.
    pub application: Application,
    /// In order.
    pub stages: Vec<Stage>,
}

impl Plan {
    /// All changes of all stages.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.stages.iter().flat_map(|stage| &stage.changes)
    }

    /// Whether something forbids it.
    pub fn is_blocked(&self) -> bool {
        self.stages.iter().any(|stage| !stage.blocked.is_empty())
    }

    /// Whether anything would be written.
    pub fn is_empty(&self) -> bool {
        self.changes().all(|change| matches!(change.action, Action::Keep { .. } | Action::Settle))
    }
}

/// One goal at one destination.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Where.
    pub destination: DestinationId,
    /// Proof of where.
    pub identity: Identity,
    /// The revision this is based on; `None` before the first.
    pub base: Option<u64>,
    /// The goal's name.
    pub goal: &'static str,
    /// What people read: one per resource that differs, is unsettled, or is let be for a reason.
    pub changes: Vec<Change>,
    /// What is executed: one call each, a graph.
    pub steps: Vec<Step>,
    /// What forbids it.
    pub blocked: Vec<Blocked>,
    /// What must hold afterwards.
    pub gate: Gate,
}

/// What becomes of one resource.
#[derive(Clone, Debug)]
pub struct Change {
    /// Who.
    pub key: Key,
    /// What it is called there.
    pub address: Address,
    /// What happens.
    pub action: Action,
    /// Field by field.
    pub differences: Vec<Difference>,
    /// Why.
    pub causes: Vec<Cause>,
    /// What it does to what runs.
    pub consequence: Consequence,
    /// Who says so.
    pub certain: Certainty,
    /// What somebody must agree to first.
    pub needs: Vec<Consent>,
    /// Of the live body as compared; of the absence when there is none.
    pub before: Fingerprint,
    /// Of the body wanted.
    pub wanted: Fingerprint,
    /// Of what the server says would be there; only when it was asked.
    pub effect: Option<Fingerprint>,
}

/// What happens to a resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// It is made.
    Create,
    /// It changes where it stands.
    Update,
    /// Made under a new name; differences are against the one that had the role before.
    Succeed {
        /// That one.
        predecessor: Address,
    },
    /// The end of a predecessor, once nothing live, kept or recorded refers to it.
    Retire,
    /// Removed and made anew.
    Replace {
        /// What becomes of what it made.
        cascade: Cascade,
    },
    /// Run again.
    Rerun,
    /// Removed: it is in the application no more.
    Delete,
    /// Equal, but not there yet: wait for it.
    Settle,
    /// Different or superfluous, and let be.
    Keep {
        /// Why.
        why: Kept,
    },
}

/// Why something is let be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// It holds data.
    Data,
    /// It cannot be changed.
    Fixed,
    /// Neither can it be changed, nor removed without a loss.
    FixedData,
    /// Something that stays refers to it.
    Referred,
}

impl Kept {
    /// As people read it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Data => "it holds data",
            Self::Fixed => "it cannot be changed",
            Self::FixedData => "it cannot be changed, and holds data",
            Self::Referred => "something that stays, or could be returned to, refers to it",
        }
    }
}

/// Who says what the change does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Certainty {
    /// The server, asked without writing.
    Server,
    /// Worked out here.
    Local(Because),
}

/// Why the server was not asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Because {
    /// What would hold it (a namespace, a definition) is not there yet.
    ParentAbsent(Address),
    /// We may not ask.
    Forbidden,
    /// The place has no such question.
    NoDryRun,
    /// Nothing was asked.
    Offline,
}

/// What somebody must agree to before a change is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Consent {
    /// An object is removed and made anew.
    Replace,
    /// Data is lost.
    LoseData,
    /// A field that somebody else set.
    TakeOver(Masked),
    /// An object that bears no mark of ours.
    Adopt(Masked),
    /// The environment is protected.
    Protected,
}

/// What forbids a plan.
#[derive(Clone, Debug)]
pub struct Blocked {
    /// The resource, where it is one.
    pub key: Option<Key>,
    /// Its address, or what is missing.
    pub address: Option<Address>,
    /// Why.
    pub by: Refusal,
    /// Who asked for it.
    pub from: Sources,
}

/// One field.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Where in the body.
    pub path: Path,
    /// What is there; `None` when nothing.
    pub before: Option<Masked>,
    /// What is wanted; `None` when nothing.
    pub after: Option<Masked>,
    /// What it was made of: leads to the Compose value.
    pub from: Sources,
}

/// Why a change is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// Somebody wrote it.
    Written(Spot),
    /// It was there in the last revision, at this place, and is no more.
    Removed(Spot),
    /// The lock moved.
    Image {
        /// From this reference.
        from: Box<str>,
        /// To this one.
        to: Box<str>,
    },
    /// Somebody changed the live object.
    Drift {
        /// Where.
        path: Path,
        /// Who, where the place knows.
        by: Option<Masked>,
    },
    /// The same application, translated otherwise.
    Translation {
        /// By this version before.
        from: Box<str>,
        /// By this one now.
        to: Box<str>,
    },
    /// It follows a resource it refers to.
    Follows(Key),
    /// Nothing differs, but it failed or has not settled.
    Unsettled,
    /// Destroy, a forced run.
    Asked {
        /// What was asked.
        what: &'static str,
    },
}

/// What a change does to what runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Consequence {
    /// Nothing.
    Nothing,
    /// More or fewer instances.
    Scale {
        /// Before.
        from: u32,
        /// After.
        to: u32,
    },
    /// Instances are started anew.
    Restart {
        /// One after the other, so that some always run.
        rolling: bool,
        /// How many.
        instances: u32,
    },
    /// Something begins to run.
    Start,
    /// A one-shot runs.
    Run,
    /// Removed and made anew.
    Replace {
        /// Whether nothing runs in between.
        downtime: bool,
    },
    /// Something stops running.
    Stop,
    /// Data is lost.
    LosesData,
    /// Nobody can say.
    Unknown,
}

/// The number of a step in its stage.
pub type StepId = u32;

/// One call to the target. Carries one change or many; ordered by what it waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Its number.
    pub id: StepId,
    /// What is called.
    pub call: Call,
    /// The resources it carries; of a delete, what is to go.
    pub carries: Vec<Key>,
    /// The address, for calls on what the release no longer has.
    pub address: Option<Address>,
    /// What must have come how far.
    pub after: Vec<(StepId, Condition)>,
}

/// The calls there are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Call {
    /// Make or change.
    Put,
    /// Several at once; `supersedes` names work of ours that this ends.
    Batch {
        /// That work.
        supersedes: Option<Box<str>>,
    },
    /// Remove.
    Delete {
        /// What becomes of what it made.
        cascade: Cascade,
    },
    /// Remove what ran, and run again.
    Run,
    /// Only wait.
    Wait,
}

/// What the caller of `build` decides.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What was agreed to.
    pub consents: Vec<Consent>,
    /// Only these services and what they need.
    pub only: Option<Vec<crate::value::Name>>,
}
