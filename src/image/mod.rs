//! Images: every reference becomes `repository@digest` once, and that digest is what runs everywhere.
//!
//! [`pin`](fn@pin) is the only maker of [`Pinned`], and nothing else can be translated.

mod accounts;
mod archive;
pub(crate) mod artifact;
pub(crate) mod codes;
pub mod compose_files;
mod compression;
mod configuration;
mod digest;
mod digests;
mod failure;
mod layout;
mod local;
mod lock;
mod manifest;
mod pin;
mod pinned;
mod platform;
pub mod promote;
mod qualify;
mod reference;
mod registry;
mod settings;
mod source;
mod upstream;
mod uses;

pub use accounts::Account;
pub use configuration::{ImageConfiguration, ImageHealthcheck};
pub use digest::{Digest, ParseDigestError};
pub use digests::digests;
pub use failure::Failure;
pub use layout::Layout;
pub use lock::{Lock, LockedImage};
pub use manifest::Kind;
pub use pin::{LockChange, LockChangeKind, PinMode, Request, Resolution, pin};
pub use pinned::{Pinned, PinnedImage};
pub use platform::Platform;
pub use qualify::qualify;
pub use reference::{ParseReferenceError, Reference};
pub use registry::{
    CredentialHelpers, CredentialSources, HelperFailure, HelperProcesses, Notice, Patience, Quota, Registries,
};
pub use settings::{ImagePolicy, ImageSettings, SourceKind, SourceRule};
pub use upstream::{Upstream, upstream};
pub use uses::Additional;
pub(crate) use uses::no_platform;
