//! The canonical tree bound to the types of the model.

use std::{sync::Arc, time::Duration};

use indexmap::IndexMap;

use super::{
    codes,
    model::{Content, InitContainer, Job, Project, Service, Triggers},
    normalize, units,
};
use crate::{
    diagnostic::{Finding, Findings},
    value::{Located, Masked, Name, Node, Origins, Secrets, Sources, Spot, Text, Value},
    yaml::{Scalar, Tree},
};

/// Something that a canonical value can be bound to.
pub trait Bind: Sized {
    /// The value, or what is wrong with it.
    fn bind(tree: &Tree, origins: &Origins) -> Result<Self, Finding>;
}

fn wrong(tree: &Tree, wanted: &str) -> Finding {
    let words = format!("{wanted} is wanted here, not a {}", tree.kind());
    Finding::new(&codes::WRONG_TYPE, Masked::words(words), tree.spot)
}

impl Bind for Text {
    fn bind(tree: &Tree, _: &Origins) -> Result<Self, Finding> {
        tree.to_text().ok_or_else(|| wrong(tree, "a string"))
    }
}

impl Bind for Option<Text> {
    fn bind(tree: &Tree, origins: &Origins) -> Result<Self, Finding> {
        if tree.is_null() { Ok(None) } else { Text::bind(tree, origins).map(Some) }
    }
}

impl Bind for bool {
    fn bind(tree: &Tree, _: &Origins) -> Result<Self, Finding> {
        if let Scalar::Bool(value) = tree.value { Ok(value) } else { Err(wrong(tree, "true or false")) }
    }
}

impl Bind for i64 {
    /// Whole numbers; sizes and permission bits are texts by now.
    fn bind(tree: &Tree, _: &Origins) -> Result<Self, Finding> {
        match &tree.value {
            Scalar::Integer(value) => Ok(*value),
            #[allow(clippy::cast_possible_truncation, reason = "whole by now")]
            Scalar::Float(value) => Ok(*value as Self),
            Scalar::Text(text) => {
                let raw = text.raw();
                let octal = raw.len() > 1 && raw.starts_with('0');
                if octal { Self::from_str_radix(raw, 8).ok() } else { raw.parse().ok() }
                    .ok_or_else(|| wrong(tree, "a whole number"))
            }
            _ => Err(wrong(tree, "a whole number")),
        }
    }
}

impl Bind for f64 {
    fn bind(tree: &Tree, _: &Origins) -> Result<Self, Finding> {
        match &tree.value {
            #[allow(clippy::cast_precision_loss, reason = "a number is wanted")]
            Scalar::Integer(value) => Ok(*value as Self),
            Scalar::Float(value) => Ok(*value),
            Scalar::Text(text) => text.raw().parse().map_err(|_| wrong(tree, "a number")),
            _ => Err(wrong(tree, "a number")),
        }
    }
}

impl Bind for Duration {
    fn bind(tree: &Tree, _: &Origins) -> Result<Self, Finding> {
        tree.raw().and_then(units::time).ok_or_else(|| wrong(tree, "a length of time"))
    }
}

impl<T: Bind> Bind for Vec<Located<T>> {
    fn bind(tree: &Tree, origins: &Origins) -> Result<Self, Finding> {
        let items = match &tree.value {
            Scalar::Null => return Ok(Self::new()),
            Scalar::Sequence(items) => items,
            _ => return Err(wrong(tree, "a list")),
        };
        items.iter().map(|item| Ok(Located::new(T::bind(item, origins)?, item.spot))).collect()
    }
}

impl<T: Bind> Bind for IndexMap<Name, Located<T>> {
    fn bind(tree: &Tree, origins: &Origins) -> Result<Self, Finding> {
        let mapping = match &tree.value {
            Scalar::Null => return Ok(Self::new()),
            Scalar::Mapping(mapping) => mapping,
            // Hosts: a list of `name=address`, several per name.
            Scalar::Sequence(items) => return hosts(items, origins),
            _ => return Err(wrong(tree, "a mapping")),
        };
        mapping
            .entries
            .iter()
            .map(|(key, entry)| {
                let spot = if entry.tree.spot.is_somewhere() { entry.tree.spot } else { entry.key };
                let tree = if entry.tree.is_null() { Tree::new(Scalar::Null, spot) } else { entry.tree.clone() };
                Ok((key.as_str().into(), Located::new(T::bind(&tree, origins)?, spot)))
            })
            .collect()
    }
}

fn hosts<T: Bind>(items: &[Tree], origins: &Origins) -> Result<IndexMap<Name, Located<T>>, Finding> {
    let mut grouped: IndexMap<Name, (Vec<Tree>, Spot)> = IndexMap::new();
    for item in items {
        let text = item.as_text().ok_or_else(|| wrong(item, "a string"))?;
        let cut = text.raw().find('=').unwrap_or(text.raw().len());
        let name = text.raw().get(..cut).unwrap_or_default();
        let address = text.slice(cut + 1..text.raw().len().max(cut + 1));
        let slot = grouped.entry(name.into()).or_insert_with(|| (Vec::new(), item.spot));
        slot.0.push(Tree::text(address, item.spot));
    }
    grouped
        .into_iter()
        .map(|(name, (items, spot))| {
            Ok((name, Located::new(T::bind(&Tree::new(Scalar::Sequence(items), spot), origins)?, spot)))
        })
        .collect()
}

impl Bind for Node {
    fn bind(tree: &Tree, origins: &Origins) -> Result<Self, Finding> {
        Ok(node(tree, origins))
    }
}

/// A tree as a body, places kept.
pub fn body(tree: &Tree, origins: &Origins) -> Node {
    node(tree, origins)
}

/// The same, for `x-*`.
fn node(tree: &Tree, origins: &Origins) -> Node {
    let value = match &tree.value {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Bool(*value),
        Scalar::Integer(value) => Value::Integer(*value),
        #[allow(clippy::cast_precision_loss, reason = "JSON has no larger integers")]
        Scalar::Unsigned(value) => Value::Float(*value as f64),
        Scalar::Float(value) => Value::Float(*value),
        Scalar::Timestamp { standard, .. } => Value::Text(Text::from(&**standard)),
        Scalar::Text(text) => return Node { from: text.sources(tree.spot, origins), value: Value::Text(text.clone()) },
        Scalar::Sequence(items) => Value::List(items.iter().map(|item| node(item, origins)).collect()),
        Scalar::Mapping(mapping) => Value::Map(
            mapping.entries.iter().map(|(key, entry)| (key.as_str().into(), node(&entry.tree, origins))).collect(),
        ),
    };
    Node { value, from: Sources::from(tree.spot) }
}

impl Bind for InitContainer {
    fn bind(tree: &Tree, origins: &Origins) -> Result<Self, Finding> {
        let per_replica = tree.get("per_replica").map(|flag| Ok(Located::new(bool::bind(flag, origins)?, flag.spot)));
        Ok(Self { container: Box::new(Service::bind(tree, origins)?), per_replica: per_replica.transpose()? })
    }
}

impl Bind for Job {
    fn bind(tree: &Tree, origins: &Origins) -> Result<Self, Finding> {
        let triggers = tree.get("triggers").map(|part| Ok(Located::new(Triggers::bind(part, origins)?, part.spot)));
        Ok(Self { container: Box::new(Service::bind(tree, origins)?), triggers: triggers.transpose()? })
    }
}

/// One field of a part.
pub(super) fn field<T: Bind>(tree: &Tree, key: &str, origins: &Origins) -> Result<Option<Located<T>>, Finding> {
    // A limit that is one number for both has no mapping around it.
    let single = key == "single" && matches!(tree.value, Scalar::Integer(_) | Scalar::Text(_));
    let Some(found) = (if single { Some(tree) } else { tree.get(key) }) else { return Ok(None) };
    // What is always printed and holds nothing is as good as absent.
    let nothing = match &found.value {
        Scalar::Null => true,
        Scalar::Mapping(mapping) => mapping.entries.is_empty() && !found.spot.is_somewhere(),
        _ => false,
    };
    if nothing {
        return Ok(None);
    }
    Ok(Some(Located::new(T::bind(found, origins)?, found.spot)))
}

/// `x-*` of a part.
pub(super) fn extensions(tree: &Tree, origins: &Origins) -> IndexMap<Name, Node> {
    tree.as_mapping()
        .into_iter()
        .flat_map(|mapping| &mapping.entries)
        .filter(|(key, _)| key.starts_with("x-"))
        .map(|(key, entry)| (key.as_str().into(), node(&entry.tree, origins)))
        .collect()
}

pub(super) fn project(
    mut tree: Tree,
    name: Located<Name>,
    directory: &str,
    contents: IndexMap<Box<str>, Content>,
    origins: &Arc<Origins>,
    concealed: &Arc<Secrets>,
) -> Result<Project, Findings> {
    // The content of a secret that came from a variable, under the name the model has for it.
    if let Some(secrets) = tree.get_mut("secrets").and_then(Tree::as_mapping_mut) {
        for entry in secrets.entries.values_mut() {
            if let Some(secret) = entry.tree.as_mapping_mut()
                && let Some(content) = secret.remove(normalize::SECRET_CONTENT)
            {
                secret.set("content", content);
            }
        }
    }
    Ok(Project {
        name,
        services: section(&tree, "services", origins)?,
        networks: section(&tree, "networks", origins)?,
        volumes: section(&tree, "volumes", origins)?,
        configs: section(&tree, "configs", origins)?,
        secrets: section(&tree, "secrets", origins)?,
        models: section(&tree, "models", origins)?,
        jobs: section(&tree, "jobs", origins)?,
        extensions: extensions(&tree, origins),
        canonical: Arc::new(tree),
        directory: directory.into(),
        parts: Vec::new(),
        contents,
        origins: Arc::clone(origins),
        concealed: Arc::clone(concealed),
    })
}

fn section<T: Bind>(tree: &Tree, key: &str, origins: &Origins) -> Result<IndexMap<Name, Located<T>>, Finding> {
    tree.get(key).map(|part| IndexMap::bind(part, origins)).transpose().map(Option::unwrap_or_default)
}
