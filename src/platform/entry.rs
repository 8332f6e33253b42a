//! What ledgers of all places have in common.

use std::hash::{BuildHasher as _, Hasher as _};

use base64::Engine as _;

use super::{EntryName, Failure, FailureKind};
use crate::value::Masked;

/// The bytes of an entry that is kept in base64.
pub(super) fn decoded(encoded: &str, name: &EntryName) -> Result<Vec<u8>, Failure> {
    base64::engine::general_purpose::STANDARD.decode(encoded).map_err(|_| {
        Failure::new(FailureKind::Other, Masked::words(format!("the ledger entry {} cannot be read", name.0)))
    })
}

/// Sixteen letters that nobody else has: the standard library seeds its hashers from the operating system.
pub(super) fn nonce() -> String {
    format!("{:016x}", std::hash::RandomState::new().build_hasher().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tries_are_the_same() {
        assert_ne!(nonce(), nonce());
    }
}
