//! Where a value is inside a tree.

use std::{fmt, sync::Arc};

/// Steps from the root of a body or of a Compose model to a value: names of keys, numbers of list items.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path(Arc<[Box<str>]>);

impl Path {
    /// The root.
    pub fn root() -> Self {
        Self::default()
    }

    /// From its steps.
    pub fn new<S: Into<Box<str>>>(steps: impl IntoIterator<Item = S>) -> Self {
        Self(steps.into_iter().map(Into::into).collect())
    }

    /// One step further.
    #[must_use]
    pub fn join(&self, step: impl Into<Box<str>>) -> Self {
        Self(self.0.iter().cloned().chain([step.into()]).collect())
    }

    /// The steps.
    pub fn steps(&self) -> &[Box<str>] {
        &self.0
    }

    /// Whether this is `other` or below it.
    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The path without its last step; `None` at the root.
    pub fn parent(&self) -> Option<Self> {
        self.0.split_last().map(|(_, rest)| Self(rest.into()))
    }

    /// Whether a pattern of dotted steps, in which `*` is any one step, is this path.
    pub fn matches(&self, pattern: &str) -> bool {
        let mut steps = self.0.iter();
        pattern.split('.').all(|p| steps.next().is_some_and(|s| p == "*" || p == &**s)) && steps.next().is_none()
    }
}

impl fmt::Display for Path {
    /// `spec.template.spec.containers[0].image`; a step that would not read back is quoted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            if !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit()) {
                write!(f, "[{step}]")?;
            } else if step.is_empty() || step.contains(['.', '[', ']', ' ', '"']) {
                write!(f, "[{}]", serde_json::Value::from(&**step))?;
            } else {
                write!(f, "{}{step}", if index == 0 { "" } else { "." })?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_people_write_it() {
        let path = Path::new(["metadata", "annotations", "transship.dev/resource", "0"]);
        assert_eq!(path.to_string(), "metadata.annotations[\"transship.dev/resource\"][0]");
        assert!(path.matches("metadata.annotations.*.*"));
        assert!(!path.matches("metadata.annotations.*"));
    }
}
