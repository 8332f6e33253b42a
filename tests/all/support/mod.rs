//! What several tests stand on.

pub mod memory_files;
