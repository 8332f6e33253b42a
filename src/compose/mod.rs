//! Compose files to a typed model, exactly as Docker Compose loads them.

pub mod model;
