//! Docker Swarm: objects of the Engine API, in its own JSON.
//!
//! One thing differs: `Data` of configs and secrets is the content itself here, so that it can be compared; the
//! platform writes it as the API wants it.

mod compare;
mod container;
mod content;
mod dispositions;
mod mounts;
mod network;
mod service;
mod translate;

use super::{Dialect, Disposition, ListOrder, Mutability, Release, Settings, Shown, Target, Translation, Unit};
use crate::{
    image::Pinned,
    plan::{Change, Consequence, Step},
    value::{Address, Keyring, Node, Path},
};

/// Docker's label: the stack an object belongs to.
pub(crate) const STACK: &str = "com.docker.stack.namespace";
/// Docker's label: the image as it was written.
pub(crate) const IMAGE: &str = "com.docker.stack.image";
/// Label: whose an object is, as `<application>/<environment>`.
pub(crate) const APPLICATION: &str = "dev.transship.application";
/// Label: which resource it is.
pub(crate) const RESOURCE: &str = "dev.transship.resource";

/// The dialect of Swarm. Every function is pure.
#[derive(Clone, Copy, Debug, Default)]
pub struct Swarm;

impl Target for Swarm {
    fn dialect(&self) -> Dialect {
        Dialect::Swarm
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

    fn exposure(&self, address: &Address, path: &Path) -> Shown {
        compare::exposure(address, path)
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

    fn holds_data(&self, _address: &Address, _body: &Node) -> bool {
        // Volumes are made by tasks, and are none of the objects of a release.
        false
    }

    fn keeps_previous(&self, address: &Address) -> bool {
        // A rollback to a spec whose configs are gone takes the service down.
        &*address.kind == "Service"
    }

    fn is_shared(&self, _address: &Address) -> bool {
        false
    }

    fn content(&self, _address: &Address) -> &'static [&'static str] {
        &["Data"]
    }

    fn schedule(&self, release: &Release, changes: &[Change]) -> Vec<Step> {
        compare::schedule(release, changes)
    }
}
