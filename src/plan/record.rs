//! What a revision keeps of the release it wanted: names, bodies with holes where secrets were, and the places
//! that values had, as text.

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use crate::{
    target::{Life, Release},
    value::{
        Address, Called, Fingerprint, Hole, Key, Keyring, Node, Origins, Part, Secrets, Source, Sources, Text, Value,
    },
};

/// The format that is written. Every later version reads it.
const FORMAT: u64 = 1;

/// A release as it is kept.
#[derive(Clone, Debug)]
pub struct Record {
    /// The revision.
    pub revision: u64,
    /// Version of the tool that translated it.
    pub tool: Box<str>,
    /// Everything it wanted.
    pub resources: IndexMap<Key, RecordedResource>,
}

/// One resource of a record.
#[derive(Clone, Debug)]
pub struct RecordedResource {
    /// What it was called.
    pub address: Address,
    /// How it may change.
    pub life: Life,
    /// Its body, with holes where secrets were; its source is the place it had at that time.
    pub body: Node,
    /// Over what it was made from.
    pub inputs: Fingerprint,
}

impl Record {
    /// The record of a release, as it is written into the ledger. Holds no secret.
    pub fn write(release: &Release, revision: u64, tool: &str, keyring: &Keyring) -> Json {
        let origins = &release.origins;
        let resources: Vec<Json> = release
            .resources
            .values()
            .map(|resource| {
                let place =
                    place_of(resource.body.from, origins).or_else(|| place_of(resource.sources(origins), origins));
                json!({
                    "key": resource.key.to_string(),
                    "kind": resource.address.kind,
                    "scope": resource.address.scope,
                    "name": resource.address.name.now(),
                    "life": resource.life,
                    "inputs": resource.inputs,
                    "place": place,
                    "body": write_node(&resource.body, keyring, &release.concealed),
                })
            })
            .collect();
        json!({ "format": FORMAT, "revision": revision, "tool": tool, "resources": resources })
    }

    /// Reads a record back; `None` when it is of a later format or damaged.
    pub fn read(json: &Json, origins: &Origins) -> Option<Self> {
        if json.get("format")?.as_u64()? != FORMAT {
            return None;
        }
        let revision = json.get("revision")?.as_u64()?;
        let mut resources = IndexMap::new();
        for entry in json.get("resources")?.as_array()? {
            let key: Key = entry.get("key")?.as_str()?.parse().ok()?;
            let place = entry.get("place").and_then(Json::as_str);
            let from = place
                .map_or(Sources::NONE, |place| origins.add(Source::Recorded { revision, place: place.into() }).into());
            let name = match entry.get("name").and_then(Json::as_str) {
                Some(name) => Called::Now(name.into()),
                None => Called::AtApply { stem: "".into() },
            };
            let mut body = read_node(entry.get("body")?)?;
            body.from = from;
            resources.insert(
                key,
                RecordedResource {
                    address: Address {
                        kind: entry.get("kind")?.as_str()?.into(),
                        scope: entry.get("scope").and_then(Json::as_str).map(Into::into),
                        name,
                    },
                    life: serde_json::from_value(entry.get("life")?.clone()).ok()?,
                    body,
                    inputs: serde_json::from_value(entry.get("inputs")?.clone()).ok()?,
                },
            );
        }
        Some(Self { revision, tool: json.get("tool")?.as_str()?.into(), resources })
    }
}

/// The first place in a file of the user's, as text.
fn place_of(sources: Sources, origins: &Origins) -> Option<String> {
    use crate::value::FileRole;
    let places = origins.spots(sources).into_iter().filter_map(|spot| origins.place(spot));
    places
        .filter(|place| {
            matches!(origins.role(place.file), Some(FileRole::Compose | FileRole::Settings | FileRole::Content))
        })
        .map(|place| place.to_string())
        .next()
}

/// What is not JSON's own is an object with one key that begins with `$`; a key of the body's own that does
/// gets one more.
fn write_node(node: &Node, keyring: &Keyring, secrets: &Secrets) -> Json {
    let hole = |fingerprint: Fingerprint| json!({ "$hole": keyring.content.map(|_| fingerprint) });
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Integer(value) => json!(value),
        Value::Float(value) => json!(value),
        Value::Text(text) => match text.plain() {
            Some(plain) => json!(plain),
            None => hole(Fingerprint::of_text(text, keyring)),
        },
        Value::Bytes(_) => hole(Fingerprint::of(node, keyring, secrets)),
        Value::Hole(inner) => json!({ "$hole": inner.fingerprint }),
        Value::Reference(key, part) => json!({ "$reference": key.to_string(), "part": part_word(*part) }),
        Value::Theirs(inner) => json!({ "$theirs": inner.as_ref().map(|inner| write_node(inner, keyring, secrets)) }),
        Value::List(items) => items.iter().map(|item| write_node(item, keyring, secrets)).collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| {
                let key = if key.starts_with('$') { format!("${key}") } else { key.to_string() };
                (key, write_node(value, keyring, secrets))
            })
            .collect(),
    }
}

fn read_node(json: &Json) -> Option<Node> {
    let value = match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Float(number.as_f64().unwrap_or_default()), Value::Integer)
        }
        Json::String(text) => Value::Text(Text::from(text.as_str())),
        Json::Array(items) => Value::List(items.iter().map(read_node).collect::<Option<_>>()?),
        Json::Object(map) => {
            if let Some(hole) = map.get("$hole") {
                let fingerprint = hole.as_str().and_then(|text| text.parse().ok());
                Value::Hole(Box::new(Hole { fingerprint, kept: None, sealed: None }))
            } else if let Some(key) = map.get("$reference").and_then(Json::as_str) {
                let part = match map.get("part").and_then(Json::as_str) {
                    Some("identifier") => Part::Identifier,
                    Some("host") => Part::Host,
                    _ => Part::Name,
                };
                Value::Reference(Box::new(key.parse().ok()?), part)
            } else if let Some(inner) = map.get("$theirs") {
                let inner = read_node(inner)?;
                Value::Theirs((inner.value != Value::Null).then(|| Box::new(inner)))
            } else {
                let entries = map.iter().map(|(key, value)| {
                    let key = key.strip_prefix('$').unwrap_or(key);
                    Some((key.into(), read_node(value)?))
                });
                Value::Map(entries.collect::<Option<_>>()?)
            }
        }
    };
    Some(Node { value, from: Sources::NONE })
}

const fn part_word(part: Part) -> &'static str {
    match part {
        Part::Name => "name",
        Part::Identifier => "identifier",
        Part::Host => "host",
    }
}
