//! Plain input files and what they become: `fixtures/<topic>/`, one folder per case, with the complete manifests and
//! findings of each environment under `expected/`, and of the first in each other dialect under its name.
//! `SNAPSHOTS=overwrite` writes what there is now; read the difference.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, StatefulSet},
    batch::v1::Job,
    core::v1::{ConfigMap, Namespace, PersistentVolumeClaim, Secret, Service},
    networking::v1::NetworkPolicy,
};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use transship::{
    diagnostic::{Findings, Severity, Style, render},
    environment,
    report::RenderDocument,
    session::Disk,
    target::Dialect,
    value::Origins,
};

use crate::support::{
    engines::Engines,
    shop,
    translated::{Translated, translate, translate_as},
};

/// Variables of the process, in every case.
const VARIABLES: &[(&str, &str)] = &[("API_TOKEN", "token-of-the-process"), ("GREETING", "good morning")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// Topics with the folder of their input, the shop last.
fn topics() -> Vec<(String, String)> {
    let mut topics: Vec<(String, String)> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("compose.yaml").is_file())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path.to_string_lossy().into_owned()))
        .collect();
    topics.sort();
    topics.push(("shop".to_owned(), shop::directory()));
    topics
}

/// The environments of a folder; none where it declares none.
fn environments(here: &str) -> Vec<Option<String>> {
    let known = environment::find(&environment::Flags::default(), here, &Disk, &Origins::default()).unwrap();
    let names: Vec<Option<String>> = known.names().iter().map(|name| Some(name.to_string())).collect();
    if names.is_empty() { vec![None] } else { names }
}

/// Every topic on its way to Kubernetes, every environment of it.
fn on_kubernetes() -> impl Iterator<Item = (String, Translated)> {
    all().into_iter().filter(|(_, translated)| translated.translation.release.dialect == Dialect::Kubernetes)
}

/// Every environment of every topic, and its first in the other dialects: where its expectations stand, and what it
/// comes to.
pub(crate) fn all() -> Vec<(String, Translated)> {
    let variables: BTreeMap<String, String> =
        VARIABLES.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut all = Vec::new();
    for (topic, here) in topics() {
        for environment in environments(&here) {
            let folder = match &environment {
                None => format!("{topic}/expected"),
                Some(environment) => format!("{topic}/expected/{environment}"),
            };
            let translated = translate(&Disk, &here, environment.as_deref(), &variables, None);
            let translated = translated.unwrap_or_else(|findings| {
                let messages: Vec<_> = findings.iter().map(|finding| finding.message.to_string()).collect();
                panic!("{topic}: {messages:#?}")
            });
            all.push((folder, translated));
        }
        // The shop has an environment for each of them.
        let others = Dialect::LIVE.into_iter().filter(|dialect| *dialect != Dialect::Kubernetes && topic != "shop");
        for dialect in others {
            let first = environments(&here).remove(0);
            let translated = translate_as(Some(dialect), &Disk, &here, first.as_deref(), &variables, None);
            let translated = translated.unwrap_or_else(|_| panic!("{topic} in {}", dialect.name()));
            all.push((format!("{topic}/{}", dialect.name()), translated));
        }
    }
    all
}

fn document(translated: &Translated) -> RenderDocument {
    RenderDocument::new(&translated.translation.release, Vec::new())
}

fn findings(translated: &Translated) -> String {
    let mut all = Findings::new();
    for finding in translated.findings() {
        all.push(finding.clone());
    }
    let style = Style { color: false, width: 120, least: Severity::Info };
    render(&all, &translated.origins, &translated.secrets, style)
}

#[test]
fn manifests_and_findings_are_as_expected() {
    let compare = |path: PathBuf, text: String| {
        if let (true, Some(parent)) = (std::env::var_os("SNAPSHOTS").is_some(), path.parent()) {
            fs::create_dir_all(parent).unwrap();
        }
        let expected = snapbox::Data::read_from(&path, None).raw();
        snapbox::Assert::new().action_env("SNAPSHOTS").eq(snapbox::Data::text(text).raw(), expected);
    };
    for (folder, translated) in all() {
        compare(root().join(&folder).join("manifests.yaml"), document(&translated).text());
        compare(root().join(&folder).join("findings.txt"), findings(&translated));
    }
}

#[test]
fn no_manifest_shows_a_secret() {
    for (folder, translated) in all() {
        let text = format!("{}{}", document(&translated).text(), findings(&translated));
        for secret in
            ["correct horse", "token-of-the-process", "open-sesame", "0123456789abcdef", "changeme", "topsecret"]
        {
            assert!(!text.contains(secret), "{folder} shows `{secret}`");
        }
    }
}

/// Reads an object as the API does, and tells every field that it would not know.
fn strict<T: DeserializeOwned>(body: &Json) -> Result<(), String> {
    let mut unknown = Vec::new();
    let text = body.to_string();
    let mut reader = serde_json::Deserializer::from_str(&text);
    let mut note = |path: serde_ignored::Path<'_>| unknown.push(path.to_string());
    let read = serde_ignored::Deserializer::new(&mut reader, &mut note);
    serde_path_to_error::deserialize::<_, T>(read).map_err(|error| error.to_string())?;
    if unknown.is_empty() { Ok(()) } else { Err(format!("fields that Kubernetes does not know: {unknown:?}")) }
}

#[test]
fn manifests_hold_what_kubernetes_knows() {
    let mut wrong = Vec::new();
    for (folder, translated) in on_kubernetes() {
        for resource in document(&translated).resources {
            let kind = resource.body["kind"].as_str().unwrap_or_default().to_owned();
            let result = match kind.as_str() {
                "ConfigMap" => strict::<ConfigMap>(&resource.body),
                "DaemonSet" => strict::<DaemonSet>(&resource.body),
                "Deployment" => strict::<Deployment>(&resource.body),
                "Job" => strict::<Job>(&resource.body),
                "Namespace" => strict::<Namespace>(&resource.body),
                "NetworkPolicy" => strict::<NetworkPolicy>(&resource.body),
                "PersistentVolumeClaim" => strict::<PersistentVolumeClaim>(&resource.body),
                "Secret" => strict::<Secret>(&resource.body),
                "Service" => strict::<Service>(&resource.body),
                "StatefulSet" => strict::<StatefulSet>(&resource.body),
                other => Err(format!("a kind that nobody checks: `{other}`")),
            };
            wrong.extend(result.err().map(|why| format!("{folder}: {}: {why}", resource.address)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_real_server_takes_every_manifest() {
    let Some(engines) = Engines::with("a dry run of all fixtures", &["KUBECONFIG", "KUBECTL"]) else { return };
    let namespace = format!("transship-fixtures-{}", std::process::id());
    engines.kubectl(&["create", "namespace", &namespace]);
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("list.json");
    for (_, translated) in on_kubernetes() {
        let mut items: Vec<Json> = document(&translated).resources.into_iter().map(|resource| resource.body).collect();
        items.retain(|body| body["kind"] != "Namespace");
        for body in &mut items {
            body["metadata"]["namespace"] = namespace.as_str().into();
        }
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items});
        fs::write(&path, list.to_string()).unwrap();
        engines.kubectl(&["apply", "--dry-run=server", "--validate=strict", "-f", &path.to_string_lossy()]);
    }
    engines.kubectl(&["delete", "namespace", &namespace, "--wait=false"]);
}
