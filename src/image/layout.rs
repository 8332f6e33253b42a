//! Images in files, for sites without a registry: OCI image layouts, as a directory or as an archive, and the
//! archives of `docker save`.
#![allow(clippy::disallowed_methods, reason = "a layout is a directory, and this is its reader")]

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::stream;
use serde_json::Value as Json;

use super::{
    Digest, Failure, Reference,
    archive::{Archive, Names},
    codes, manifest,
    registry::Bytes,
};

/// The most that `index.json` may hold, bytes.
const LARGEST_INDEX: usize = 16 * 1024 * 1024;
/// How much is read at a time, bytes.
const PIECE: usize = 128 * 1024;
/// The annotation that names an image: a full reference, or a tag alone.
const NAME: &str = "org.opencontainers.image.ref.name";
/// The one that containerd and Docker write beside it: a full reference.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// A directory in OCI image layout, or an archive of images.
#[derive(Clone, Debug)]
pub struct Layout {
    path: PathBuf,
    archive: Option<Arc<Archive>>,
    named: Names,
}

impl Layout {
    /// Opens a layout and reads its list of images.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        if path.is_file() {
            return Self::open_archive(path);
        }
        let files = Self { path: path.to_owned(), archive: None, named: Vec::new() };
        files.indexed()
    }

    fn open_archive(path: &Path) -> Result<Self, Failure> {
        let mut archive = Archive::open(path)?;
        let named = archive.saved_by_docker()?;
        let files = |named| Self { path: path.to_owned(), archive: Some(Arc::new(archive)), named };
        match named {
            Some(named) => Ok(files(named)),
            None => files(Vec::new()).indexed(),
        }
    }

    /// With the images that its index names.
    fn indexed(self) -> Result<Self, Failure> {
        let directory = &self.path;
        let broken = |reason: String| {
            Failure::new(&codes::LAYOUT, format!("{} is no OCI image layout: {reason}", directory.display()))
                .help("name a directory that holds `oci-layout` and `index.json`")
        };
        let marker = self.read("oci-layout", 64 * 1024);
        let marker = marker.map_err(|error| broken(format!("`oci-layout`: {}", reason(&error))))?;
        let version = serde_json::from_slice::<Json>(&marker).ok();
        let version = version.as_ref().and_then(|json| json.get("imageLayoutVersion")?.as_str());
        if !version.is_some_and(|version| version.starts_with("1.")) {
            return Err(broken("`oci-layout` does not name version 1".to_owned()));
        }
        let index = self.read("index.json", LARGEST_INDEX);
        let index = index.map_err(|error| broken(format!("`index.json`: {}", reason(&error))))?;
        let index: Json = serde_json::from_slice(&index).map_err(|_| broken("`index.json` is not JSON".to_owned()))?;
        let mut named = Vec::new();
        for entry in index.get("manifests").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default() {
            let annotation = |key: &str| entry.get("annotations")?.get(key)?.as_str();
            let digest = manifest::digest_of(entry)?;
            for name in [NAME, CONTAINERD_NAME].into_iter().filter_map(annotation) {
                named.push((name.into(), digest.clone()));
            }
        }
        Ok(Self { named, ..self })
    }

    /// A file of at most `limit` bytes.
    fn read(&self, name: &str, limit: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let most = u64::try_from(limit).unwrap_or(u64::MAX);
        self.file(name)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
    }

    fn file(&self, name: &str) -> io::Result<Box<dyn io::Read + Send>> {
        match &self.archive {
            Some(archive) => archive.file(name),
            None => Ok(Box::new(std::fs::File::open(self.path.join(name))?)),
        }
    }

    /// A blob, and how its place is shown.
    fn blob_file(&self, digest: &Digest) -> Result<(Box<dyn io::Read + Send>, String), Failure> {
        let name = format!("blobs/{}/{}", digest.algorithm(), digest.hex());
        let shown = self.path.join(&name).display().to_string();
        if let Some(part) = self.archive.as_ref().and_then(|archive| archive.part(digest)) {
            return Ok((part.map_err(|error| incomplete(&shown, &error))?, shown));
        }
        let file = self.file(&name).map_err(|error| incomplete(&shown, &error))?;
        Ok((file, shown))
    }

    /// The digest that a reference stands for here. A full name counts before a tag alone.
    pub fn digest(&self, reference: &Reference) -> Result<Digest, Failure> {
        if let Some(digest) = reference.digest() {
            return Ok(digest.clone());
        }
        let wanted = reference.normalised();
        let full = |name: &str| {
            name.contains(['/', ':']) && Reference::parse(name).is_ok_and(|name| name.normalised() == wanted)
        };
        // A tag alone says nothing about the repository: it counts only where the whole layout is one image.
        let bare =
            |name: &str| name == wanted.wanted() && self.named.iter().all(|(name, _)| !name.contains(['/', ':']));
        let found = self.named.iter().find(|(name, _)| full(name));
        let found = found.or_else(|| self.named.iter().find(|(name, _)| bare(name)));
        found.map(|(_, digest)| digest.clone()).ok_or_else(|| {
            let failure = Failure::new(&codes::NOT_FOUND, format!("not in the image layout {}", self.path.display()));
            let tags: Vec<&str> = self
                .named
                .iter()
                .filter_map(|(name, _)| name.strip_prefix(&*wanted.name())?.strip_prefix(':'))
                .collect();
            if tags.is_empty() {
                failure.help("copy the image into the layout, or correct its name")
            } else {
                failure.help(format!("of that repository the layout has: {}", tags.join(", ")))
            }
        })
    }

    /// A blob from its byte `from` on, as it comes; whoever takes it verifies it.
    pub(super) fn stream(&self, digest: &Digest, from: u64) -> Result<Bytes, Failure> {
        let (mut file, shown) = self.blob_file(digest)?;
        io::copy(&mut file.by_ref().take(from), &mut io::sink()).map_err(|error| incomplete(&shown, &error))?;
        Ok(pieces(file))
    }

    /// The bytes of a blob, at most `limit` of them, verified.
    pub fn blob(&self, digest: &Digest, limit: usize) -> Result<Vec<u8>, Failure> {
        let (file, shown) = self.blob_file(digest)?;
        let mut bytes = Vec::new();
        let most = u64::try_from(limit).unwrap_or(u64::MAX);
        file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| incomplete(&shown, &error))?;
        if bytes.len() > limit {
            return Err(incomplete(&shown, &io::ErrorKind::FileTooLarge.into()));
        }
        if digest.is_of(&bytes) {
            return Ok(bytes);
        }
        Err(Failure::new(&codes::DIGEST_MISMATCH, format!("{shown} does not hold what its name says"))
            .help("the layout is damaged: make it anew"))
    }
}

fn incomplete(shown: &str, error: &io::Error) -> Failure {
    Failure::new(&codes::LAYOUT, format!("{shown}: {}", reason(error))).help("the layout is incomplete: make it anew")
}

/// What can be read, in pieces.
fn pieces(source: impl io::Read + Send + 'static) -> Bytes {
    Box::pin(stream::unfold(Some(source), |source| async move {
        let mut source = source?;
        let mut piece = vec![0; PIECE];
        match source.read(&mut piece) {
            Ok(0) => None,
            Ok(length) => {
                piece.truncate(length);
                Some((Ok(piece), Some(source)))
            }
            Err(error) => Some((Err(error), None)),
        }
    }))
}

/// The reason without the number of the operating system.
pub(super) fn reason(error: &io::Error) -> String {
    error.kind().to_string()
}
