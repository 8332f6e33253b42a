//! What was seen, at one moment: a plain value. Everything after it is pure and can be replayed.

use std::sync::Arc;

use indexmap::IndexMap;

use crate::{
    plan::Because,
    target::Requirement,
    value::{Address, Application, Key, Masked, Name, Node, Path},
};

/// A destination of an environment, by name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DestinationId(pub Name);

impl std::fmt::Display for DestinationId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which place it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// What to show: the server's address, the directory.
    pub server: Masked,
    /// What is unique to it.
    pub unique: Box<str>,
    /// Version of the server; empty where there is none.
    pub version: Box<str>,
}

/// What was seen.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Where.
    pub identity: Identity,
    /// Everything at the addresses of the release, and everything that bears our mark.
    pub live: IndexMap<Address, Live>,
    /// What the place said would become of each resource of the release; absent keys were not asked about.
    pub previews: IndexMap<Key, Preview>,
    /// Kinds we may not list, paths we may not read: a plan over them says so.
    pub unreadable: Vec<Masked>,
    /// Work the place does by itself.
    pub under_way: Vec<UnderWay>,
    /// Requirements that are not met.
    pub missing: Vec<Requirement>,
    /// What was before.
    pub history: History,
}

/// One live object.
#[derive(Clone, Debug)]
pub struct Live {
    /// What it is called.
    pub address: Address,
    /// Who it is, where it bears our mark.
    pub key: Option<Key>,
    /// Whose it is.
    pub owner: Owner,
    /// For the next call; never stored.
    pub token: Token,
    /// What it is, names and all, as the place tells it.
    pub body: Node,
    /// Paths whose values cannot be read back.
    pub blind: Vec<Path>,
    /// Paths we set at the last write, where the place knows; a field of ours that is wanted no more.
    pub ours: Option<Vec<Path>>,
    /// Who else wrote which path, where the place knows.
    pub writers: Vec<(Path, Masked)>,
    /// Other live objects that this one, or an earlier form of it that is kept, refers to.
    pub references: Vec<Address>,
    /// How far it has come.
    pub state: State,
}

/// `resourceVersion`, a version index, a fingerprint of a file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Token(pub Box<str>);

/// Whose a live object is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Owner {
    /// This application's, in this environment.
    Us,
    /// Another application's, or another environment's, of ours.
    Application(Application),
    /// Another tool's.
    Tool(Masked),
    /// Nobody says.
    Nobody,
}

/// How far something has come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// Not there.
    Absent,
    /// All that its `Settles` asks.
    Settled,
    /// On its way.
    Progressing {
        /// Instances ready.
        ready: u32,
        /// Instances wanted.
        wanted: u32,
        /// What it waits for, in the place's own words.
        text: Masked,
    },
    /// It will not get there by itself.
    Failed(Reason),
    /// Being removed.
    Going,
}

/// Why something failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    /// `image-pull`, `crash-loop`, `unschedulable`, `probe-failing`, `quota`, `job-failed`, `deadline`, …
    pub code: &'static str,
    /// In words.
    pub text: Masked,
    /// The last lines that the container said.
    pub logs: Vec<Masked>,
    /// What to do.
    pub remedy: &'static str,
}

/// What would become of a resource, and who says so.
#[derive(Clone, Debug)]
pub enum Preview {
    /// The server's own answer to a dry run.
    Server(Node),
    /// The live object already holds all we would write, and we own exactly that: nothing to ask.
    Same,
    /// Worked out here.
    Local(Because),
    /// The server would refuse.
    Refused(Refusal),
}

/// Why something cannot be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// These paths cannot change.
    Immutable(Vec<Path>),
    /// These paths are others'.
    Conflict(Vec<(Path, Masked)>),
    /// Not valid.
    Invalid(Masked),
    /// Too much.
    Quota(Masked),
    /// Something of that name is somebody else's.
    Foreign(Owner),
    /// Something it requires is not there.
    Missing,
    /// Somebody must agree to it first, and has not.
    Consent(&'static str),
}

/// Work that the place does by itself.
#[derive(Clone, Debug)]
pub struct UnderWay {
    /// Its name there.
    pub name: Box<str>,
    /// What it touches.
    pub touches: Vec<Address>,
    /// The revision of ours that began it.
    pub ours: Option<u64>,
}

/// What the ledger knows.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// All revisions, oldest first.
    pub heads: Vec<RevisionHead>,
    /// What the last closed revision wanted, where it can be read.
    pub current: Option<Arc<crate::plan::Record>>,
}

impl History {
    /// The number of the last revision that was opened.
    pub fn base(&self) -> Option<u64> {
        self.heads.last().map(|head| head.number)
    }

    /// Whether the last revision was opened and never closed: it goes on, or was killed.
    pub fn is_open(&self) -> bool {
        self.heads.last().is_some_and(|head| head.state == RevisionState::Opened)
    }
}

/// What is known of a revision without its record.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RevisionHead {
    /// From 1, gapless.
    pub number: u64,
    /// How far it came.
    pub state: RevisionState,
    /// Who opened it.
    pub by: Box<str>,
    /// Version of the tool.
    pub tool: Box<str>,
    /// When, seconds since 1970.
    pub at: u64,
    /// The saved plan it carries out.
    pub plan: Option<Box<str>>,
}

/// How far a revision came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RevisionState {
    /// Begun; still running, or killed.
    Opened,
    /// Everything was applied and settled.
    Applied,
    /// Applied, and not ready in time.
    NotReady,
    /// Stopped part-way.
    Failed,
    /// Killed, and found so by a later one.
    Interrupted,
}
