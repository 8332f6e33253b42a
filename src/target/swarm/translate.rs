//! A pinned project to a release.

use std::sync::Arc;

use indexmap::IndexMap;

use super::{APPLICATION, RESOURCE, STACK, dispositions};
use crate::{
    compose::model::{Project, Strings},
    diagnostic::{Code, Finding, Findings},
    image::{Pinned, PinnedImage},
    target::{
        After, Condition, Dialect, Life, Release, Requirement, Resource, SETTLES_WITHIN, Settings, Settles,
        Translation, Unit, codes,
        naming::{base32, slug},
        parts::is_written,
        services,
    },
    value::{
        Address, Called, Fingerprint, Key, Keyring, Located, Masked, Name, Node, Part, Sources, Spot, Text, Value,
    },
};

pub(super) fn translate(pinned: &Pinned, settings: &Settings, unit: &Unit, keys: &Keyring) -> Translation {
    let project = Arc::clone(pinned.project());
    let mut translator = Translator {
        pinned,
        project: &project,
        settings,
        keys,
        stack: stack(settings),
        findings: Findings::new(),
        resources: IndexMap::new(),
        requires: Vec::new(),
        jobs: services::jobs(&project),
    };
    translator.all(unit);
    translator.findings.extend(dispositions::findings(&project));
    let release = Release {
        application: settings.application.clone(),
        dialect: Dialect::Swarm,
        resources: translator.resources,
        requires: translator.requires,
        origins: Arc::clone(&project.origins),
        concealed: Arc::clone(&project.concealed),
    };
    Translation { release, findings: translator.findings }
}

fn stack(settings: &Settings) -> Located<Name> {
    if let Some(stack) = &settings.swarm.stack {
        return stack.clone();
    }
    Located::new(slug(&settings.application.usual_name(), 40).into(), Spot::NOWHERE)
}

/// The state of one translation.
pub(super) struct Translator<'a> {
    pub(super) pinned: &'a Pinned,
    pub(super) project: &'a Project,
    pub(super) settings: &'a Settings,
    pub(super) keys: &'a Keyring,
    pub(super) stack: Located<Name>,
    pub(super) findings: Findings,
    pub(super) resources: IndexMap<Key, Resource>,
    pub(super) requires: Vec<Requirement>,
    jobs: Vec<Name>,
}

/// What one object is made of.
pub(super) struct Object {
    pub(super) key: Key,
    pub(super) kind: &'static str,
    pub(super) name: Called,
    pub(super) body: Node,
    pub(super) life: Life,
    pub(super) after: Vec<After>,
    pub(super) settles: Condition,
    pub(super) inputs: Fingerprint,
    /// Who asked for the object, and for its shape, where its parts have places of their own.
    pub(super) shaped: Sources,
}

impl Translator<'_> {
    fn all(&mut self, unit: &Unit) {
        let wanted = services::wanted(self.project, unit);
        self.networks(&wanted);
        self.configs_and_secrets(&wanted);
        for name in services::in_order(self.project, &wanted) {
            let Some(service) = self.project.services.get(&name) else { continue };
            let Some(image) = self.image(&name, service.spot) else { continue };
            let inputs = services::inputs(self.project, &name, &image, self.keys);
            self.service(&name, &service.value, service.spot, &image, inputs);
        }
    }

    fn image(&mut self, name: &Name, spot: Spot) -> Option<PinnedImage> {
        let found = self.pinned.image_of(name).cloned();
        if found.is_none() {
            let words = format!("the service `{name}` has no image that could run");
            let at = format!("services.{name}.image");
            self.find(&codes::NEEDS, words, spot, &at, "give it an `image`, and build and push it before");
        }
        found
    }

    /// A name that somebody wrote; the one that Compose makes up says nothing here.
    pub(super) fn written_name<'t>(&self, name: Option<&'t Located<Text>>) -> Option<&'t str> {
        name.filter(|name| is_written(name.spot, &self.project.origins))?.value.plain()
    }

    pub(super) fn is_job(&self, name: &str) -> bool {
        self.jobs.iter().any(|job| &**job == name)
    }

    /// One more finding.
    pub(super) fn find(&mut self, code: &'static Code, words: String, spot: Spot, at: &str, help: &'static str) {
        let mut covers = Vec::new();
        if [&codes::UNSUPPORTED, &codes::REFUSED, &codes::HOST_PATH, &codes::NO_CONTENT]
            .iter()
            .any(|left| left.name == code.name)
        {
            // What is left out is left out with all that stands in it.
            let path: Vec<&str> = at.split('.').collect();
            if let Some(tree) = self.project.canonical.at(&path) {
                tree.walk(&mut |_, tree| covers.push(tree.spot));
            }
        }
        let finding = Finding::new(code, Masked::words(words), spot).at(at).help(help);
        self.findings.push(Finding { covers, ..finding });
    }

    /// What an object of the stack is called: `<stack>_<name>`.
    pub(super) fn called(&self, name: &str, longest: usize) -> String {
        named(&format!("{}_{name}", self.stack.value), longest)
    }

    /// What only builds use, or nothing does, does not go along.
    pub(super) fn unused(&mut self, section: &str, name: &str, spot: Spot) {
        let mut covers = vec![spot];
        if let Some(tree) = self.project.canonical.at(&[section, name]) {
            tree.walk(&mut |_, tree| covers.push(tree.spot));
        }
        let words = format!("no service uses `{name}`: it stays here");
        let finding = Finding::new(&codes::APPROXIMATED, Masked::words(words), spot).at(format!("{section}.{name}"));
        let finding = finding.help("what services use is made where they run");
        self.findings.push(Finding { covers, ..finding });
    }

    /// Adds an object: its body gets its name and our marks.
    pub(super) fn add(&mut self, object: Object) {
        let Object { key, kind, name, mut body, life, after, settles, inputs, shaped } = object;
        let mut labels = Node::map(body.from);
        labels.set(STACK, Node::new(&*self.stack.value, self.stack.spot));
        labels.set(APPLICATION, Node::new(self.settings.application.to_string(), Sources::NONE));
        labels.set(RESOURCE, Node::new(key.to_string(), Sources::NONE));
        for (label, text) in body.get("Labels").map(Node::entries).unwrap_or_default() {
            labels.set(label.clone(), text.clone());
        }
        let mut named = Node::map(self.project.origins.join([body.from, shaped]));
        named.set("Name", Node::new(Value::Reference(Box::new(key.clone()), Part::Name), body.from));
        body.remove("Labels");
        named.set("Labels", labels);
        for (entry, node) in body.entries() {
            named.set(entry.clone(), node.clone());
        }
        let resource = Resource {
            key: key.clone(),
            address: Address { kind: kind.into(), scope: None, name },
            body: named,
            life,
            after,
            settles: Settles { when: settles, within: SETTLES_WITHIN },
            inputs,
        };
        self.resources.insert(key, resource);
    }

    pub(super) fn require(&mut self, kind: &str, name: &str, from: Sources) {
        let address = Address { kind: kind.into(), scope: None, name: Called::Now(name.into()) };
        if !self.requires.iter().any(|known| known.address == address) {
            self.requires.push(Requirement { address, entries: Vec::new(), from });
        }
    }

    /// A string of the model as a leaf.
    pub(super) fn text(&self, located: &Located<Text>) -> Node {
        Node { from: located.value.sources(located.spot, &self.project.origins), value: located.value.clone().into() }
    }

    /// Several strings as a list.
    pub(super) fn texts(&self, list: &Located<Vec<Located<Text>>>) -> Node {
        Node::new(list.value.iter().map(|item| self.text(item)).collect::<Vec<_>>(), list.spot)
    }

    /// Strings by name, in the order of names.
    pub(super) fn strings(&self, strings: &Located<Strings>) -> Node {
        let mut sorted: Vec<_> = strings.value.iter().collect();
        sorted.sort_by(|a, b| a.0.cmp(b.0));
        let entries = sorted.into_iter().map(|(name, text)| (name.clone(), self.text(text)));
        Node::new(Value::Map(entries.collect()), strings.spot)
    }
}

/// A name that the engine takes, with a hash where something had to be cut.
pub(super) fn named(name: &str, longest: usize) -> String {
    use sha2::{Digest as _, Sha256};
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let mut out: String = name.chars().map(allowed).collect();
    out = out.trim_matches(['-', '_', '.']).to_owned();
    if out.len() > longest || out != name {
        let hash = base32(&Sha256::digest(name.as_bytes()), 6);
        out.truncate(longest.saturating_sub(7));
        out = format!("{}-{hash}", out.trim_end_matches(['-', '_', '.']));
    }
    out
}
