//! `.transship.json`: which files of the directory are ours, and what they hold.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::{remove_file, write_file};
use crate::{
    platform::{Failure, FailureKind},
    target::Resource,
    value::{Address, Called, Masked},
};

pub(super) const NAME: &str = ".transship.json";

/// The whole index. Written sorted, so that it changes only where something changed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Index {
    version: u32,
    /// `<application>/<environment>`.
    pub(super) application: String,
    pub(super) files: Vec<Entry>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) path: String,
    /// Which resource it holds.
    pub(super) key: String,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    scope: Option<String>,
    name: String,
}

impl Entry {
    pub(super) fn address(&self) -> Address {
        Address {
            kind: self.kind.as_str().into(),
            scope: self.scope.as_deref().map(Into::into),
            name: Called::Now(self.name.as_str().into()),
        }
    }
}

impl Index {
    pub(super) fn read(root: &Path, shown: &str) -> Result<Self, Failure> {
        let bytes = match std::fs::read(root.join(NAME)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { version: 1, ..Self::default() });
            }
            Err(error) => {
                return Err(Failure::new(FailureKind::Other, Masked::words(format!("{shown}/{NAME}: {error}"))));
            }
        };
        let damaged = |why: String| {
            let words = format!("{shown}/{NAME} {why}; restore it from version control, or remove it to begin anew");
            Failure::new(FailureKind::Invalid, Masked::words(words))
        };
        let index: Self =
            serde_json::from_slice(&bytes).map_err(|error| damaged(format!("cannot be read: {error}")))?;
        if index.version != 1 {
            return Err(damaged(format!("is of version {}, which this version does not know", index.version)));
        }
        Ok(index)
    }

    pub(super) fn write(&self, root: &Path) -> Result<(), Failure> {
        let mut sorted = self.clone();
        sorted.version = 1;
        sorted.files.sort();
        let failed = |error: &std::io::Error| {
            Failure::new(FailureKind::Other, Masked::words(format!("{}: {error}", root.join(NAME).display())))
        };
        if sorted.files.is_empty() {
            return remove_file(&root.join(NAME)).map_err(|error| failed(&error));
        }
        let mut text = serde_json::to_string_pretty(&sorted).unwrap_or_default();
        text.push('\n');
        write_file(&root.join(NAME), text.as_bytes()).map_err(|error| failed(&error))
    }

    /// The file holds this resource from now on, whatever it held before; false when it did already.
    pub(super) fn claim(&mut self, path: &str, resource: &Resource) -> bool {
        let entry = Entry {
            path: path.to_owned(),
            key: resource.key.to_string(),
            kind: resource.address.kind.to_string(),
            scope: resource.address.scope.as_deref().map(str::to_owned),
            name: resource.address.name.to_string(),
        };
        match self.files.iter_mut().find(|known| known.path == path) {
            Some(known) if *known == entry => return false,
            Some(known) => *known = entry,
            None => self.files.push(entry),
        }
        true
    }

    /// Whether a file is ours.
    pub(super) fn has(&self, path: &str) -> bool {
        self.files.iter().any(|entry| entry.path == path)
    }

    /// Takes out the entry of an address.
    pub(super) fn release(&mut self, address: &Address) -> Option<Entry> {
        let position = self.files.iter().position(|entry| entry.address() == *address)?;
        Some(self.files.remove(position))
    }
}
