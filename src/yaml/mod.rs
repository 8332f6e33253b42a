//! YAML: bytes to a tree in which every value knows its place, by the scalar rules of Docker Compose; and
//! trees back to YAML that every reader agrees on.

mod tree;

pub use tree::{Entry, Mapping, Scalar, Tree};
