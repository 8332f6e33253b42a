//! What runs a service: Deployment, StatefulSet, DaemonSet or Job.

use std::time::Duration;

use super::{object::Object, probes::seconds, translate::Translator};
use crate::{
    compose::model::{Service, UpdateConfig},
    image::PinnedImage,
    target::{
        After, Condition, Life, codes, naming,
        parts::{context, some_map, sorted},
        services::restart_policy,
    },
    value::{Called, Fingerprint, Key, Located, Node, Part, Role, Sources, Spot, Subject, Value},
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
        let after = self.after(name, service);
        if word == "global-job"
            && let Some(mode) = mode
        {
            self.find(
                &codes::REFUSED,
                "a job on every node cannot be said".to_owned(),
                mode.spot,
                &format!("services.{name}.deploy.mode"),
                "use `replicated-job`, or `global` with a container that does not end",
            );
        }
        self.overruled(name, service);
        if self.is_job(name) {
            self.job(name, service, spot, image, inputs, after);
            return;
        }
        let restart = self.always(name, service);
        let pod = self.pod(name, service, spot, image, inputs, (restart, false));
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
        if global && let Some((_, from)) = self.count(name, service) {
            let spots = self.project.origins.spots(from);
            let at = format!("services.{name}.deploy.replicas");
            let words = format!("`{name}` runs once on every node, however many replicas are asked for");
            self.find_covering(&codes::APPROXIMATED, words, &spots, &at, "leave out the count");
        }
        let replicas = match self.count(name, service) {
            Some((count, from)) => Node { value: Value::Integer(count), from },
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
        if let Some(UpdateConfig { delay: Some(delay), monitor: Some(monitor), .. }) = update {
            let at = format!("services.{name}.deploy.update_config");
            let words = format!("the longer of `delay` and `monitor` counts, for each instance of `{name}`");
            self.find_covering(&codes::APPROXIMATED, words, &[delay.spot, monitor.spot], &at, "set one of them");
        }
        let inner = context(
            "workload",
            vec![
                ("replicas", Some(replicas)),
                ("selector", Some(self.selector(name, spot))),
                ("strategy", self.strategy(name, service, kind)),
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
        let checked = self.probes(name, service, image).readiness.is_some();
        object.settles = if checked { Condition::Healthy } else { Condition::Started };
        self.mark_workload(&mut object, service, image, mode.map(|mode| mode.spot));
        self.add(object, inner);
    }

    /// `deploy.restart_policy` goes before `restart`.
    fn overruled(&mut self, name: &str, service: &Service) {
        if let (Some(restart), Some((_, spot))) = (&service.restart, restart_policy(service))
            && restart.spot != spot
        {
            let words = format!("`deploy.restart_policy` of `{name}` counts, and not this");
            let at = format!("services.{name}.restart");
            self.find(&codes::APPROXIMATED, words, restart.spot, &at, "leave out one of them");
        }
    }

    /// What runs all the time is always restarted.
    fn always(&mut self, name: &str, service: &Service) -> Option<Node> {
        let (word, spot) = restart_policy(service)?;
        if word == "no" || word.starts_with("on-failure") {
            let words = format!("`{name}` is a server, and is restarted whenever it ends");
            let at = if service.restart.as_ref().is_some_and(|restart| restart.spot == spot) {
                format!("services.{name}.restart")
            } else {
                format!("services.{name}.deploy.restart_policy.condition")
            };
            let help = "leave out its ports and health check where it is to run once";
            self.find(&codes::APPROXIMATED, words, spot, &at, help);
        }
        if let Some(attempts) = service
            .deploy
            .as_ref()
            .and_then(|deploy| deploy.value.restart_policy.as_ref())
            .and_then(|policy| policy.value.max_attempts.as_ref())
        {
            let at = format!("services.{name}.deploy.restart_policy.max_attempts");
            let words = format!("`{name}` is restarted as often as it ends, with growing pauses");
            self.find(&codes::UNSUPPORTED, words, attempts.spot, &at, "leave it out");
        }
        let from = self.project.origins.union([spot, service.restart.as_ref().map(|r| r.spot).unwrap_or_default()]);
        Some(Node { value: "Always".into(), from })
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
        let (policy, policy_spot) =
            restart_policy(service).map_or_else(|| ("no".to_owned(), spot), |(word, spot)| (word.to_owned(), spot));
        let from = self
            .project
            .origins
            .union([policy_spot, service.restart.as_ref().map(|restart| restart.spot).unwrap_or_default()]);
        self.idle_in_a_job(name, service, &policy, policy_spot);
        let deploy_policy = service.deploy.as_ref().and_then(|deploy| deploy.value.restart_policy.as_ref());
        let attempts = deploy_policy.and_then(|policy| policy.value.max_attempts.as_ref());
        let (word, limit) = match policy.split_once(':') {
            _ if attempts.is_some() && policy != "no" => ("OnFailure", attempts.map_or(6, |attempts| attempts.value)),
            _ if attempts.is_some() => ("Never", attempts.map_or(0, |attempts| attempts.value)),
            Some(("on-failure", count)) => ("OnFailure", count.parse().unwrap_or(6)),
            _ if policy == "on-failure" => ("OnFailure", 6),
            _ => ("Never", 0),
        };
        let limit_from = attempts.map_or(from, |attempts| attempts.spot.into());
        let pod = self.pod(name, service, spot, image, inputs, (Some(Node { value: word.into(), from }), true));
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
            self.count(name, service).map(|(count, from)| Node { value: Value::Integer(count.max(1)), from });
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
        if let Some(deploy) = &service.deploy {
            let at = format!("services.{}.deploy.labels", object.component.unwrap_or_default());
            object.annotations.extend(self.annotations(deploy.value.labels.as_ref(), &at));
        }
        // The order of creation and the profiles stand in no body.
        let waits = service.depends_on.iter().flat_map(|all| all.value.values()).flat_map(|dependency| {
            let condition = dependency.value.condition.as_ref().map(|condition| condition.spot);
            [Some(dependency.spot), condition]
        });
        let profiles = service.profiles.iter().flat_map(|all| &all.value).map(|profile| profile.spot);
        object.shaped = self.project.origins.union(waits.flatten().chain(profiles));
    }

    /// The count somebody set, and everybody who did.
    pub(super) fn count(&self, name: &str, service: &Service) -> Option<(i64, Sources)> {
        let own = self.settings.services.get(name).and_then(|settings| settings.replicas.as_ref());
        let replicas = service.deploy.as_ref().and_then(|deploy| deploy.value.replicas.as_ref());
        let all = [own, service.scale.as_ref(), replicas];
        let count = all.into_iter().flatten().next()?;
        Some((count.value, self.project.origins.union(all.into_iter().flatten().map(|count| count.spot))))
    }

    /// What says nothing of something that runs to its end.
    fn idle_in_a_job(&mut self, name: &str, service: &Service, policy: &str, policy_spot: Spot) {
        if let Some(check) = &service.healthcheck {
            let value = &check.value;
            let mut spots = vec![check.spot];
            spots.extend(value.test.iter().flat_map(|test| &test.value).map(|word| word.spot));
            let times = [&value.interval, &value.timeout, &value.start_period, &value.start_interval];
            spots.extend(times.into_iter().flatten().map(|time| time.spot));
            spots.extend(value.retries.as_ref().map(|retries| retries.spot));
            spots.extend(value.disable.as_ref().map(|flag| flag.spot));
            let words = format!("`{name}` runs to its end, and is not checked while it does");
            let at = format!("services.{name}.healthcheck");
            self.find_covering(&codes::APPROXIMATED, words, &spots, &at, "leave out the health check");
        }
        if let Some(update) = service.deploy.as_ref().and_then(|deploy| deploy.value.update_config.as_ref()) {
            let at = format!("services.{name}.deploy.update_config");
            let words = format!("`{name}` runs to its end: a changed one is another, beside it");
            self.find_covering(&codes::APPROXIMATED, words, &update_spots(update), &at, "leave it out");
        }
        if !matches!(policy, "no") && !policy.starts_with("on-failure") {
            let words = format!("`{name}` runs to its end, because others wait for that, and is not started again");
            let at = format!("services.{name}.restart");
            self.find(&codes::APPROXIMATED, words, policy_spot, &at, "write `restart: \"no\"`");
        }
    }

    /// How one generation follows another.
    fn strategy(&mut self, name: &str, service: &Service, kind: &str) -> Option<Node> {
        let writes = self.all_mounts(name, service).into_iter().any(|(mount, read_only)| {
            mount.value.kind.as_ref().and_then(|kind| kind.value.plain()) == Some("volume")
                && mount.value.source.as_ref().is_some_and(|source| !source.value.is_empty())
                && !read_only
                && !mount.value.read_only.as_ref().is_some_and(|flag| flag.value)
        });
        let update = service.deploy.as_ref().and_then(|deploy| deploy.value.update_config.as_ref());
        if let Some(update) =
            update.filter(|_| kind == "apps/v1/StatefulSet" || (writes && kind.ends_with("Deployment")))
        {
            let at = format!("services.{name}.deploy.update_config");
            let words = format!("`{name}` writes to a volume: the old one ends before the new one starts");
            self.find_covering(
                &codes::APPROXIMATED,
                words,
                &update_spots(update),
                &at,
                "leave out order and parallelism",
            );
        }
        if kind == "apps/v1/StatefulSet" {
            return None;
        }
        if writes && kind.ends_with("Deployment") {
            let mut strategy = Node::map(Sources::NONE);
            strategy.set("type", Node::new("Recreate", Sources::NONE));
            return Some(strategy);
        }
        let update = update?;
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
    fn after(&mut self, name: &str, service: &Service) -> Vec<After> {
        let Some(all) = &service.depends_on else { return Vec::new() };
        for (other, dependency) in sorted(&all.value) {
            let Some(condition) = &dependency.value.condition else { continue };
            let Some(found) = self.project.services.get(other) else { continue };
            if condition.value.plain() != Some("service_healthy") || self.is_job(other) {
                continue;
            }
            let checked = self
                .pinned
                .image_of(other)
                .is_some_and(|image| self.probes(other, &found.value, image).readiness.is_some());
            if !checked {
                let at = format!("services.{name}.depends_on.{other}.condition");
                let words = format!("`{other}` has no health check: it counts as healthy as soon as it runs");
                self.find(&codes::UNSUPPORTED, words, condition.spot, &at, "give it a `healthcheck`");
            }
        }
        sorted(&all.value)
            .into_iter()
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

fn update_spots(update: &Located<UpdateConfig>) -> Vec<Spot> {
    let value = &update.value;
    let texts = [&value.order, &value.failure_action].into_iter().flatten().map(|text| text.spot);
    let times = [&value.delay, &value.monitor].into_iter().flatten().map(|time| time.spot);
    [update.spot]
        .into_iter()
        .chain(texts)
        .chain(times)
        .chain(value.parallelism.as_ref().map(|count| count.spot))
        .collect()
}
