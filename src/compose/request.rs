//! What to load, and how the world is read.

use std::{collections::BTreeMap, io};

use super::{codes, remote::RemoteReference};
use crate::{
    diagnostic::Code,
    value::{Located, Text},
};

/// What somebody asks to load: the command line of Docker Compose, as values.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `-f`: paths, or `-` for standard input. Empty: discovery.
    pub files: Vec<String>,
    /// Files that come after those, and after what discovery finds: the overlays of an environment.
    pub overlays: Vec<String>,
    /// Whether discovery adds `compose.override.yaml`. With an environment it does not.
    pub without_override: bool,
    /// What `-f -` reads.
    pub standard_input: Option<Vec<u8>>,
    /// `-p`.
    pub project_name: Option<String>,
    /// `--project-directory`.
    pub project_directory: Option<String>,
    /// `--profile`; `None` when the flag was not given.
    pub profiles: Option<Vec<String>>,
    /// `--env-file`.
    pub env_files: Vec<String>,
    /// Variables that come before all others: `--set`, `variables` of an environment.
    pub variables: BTreeMap<String, Located<Text>>,
    /// Variables of the process.
    pub environment: BTreeMap<String, String>,
    /// The directory that relative paths of the command line start from.
    pub working_directory: String,
    /// Services named on the command line; they may hold `*`, `?` and `[a-z]`.
    pub services: Vec<String>,
    /// Services that are left once everything is checked, without what they depend on; empty: all.
    pub only: Vec<String>,
    /// `--all-resources`: networks, volumes and the like that no service uses stay.
    pub all_resources: bool,
    /// Bind to types although variables stay as written: what the lists of `config --no-interpolate` do.
    pub typed: bool,
    /// Names of variables to keep secret whatever they are called.
    pub secrets: Vec<String>,
    /// Which stages are left out.
    pub skip: Skip,
    /// Whether the contents of configs, secrets and bind mounts are read for a target.
    pub contents: bool,
}

/// Stages that the flags of `docker compose config` leave out.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "they are flags")]
pub struct Skip {
    /// `--no-interpolate`.
    pub interpolation: bool,
    /// `--no-normalize`.
    pub normalization: bool,
    /// `--no-path-resolution`.
    pub path_resolution: bool,
    /// `--no-consistency`.
    pub consistency: bool,
    /// `--no-env-resolution`.
    pub environment_resolution: bool,
    /// The specification is not enforced: what `config --variables` does.
    pub validation: bool,
}

/// What a path names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// A regular file, its length in bytes, and whether its owner may execute it.
    File {
        /// Bytes.
        length: u64,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// A directory.
    Directory,
    /// A socket, a device, …
    Other,
}

/// Why a remote part cannot be had.
#[derive(Clone, Debug)]
pub struct RemoteFailure {
    /// What kind.
    pub code: &'static Code,
    /// Lower case; reads after "cannot read NAME:".
    pub message: String,
    /// What to do.
    pub help: String,
}

/// How files are read. Paths are absolute and clean.
pub trait Files: Sync {
    /// The bytes of a file.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    /// What is there, links followed. `Ok(None)`: nothing.
    fn kind(&self, path: &str) -> io::Result<Option<FileKind>>;

    /// The names in a directory, sorted.
    fn list(&self, path: &str) -> io::Result<Vec<String>>;

    /// The path with all links resolved; itself where there is nothing.
    fn resolve(&self, path: &str) -> String {
        path.to_owned()
    }

    /// The directory that holds a remote part: the root of a repository at its revision, the files of an artifact.
    ///
    /// # Errors
    /// When it cannot be had; here always, since nothing fetches it.
    fn remote(&self, _reference: &RemoteReference) -> Result<String, RemoteFailure> {
        Err(RemoteFailure {
            code: &codes::REMOTE,
            message: "nothing here fetches remote parts".to_owned(),
            help: "fetch it first, and name the local copy".to_owned(),
        })
    }
}

/// Joins as Go's `filepath.Join`: absolute stays, the result is clean.
pub fn join(base: &str, path: &str) -> String {
    if path.starts_with('/') { clean(path) } else { clean(&format!("{base}/{path}")) }
}

/// As Go's `path.Clean`.
pub fn clean(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut steps: Vec<&str> = Vec::new();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." if steps.last().is_some_and(|last| *last != "..") => {
                steps.pop();
            }
            ".." if absolute => {}
            step => steps.push(step),
        }
    }
    let joined = steps.join("/");
    match (absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// The directory of a path, as Go's `filepath.Dir`.
pub fn directory(path: &str) -> String {
    match path.rfind('/') {
        Some(0) => "/".to_owned(),
        Some(end) => clean(path.get(..end).unwrap_or_default()),
        None => ".".to_owned(),
    }
}
