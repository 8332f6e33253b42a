//! A release: what one destination should hold.

use std::{sync::Arc, time::Duration};

use indexmap::IndexMap;

use crate::value::{Address, Application, Called, Fingerprint, Key, Node, Origins, Part, Secrets, Sources, Value};

/// The vocabulary a release is written in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Objects of the Kubernetes API.
    Kubernetes,
    /// Objects of the Engine API in Swarm mode.
    Swarm,
    /// Apps of Marathon.
    Marathon,
    /// Compose itself.
    Compose,
}

impl Dialect {
    /// Those that something runs.
    pub const LIVE: [Self; 4] = [Self::Kubernetes, Self::Swarm, Self::Marathon, Self::Compose];

    /// As flags and settings call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Swarm => "swarm",
            Self::Marathon => "marathon",
            Self::Compose => "compose",
        }
    }

    /// As people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Kubernetes => "Kubernetes",
            Self::Swarm => "Swarm",
            Self::Marathon => "Marathon",
            Self::Compose => "a Docker host",
        }
    }
}

/// Everything one destination should hold, in its own dialect. Not `Serialize`: it leaves through an encoder
/// (clear), a view (masked) or a record (holes).
#[derive(Clone, Debug)]
pub struct Release {
    /// Whose it is.
    pub application: Application,
    /// The vocabulary.
    pub dialect: Dialect,
    /// By who they are; the order is that of creation.
    pub resources: IndexMap<Key, Resource>,
    /// What must already be there.
    pub requires: Vec<Requirement>,
    /// All places.
    pub origins: Arc<Origins>,
    /// All secret bytes.
    pub concealed: Arc<Secrets>,
}

impl Release {
    /// Nothing at all.
    pub fn nothing(application: Application, dialect: Dialect, origins: Arc<Origins>, concealed: Arc<Secrets>) -> Self {
        Self { application, dialect, resources: IndexMap::new(), requires: Vec::new(), origins, concealed }
    }

    /// What a reference stands for once encoded. `None` when no such resource is in the release, or its name
    /// is only known at apply.
    pub fn resolve(&self, key: &Key, part: Part) -> Option<&str> {
        match part {
            Part::Name | Part::Host => self.resources.get(key)?.address.name.now(),
            Part::Identifier => None,
        }
    }

    /// Whether every name is known.
    pub fn is_named(&self) -> bool {
        self.resources.values().all(|resource| matches!(resource.address.name, Called::Now(_)))
    }

    /// Keys of the resources that this one must come after: by reference, and by explicit order.
    pub fn dependencies(&self, resource: &Resource) -> Vec<After> {
        let mut all = resource.after.clone();
        for key in resource.body.references() {
            // A body names itself by reference as well.
            if key != resource.key && !all.iter().any(|after| after.key == key) {
                all.push(After { key, until: Condition::Exists });
            }
        }
        all
    }
}

/// One object of a release.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Who it is.
    pub key: Key,
    /// What it is called there.
    pub address: Address,
    /// Everything else, with references instead of names of other resources.
    pub body: Node,
    /// How it may change.
    pub life: Life,
    /// Explicit order, with what to wait for. References in the body add `Exists` by themselves.
    pub after: Vec<After>,
    /// When it is done.
    pub settles: Settles,
    /// Over the values of the project this was made from: same inputs and another body means that the
    /// translation changed, not the application.
    pub inputs: Fingerprint,
}

/// What a resource waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct After {
    /// The other resource.
    pub key: Key,
    /// How far it must have come.
    pub until: Condition,
}

/// How far something has come.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// It is there.
    Exists,
    /// It runs.
    Started,
    /// It answers.
    Healthy,
    /// It ran to its end.
    Completed,
}

/// What "done" means, and by when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settles {
    /// How far it must come.
    pub when: Condition,
    /// From the call on.
    pub within: Duration,
}

/// How a resource may change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Life {
    /// Where it stands.
    Mutable,
    /// Its name carries its content: the new one stands beside the old, references switch, the old goes last.
    Versioned,
    /// It runs to its end; changed, failed or asked for means run again.
    OneShot,
    /// It holds data: never replaced and never removed unasked.
    Data,
}

/// Something that must already be there.
#[derive(Clone, PartialEq, Debug)]
pub struct Requirement {
    /// What.
    pub address: Address,
    /// Entries it must have, as keys of a Secret; may be empty.
    pub entries: Vec<Box<str>>,
    /// Who says so.
    pub from: Sources,
}

/// All sources of a body, leaves included.
impl Resource {
    /// See above.
    pub fn sources(&self, origins: &Origins) -> Sources {
        let mut sets = Vec::new();
        self.body.walk(&mut |_, node| {
            sets.push(node.from);
            if let Value::Text(text) = &node.value {
                sets.extend(text.mark_spots().map(Sources::from));
            }
        });
        origins.join(sets)
    }
}
