//! Views of a promotion.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Paint, document::VERSION};
use crate::image::promote::{Copied, Promotion};

/// What `transship promote` did, or would do.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "transship promote")]
pub struct PromoteDocument {
    version: u32,
    /// Registry and path.
    pub to: String,
    /// Whether anything was written there.
    pub written: bool,
    /// Each image once.
    pub images: Vec<PromotedView>,
    /// What was copied.
    pub copied: CopiedView,
}

/// One image.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PromotedView {
    /// Where it is.
    pub source: String,
    /// Registry and repository it goes to.
    pub target: String,
    /// What it is, here and there.
    pub digest: String,
    /// Whether the digest was there before.
    pub present: bool,
    /// The tags it gets.
    pub tags: Vec<PromotedTagView>,
}

/// One tag.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PromotedTagView {
    /// The tag.
    pub tag: String,
    /// What it stood for before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// How much was copied.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct CopiedView {
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

impl PromoteDocument {
    /// Of a plan, and of what was copied where it was carried out.
    pub fn new(to: &str, promotion: &Promotion, copied: Option<Copied>) -> Self {
        let view = |part: &crate::image::promote::Part| PromotedView {
            source: part.source.to_string(),
            target: part.target(),
            digest: part.digest.to_string(),
            present: part.present,
            tags: part
                .tags
                .iter()
                .map(|tag| PromotedTagView {
                    tag: tag.tag.to_string(),
                    before: tag.before.as_ref().map(ToString::to_string),
                })
                .collect(),
        };
        let amounts = copied.unwrap_or_default();
        Self {
            version: VERSION,
            to: to.to_owned(),
            written: copied.is_some_and(|copied| copied != Copied::default()),
            images: promotion.parts.iter().map(view).collect(),
            copied: CopiedView {
                manifests: amounts.manifests,
                blobs: amounts.blobs,
                bytes: amounts.bytes,
                mounted: amounts.mounted,
                tags: amounts.tags,
            },
        }
    }

    /// The plan for people.
    pub fn text(&self, paint: Paint) -> String {
        let mut out = String::new();
        for image in &self.images {
            let moves = image.tags.iter().any(|tag| tag.before.as_deref() != Some(&*image.digest));
            let sign = if image.present && !moves { paint.dim("=") } else { paint.green("+") };
            let how = if image.present { "is there" } else { "is copied" };
            let _ = writeln!(out, "{sign} {} {}", image.target, paint.dim(&format!("{how}, from {}", image.source)));
            let _ = writeln!(out, "    {}", paint.dim(&image.digest));
            for tag in &image.tags {
                let line = match &tag.before {
                    None => format!("{} :{}", paint.green("+"), tag.tag),
                    Some(before) if *before == image.digest => format!("{} :{}", paint.dim("="), tag.tag),
                    Some(before) => {
                        format!("{} :{} {}", paint.yellow("~"), tag.tag, paint.dim(&format!("was {before}")))
                    }
                };
                let _ = writeln!(out, "    {line}");
            }
        }
        out
    }

    /// What was done, in a line.
    pub fn summary(&self) -> String {
        let CopiedView { manifests, blobs, bytes, mounted, tags } = &self.copied;
        format!("tags set: {tags}; sent: manifests {manifests}, blobs {blobs} ({bytes} bytes); mounted: {mounted}")
    }
}
