//! Archives of images: tar files of an OCI image layout, and what `docker save` writes, also compressed.
#![allow(clippy::disallowed_methods, reason = "an archive is a file, and this is its reader")]

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use serde_json::{Value as Json, json};

use super::{
    Digest, Failure, codes,
    compression::{self, Form},
    layout::reason,
};

/// The most that a list of images or a configuration may hold, bytes.
const LARGEST: u64 = 16 * 1024 * 1024;
/// What of a compressed archive is kept as it is read, bytes: each file of at most this, and all of them.
const HELD_EACH: u64 = 1024 * 1024;
const HELD: u64 = 64 * 1024 * 1024;
/// How many links in a row are followed.
const MOST_LINKS: usize = 8;

/// Images by their names.
pub(super) type Names = Vec<(Box<str>, Digest)>;

/// A tar file, by what is where in it.
#[derive(Debug)]
pub(super) struct Archive {
    path: PathBuf,
    entries: HashMap<String, Entry>,
    /// What is known by its digest alone, in an archive that has no blobs of that name.
    parts: HashMap<Digest, Part>,
}

#[derive(Debug)]
enum Entry {
    /// Where in what is unpacked, and how long.
    At(u64, u64),
    /// The same of a compressed archive, with the digest, and with the content where that is short.
    Packed { start: u64, length: u64, digest: Digest, content: Option<Vec<u8>> },
    /// Another name in the archive.
    Link(String),
}

#[derive(Debug)]
enum Part {
    Named(String),
    Made(Vec<u8>),
}

impl Archive {
    /// Reads what is in it, contents left alone.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let broken = |why: &str| {
            Failure::new(&codes::LAYOUT, format!("{} is no archive of images: {why}", path.display()))
                .help("write it with `docker save`, or with `skopeo copy … oci-archive:FILE:NAME`")
        };
        let failed = |error: &io::Error| broken(&reason(error));
        let file = || File::open(path).map_err(|error| failed(&error));
        let (form, content) = compression::plain(file()?).map_err(|error| failed(&error))?;
        let listed = if form == Form::Plain {
            tar::Archive::new(file()?).entries_with_seek().and_then(|found| list(found, false))
        } else {
            tar::Archive::new(content).entries().and_then(|found| list(found, true))
        };
        let entries = listed.map_err(|error| failed(&error))?;
        if entries.is_empty() {
            return Err(broken("nothing is in it"));
        }
        Ok(Self { path: path.to_owned(), entries, parts: HashMap::new() })
    }

    /// A file in it.
    pub(super) fn file(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let mut name = name;
        for _ in 0..MOST_LINKS {
            match self.entries.get(name) {
                Some(Entry::At(start, length)) => {
                    let mut file = File::open(&self.path)?;
                    file.seek(SeekFrom::Start(*start))?;
                    return Ok(Box::new(file.take(*length)));
                }
                Some(Entry::Packed { content: Some(content), .. }) => {
                    return Ok(Box::new(io::Cursor::new(content.clone())));
                }
                Some(Entry::Packed { start, length, .. }) => {
                    let (_, mut content) = compression::plain(File::open(&self.path)?)?;
                    io::copy(&mut content.by_ref().take(*start), &mut io::sink())?;
                    return Ok(Box::new(content.take(*length)));
                }
                Some(Entry::Link(target)) => name = target,
                None => break,
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }

    /// What is known by its digest alone.
    pub(super) fn part(&self, digest: &Digest) -> Option<io::Result<Box<dyn Read + Send>>> {
        Some(match self.parts.get(digest)? {
            Part::Named(name) => self.file(name),
            Part::Made(bytes) => Ok(Box::new(io::Cursor::new(bytes.clone()))),
        })
    }

    /// The digest of a file, and how long it is.
    fn hashed(&self, name: &str) -> io::Result<(Digest, u64)> {
        match self.entries.get(name) {
            Some(Entry::Packed { length, digest, .. }) => Ok((digest.clone(), *length)),
            _ => Digest::of_all(&mut self.file(name)?),
        }
    }

    fn json(&self, name: &str) -> io::Result<(Json, Vec<u8>)> {
        let mut bytes = Vec::new();
        self.file(name)?.take(LARGEST).read_to_end(&mut bytes)?;
        let json = serde_json::from_slice(&bytes).map_err(|_| io::ErrorKind::InvalidData)?;
        Ok((json, bytes))
    }

    /// The images of `docker save` as engines before the containerd store write it: with configurations and
    /// layers, and without manifests. Each gets the manifest that follows from them, so that its digest is the
    /// same wherever the same archive is read. `None`: it is an OCI image layout.
    pub(super) fn saved_by_docker(&mut self) -> Result<Option<Names>, Failure> {
        if self.entries.contains_key("index.json") || !self.entries.contains_key("manifest.json") {
            return Ok(None);
        }
        let shown = self.path.display().to_string();
        let broken = |name: &str, why: &io::Error| {
            Failure::new(&codes::LAYOUT, format!("{shown}: `{name}`: {}", reason(why)))
                .help("the archive is incomplete or damaged: make it anew")
        };
        let (list, _) = self.json("manifest.json").map_err(|error| broken("manifest.json", &error))?;
        let mut named = Vec::new();
        let mut layers: HashMap<String, (Digest, u64)> = HashMap::new();
        for image in list.as_array().map(Vec::as_slice).unwrap_or_default() {
            let texts = |key: &str| -> Vec<String> {
                let list = image.get(key).and_then(Json::as_array);
                list.into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
            };
            let name = image.get("Config").and_then(Json::as_str).unwrap_or_default().to_owned();
            let (_, configuration) = self.json(&name).map_err(|error| broken(&name, &error))?;
            let digest = Digest::of(&configuration);
            let described = json!({
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": configuration.len(), "digest": digest.as_str(),
            });
            self.parts.insert(digest, Part::Made(configuration));
            let mut described_layers = Vec::new();
            for layer in texts("Layers") {
                let (digest, size) = if let Some(known) = layers.get(&layer) {
                    known.clone()
                } else {
                    let read = self.hashed(&layer).map_err(|error| broken(&layer, &error))?;
                    layers.insert(layer.clone(), read.clone());
                    read
                };
                described_layers.push(json!({
                    "mediaType": "application/vnd.docker.image.rootfs.diff.tar",
                    "size": size, "digest": digest.as_str(),
                }));
                self.parts.insert(digest, Part::Named(layer));
            }
            let manifest = json!({
                "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
                "config": described, "layers": described_layers,
            });
            let manifest = manifest.to_string().into_bytes();
            let digest = Digest::of(&manifest);
            self.parts.insert(digest.clone(), Part::Made(manifest));
            named.extend(texts("RepoTags").into_iter().map(|tag| (tag.into(), digest.clone())));
        }
        Ok(Some(named))
    }
}

/// What is where in an archive. What is `packed` is read as it passes: it is reached later only from the start.
fn list<R: Read>(found: tar::Entries<'_, R>, packed: bool) -> io::Result<HashMap<String, Entry>> {
    let mut entries = HashMap::new();
    let mut held = HELD;
    for entry in found {
        let mut entry = entry?;
        let Some(name) = entry.path().ok().and_then(|name| clean("", &name.to_string_lossy())) else { continue };
        let kind = entry.header().entry_type();
        let (start, length) = (entry.raw_file_position(), entry.size());
        if kind.is_file() && !packed {
            entries.insert(name, Entry::At(start, length));
        } else if kind.is_file() {
            let mut content = None;
            let digest = if length <= HELD_EACH.min(held) {
                held -= length;
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                let digest = Digest::of(&bytes);
                content = Some(bytes);
                digest
            } else {
                Digest::of_all(&mut entry)?.0
            };
            entries.insert(name, Entry::Packed { start, length, digest, content });
        } else if kind.is_symlink() || kind.is_hard_link() {
            let target = entry.link_name().ok().flatten().map(|target| target.to_string_lossy().into_owned());
            let base = if kind.is_symlink() { name.rsplit_once('/').map_or("", |(base, _)| base) } else { "" };
            if let Some(target) = target.and_then(|target| clean(base, &target)) {
                entries.insert(name, Entry::Link(target));
            }
        }
    }
    Ok(entries)
}

/// A name in the archive; `None` for one that leads out of it.
fn clean(base: &str, name: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    let base = if name.starts_with('/') { "" } else { base };
    for part in base.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out() {
        for (base, name, expected) in [
            ("", "./blobs/x", Some("blobs/x")),
            ("a", "../b/layer.tar", Some("b/layer.tar")),
            ("a", "../../etc/passwd", None),
            ("a", "/b", Some("b")),
        ] {
            assert_eq!(clean(base, name).as_deref(), expected, "{base} {name}");
        }
    }
}
