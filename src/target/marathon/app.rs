//! The app of a service: its marks, its labels, and everything that the other files make of its parts.

use std::time::Duration;

use super::{
    APP,
    translate::{Translator, app_key, called, map, seconds, some_list},
};
use crate::{
    compose::model::Service,
    image::PinnedImage,
    target::{
        After, Condition, Containerizer, Life, Resource, SETTLES_WITHIN, Settles, codes,
        parts::{context, some_map, sorted},
        services,
    },
    value::{Address, Called, Fingerprint, Located, Node, Part, Sources, Spot, Text, Value},
};

/// The label that says whose an app is. Frozen.
pub(crate) const APPLICATION: &str = "TRANSSHIP_APPLICATION";
/// The label that says which resource an app is. Frozen.
pub(crate) const RESOURCE: &str = "TRANSSHIP_RESOURCE";
/// Labels that are settings of ours, and no labels of the app.
pub(super) const SETTING: &str = "com.microsoft.acs.dcos";

impl Translator<'_> {
    pub(super) fn app(&mut self, name: &str, service: &Service, spot: Spot, image: &PinnedImage, inputs: Fingerprint) {
        let key = app_key(name);
        self.always(name, service);
        let checks = self.checks(name, service, image);
        let ports = self.ports(name, service, image);
        let storage = self.storage(name, service);
        let (env, mut secrets) = self.env(name, service);
        secrets.extend(storage.secrets.iter().cloned());
        let mut fetch = storage.fetch.clone();
        let pull = self.pull(&mut fetch, &mut secrets);
        let command = self.command(name, service, image);
        let mut parameters = command.parameters;
        parameters.extend(self.parameters(name, service, &storage.temporary));
        let image_from = service.image.as_ref().map(|written| self.from(written)).unwrap_or_default();
        let image_from = self.project.origins.join([image_from, image.spot.into()]);
        let flag = |field: &Option<Located<bool>>| {
            field.as_ref().filter(|flag| flag.value).map(|flag| Node::new(true, flag.spot))
        };
        let force = service
            .pull_policy
            .as_ref()
            .filter(|policy| policy.value.plain() == Some("always"))
            .map(|policy| Node { value: Value::Bool(true), from: self.from(policy) });
        let instances = match self.count(name, service) {
            Some((count, from)) => Node { value: Value::Integer(count), from },
            // What somebody or something scaled stays.
            None => Node::new(Value::Theirs(Some(Box::new(Node::new(1_i64, Sources::NONE)))), Sources::NONE),
        };
        let upgrade = self.upgrade(name, service, storage.exclusive || ports.fixed);
        let resources = self.resources(name, service, spot);
        let labels = self.labels(name, service, spot);
        let privileged = flag(&service.privileged);
        if let (Some(privileged), false) = (&service.privileged, self.is_docker()) {
            let words = format!("`{name}` cannot be privileged with the containerizer of Mesos");
            let at = format!("services.{name}.privileged");
            self.find(&codes::UNSUPPORTED, words, privileged.spot, &at, "set `container: docker`");
        }
        let docker = self.is_docker();
        let grace = service.stop_grace_period.as_ref().map(|time| Node::new(seconds(time.value), time.spot));
        let inner = context(
            "app",
            vec![
                ("id", Some(Node::new(Value::Reference(Box::new(key.clone()), Part::Name), spot))),
                ("labels", Some(labels)),
                ("instances", Some(instances)),
                ("cpus", Some(resources.cpus)),
                ("mem", Some(resources.memory)),
                ("gpus", resources.gpus),
                ("resourceLimits", resources.limits),
                ("cmd", command.line),
                ("args", command.arguments),
                ("env", env),
                (
                    "secrets",
                    some_map(secrets.iter().map(|(name, node)| (&**name, Some(node.clone()))).collect(), Sources::NONE),
                ),
                ("fetch", some_list(fetch)),
                (
                    "containerizer",
                    Some(match &self.settings.marathon.container {
                        Some(one) if one.value == Containerizer::Mesos => Node::new("MESOS", one.spot),
                        Some(one) => Node::new("DOCKER", one.spot),
                        None => Node::new("DOCKER", Sources::NONE),
                    }),
                ),
                ("image", Some(Node { value: Value::from(&*image.reference), from: image_from })),
                ("forcePullImage", force),
                ("privileged", privileged.filter(|_| docker)),
                ("parameters", some_list(parameters).filter(|_| docker)),
                ("pullConfig", pull),
                ("portMappings", ports.mappings),
                ("volumes", some_list(storage.volumes)),
                ("networks", Some(ports.networks)),
                ("portDefinitions", ports.definitions),
                ("requirePorts", ports.required),
                ("constraints", self.constraints(name, service)),
                ("dependencies", self.dependencies(name, service)),
                ("healthChecks", checks),
                ("upgradeStrategy", upgrade),
                ("unreachableStrategy", storage.resident.then(|| Node::new("disabled", Sources::NONE))),
                ("backoffSeconds", Self::backoff(service)),
                ("taskKillGracePeriodSeconds", grace),
                ("tty", flag(&service.tty)),
            ],
        );
        let mut body = self.fill("app.yaml", &inner);
        body.from = self.project.origins.join([spot.into(), self.shaped(service)]);
        let checked = body.get("healthChecks").is_some();
        let resource = Resource {
            key: key.clone(),
            address: self.address(name),
            body,
            // Volumes of an app go with it.
            life: if storage.resident { Life::Data } else { Life::Mutable },
            after: self.after(service),
            settles: Settles {
                when: if checked { Condition::Healthy } else { Condition::Started },
                within: self.deadline(),
            },
            inputs,
        };
        self.resources.insert(key, resource);
    }

    /// The id of a service's app.
    fn address(&self, name: &str) -> Address {
        let id = format!("{}/{}", self.group.value.trim_end_matches('/'), called(name));
        Address { kind: APP.into(), scope: None, name: Called::Now(id.into()) }
    }

    pub(super) fn deadline(&self) -> Duration {
        let written = self.settings.marathon.deadline.as_ref().and_then(|deadline| u64::try_from(deadline.value).ok());
        written.map_or(SETTLES_WITHIN, Duration::from_secs)
    }

    /// The count somebody set, and everybody who did.
    pub(super) fn count(&self, name: &str, service: &Service) -> Option<(i64, Sources)> {
        let own = self.settings.services.get(name).and_then(|settings| settings.replicas.as_ref());
        let replicas = service.deploy.as_ref().and_then(|deploy| deploy.value.replicas.as_ref());
        let all = [own, service.scale.as_ref(), replicas];
        let count = all.into_iter().flatten().next()?;
        Some((count.value, self.project.origins.union(all.into_iter().flatten().map(|count| count.spot))))
    }

    /// What decided how the app stands, and stands nowhere in it.
    fn shaped(&self, service: &Service) -> Sources {
        let waits = service.depends_on.iter().flat_map(|all| all.value.values()).flat_map(|dependency| {
            let condition = dependency.value.condition.as_ref().map(|condition| condition.spot);
            [Some(dependency.spot), condition]
        });
        let profiles = service.profiles.iter().flat_map(|all| &all.value).map(|profile| Some(profile.spot));
        let restart = [service.restart.as_ref().map(|restart| restart.spot)];
        let attached = service.networks.iter().flat_map(|all| all.value.values()).map(|one| Some(one.spot));
        let emptied = [&service.command, &service.entrypoint].map(|list| list.as_ref().map(|list| list.spot));
        let pull = [service.pull_policy.as_ref().map(|policy| policy.spot)];
        // What takes a check away stands nowhere in the app.
        let check = service.healthcheck.iter().flat_map(Self::check_spots).map(Some);
        let policy = service.deploy.as_ref().and_then(|deploy| deploy.value.restart_policy.as_ref());
        let policy = policy.iter().flat_map(|policy| {
            let condition = policy.value.condition.as_ref().map(|condition| condition.spot);
            [Some(policy.spot), condition]
        });
        let policy: Vec<Option<Spot>> = policy.collect();
        let all = waits.chain(profiles).chain(restart).chain(attached).chain(emptied).chain(pull);
        let all = all.chain(check).chain(policy);
        self.project.origins.union(all.flatten())
    }

    /// Labels of the app: those of the service, and ours. Constant, because a label that changes restarts the app.
    fn labels(&mut self, name: &str, service: &Service, spot: Spot) -> Node {
        let mut labels = Node::map(spot);
        let deploy = service.deploy.as_ref().and_then(|deploy| deploy.value.labels.as_ref());
        for list in [service.annotations.as_ref(), service.labels.as_ref(), deploy].into_iter().flatten() {
            for (key, text) in sorted(&list.value) {
                if key.to_ascii_lowercase().starts_with(SETTING) {
                    continue;
                }
                if [APPLICATION, RESOURCE].contains(&&**key) {
                    let words = format!("the label `{key}` is a mark of transship");
                    self.find(
                        &codes::INVALID_NAME,
                        words,
                        text.spot,
                        &format!("services.{name}.labels"),
                        "leave it out",
                    );
                    continue;
                }
                // Where several say something, the last counts, and the others are part of why.
                let below = labels.get(key).map(|below| below.from).unwrap_or_default();
                let from = self.project.origins.join([self.from(text), below]);
                labels.set(key.clone(), Node { from, ..self.text(text) });
            }
        }
        labels.set(APPLICATION, Node::new(self.settings.application.to_string(), Sources::NONE));
        labels.set(RESOURCE, Node::new(app_key(name).to_string(), Sources::NONE));
        if let Value::Map(entries) = &mut labels.value {
            entries.sort_by(|a, b| a.0.cmp(&b.0));
        }
        labels
    }

    /// What has to be healthy before this begins, in Marathon's own words.
    fn dependencies(&mut self, name: &str, service: &Service) -> Option<Node> {
        let mut items: Vec<(String, Node)> = Vec::new();
        let waits: Vec<_> = service.depends_on.iter().flat_map(|all| sorted(&all.value)).collect();
        for (other, dependency) in waits {
            let at = format!("services.{name}.depends_on.{other}.condition");
            let condition = dependency.value.condition.as_ref();
            if let Some(condition) = condition.filter(|one| one.value.plain() == Some("service_completed_successfully"))
            {
                let words = format!("`{name}` cannot wait until `{other}` has run to its end");
                let help = "run it before, and let `depends_on` say `service_healthy` or nothing";
                self.find_covering(&codes::UNSUPPORTED, words, &[condition.spot, dependency.spot], &at, help);
            }
            let Some(found) = self.project.services.get(other) else { continue };
            if let Some(condition) = condition.filter(|one| one.value.plain() == Some("service_healthy")) {
                let image = self.pinned.image_of(other).cloned();
                let checked = image.is_some_and(|image| self.is_checked(&found.value, &image));
                if !checked {
                    let words = format!("`{other}` has no health check: it counts as healthy as soon as it runs");
                    self.find(&codes::UNSUPPORTED, words, condition.spot, &at, "give it a `healthcheck`");
                }
            }
            let from = self
                .project
                .origins
                .union([Some(dependency.spot), condition.map(|one| one.spot)].into_iter().flatten());
            items.push((called(other), Node { value: Value::Reference(Box::new(app_key(other)), Part::Name), from }));
        }
        items.sort_by(|a, b| a.0.cmp(&b.0));
        some_list(items.into_iter().map(|(_, node)| node).collect())
    }

    /// The same for our own steps.
    fn after(&self, service: &Service) -> Vec<After> {
        let waits = service.depends_on.iter().flat_map(|all| sorted(&all.value));
        waits
            .filter(|(other, _)| self.project.services.contains_key(*other))
            .map(|(other, dependency)| {
                let condition = dependency.value.condition.as_ref().and_then(|condition| condition.value.plain());
                let until = if condition == Some("service_healthy") { Condition::Healthy } else { Condition::Started };
                After { key: app_key(other), until }
            })
            .collect()
    }

    /// What pulls the image: an archive that the agents fetch, or a secret of the cluster.
    fn pull(&self, fetch: &mut Vec<Node>, secrets: &mut Vec<(Box<str>, Node)>) -> Option<Node> {
        let pull = self.settings.marathon.pull.as_ref()?;
        let from = Sources::from(pull.spot);
        if self.is_docker() {
            let uri = Node::new(&*pull.value, from);
            let file = pull.value.rsplit('/').next().unwrap_or_default();
            let entries = vec![("uri", uri), ("destPath", Node::new(file, from)), ("extract", Node::new(true, from))];
            fetch.push(map(entries, from));
            return None;
        }
        let source = map(vec![("source", Node::new(&*pull.value, from))], from);
        secrets.push(("pull".into(), source));
        Some(map(vec![("secret", Node::new("pull", from))], from))
    }

    /// What an app does in any case, whatever is said: it is started again when it ends, and pulled when it is not there.
    fn always(&mut self, name: &str, service: &Service) {
        if let Some(policy) = service.pull_policy.as_ref().filter(|policy| policy.value.plain() != Some("always")) {
            let words = format!("agents pull the image of `{name}` when they do not have it");
            let at = format!("services.{name}.pull_policy");
            self.find(&codes::APPROXIMATED, words, policy.spot, &at, "leave it out, or write `always`");
        }
        if let Some(written) = service.image.as_ref() {
            // Of a name with both, the digest counts.
            let both = written.value.plain().and_then(|text| text.split_once('@'));
            if both.is_some_and(|(name, _)| name.rsplit('/').next().unwrap_or(name).contains(':')) {
                let words = format!("the tag of `{}` says nothing beside its digest", written.value.masked());
                let at = format!("services.{name}.image");
                self.find(&codes::APPROXIMATED, words, written.spot, &at, "leave out the tag");
            }
        }
        let Some((word, spot)) = services::restart_policy(service) else { return };
        if let Some(restart) = service.restart.as_ref().filter(|restart| restart.spot != spot) {
            let words = format!("`deploy.restart_policy` of `{name}` counts, and not this");
            let at = format!("services.{name}.restart");
            self.find(&codes::APPROXIMATED, words, restart.spot, &at, "leave out one of them");
        }
        if word == "no" || word.starts_with("on-failure") {
            let words = format!("`{name}` is started again whenever it ends");
            let own = service.restart.as_ref().is_some_and(|restart| restart.spot == spot);
            let at = if own { "restart" } else { "deploy.restart_policy.condition" };
            let help = "write `restart: always`";
            self.find(&codes::APPROXIMATED, words, spot, &format!("services.{name}.{at}"), help);
        }
    }

    /// The pause before something that ended is started again.
    fn backoff(service: &Service) -> Option<Node> {
        let policy = service.deploy.as_ref().and_then(|deploy| deploy.value.restart_policy.as_ref());
        let delay = policy.and_then(|policy| policy.value.delay.as_ref())?;
        Some(Node::new(seconds(delay.value), delay.spot))
    }

    /// Several networks are one there.
    pub(super) fn networks(&mut self) {
        let used: Vec<_> =
            sorted(&self.project.networks).into_iter().map(|(name, network)| (name.clone(), network.spot)).collect();
        if let [_, others @ ..] = used.as_slice()
            && let Some((name, spot)) = others.first()
        {
            let words = format!("`{name}` and the others are one network: every app reaches every other");
            let all: Vec<Spot> = used.iter().map(|(_, spot)| *spot).chain([*spot]).collect();
            let help = "an app has one network there; separate them with what the cluster has for that";
            self.find_covering(&codes::APPROXIMATED, words, &all, &format!("networks.{name}"), help);
        }
        if !self.is_docker()
            && let Some(one) = &self.settings.marathon.container
        {
            let words = format!("services are found as NAME.{}, and not as NAME alone", self.domain());
            let spot = one.spot;
            self.find(
                &codes::APPROXIMATED,
                words,
                spot,
                "marathon.container",
                "write the whole names where others are called",
            );
        }
    }
}

/// The text of a setting among the labels of a service, whatever the case of its name.
pub(super) fn setting<'s>(service: &'s Service, name: &str) -> Option<(&'s str, &'s Located<Text>)> {
    let deploy = service.deploy.as_ref().and_then(|deploy| deploy.value.labels.as_ref());
    let lists = [service.labels.as_ref(), deploy].into_iter().flatten();
    let mut found = lists.flat_map(|list| &list.value).filter_map(|(key, text)| {
        let own = key.to_ascii_lowercase();
        let rest = own.strip_prefix(SETTING)?;
        let rest = rest.trim_start_matches('.').trim_start_matches("marathon.");
        (rest == name).then_some((&**key, text))
    });
    found.next()
}
