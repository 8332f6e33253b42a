//! What goes wrong with an engine, in the words of a place.

use crate::{
    engine::Error,
    platform::{Failure, FailureKind},
    value::Secrets,
};

/// A failure to do something: `list its containers`.
pub(super) fn failure(error: &Error, doing: &str, secrets: &Secrets) -> Failure {
    let kind = match error {
        Error::Unreachable { .. } | Error::TimedOut { .. } | Error::Broken { .. } => FailureKind::Unreachable,
        Error::Refused { status: 401 | 403, .. } => FailureKind::Forbidden,
        Error::Refused { status: 400, .. } => FailureKind::Invalid,
        _ => FailureKind::Other,
    };
    Failure::new(kind, secrets.scrub(&format!("cannot {doing}: {}", error.whole())))
}
