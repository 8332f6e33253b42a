//! A pinned project to a release.

use std::{collections::HashMap, sync::Arc};

use indexmap::IndexMap;

use super::{APPLICATION, RESOURCE, dispositions, kind, service};
use crate::{
    compose::{self, model::Project},
    diagnostic::{Code, Finding, Findings},
    image::Pinned,
    target::{
        Condition, Dialect, Life, Release, Requirement, Resource, SETTLES_WITHIN, Settings, Settles, Translation, Unit,
        codes, services,
    },
    value::{
        Address, Called, Fingerprint, Key, Keyring, Located, Masked, Name, Node, Part, Role, Source, Sources, Spot,
        Subject, Text, Value,
    },
};

pub(super) fn translate(pinned: &Pinned, settings: &Settings, unit: &Unit, keys: &Keyring) -> Translation {
    let project = Arc::clone(pinned.project());
    let mut translator = Translator {
        pinned,
        project: &project,
        settings,
        keys,
        scope: scope(settings, &project),
        findings: Findings::new(),
        resources: IndexMap::new(),
        requires: Vec::new(),
        jobs: services::jobs(&project),
    };
    translator.all(unit);
    translator.unique_addresses();
    translator.findings.extend(dispositions::findings(&project));
    let release = Release {
        application: settings.application.clone(),
        dialect: Dialect::Compose,
        resources: translator.resources,
        requires: translator.requires,
        origins: Arc::clone(&project.origins),
        concealed: Arc::clone(&project.concealed),
    };
    Translation { release, findings: translator.findings }
}

fn scope(settings: &Settings, project: &Project) -> Name {
    settings.compose.project.as_ref().map_or_else(|| project.name.value.clone(), |name| name.value.clone())
}

/// The state of one translation.
pub(super) struct Translator<'a> {
    pub(super) pinned: &'a Pinned,
    pub(super) project: &'a Project,
    pub(super) settings: &'a Settings,
    pub(super) keys: &'a Keyring,
    /// The Compose project that everything belongs to.
    pub(super) scope: Name,
    pub(super) findings: Findings,
    pub(super) resources: IndexMap<Key, Resource>,
    requires: Vec<Requirement>,
    jobs: Vec<Name>,
}

impl Translator<'_> {
    fn all(&mut self, unit: &Unit) {
        let wanted = services::wanted(self.project, unit);
        self.section("networks", kind::NETWORK);
        self.section("volumes", kind::VOLUME);
        self.configs_and_secrets(&wanted);
        for name in services::in_order(self.project, &wanted) {
            if let Some(service) = self.project.services.get(&name) {
                self.service(&name, service);
            }
        }
    }

    /// Networks and volumes.
    fn section(&mut self, section: &'static str, kind: &'static str) {
        let Some(tree) = self.project.canonical.get(section).and_then(crate::yaml::Tree::as_mapping) else { return };
        let mut names: Vec<&str> = tree.entries.keys().map(smol_str::SmolStr::as_str).collect();
        names.sort_unstable();
        for name in names {
            let Some(tree) = self.project.canonical.at(&[section, name]) else { continue };
            let node = compose::body(tree, &self.project.origins);
            let called = node.get("name").cloned().unwrap_or_default();
            let real = match (called.as_str(), self.is_written(called.from)) {
                (Some(real), true) => real.to_owned(),
                _ => format!("{}_{name}", self.scope),
            };
            if node.get("external").is_some_and(|external| external.value == Value::Bool(true)) {
                let written = called.as_str().unwrap_or(name).to_owned();
                let mut sources = vec![node.from, called.from];
                node.walk(&mut |_, node| sources.push(node.from));
                let address = Address { kind: kind.into(), scope: None, name: Called::Now(written.into()) };
                let from = self.project.origins.join(sources);
                self.requires.push(Requirement { address, entries: Vec::new(), from });
                continue;
            }
            let subject =
                if kind == kind::NETWORK { Subject::Network(name.into()) } else { Subject::Volume(name.into()) };
            let key = Key::new(subject, Role::new(kind));
            let mut body = service::carried(&node, &[section, name]);
            body.set("name", Node::new(Value::Reference(Box::new(key.clone()), Part::Name), called.from));
            self.mark(&mut body, &key);
            let life = if kind == kind::VOLUME { Life::Data } else { Life::Mutable };
            let address = Address { kind: kind.into(), scope: None, name: Called::Now(real.into()) };
            self.add(key, address, body, life, Vec::new(), Condition::Exists, None);
        }
    }

    /// The marks of ours, beside the labels that somebody wrote.
    pub(super) fn mark(&self, body: &mut Node, key: &Key) {
        let mut labels = body
            .remove("labels")
            .filter(|labels| matches!(labels.value, Value::Map(_)))
            .unwrap_or_else(|| Node::map(body.from));
        labels.set(APPLICATION, Node::new(self.settings.application.to_string(), body.from));
        labels.set(RESOURCE, Node::new(key.to_string(), body.from));
        body.set("labels", labels);
        sort(body);
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of a resource")]
    pub(super) fn add(
        &mut self,
        key: Key,
        address: Address,
        body: Node,
        life: Life,
        after: Vec<crate::target::After>,
        when: Condition,
        inputs: Option<Fingerprint>,
    ) {
        let inputs = inputs.unwrap_or_else(|| Fingerprint::of(&body, self.keys, &self.project.concealed));
        let settles = Settles { when, within: SETTLES_WITHIN };
        self.resources.insert(key.clone(), Resource { key, address, body, life, after, settles, inputs });
    }

    /// What is made here and there must not come to stand in each other's place.
    fn unique_addresses(&mut self) {
        let mut known: HashMap<String, &Key> = HashMap::new();
        let mut clashes = Vec::new();
        for (key, resource) in &self.resources {
            // All but services are told apart by their names alone.
            let is_network = matches!(&*resource.address.kind, kind::NETWORK | kind::SERVICE);
            let place = if is_network { resource.address.to_string() } else { resource.address.name.to_string() };
            if let (Some(other), Called::Now(_)) = (known.insert(place, key), &resource.address.name) {
                clashes.push((format!("{other} and {key} would both be {}", resource.address), resource.body.from));
            }
        }
        for (words, from) in clashes {
            let spot = self.project.origins.spots(from).last().copied().unwrap_or_default();
            self.findings
                .push(Finding::new(&codes::NAME_COLLISION, Masked::words(words), spot).help("rename one of them"));
        }
    }

    pub(super) fn is_job(&self, name: &str) -> bool {
        self.jobs.iter().any(|job| &**job == name)
    }

    /// Whether somebody wrote a value: Compose makes up some of its own.
    pub(super) fn is_written(&self, from: Sources) -> bool {
        let origins = &self.project.origins;
        let default =
            |spot: &Spot| origins.origin(*spot).is_some_and(|one| matches!(one.source, Source::Default { .. }));
        let spots = origins.spots(from);
        !spots.is_empty() && !spots.iter().any(default)
    }

    /// One more finding.
    pub(super) fn find(&mut self, code: &'static Code, words: String, spot: Spot, at: &str, help: &'static str) {
        self.findings.push(Finding::new(code, Masked::words(words), spot).at(at).help(help));
    }

    /// One more finding, that speaks of further values.
    pub(super) fn find_covering(
        &mut self,
        code: &'static Code,
        words: String,
        spots: Vec<Spot>,
        at: &str,
        help: &'static str,
    ) {
        let first = spots.first().copied().unwrap_or_default();
        let finding = Finding::new(code, Masked::words(words), first).at(at).help(help);
        self.findings.push(Finding { covers: spots, ..finding });
    }

    /// A string of the model as a leaf.
    pub(super) fn text(&self, located: &Located<Text>) -> Node {
        Node { from: located.value.sources(located.spot, &self.project.origins), value: located.value.clone().into() }
    }
}

/// Entries by name, on all levels: the order of the file says nothing.
pub(super) fn sort(node: &mut Node) {
    match &mut node.value {
        Value::Map(entries) => {
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            for (_, child) in entries {
                sort(child);
            }
        }
        Value::List(items) => items.iter_mut().for_each(sort),
        _ => {}
    }
}
