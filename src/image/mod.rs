//! Images: every reference becomes a digest once, and the digest is what runs.

mod pinned;

pub use pinned::{ImageConfiguration, ImageHealthcheck, Pinned, PinnedImage};
