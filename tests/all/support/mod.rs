//! What several tests stand on.

pub mod api_server;
pub mod engines;
pub mod image_layout;
pub mod memory_files;
pub mod releases;
pub mod scripted_registry;
pub mod shop;
pub mod writable_registry;
