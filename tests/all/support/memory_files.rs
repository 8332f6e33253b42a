//! Files that are nowhere but in memory.

use std::{collections::BTreeMap, io};

use transship::compose::{FileKind, Files, RemoteFailure, RemoteReference};

/// Files by absolute path.
#[derive(Debug, Default)]
pub struct MemoryFiles(pub BTreeMap<String, Vec<u8>>);

impl Files for MemoryFiles {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match self.kind(path)? {
            Some(FileKind::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            _ => self.0.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into()),
        }
    }

    fn kind(&self, path: &str) -> io::Result<Option<FileKind>> {
        if let Some(bytes) = self.0.get(path) {
            return Ok(Some(FileKind::File { length: bytes.len() as u64, executable: false }));
        }
        let below = format!("{}/", path.trim_end_matches('/'));
        Ok(self.0.keys().any(|file| file.starts_with(&below)).then_some(FileKind::Directory))
    }

    /// Whatever is asked for stands in a directory `remote`.
    fn remote(&self, _: &RemoteReference) -> Result<String, RemoteFailure> {
        Ok("/w/remote".to_owned())
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let below = format!("{}/", path.trim_end_matches('/'));
        let mut names: Vec<String> = self
            .0
            .keys()
            .filter_map(|file| file.strip_prefix(&below))
            .filter_map(|rest| rest.split('/').next())
            .map(str::to_owned)
            .collect();
        names.dedup();
        Ok(names)
    }
}
