//! A document that is about to be written: it borrows what it can from the tree it is made of.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::Value as Json;

/// A value without places, marks or tags; entries in the order in which they are written.
#[derive(Clone, PartialEq, Debug)]
pub enum Plain<'t> {
    /// Null.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number that fits.
    Integer(i64),
    /// One above `i64::MAX`.
    Unsigned(u64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(Cow<'t, str>),
    /// Items in order.
    List(Vec<Plain<'t>>),
    /// Entries in order; keys are unique.
    Map(Vec<(Cow<'t, str>, Plain<'t>)>),
}

impl<'t> Plain<'t> {
    /// The entry of a key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// Takes an entry out; the others keep their order.
    pub fn remove(&mut self, key: &str) -> Option<Self> {
        let Self::Map(entries) = self else { return None };
        let at = entries.iter().position(|(known, _)| known == key)?;
        Some(entries.remove(at).1)
    }

    /// The entries, to change them; none where it is no mapping.
    pub const fn entries_mut(&mut self) -> Option<&mut Vec<(Cow<'t, str>, Self)>> {
        if let Self::Map(entries) = self { Some(entries) } else { None }
    }

    /// Whole numbers stay whole, as in Go's JSON.
    pub fn of_float(value: f64) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
        if value.fract() == 0.0 && value.abs() < 1e15 { Self::Integer(value as i64) } else { Self::Float(value) }
    }
}

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Unsigned(value) => serializer.serialize_u64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(entries) => serializer.collect_map(entries.iter().map(|(key, value)| (key, value))),
        }
    }
}

impl From<&Plain<'_>> for Json {
    fn from(plain: &Plain<'_>) -> Self {
        match plain {
            Plain::Null => Self::Null,
            Plain::Bool(value) => Self::from(*value),
            Plain::Integer(value) => Self::from(*value),
            Plain::Unsigned(value) => Self::from(*value),
            Plain::Float(value) => Self::from(*value),
            Plain::Text(text) => Self::from(&**text),
            Plain::List(items) => items.iter().map(Self::from).collect(),
            Plain::Map(entries) => {
                entries.iter().map(|(key, value)| (key.to_string(), Self::from(value))).collect::<Self>()
            }
        }
    }
}
