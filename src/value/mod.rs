//! What everything is made of: values with their place, their secrecy and their identity.
//!
//! Nothing here knows a file system, a network, a clock or a terminal.

mod fingerprint;
mod key;
mod masked;
mod node;
mod path;
mod secret;
mod spot;
mod text;

pub use fingerprint::{Fingerprint, Keyring};
pub use key::{Address, Application, Called, Key, ParseKeyError, Role, Subject, Variant};
pub use masked::Masked;
pub use node::{Hole, Kept, Node, Part, Value};
pub use path::Path;
pub use secret::{Exposure, SecretId, Secrets};
pub use spot::{Batch, FileId, FileRole, Origin, Origins, Place, Source, Sources, Spot};
pub use text::{Mark, Text, TextBuilder};

/// Name of a service, network, volume, config, secret, environment or application.
pub type Name = Box<str>;

/// A value of the Compose model with its place. `Eq`, `Ord` and `Hash` look at the value alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub spot: Spot,
}

impl<T> Located<T> {
    /// A value at a place.
    pub const fn new(value: T, spot: Spot) -> Self {
        Self { value, spot }
    }

    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Located<U> {
        Located { value: change(self.value), spot: self.spot }
    }
}

impl<T: PartialEq> PartialEq for Located<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Located<T> {}

impl<T: PartialOrd> PartialOrd for Located<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl<T: Ord> Ord for Located<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.value.cmp(&other.value)
    }
}

impl<T: std::hash::Hash> std::hash::Hash for Located<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.value.hash(state);
    }
}

/// A place is no part of a document's form.
impl<T: schemars::JsonSchema> schemars::JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}
