//! Parts of bodies, and what all translations ask of a model.

use indexmap::IndexMap;

use crate::value::{Name, Node, Origins, Source, Sources, Spot};

/// The entries of a section by name: the order of the file says nothing.
pub(super) fn sorted<T>(section: &IndexMap<Name, T>) -> Vec<(&Name, &T)> {
    let mut all: Vec<(&Name, &T)> = section.iter().collect();
    all.sort_by(|a, b| a.0.cmp(b.0));
    all
}

/// Whether somebody wrote a value: Compose makes up some of its own.
pub(super) fn is_written(spot: Spot, origins: &Origins) -> bool {
    origins.origin(spot).is_some_and(|origin| !matches!(origin.source, Source::Default { .. }))
}

/// A map of the entries that are there; `None` when there is none.
pub(super) fn some_map(entries: Vec<(&str, Option<Node>)>, from: impl Into<Sources>) -> Option<Node> {
    let mut map = Node::map(from);
    for (key, node) in entries {
        set(&mut map, key, node);
    }
    some(map)
}

/// Sets an entry that is there.
pub(super) fn set(map: &mut Node, key: &str, node: Option<Node>) {
    if let Some(node) = node {
        map.set(key, node);
    }
}

/// The map, unless nothing is in it.
pub(super) fn some(map: Node) -> Option<Node> {
    (!map.entries().is_empty()).then_some(map)
}

/// A context of a template: what is absent is null there.
pub(super) fn context(root: &str, entries: Vec<(&str, Option<Node>)>) -> Node {
    let mut inner = Node::map(Sources::NONE);
    for (key, node) in entries {
        inner.set(key, node.unwrap_or_default());
    }
    let mut map = Node::map(Sources::NONE);
    map.set(root, inner);
    map
}
