//! Makes OCI image layouts: small, valid, and the same bytes every time.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use transship::image::Digest;

/// Media types of what a layout holds.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Of one image.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A layout that is being made.
#[derive(Debug, Default)]
pub struct ImageLayout {
    /// Content by digest.
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    named: Vec<Json>,
}

/// The bytes of JSON as layouts hold it.
pub fn bytes(json: &Json) -> Vec<u8> {
    serde_json::to_vec(json).unwrap()
}

impl ImageLayout {
    /// Keeps content and describes it.
    pub fn blob(&mut self, media_type: &str, content: Vec<u8>) -> Json {
        let digest = Digest::of(&content);
        let descriptor = json!({"mediaType": media_type, "digest": digest.as_str(), "size": content.len()});
        self.blobs.insert(digest, content);
        descriptor
    }

    /// An image for platforms (`linux/arm64/v8`): an index when there are several, a manifest for one. Gives
    /// its digest.
    pub fn image(&mut self, name: &str, platforms: &[&str], config: &Json) -> Digest {
        let layer = tar("README", b"This image holds no program. It exists to be named by its digest.\n");
        let mut manifests: Vec<Json> = platforms
            .iter()
            .map(|platform| {
                let layer = self.blob(LAYER, layer.clone());
                let parts: Vec<&str> = platform.split('/').collect();
                let mut described = json!({"architecture": parts[1], "os": parts[0]});
                if let Some(variant) = parts.get(2) {
                    described["variant"] = json!(variant);
                }
                let mut configuration = described.clone();
                configuration["config"] = config.clone();
                configuration["rootfs"] = json!({"type": "layers", "diff_ids": [layer["digest"]]});
                let configuration = self.blob(CONFIGURATION, bytes(&configuration));
                let manifest = json!({
                    "schemaVersion": 2, "mediaType": MANIFEST, "config": configuration, "layers": [layer],
                });
                let mut descriptor = self.blob(MANIFEST, bytes(&manifest));
                descriptor["platform"] = described;
                descriptor
            })
            .collect();
        let mut descriptor = if manifests.len() == 1 {
            manifests.remove(0)
        } else {
            let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
            self.blob(INDEX, bytes(&index))
        };
        descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        let digest = Digest::parse(descriptor["digest"].as_str().unwrap()).unwrap();
        self.named.push(descriptor);
        digest
    }

    /// An image for `linux/amd64` out of these layers, the lowest first. Gives its digest.
    pub fn image_of(&mut self, name: &str, config: &Json, layers: &[Vec<u8>]) -> Digest {
        let layers: Vec<Json> = layers.iter().map(|layer| self.blob(LAYER, layer.clone())).collect();
        let configuration = json!({"architecture": "amd64", "os": "linux", "config": config});
        let configuration = self.blob(CONFIGURATION, bytes(&configuration));
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": configuration, "layers": layers});
        let mut descriptor = self.blob(MANIFEST, bytes(&manifest));
        let digest = Digest::parse(descriptor["digest"].as_str().unwrap()).unwrap();
        descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        self.named.push(descriptor);
        digest
    }

    /// All files by their path in the layout.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.named});
        let mut index = serde_json::to_vec_pretty(&index).unwrap();
        index.push(b'\n');
        let mut files = BTreeMap::from([
            ("oci-layout".to_owned(), bytes(&json!({"imageLayoutVersion": "1.0.0"}))),
            ("index.json".to_owned(), index),
        ]);
        for (digest, content) in &self.blobs {
            files.insert(format!("blobs/{}/{}", digest.algorithm(), digest.hex()), content.clone());
        }
        files
    }

    /// Writes the layout into a directory.
    pub fn write(&self, directory: &std::path::Path) {
        for (path, content) in self.files() {
            let path = directory.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
    }
}

/// Compressed as most layers are.
pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, content).unwrap();
    encoder.finish().unwrap()
}

/// Compressed as newer ones are.
pub fn zstd(content: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(content, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A tar archive of one file, without times and owners.
pub fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", content.len()));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}
