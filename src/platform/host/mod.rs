//! A Docker host as a place.

mod program;

pub use program::{DockerCompose, Fed, Invocation, reads_input, subcommand};
