//! What `docker compose config` prints: which keys, in which order, in which of its two shapes.

use serde_json::{Map, Value as Json};

use super::{
    normalize,
    order::natural,
    request::Skip,
    typed::{self, Kind},
};
use crate::{diagnostic::Findings, value::Exposure, yaml::Tree};

/// A loaded application, before it is printed.
#[derive(Debug)]
pub struct Configuration {
    tree: Tree,
    name: Box<str>,
    skip: Skip,
    /// Warnings and notes.
    pub findings: Findings,
}

/// The reference's two printers do not agree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    /// No `x-*` below the first level, no models; command and entrypoint always there.
    Json,
    /// Everything, and nothing that is empty.
    Yaml,
}

impl Configuration {
    pub(super) const fn new(tree: Tree, name: Box<str>, skip: Skip, findings: Findings) -> Self {
        Self { tree, name, skip, findings }
    }

    /// As `docker compose config --format json` prints it, secrets in clear.
    pub fn clear(&self) -> Json {
        self.shaped(self.tree.expose(&Exposure::granted()), Shape::Json)
    }

    /// As `docker compose config` prints it in YAML, with `x-*` entries everywhere; secrets in clear.
    pub fn clear_with_extensions(&self) -> Json {
        self.shaped(self.tree.expose(&Exposure::granted()), Shape::Yaml)
    }

    /// The same with secrets concealed.
    pub fn masked(&self) -> Json {
        self.shaped(self.tree.masked(), Shape::Yaml)
    }

    fn shaped(&self, mut json: Json, shape: Shape) -> Json {
        let Json::Object(root) = &mut json else { return json };
        for section in ["configs", "secrets"] {
            for part in root.get_mut(section).and_then(Json::as_object_mut).into_iter().flat_map(Map::values_mut) {
                let Json::Object(part) = part else { continue };
                part.remove(normalize::SECRET_CONTENT);
                if part.contains_key("environment") {
                    part.remove("content");
                }
            }
        }
        if self.skip.interpolation {
            if !self.skip.normalization {
                root.insert("name".to_owned(), Json::from(&*self.name));
            }
            sort(&mut json, shape);
            return json;
        }
        root.insert("name".to_owned(), Json::from(&*self.name));
        root.entry("services").or_insert_with(|| Json::Object(Map::new()));
        root.retain(|key, value| key == "services" || !is_empty_part(key, value));
        if shape == Shape::Json {
            root.remove("models");
        }
        for service in root.get_mut("services").and_then(Json::as_object_mut).into_iter().flat_map(Map::values_mut) {
            if let Json::Object(service) = service {
                service.remove("extends");
            }
        }
        part(&mut json, "root", shape);
        if shape == Shape::Json {
            // The first level alone is sorted by name there.
            if let Json::Object(root) = &mut json {
                root.sort_keys();
            }
        }
        double_dollars(&mut json);
        json
    }
}

fn is_empty_part(key: &str, value: &Json) -> bool {
    let section = typed::fields("root").is_some_and(|fields| matches!(fields.get(key), Some(Kind::Map(_))));
    section && (value.is_null() || value.as_object().is_some_and(Map::is_empty))
}

/// The keys of a part in the order of its type, then the `x-*` ones; others are not printed.
fn part(json: &mut Json, name: &str, shape: Shape) {
    let (Json::Object(map), Some(fields)) = (&mut *json, typed::fields(name)) else { return };
    let mut out = Map::new();
    for (key, kind) in fields {
        let Some(mut value) = map.remove(*key) else { continue };
        ordered(&mut value, *kind, shape);
        if shape == Shape::Json || !is_nothing(&value, *kind) {
            out.insert(printed(name, key, shape).to_owned(), value);
        }
    }
    if shape == Shape::Yaml || name == "root" {
        let mut extensions: Vec<(String, Json)> =
            std::mem::take(map).into_iter().filter(|(key, _)| key.starts_with("x-")).collect();
        extensions.sort_by(|(a, _), (b, _)| natural(a, b));
        for (key, mut value) in extensions {
            sort(&mut value, shape);
            out.insert(key, value);
        }
    }
    *json = Json::Object(out);
}

/// What stands there only because JSON always has it.
fn is_nothing(value: &Json, kind: Kind) -> bool {
    match kind {
        Kind::Leaf(b'W') => value.is_null(),
        Kind::Part(_, true) => value.as_object().is_some_and(Map::is_empty),
        _ => false,
    }
}

/// The limits of block devices have no names for JSON in the reference.
fn printed<'k>(part: &str, key: &'k str, shape: Shape) -> &'k str {
    match (part, key) {
        ("limit" | "weight", "path") if shape == Shape::Json => "Path",
        ("limit", "rate") if shape == Shape::Json => "Rate",
        ("weight", "weight") if shape == Shape::Json => "Weight",
        (_, key) => key,
    }
}

fn ordered(json: &mut Json, kind: Kind, shape: Shape) {
    match kind {
        Kind::Part(name, _) => part(json, name, shape),
        Kind::List(name) => {
            for item in json.as_array_mut().into_iter().flatten() {
                part(item, name, shape);
            }
        }
        Kind::Map("ulimit") => {
            sort(json, shape);
            for limit in json.as_object_mut().into_iter().flat_map(Map::values_mut) {
                part(limit, "ulimit", shape);
            }
        }
        Kind::Map(name) => {
            for value in json.as_object_mut().into_iter().flat_map(Map::values_mut) {
                part(value, name, shape);
            }
            sort_names(json, shape);
        }
        Kind::Leaf(b'g') => agents(json),
        Kind::Leaf(_) => sort(json, shape),
    }
}

/// SSH agents and keys: `default`, or `ID=PATH`.
fn agents(json: &mut Json) {
    let Json::Object(keys) = json else { return };
    let mut items: Vec<String> = std::mem::take(keys)
        .into_iter()
        .map(|(id, path)| path.as_str().map_or_else(|| id.clone(), |path| format!("{id}={path}")))
        .collect();
    items.sort_unstable();
    *json = items.into();
}

fn sort_names(json: &mut Json, shape: Shape) {
    let Json::Object(map) = json else { return };
    if shape == Shape::Json {
        map.sort_keys();
        return;
    }
    let mut entries: Vec<(String, Json)> = std::mem::take(map).into_iter().collect();
    entries.sort_by(|(a, _), (b, _)| natural(a, b));
    *map = entries.into_iter().collect();
}

/// Sorts the names of mappings on all levels.
fn sort(json: &mut Json, shape: Shape) {
    match json {
        Json::Array(items) => items.iter_mut().for_each(|item| sort(item, shape)),
        Json::Object(map) => {
            map.values_mut().for_each(|value| sort(value, shape));
            sort_names(json, shape);
        }
        _ => {}
    }
}

fn double_dollars(json: &mut Json) {
    match json {
        Json::String(text) if text.contains('$') => *text = text.replace('$', "$$"),
        Json::Array(items) => items.iter_mut().for_each(double_dollars),
        Json::Object(map) => {
            if map.keys().any(|key| key.contains('$')) {
                *map = std::mem::take(map).into_iter().map(|(key, value)| (key.replace('$', "$$"), value)).collect();
            }
            map.values_mut().for_each(double_dollars);
        }
        _ => {}
    }
}
