//! The tree between bytes and the typed model.

use serde_json::Value as Json;
use smol_str::SmolStr;

use super::{Entries, go_float};
use crate::value::{Masked, Spot, Text};

/// A value as written, then interpolated, merged and made canonical.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// What it is.
    pub value: Scalar,
    /// Where it is.
    pub spot: Spot,
    /// `!reset` and `!override`.
    pub tag: Tag,
}

/// The tags that mean something to Compose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tag {
    /// None, or one without a meaning.
    #[default]
    None,
    /// `!reset`.
    Reset,
    /// `!override`.
    Override,
}

/// The kinds that the Compose reference tells apart.
#[derive(Clone, Debug, Default)]
pub enum Scalar {
    /// Null.
    #[default]
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number that fits.
    Integer(i64),
    /// One above `i64::MAX`.
    Unsigned(u64),
    /// Any other number.
    Float(f64),
    /// A date or time.
    Timestamp {
        /// As the reference prints it as a text.
        text: Box<str>,
        /// RFC 3339.
        standard: Box<str>,
    },
    /// A string.
    Text(Text),
    /// Items in order.
    Sequence(Vec<Tree>),
    /// Entries in order.
    Mapping(Mapping),
}

/// The entries of a mapping, in the order written; keys are unique.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// By key.
    pub entries: Entries,
}

/// A value and the place of its key.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Where the key is.
    pub key: Spot,
    /// The value.
    pub tree: Tree,
}

impl Tree {
    /// A value at a place.
    pub const fn new(value: Scalar, spot: Spot) -> Self {
        Self { value, spot, tag: Tag::None }
    }

    /// A string at a place.
    pub fn text(text: impl Into<Text>, spot: Spot) -> Self {
        Self::new(Scalar::Text(text.into()), spot)
    }

    /// An empty mapping at a place.
    pub fn mapping(spot: Spot) -> Self {
        Self::new(Scalar::Mapping(Mapping::default()), spot)
    }

    /// The entry of a mapping.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_mapping()?.get(key)
    }

    /// The entry of a mapping, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        self.as_mapping_mut()?.get_mut(key)
    }

    /// What is at a path of keys and numbers of items.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |tree, step| match &tree.value {
            Scalar::Mapping(mapping) => mapping.get(step),
            Scalar::Sequence(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// The mapping, if it is one.
    pub const fn as_mapping(&self) -> Option<&Mapping> {
        if let Scalar::Mapping(mapping) = &self.value { Some(mapping) } else { None }
    }

    /// The mapping, to change it.
    pub const fn as_mapping_mut(&mut self) -> Option<&mut Mapping> {
        if let Scalar::Mapping(mapping) = &mut self.value { Some(mapping) } else { None }
    }

    /// The items, if it is a sequence.
    pub fn as_sequence(&self) -> Option<&[Self]> {
        if let Scalar::Sequence(items) = &self.value { Some(items) } else { None }
    }

    /// The items, to change them.
    pub const fn as_sequence_mut(&mut self) -> Option<&mut Vec<Self>> {
        if let Scalar::Sequence(items) = &mut self.value { Some(items) } else { None }
    }

    /// The string, if it is one.
    pub const fn as_text(&self) -> Option<&Text> {
        if let Scalar::Text(text) = &self.value { Some(text) } else { None }
    }

    /// The bytes of the string, secrets included: for the rooms that make values.
    pub(crate) fn raw(&self) -> Option<&str> {
        self.as_text().map(Text::raw)
    }

    /// Whether it is null.
    pub const fn is_null(&self) -> bool {
        matches!(self.value, Scalar::Null)
    }

    /// `mapping`, `sequence`, `string`, …: for messages.
    pub const fn kind(&self) -> &'static str {
        match self.value {
            Scalar::Null => "null",
            Scalar::Bool(_) => "boolean",
            Scalar::Integer(_) | Scalar::Unsigned(_) => "integer",
            Scalar::Float(_) => "number",
            Scalar::Timestamp { .. } => "timestamp",
            Scalar::Text(_) => "string",
            Scalar::Sequence(_) => "list",
            Scalar::Mapping(_) => "mapping",
        }
    }

    /// A scalar as Go's `%v` prints it: what the reference makes of a number where it wants a string.
    /// Null is the empty string; `None` for lists and mappings.
    pub fn to_text(&self) -> Option<Text> {
        Some(match &self.value {
            Scalar::Null => Text::default(),
            Scalar::Bool(value) => Text::from(value.to_string()),
            Scalar::Integer(value) => Text::from(value.to_string()),
            Scalar::Unsigned(value) => Text::from(value.to_string()),
            Scalar::Float(value) => Text::from(go_float(*value)),
            Scalar::Timestamp { text, .. } => Text::from(&**text),
            Scalar::Text(text) => text.clone(),
            Scalar::Sequence(_) | Scalar::Mapping(_) => return None,
        })
    }

    /// As JSON with secrets in clear: for the `config` command alone.
    pub fn expose(&self, right: &crate::value::Exposure) -> Json {
        match &self.value {
            Scalar::Null => Json::Null,
            Scalar::Bool(value) => Json::from(*value),
            Scalar::Integer(value) => Json::from(*value),
            Scalar::Unsigned(value) => Json::from(*value),
            Scalar::Float(value) => float_json(*value),
            Scalar::Timestamp { standard, .. } => Json::from(&**standard),
            Scalar::Text(text) => Json::from(text.expose(right)),
            Scalar::Sequence(items) => items.iter().map(|item| item.expose(right)).collect(),
            Scalar::Mapping(mapping) => {
                mapping.entries.iter().map(|(key, entry)| (key.to_string(), entry.tree.expose(right))).collect()
            }
        }
    }

    /// As JSON with secrets concealed.
    pub fn masked(&self) -> Json {
        match &self.value {
            Scalar::Text(text) => Json::from(Masked::as_str(&text.masked())),
            Scalar::Sequence(items) => items.iter().map(Self::masked).collect(),
            Scalar::Mapping(mapping) => {
                mapping.entries.iter().map(|(key, entry)| (key.to_string(), entry.tree.masked())).collect()
            }
            Scalar::Float(value) => float_json(*value),
            Scalar::Null => Json::Null,
            Scalar::Bool(value) => Json::from(*value),
            Scalar::Integer(value) => Json::from(*value),
            Scalar::Unsigned(value) => Json::from(*value),
            Scalar::Timestamp { standard, .. } => Json::from(&**standard),
        }
    }

    /// Every value with its path, parents first.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&[&'a str], &'a Self)) {
        fn step<'a>(tree: &'a Tree, path: &mut Vec<&'a str>, visit: &mut dyn FnMut(&[&'a str], &'a Tree)) {
            visit(path, tree);
            match &tree.value {
                Scalar::Mapping(mapping) => {
                    for (key, entry) in &mapping.entries {
                        path.push(key);
                        step(&entry.tree, path, visit);
                        path.pop();
                    }
                }
                Scalar::Sequence(items) => {
                    for item in items {
                        path.push("*");
                        step(item, path, visit);
                        path.pop();
                    }
                }
                _ => {}
            }
        }
        step(self, &mut Vec::new(), visit);
    }
}

/// Whole numbers stay whole, as in Go's JSON.
fn float_json(value: f64) -> Json {
    #[allow(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    if value.fract() == 0.0 && value.abs() < 1e15 { Json::from(value as i64) } else { Json::from(value) }
}

/// Equality as the reference means it: same kind and value, order of keys ignored.
impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Scalar::Null, Scalar::Null) => true,
            (Scalar::Bool(a), Scalar::Bool(b)) => a == b,
            (Scalar::Integer(a), Scalar::Integer(b)) => a == b,
            (Scalar::Unsigned(a), Scalar::Unsigned(b)) => a == b,
            (Scalar::Float(a), Scalar::Float(b)) => a == b,
            (Scalar::Timestamp { text: a, .. }, Scalar::Timestamp { text: b, .. }) => a == b,
            (Scalar::Text(a), Scalar::Text(b)) => a == b,
            (Scalar::Sequence(a), Scalar::Sequence(b)) => a == b,
            (Scalar::Mapping(a), Scalar::Mapping(b)) => {
                a.entries.len() == b.entries.len()
                    && a.entries.iter().all(|(key, entry)| b.get(key).is_some_and(|tree| *tree == entry.tree))
            }
            _ => false,
        }
    }
}

impl Mapping {
    /// Room for so many entries.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { entries: Entries::with_capacity(capacity) }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        self.entries.get(key).map(|entry| &entry.tree)
    }

    /// The value of a key, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Tree> {
        self.entries.get_mut(key).map(|entry| &mut entry.tree)
    }

    /// Sets a value in place, or appends it; the place of the key is that of the value.
    pub fn set(&mut self, key: impl Into<SmolStr>, tree: Tree) {
        let key = key.into();
        if let Some(known) = self.entries.get_mut(&key) {
            known.tree = tree;
        } else {
            self.entries.append(key, Entry { key: tree.spot, tree });
        }
    }

    /// Takes a value out.
    pub fn remove(&mut self, key: &str) -> Option<Tree> {
        self.entries.shift_remove(key).map(|entry| entry.tree)
    }

    /// Whether a key is there.
    pub fn contains(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }
}
