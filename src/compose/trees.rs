//! The remote parts that an application has brought in. What they name stays inside them.

use std::{
    io,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::{
    codes,
    remote::{RemotePlace, RemoteReference},
    request::{FileKind, Files, RemoteFailure, clean, join},
};
use crate::{
    diagnostic::Finding,
    value::{Masked, Origins, Spot},
};

/// The names of a Compose file in a directory of a repository.
const NAMES: &[&str] = &["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

/// The files of the world, with those of remote parts kept to their own tree.
pub(super) struct Trees<'a> {
    files: &'a dyn Files,
    /// Paths are shown as the user would write them: from this directory on.
    shown_from: String,
    known: RwLock<Vec<Tree>>,
}

/// One remote part on this machine.
#[derive(Clone)]
struct Tree {
    root: String,
    /// With all links resolved.
    resolved: String,
    reference: RemoteReference,
    /// Directories of this machine that whoever brought it in gave it to start from.
    given: Vec<String>,
}

impl Tree {
    fn holds(&self, path: &str) -> bool {
        within(&self.root, path)
    }
}

fn within(root: &str, path: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A Compose file that came from elsewhere.
pub(super) struct Fetched {
    /// The file.
    pub(super) file: String,
    /// The directory of the whole part.
    pub(super) root: String,
}

impl<'a> Trees<'a> {
    pub(super) fn new(files: &'a dyn Files, shown_from: &str) -> Self {
        Self { files, shown_from: shown_from.to_owned(), known: RwLock::default() }
    }

    fn known(&self) -> RwLockReadGuard<'_, Vec<Tree>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, Vec<Tree>> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, path: &str) -> Option<Tree> {
        self.known().iter().find(|tree| tree.holds(path)).cloned()
    }

    /// Whether a path is inside a remote part.
    pub(super) fn is_remote(&self, path: &str) -> bool {
        self.of(path).is_some()
    }

    /// The directory of every remote part, with a name that is the same for every revision, unless one part is there
    /// in several.
    pub(super) fn names(&self) -> Vec<(Box<str>, Box<str>)> {
        let known = self.known();
        let name = |tree: &Tree| {
            let short = tree.reference.show_place();
            let alone = known.iter().filter(|other| other.reference.show_place() == short).count() == 1;
            if alone { short } else { tree.reference.name().to_owned() }
        };
        known.iter().map(|tree| (tree.root.as_str().into(), name(tree).into())).collect()
    }

    /// A path as the user would write it.
    pub(super) fn show(&self, path: &str) -> String {
        if let Some(tree) = self.of(path) {
            return tree.reference.show(path.strip_prefix(&tree.root).unwrap_or_default().trim_start_matches('/'));
        }
        let below = path.strip_prefix(&self.shown_from).and_then(|rest| rest.strip_prefix('/'));
        below.unwrap_or(path).to_owned()
    }

    /// Brings a remote part in, and finds the Compose file that its reference names.
    pub(super) fn fetch(&self, reference: &RemoteReference, spot: Spot) -> Result<Fetched, Finding> {
        let root = self.files.remote(reference).map_err(|failure| refused(reference, failure, spot))?;
        let root = clean(&root);
        let wanted = match reference.place() {
            RemotePlace::Git(place) => place.directory.to_string(),
            RemotePlace::Artifact(_) => "compose.yaml".to_owned(),
        };
        let mut file = join(&root, &wanted);
        if wanted.starts_with('/') || !within(&root, &file) {
            return Err(outside(&wanted, reference, spot));
        }
        if !self.known().iter().any(|tree| tree.root == root) {
            let resolved = self.files.resolve(&root);
            let (root, reference) = (root.clone(), reference.clone());
            self.known_mut().push(Tree { root, resolved, reference, given: Vec::new() });
        }
        let nothing = |what: &str| {
            let words = format!("{} holds no {what}", reference.name());
            Finding::new(&codes::REMOTE, Masked::words(words), spot)
        };
        let kind = self.kind(&file).map_err(|_| outside(&wanted, reference, spot))?;
        match kind {
            Some(FileKind::File { .. } | FileKind::Other) => {}
            Some(FileKind::Directory) => {
                let found = NAMES.iter().map(|name| join(&file, name)).find(|path| {
                    // A link that leads outside is told when it is read.
                    !matches!(self.kind(path), Ok(None | Some(FileKind::Directory)))
                });
                file = found.ok_or_else(|| {
                    nothing("Compose file")
                        .help("name its directory after the revision: `REPOSITORY.git#main:DIRECTORY`")
                })?;
            }
            None if matches!(reference.place(), RemotePlace::Artifact(_)) => {
                return Err(nothing("compose.yaml").help("publish it anew with `docker compose publish`"));
            }
            None => return Err(nothing(&format!("`{wanted}`")).help("check the directory that follows the revision")),
        }
        Ok(Fetched { file, root })
    }

    /// Lets the files of a part name those of a directory too: its paths were said to start from there.
    pub(super) fn give(&self, root: &str, directory: &str) {
        for tree in self.known_mut().iter_mut().filter(|tree| tree.root == root) {
            tree.given.push(directory.to_owned());
        }
    }

    /// A path that a file names has to stay inside the remote part that the file is of.
    pub(super) fn stays(&self, path: &str, spot: Spot, origins: &Origins) -> Result<(), Finding> {
        if self.known().is_empty() {
            return Ok(());
        }
        match self.written_in(spot, origins) {
            Some(tree) if !tree.holds(path) && !tree.given.iter().any(|given| within(given, path)) => {
                Err(outside(path, &tree.reference, spot))
            }
            _ => Ok(()),
        }
    }

    /// Whether the file that has this spot may name the path.
    pub(super) fn may_name(&self, path: &str, spot: Spot, origins: &Origins) -> bool {
        self.stays(path, spot, origins).is_ok()
    }

    fn written_in(&self, spot: Spot, origins: &Origins) -> Option<Tree> {
        let place = origins.place(spot)?;
        let known = self.known();
        known.iter().find(|tree| place.path.starts_with(&tree.reference.show(""))).cloned()
    }

    /// Nothing that a link leads outside for.
    fn confined(&self, path: &str) -> io::Result<()> {
        let Some(tree) = self.of(path) else { return Ok(()) };
        let resolved = self.files.resolve(path);
        if resolved == path || within(&tree.resolved, &resolved) {
            return Ok(());
        }
        Err(io::Error::other("a link leads out of the remote part that it is of"))
    }
}

impl Files for Trees<'_> {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.confined(path)?;
        self.files.read(path)
    }

    fn kind(&self, path: &str) -> io::Result<Option<FileKind>> {
        self.confined(path)?;
        self.files.kind(path)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.confined(path)?;
        self.files.list(path)
    }

    fn resolve(&self, path: &str) -> String {
        self.files.resolve(path)
    }

    fn remote(&self, reference: &RemoteReference) -> Result<String, RemoteFailure> {
        self.files.remote(reference)
    }
}

fn refused(reference: &RemoteReference, failure: RemoteFailure, spot: Spot) -> Finding {
    let words = format!("cannot read {}: {}", reference.name(), failure.message);
    Finding::new(failure.code, Masked::words(words), spot).help(Masked::words(failure.help))
}

fn outside(path: &str, reference: &RemoteReference, spot: Spot) -> Finding {
    let words = format!("`{path}` is not in {}", reference.name());
    Finding::new(&codes::OUTSIDE, Masked::words(words), spot)
        .help("a file from elsewhere can name files beside it only; name this one in a file of your own")
}
