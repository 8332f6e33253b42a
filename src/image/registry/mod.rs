//! Registries: the distribution API over HTTP.

use super::{Digest, Failure, Reference, codes};

/// Asks registries for digests, manifests and configurations.
#[derive(Clone, Debug, Default)]
pub struct Registries {}

#[allow(clippy::unused_async, reason = "requests follow")]
impl Registries {
    /// The digest that a reference stands for.
    pub(super) async fn digest(&self, reference: &Reference) -> Result<Digest, Failure> {
        Err(Failure::new(&codes::UNREACHABLE, format!("{} was not asked", reference.domain())))
    }

    /// The bytes of a manifest, verified, and the media type it was sent with.
    pub(super) async fn manifest(
        &self,
        reference: &Reference,
        _digest: &Digest,
    ) -> Result<(Vec<u8>, Option<String>), Failure> {
        Err(Failure::new(&codes::UNREACHABLE, format!("{} was not asked", reference.domain())))
    }

    /// The bytes of a configuration, verified.
    pub(super) async fn blob(&self, reference: &Reference, _digest: &Digest) -> Result<Vec<u8>, Failure> {
        Err(Failure::new(&codes::UNREACHABLE, format!("{} was not asked", reference.domain())))
    }
}
