//! Places: a cluster, a directory, a swarm, a host, Marathon. The only code that talks to them.

pub mod cluster;
mod codec;
mod connect;
pub mod directory;
mod entry;
pub mod host;
pub mod marathon;
mod observation;
pub mod swarm;
mod telling;

use std::{future::Future, pin::Pin, sync::Arc};

pub use codec::{Unresolved, decode, encode, encode_named, encode_onto, reveal};
pub use connect::{Means, connect};
pub use host::{DockerCompose, Fed, Invocation, reads_input, subcommand};
pub use observation::{
    DestinationId, History, Identity, Live, Observation, Owner, Preview, Reason, Refusal, RevisionHead, RevisionState,
    State, Token, UnderWay,
};

use crate::{
    plan::Step,
    target::{Release, Requirement},
    value::{Address, Application, Key, Masked, Origins, Secrets},
};

/// What an asynchronous function of a trait gives.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something that could not be done.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// What, without secrets; lower case, says what to do where that is known.
    pub reason: Masked,
    /// What kind, for the exit code and for whether to try again.
    pub kind: FailureKind,
}

/// Kinds of failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailureKind {
    /// Not reachable, or gone in the middle.
    Unreachable,
    /// We may not.
    Forbidden,
    /// Somebody else changed it since it was seen.
    Conflict,
    /// The deploy lock is somebody else's, or was lost.
    Locked,
    /// Not the place that was named.
    WrongPlace,
    /// The place refuses what is asked.
    Invalid,
    /// Somebody told us to stop.
    Interrupted,
    /// Anything else.
    Other,
}

impl Failure {
    /// A failure of a kind.
    pub const fn new(kind: FailureKind, reason: Masked) -> Self {
        Self { reason, kind }
    }
}

/// Proof that the destination is the one named. Needed for every write.
#[derive(Clone, Debug)]
pub struct Verified(Identity);

impl Verified {
    /// Compares what a place says of itself with what the environment expects of it.
    pub fn check(found: Identity, expected: &Expected) -> Result<Self, Failure> {
        let wrong = |what: &str, want: &str, is: &str| {
            let text = format!(
                "not the expected {what}: the environment names {want}, this is {is}; check the context, or the guard `identity` in transship.yaml"
            );
            Failure::new(FailureKind::WrongPlace, Masked::words(text))
        };
        if let Some(server) = &expected.server
            && **server != *found.server.as_str()
        {
            return Err(wrong("server", server, found.server.as_str()));
        }
        if let Some(unique) = &expected.unique
            && **unique != *found.unique
        {
            return Err(wrong("place", unique, &found.unique));
        }
        Ok(Self(found))
    }

    /// What it is.
    pub const fn identity(&self) -> &Identity {
        &self.0
    }
}

/// What an environment expects of its destination; absent parts are not checked.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// Address of the server.
    pub server: Option<Box<str>>,
    /// What is unique to the place: the UID of `kube-system`, the path of a directory.
    pub unique: Option<Box<str>>,
}

/// Reads. Holds a client that cannot change anything: its transport refuses all but reads and dry runs.
pub trait Platform: Send + Sync {
    /// Which place this is.
    fn identify(&self) -> Pending<'_, Result<Identity, Failure>>;

    /// One look: everything at the release's addresses, everything that bears our mark, what is under way,
    /// what is missing, and what the place says would become of each resource.
    fn observe<'a>(&'a self, scope: Scope<'a>) -> Pending<'a, Result<Observation, Failure>>;

    /// The ledger, to read.
    fn ledger(&self) -> &dyn Ledger;

    /// Follows what is settling until all of it has, or cannot, or its deadline passes.
    fn follow<'a>(
        &'a self,
        release: &'a Release,
        keys: &'a [Key],
        progress: &'a dyn Progress,
    ) -> Pending<'a, Result<Vec<(Key, State)>, Failure>>;

    /// The only way to write: the right place, and the lock held.
    fn writer(&self, place: Verified, hold: Arc<dyn Hold>) -> Result<Box<dyn Writer>, Failure>;

    /// The ledger, to write: the lock is taken through it, so it comes before there is one.
    fn ledger_writer(&self, place: Verified) -> Result<Box<dyn LedgerWriter>, Failure>;
}

/// What to look at.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Whose.
    pub application: &'a Application,
    /// What is wanted; `None` for what is there alone.
    pub release: Option<&'a Release>,
    /// Whether the place is asked what would become of each resource.
    pub preview: bool,
    /// Where the sources of recorded and live values go.
    pub origins: &'a Arc<Origins>,
    /// Where secret bytes that are found running go, before anything sees them.
    pub concealed: &'a Arc<Secrets>,
}

/// Writes. Every call checks the hold first, carries the token of the observation where the place has one,
/// and can be repeated.
pub trait Writer: Send + Sync {
    /// One step of a plan.
    fn execute<'a>(
        &'a self,
        step: &'a Step,
        release: &'a Release,
        seen: &'a Observation,
        progress: &'a dyn Progress,
    ) -> Pending<'a, Result<(), Failure>>;
}

/// Small named entries kept where the application runs. Entries never change: whatever moves, moves by the
/// next entry. Creating one that exists fails; that is the only synchronisation anything here needs.
pub trait Ledger: Send + Sync {
    /// Whether only those read it who may read the application's secrets anyway. Where it is public, as in a
    /// repository, no key may be kept in it.
    fn is_private(&self) -> bool {
        true
    }

    /// Names of all entries of an application, sorted.
    fn list<'a>(&'a self, application: &'a Application) -> Pending<'a, Result<Vec<EntryName>, Failure>>;

    /// What an entry holds; `None` when there is no such entry.
    fn read<'a>(
        &'a self,
        application: &'a Application,
        name: &'a EntryName,
    ) -> Pending<'a, Result<Option<Vec<u8>>, Failure>>;
}

/// A ledger that can be written.
pub trait LedgerWriter: Send + Sync {
    /// The same, to read.
    fn reader(&self) -> &dyn Ledger;

    /// Creates an entry; `false` when one of that name exists.
    fn create<'a>(
        &'a self,
        application: &'a Application,
        name: &'a EntryName,
        body: &'a [u8],
    ) -> Pending<'a, Result<bool, Failure>>;

    /// Removes an entry; no error when there is none.
    fn remove<'a>(&'a self, application: &'a Application, name: &'a EntryName) -> Pending<'a, Result<(), Failure>>;
}

/// `key`, `lock/41`, `revision/12/opened`, `revision/12/closed`: words and numbers, separated by `/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EntryName(pub Box<str>);

/// The deploy lock while it is ours. Every write asks it first.
pub trait Hold: Send + Sync {
    /// Fails once the lock is lost.
    fn still_ours(&self) -> Result<(), Failure>;
}

/// What happens while it happens. One stream feeds the live table, plain lines and JSON.
pub trait Progress: Send + Sync {
    /// One event.
    fn event(&self, event: Event);
}

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Event {
    /// Where; absent before a destination is known.
    pub destination: Option<DestinationId>,
    /// What it is about.
    pub key: Option<Key>,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// Something is being done.
    Doing(Masked),
    /// A step was called.
    Called(Address),
    /// It moves.
    Moving {
        /// Instances ready.
        ready: u32,
        /// Instances wanted.
        wanted: u32,
        /// In the place's own words.
        text: Masked,
    },
    /// It is done.
    Settled,
    /// It failed.
    Failed(Reason),
    /// It was left out.
    Skipped(Masked),
}

/// Progress that nobody looks at.
pub struct Unseen;

impl Progress for Unseen {
    fn event(&self, _event: Event) {}
}

/// What is missing of what a release requires.
pub type Missing = Requirement;
