//! Promotion: the digests that were tested, under other names, without an engine and without a disk.
//!
//! [`plan`](fn@plan) reads both sides and says what would happen; [`copy`](fn@copy) does it: content first, all of
//! it, and only then the tags. What breaks off is begun again and finds what is there.

mod copy;
mod plan;
mod source_tags;
mod tree;

use super::{Digest, Reference};

pub use copy::{Copied, copy};
pub use plan::{only_local, plan};
pub use source_tags::source_tags;

/// What is to be promoted, and to where.
#[derive(Clone, Copy, Debug)]
pub struct PromoteRequest<'a> {
    /// The images with the digests they are locked to.
    pub images: &'a [(Reference, Digest)],
    /// Registry and path: `registry.example.com/shop`.
    pub to: &'a str,
    /// The tags that each gets; none: the one it has.
    pub tags: &'a [Box<str>],
    /// Where images come from.
    pub settings: &'a super::ImageSettings,
    /// Whom to ask.
    pub registries: &'a super::Registries,
}

/// What would be done.
#[derive(Clone, Debug)]
pub struct Promotion {
    /// In the order of the project, each image once.
    pub parts: Vec<Part>,
}

/// One image on its way.
#[derive(Clone, Debug)]
pub struct Part {
    /// Where it is: the reference it was locked by.
    pub source: Reference,
    /// What it is, here and there.
    pub digest: Digest,
    /// The registry it goes to.
    pub domain: Box<str>,
    /// The repository there.
    pub repository: Box<str>,
    /// Whether the digest is there already.
    pub present: bool,
    /// The tags it gets.
    pub tags: Vec<PartTag>,
}

/// A tag at the far end.
#[derive(Clone, Debug)]
pub struct PartTag {
    /// The tag.
    pub tag: Box<str>,
    /// What it stands for there now.
    pub before: Option<Digest>,
}

impl Part {
    /// Registry and repository it goes to.
    pub fn target(&self) -> String {
        format!("{}/{}", self.domain, self.repository)
    }

    /// Whether everything is as it should be.
    pub fn is_done(&self) -> bool {
        self.present && self.tags.iter().all(|tag| tag.before.as_ref() == Some(&self.digest))
    }
}

impl Promotion {
    /// Whether there is nothing to do.
    pub fn is_done(&self) -> bool {
        self.parts.iter().all(Part::is_done)
    }
}
