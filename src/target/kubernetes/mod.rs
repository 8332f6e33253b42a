//! Kubernetes: objects of its API.

mod around;
mod compare;
mod content;
mod dispositions;
mod environment;
mod network;
mod object;
mod placement;
mod pod;
mod probes;
mod resources;
mod storage;
mod templates;
mod translate;
mod workload;

use super::{
    Dialect, Disposition, ListOrder, Mutability, Release, Settings, Shown, Target, Templates, Translation, Unit,
};
use crate::{
    image::Pinned,
    plan::{Change, Consequence, Step},
    value::{Address, Keyring, Node, Path},
};

pub(crate) use object::{PART_OF, RESOURCE, parent_name, set_id};

/// The dialect of Kubernetes. Every function is pure.
#[derive(Debug)]
pub struct Kubernetes {
    /// Templates that take the place of ours, by file name.
    pub templates: Templates,
}

impl Default for Kubernetes {
    fn default() -> Self {
        Self { templates: Templates::new("kubernetes", templates::BUILTIN) }
    }
}

impl Target for Kubernetes {
    fn dialect(&self) -> Dialect {
        Dialect::Kubernetes
    }

    fn dispositions(&self) -> &'static [Disposition] {
        dispositions::TABLE
    }

    fn translate(&self, pinned: &Pinned, settings: &Settings, unit: &Unit, keys: &Keyring) -> Translation {
        translate::translate(&self.templates, pinned, settings, unit, keys)
    }

    fn canonical(&self, address: &Address, body: Node) -> Node {
        compare::canonical(address, body)
    }

    fn list(&self, address: &Address, path: &Path) -> ListOrder {
        compare::list(address, path)
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

    fn holds_data(&self, address: &Address, _body: &Node) -> bool {
        compare::holds_data(address)
    }

    fn is_shared(&self, address: &Address) -> bool {
        address.kind.ends_with("Namespace")
    }

    fn content(&self, _address: &Address) -> &'static [&'static str] {
        &["data", "binaryData"]
    }

    fn schedule(&self, release: &Release, changes: &[Change]) -> Vec<Step> {
        compare::schedule(release, changes)
    }
}
