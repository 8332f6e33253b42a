//! What runs a service: Deployment, StatefulSet, DaemonSet or Job.

use std::time::Duration;

use super::{
    object::Object,
    probes::seconds,
    translate::{Translator, context, some_map},
};
use crate::{
    compose::model::Service,
    image::PinnedImage,
    target::{After, Condition, Life, naming},
    value::{Called, Fingerprint, Key, Node, Part, Role, Sources, Spot, Subject, Value},
};

/// Key of what runs a service.
pub(super) fn workload_key(service: &str) -> Key {
    Key::new(Subject::Service(service.into()), Role::new("workload"))
}

impl Translator<'_> {
    pub(super) fn workload(
        &mut self,
        name: &str,
        service: &Service,
        spot: Spot,
        image: &PinnedImage,
        inputs: Fingerprint,
    ) {
        let mode = service.deploy.as_ref().and_then(|deploy| deploy.value.mode.as_ref());
        let word = mode.and_then(|mode| mode.value.plain()).unwrap_or("replicated").to_owned();
        let after = self.after(service);
        let settles = settles(service, image);
        if self.is_job(name) {
            self.job(name, service, spot, image, inputs, after);
            return;
        }
        let pod = self.pod(name, service, spot, image, inputs, None);
        let global = word == "global";
        let owns = self.owns_volume(name, service);
        let (kind, template) = if global {
            ("apps/v1/DaemonSet", "daemonset.yaml")
        } else if owns && self.count(name, service).is_none_or(|(count, _)| count <= 1) {
            ("apps/v1/StatefulSet", "statefulset.yaml")
        } else {
            ("apps/v1/Deployment", "deployment.yaml")
        };
        let stateful = kind == "apps/v1/StatefulSet";
        let replicas = match self.count(name, service) {
            Some((count, spot)) => Node::new(count, spot),
            // What an autoscaler or a person scaled stays.
            None => Node::new(Value::Theirs(Some(Box::new(Node::new(1_i64, Sources::NONE)))), Sources::NONE),
        };
        let governing = stateful.then(|| {
            let key = Key::new(Subject::Service(name.into()), Role::new("governing"));
            Node::new(Value::Reference(Box::new(key), Part::Name), spot)
        });
        let update =
            service.deploy.as_ref().and_then(|deploy| deploy.value.update_config.as_ref()).map(|update| &update.value);
        let pause = update.and_then(|update| {
            let longest =
                [update.delay.as_ref(), update.monitor.as_ref()].into_iter().flatten().max_by_key(|time| time.value)?;
            let spots = [update.delay.as_ref(), update.monitor.as_ref()].into_iter().flatten().map(|time| time.spot);
            let from = self.project.origins.union(spots);
            (longest.value > Duration::ZERO).then(|| Node { value: Value::Integer(seconds(longest.value)), from })
        });
        let inner = context(
            "workload",
            vec![
                ("replicas", Some(replicas)),
                ("selector", Some(self.selector(name, spot))),
                ("strategy", self.strategy(service)),
                ("minReadySeconds", pause),
                ("governing", governing),
                ("pod", Some(pod)),
            ],
        );
        if stateful {
            self.governing_service(name, spot, inputs);
        }
        let called = Called::Now(naming::slug(name, 63).into());
        let mut object = Object::new(workload_key(name), kind, called, template, spot).of(name, inputs);
        object.after = after;
        object.settles = settles;
        self.mark_workload(&mut object, service, image, mode.map(|mode| mode.spot));
        self.add(object, inner);
    }

    fn job(
        &mut self,
        name: &str,
        service: &Service,
        spot: Spot,
        image: &PinnedImage,
        inputs: Fingerprint,
        after: Vec<After>,
    ) {
        let restart = service.restart.as_ref();
        let policy = restart.and_then(|restart| restart.value.plain()).unwrap_or("no").to_owned();
        let from: Sources = restart.map_or(spot, |restart| restart.spot).into();
        let deploy_policy = service.deploy.as_ref().and_then(|deploy| deploy.value.restart_policy.as_ref());
        let attempts = deploy_policy.and_then(|policy| policy.value.max_attempts.as_ref());
        let (word, limit) = match policy.split_once(':') {
            _ if attempts.is_some() => ("OnFailure", attempts.map_or(6, |attempts| attempts.value)),
            Some(("on-failure", count)) => ("OnFailure", count.parse().unwrap_or(6)),
            _ if policy == "on-failure" => ("OnFailure", 6),
            _ => ("Never", 0),
        };
        let limit_from = attempts.map_or(from, |attempts| attempts.spot.into());
        let pod = self.pod(name, service, spot, image, inputs, Some(Node { value: word.into(), from }));
        // Everything the Job runs is in its name: a Job cannot be changed, only followed by another.
        let names: Vec<Called> = pod
            .references()
            .iter()
            .filter_map(|key| self.resources.get(key))
            .filter(|resource| resource.life == Life::Versioned)
            .map(|resource| resource.address.name.clone())
            .collect();
        let content =
            naming::Content::of_body(&pod, &names.iter().collect::<Vec<_>>(), self.keys, &self.project.concealed);
        let called = naming::versioned(&naming::slug(name, 52), &content, self.keys);
        let completions =
            self.count(name, service).filter(|(count, _)| *count > 1).map(|(count, spot)| Node::new(count, spot));
        let inner = context(
            "workload",
            vec![
                ("backoffLimit", Some(Node { value: Value::Integer(limit), from: limit_from })),
                ("completions", completions),
                ("pod", Some(pod)),
            ],
        );
        let mode = service.deploy.as_ref().and_then(|deploy| deploy.value.mode.as_ref()).map(|mode| mode.spot);
        let mut object = Object::new(workload_key(name), "batch/v1/Job", called, "job.yaml", spot)
            .of(name, inputs)
            .life(Life::OneShot);
        object.after = after;
        object.settles = Condition::Completed;
        self.mark_workload(&mut object, service, image, mode);
        self.add(object, inner);
    }

    /// `deploy.labels`, and which tag the digest was: on the workload, so that a new tag restarts nothing.
    fn mark_workload(&mut self, object: &mut Object<'_>, service: &Service, image: &PinnedImage, mode: Option<Spot>) {
        let written = service.image.as_ref().map(|written| self.text(written).from).unwrap_or_default();
        let from = self.project.origins.join([written, mode.map(Sources::from).unwrap_or_default()]);
        object.annotations.push(("transship.dev/image".into(), Node { value: Value::from(&*image.written), from }));
        for (key, text) in
            service.deploy.as_ref().and_then(|deploy| deploy.value.labels.as_ref()).iter().flat_map(|all| &all.value)
        {
            object.annotations.push((key.clone(), self.text(text)));
        }
    }

    /// The count somebody set, and where.
    fn count(&self, name: &str, service: &Service) -> Option<(i64, Spot)> {
        if let Some(own) = self.settings.services.get(name).and_then(|settings| settings.replicas.as_ref()) {
            return Some((own.value, own.spot));
        }
        let replicas = service.deploy.as_ref().and_then(|deploy| deploy.value.replicas.as_ref());
        service.scale.as_ref().or(replicas).map(|count| (count.value, count.spot))
    }

    /// How one generation follows another.
    fn strategy(&self, service: &Service) -> Option<Node> {
        let writes = service.volumes.iter().flat_map(|all| &all.value).any(|mount| {
            mount.value.kind.as_ref().and_then(|kind| kind.value.plain()) == Some("volume")
                && mount.value.source.is_some()
                && !mount.value.read_only.as_ref().is_some_and(|flag| flag.value)
        });
        if writes {
            let mut strategy = Node::map(Sources::NONE);
            strategy.set("type", Node::new("Recreate", Sources::NONE));
            return Some(strategy);
        }
        let update = service.deploy.as_ref()?.value.update_config.as_ref()?;
        let order = update.value.order.as_ref();
        let parallelism = update.value.parallelism.as_ref();
        let from = self.project.origins.union(
            [Some(update.spot), order.map(|order| order.spot), parallelism.map(|count| count.spot)]
                .into_iter()
                .flatten(),
        );
        let batch = match parallelism.map_or(1, |count| count.value) {
            0 => Node { value: "100%".into(), from },
            count => Node { value: Value::Integer(count), from },
        };
        let none = Node { value: Value::Integer(0), from };
        let start_first = order.and_then(|order| order.value.plain()) == Some("start-first");
        let (surge, unavailable) = if start_first { (batch, none) } else { (none, batch) };
        let rolling = some_map(vec![("maxSurge", Some(surge)), ("maxUnavailable", Some(unavailable))], from);
        some_map(vec![("type", Some(Node { value: "RollingUpdate".into(), from })), ("rollingUpdate", rolling)], from)
    }

    /// What apply waits for before it begins with this one.
    fn after(&self, service: &Service) -> Vec<After> {
        service
            .depends_on
            .iter()
            .flat_map(|all| &all.value)
            .filter(|(name, _)| self.project.services.contains_key(*name))
            .map(|(name, dependency)| {
                let until = match dependency.value.condition.as_ref().and_then(|condition| condition.value.plain()) {
                    Some("service_healthy") => Condition::Healthy,
                    Some("service_completed_successfully") => Condition::Completed,
                    _ => Condition::Started,
                };
                After { key: workload_key(name), until }
            })
            .collect()
    }
}

fn settles(service: &Service, image: &PinnedImage) -> Condition {
    let checked = service.healthcheck.is_some()
        || image.configuration.as_ref().is_some_and(|configuration| configuration.healthcheck.is_some());
    if checked { Condition::Healthy } else { Condition::Started }
}
