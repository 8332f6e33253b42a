#![allow(clippy::disallowed_methods, reason = "the file system, behind the trait that pure rooms read through")]
//! Files.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use crate::compose::{FileKind, Files};

/// The file system of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn kind(&self, path: &str) -> io::Result<Option<FileKind>> {
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        Ok(Some(if metadata.is_dir() {
            FileKind::Directory
        } else if metadata.is_file() {
            FileKind::File { length: metadata.len(), executable: executable(&metadata) }
        } else {
            FileKind::Other
        }))
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let mut names = fs::read_dir(path)?
            .filter_map(|entry| entry.ok().and_then(|entry| entry.file_name().into_string().ok()))
            .collect::<Vec<_>>();
        names.sort_unstable();
        Ok(names)
    }

    fn resolve(&self, path: &str) -> String {
        fs::canonicalize(path)
            .ok()
            .and_then(|path| path.into_os_string().into_string().ok())
            .unwrap_or_else(|| path.to_owned())
    }
}

impl Disk {
    /// Writes a file whole or not at all: beside it first, then in its place. Missing directories are made.
    ///
    /// # Errors
    /// Those of writing; the file is then what it was.
    pub fn replace(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let path = Path::new(path);
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let beside = directory.join(format!(".{name}.{}.tmp", std::process::id()));
        let written = fs::File::create(&beside).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        let placed = written.and_then(|()| fs::rename(&beside, path));
        if placed.is_err() {
            let _ = fs::remove_file(&beside);
        }
        placed
    }
}

#[cfg(unix)]
fn executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
const fn executable(_: &fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_placed_leaves_nothing_beside_it() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let target = directory.path().join("lock");
        fs::create_dir(&target)?;
        let path = target.to_string_lossy();
        assert!(Disk.replace(&path, b"x").is_err());
        assert_eq!(Disk.list(&directory.path().to_string_lossy())?, ["lock"]);
        let deep = format!("{path}/a/b");
        Disk.replace(&deep, b"x")?;
        assert_eq!(Disk.read(&deep)?, b"x");
        Ok(())
    }
}
