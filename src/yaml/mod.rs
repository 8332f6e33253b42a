//! YAML: bytes to a tree in which every value knows its place, by the scalar rules of Docker Compose; and
//! trees back to YAML that every reader agrees on.

mod build;
pub(crate) mod codes;
mod cut;
mod entries;
mod json;
mod parse;
mod plain;
mod quick;
mod scalar;
mod tree;
mod write;

pub use build::{Document, Suspicion};
pub use entries::Entries;

pub use cut::{is_cut, read_beside, read_cut};
pub use json::write_json;
pub(crate) use json::{JsonWriter, write_json_with};
pub use parse::{Unread, is_quick, parse, parse_fully};
pub use plain::Plain;
pub use scalar::{go_float, resolve};
pub use tree::{Entry, Mapping, Scalar, Tag, Tree};
pub use write::{to_yaml, write, write_plain};
