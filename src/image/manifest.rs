//! Manifests and indexes: what a digest stands for.

use serde_json::Value as Json;

use super::{Digest, Failure, Platform};

/// The most that a manifest or an index may hold, bytes. The specification asks registries for 4 MiB.
pub(super) const LARGEST_MANIFEST: usize = 4 * 1024 * 1024;
/// The most that a configuration may hold, bytes.
pub(super) const LARGEST_CONFIGURATION: usize = 8 * 1024 * 1024;
/// What is asked for, indexes first.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// Whether a digest names one image or a choice of them by platform.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// An index (a manifest list): one manifest per platform.
    Index,
    /// One manifest.
    Manifest,
}

impl Kind {
    /// `index` or `manifest`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Manifest => "manifest",
        }
    }

    /// Of a media type, parameters ignored. `None` for everything that is not ours to read.
    pub fn of(media_type: &str) -> Option<Self> {
        match media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/vnd.oci.image.index.v1+json" | "application/vnd.docker.distribution.manifest.list.v2+json" => {
                Some(Self::Index)
            }
            "application/vnd.oci.image.manifest.v1+json" | "application/vnd.docker.distribution.manifest.v2+json" => {
                Some(Self::Manifest)
            }
            _ => None,
        }
    }
}

/// A manifest as far as it is needed.
#[derive(Clone, Debug)]
pub(super) enum Manifest {
    /// The manifests of an index with their platforms, attestations left out.
    Index(Vec<(Platform, Digest)>),
    /// A single image: its configuration and its layers, the lowest first.
    Image(Digest, Vec<Layer>),
}

/// A layer of an image.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) digest: Digest,
    /// As it is sent, bytes.
    pub(super) size: u64,
    /// Whether it is kept where nobody should look: layers that may not be handed on.
    pub(super) elsewhere: bool,
}

impl Manifest {
    /// Reads the bytes of a manifest that came with a media type, or with none.
    pub(super) fn read(bytes: &[u8], media_type: Option<&str>) -> Result<Self, Failure> {
        let json: Json = serde_json::from_slice(bytes).map_err(|_| Failure::manifest("it is not JSON"))?;
        if json.get("schemaVersion").and_then(Json::as_i64) == Some(1) {
            return Err(Failure::manifest("it is of schema 1, which engines no longer run"));
        }
        let inside = json.get("mediaType").and_then(Json::as_str);
        let outside = media_type.filter(|text| !matches!(*text, "" | "application/octet-stream" | "application/json"));
        let kind = match (inside, outside) {
            (Some(inside), Some(outside)) if Kind::of(inside) != Kind::of(outside) => {
                return Err(Failure::manifest("its media type is not the one it was sent with"));
            }
            (Some(text), _) | (None, Some(text)) => Kind::of(text),
            (None, None) if json.get("manifests").is_some() => Some(Kind::Index),
            (None, None) => Some(Kind::Manifest),
        };
        match kind {
            Some(Kind::Index) => {
                if json.get("config").is_some() || json.get("layers").is_some() {
                    return Err(Failure::manifest("it claims to be an index and an image at once"));
                }
                let list = json.get("manifests").and_then(Json::as_array);
                let list = list.ok_or_else(|| Failure::manifest("it is an index without manifests"))?;
                list.iter().filter_map(entry).collect::<Result<_, _>>().map(Self::Index)
            }
            Some(Kind::Manifest) => {
                if json.get("manifests").is_some() {
                    return Err(Failure::manifest("it claims to be an index and an image at once"));
                }
                let config = json.get("config").ok_or_else(|| Failure::manifest("it names no configuration"))?;
                let layers = json.get("layers").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
                let layers = layers.iter().map(layer).collect::<Result<_, _>>()?;
                digest_of(config).map(|config| Self::Image(config, layers))
            }
            None => Err(Failure::manifest("its media type is not that of an image")),
        }
    }
}

fn layer(json: &Json) -> Result<Layer, Failure> {
    let elsewhere = json.get("urls").and_then(Json::as_array).is_some_and(|urls| !urls.is_empty());
    let size = json.get("size").and_then(Json::as_u64).unwrap_or(u64::MAX);
    Ok(Layer { digest: digest_of(json)?, size, elsewhere })
}

/// A manifest of an index; `None` for attestations and what names no platform.
fn entry(json: &Json) -> Option<Result<(Platform, Digest), Failure>> {
    let attestation =
        json.get("annotations").and_then(|annotations| annotations.get("vnd.docker.reference.type")).is_some();
    let platform = platform_of(json.get("platform")?)?;
    if attestation || &*platform.os == "unknown" || &*platform.architecture == "unknown" {
        return None;
    }
    Some(digest_of(json).map(|digest| (platform, digest)))
}

/// `os`, `architecture`, `variant` of a platform or of an image's configuration.
pub(super) fn platform_of(json: &Json) -> Option<Platform> {
    let text = |key: &str| json.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
    Some(Platform::new(text("os")?, text("architecture")?, text("variant")))
}

pub(super) fn digest_of(descriptor: &Json) -> Result<Digest, Failure> {
    let text = descriptor.get("digest").and_then(Json::as_str).unwrap_or_default();
    Digest::parse(text).map_err(|_| Failure::manifest("it names content by something that is no digest"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &Json, media_type: Option<&str>) -> Result<Manifest, String> {
        Manifest::read(json.to_string().as_bytes(), media_type).map_err(|error| error.to_string())
    }

    #[test]
    fn attestations_are_no_platforms() {
        let digest = Digest::of(b"x").to_string();
        let index = serde_json::json!({"schemaVersion": 2, "manifests": [
            {"digest": digest, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
            {"digest": digest, "platform": {"os": "unknown", "architecture": "unknown"}},
        ]});
        let Ok(Manifest::Index(entries)) = read(&index, Some("application/vnd.oci.image.index.v1+json; charset=utf-8"))
        else {
            panic!("not an index");
        };
        let platforms: Vec<String> = entries.iter().map(|(platform, _)| platform.to_string()).collect();
        assert_eq!(platforms, ["linux/arm64"]);
    }

    #[test]
    fn refuses_what_is_not_what_it_says() {
        let digest = Digest::of(b"x").to_string();
        for (json, media_type, expected) in [
            (serde_json::json!({"schemaVersion": 1}), None, "schema 1"),
            (serde_json::json!({"mediaType": "text/html"}), None, "not that of an image"),
            (
                serde_json::json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "config": {"digest": digest}}),
                Some("application/vnd.oci.image.index.v1+json"),
                "not the one it was sent with",
            ),
            (serde_json::json!({"manifests": [], "config": {}}), None, "at once"),
            (serde_json::json!({"config": {"digest": "md5:1"}}), None, "no digest"),
        ] {
            let error = read(&json, media_type).map(|_| ()).unwrap_err();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
