//! Doing it.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::{StreamExt as _, future::BoxFuture, stream};
use serde_json::{Value as Json, json};

use super::{Part, PromoteRequest, Promotion, tree::Tree};
use crate::image::{
    Digest, Failure, Reference, codes, manifest,
    registry::{Delivery, Place},
    source::{Opened, Source},
};

/// How many images, and how many blobs of each, are copied at a time.
const AT_A_TIME: usize = 4;
/// What signatures and the like are named by tools that know no referrers: `sha256-….sig`.
const ATTACHED: &[&str] = &[".sig", ".att", ".sbom"];
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What was copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Copied {
    /// Manifests and indexes that were not there.
    pub manifests: u64,
    /// Blobs that were sent.
    pub blobs: u64,
    /// Their size, bytes.
    pub bytes: u64,
    /// Blobs that the registry took from another repository of its own.
    pub mounted: u64,
    /// Tags that were set.
    pub tags: u64,
}

/// Copies what a plan says: all content, then all tags, then looks whether each tag stands for its digest. A
/// failure before the first tag leaves everything there as people see it; the number says how many were set.
pub async fn copy(
    request: PromoteRequest<'_>,
    promotion: &Promotion,
    told: &(dyn Fn(String) + Sync),
) -> Result<Copied, (Vec<Failure>, Copied)> {
    let copier = Copier { request, told, counts: Counts::default(), known: Mutex::default() };
    let mut opened = Opened::default();
    let mut open = Vec::new();
    let mut failures = Vec::new();
    for part in promotion.parts.iter().filter(|part| !part.is_done()) {
        match Source::of(&part.source, request.settings, request.registries, &mut opened) {
            Ok(source) => open.push((part, source)),
            Err(failure) => failures.push(failure),
        }
    }
    if failures.is_empty() {
        let content: Vec<_> = open.iter().map(|(part, source)| copier.content(part, source)).collect();
        let content: Vec<Result<(), Failure>> = stream::iter(content).buffered(AT_A_TIME).collect().await;
        failures.extend(content.into_iter().filter_map(Result::err));
    }
    if failures.is_empty() {
        for (part, source) in &open {
            if let Err(failure) = copier.tags(part, source).await {
                failures.push(failure);
            }
        }
    }
    let copied = copier.counts.read();
    if failures.is_empty() { Ok(copied) } else { Err((failures, copied)) }
}

#[derive(Default)]
struct Counts {
    manifests: AtomicU64,
    blobs: AtomicU64,
    bytes: AtomicU64,
    mounted: AtomicU64,
    tags: AtomicU64,
}

impl Counts {
    fn read(&self) -> Copied {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Copied {
            manifests: of(&self.manifests),
            blobs: of(&self.blobs),
            bytes: of(&self.bytes),
            mounted: of(&self.mounted),
            tags: of(&self.tags),
        }
    }
}

struct Copier<'a> {
    request: PromoteRequest<'a>,
    told: &'a (dyn Fn(String) + Sync),
    counts: Counts,
    /// Where the target has a blob, as far as this run knows.
    known: Mutex<HashMap<Digest, String>>,
}

impl Copier<'_> {
    /// Everything an image is made of, and what is attached to it.
    async fn content(&self, part: &Part, source: &Source<'_>) -> Result<(), Failure> {
        if part.source.name() == part.target() {
            return Ok(());
        }
        (self.told)(format!("copying {} to {}", part.source.pinned(&part.digest), part.target()));
        let place = self.request.registries.place(&part.domain, &part.repository);
        let way = Way { part, source, place: &place };
        let mut all = Vec::new();
        self.manifest(&way, &part.digest, &mut all).await?;
        for digest in &all {
            self.attached(&way, digest).await?;
        }
        Ok(())
    }

    /// A manifest after all that it names. `seen` gets it and the manifests below it.
    fn manifest<'f>(
        &'f self,
        way: &'f Way<'_>,
        digest: &'f Digest,
        seen: &'f mut Vec<Digest>,
    ) -> BoxFuture<'f, Result<(), Failure>> {
        Box::pin(async move {
            if seen.contains(digest) {
                return Ok(());
            }
            seen.push(digest.clone());
            let (bytes, media_type) = way.source.bytes(&way.part.source, digest).await?;
            let tree = Tree::read(&bytes, media_type.as_deref())?;
            for child in &tree.manifests {
                self.manifest(way, child, seen).await?;
            }
            // A registry that has a manifest has what it names.
            if self.request.registries.stands_for(way.place, digest.as_str()).await?.is_some() {
                return Ok(());
            }
            let blobs: Vec<_> = tree.blobs.iter().map(|blob| self.blob(way, blob)).collect();
            let blobs: Vec<Result<(), Failure>> = stream::iter(blobs).buffer_unordered(AT_A_TIME).collect().await;
            blobs.into_iter().collect::<Result<(), _>>()?;
            self.request.registries.put_manifest(way.place, digest.as_str(), &tree.media_type, &bytes).await?;
            self.counts.manifests.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
    }

    async fn blob(&self, way: &Way<'_>, (digest, size): &(Digest, u64)) -> Result<(), Failure> {
        let part = way.part;
        let own = !way.source.is_local() && part.source.domain() == &*part.domain;
        let from = if own {
            Some(part.source.path().to_owned())
        } else {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(digest).filter(|repository| **repository != *part.repository).cloned()
        };
        let mut again = true;
        let delivery = loop {
            let open = |from| way.source.stream(&part.source, digest, from);
            match self.request.registries.put_blob(way.place, (digest, *size), from.as_deref(), open).await {
                Ok(delivery) => break delivery,
                // A line that breaks off is tried once more; what a registry refuses is not.
                Err(failure) if again && failure.is_of_the_line() => {
                    again = false;
                }
                Err(failure) => return Err(failure),
            }
        };
        match delivery {
            Delivery::Present => {}
            Delivery::Mounted => {
                self.counts.mounted.fetch_add(1, Ordering::Relaxed);
            }
            Delivery::Sent => {
                self.counts.blobs.fetch_add(1, Ordering::Relaxed);
                self.counts.bytes.fetch_add(*size, Ordering::Relaxed);
            }
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(digest.clone(), part.repository.to_string());
        Ok(())
    }

    /// Signatures, attestations and whatever else refers to a manifest.
    async fn attached(&self, way: &Way<'_>, digest: &Digest) -> Result<(), Failure> {
        let name = format!("{}-{}", digest.algorithm(), digest.hex());
        for ending in ATTACHED {
            let tag = format!("{name}{ending}");
            let Some(found) = way.tagged(&tag, self.request).await? else { continue };
            self.manifest(way, &found, &mut Vec::new()).await?;
            self.set(way, &tag, &found).await?;
        }
        self.referrers(way, digest, &name).await
    }

    /// What refers to a manifest: by the list of a registry that keeps one, and by the index under a tag where
    /// none does.
    async fn referrers(&self, way: &Way<'_>, digest: &Digest, tag: &str) -> Result<(), Failure> {
        let registries = self.request.registries;
        let tagged = way.tagged(tag, self.request).await?;
        let mut all = match &tagged {
            Some(index) => listed(&way.source.bytes(&way.part.source, index).await?.0),
            None => Vec::new(),
        };
        let by_tag = all.len();
        if !way.source.is_local() {
            let origin = registries.origin(&way.part.source);
            let list = registries.referrers(&origin, digest).await?;
            add(&mut all, list.map(|list| entries(&list)).unwrap_or_default());
        }
        for referrer in &all {
            self.manifest(way, &manifest::digest_of(referrer)?, &mut Vec::new()).await?;
        }
        if all.is_empty() || registries.referrers(way.place, digest).await?.is_some() {
            return Ok(());
        }
        let mut there = match registries.stands_for(way.place, tag).await? {
            Some(index) => {
                let place = Reference::parse(&format!("{}@{index}", way.part.target()));
                let place = place.map_err(|error| Failure::new(&codes::REFERENCE, error.to_string()))?;
                listed(&registries.manifest(&place, &index).await?.0)
            }
            None => Vec::new(),
        };
        let before = there.len();
        add(&mut there, all);
        match tagged {
            _ if there.len() == before => Ok(()),
            // The same index, byte for byte, where nothing is to be added to it.
            Some(index) if before == 0 && there.len() == by_tag => self.set(way, tag, &index).await,
            _ => {
                let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": there}).to_string();
                registries.put_manifest(way.place, tag, INDEX, index.as_bytes()).await
            }
        }
    }

    async fn tags(&self, part: &Part, source: &Source<'_>) -> Result<(), Failure> {
        let place = self.request.registries.place(&part.domain, &part.repository);
        let way = Way { part, source, place: &place };
        for tag in part.tags.iter().filter(|tag| tag.before.as_ref() != Some(&part.digest)) {
            self.set(&way, &tag.tag, &part.digest).await?;
            self.counts.tags.fetch_add(1, Ordering::Relaxed);
            (self.told)(format!("tagged {}:{}", part.target(), tag.tag));
        }
        Ok(())
    }

    /// Sets a tag, and looks whether it stands for what it should.
    async fn set(&self, way: &Way<'_>, tag: &str, digest: &Digest) -> Result<(), Failure> {
        let (bytes, media_type) = way.source.bytes(&way.part.source, digest).await?;
        let tree = Tree::read(&bytes, media_type.as_deref())?;
        self.request.registries.put_manifest(way.place, tag, &tree.media_type, &bytes).await?;
        let found = self.request.registries.stands_for(way.place, tag).await?;
        if found.as_ref() == Some(digest) {
            return Ok(());
        }
        let found = found.map_or_else(|| "nothing".to_owned(), |found| found.to_string());
        let message = format!("{}:{tag} stands for {found} after it was set to {digest}", way.part.target());
        Err(Failure::new(&codes::DIGEST_MISMATCH, message).help("somebody else may have pushed it: run the same again"))
    }
}

/// What an index lists; nothing where it is none.
fn listed(bytes: &[u8]) -> Vec<Json> {
    serde_json::from_slice(bytes).map(|index| entries(&index)).unwrap_or_default()
}

fn entries(index: &Json) -> Vec<Json> {
    index.get("manifests").and_then(Json::as_array).cloned().unwrap_or_default()
}

/// Adds what is not there.
fn add(there: &mut Vec<Json>, more: Vec<Json>) {
    for entry in more {
        if there.iter().all(|known| known.get("digest") != entry.get("digest")) {
            there.push(entry);
        }
    }
}

/// From where to where.
struct Way<'a> {
    part: &'a Part,
    source: &'a Source<'a>,
    place: &'a Place,
}

impl Way<'_> {
    /// What a tag beside the image stands for where it comes from.
    async fn tagged(&self, tag: &str, request: PromoteRequest<'_>) -> Result<Option<Digest>, Failure> {
        let source = &self.part.source;
        match self.source {
            Source::Registry(_) | Source::Engine(..) => {
                let origin = request.registries.origin(source);
                request.registries.stands_for(&origin, tag).await
            }
            Source::Layout(layout) => {
                let reference = Reference::parse(&format!("{}:{tag}", source.name())).ok();
                Ok(reference.and_then(|reference| layout.digest(&reference).ok()))
            }
        }
    }
}
