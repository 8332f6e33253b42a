//! The tree between bytes and the typed model.

use crate::value::{Spot, Text};

/// A value as written, then interpolated, merged and made canonical.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// What it is.
    pub value: Scalar,
    /// Where it is.
    pub spot: Spot,
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
    /// A date or time, in the text that the reference prints for it.
    Timestamp(Box<str>),
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
    pub entries: indexmap::IndexMap<Box<str>, Entry>,
}

/// A value and the place of its key.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Where the key is.
    pub key: Spot,
    /// The value.
    pub tree: Tree,
}
