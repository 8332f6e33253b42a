//! Compose applications as artifacts of registries, in the form in which `docker compose publish` writes them.

use indexmap::IndexMap;

use crate::{
    compose::RemoteFailure,
    image::{
        Digest, Failure, Reference,
        artifact::{ArtifactFile, ArtifactKind, Artifacts},
        codes,
    },
};

const KIND: ArtifactKind = ArtifactKind {
    artifact_type: "application/vnd.docker.compose.project",
    configuration: "application/vnd.docker.compose.config.empty.v1+json",
    called: "Compose application",
};
const COMPOSE_FILE: &str = "application/vnd.docker.compose.file+yaml";
const ENV_FILE: &str = "application/vnd.docker.compose.envfile";
const MAIN: &str = "compose.yaml";

/// The reference that follows `oci://`.
pub(super) fn reference(text: &str) -> Result<Reference, RemoteFailure> {
    Reference::parse(text).map_err(|error| RemoteFailure {
        code: &codes::REFERENCE,
        message: format!("`{text}` is no reference to an artifact: {error}"),
        help: "write `oci://REGISTRY/REPOSITORY:TAG`".to_owned(),
    })
}

/// The files of an application, by their names.
pub(super) async fn files(
    artifacts: &Artifacts,
    reference: &Reference,
    digest: &Digest,
) -> Result<IndexMap<String, Vec<u8>>, RemoteFailure> {
    let files = artifacts.files(reference, digest, KIND).await.map_err(failure)?;
    arranged(files)
}

/// Overlays are further documents of the one Compose file; what is extended, and env files, are files of their own.
fn arranged(files: Vec<ArtifactFile>) -> Result<IndexMap<String, Vec<u8>>, RemoteFailure> {
    let mut out: IndexMap<String, Vec<u8>> = IndexMap::new();
    for (index, file) in files.into_iter().enumerate() {
        let annotation = |name: &str| file.annotations.get(name).map(String::as_str);
        match file.media_type.as_str() {
            COMPOSE_FILE => {
                let own = annotation("com.docker.compose.file");
                let name = match annotation("com.docker.compose.extends") {
                    Some(_) => own.unwrap_or_default(),
                    None => MAIN,
                };
                let bytes = out.entry(plain(name)?).or_default();
                if index > 0 && own.is_some() {
                    bytes.extend_from_slice(b"\n---\n");
                }
                bytes.extend_from_slice(&file.bytes);
            }
            ENV_FILE => {
                let name = annotation("com.docker.compose.envfile").unwrap_or_default();
                out.insert(plain(name)?, file.bytes);
            }
            _ => {}
        }
    }
    Ok(out)
}

/// All files of an artifact lie side by side.
fn plain(name: &str) -> Result<String, RemoteFailure> {
    let outside = name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '\0']);
    if !outside {
        return Ok(name.to_owned());
    }
    let shown: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
    Err(RemoteFailure {
        code: &codes::ARTIFACT,
        message: format!("it holds a file with the name `{shown}`, which would lie outside it"),
        help: "do not use it; ask those who published it".to_owned(),
    })
}

/// A failure of the registry, as one of a remote part.
pub(super) fn failure(failure: Failure) -> RemoteFailure {
    let Failure { code, message, help } = failure;
    RemoteFailure { code, message, help: help.unwrap_or_else(|| "check the reference, and publish it anew".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(media_type: &str, annotations: &[(&str, &str)], text: &str) -> ArtifactFile {
        ArtifactFile {
            media_type: media_type.to_owned(),
            annotations: annotations.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            bytes: text.as_bytes().to_vec(),
        }
    }

    #[test]
    fn overlays_become_documents_and_other_files_stay_themselves() {
        let named = |name| ("com.docker.compose.file", name);
        let files = vec![
            file(COMPOSE_FILE, &[named("compose.yaml")], "a: 1"),
            file(COMPOSE_FILE, &[named("compose.prod.yaml")], "a: 2"),
            file(COMPOSE_FILE, &[named("x.yaml"), ("com.docker.compose.extends", "true")], "b: 1"),
            file(ENV_FILE, &[("com.docker.compose.envfile", "x.env")], "A=1"),
            file("application/vnd.docker.compose.config.empty.v1+json", &[], "{}"),
        ];
        let arranged = arranged(files).unwrap();
        let text = |name: &str| String::from_utf8(arranged[name].clone()).unwrap();
        assert_eq!(text("compose.yaml"), "a: 1\n---\na: 2");
        assert_eq!(text("x.env"), "A=1");
        // As the reference writes it: an empty document before it changes nothing.
        assert_eq!(text("x.yaml"), "\n---\nb: 1");
        assert_eq!(arranged.len(), 3);
    }

    #[test]
    fn names_lead_nowhere_else() {
        for name in ["../x.env", "/etc/x.env", "a\\b", "..", ""] {
            let files = vec![file(ENV_FILE, &[("com.docker.compose.envfile", name)], "A=1")];
            assert_eq!(arranged(files).unwrap_err().code.name, "artifact-type", "{name}");
        }
        assert!(arranged(vec![file(ENV_FILE, &[], "A=1")]).is_err());
    }
}
