//! Environment variables: in clear, or by the name of a secret of the cluster.

use super::{
    SECRET,
    translate::{Translator, called, map},
};
use crate::{
    compose::{model::Service, name_says_so},
    target::{Requirement, SecretMode, codes, parts::sorted},
    value::{Address, Called, Node, Sources, Spot},
};

/// A secret that an app declares: its name there, and where it is.
pub(super) type Declared = (Box<str>, Node);

impl Translator<'_> {
    /// `env` of an app, and the secrets it names.
    pub(super) fn env(&mut self, name: &str, service: &Service) -> (Option<Node>, Vec<Declared>) {
        let Some(environment) = &service.environment else { return (None, Vec::new()) };
        let forced: Vec<Box<str>> = self
            .settings
            .services
            .get(name)
            .map(|settings| settings.sensitive.iter().map(|name| name.value.clone()).collect())
            .unwrap_or_default();
        let mut env = Node::map(environment.spot);
        let mut secrets = Vec::new();
        for (variable, value) in sorted(&environment.value) {
            let at = format!("services.{name}.environment.{variable}");
            let Some(text) = &value.value else {
                let words = format!("{variable} has no value and is left out");
                let help = "give it a value, or set it where transship runs";
                self.find(&codes::VARIABLE_LEFT_OUT, words, value.spot, &at, help);
                continue;
            };
            if variable.is_empty() {
                self.find(&codes::INVALID_NAME, "a variable without a name".into(), value.spot, &at, "name it");
                continue;
            }
            let from = text.sources(value.spot, &self.project.origins);
            let secret = text.is_secret() || forced.contains(variable) || name_says_so(variable);
            if !secret {
                env.set(variable.clone(), Node { value: text.clone().into(), from });
                continue;
            }
            if self.secret_mode() == SecretMode::Inline {
                let text = if text.is_secret() {
                    text.clone()
                } else {
                    text.concealed(variable, value.spot, &self.project.concealed)
                };
                env.set(variable.clone(), Node { value: text.into(), from });
                continue;
            }
            let source = format!("{}/{}/{variable}", self.secret_folder(), called(name));
            let key: Box<str> = variable.to_ascii_lowercase().replace('_', "-").into();
            secrets.push(self.declared(key.clone(), &source, from));
            env.set(variable.clone(), map(vec![("secret", Node { value: (&*key).into(), from })], from));
        }
        ((!env.entries().is_empty()).then_some(env), secrets)
    }

    /// Where secrets of the application are in the cluster's store.
    pub(super) fn secret_folder(&self) -> String {
        self.group.value.trim_matches('/').to_owned()
    }

    /// A secret of the cluster that an app names, and that must be there.
    pub(super) fn declared(&mut self, name: Box<str>, path: &str, from: Sources) -> Declared {
        let address = Address { kind: SECRET.into(), scope: None, name: Called::Now(path.into()) };
        if !self.requires.iter().any(|known| known.address == address) {
            self.requires.push(Requirement { address, entries: Vec::new(), from });
        }
        (name, map(vec![("source", Node { value: path.into(), from })], from))
    }

    /// A finding for what agents would have to fetch, and cannot.
    pub(super) fn needs_store(&mut self, what: &str, spot: Spot, at: &str) {
        let words = format!("{what} has no place that agents could fetch it from");
        let help = "set `files` under `marathon` to the address of a store that takes files by HTTP PUT";
        self.find(&codes::NEEDS, words, spot, at, help);
    }
}
