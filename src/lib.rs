//! transship carries a Docker Compose application to where it runs.

pub mod cli;
pub mod compose;
pub mod diagnostic;
pub mod environment;
pub mod image;
pub mod plan;
pub mod platform;
pub mod report;
pub mod session;
pub mod target;
pub mod value;
pub mod yaml;
