//! A project all of whose images have digests.

use std::{collections::BTreeSet, sync::Arc};

use indexmap::IndexMap;

use super::{Digest, ImageConfiguration, Kind, LockedImage, Platform, Reference, pin::Request, uses::Use};
use crate::{
    compose::model::Project,
    value::{Source, Spot, Text},
};

/// A project all of whose images have digests. Only [`pin`](super::pin()) makes one, and translation takes
/// nothing else.
#[derive(Clone, Debug)]
pub struct Pinned {
    project: Arc<Project>,
    images: IndexMap<Box<str>, PinnedImage>,
}

impl Pinned {
    pub(super) const fn new(project: Arc<Project>, images: IndexMap<Box<str>, PinnedImage>) -> Self {
        Self { project, images }
    }

    /// The application.
    pub const fn project(&self) -> &Arc<Project> {
        &self.project
    }

    /// What a reference runs, by the text that stands in the project. Where services with different
    /// `platform` share it, [`image_of`](Self::image_of) knows the configuration of each.
    pub fn image(&self, written: &Text) -> Option<&PinnedImage> {
        let written = written.plain()?;
        self.images.values().find(|image| &*image.written == written)
    }

    /// What a service runs. `None` for a service of a provider, which has no image.
    pub fn image_of(&self, service: &str) -> Option<&PinnedImage> {
        self.image_at(&format!("services.{service}.image"))
    }

    /// What a `pre_start` container of a service runs: its own image, else the service's.
    pub fn pre_start_image(&self, service: &str, index: usize) -> Option<&PinnedImage> {
        self.image_at(&format!("services.{service}.pre_start[{index}].image")).or_else(|| self.image_of(service))
    }

    /// What a mount of `type: image` holds.
    pub fn mounted_image(&self, service: &str, index: usize) -> Option<&PinnedImage> {
        self.image_at(&format!("services.{service}.volumes[{index}].source"))
    }

    /// What a job runs.
    pub fn image_of_job(&self, job: &str) -> Option<&PinnedImage> {
        self.image_at(&format!("jobs.{job}.image"))
    }

    /// The image that is named at a path of the model, or under the name of an
    /// [`Additional`](super::Additional).
    pub fn image_at(&self, path: &str) -> Option<&PinnedImage> {
        self.images.get(path)
    }

    /// All of them, by the path that names them.
    pub fn images(&self) -> impl Iterator<Item = (&str, &PinnedImage)> {
        self.images.iter().map(|(path, image)| (&**path, image))
    }

    /// The entries of the lock that are in use.
    pub fn references(&self) -> BTreeSet<Box<str>> {
        self.images.values().map(|image| image.key.clone()).collect()
    }
}

/// What one place of a project runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedImage {
    /// `repository@sha256:…`, normalised: what runs. Of an image that one engine alone has: `sha256:…`, its id.
    pub reference: Box<str>,
    /// The entry of the lock: the normalised reference.
    pub key: Box<str>,
    /// The reference as written, for people.
    pub written: Box<str>,
    /// The tag, if it had one.
    pub tag: Option<Box<str>>,
    /// What the reference stands for.
    pub digest: Digest,
    /// What the digest names.
    pub kind: Kind,
    /// What the image runs on, sorted; empty where it does not say.
    pub platforms: Vec<Platform>,
    /// Where the digest comes from: the lock, or the image itself where it was only now looked up.
    pub spot: Spot,
    /// What the image says of itself, where the lock knows.
    pub configuration: Option<ImageConfiguration>,
}

impl PinnedImage {
    pub(super) fn new(one: &Use, key: &str, reference: &Reference, locked: &LockedImage, request: Request<'_>) -> Self {
        let wanted = one.platform.as_ref().map(|platform| &platform.value).or_else(|| request.platforms.first());
        let configuration = locked.configuration(wanted).or_else(|| locked.configuration(None));
        let mut spot = locked.digest.spot;
        if !spot.is_somewhere() {
            let source = Source::Image { reference: one.written.clone(), field: "digest" };
            spot = request.project.origins.add(source);
        }
        Self {
            reference: match locked.kind {
                Kind::Local => locked.digest.value.as_str().into(),
                Kind::Index | Kind::Manifest => reference.pinned(&locked.digest.value).into(),
            },
            key: key.into(),
            written: one.written.clone(),
            tag: reference.tag().map(Into::into),
            digest: locked.digest.value.clone(),
            kind: locked.kind,
            platforms: locked.platforms.clone(),
            spot,
            configuration: configuration.cloned(),
        }
    }
}
