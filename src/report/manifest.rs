//! A release as manifests that may be looked at: secrets concealed, names in the place of references.

use base64::Engine as _;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value as Json;

use super::VERSION;
use crate::{
    diagnostic::FindingView,
    target::Release,
    value::{Key, Node, Part, Value},
    yaml,
};

/// What `transship render` prints.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "transship render")]
pub struct RenderDocument {
    version: u32,
    /// The application.
    pub application: String,
    /// The environment; empty without one.
    pub environment: String,
    /// The vocabulary the objects are written in.
    pub dialect: crate::target::Dialect,
    /// The objects, in the order in which they are made.
    pub resources: Vec<ManifestView>,
    /// What does not carry.
    pub findings: Vec<FindingView>,
}

/// One object.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManifestView {
    /// Who it is.
    pub resource: String,
    /// What it is called.
    pub address: String,
    /// The object, secrets concealed.
    pub body: Json,
}

impl RenderDocument {
    /// A release with the findings of its translation.
    pub fn new(release: &Release, findings: Vec<FindingView>) -> Self {
        let resources = release.resources.values().map(|resource| ManifestView {
            resource: resource.key.to_string(),
            address: resource.address.to_string(),
            body: masked(&resource.body, release),
        });
        Self {
            version: VERSION,
            application: release.application.project.to_string(),
            environment: release.application.environment.to_string(),
            dialect: release.dialect,
            resources: resources.collect(),
            findings,
        }
    }

    /// As one YAML file.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for resource in &self.resources {
            out.push_str("---\n");
            out.push_str(&yaml::write(&resource.body));
        }
        out
    }
}

/// A body as JSON that may be shown.
fn masked(node: &Node, release: &Release) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::from(*value),
        Value::Integer(value) => Json::from(*value),
        Value::Float(value) => Json::from(*value),
        Value::Text(text) => Json::from(text.masked().as_str()),
        // Bytes stand as base64 in manifests, so that readers of the type are content.
        Value::Bytes(id) => Json::from(base64::engine::general_purpose::STANDARD.encode(id.to_string())),
        Value::List(items) => items.iter().map(|item| masked(item, release)).collect(),
        Value::Map(entries) => entries
            .iter()
            .filter(|(_, child)| !matches!(child.value, Value::Theirs(None)))
            .map(|(key, child)| (key.to_string(), masked(child, release)))
            .collect(),
        Value::Reference(key, part) => Json::from(name(key, *part, release)),
        Value::Theirs(default) => default.as_ref().map_or(Json::Null, |inner| masked(inner, release)),
        Value::Hole(_) => Json::from("‹secret›"),
    }
}

fn name(key: &Key, part: Part, release: &Release) -> String {
    match release.resolve(key, part) {
        Some(name) => name.to_owned(),
        None => {
            release.resources.get(key).map_or_else(|| key.to_string(), |resource| resource.address.name.to_string())
        }
    }
}
