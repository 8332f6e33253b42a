//! Images that a Docker Engine has: what was pushed by the digest of its repository, the rest by their ids.

use serde_json::{Value as Json, json};

use super::{Digest, Failure, ImageConfiguration, Platform, Reference, codes, manifest};
use crate::engine::{Engine, Error};

/// An image as an engine knows it.
#[derive(Clone, Debug)]
pub(super) struct LocalImage {
    /// Nobody else knows it by that.
    pub(super) id: Digest,
    /// What the repository of its name calls it, where it was pushed there or pulled from there.
    pub(super) digest: Option<Digest>,
    pub(super) platform: Option<Platform>,
    pub(super) configuration: ImageConfiguration,
}

/// Asks an engine for an image, by its name or its id.
pub(super) async fn look(engine: &Engine, reference: &Reference, wanted: &str) -> Result<LocalImage, Failure> {
    let found = engine.find(&format!("/images/{wanted}/json"), &[]).await.map_err(|error| failed(&error))?;
    let found = found.ok_or_else(|| {
        Failure::new(&codes::NOT_FOUND, format!("the Docker Engine at {} has no such image", engine.place()))
            .help("build or pull it there, or take its prefix out of the sources with `engine`")
    })?;
    let id = found.get("Id").and_then(Json::as_str).unwrap_or_default();
    let id = Digest::parse(id).map_err(|_| {
        Failure::new(&codes::REGISTRY_FAILED, format!("the Docker Engine at {} gives no id", engine.place()))
    })?;
    let pushed = found.get("RepoDigests").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
    let pushed = pushed.filter_map(|text| Reference::parse(text).ok()).filter(|one| one.name() == reference.name());
    // One content may have several digests; each leads to it, and the same is taken every time.
    let digest = pushed.filter_map(|one| one.digest().cloned()).min();
    let text = |key: &str| found.get(key).cloned().unwrap_or_default();
    let platform = json!({"os": text("Os"), "architecture": text("Architecture"), "variant": text("Variant")});
    let configuration = ImageConfiguration::from_blob(&json!({"config": text("Config")}));
    Ok(LocalImage { id, digest, platform: manifest::platform_of(&platform), configuration })
}

/// The name that an engine has for a reference.
pub(super) fn name(reference: &Reference) -> String {
    reference.normalised().to_string()
}

/// Words of our own: what an engine says is not shown.
pub(super) fn failed(error: &Error) -> Failure {
    let (code, message) = match error {
        Error::TimedOut { .. } => (&codes::TIMED_OUT, error.to_string()),
        Error::Refused { status, .. } => (&codes::REGISTRY_FAILED, format!("the Docker Engine answers with {status}")),
        Error::Failed { .. } => (&codes::REGISTRY_FAILED, "the Docker Engine failed".to_owned()),
        Error::Address { .. } | Error::Unreachable { .. } => (&codes::UNREACHABLE, error.to_string()),
        Error::Broken { .. } | Error::TooOld { .. } => (&codes::REGISTRY_FAILED, error.to_string()),
    };
    let failure = Failure::new(code, message);
    match error.help() {
        Some(help) => failure.help(help),
        None => failure,
    }
}
