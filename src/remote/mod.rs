//! Parts of Compose files that are elsewhere: fetched from git repositories and registries, pinned by the lock, kept on
//! this machine by what they hold.
//!
//! Loading is a function of files and knows no network. [`Parts`] is its files: it notes which remote parts the loader
//! asks for, fetches them when loading has come to its end, and loads again.

mod cache;
pub(crate) mod codes;
mod compose_artifact;
mod git;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt, io,
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use futures_util::{StreamExt as _, stream};
use tokio::sync::OnceCell;

use self::{cache::Cache, compose_artifact::failure, git::Git};
use crate::{
    compose::{FileKind, Files, GitPlace, RemoteFailure, RemotePlace, RemoteReference, clean},
    diagnostic::Findings,
    image::{Digest, ImageSettings, PinMode, Registries, artifact::Artifacts},
};

/// The most remote parts of one application.
const MOST: usize = 200;
/// How many are fetched at a time.
const AT_A_TIME: usize = 4;

/// What decides where remote parts come from.
#[derive(Clone, Debug, Default)]
pub struct PartSettings {
    /// Variables of the process: where the cache is, and what `git` is told.
    pub variables: BTreeMap<String, String>,
    /// What may be asked for, and what of the lock is kept.
    pub mode: PinMode,
    /// Where artifacts come from.
    pub images: ImageSettings,
}

/// Files of this machine, and remote parts.
pub struct Parts {
    files: Arc<dyn Files + Send + Sync>,
    settings: PartSettings,
    locked: OnceLock<BTreeMap<Box<str>, Box<str>>>,
    cache: Cache,
    git: Git,
    artifacts: Artifacts,
    known: Mutex<BTreeMap<RemoteReference, Result<Part, RemoteFailure>>>,
    wanted: Mutex<BTreeSet<RemoteReference>>,
    commits: Mutex<HashMap<Revision, Flight>>,
}

/// A repository, and what names a commit in it.
type Revision = (Box<str>, Box<str>);

/// One look at a revision: whoever asks for the same waits for the same answer.
type Flight = Arc<OnceCell<Result<String, RemoteFailure>>>;

/// A remote part on this machine.
#[derive(Clone, Debug)]
struct Part {
    directory: String,
    /// The commit, or the digest of the manifest.
    revision: Box<str>,
}

impl Parts {
    /// Parts fetched as the settings say, beside these files.
    pub fn new(files: Arc<dyn Files + Send + Sync>, settings: PartSettings, registries: Registries) -> Self {
        let set = |name: &str| settings.variables.get(name).filter(|value| !value.is_empty());
        let cache = set("XDG_CACHE_HOME").map(|cache| Path::new(cache).join("transship"));
        let cache = cache.or_else(|| set("HOME").map(|home| Path::new(home).join(".cache/transship")));
        Self {
            files,
            cache: Cache(cache.filter(|cache| cache.is_absolute())),
            git: Git::new(&settings.variables),
            artifacts: Artifacts { settings: settings.images.clone(), registries },
            settings,
            locked: OnceLock::new(),
            known: Mutex::default(),
            wanted: Mutex::default(),
            commits: Mutex::default(),
        }
    }

    /// What may be asked for, and what of the lock is kept.
    pub const fn mode(&self) -> &PinMode {
        &self.settings.mode
    }

    /// Whether loading asked for a remote part that was not fetched yet.
    pub fn is_wanted(&self) -> bool {
        !self.wanted.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Holds the parts to the commits and digests of a lock; the first one counts.
    pub fn hold(&self, locked: BTreeMap<Box<str>, Box<str>>) {
        let _ = self.locked.set(locked);
    }

    /// Loads, and again with what turned out to be elsewhere.
    ///
    /// # Errors
    /// Those of loading; what could not be fetched is a finding at its place.
    pub async fn load<T>(&self, load: impl Fn(&dyn Files) -> Result<T, Findings>) -> Result<T, Findings> {
        loop {
            let loaded = load(self);
            let wanted = std::mem::take(&mut *self.wanted.lock().unwrap_or_else(PoisonError::into_inner));
            if wanted.is_empty() {
                return loaded;
            }
            let room = MOST.saturating_sub(self.known.lock().unwrap_or_else(PoisonError::into_inner).len());
            let fetching = wanted.into_iter().enumerate().map(|(index, reference)| async move {
                let part = if index < room { self.fetch(&reference).await } else { Err(too_many()) };
                (reference, part)
            });
            let fetched: Vec<_> = stream::iter(fetching).buffer_unordered(AT_A_TIME).collect().await;
            self.known.lock().unwrap_or_else(PoisonError::into_inner).extend(fetched);
        }
    }

    /// Which remote parts were used.
    pub fn references(&self) -> Vec<RemoteReference> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().filter(|(_, part)| part.is_ok()).map(|(reference, _)| reference.clone()).collect()
    }

    /// What was used: the commit or digest of every reference.
    pub fn used(&self) -> BTreeMap<Box<str>, Box<str>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().filter_map(|(reference, part)| Some((reference, part.as_ref().ok()?)));
        found.map(|(reference, part)| (reference.name().into(), part.revision.clone())).collect()
    }

    /// What a reference stands for now, whatever the lock says.
    pub async fn upstream(&self, reference: &RemoteReference) -> Result<Box<str>, RemoteFailure> {
        match reference.place() {
            RemotePlace::Git(place) if git::is_commit(&place.revision) => Ok(place.revision.clone()),
            RemotePlace::Git(place) => self.commit(place).await.map(Into::into),
            RemotePlace::Artifact(text) => {
                let artifact = compose_artifact::reference(text)?;
                let digest = self.artifacts.digest(&artifact).await.map_err(failure)?;
                Ok(digest.as_str().into())
            }
        }
    }

    async fn commit(&self, place: &GitPlace) -> Result<String, RemoteFailure> {
        let key = (place.repository.clone(), place.revision.clone());
        let flight = {
            let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(commits.entry(key).or_default())
        };
        flight.get_or_init(|| self.git.commit(place)).await.clone()
    }

    /// The commit or digest that counts.
    async fn revision(&self, reference: &RemoteReference) -> Result<Box<str>, RemoteFailure> {
        let mode = &self.settings.mode;
        let locked = self.locked.get().and_then(|locked| locked.get(reference.name()));
        if let Some(revision) = locked.filter(|_| *mode != PinMode::Update(None)) {
            return Ok(revision.clone());
        }
        let says_itself = match reference.place() {
            RemotePlace::Git(place) => git::is_commit(&place.revision),
            RemotePlace::Artifact(text) => compose_artifact::reference(text)?.digest().is_some(),
        };
        if says_itself || !matches!(mode, PinMode::Locked | PinMode::Offline) {
            return self.upstream(reference).await;
        }
        Err(not_locked("the lock does not hold it"))
    }

    async fn fetch(&self, reference: &RemoteReference) -> Result<Part, RemoteFailure> {
        let revision = self.revision(reference).await?;
        let directory = match reference.place() {
            RemotePlace::Git(place) => {
                if let Some(wanted) = place.checksum.as_deref().filter(|wanted| !revision.starts_with(*wanted)) {
                    return Err(moved(wanted, &revision));
                }
                if !git::is_commit(&revision) {
                    return Err(not_locked("the lock holds no commit for it"));
                }
                self.kept("git", &revision, self.repository(place, &revision)).await?
            }
            RemotePlace::Artifact(text) => {
                let digest = Digest::parse(&revision).map_err(|_| not_locked("the lock holds no digest for it"))?;
                let id = format!("{}-{}", digest.algorithm(), digest.hex());
                self.kept("oci", &id, self.artifact(text, &digest, &id)).await?
            }
        };
        Ok(Part { directory: clean(&directory), revision })
    }

    /// What the cache has, or what is fetched now.
    async fn kept(
        &self,
        kind: &str,
        id: &str,
        fetch: impl Future<Output = Result<String, RemoteFailure>>,
    ) -> Result<String, RemoteFailure> {
        match self.cache.find(kind, id) {
            Some(directory) => Ok(directory),
            None if self.settings.mode == PinMode::Offline => Err(not_locked("it was not fetched before")),
            None => fetch.await,
        }
    }

    async fn repository(&self, place: &GitPlace, commit: &str) -> Result<String, RemoteFailure> {
        let making = self.cache.begin("git", commit)?;
        self.git.checkout(place, commit, making.path()).await?;
        making.remove(".git")?;
        making.done()
    }

    async fn artifact(&self, text: &str, digest: &Digest, id: &str) -> Result<String, RemoteFailure> {
        let reference = compose_artifact::reference(text)?;
        let files = compose_artifact::files(&self.artifacts, &reference, digest).await?;
        let making = self.cache.begin("oci", id)?;
        for (name, bytes) in files {
            making.write(&name, &bytes)?;
        }
        making.done()
    }
}

impl Files for Parts {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.files.read(path)
    }

    fn kind(&self, path: &str) -> io::Result<Option<FileKind>> {
        self.files.kind(path)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.files.list(path)
    }

    fn resolve(&self, path: &str) -> String {
        self.files.resolve(path)
    }

    fn remote(&self, reference: &RemoteReference) -> Result<String, RemoteFailure> {
        if let Some(part) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(reference) {
            return part.as_ref().map(|part| part.directory.clone()).map_err(Clone::clone);
        }
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).insert(reference.clone());
        Err(not_locked("it was not fetched yet"))
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.known.lock().unwrap_or_else(PoisonError::into_inner).keys()).finish()
    }
}

fn not_locked(message: &str) -> RemoteFailure {
    RemoteFailure {
        code: &codes::NOT_LOCKED,
        message: message.to_owned(),
        help: "run `transship lock` where the network is, and keep the result under version control".to_owned(),
    }
}

fn moved(wanted: &str, now: &str) -> RemoteFailure {
    RemoteFailure {
        code: &codes::MISMATCH,
        message: format!("it is {now}, and the reference wants {wanted}"),
        help: "see what changed; then name the new commit in the reference".to_owned(),
    }
}

fn too_many() -> RemoteFailure {
    RemoteFailure {
        code: &codes::TOO_MANY,
        message: format!("the application has more than {MOST} remote parts"),
        help: "put files that belong together into one repository".to_owned(),
    }
}
