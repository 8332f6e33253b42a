//! Marathon: apps of DC/OS and Mesos, and the files that their agents fetch.

mod app;
mod checks;
mod command;
mod compare;
mod dispositions;
mod environment;
mod files;
mod parameters;
mod placement;
mod ports;
mod resources;
mod templates;
mod translate;
mod upgrade;
mod volumes;

use super::{
    Dialect, Disposition, ListOrder, Mutability, Release, Settings, Shown, Target, Templates, Translation, Unit,
};
use crate::{
    image::Pinned,
    plan::{Change, Consequence, Step},
    value::{Address, Keyring, Node, Path},
};

pub(crate) use app::{APPLICATION, RESOURCE};
pub(crate) use files::{escaped, parse as parse_file};

/// The kind of an app in an address; its name is its id, from the root.
pub(crate) const APP: &str = "app";
/// The kind of a file in an address; its name is where agents fetch it.
pub(crate) const FILE: &str = "file";
/// The kind of a secret that must be there, by its path in the cluster's store.
pub(crate) const SECRET: &str = "secret";

/// The dialect of Marathon. Every function is pure.
#[derive(Debug)]
pub struct Marathon {
    /// Templates that take the place of ours, by file name.
    pub templates: Templates,
}

impl Default for Marathon {
    fn default() -> Self {
        Self { templates: Templates::new("marathon", templates::BUILTIN) }
    }
}

impl Target for Marathon {
    fn dialect(&self) -> Dialect {
        Dialect::Marathon
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

    fn list(&self, _address: &Address, path: &Path) -> ListOrder {
        compare::list(path)
    }

    fn exposure(&self, _address: &Address, _path: &Path) -> Shown {
        // Whoever may see an app sees all of it, and what agents fetch is there for all of them.
        Shown::Readable
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

    fn holds_data(&self, _address: &Address, body: &Node) -> bool {
        // Persistent volumes go with their app.
        compare::is_resident(body)
    }

    fn is_shared(&self, _address: &Address) -> bool {
        false
    }

    fn content(&self, _address: &Address) -> &'static [&'static str] {
        &["content"]
    }

    fn schedule(&self, release: &Release, changes: &[Change]) -> Vec<Step> {
        compare::schedule(release, changes)
    }
}
