//! What runs around the container of a service: before it, when it starts and when it ends.

use super::{pod::escaped, storage::Mounts, translate::Translator};
use crate::{
    compose::model::{Hook, InitContainer, List, Service},
    target::{
        Ordering, codes, naming,
        parts::{context, some_map, sorted},
    },
    value::{Fingerprint, Located, Node, Sources, Spot, Text, TextBuilder, Value},
    yaml::Tree,
};

/// What a `pre_start` container says and carries. What it does not say it has from the service.
const CARRIED: &[&str] = &["command", "entrypoint", "environment", "image", "per_replica", "user", "working_dir"];

impl Translator<'_> {
    /// Containers that run to their end before the others start: those that wait for other services, then those
    /// of `pre_start`.
    pub(super) fn init_containers(
        &mut self,
        name: &str,
        service: &Service,
        spot: Spot,
        variables: Option<&Node>,
        mounts: &Mounts,
        inputs: Fingerprint,
    ) -> Option<Node> {
        let mut all = self.waiting(name, service);
        let before: Vec<Located<InitContainer>> =
            service.pre_start.iter().flat_map(|all| &all.value).cloned().collect();
        for (index, one) in before.iter().enumerate() {
            if let Some(container) = self.pre_start(name, service, index, one, variables, mounts, inputs) {
                all.push(container);
            }
        }
        (!all.is_empty()).then(|| Node::new(all, spot))
    }

    #[allow(clippy::too_many_arguments, reason = "each is a part of the container")]
    fn pre_start(
        &mut self,
        name: &str,
        service: &Service,
        index: usize,
        one: &Located<InitContainer>,
        variables: Option<&Node>,
        mounts: &Mounts,
        inputs: Fingerprint,
    ) -> Option<Node> {
        let at = format!("services.{name}.pre_start");
        let own = &*one.value.container;
        let image = self.pinned.pre_start_image(name, index)?.clone();
        let per_replica = one.value.per_replica.as_ref();
        if !per_replica.is_some_and(|flag| flag.value) {
            let words = format!("this runs before every instance of `{name}`, and again when one is replaced");
            let spot = per_replica.map_or(one.spot, |flag| flag.spot);
            self.find(&codes::APPROXIMATED, words, spot, &at, "a service with `restart: \"no\"` runs once");
        }
        self.not_carried(name, index);
        // The image's own words, where it is another image.
        let same_image = own.image.is_none();
        let mut container = Service {
            image: own.image.clone().or_else(|| service.image.clone()),
            command: own.command.clone(),
            entrypoint: own.entrypoint.clone().or_else(|| service.entrypoint.clone().filter(|_| same_image)),
            user: own.user.clone().or_else(|| service.user.clone()),
            working_dir: own.working_dir.clone().or_else(|| service.working_dir.clone().filter(|_| same_image)),
            privileged: service.privileged,
            read_only: service.read_only,
            cap_add: service.cap_add.clone(),
            cap_drop: service.cap_drop.clone(),
            security_opt: service.security_opt.clone(),
            ..Service::default()
        };
        container.container_name = None;
        let mut from: Vec<Node> = variables.map(|all| all.items().to_vec()).unwrap_or_default();
        // Only what the service does not say already.
        let known = service.environment.as_ref().map(|all| &all.value);
        let further = own.environment.as_ref().map(|all| {
            let mut further = all.clone();
            further.value.retain(|name, value| known.and_then(|known| known.get(name)) != Some(value));
            further
        });
        if further.as_ref().is_some_and(|all| !all.value.is_empty()) {
            let own = Service { environment: further, ..Service::default() };
            let subject = format!("{name}/pre_start/{index}");
            let further = self.environment(&subject, &own, inputs);
            from.extend(further.iter().flat_map(|all| all.items().to_vec()));
        }
        let variables = (!from.is_empty()).then(|| Node::new(from, one.spot));
        let mut node = self.container(name, &container, one.spot, &image, variables, mounts, true);
        node.set("name", Node::new(naming::slug(&format!("before-{}", index + 1), 63), one.spot));
        // Nobody is let in before the service itself runs.
        node.remove("ports");
        let flag = per_replica.map(|flag| flag.spot).unwrap_or_default();
        node.from = self.project.origins.join([node.from, flag.into()]);
        Some(node)
    }

    /// What such a container says beyond what is carried, by its canonical form.
    fn not_carried(&mut self, name: &str, index: usize) {
        let number = index.to_string();
        let Some(tree) = self.project.canonical.at(&["services", name, "pre_start", &number]) else { return };
        // What it has from the service stands there with the service's own places.
        let mut inherited: Vec<Spot> = Vec::new();
        for (key, entry) in self
            .project
            .canonical
            .at(&["services", name])
            .and_then(Tree::as_mapping)
            .iter()
            .flat_map(|all| &all.entries)
        {
            if &**key != "pre_start" {
                entry.tree.walk(&mut |_, tree| inherited.push(tree.spot));
            }
        }
        let mut found: Vec<(String, Vec<Spot>)> = Vec::new();
        for (key, entry) in tree.as_mapping().into_iter().flat_map(|mapping| &mapping.entries) {
            if CARRIED.contains(&&**key) || entry.tree.is_null() || key.starts_with("x-") {
                continue;
            }
            let mut spots = Vec::new();
            entry.tree.walk(&mut |_, tree| spots.push(tree.spot));
            spots.retain(|spot| spot.is_somewhere() && !inherited.contains(spot));
            if !spots.is_empty() {
                found.push((key.to_string(), spots));
            }
        }
        for (key, spots) in found {
            let words = format!("`{key}` of a container that runs before is not carried");
            let at = format!("services.{name}.pre_start[{index}].{key}");
            self.find_covering(&codes::UNSUPPORTED, words, &spots, &at, "set it on the service, which it has it from");
        }
    }

    /// Containers that wait for what a service depends on. Without an image that can wait it is said that nobody
    /// does.
    fn waiting(&mut self, name: &str, service: &Service) -> Vec<Node> {
        let Some(dependencies) = service.depends_on.as_ref().filter(|all| !all.value.is_empty()) else {
            return Vec::new();
        };
        let ordering = match &self.settings.ordering {
            Some(ordering) => ordering.value,
            None if self.settings.files => Ordering::InitContainer,
            None => Ordering::Wait,
        };
        if ordering == Ordering::Wait {
            return Vec::new();
        }
        let at = format!("services.{name}.depends_on");
        let Some(image) = self.pinned.image_at("kubernetes.waitImage").cloned() else {
            let words = format!("`{name}` waits for nothing there: it is restarted until what it needs is there");
            let help = "name an image with a shell and `nc` as `kubernetes: {waitImage: …}`, or let the container wait";
            self.find(&codes::ORDER, words, dependencies.spot, &at, help);
            return Vec::new();
        };
        let mut containers = Vec::new();
        for (other, dependency) in sorted(&dependencies.value) {
            let Some(found) = self.project.services.get(other) else { continue };
            let condition = dependency.value.condition.as_ref();
            let word = condition.and_then(|condition| condition.value.plain()).unwrap_or("service_started");
            let from = self
                .project
                .origins
                .union([dependency.spot, condition.map(|condition| condition.spot).unwrap_or_default()]);
            let port = self.pinned.image_of(other).cloned().and_then(|image| self.first_port(&found.value, &image));
            let (Some(port), false) = (port, self.is_job(other) || word == "service_completed_successfully") else {
                let words = format!("nothing there waits for `{other}`: a port is all that can be waited for");
                let help = "apply to a cluster waits; or let the container wait";
                self.find(&codes::ORDER, words, dependency.spot, &format!("{at}.{other}"), help);
                continue;
            };
            let script = format!("until nc -z -w 2 {} {port}; do sleep 1; done", naming::slug(other, 63));
            let image_from = self.project.origins.join([from, image.spot.into()]);
            let inner = context(
                "container",
                vec![
                    ("name", Some(Node::new(naming::slug(&format!("wait-for-{other}"), 63), from))),
                    ("image", Some(Node { value: Value::from(&*image.reference), from: image_from })),
                    ("imagePullPolicy", None),
                    (
                        "command",
                        Some(Node::new(
                            vec![Node::new("/bin/sh", from), Node::new("-c", from), Node::new(script, from)],
                            from,
                        )),
                    ),
                    ("args", None),
                    ("workingDir", None),
                    ("envFrom", None),
                    ("ports", None),
                    ("resources", None),
                    ("startupProbe", None),
                    ("readinessProbe", None),
                    ("livenessProbe", None),
                    ("lifecycle", None),
                    ("securityContext", None),
                    ("stdin", None),
                    ("tty", None),
                    ("volumeMounts", None),
                ],
            );
            containers.push(self.fill("container.yaml", &inner));
        }
        containers
    }

    /// `post_start` and `pre_stop`.
    pub(super) fn lifecycle(&mut self, name: &str, service: &Service) -> Option<Node> {
        let start = self.hook(name, "post_start", service.post_start.as_ref());
        let stop = self.hook(name, "pre_stop", service.pre_stop.as_ref());
        some_map(vec![("postStart", start), ("preStop", stop)], Sources::NONE)
    }

    fn hook(&mut self, name: &str, key: &str, list: Option<&Located<List<Hook>>>) -> Option<Node> {
        let list = list.filter(|list| !list.value.is_empty())?;
        let at = format!("services.{name}.{key}");
        let simple = match list.value.as_slice() {
            [one] if one.value.environment.is_none() && one.value.working_dir.is_none() => Some(one),
            _ => None,
        };
        let mut exec = Node::map(list.spot);
        if let Some(one) = simple {
            let command = one.value.command.as_ref()?;
            let words = command.value.iter().map(|word| self.escaped(word)).collect::<Vec<_>>();
            exec.set("command", Node::new(words, command.spot));
        } else {
            let words = "this becomes one line of a shell, which the image must have".to_owned();
            self.find(
                &codes::APPROXIMATED,
                words,
                list.spot,
                &at,
                "write one command, without variables or a directory",
            );
            let (line, from) = self.line(list);
            let script = Node { value: escaped(&line).into(), from };
            exec.set("command", Node::new(vec![Node::new("/bin/sh", from), Node::new("-c", from), script], from));
        }
        let mut outer = Node::map(list.spot);
        outer.set("exec", exec);
        Some(outer)
    }

    /// A word of a command, as Kubernetes takes it literally.
    fn escaped(&self, word: &Located<Text>) -> Node {
        Node { value: escaped(&word.value).into(), ..self.text(word) }
    }

    /// Several hooks as one line, each after the one before has gone well.
    fn line(&self, list: &Located<List<Hook>>) -> (Text, Sources) {
        let origins = &self.project.origins;
        let mut line = TextBuilder::default();
        let mut from = vec![Sources::from(list.spot)];
        for (index, hook) in list.value.iter().enumerate() {
            if index > 0 {
                line.push(" && ");
            }
            let several = list.value.len() > 1 && hook.value.working_dir.is_some();
            if several {
                line.push("(");
            }
            if let Some(directory) = &hook.value.working_dir {
                line.push("cd ");
                quote(&mut line, &directory.value);
                line.push(" && ");
                from.push(directory.value.sources(directory.spot, origins));
            }
            if let Some(variables) = &hook.value.environment {
                line.push("env");
                for (name, value) in sorted(&variables.value) {
                    let Some(text) = &value.value else { continue };
                    let mut word = TextBuilder::default();
                    word.push(name);
                    word.push("=");
                    word.push_text(text);
                    line.push(" ");
                    quote(&mut line, &word.finish());
                    from.push(text.sources(value.spot, origins));
                }
                line.push(" ");
            }
            for (index, word) in hook.value.command.iter().flat_map(|all| &all.value).enumerate() {
                if index > 0 {
                    line.push(" ");
                }
                quote(&mut line, &word.value);
                from.push(word.value.sources(word.spot, origins));
            }
            if several {
                line.push(")");
            }
        }
        (line.finish(), origins.join(from))
    }
}

/// A word of a shell, taken literally.
fn quote(line: &mut TextBuilder, word: &Text) {
    let plain =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&b));
    if word.plain().is_some_and(plain) {
        line.push_text(word);
        return;
    }
    line.push("'");
    for (piece, mark) in word.pieces() {
        let piece = piece.replace('\'', "'\\''");
        match mark {
            Some((spot, secret)) => line.push_marked(&piece, spot, secret),
            None => line.push(&piece),
        }
    }
    line.push("'");
}
