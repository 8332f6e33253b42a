//! Services: how many tasks there are of what, where, and how they follow each other.

use std::collections::BTreeSet;

use super::{
    IMAGE,
    container::nanoseconds,
    translate::{Object, Translator},
};
use crate::{
    compose::model::{Port, Service, UpdateConfig},
    image::PinnedImage,
    target::{
        After, Condition, Life, codes,
        parts::{set, some},
    },
    value::{Called, Fingerprint, Key, Located, Node, Role, Sources, Spot, Subject, Value},
};

fn service_key(service: &str) -> Key {
    Key::new(Subject::Service(service.into()), Role::new("workload"))
}

/// How many processors, in billionths.
fn billionths(count: &Located<f64>) -> Node {
    #[allow(clippy::cast_possible_truncation, reason = "a machine has few processors")]
    let whole = (count.value * 1e9).round() as i64;
    Node::new(whole, count.spot)
}

fn number(count: &Located<i64>) -> Node {
    Node::new(count.value, count.spot)
}

impl Translator<'_> {
    pub(super) fn service(
        &mut self,
        name: &str,
        service: &Service,
        spot: Spot,
        image: &PinnedImage,
        inputs: Fingerprint,
    ) {
        let is_job = self.is_job(name);
        let deploy = service.deploy.as_ref().map(|deploy| &deploy.value);
        let mut body = Node::map(spot);
        let mut labels = Node::map(spot);
        let written = service.image.as_ref().map_or(spot, |image| image.spot);
        if !is_job {
            // Of a job it would say nothing either, and another tag of the same image would run it again.
            labels.set(IMAGE, Node::new(&*image.written, written));
        }
        if let Some(own) = deploy.and_then(|deploy| deploy.labels.as_ref()) {
            for (label, text) in self.strings(own).entries() {
                labels.set(label.clone(), text.clone());
            }
        }
        body.set("Labels", labels);
        let mut task = Node::map(spot);
        task.set("ContainerSpec", self.container(name, service, spot, image));
        set(&mut task, "Resources", resources(service));
        task.set("RestartPolicy", self.restart(name, service, is_job));
        set(&mut task, "Placement", self.placement(service, image));
        set(&mut task, "Networks", self.attachments(name, service));
        set(&mut task, "LogDriver", self.log_driver(service));
        // Whoever had the tasks started anew did not mean to have it undone.
        task.set("ForceUpdate", Node::new(Value::Theirs(None), Sources::NONE));
        body.set("TaskTemplate", task);
        body.set("Mode", self.mode(name, service, is_job));
        for (key, field, settings) in [
            ("UpdateConfig", "update_config", deploy.and_then(|deploy| deploy.update_config.as_ref())),
            ("RollbackConfig", "rollback_config", deploy.and_then(|deploy| deploy.rollback_config.as_ref())),
        ] {
            let Some(settings) = settings else { continue };
            if is_job {
                let words = format!("`{field}` says nothing of what runs to its end, and is left out");
                let at = format!("services.{name}.deploy.{field}");
                self.find(&codes::UNSUPPORTED, words, settings.spot, &at, "a job that changes runs again");
            } else {
                body.set(key, self.update(&settings.value, settings.spot));
            }
        }
        set(&mut body, "EndpointSpec", self.endpoint(name, service));
        let checked = match &service.healthcheck {
            Some(check) => !check.value.disable.as_ref().is_some_and(|flag| flag.value),
            None => image.configuration.as_ref().is_some_and(|configuration| configuration.healthcheck.is_some()),
        };
        let settles = match (is_job, checked) {
            (true, _) => Condition::Completed,
            (false, true) => Condition::Healthy,
            (false, false) => Condition::Started,
        };
        let after = self.after(service);
        self.add(Object {
            key: service_key(name),
            kind: "Service",
            name: Called::Now(self.called(&name.replace('.', "-"), 63).into()),
            body,
            life: if is_job { Life::OneShot } else { Life::Mutable },
            after,
            settles,
            inputs,
            shaped: self.shaped(service),
        });
    }

    /// What decides of order and kind, and is no part of the object.
    fn shaped(&self, service: &Service) -> Sources {
        let waits = service.depends_on.iter().flat_map(|all| &all.value).flat_map(|(_, dependency)| {
            [Some(dependency.spot), dependency.value.condition.as_ref().map(|condition| condition.spot)]
        });
        let profiles = service.profiles.iter().flat_map(|all| &all.value).map(|profile| Some(profile.spot));
        self.project.origins.union(waits.chain(profiles).flatten())
    }

    fn mode(&self, name: &str, service: &Service, is_job: bool) -> Node {
        let written = service.deploy.as_ref().and_then(|deploy| deploy.value.mode.as_ref());
        let from = written.map(|mode| Sources::from(mode.spot)).unwrap_or_default();
        let word = written.and_then(|mode| mode.value.plain()).unwrap_or("replicated");
        let mut body = Node::map(from);
        let own = self.settings.services.get(name).and_then(|settings| settings.replicas.as_ref());
        let replicas = service.deploy.as_ref().and_then(|deploy| deploy.value.replicas.as_ref());
        let count = own.or(service.scale.as_ref()).or(replicas).map(number);
        let mut inner = Node::map(from);
        match (word, is_job) {
            ("global-job", _) | ("global", true) => body.set("GlobalJob", inner),
            ("global", false) => body.set("Global", inner),
            (_, true) => {
                let count = count.unwrap_or_else(|| Node::new(1_i64, from));
                inner.set("MaxConcurrent", count.clone());
                inner.set("TotalCompletions", count);
                body.set("ReplicatedJob", inner);
            }
            (_, false) => {
                // What somebody scaled stays where nobody says a number.
                let theirs =
                    || Node::new(Value::Theirs(Some(Box::new(Node::new(1_i64, Sources::NONE)))), Sources::NONE);
                inner.set("Replicas", count.unwrap_or_else(theirs));
                body.set("Replicated", inner);
            }
        }
        body
    }

    /// With the engine's defaults written out.
    fn update(&self, update: &UpdateConfig, spot: Spot) -> Node {
        let mut body = Node::map(spot);
        body.set("Parallelism", update.parallelism.as_ref().map_or_else(|| Node::new(1_i64, spot), number));
        set(&mut body, "Delay", update.delay.as_ref().map(nanoseconds));
        let word = |text: Option<&Located<crate::value::Text>>, default: &str| {
            text.map_or_else(|| Node::new(default, spot), |text| self.text(text))
        };
        body.set("FailureAction", word(update.failure_action.as_ref(), "pause"));
        set(&mut body, "Monitor", update.monitor.as_ref().map(nanoseconds));
        let ratio = update.max_failure_ratio.as_ref();
        set(&mut body, "MaxFailureRatio", ratio.map(|ratio| Node::new(Value::Float(ratio.value), ratio.spot)));
        body.set("Order", word(update.order.as_ref(), "stop-first"));
        body
    }

    fn restart(&mut self, name: &str, service: &Service, is_job: bool) -> Node {
        let policy = service.deploy.as_ref().and_then(|deploy| deploy.value.restart_policy.as_ref());
        if let Some(policy) = policy {
            if let Some(restart) = &service.restart {
                let words = "`restart` says nothing beside `deploy.restart_policy`".to_owned();
                let at = format!("services.{name}.restart");
                self.find(&codes::APPROXIMATED, words, restart.spot, &at, "leave one of them out");
            }
            let mut body = Node::map(policy.spot);
            let condition = policy.value.condition.as_ref();
            match condition.and_then(|condition| condition.value.plain()) {
                // A job that is started anew whenever it ends would never end.
                None | Some("any") if is_job => body.set("Condition", Node::new("on-failure", policy.spot)),
                _ => {
                    let any = || Node::new("any", policy.spot);
                    body.set("Condition", condition.map_or_else(any, |condition| self.text(condition)));
                }
            }
            set(&mut body, "Delay", policy.value.delay.as_ref().map(nanoseconds));
            set(&mut body, "MaxAttempts", policy.value.max_attempts.as_ref().map(number));
            set(&mut body, "Window", policy.value.window.as_ref().map(nanoseconds));
            return body;
        }
        let restart = service.restart.as_ref();
        let from = restart.map(|restart| Sources::from(restart.spot)).unwrap_or_default();
        let word = restart.and_then(|restart| restart.value.plain()).unwrap_or(if is_job { "no" } else { "always" });
        let (condition, attempts) = match word.split_once(':') {
            Some(("on-failure", attempts)) => ("on-failure", attempts.parse::<i64>().ok()),
            _ if word == "on-failure" => ("on-failure", None),
            _ if word == "no" => ("none", None),
            _ if is_job => ("on-failure", None),
            _ => ("any", None),
        };
        let mut body = Node::map(from);
        body.set("Condition", Node { value: condition.into(), from });
        set(&mut body, "MaxAttempts", attempts.map(|attempts| Node { value: Value::Integer(attempts), from }));
        body
    }

    fn placement(&self, service: &Service, image: &PinnedImage) -> Option<Node> {
        let placement = service.deploy.as_ref().and_then(|deploy| deploy.value.placement.as_ref());
        let mut body = Node::map(placement.map(|placement| placement.spot).unwrap_or_default());
        let mut constraints = Vec::new();
        if let Some(placement) = placement {
            for constraint in placement.value.constraints.iter().flat_map(|all| &all.value) {
                constraints.push(self.text(constraint));
            }
            let spread = placement.value.preferences.iter().flat_map(|all| &all.value).filter_map(|preference| {
                let mut inner = Node::map(preference.spot);
                inner.set("SpreadDescriptor", self.text(preference.value.spread.as_ref()?));
                let mut item = Node::map(preference.spot);
                item.set("Spread", inner);
                Some(item)
            });
            let spread: Vec<Node> = spread.collect();
            if !spread.is_empty() {
                body.set("Preferences", Node::new(spread, placement.spot));
            }
            set(&mut body, "MaxReplicas", placement.value.max_replicas_per_node.as_ref().map(number));
        }
        if let Some(platform) = &service.platform {
            let from = platform.value.sources(platform.spot, &self.project.origins);
            let mut parts = platform.value.plain().unwrap_or_default().split('/');
            if let Some(system) = parts.next() {
                constraints.push(Node::new(format!("node.platform.os == {system}"), from));
            }
            if let Some(architecture) = parts.next() {
                // As nodes call it.
                let architecture = match architecture {
                    "amd64" => "x86_64",
                    "arm64" => "aarch64",
                    other => other,
                };
                constraints.push(Node::new(format!("node.platform.arch == {architecture}"), from));
            }
        }
        if !constraints.is_empty() {
            body.set("Constraints", Node::new(constraints, Sources::NONE));
        }
        // Nodes do not tell variants of an architecture apart.
        let known: BTreeSet<(&str, &str)> =
            image.platforms.iter().map(|platform| (&*platform.os, &*platform.architecture)).collect();
        let platforms = known.into_iter().map(|(system, architecture)| {
            let mut item = Node::map(image.spot);
            item.set("Architecture", Node::new(architecture, image.spot));
            item.set("OS", Node::new(system, image.spot));
            item
        });
        let platforms: Vec<Node> = platforms.collect();
        if !platforms.is_empty() {
            // Or a node that cannot run it would be given a task.
            body.set("Platforms", Node::new(platforms, image.spot));
        }
        some(body)
    }

    fn log_driver(&self, service: &Service) -> Option<Node> {
        let logging = service.logging.as_ref()?;
        let mut body = Node::map(logging.spot);
        set(&mut body, "Name", logging.value.driver.as_ref().map(|driver| self.text(driver)));
        set(&mut body, "Options", logging.value.options.as_ref().map(|options| self.strings(options)));
        some(body)
    }

    fn endpoint(&mut self, name: &str, service: &Service) -> Option<Node> {
        let mode = service.deploy.as_ref().and_then(|deploy| deploy.value.endpoint_mode.as_ref());
        let mut body = Node::map(mode.map(|mode| mode.spot).unwrap_or_default());
        set(&mut body, "Mode", mode.map(|mode| self.text(mode)));
        let by_names = mode.and_then(|mode| mode.value.plain()) == Some("dnsrr");
        let mut ports = Vec::new();
        for (index, port) in service.ports.iter().flat_map(|all| &all.value).enumerate() {
            let at = format!("services.{name}.ports.{index}");
            let ingress = port.value.mode.as_ref().and_then(|mode| mode.value.plain()) != Some("host");
            if by_names && ingress {
                let words = "a service without an address of its own cannot be published on all nodes".to_owned();
                let help = "publish it with `mode: host`, or leave out `endpoint_mode: dnsrr`";
                self.find(&codes::REFUSED, words, port.spot, &at, help);
                continue;
            }
            ports.extend(self.port(&port.value, port.spot, &at));
        }
        if !ports.is_empty() {
            body.set("Ports", Node::new(ports, service.ports.as_ref().map(|ports| ports.spot).unwrap_or_default()));
        }
        some(body)
    }

    fn port(&mut self, port: &Port, spot: Spot, at: &str) -> Option<Node> {
        let mut item = Node::map(spot);
        set(&mut item, "Name", port.name.as_ref().map(|name| self.text(name)));
        set(&mut item, "Protocol", port.protocol.as_ref().map(|protocol| self.text(protocol)));
        item.set("TargetPort", number(port.target.as_ref()?));
        if let Some(published) = &port.published {
            let text = published.value.plain().unwrap_or_default();
            if let Ok(number) = text.parse::<i64>() {
                item.set("PublishedPort", Node { value: Value::Integer(number), from: self.text(published).from });
            } else {
                let words = format!("`{text}` is no single port, and Swarm publishes one");
                self.find(&codes::REFUSED, words, published.spot, at, "name one port");
                return None;
            }
        }
        set(&mut item, "PublishMode", port.mode.as_ref().map(|mode| self.text(mode)));
        Some(item)
    }

    /// What apply waits for before it begins with this one.
    fn after(&self, service: &Service) -> Vec<After> {
        let all = service.depends_on.iter().flat_map(|all| &all.value);
        all.filter(|(name, _)| self.project.services.contains_key(*name))
            .map(|(name, dependency)| {
                let until = match dependency.value.condition.as_ref().and_then(|condition| condition.value.plain()) {
                    Some("service_healthy") => Condition::Healthy,
                    Some("service_completed_successfully") => Condition::Completed,
                    _ => Condition::Started,
                };
                After { key: service_key(name), until }
            })
            .collect()
    }
}

fn resources(service: &Service) -> Option<Node> {
    let written = service.deploy.as_ref().and_then(|deploy| deploy.value.resources.as_ref());
    let part = |limits: bool| {
        let all = written?;
        if limits { all.value.limits.as_ref() } else { all.value.reservations.as_ref() }.map(|part| &part.value)
    };
    let (most, least) = (part(true), part(false));
    let mut limits = Node::map(Sources::NONE);
    let cpus = most.and_then(|most| most.cpus.as_ref()).or(service.cpus.as_ref());
    set(&mut limits, "NanoCPUs", cpus.map(billionths));
    let memory = most.and_then(|most| most.memory.as_ref()).or(service.mem_limit.as_ref());
    set(&mut limits, "MemoryBytes", memory.map(number));
    let pids = most.and_then(|most| most.pids.as_ref()).or(service.pids_limit.as_ref());
    set(&mut limits, "Pids", pids.map(number));
    let mut reservations = Node::map(Sources::NONE);
    set(&mut reservations, "NanoCPUs", least.and_then(|least| least.cpus.as_ref()).map(billionths));
    let memory = least.and_then(|least| least.memory.as_ref()).or(service.mem_reservation.as_ref());
    set(&mut reservations, "MemoryBytes", memory.map(number));
    let generic = least.and_then(|least| least.generic_resources.as_ref());
    let generic = generic.map(|all| {
        let items = all.value.iter().filter_map(|item| {
            let spec = item.value.discrete_resource_spec.as_ref()?;
            let mut inner = Node::map(spec.spot);
            let kind = spec.value.kind.as_ref()?;
            inner.set("Kind", Node::new(kind.value.clone(), kind.spot));
            let value = spec.value.value.as_ref()?;
            #[allow(clippy::cast_possible_truncation, reason = "these are counted")]
            inner.set("Value", Node::new(value.value as i64, value.spot));
            let mut outer = Node::map(spec.spot);
            outer.set("DiscreteResourceSpec", inner);
            Some(outer)
        });
        Node::new(items.collect::<Vec<_>>(), all.spot)
    });
    set(&mut reservations, "GenericResources", generic);
    let mut body = Node::map(Sources::NONE);
    set(&mut body, "Limits", some(limits));
    set(&mut body, "Reservations", some(reservations));
    some(body)
}
