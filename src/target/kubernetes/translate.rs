//! A pinned project to a release.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use indexmap::IndexMap;

use super::{compare, dispositions, templates::Templates};
use crate::{
    compose::{
        self,
        model::{Project, Service},
    },
    diagnostic::{Code, Finding, Findings},
    image::{Pinned, PinnedImage},
    target::{
        Dialect, Release, Requirement, Resource, Settings, Shown, Template, Translation, Unit, codes, naming::slug,
        services,
    },
    value::{
        Address, Called, Fingerprint, Key, Keyring, Located, Masked, Name, Node, Origins, Source, Sources, Spot,
        Subject, Text, Value,
    },
};

pub(super) fn translate(
    templates: &Templates,
    pinned: &Pinned,
    settings: &Settings,
    unit: &Unit,
    keys: &Keyring,
) -> Translation {
    let project = Arc::clone(pinned.project());
    let mut translator = Translator {
        templates,
        parsed: HashMap::new(),
        pinned,
        project: &project,
        settings,
        keys,
        namespace: namespace(settings),
        findings: Findings::new(),
        resources: IndexMap::new(),
        requires: Vec::new(),
        jobs: services::jobs(&project),
        taken: HashMap::new(),
    };
    translator.all(unit);
    translator.unique_addresses();
    translator.secrets_shown();
    translator.findings.extend(dispositions::findings(&project));
    once(&mut translator.findings);
    let release = Release {
        application: settings.application.clone(),
        dialect: Dialect::Kubernetes,
        resources: translator.resources,
        requires: translator.requires,
        origins: Arc::clone(&project.origins),
        concealed: Arc::clone(&project.concealed),
    };
    Translation { release, findings: translator.findings }
}

/// What two containers of a service have in common is told once.
fn once(findings: &mut Findings) {
    let mut said = HashSet::new();
    findings.retain_mut(|finding| {
        said.insert((finding.code.name, finding.message.clone(), finding.path.clone(), finding.spot()))
    });
}

fn namespace(settings: &Settings) -> Located<Name> {
    if let Some(namespace) = &settings.kubernetes.namespace {
        return namespace.clone();
    }
    let application = &settings.application;
    let name = if application.environment.is_empty() {
        slug(&application.project, 63)
    } else {
        slug(&format!("{}-{}", application.project, application.environment), 63)
    };
    Located::new(name.into(), Spot::NOWHERE)
}

/// The state of one translation.
pub(super) struct Translator<'a> {
    pub(super) templates: &'a Templates,
    parsed: HashMap<&'static str, Option<Arc<Template>>>,
    pub(super) pinned: &'a Pinned,
    pub(super) project: &'a Project,
    pub(super) settings: &'a Settings,
    pub(super) keys: &'a Keyring,
    pub(super) namespace: Located<Name>,
    pub(super) findings: Findings,
    pub(super) resources: IndexMap<Key, Resource>,
    pub(super) requires: Vec<Requirement>,
    jobs: Vec<Name>,
    /// Names of Services that are taken, and by which service.
    pub(super) taken: HashMap<String, Name>,
}

impl Translator<'_> {
    fn all(&mut self, unit: &Unit) {
        self.namespace_object();
        self.parent();
        self.image_pull_secret();
        let wanted: Vec<Name> = self
            .project
            .services
            .keys()
            .filter(|name| unit.services.as_ref().is_none_or(|services| services.contains(name)))
            .cloned()
            .collect();
        let wanted = {
            // The order of the file says nothing.
            let mut wanted = wanted;
            wanted.sort();
            wanted
        };
        self.unique_names(&wanted);
        self.configs_and_secrets();
        self.claims(&wanted);
        for name in services::in_order(self.project, &wanted) {
            if let Some(service) = self.project.services.get(&name) {
                self.service(&name, service);
            }
        }
        self.policies(&wanted);
    }

    fn service(&mut self, name: &Name, service: &Located<Service>) {
        let Some(image) = self.image(name, &service.value, service.spot) else { return };
        let inputs = self.inputs(name, &image);
        self.workload(name, &service.value, service.spot, &image, inputs);
        self.services(name, &service.value, service.spot, &image, inputs);
    }

    fn image(&mut self, name: &Name, service: &Service, spot: Spot) -> Option<PinnedImage> {
        let written = service.image.as_ref();
        let found = self.pinned.image_of(name).or_else(|| self.pinned.image(&written?.value)).cloned();
        // What a provider stands for is refused as such.
        if found.is_none() && service.provider.is_none() {
            let words = format!("the service `{name}` has no image that could run");
            self.find(
                &codes::NEEDS,
                words,
                spot,
                &format!("services.{name}.image"),
                "give it an `image`, and build and push it before",
            );
        }
        found
    }

    /// Over what the objects of a service are made from.
    fn inputs(&self, name: &str, image: &PinnedImage) -> Fingerprint {
        let canonical = self.project.canonical.at(&["services", name]);
        let mut node = Node::map(Sources::NONE);
        if let Some(tree) = canonical {
            node.set("service", compose::body(tree, &self.project.origins));
        }
        node.set("image", Node::new(&*image.reference, Sources::NONE));
        Fingerprint::of(&node, self.keys, &self.project.concealed)
    }

    /// Names that the target tells apart as Compose does.
    fn unique_names(&mut self, wanted: &[Name]) {
        let mut known: HashMap<String, Name> = HashMap::new();
        for name in wanted {
            let slugged = slug(name, 63);
            let spot = self.project.services.get(name).map(|service| service.spot).unwrap_or_default();
            if let Some(other) = known.insert(slugged.clone(), name.clone()) {
                let words = format!("the services `{other}` and `{name}` would both be called `{slugged}`");
                self.find(&codes::NAME_COLLISION, words, spot, &format!("services.{name}"), "rename one of them");
            } else if *slugged != **name {
                let words = format!("the service `{name}` is called `{slugged}` there");
                self.find(
                    &codes::NAME_CHANGED,
                    words,
                    spot,
                    &format!("services.{name}"),
                    "check the addresses that name it",
                );
            }
        }
    }

    /// What is made here and there must not come to stand in each other's place.
    fn unique_addresses(&mut self) {
        let mut known: HashMap<String, &Key> = HashMap::new();
        let mut clashes = Vec::new();
        for (key, resource) in &self.resources {
            if let Some(other) = known.insert(resource.address.to_string(), key) {
                clashes.push((format!("{other} and {key} would both be {}", resource.address), resource.body.from));
            }
        }
        for (words, from) in clashes {
            let spot = self.project.origins.spots(from).last().copied().unwrap_or_default();
            self.findings
                .push(Finding::new(&codes::NAME_COLLISION, Masked::words(words), spot).help("rename one of them"));
        }
    }

    /// Secrets that every reader of an object sees.
    fn secrets_shown(&mut self) {
        let mut shown: Vec<(String, Sources, String)> = Vec::new();
        for (key, resource) in &self.resources {
            resource.body.walk(&mut |path, node| {
                let Value::Text(text) = &node.value else { return };
                if text.is_secret() && compare::exposure(&resource.address, path) == Shown::Readable {
                    let at = match &key.of {
                        Subject::Service(name) => format!("services.{name}"),
                        _ => key.to_string(),
                    };
                    shown.push((format!("{path} of {} holds a secret", resource.address), node.from, at));
                }
            });
        }
        for (words, from, at) in shown {
            let spot = self.project.origins.spots(from).first().copied().unwrap_or_default();
            let help = "put it in `environment` under a name that says so, or use `secrets:`";
            self.find(&codes::SECRET_SHOWN, words, spot, &at, help);
        }
    }

    pub(super) fn is_job(&self, name: &str) -> bool {
        self.jobs.iter().any(|job| &**job == name)
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
        spots: &[Spot],
        at: &str,
        help: &'static str,
    ) {
        let first = spots.first().copied().unwrap_or_default();
        let finding = Finding::new(code, Masked::words(words), first).at(at).help(help);
        self.findings.push(Finding { covers: spots.to_vec(), ..finding });
    }

    /// The parsed template of a name; a broken one is a finding, once.
    fn template(&mut self, name: &'static str) -> Option<Arc<Template>> {
        if let Some(known) = self.parsed.get(name) {
            return known.clone();
        }
        let text = self.templates.text(name).unwrap_or_default();
        let parsed = match Template::parse(&format!("templates/kubernetes/{name}"), text, &self.project.origins) {
            Ok(template) => Some(Arc::new(template)),
            Err(findings) => {
                self.findings.extend(findings);
                None
            }
        };
        self.parsed.insert(name, parsed.clone());
        parsed
    }

    /// What a template makes of a context.
    pub(super) fn fill(&mut self, name: &'static str, context: &Node) -> Node {
        let Some(template) = self.template(name) else { return Node::default() };
        match template.fill(context, &self.project.origins, &self.project.concealed) {
            Ok(node) => node,
            Err(finding) => {
                self.findings.push(finding);
                Node::default()
            }
        }
    }

    /// The address of an object of ours.
    pub(super) fn address(&self, kind: &str, name: Called) -> Address {
        let scope = (kind != "v1/Namespace").then(|| self.namespace.value.clone());
        Address { kind: kind.into(), scope, name }
    }

    /// A string of the model as a leaf.
    pub(super) fn text(&self, located: &Located<Text>) -> Node {
        Node { from: located.value.sources(located.spot, &self.project.origins), value: located.value.clone().into() }
    }

    /// Several strings as a list.
    pub(super) fn texts(&self, list: &Located<Vec<Located<Text>>>) -> Node {
        Node::new(list.value.iter().map(|item| self.text(item)).collect::<Vec<_>>(), list.spot)
    }
}

/// The entries of a section by name: the order of the file says nothing.
pub(super) fn sorted<T>(section: &IndexMap<Name, T>) -> Vec<(&Name, &T)> {
    let mut all: Vec<(&Name, &T)> = section.iter().collect();
    all.sort_by(|a, b| a.0.cmp(b.0));
    all
}

/// Whether somebody wrote a value: Compose makes up some of its own.
pub(super) fn is_written(spot: Spot, origins: &Origins) -> bool {
    origins.origin(spot).is_some_and(|origin| !matches!(origin.source, Source::Default { .. }))
}

/// A map of the entries that are there; `None` when there is none.
pub(super) fn some_map(entries: Vec<(&str, Option<Node>)>, from: impl Into<Sources>) -> Option<Node> {
    let mut map = Node::map(from);
    for (key, node) in entries {
        if let Some(node) = node {
            map.set(key, node);
        }
    }
    (!map.entries().is_empty()).then_some(map)
}

/// A context of a template: what is absent is null there.
pub(super) fn context(root: &str, entries: Vec<(&str, Option<Node>)>) -> Node {
    let mut inner = Node::map(Sources::NONE);
    for (key, node) in entries {
        inner.set(key, node.unwrap_or_default());
    }
    let mut map = Node::map(Sources::NONE);
    map.set(root, inner);
    map
}
