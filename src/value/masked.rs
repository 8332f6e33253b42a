//! Text that may be shown.

use std::fmt;

/// Text that may be shown: the only kind of text in findings, differences, progress, outcomes and errors.
///
/// It is made from [`Text`](super::Text) (parts that are secret become `‹secret #n›`), by
/// [`Secrets::scrub`](super::Secrets::scrub) from text that is not ours, or from words of our own.
#[derive(
    Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Masked(Box<str>);

impl Masked {
    /// Words of our own with names, numbers and places in them. Never call it with a value of the user's.
    pub fn words(text: impl Into<String>) -> Self {
        Self(text.into().into())
    }

    /// What is left after concealing.
    pub(super) fn concealed(text: String) -> Self {
        Self(text.into())
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<&'static str> for Masked {
    fn from(text: &'static str) -> Self {
        Self(text.into())
    }
}
