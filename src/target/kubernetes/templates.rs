//! The outer shape of every manifest.

use std::collections::BTreeMap;

/// Texts of templates by file name; what is not there is ours.
#[derive(Clone, Debug, Default)]
pub struct Templates(pub BTreeMap<String, String>);

macro_rules! builtin {
    ($($name:literal),* $(,)?) => {
        /// Every template there is, with the text we ship.
        pub(super) const BUILTIN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../templates/kubernetes/", $name)))),*];
    };
}

builtin!(
    "container.yaml",
    "pod.yaml",
    "deployment.yaml",
    "statefulset.yaml",
    "daemonset.yaml",
    "job.yaml",
    "service.yaml",
    "configmap.yaml",
    "secret.yaml",
    "persistentvolumeclaim.yaml",
    "networkpolicy.yaml",
    "namespace.yaml",
);

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
