//! What a manifest is made of.

use serde_json::Value as Json;

use crate::image::{Digest, Failure, Kind, manifest};

/// What has to be there before a manifest may be.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Tree {
    /// The manifests of an index, attestations among them.
    pub(super) manifests: Vec<Digest>,
    /// Configuration and layers with their sizes; layers that are kept elsewhere are left out.
    pub(super) blobs: Vec<(Digest, u64)>,
    /// What it is to be sent as.
    pub(super) media_type: String,
}

impl Tree {
    /// Reads a manifest that was sent as `media_type`.
    pub(super) fn read(bytes: &[u8], media_type: Option<&str>) -> Result<Self, Failure> {
        let json: Json = serde_json::from_slice(bytes).map_err(|_| Failure::manifest("it is not JSON"))?;
        let list = |key: &str| json.get(key).and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut tree = Self::default();
        for entry in list("manifests") {
            tree.manifests.push(manifest::digest_of(entry)?);
        }
        for entry in json.get("config").into_iter().chain(list("layers")) {
            let elsewhere = entry.get("urls").and_then(Json::as_array).is_some_and(|urls| !urls.is_empty());
            let size = entry.get("size").and_then(Json::as_u64);
            if elsewhere {
                continue;
            }
            let size = size.ok_or_else(|| Failure::manifest("it names content without its size"))?;
            let blob = (manifest::digest_of(entry)?, size);
            if !tree.blobs.contains(&blob) {
                tree.blobs.push(blob);
            }
        }
        let inside = json.get("mediaType").and_then(Json::as_str);
        let outside = media_type.filter(|text| Kind::of(text).is_some());
        let usual = if tree.manifests.is_empty() && json.get("manifests").is_none() {
            "application/vnd.oci.image.manifest.v1+json"
        } else {
            "application/vnd.oci.image.index.v1+json"
        };
        inside.or(outside).unwrap_or(usual).clone_into(&mut tree.media_type);
        Ok(tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_that_are_kept_elsewhere_are_not_copied() -> Result<(), Failure> {
        let (one, other) = (Digest::of(b"1"), Digest::of(b"2"));
        let json = serde_json::json!({"schemaVersion": 2, "config": {"digest": one.as_str(), "size": 1}, "layers": [
            {"digest": other.as_str(), "size": 2, "urls": ["https://elsewhere.example.com"]},
            {"digest": one.as_str(), "size": 1},
        ]});
        let tree = Tree::read(json.to_string().as_bytes(), None)?;
        assert_eq!(tree.blobs, [(one, 1)]);
        assert_eq!(tree.media_type, "application/vnd.oci.image.manifest.v1+json");
        Ok(())
    }
}
