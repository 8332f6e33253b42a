//! What several tests stand on.

pub mod api_server;
pub mod compose_artifact;
pub mod cut_registry;
pub mod deployed;
pub mod docked;
pub mod engines;
pub mod image_layout;
pub mod journey;
pub mod marathon;
pub mod marathon_place;
pub mod memory_files;
pub mod memory_place;
pub mod passage;
pub mod releases;
pub mod scripted_registry;
pub mod ship;
pub mod shop;
pub mod tls_server;
pub mod translated;
pub mod writable_registry;
