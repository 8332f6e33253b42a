//! A pinned project to a release.

use std::{collections::HashMap, sync::Arc};

use indexmap::IndexMap;

use super::{compare, dispositions};
use crate::{
    compose::model::{Project, Service},
    diagnostic::{Code, Finding, Findings},
    image::Pinned,
    target::{
        Dialect, Release, Requirement, Resource, Settings, Shown, Templates, Translation, Unit, codes, naming::slug,
        services, templates::Filling,
    },
    value::{Address, Called, Key, Keyring, Located, Masked, Name, Node, Sources, Spot, Subject, Text, Value},
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
        filling: Filling::new(templates),
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
    translator.findings.once();
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

fn namespace(settings: &Settings) -> Located<Name> {
    if let Some(namespace) = &settings.kubernetes.namespace {
        return namespace.clone();
    }
    Located::new(slug(&settings.application.usual_name(), 63).into(), Spot::NOWHERE)
}

/// The state of one translation.
pub(super) struct Translator<'a> {
    filling: Filling<'a>,
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
        let wanted = services::wanted(self.project, unit);
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
        let image = match services::image(self.pinned, name, service) {
            Ok(image) => image,
            Err(findings) => return self.findings.extend(findings),
        };
        let inputs = services::inputs(self.project, name, &image, self.keys);
        self.workload(name, &service.value, service.spot, &image, inputs);
        self.services(name, &service.value, service.spot, &image, inputs);
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

    /// What a template makes of a context.
    pub(super) fn fill(&mut self, name: &'static str, context: &Node) -> Node {
        self.filling.fill(name, context, self.project, &mut self.findings)
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
