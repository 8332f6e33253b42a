//! Images: every reference becomes `repository@digest` once, and that digest is what runs everywhere.
//!
//! [`pin`](fn@pin) is the only maker of [`Pinned`], and nothing else can be translated.

pub(crate) mod codes;
mod configuration;
mod digest;
mod failure;
mod layout;
mod lock;
mod manifest;
mod pin;
mod pinned;
mod platform;
mod reference;
mod registry;
mod settings;
mod source;
mod uses;

pub use configuration::{ImageConfiguration, ImageHealthcheck};
pub use digest::{Digest, ParseDigestError};
pub use failure::Failure;
pub use layout::Layout;
pub use lock::{Lock, LockedImage};
pub use manifest::Kind;
pub use pin::{LockChange, LockChangeKind, PinMode, Request, Resolution, pin};
pub use pinned::{Pinned, PinnedImage};
pub use platform::Platform;
pub use reference::{ParseReferenceError, Reference};
pub use registry::{CredentialHelpers, CredentialSources, HelperFailure, HelperProcesses, Patience, Registries};
pub use settings::{ImageSettings, SourceKind, SourceRule};
pub use uses::Additional;
