//! The outer shape of everything that is made.

use std::collections::BTreeMap;

/// Texts of templates by file name; what is not there is ours.
#[derive(Clone, Debug, Default)]
pub struct Templates(pub BTreeMap<String, String>);

/// Every template there is, with the text we ship.
const BUILTIN: &[(&str, &str)] = &[
    ("app.yaml", include_str!("../../../templates/marathon/app.yaml")),
    ("file.yaml", include_str!("../../../templates/marathon/file.yaml")),
];

impl Templates {
    /// The text of a template.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .or_else(|| BUILTIN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text))
    }

    /// The names of all of them, to eject.
    pub fn names() -> impl Iterator<Item = &'static str> {
        BUILTIN.iter().map(|(name, _)| *name)
    }
}
