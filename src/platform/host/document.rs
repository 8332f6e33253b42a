//! A release as the file that Docker Compose is given, and what is written on containers so that they can be read
//! back.

use std::{collections::BTreeMap, io};

use serde_json::{Map, Value as Json, json};

use crate::{
    compose::{self, FileKind, Files},
    platform::{Unresolved, decode, encode_named},
    target::{
        Release, Resource, Target as _,
        compose::{Compose, kind},
    },
    value::{Hole, Key, Node, Origins, Part, Secrets, Sources, Subject, Value},
    yaml,
};

/// The label that says what a container was made of, secrets left out.
pub(super) const DEFINITION: &str = "dev.transship.definition";
/// What stands there for a secret.
const LEFT_OUT: &str = "$secret";
/// Where the volumes of contents are held, so that nobody takes them for unused.
pub(super) const HELD: &str = "/run/.transship";

/// The file, and the variables that it names.
#[derive(Clone, Debug, Default)]
pub(super) struct Document {
    pub(super) text: String,
    pub(super) variables: BTreeMap<String, String>,
}

/// All services of a release. `count` tells how many containers a service has whose count is not ours; `place` where
/// a volume is on the host of the engine.
pub(super) fn document(
    release: &Release,
    count: &dyn Fn(&Key) -> Option<u32>,
    place: &dyn Fn(&str) -> String,
) -> Result<Document, Unresolved> {
    let mut variables = BTreeMap::new();
    let mut parts: BTreeMap<&str, Map<String, Json>> = BTreeMap::new();
    for (key, resource) in &release.resources {
        let (Subject::Service(name), kind::SERVICE) = (&key.of, &*resource.address.kind) else { continue };
        let mut service = encode_named(&resource.body, release, &mut variables)?;
        let Some(entries) = service.as_object_mut() else { continue };
        entries.remove("state");
        if let Some(Value::Theirs(_)) = resource.body.get("scale").map(|scale| &scale.value)
            && let Some(count) = count(key)
        {
            entries.insert("scale".to_owned(), count.into());
        }
        let definition = definition(resource, release)?.replace('$', "$$");
        if let Some(labels) = entries.get_mut("labels").and_then(Json::as_object_mut) {
            labels.insert(DEFINITION.to_owned(), definition.into());
        }
        hold(entries);
        for (network, _) in resource.body.get("networks").map(Node::entries).unwrap_or_default() {
            let known = Key::new(Subject::Network(network.clone()), crate::value::Role::new(kind::NETWORK));
            let real = release.resolve(&known, Part::Name).unwrap_or(network);
            let entry = json!({"name": real, "external": true});
            parts.entry("networks").or_default().insert(network.to_string(), entry);
        }
        for section in ["configs", "secrets"] {
            for source in sources(entries.get(section)) {
                let file = format!("{}/content", place(&source).trim_end_matches('/'));
                parts.entry(section).or_default().insert(source, json!({"file": file}));
            }
        }
        let mounted = entries.get("volumes").and_then(Json::as_array).into_iter().flatten();
        let volumes: Vec<String> = mounted
            .filter(|mount| mount.get("type").and_then(Json::as_str) == Some("volume"))
            .filter_map(|mount| mount.get("source")?.as_str().map(str::to_owned))
            .collect();
        for volume in volumes {
            let known = Key::new(Subject::Volume(volume.as_str().into()), crate::value::Role::new(kind::VOLUME));
            let real = release.resolve(&known, Part::Name).unwrap_or(&volume).to_owned();
            parts.entry("volumes").or_default().insert(volume, json!({"name": real, "external": true}));
        }
        parts.entry("services").or_default().insert(name.to_string(), service);
    }
    let document: Map<String, Json> =
        parts.into_iter().map(|(section, entries)| (section.to_owned(), Json::Object(entries))).collect();
    Ok(Document { text: yaml::write(&Json::Object(document)), variables })
}

fn sources(references: Option<&Json>) -> Vec<String> {
    let items = references.and_then(Json::as_array).into_iter().flatten();
    items.filter_map(|item| item.get("source")?.as_str().map(str::to_owned)).collect()
}

/// Mounts the volumes of contents whole as well: an engine knows nothing of a volume that is in use only by a path.
fn hold(service: &mut Map<String, Json>) {
    let mut held: Vec<String> = ["configs", "secrets"].iter().flat_map(|name| sources(service.get(*name))).collect();
    held.sort_unstable();
    held.dedup();
    let mounts = held.into_iter().map(|volume| {
        let target = format!("{HELD}/{volume}");
        json!({"type": "volume", "source": volume, "target": target, "read_only": true, "volume": {"nocopy": true}})
    });
    let mounts: Vec<Json> = mounts.collect();
    if !mounts.is_empty() {
        let all = service.entry("volumes").or_insert_with(|| Json::Array(Vec::new()));
        if let Some(all) = all.as_array_mut() {
            all.extend(mounts);
        }
    }
}

/// What a service's containers are made of, as it is compared; names instead of references, secrets left out.
pub(super) fn definition(resource: &Resource, release: &Release) -> Result<String, Unresolved> {
    let mut body = Compose.canonical(&resource.address, resource.body.clone());
    for name in ["scale", "state"] {
        body.remove(name);
    }
    shown(&body, release).map(|json| json.to_string())
}

fn shown(node: &Node, release: &Release) -> Result<Json, Unresolved> {
    Ok(match &node.value {
        Value::Text(text) => text.plain().map_or_else(|| json!({LEFT_OUT: true}), Json::from),
        Value::Bytes(_) | Value::Hole(_) => json!({LEFT_OUT: true}),
        Value::List(items) => items.iter().map(|item| shown(item, release)).collect::<Result<Vec<_>, _>>()?.into(),
        Value::Map(entries) => {
            let entries = entries.iter().map(|(name, child)| Ok((name.to_string(), shown(child, release)?)));
            Json::Object(entries.collect::<Result<_, _>>()?)
        }
        _ => crate::platform::encode(node, release)?,
    })
}

/// What a definition says, with holes where secrets were.
pub(super) fn defined(text: &str) -> Option<Node> {
    fn dig(node: &mut Node) {
        if node.get(LEFT_OUT).is_some() {
            node.value = Value::Hole(Box::new(Hole { fingerprint: None, kept: None, sealed: None }));
            return;
        }
        match &mut node.value {
            Value::Map(entries) => entries.iter_mut().for_each(|(_, child)| dig(child)),
            Value::List(items) => items.iter_mut().for_each(dig),
            _ => {}
        }
    }
    let mut node = decode(&serde_json::from_str(text).ok()?);
    dig(&mut node);
    matches!(node.value, Value::Map(_)).then_some(node)
}

/// A body with names instead of references, as it is compared.
pub(super) fn compared(resource: &Resource, release: &Release) -> Node {
    fn name(node: &mut Node, release: &Release) {
        match &mut node.value {
            Value::Reference(key, part) => {
                let called = release.resources.get(&**key).map(|resource| resource.address.name.to_string());
                let called = release.resolve(key, *part).map(str::to_owned).or(called).unwrap_or_default();
                node.value = Value::from(called);
            }
            Value::Map(entries) => entries.iter_mut().for_each(|(_, child)| name(child, release)),
            Value::List(items) => items.iter_mut().for_each(|item| name(item, release)),
            Value::Theirs(Some(inner)) => {
                name(inner, release);
            }
            _ => {}
        }
    }
    let mut body = resource.body.clone();
    name(&mut body, release);
    Compose.canonical(&resource.address, body)
}

/// The hashes that Docker Compose would write on the containers of each service, as far as they can be known.
pub(super) fn hashes(document: &Document, project: &str) -> BTreeMap<String, String> {
    let request = compose::Request {
        files: vec!["-".to_owned()],
        standard_input: Some(document.text.clone().into_bytes()),
        project_name: Some(project.to_owned()),
        project_directory: Some("/".to_owned()),
        working_directory: "/".to_owned(),
        environment: document.variables.clone(),
        typed: true,
        ..compose::Request::default()
    };
    let (origins, secrets) = (Origins::new(), std::sync::Arc::new(Secrets::default()));
    let configuration = compose::configuration(&request, &NoFiles, &origins, &secrets).ok();
    configuration.and_then(|configuration| configuration.hashes().ok()).into_iter().flatten().collect()
}

/// A document stands for itself.
struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _path: &str) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn kind(&self, _path: &str) -> io::Result<Option<FileKind>> {
        Ok(None)
    }

    fn list(&self, _path: &str) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// A leaf of what was seen.
pub(super) fn leaf(value: impl Into<Value>) -> Node {
    Node::new(value, Sources::NONE)
}
