//! YAML: bytes to a tree in which every value knows its place, by the scalar rules of Docker Compose; and
//! trees back to YAML that every reader agrees on.

pub(crate) mod codes;
mod parse;
mod scalar;
mod tree;
mod write;

pub use parse::{Document, parse};
pub use scalar::{go_float, resolve};
pub use tree::{Entry, Mapping, Scalar, Tag, Tree};
pub use write::{to_yaml, write};
