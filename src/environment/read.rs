//! From a tree to settings: every value is looked at, every key is known, all mistakes are told at once.

use indexmap::IndexMap;

use super::codes;
use crate::{
    diagnostic::{Finding, Findings, nearest},
    target::{Containerizer, HostPaths, Ordering, Publish, SecretMode},
    value::{Located, Masked, Name, Spot, Text},
    yaml::{Scalar, Tree},
};

/// Something that a value of `transship.yaml` can be.
pub(super) trait Read: Sized {
    /// The value, or `None` after telling why not.
    fn read(tree: &Tree, path: &str, findings: &mut Findings) -> Option<Self>;
}

pub(super) fn wrong(tree: &Tree, path: &str, wanted: &str, findings: &mut Findings) {
    let words = format!("{path}: {wanted} is wanted, not a {}", tree.kind());
    findings.push(Finding::new(&codes::WRONG_SETTING, Masked::words(words), tree.spot).at(path));
}

impl<T: Read> Read for Located<T> {
    fn read(tree: &Tree, path: &str, findings: &mut Findings) -> Option<Self> {
        T::read(tree, path, findings).map(|value| Self::new(value, tree.spot))
    }
}

impl Read for Name {
    fn read(tree: &Tree, path: &str, findings: &mut Findings) -> Option<Self> {
        let text = tree.as_text().and_then(Text::plain).filter(|text| !text.is_empty());
        if text.is_none() {
            wrong(tree, path, "a string", findings);
        }
        text.map(Self::from)
    }
}

/// Any scalar, as it would be in an environment.
impl Read for Text {
    fn read(tree: &Tree, path: &str, findings: &mut Findings) -> Option<Self> {
        let text = tree.to_text();
        if text.is_none() {
            wrong(tree, path, "a string", findings);
        }
        text
    }
}

impl Read for bool {
    fn read(tree: &Tree, path: &str, findings: &mut Findings) -> Option<Self> {
        if let Scalar::Bool(value) = tree.value {
            return Some(value);
        }
        wrong(tree, path, "true or false", findings);
        None
    }
}

impl Read for i64 {
    fn read(tree: &Tree, path: &str, findings: &mut Findings) -> Option<Self> {
        if let Scalar::Integer(value) = tree.value {
            return Some(value);
        }
        wrong(tree, path, "a whole number", findings);
        None
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(tree: &Tree, path: &str, findings: &mut Findings) -> Option<Self> {
        let Some(items) = tree.as_sequence() else {
            wrong(tree, path, "a list", findings);
            return None;
        };
        Some(
            items
                .iter()
                .enumerate()
                .filter_map(|(at, item)| T::read(item, &format!("{path}[{at}]"), findings))
                .collect(),
        )
    }
}

impl<T: Read> Read for IndexMap<Name, T> {
    fn read(tree: &Tree, path: &str, findings: &mut Findings) -> Option<Self> {
        if tree.is_null() {
            return Some(Self::new());
        }
        let Some(mapping) = tree.as_mapping() else {
            wrong(tree, path, "a mapping", findings);
            return None;
        };
        let entries = mapping.entries.iter();
        Some(
            entries
                .filter_map(|(key, entry)| {
                    Some((key.as_str().into(), T::read(&entry.tree, &format!("{path}.{key}"), findings)?))
                })
                .collect(),
        )
    }
}

/// One of a few words.
fn word<T: Copy>(tree: &Tree, path: &str, words: &[(&str, T)], findings: &mut Findings) -> Option<T> {
    let text = tree.as_text().and_then(Text::plain);
    if let Some((_, value)) = text.and_then(|text| words.iter().find(|(word, _)| *word == text)) {
        return Some(*value);
    }
    let list = words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let said = text.map_or_else(|| format!("a {}", tree.kind()), |text| format!("`{text}`"));
    let words_of = Masked::words(format!("{path}: {said} is none of {list}"));
    let mut finding = Finding::new(&codes::WRONG_SETTING, words_of, tree.spot).at(path);
    if let Some(near) = text.and_then(|text| nearest(text, words.iter().map(|(word, _)| *word))) {
        finding = finding.help(Masked::words(format!("did you mean `{near}`?")));
    }
    findings.push(finding);
    None
}

macro_rules! words {
    ($($type:ty { $($word:literal => $variant:ident),* })*) => {
        $(impl Read for $type {
            fn read(tree: &Tree, path: &str, findings: &mut Findings) -> Option<Self> {
                word(tree, path, &[$(($word, Self::$variant)),*], findings)
            }
        })*
    };
}

words! {
    Publish { "none" => None, "nodePort" => NodePort, "loadBalancer" => LoadBalancer }
    SecretMode { "inline" => Inline, "reference" => Reference }
    Ordering { "wait" => Wait, "initContainer" => InitContainer }
    HostPaths { "refuse" => Refuse, "allow" => Allow }
    Containerizer { "docker" => Docker, "mesos" => Mesos }
}

/// Tells every key of a mapping that is not one of `known`, and gives the mapping.
pub(super) fn keys<'t>(
    tree: &'t Tree,
    path: &str,
    known: &[String],
    findings: &mut Findings,
) -> Option<&'t crate::yaml::Mapping> {
    let Some(mapping) = tree.as_mapping() else {
        wrong(tree, path, "a mapping", findings);
        return None;
    };
    for (key, entry) in &mapping.entries {
        if known.iter().any(|name| **name == **key) || key.starts_with("x-") {
            continue;
        }
        let whole = join(path, key);
        let words =
            format!("unknown key `{key}`{}", if path.is_empty() { String::new() } else { format!(" in `{path}`") });
        let finding = Finding::new(&codes::UNKNOWN_SETTING, Masked::words(words), entry.key).at(whole);
        findings.push(match nearest(key, known.iter().map(String::as_str)) {
            Some(near) => finding.help(Masked::words(format!("did you mean `{near}`?"))),
            None => finding.help(Masked::words(format!("known here: {}", known.join(", ")))),
        });
    }
    Some(mapping)
}

pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// `create_namespace` as it is written: `createNamespace`.
pub(super) fn camel(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut upper = false;
    for c in field.chars() {
        if c == '_' {
            upper = true;
        } else {
            out.push(if upper { c.to_ascii_uppercase() } else { c });
            upper = false;
        }
    }
    out
}

/// The place of settings that stand nowhere.
pub(super) const NOWHERE: Spot = Spot::NOWHERE;
