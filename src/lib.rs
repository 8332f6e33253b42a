//! transship carries a Docker Compose application to where it runs.

pub mod compose;
pub mod diagnostic;
pub mod image;
pub mod plan;
pub mod platform;
pub mod target;
pub mod value;
pub mod yaml;
