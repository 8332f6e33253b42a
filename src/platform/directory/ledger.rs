//! The ledger of a directory: a file per entry, created exclusively.

use std::path::PathBuf;

use super::files::{create_file, remove_file};
use crate::{
    platform::{EntryName, Failure, FailureKind, Ledger, LedgerWriter, Pending},
    target::naming::slug,
    value::{Application, Masked},
};

#[derive(Clone, Debug)]
pub(super) struct DirectoryLedger {
    root: PathBuf,
}

impl DirectoryLedger {
    pub(super) const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn folder(&self, application: &Application) -> PathBuf {
        let environment = if application.environment.is_empty() { "default" } else { &application.environment };
        self.root.join(slug(&application.project, 100)).join(slug(environment, 100))
    }

    fn path(&self, application: &Application, name: &EntryName) -> PathBuf {
        self.folder(application).join(name.0.replace('/', "."))
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        Failure::new(FailureKind::Other, Masked::words(format!("{}: {error}", self.root.display())))
    }
}

impl Ledger for DirectoryLedger {
    fn is_private(&self) -> bool {
        false
    }

    fn list<'a>(&'a self, application: &'a Application) -> Pending<'a, Result<Vec<EntryName>, Failure>> {
        Box::pin(async move {
            let entries = match std::fs::read_dir(self.folder(application)) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(self.failed(&error)),
            };
            let mut names = Vec::new();
            for entry in entries {
                let entry = entry.map_err(|error| self.failed(&error))?;
                let name = entry.file_name().to_string_lossy().into_owned();
                if !name.starts_with('.') {
                    names.push(EntryName(name.replace('.', "/").into()));
                }
            }
            names.sort();
            Ok(names)
        })
    }

    fn read<'a>(
        &'a self,
        application: &'a Application,
        name: &'a EntryName,
    ) -> Pending<'a, Result<Option<Vec<u8>>, Failure>> {
        Box::pin(async move {
            match std::fs::read(self.path(application, name)) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(self.failed(&error)),
            }
        })
    }
}

impl LedgerWriter for DirectoryLedger {
    fn reader(&self) -> &dyn Ledger {
        self
    }

    fn create<'a>(
        &'a self,
        application: &'a Application,
        name: &'a EntryName,
        body: &'a [u8],
    ) -> Pending<'a, Result<bool, Failure>> {
        Box::pin(async move { create_file(&self.path(application, name), body).map_err(|error| self.failed(&error)) })
    }

    fn remove<'a>(&'a self, application: &'a Application, name: &'a EntryName) -> Pending<'a, Result<(), Failure>> {
        Box::pin(async move {
            remove_file(&self.path(application, name)).map_err(|error| self.failed(&error))?;
            // Folders go with their last entry; one that still holds something stays.
            let folder = self.folder(application);
            for folder in [Some(folder.as_path()), folder.parent(), Some(self.root.as_path())].into_iter().flatten() {
                let _ = std::fs::remove_dir(folder);
            }
            Ok(())
        })
    }
}
