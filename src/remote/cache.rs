//! What was fetched, by what it holds: complete, or not there.
#![allow(clippy::disallowed_methods, reason = "the cache is a directory of this machine")]

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use super::codes;
use crate::compose::RemoteFailure;

/// The cache; `None` where nobody says where it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Cache(pub(super) Option<PathBuf>);

/// An entry that is being made. Dropped before it is done, it leaves nothing.
pub(super) struct Making {
    beside: PathBuf,
    place: PathBuf,
}

impl Cache {
    fn place(&self, kind: &str, id: &str) -> Option<PathBuf> {
        self.0.as_ref().map(|root| root.join(kind).join(id))
    }

    /// The directory of an entry.
    pub(super) fn find(&self, kind: &str, id: &str) -> Option<String> {
        self.place(kind, id).filter(|place| place.is_dir()).map(text)
    }

    /// Begins an entry.
    pub(super) fn begin(&self, kind: &str, id: &str) -> Result<Making, RemoteFailure> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let Some(place) = self.place(kind, id) else {
            return Err(RemoteFailure {
                code: &codes::CACHE,
                message: "there is no place to keep it".to_owned(),
                help: "set XDG_CACHE_HOME or HOME".to_owned(),
            });
        };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let beside = place.with_file_name(format!(".{id}.{}.{number}.tmp", std::process::id()));
        let making = Making { beside, place };
        make_directory(&making.beside).map_err(|error| unusable(&making.beside, &error))?;
        Ok(making)
    }
}

impl Making {
    /// Where it is made.
    pub(super) fn path(&self) -> &Path {
        &self.beside
    }

    /// Writes one file.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RemoteFailure> {
        let path = self.beside.join(name);
        fs::write(&path, bytes).map_err(|error| unusable(&path, &error))
    }

    /// Removes a directory in it.
    pub(super) fn remove(&self, name: &str) -> Result<(), RemoteFailure> {
        let path = self.beside.join(name);
        fs::remove_dir_all(&path).map_err(|error| unusable(&path, &error))
    }

    /// Puts it in its place. Who was first counts: all that is kept there holds the same.
    pub(super) fn done(self) -> Result<String, RemoteFailure> {
        match fs::rename(&self.beside, &self.place) {
            Err(error) if !self.place.is_dir() => Err(unusable(&self.place, &error)),
            _ => Ok(text(self.place.clone())),
        }
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.beside);
    }
}

/// For nobody else to look into: what is kept may be nobody else's business.
fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn text(path: PathBuf) -> String {
    path.into_os_string().into_string().unwrap_or_else(|path| path.to_string_lossy().into_owned())
}

fn unusable(path: &Path, error: &io::Error) -> RemoteFailure {
    RemoteFailure {
        code: &codes::CACHE,
        message: format!("{} cannot be written: {error}", path.display()),
        help: "set XDG_CACHE_HOME to a directory that can be written to, and see whether the disk is full".to_owned(),
    }
}
