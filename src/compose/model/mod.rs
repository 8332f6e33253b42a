//! The application as Docker Compose understands it: typed, canonical, placed. One file per part.
//!
//! Every field is optional and [`Located`]: absent means that nobody set it and no rule of Compose gives it
//! a value. Names of fields are those of the Compose specification.

mod build;
mod content;
mod deploy;
mod field;
mod hooks;
mod network;
mod resource;
mod service;
mod storage;

use std::{sync::Arc, time::Duration};

use indexmap::IndexMap;

pub use build::*;
pub use content::*;
pub use deploy::*;
pub use field::{Shape, ShapeKind};
pub use hooks::*;
pub use network::*;
pub use resource::*;
pub use service::*;
pub use storage::*;

use crate::value::{Located, Name, Node, Origins, Secrets, Text};

/// A field that may be absent.
pub type Field<T> = Option<Located<T>>;
/// A list whose items have places.
pub type List<T> = Vec<Located<T>>;
/// A mapping with names of the user's own.
pub type Map<T> = IndexMap<Name, Located<T>>;
/// Values of mappings like `environment`: absent means "take it from where it runs".
pub type Variables = Map<Option<Text>>;
/// Strings by name: labels, annotations, driver options.
pub type Strings = Map<Text>;
/// A length of time.
pub type Time = Duration;
/// Bytes; Compose allows -1 for "unlimited".
pub type Bytes = i64;

/// A loaded application.
#[derive(Clone, Debug)]
pub struct Project {
    /// `name`, or what stands for it by the rules of Compose.
    pub name: Located<Name>,
    /// `services`, those of the active profiles.
    pub services: Map<Service>,
    /// `networks`.
    pub networks: Map<Network>,
    /// `volumes`.
    pub volumes: Map<Volume>,
    /// `configs`.
    pub configs: Map<Config>,
    /// `secrets`.
    pub secrets: Map<Secret>,
    /// `models`.
    pub models: Map<Model>,
    /// `jobs`.
    pub jobs: Map<Job>,
    /// Top-level `x-*`.
    pub extensions: IndexMap<Name, Node>,
    /// The canonical form all of this was bound from: what `config` prints, and what a test adds up.
    pub canonical: Arc<crate::yaml::Tree>,
    /// Directory that relative paths were resolved against.
    pub directory: Box<str>,
    /// The remote parts that were brought in: the directory of each, and a name for it that is the same for every
    /// revision and on every machine.
    pub parts: Vec<(Box<str>, Box<str>)>,
    /// What files held that become part of what runs: those of configs and secrets, and bind mounts from
    /// below the project directory or from inside a remote part; by absolute path.
    pub contents: IndexMap<Box<str>, Content>,
    /// All places.
    pub origins: Arc<Origins>,
    /// All secret bytes.
    pub concealed: Arc<Secrets>,
}

impl Project {
    /// A path of the application's own files: from the project directory on, or after the name of the remote part that
    /// it is in. `None`: a path of the host.
    pub fn own_path(&self, path: &str) -> Option<String> {
        let below = |directory: &str| path.strip_prefix(directory)?.strip_prefix('/');
        if let Some(below) = below(&self.directory) {
            return Some(below.to_owned());
        }
        self.parts.iter().find_map(|(directory, name)| Some(format!("{name}/{}", below(directory)?)))
    }

    /// A path as people write it, `./web`, without what is secret.
    pub fn shown(&self, path: &Text) -> String {
        path.masked().as_str().replacen(&format!("{}/", self.directory), "./", 1)
    }
}
