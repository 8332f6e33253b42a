//! Files whose bytes become part of what runs.

use crate::value::{SecretId, Spot, Text};

/// What was found at a path.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A regular file.
    File(FileContent),
    /// A directory: relative paths of its regular files, sorted.
    Directory(Vec<(Box<str>, FileContent)>),
    /// Nothing there.
    Missing,
    /// A directory of more than [`LARGEST`] bytes, or with what is neither file nor directory.
    Unsuitable(&'static str),
    /// Not readable, with the reason.
    Unreadable(Box<str>),
}

/// The bytes of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileContent {
    /// As text, where they are UTF-8; secret where the file is.
    pub bytes: FileBytes,
    /// The file as a place.
    pub spot: Spot,
    /// Whether the owner may execute it.
    pub executable: bool,
}

/// Text, or bytes that are none.
#[derive(Clone, Debug, PartialEq)]
pub enum FileBytes {
    /// UTF-8.
    Text(Text),
    /// Anything else.
    Binary(SecretId),
}

/// The most that a file or a directory may hold to become part of what runs, bytes.
pub const LARGEST: u64 = 1024 * 1024;
