//! A pinned project to a release.

use std::{collections::HashMap, sync::Arc};

use indexmap::IndexMap;

use super::dispositions;
use crate::{
    compose::model::{Project, Service},
    diagnostic::{Code, Finding, Findings},
    image::Pinned,
    target::{
        Containerizer, Dialect, Release, Requirement, Resource, SecretMode, Settings, Templates, Translation, Unit,
        codes, naming, naming::slug, services, templates::Filling,
    },
    value::{Key, Keyring, Located, Masked, Name, Node, Role, Sources, Spot, Subject, Text, Value},
};

/// The longest name of a service: with the name of its port it still is a record of the cluster's names.
pub(super) const LONGEST: usize = 54;

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
        group: group(settings),
        findings: Findings::new(),
        resources: IndexMap::new(),
        requires: Vec::new(),
        jobs: services::jobs(&project),
        addresses: HashMap::new(),
    };
    translator.all(unit);
    translator.secrets_shown();
    translator.findings.extend(dispositions::findings(&project));
    translator.findings.once();
    let release = Release {
        resources: translator.resources,
        requires: translator.requires,
        ..Release::nothing(
            settings.application.clone(),
            Dialect::Marathon,
            Arc::clone(&project.origins),
            Arc::clone(&project.concealed),
        )
    };
    Translation { release, findings: translator.findings }
}

/// The group of all apps, from the root and without a `/` at its end.
fn group(settings: &Settings) -> Located<String> {
    if let Some(group) = &settings.marathon.group {
        return Located::new(format!("/{}", group.value.trim_matches('/')), group.spot);
    }
    Located::new(format!("/{}", slug(&settings.application.usual_name(), 100)), Spot::NOWHERE)
}

/// The key of what runs a service.
pub(super) fn app_key(service: &str) -> Key {
    Key::new(Subject::Service(service.into()), Role::new("workload"))
}

/// The state of one translation.
pub(super) struct Translator<'a> {
    filling: Filling<'a>,
    pub(super) pinned: &'a Pinned,
    pub(super) project: &'a Project,
    pub(super) settings: &'a Settings,
    pub(super) keys: &'a Keyring,
    pub(super) group: Located<String>,
    pub(super) findings: Findings,
    pub(super) resources: IndexMap<Key, Resource>,
    pub(super) requires: Vec<Requirement>,
    jobs: Vec<Name>,
    /// Names and ports that are taken, and by which service.
    pub(super) addresses: HashMap<String, Name>,
}

impl Translator<'_> {
    fn all(&mut self, unit: &Unit) {
        let wanted = services::wanted(self.project, unit);
        self.unique_names(&wanted);
        self.networks();
        self.contents();
        self.unused_volumes(&wanted);
        for name in services::in_order(self.project, &wanted) {
            let Some(service) = self.project.services.get(&name) else { continue };
            if self.is_job(&name) {
                self.job(&name, service);
            }
            match services::image(self.pinned, &name, service) {
                Ok(image) => {
                    let inputs = services::inputs(self.project, &name, &image, self.keys);
                    self.app(&name, &service.value, service.spot, &image, inputs);
                }
                Err(findings) => self.findings.extend(findings),
            }
        }
    }

    /// What runs to its end: Marathon would start it again and again.
    fn job(&mut self, name: &str, service: &Located<Service>) {
        let deploy = service.value.deploy.as_ref().map(|deploy| &deploy.value);
        let mode = deploy.and_then(|deploy| deploy.mode.as_ref());
        let mode = mode.filter(|mode| matches!(mode.value.plain(), Some("replicated-job" | "global-job")));
        let policy = deploy.and_then(|deploy| deploy.restart_policy.as_ref());
        let (part, spot) = match (mode, policy, &service.value.restart) {
            (Some(mode), ..) => (".deploy.mode", mode.spot),
            (None, Some(policy), _) => (".deploy.restart_policy", policy.spot),
            (None, None, Some(restart)) => (".restart", restart.spot),
            (None, None, None) => ("", service.spot),
        };
        let words = format!("`{name}` runs to its end, and Marathon would start it again and again");
        let help = "leave it out with a profile, and run it as a job of Metronome, or where the others begin";
        self.find(&codes::REFUSED, words, spot, &format!("services.{name}{part}"), help);
    }

    /// Names that the target tells apart as Compose does.
    fn unique_names(&mut self, wanted: &[Name]) {
        let mut known: HashMap<String, Name> = HashMap::new();
        for name in wanted {
            let there = called(name);
            let spot = self.project.services.get(name).map(|service| service.spot).unwrap_or_default();
            let at = format!("services.{name}");
            if let Some(other) = known.insert(there.clone(), name.clone()) {
                let words = format!("the services `{other}` and `{name}` would both be called `{there}`");
                self.find(&codes::NAME_COLLISION, words, spot, &at, "rename one of them");
            } else if *there != **name {
                let words = format!("the service `{name}` is called `{there}` there");
                self.find(&codes::NAME_CHANGED, words, spot, &at, "check the addresses that name it");
            }
        }
    }

    /// Secrets that every reader sees.
    fn secrets_shown(&mut self) {
        let mut shown: Vec<(String, Sources, String)> = Vec::new();
        for (key, resource) in &self.resources {
            resource.body.walk(&mut |path, node| {
                let secret = match &node.value {
                    Value::Text(text) => text.is_secret(),
                    _ => false,
                };
                if secret {
                    let at = match &key.of {
                        Subject::Service(name) => format!("services.{name}"),
                        Subject::Secret(name) => format!("secrets.{name}"),
                        _ => key.to_string(),
                    };
                    shown.push((format!("{path} of {} holds a secret", resource.address), node.from, at));
                }
            });
        }
        for (words, from, at) in shown {
            let spot = self.project.origins.spots(from).first().copied().unwrap_or_default();
            let help = "set `secrets: reference`, and keep it in the cluster's own store";
            self.find(&codes::SECRET_SHOWN, words, spot, &at, help);
        }
    }

    pub(super) fn is_job(&self, name: &str) -> bool {
        self.jobs.iter().any(|job| &**job == name)
    }

    pub(super) fn containerizer(&self) -> Containerizer {
        self.settings.marathon.container.as_ref().map(|one| one.value).unwrap_or_default()
    }

    pub(super) fn is_docker(&self) -> bool {
        self.containerizer() == Containerizer::Docker
    }

    pub(super) fn secret_mode(&self) -> SecretMode {
        match &self.settings.marathon.secrets {
            Some(mode) => mode.value,
            None if self.settings.files => SecretMode::Reference,
            None => SecretMode::Inline,
        }
    }

    /// `api` in `/teams/shop`: `api.shop.teams`, the first part of the name under which it is found.
    pub(super) fn address_of(&self, name: &str) -> String {
        let mut parts: Vec<&str> = self.group.value.split('/').filter(|part| !part.is_empty()).collect();
        parts.reverse();
        format!("{}.{}", called(name), parts.join("."))
    }

    /// Where names of services of this application are found.
    pub(super) fn domain(&self) -> String {
        let own = self.address_of("x");
        format!("{}.marathon.l4lb.thisdcos.directory", own.trim_start_matches("x."))
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

    /// A string of the model as a leaf.
    pub(super) fn text(&self, located: &Located<Text>) -> Node {
        Node { from: self.from(located), value: located.value.clone().into() }
    }

    /// Where a string of the model comes from.
    pub(super) fn from(&self, located: &Located<Text>) -> Sources {
        located.value.sources(located.spot, &self.project.origins)
    }
}

/// The last part of a service's id.
pub(super) fn called(name: &str) -> String {
    let there = naming::slug(name, LONGEST);
    // What stands below an app in the API cannot be one.
    if ["restart", "tasks", "versions"].contains(&there.as_str()) { format!("{there}-app") } else { there }
}

/// A map with these entries.
pub(super) fn map(entries: Vec<(&str, Node)>, from: Sources) -> Node {
    Node { value: Value::Map(entries.into_iter().map(|(key, node)| (key.into(), node)).collect()), from }
}

/// A list, unless it is empty.
pub(super) fn some_list(items: Vec<Node>) -> Option<Node> {
    (!items.is_empty()).then(|| Node::new(items, Sources::NONE))
}

/// Whole seconds, rounded up.
pub(super) fn seconds(time: std::time::Duration) -> i64 {
    i64::try_from(time.as_secs() + u64::from(time.subsec_nanos() > 0)).unwrap_or(i64::MAX)
}
