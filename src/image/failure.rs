//! Why an image could not be had from where it was looked for.

use crate::{
    diagnostic::{Code, Finding, Findings},
    value::{Masked, Spot},
};

use super::codes;

/// What went wrong, in words of our own: no text of a server and no credential is ever in it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind.
    pub code: &'static Code,
    /// Lower case; reads after the name of the image.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Failure {
    /// A failure of a kind.
    pub(super) fn new(code: &'static Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    /// With what to do about it.
    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether the line failed, and not what was asked over it.
    pub(super) fn is_of_the_line(&self) -> bool {
        [&codes::REGISTRY_FAILED, &codes::TIMED_OUT, &codes::UNREACHABLE].contains(&self.code)
    }

    /// A manifest that cannot be used.
    pub(super) fn manifest(reason: &str) -> Self {
        Self::new(&codes::MANIFEST, format!("its manifest cannot be used: {reason}"))
    }
}

impl From<Failure> for Findings {
    /// A failure that is about no one place of a file.
    fn from(failure: Failure) -> Self {
        let finding = Finding::new(failure.code, Masked::words(failure.message), Spot::NOWHERE);
        match failure.help {
            Some(help) => finding.help(Masked::words(help)).into(),
            None => finding.into(),
        }
    }
}
