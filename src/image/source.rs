//! Where an image is looked for, and what is learnt of it there.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde_json::Value as Json;

use super::{
    Digest, Failure, ImageConfiguration, ImageSettings, Kind, Layout, LockedImage, Platform, Reference, Registries,
    SourceKind, accounts,
    manifest::{self, Layer, Manifest},
    registry::Bytes,
};
use crate::value::Located;

/// What is to be known of an image.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Platforms whose configuration counts; none means the usual one.
    pub(super) platforms: Vec<Platform>,
    /// Users by name, beside the image's own.
    pub(super) users: BTreeSet<Box<str>>,
}

/// Layouts that were opened, each once.
pub(super) type Layouts = BTreeMap<PathBuf, Result<Layout, Failure>>;

/// A place that has images.
#[derive(Clone, Debug)]
pub(super) enum Source<'a> {
    /// A directory.
    Layout(Layout),
    /// The registry that the reference names, or its mirror.
    Registry(&'a Registries),
}

impl<'a> Source<'a> {
    /// Where the settings say that an image is.
    pub(super) fn of(
        reference: &Reference,
        settings: &ImageSettings,
        registries: &'a Registries,
        layouts: &mut Layouts,
    ) -> Result<Self, Failure> {
        match settings.source(reference).map(|rule| &rule.kind) {
            Some(SourceKind::Layout(path)) => {
                let layout = layouts.entry(path.clone()).or_insert_with(|| Layout::open(path));
                layout.clone().map(Self::Layout)
            }
            _ => Ok(Self::Registry(registries)),
        }
    }
}

impl Source<'_> {
    pub(super) async fn digest(&self, reference: &Reference) -> Result<Digest, Failure> {
        match self {
            Self::Layout(layout) => layout.digest(reference),
            Self::Registry(registries) => registries.digest(reference).await,
        }
    }

    /// Whether a digest is there.
    pub(super) async fn has(&self, reference: &Reference, digest: &Digest) -> Result<bool, Failure> {
        match self {
            Self::Layout(layout) => Ok(layout.blob(digest, manifest::LARGEST_MANIFEST).is_ok()),
            Self::Registry(registries) => {
                let place = registries.origin(reference);
                Ok(registries.stands_for(&place, digest.as_str()).await?.is_some())
            }
        }
    }

    /// The bytes of a manifest, and the media type they were sent with.
    pub(super) async fn bytes(
        &self,
        reference: &Reference,
        digest: &Digest,
    ) -> Result<(Vec<u8>, Option<String>), Failure> {
        match self {
            Self::Layout(layout) => Ok((layout.blob(digest, manifest::LARGEST_MANIFEST)?, None)),
            Self::Registry(registries) => registries.manifest(reference, digest).await,
        }
    }

    /// A blob as it comes.
    pub(super) async fn stream(&self, reference: &Reference, digest: &Digest) -> Result<Bytes, Failure> {
        match self {
            Self::Layout(layout) => layout.stream(digest),
            Self::Registry(registries) => registries.blob_stream(reference, digest).await,
        }
    }

    async fn manifest(&self, reference: &Reference, digest: &Digest) -> Result<Manifest, Failure> {
        let (bytes, media_type) = self.bytes(reference, digest).await?;
        Manifest::read(&bytes, media_type.as_deref())
    }

    async fn configuration(&self, reference: &Reference, digest: &Digest) -> Result<Json, Failure> {
        let bytes = match self {
            Self::Layout(layout) => layout.blob(digest, manifest::LARGEST_CONFIGURATION)?,
            Self::Registry(registries) => registries.blob(reference, digest).await?,
        };
        serde_json::from_slice(&bytes).map_err(|_| Failure::manifest("its configuration is not JSON"))
    }

    /// The configuration of one platform, with the numbers of its users.
    async fn described(
        &self,
        reference: &Reference,
        blob: &Json,
        layers: &[Layer],
        wanted: &Wanted,
    ) -> Result<ImageConfiguration, Failure> {
        let mut configuration = ImageConfiguration::from_blob(blob);
        let named: BTreeSet<Box<str>> = named(&configuration, wanted).map(Into::into).collect();
        if !named.is_empty() {
            let users = named.iter().map(|user| &**user);
            configuration.user_ids = accounts::read(self, reference, layers, users).await?;
        }
        Ok(configuration)
    }

    /// What a reference stands for, with what is `wanted` of it. `known` is what the lock has: its digest is kept when `keep`, and what it says
    /// is not asked for again while the digest is the same.
    pub(super) async fn resolve(
        &self,
        written: &str,
        reference: &Reference,
        wanted: &Wanted,
        known: Option<&LockedImage>,
        keep: bool,
    ) -> Result<LockedImage, Failure> {
        let digest = match (reference.digest(), known) {
            (Some(digest), _) => digest.clone(),
            (None, Some(known)) if keep => known.digest.value.clone(),
            _ => self.digest(reference).await?,
        };
        let known = known.filter(|known| known.digest.value == digest);
        if let Some(known) = known.filter(|known| is_complete(known, &wanted.platforms) && knows_users(known, wanted)) {
            return Ok(LockedImage { written: written.into(), ..known.clone() });
        }
        let mut configuration = known.map(|known| known.configuration.clone()).unwrap_or_default();
        let (kind, platforms) = match self.manifest(reference, &digest).await? {
            Manifest::Image(config, layers) => {
                let blob = self.configuration(reference, &config).await?;
                let platform = manifest::platform_of(&blob);
                let described = self.described(reference, &blob, &layers, wanted).await?;
                configuration = platform.iter().map(|p| (p.clone(), described.clone())).collect();
                (Kind::Manifest, platform.into_iter().collect())
            }
            Manifest::Index(entries) => {
                for (platform, child) in chosen(&entries, &wanted.platforms) {
                    if configuration.get(platform).is_some_and(|known| unknown(known, wanted).is_empty()) {
                        continue;
                    }
                    let Manifest::Image(config, layers) = self.manifest(reference, child).await? else {
                        return Err(Failure::manifest("its index leads to another index"));
                    };
                    let blob = self.configuration(reference, &config).await?;
                    configuration.insert(platform.clone(), self.described(reference, &blob, &layers, wanted).await?);
                }
                let mut platforms: Vec<Platform> = entries.into_iter().map(|(platform, _)| platform).collect();
                platforms.sort();
                platforms.dedup();
                (Kind::Index, platforms)
            }
        };
        let at = known.map(|known| known.digest.spot).unwrap_or_default();
        Ok(LockedImage { written: written.into(), digest: Located::new(digest, at), kind, platforms, configuration })
    }
}

/// Whether a locked image says all that is asked of it. A platform that does not exist asks for nothing.
pub(super) fn is_complete(image: &LockedImage, wanted: &[Platform]) -> bool {
    if wanted.is_empty() {
        return image.platforms.is_empty() || image.configuration(None).is_some();
    }
    wanted.iter().all(|wanted| {
        !image.platforms.iter().any(|platform| platform.serves(wanted)) || image.configuration(Some(wanted)).is_some()
    })
}

/// Whether a locked image says of its users all that is asked of it.
pub(super) fn knows_users(image: &LockedImage, wanted: &Wanted) -> bool {
    image.configuration.values().all(|configuration| unknown(configuration, wanted).is_empty())
}

/// The users that are names, the image's own and those that are asked for.
fn named<'a>(configuration: &'a ImageConfiguration, wanted: &'a Wanted) -> impl Iterator<Item = &'a str> {
    let users = configuration.user.iter().chain(&wanted.users).map(|user| &**user);
    users.filter(|user| accounts::is_named(user))
}

fn unknown<'a>(configuration: &'a ImageConfiguration, wanted: &'a Wanted) -> Vec<&'a str> {
    named(configuration, wanted).filter(|user| !configuration.user_ids.contains_key(*user)).collect()
}

/// The manifests whose configuration counts.
fn chosen<'a>(entries: &'a [(Platform, Digest)], wanted: &[Platform]) -> BTreeMap<&'a Platform, &'a Digest> {
    let serving = |wanted: &Platform| entries.iter().find(|(platform, _)| platform.serves(wanted));
    let found: Vec<_> = if wanted.is_empty() {
        let linux = || entries.iter().find(|(platform, _)| &*platform.os == "linux");
        serving(&Platform::usual()).or_else(linux).or_else(|| entries.first()).into_iter().collect()
    } else {
        wanted.iter().filter_map(serving).collect()
    };
    found.into_iter().map(|(platform, digest)| (platform, digest)).collect()
}
