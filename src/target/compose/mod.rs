//! Compose itself, for a Docker host: the application as `docker compose` takes it, every image with its digest, and
//! what files of the project hold carried along.
//!
//! Networks, volumes and contents are objects of the engine; services are what Docker Compose makes containers of.

mod compare;
mod content;
mod dispositions;
mod schedule;
mod service;
mod translate;

pub(crate) use self::{compare::count, schedule::lives_with};
use super::{Dialect, Disposition, ListOrder, Mutability, Release, Settings, Shown, Target, Translation, Unit};
use crate::{
    image::Pinned,
    plan::{Change, Consequence, Step},
    value::{Address, Keyring, Node, Path},
};

/// The mark of the application and its environment, on everything.
pub(crate) const APPLICATION: &str = "dev.transship.application";
/// The mark that says who something is.
pub(crate) const RESOURCE: &str = "dev.transship.resource";

/// Kinds of addresses.
pub(crate) mod kind {
    /// What Docker Compose makes containers of.
    pub(crate) const SERVICE: &str = "service";
    /// A network of the engine.
    pub(crate) const NETWORK: &str = "network";
    /// A volume with data.
    pub(crate) const VOLUME: &str = "volume";
    /// A volume that holds the content of a config.
    pub(crate) const CONFIG: &str = "config";
    /// A volume that holds the content of a secret.
    pub(crate) const SECRET: &str = "secret";
    /// A volume that holds files of the project.
    pub(crate) const FILES: &str = "files";
}

/// The dialect of a Docker host. Every function is pure.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compose;

impl Target for Compose {
    fn dialect(&self) -> Dialect {
        Dialect::Compose
    }

    fn dispositions(&self) -> &'static [Disposition] {
        dispositions::TABLE
    }

    fn translate(&self, pinned: &Pinned, settings: &Settings, unit: &Unit, keys: &Keyring) -> Translation {
        translate::translate(pinned, settings, unit, keys)
    }

    fn canonical(&self, address: &Address, body: Node) -> Node {
        compare::canonical(address, body)
    }

    fn list(&self, _address: &Address, path: &Path) -> ListOrder {
        compare::list(path)
    }

    /// Who may look into containers there may do everything.
    fn exposure(&self, _address: &Address, _path: &Path) -> Shown {
        Shown::Protected
    }

    fn consequence(
        &self,
        address: &Address,
        before: Option<&Node>,
        after: Option<&Node>,
        at: &[Path],
    ) -> (Consequence, Mutability) {
        compare::consequence(address, before, after, at)
    }

    fn holds_data(&self, address: &Address, _body: &Node) -> bool {
        &*address.kind == kind::VOLUME
    }

    /// A volume that is there is used as it is: its labels can never change.
    fn is_shared(&self, address: &Address) -> bool {
        &*address.kind == kind::VOLUME
    }

    fn content(&self, _address: &Address) -> &'static [&'static str] {
        &["content", "files"]
    }

    fn schedule(&self, release: &Release, changes: &[Change]) -> Vec<Step> {
        schedule::schedule(release, changes)
    }
}
