//! Makes Compose applications as artifacts, as `docker compose publish` writes them.

use serde_json::{Value as Json, json};
use transship::image::Digest;

use super::image_layout::{ImageLayout, MANIFEST, bytes};

/// The type of such an artifact.
pub const PROJECT: &str = "application/vnd.docker.compose.project";
/// A Compose file in it.
pub const COMPOSE_FILE: &str = "application/vnd.docker.compose.file+yaml";
/// An env file in it.
pub const ENV_FILE: &str = "application/vnd.docker.compose.envfile";

/// A file: its media type, its annotations, its text.
pub struct File<'a>(pub &'a str, pub &'a [(&'a str, &'a str)], pub &'a str);

/// The main Compose file, with an overlay, a file that is extended, and an env file.
pub fn shop() -> Vec<File<'static>> {
    const NAME: &str = "com.docker.compose.file";
    vec![
        File(
            COMPOSE_FILE,
            &[(NAME, "compose.yaml")],
            "name: shop\nservices:\n  web:\n    extends: {file: base.yaml, service: base}\n    env_file: web.env\n",
        ),
        File(COMPOSE_FILE, &[(NAME, "compose.prod.yaml")], "services:\n  web:\n    labels: {stage: production}\n"),
        File(
            COMPOSE_FILE,
            &[(NAME, "base.yaml"), ("com.docker.compose.extends", "true")],
            "services:\n  base:\n    image: registry.example.com/app:1\n    volumes: [./data:/data]\n",
        ),
        File(ENV_FILE, &[("com.docker.compose.envfile", "web.env")], "FROM=artifact\n"),
    ]
}

/// An artifact of OCI 1.1: it says its type itself.
pub fn artifact(layout: &mut ImageLayout, files: &[File<'_>]) -> Digest {
    manifest(layout, files, "application/vnd.oci.empty.v1+json", Some(PROJECT))
}

/// A manifest of these files.
pub fn manifest(
    layout: &mut ImageLayout,
    files: &[File<'_>],
    configuration: &str,
    artifact_type: Option<&str>,
) -> Digest {
    let layer = |layout: &mut ImageLayout, File(media_type, annotations, text): &File<'_>| {
        let mut descriptor = layout.blob(media_type, text.as_bytes().to_vec());
        let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), Json::from(*value)));
        descriptor["annotations"] = Json::Object(annotations.collect());
        descriptor
    };
    let layers: Vec<Json> = files.iter().map(|file| layer(layout, file)).collect();
    let config = layout.blob(configuration, b"{}".to_vec());
    let mut manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
    if let Some(artifact_type) = artifact_type {
        manifest["artifactType"] = json!(artifact_type);
    }
    let descriptor = layout.blob(MANIFEST, bytes(&manifest));
    Digest::parse(descriptor["digest"].as_str().unwrap()).unwrap()
}
