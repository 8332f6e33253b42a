//! The outer shape of everything that a dialect makes: its templates, and those of users in their place.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::Template;
use crate::{compose::model::Project, diagnostic::Findings, value::Node};

/// Texts of templates by file name; what users do not have is ours.
#[derive(Clone, Debug)]
pub struct Templates {
    /// Those that take the place of ours.
    pub own: BTreeMap<String, String>,
    folder: &'static str,
    builtin: &'static [(&'static str, &'static str)],
}

impl Templates {
    pub(super) const fn new(folder: &'static str, builtin: &'static [(&'static str, &'static str)]) -> Self {
        Self { own: BTreeMap::new(), folder, builtin }
    }

    /// The text of a template.
    pub fn text(&self, name: &str) -> Option<&str> {
        let builtin = || self.builtin.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
        self.own.get(name).map(String::as_str).or_else(builtin)
    }

    /// The names of all of them, to eject.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.builtin.iter().map(|(name, _)| *name)
    }
}

/// Templates while one project is translated: each is parsed once.
pub(super) struct Filling<'a> {
    templates: &'a Templates,
    parsed: HashMap<&'static str, Option<Arc<Template>>>,
}

impl<'a> Filling<'a> {
    pub(super) fn new(templates: &'a Templates) -> Self {
        Self { templates, parsed: HashMap::new() }
    }

    /// What a template makes of a context; a broken one is a finding, once.
    pub(super) fn fill(
        &mut self,
        name: &'static str,
        context: &Node,
        project: &Project,
        findings: &mut Findings,
    ) -> Node {
        let templates = self.templates;
        let parsed = self.parsed.entry(name).or_insert_with(|| {
            let text = templates.text(name).unwrap_or_default();
            let called = format!("templates/{}/{name}", templates.folder);
            Template::parse(&called, text, &project.origins).map_err(|found| findings.extend(found)).ok().map(Arc::new)
        });
        let Some(template) = parsed else { return Node::default() };
        match template.fill(context, &project.origins, &project.concealed) {
            Ok(node) => node,
            Err(finding) => {
                findings.push(finding);
                Node::default()
            }
        }
    }
}
