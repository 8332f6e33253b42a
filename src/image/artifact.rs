//! Artifacts of registries: a manifest of a type of its own, and files instead of layers.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{
    Digest, Failure, ImageSettings, Reference, Registries, codes,
    manifest::{self, digest_of},
    source::{Opened, Source},
};

/// The most files of one artifact.
const MOST_FILES: usize = 1_000;
/// The most bytes of all files of one artifact.
const LARGEST: usize = 64 * 1024 * 1024;

/// What an artifact is known by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArtifactKind {
    /// `artifactType` of its manifest.
    pub(crate) artifact_type: &'static str,
    /// Where a manifest has no such field: the media type of its configuration.
    pub(crate) configuration: &'static str,
    /// What people call it.
    pub(crate) called: &'static str,
}

/// One file of an artifact.
#[derive(Clone, Debug)]
pub(crate) struct ArtifactFile {
    pub(crate) media_type: String,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) bytes: Vec<u8>,
}

/// Where artifacts are had from: layouts and registries, as images are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Artifacts {
    pub(crate) settings: ImageSettings,
    pub(crate) registries: Registries,
}

impl Artifacts {
    fn source(&self, reference: &Reference) -> Result<Source<'_>, Failure> {
        Source::of(reference, &self.settings, &self.registries, &mut Opened::default())
    }

    /// What a reference stands for.
    pub(crate) async fn digest(&self, reference: &Reference) -> Result<Digest, Failure> {
        match reference.digest() {
            Some(digest) => Ok(digest.clone()),
            None => self.source(reference)?.digest(reference).await,
        }
    }

    /// The files of an artifact, in its order, each verified.
    pub(crate) async fn files(
        &self,
        reference: &Reference,
        digest: &Digest,
        kind: ArtifactKind,
    ) -> Result<Vec<ArtifactFile>, Failure> {
        let source = self.source(reference)?;
        let mut manifest = read(&source, reference, digest).await?;
        if manifest.get("manifests").is_some() {
            // An application that was published with its images.
            let list = manifest.get("manifests").and_then(Json::as_array).cloned().unwrap_or_default();
            let of_kind = |entry: &&Json| text(entry, "artifactType") == Some(kind.artifact_type);
            // Where there are several, the last counts.
            let found = list.iter().rfind(of_kind).ok_or_else(|| foreign(kind, "an index without one"))?;
            manifest = read(&source, reference, &digest_of(found)?).await?;
        }
        let configuration = manifest.get("config").and_then(|config| text(config, "mediaType"));
        match text(&manifest, "artifactType").filter(|artifact| !artifact.is_empty()) {
            Some(artifact) if artifact == kind.artifact_type => {}
            Some(other) => return Err(foreign(kind, &format!("of the type {}", words(other)))),
            None if configuration == Some(kind.configuration) => {}
            None => return Err(foreign(kind, "an image or something else")),
        }
        let layers = manifest.get("layers").and_then(Json::as_array).cloned().unwrap_or_default();
        if layers.len() > MOST_FILES {
            return Err(Failure::manifest(&format!("it has more than {MOST_FILES} files")));
        }
        let mut files = Vec::new();
        let mut total = 0;
        for layer in layers {
            let digest = digest_of(&layer)?;
            let bytes = match &source {
                Source::Layout(layout) => layout.blob(&digest, manifest::LARGEST_CONFIGURATION)?,
                Source::Registry(registries) | Source::Engine(_, registries) => {
                    registries.blob(reference, &digest).await?
                }
            };
            total += bytes.len();
            if total > LARGEST {
                return Err(Failure::manifest(&format!("its files are more than {LARGEST} bytes")));
            }
            let annotations = layer.get("annotations").and_then(Json::as_object).into_iter().flatten();
            files.push(ArtifactFile {
                media_type: text(&layer, "mediaType").unwrap_or_default().to_owned(),
                annotations: annotations
                    .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.into())))
                    .collect(),
                bytes,
            });
        }
        Ok(files)
    }
}

async fn read(source: &Source<'_>, reference: &Reference, digest: &Digest) -> Result<Json, Failure> {
    let (bytes, _) = source.bytes(reference, digest).await?;
    serde_json::from_slice(&bytes).map_err(|_| Failure::manifest("it is not JSON"))
}

fn text<'j>(json: &'j Json, key: &str) -> Option<&'j str> {
    json.get(key).and_then(Json::as_str)
}

fn foreign(kind: ArtifactKind, what: &str) -> Failure {
    Failure::new(&codes::ARTIFACT, format!("it is no {} but {what}", kind.called))
        .help("check the name and the tag, and whether it was published with `docker compose publish`")
}

/// A media type as it may be shown.
fn words(media_type: &str) -> String {
    media_type.chars().filter(char::is_ascii_graphic).take(80).collect()
}
