//! One finding, and a list of them.

use std::collections::HashSet;

use super::{Code, Severity};
use crate::value::{Masked, Spot};

/// Something that somebody should know, with the places that show it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What kind.
    pub code: &'static Code,
    /// The code's own, unless raised or lowered.
    pub severity: Severity,
    /// Lower case, no full stop: what is wrong, naming the thing.
    pub message: Masked,
    /// The path in the Compose model, as `services.web.ports[0]`.
    pub path: Option<Box<str>>,
    /// The first is where it is; others explain ("first declared here").
    pub labels: Vec<Label>,
    /// What to do instead.
    pub help: Option<Masked>,
    /// Further values that it speaks of, without showing them: the leaves of an attribute.
    pub covers: Vec<Spot>,
}

/// A place that shows a finding.
#[derive(Clone, Debug)]
pub struct Label {
    /// Where.
    pub spot: Spot,
    /// What is to be seen there; may be empty for the first.
    pub text: Masked,
}

impl Finding {
    /// A finding at a place.
    pub fn new(code: &'static Code, message: Masked, spot: Spot) -> Self {
        let labels = if spot.is_somewhere() { vec![Label { spot, text: Masked::default() }] } else { Vec::new() };
        Self { code, severity: code.severity, message, path: None, labels, help: None, covers: Vec::new() }
    }

    /// With the path in the Compose model.
    #[must_use]
    pub fn at(mut self, path: impl Into<Box<str>>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// With one more place.
    #[must_use]
    pub fn label(mut self, spot: Spot, text: impl Into<Masked>) -> Self {
        self.labels.push(Label { spot, text: text.into() });
        self
    }

    /// With a remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<Masked>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The main place.
    pub fn spot(&self) -> Spot {
        self.labels.first().map(|label| label.spot).unwrap_or_default()
    }
}

/// Findings in the order they were made; collected, not first-only.
#[derive(Clone, Debug, Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// None yet.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// One more.
    pub fn push(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    /// All of another list.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether anything forbids going on.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.0.iter()
    }

    /// All of them, to raise, lower or silence.
    pub fn retain_mut(&mut self, keep: impl FnMut(&mut Finding) -> bool) {
        self.0.retain_mut(keep);
    }

    /// Leaves out what is said already: the same of the same path, at the same place.
    pub fn once(&mut self) {
        let mut said = HashSet::new();
        self.0.retain(|finding| {
            said.insert((finding.code.name, finding.message.clone(), finding.path.clone(), finding.spot()))
        });
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Finding> for Findings {
    fn from(finding: Finding) -> Self {
        Self(vec![finding])
    }
}

impl IntoIterator for Findings {
    type Item = Finding;
    type IntoIter = std::vec::IntoIter<Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Finding;
    type IntoIter = std::slice::Iter<'a, Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
