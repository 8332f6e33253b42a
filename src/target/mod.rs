//! Dialects: what an application is in the words of each target. Everything here is pure; where a release goes is
//! the business of [`platform`](crate::platform).

pub(crate) mod codes;
pub mod compose;
mod contents;
mod disposition;
pub mod kubernetes;
pub mod marathon;
pub mod naming;
mod parts;
mod release;
mod schedule;
mod services;
mod settings;
pub mod swarm;
mod template;
mod templates;

use std::time::Duration;

pub use disposition::{Disposition, DispositionKind, Rows, paths};
pub use release::{After, Condition, Dialect, Life, Release, Requirement, Resource, Settles};
pub use settings::{
    ComposeSettings, Containerizer, HostPaths, ImagePullSecret, KubernetesSettings, MarathonSettings, Ordering,
    Publish, SecretMode, ServiceSettings, Settings, SwarmSettings, VolumeSettings,
};

pub use template::Template;
pub use templates::Templates;

use crate::{
    diagnostic::Findings,
    image::Pinned,
    plan::{Change, Consequence, Step},
    value::{Address, Keyring, Name, Node, Path},
};

/// Which part of the project goes to one destination.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    /// The services; all of them when `None`.
    pub services: Option<Vec<Name>>,
}

/// What a dialect makes of a project.
#[derive(Clone, Debug)]
pub struct Translation {
    /// Everything the destination should hold.
    pub release: Release,
    /// What does not carry, with places.
    pub findings: Findings,
}

/// Knows one dialect, and nothing that runs. Every function is pure and deterministic.
pub trait Target: Send + Sync {
    /// Which dialect.
    fn dialect(&self) -> Dialect;

    /// One row per path of the Compose model.
    fn dispositions(&self) -> &'static [Disposition];

    /// The release of one destination.
    fn translate(&self, pinned: &Pinned, settings: &Settings, unit: &Unit, keys: &Keyring) -> Translation;

    /// The form in which two bodies are compared: defaults written out, what the server makes dropped, lists
    /// in the order of their keys. Both sides of every difference pass through it.
    fn canonical(&self, address: &Address, body: Node) -> Node;

    /// How the items of a list are told apart.
    fn list(&self, address: &Address, path: &Path) -> ListOrder;

    /// Whether somebody who may read the object sees a value at this path. A secret there is a finding.
    fn exposure(&self, address: &Address, path: &Path) -> Shown;

    /// What a change of these paths does to what runs, and whether the object can be changed at all.
    /// `before` is absent for a create, `after` for a delete.
    fn consequence(
        &self,
        address: &Address,
        before: Option<&Node>,
        after: Option<&Node>,
        at: &[Path],
    ) -> (Consequence, Mutability);

    /// Whether what is there holds what nobody can make again: it is never removed unasked.
    fn holds_data(&self, address: &Address, body: &Node) -> bool;

    /// Whether the place can put what is changed here back to what it was by itself, for which it needs everything that
    /// this referred to.
    fn keeps_previous(&self, _address: &Address) -> bool {
        false
    }

    /// Whether what is at this address is shared with whoever else is there, and needs nobody's mark.
    fn is_shared(&self, address: &Address) -> bool;

    /// The entries of a body that its name is made from, where the name carries content.
    fn content(&self, address: &Address) -> &'static [&'static str];

    /// The calls that carry these changes, and their order among each other: one per object on Kubernetes,
    /// one per deployment on Marathon, one per dependency layer on a host.
    fn schedule(&self, release: &Release, changes: &[Change]) -> Vec<Step>;
}

/// Whoever speaks a dialect.
pub fn of(dialect: Dialect) -> Box<dyn Target> {
    match dialect {
        Dialect::Kubernetes => Box::<kubernetes::Kubernetes>::default(),
        Dialect::Swarm => Box::new(swarm::Swarm),
        Dialect::Marathon => Box::<marathon::Marathon>::default(),
        Dialect::Compose => Box::new(compose::Compose),
    }
}

/// All dialects.
pub fn all() -> impl Iterator<Item = Box<dyn Target>> {
    Dialect::LIVE.into_iter().map(of)
}

/// How the items of a list are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ListOrder {
    /// By these entries of each item.
    Keyed(&'static [&'static str]),
    /// By position.
    Ordered,
    /// By value; order means nothing.
    Set,
}

/// Whether the target shows a value to readers of the object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// Only to those with a right to secrets.
    Protected,
    /// To every reader.
    Readable,
}

/// Whether an object can take a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutability {
    /// Where it stands.
    InPlace,
    /// Only by removing it and making it anew.
    Replace {
        /// What becomes of what it made.
        cascade: Cascade,
    },
    /// Not at all.
    Never,
}

/// What becomes of the things an object made when it is removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cascade {
    /// They go with it.
    All,
    /// They stay.
    Orphan,
}

/// How long a change may take to settle when nothing says otherwise.
pub const SETTLES_WITHIN: Duration = Duration::from_secs(600);
