//! A project every image of which has a digest.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    compose::model::Project,
    value::{Spot, Text},
};

/// A project every image of which has a digest. Only `pin` makes one, and nothing else can be translated.
#[derive(Clone, Debug)]
pub struct Pinned {
    project: Arc<Project>,
    images: BTreeMap<Box<str>, PinnedImage>,
}

impl Pinned {
    /// The images by reference as written; the caller has seen to it that none is missing.
    pub(crate) const fn new(project: Arc<Project>, images: BTreeMap<Box<str>, PinnedImage>) -> Self {
        Self { project, images }
    }

    /// The project.
    pub fn project(&self) -> &Arc<Project> {
        &self.project
    }

    /// What a reference, as it stands in the project, is pinned to.
    pub fn image(&self, written: &Text) -> Option<&PinnedImage> {
        self.images.get(written.raw())
    }
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedImage {
    /// `repository@sha256:…`, normalised: what runs.
    pub reference: Box<str>,
    /// The reference as written, for people.
    pub written: Box<str>,
    /// The tag, if it had one.
    pub tag: Option<Box<str>>,
    /// `sha256:…`.
    pub digest: Box<str>,
    /// Where the digest comes from: the lock.
    pub spot: Spot,
    /// What the image says of itself, where the lock knows.
    pub configuration: Option<ImageConfiguration>,
}

/// What translation needs of an image's configuration. Lists are in the image's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfiguration {
    /// Ports and their protocols.
    pub exposed_ports: Vec<(u16, Box<str>)>,
    /// `user[:group]`.
    pub user: Option<Box<str>>,
    /// `ENTRYPOINT`.
    pub entrypoint: Vec<Box<str>>,
    /// `CMD`.
    pub command: Vec<Box<str>>,
    /// `WORKDIR`.
    pub working_directory: Option<Box<str>>,
    /// `VOLUME`.
    pub volumes: Vec<Box<str>>,
    /// `STOPSIGNAL`.
    pub stop_signal: Option<Box<str>>,
    /// `HEALTHCHECK`.
    pub healthcheck: Option<ImageHealthcheck>,
}

/// `HEALTHCHECK` of an image; absent lengths are Docker's defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageHealthcheck {
    /// `CMD` and words, `CMD-SHELL` and a line, `NONE`.
    pub test: Vec<Box<str>>,
    /// Between two checks.
    pub interval: Option<Duration>,
    /// For one check.
    pub timeout: Option<Duration>,
    /// In which failures do not count.
    pub start_period: Option<Duration>,
    /// Between two checks in that period.
    pub start_interval: Option<Duration>,
    /// Failures in a row until it is unhealthy.
    pub retries: Option<u32>,
}
