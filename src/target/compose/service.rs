//! Services: what Docker Compose is given of each.

use super::{content::Ownership, dispositions, kind, translate::Translator};
use crate::{
    compose::{self, model::Service},
    target::{After, Condition, Life, codes, contents, services},
    value::{Address, Called, Fingerprint, Key, Located, Node, Role, Sources, Spot, Subject, Value},
};

/// The key of a service's containers.
pub(crate) fn key(name: &str) -> Key {
    Key::new(Subject::Service(name.into()), Role::new("workload"))
}

/// The part of a body that goes along.
pub(super) fn carried(node: &Node, path: &[&str]) -> Node {
    let value = match &node.value {
        Value::Map(entries) => Value::Map(
            entries
                .iter()
                .filter_map(|(name, child)| {
                    let below = [path, &[&**name]].concat();
                    let whole = is_leaf(child) || matches!(child.value, Value::List(_));
                    if (path.len() == 2 && name.starts_with("x-")) || (whole && !dispositions::carries(&below)) {
                        return None;
                    }
                    let kept = carried(child, &below);
                    // What has lost everything goes as well.
                    (is_leaf(child) || !is_leaf(&kept)).then(|| (name.clone(), kept))
                })
                .collect(),
        ),
        Value::List(items) => {
            let below = [path, &["*"]].concat();
            Value::List(items.iter().map(|item| carried(item, &below)).collect())
        }
        other => other.clone(),
    };
    Node { value, from: node.from }
}

/// Whether nothing stands below it.
fn is_leaf(node: &Node) -> bool {
    node.entries().is_empty() && node.items().is_empty()
}

impl Translator<'_> {
    pub(super) fn service(&mut self, name: &str, service: &Located<Service>) {
        let at = ["services", name];
        let Some(tree) = self.project.canonical.at(&at) else { return };
        let whole = compose::body(tree, &self.project.origins);
        let mut body = carried(&whole, &at);
        if !self.image(name, service, &mut body) {
            return;
        }
        let inputs = self.inputs(name, &whole, &body);
        self.external(&mut body);
        self.environment(name, &mut body);
        self.mounts(name, &service.value, &mut body);
        self.references(name, &service.value, &mut body);
        self.count(name, &service.value, &mut body);
        body.remove("profiles");
        let job = self.is_job(name);
        if !job {
            body.set("state", Node::new("running", service.spot));
        }
        let key = key(name);
        self.mark(&mut body, &key);
        let after = self.after(name, &service.value, &mut body);
        let when = match (job, self.is_checked(name, &service.value)) {
            (true, _) => Condition::Completed,
            (false, true) => Condition::Healthy,
            (false, false) => Condition::Started,
        };
        let life = if job { Life::OneShot } else { Life::Mutable };
        let address =
            Address { kind: kind::SERVICE.into(), scope: Some(self.scope.clone()), name: Called::Now(name.into()) };
        self.add(key, address, body, life, after, when, Some(inputs));
    }

    fn image(&mut self, name: &str, service: &Located<Service>, body: &mut Node) -> bool {
        let written = service.value.image.as_ref();
        let image = match services::image(self.pinned, name, service) {
            Ok(image) => image,
            Err(findings) => {
                self.findings.extend(findings);
                return false;
            }
        };
        if let Some(written) = written {
            // Of a name with both, the digest counts.
            let both = written.value.plain().and_then(|text| text.split_once('@'));
            if both.is_some_and(|(name, _)| name.rsplit('/').next().unwrap_or(name).contains(':')) {
                let words = format!("the tag of `{}` says nothing beside its digest", written.value.masked());
                let at = format!("services.{name}.image");
                self.find(&codes::APPROXIMATED, words, written.spot, &at, "leave out the tag");
            }
        }
        let origins = &self.project.origins;
        let here = written.map(|image| image.value.sources(image.spot, origins)).unwrap_or_default();
        body.set("image", Node::new(&*image.reference, origins.join([here, image.spot.into()])));
        if let Some(Value::List(hooks)) = body.get_mut("pre_start").map(|hooks| &mut hooks.value) {
            for (index, hook) in hooks.iter_mut().enumerate() {
                let path = format!("services.{name}.pre_start[{index}].image");
                if let (Some(image), Some(node)) = (self.pinned.image_at(&path), hook.get_mut("image")) {
                    let from = origins.join([node.from, image.spot.into()]);
                    *node = Node::new(&*image.reference, from);
                }
            }
        }
        true
    }

    /// Over what the containers of a service are made from.
    fn inputs(&self, name: &str, whole: &Node, body: &Node) -> Fingerprint {
        let mut node = Node::map(Sources::NONE);
        node.set("service", whole.clone());
        node.set("image", body.get("image").cloned().unwrap_or_default());
        node.set("name", Node::new(name, Sources::NONE));
        Fingerprint::of(&node, self.keys, &self.project.concealed)
    }

    /// Networks and volumes that are there go by the names that they have there.
    fn external(&self, body: &mut Node) {
        let real = |external: bool, name: Option<&Located<crate::value::Text>>| {
            name.filter(|_| external).and_then(|name| name.value.plain()).map(Box::<str>::from)
        };
        if let Some(Value::Map(entries)) = body.get_mut("networks").map(|node| &mut node.value) {
            for (name, _) in entries {
                let Some(network) = self.project.networks.get(name).map(|network| &network.value) else { continue };
                let external = network.external.is_some_and(|external| external.value);
                *name = real(external, network.name.as_ref()).unwrap_or_else(|| name.clone());
            }
        }
        if let Some(Value::List(items)) = body.get_mut("volumes").map(|node| &mut node.value) {
            for source in items.iter_mut().filter_map(|item| item.get_mut("source")) {
                let Some(volume) = source.as_str().and_then(|name| self.project.volumes.get(name)) else { continue };
                let external = volume.value.external.is_some_and(|external| external.value);
                if let Some(real) = real(external, volume.value.name.as_ref()) {
                    *source = Node { value: Value::from(&*real), from: source.from };
                }
            }
        }
    }

    /// Variables without a value are none; some are secret because the settings say so.
    fn environment(&mut self, name: &str, body: &mut Node) {
        let sensitive = self.settings.services.get(name).map(|one| one.sensitive.clone()).unwrap_or_default();
        let origins = self.project.origins.clone();
        let concealed = self.project.concealed.clone();
        let Some(Value::Map(entries)) = body.get_mut("environment").map(|node| &mut node.value) else { return };
        let mut without: Vec<(Box<str>, Spot)> = Vec::new();
        entries.retain(|(variable, node)| {
            if node.value == Value::Null {
                without.push((variable.clone(), origins.spots(node.from).first().copied().unwrap_or_default()));
            }
            node.value != Value::Null
        });
        let conceal = |entries: &mut Vec<(Box<str>, Node)>| {
            for (variable, node) in entries {
                let secret = sensitive.iter().any(|one| one.value == *variable);
                if let (Value::Text(text), true) = (&mut node.value, secret) {
                    let spot = origins.spots(node.from).first().copied().unwrap_or_default();
                    *text = text.concealed(variable, spot, &concealed);
                }
            }
        };
        conceal(entries);
        for hooks in ["pre_start", "post_start", "pre_stop"] {
            let Some(Value::List(hooks)) = body.get_mut(hooks).map(|node| &mut node.value) else { continue };
            for hook in hooks {
                if let Some(Value::Map(entries)) = hook.get_mut("environment").map(|node| &mut node.value) {
                    conceal(entries);
                }
            }
        }
        for (variable, spot) in without {
            let words = format!("`{variable}` has no value");
            let at = format!("services.{name}.environment.{variable}");
            self.find(&codes::VARIABLE_LEFT_OUT, words, spot, &at, "give it one, or take it out");
        }
    }

    /// Files out of volumes that are named by their content.
    fn references(&mut self, name: &str, service: &Service, body: &mut Node) {
        let mut files = body.remove("configs").map(|node| (node.from, Vec::new()));
        for reference in service.configs.iter().flat_map(|all| &all.value) {
            if let Some(item) = self.reference(reference, false) {
                files.get_or_insert_with(|| (reference.spot.into(), Vec::new())).1.push(item);
            }
        }
        for (reference, target, from) in self.project_files(name, service) {
            let mut item = Node::map(from);
            item.set("source", Node::new(Value::Reference(Box::new(reference), crate::value::Part::Name), from));
            item.set("target", target);
            files.get_or_insert_with(|| (from, Vec::new())).1.push(item);
        }
        if let Some((from, items)) = files.filter(|(_, items)| !items.is_empty()) {
            body.set("configs", Node::new(items, from));
        }
        let Some(secrets) = body.remove("secrets") else { return };
        let mut items = Vec::new();
        for reference in service.secrets.iter().flat_map(|all| &all.value) {
            items.extend(self.reference(reference, true));
        }
        if !items.is_empty() {
            body.set("secrets", Node::new(items, secrets.from));
        }
    }

    /// One count, wherever it was written; none of ours where nobody did.
    fn count(&self, name: &str, service: &Service, body: &mut Node) {
        let deploy = service.deploy.as_ref().and_then(|deploy| deploy.value.replicas);
        let own = self.settings.services.get(name).and_then(|settings| settings.replicas);
        if let Some(Value::Map(entries)) = body.get_mut("deploy").map(|deploy| &mut deploy.value) {
            let empty = |node: &Node| matches!(&node.value, Value::Map(entries) if entries.is_empty());
            entries.retain(|(name, node)| &**name != "replicas" && !empty(node));
        }
        if body.get("deploy").is_some_and(|deploy| deploy.entries().is_empty()) {
            body.remove("deploy");
        }
        let spots = [own, service.scale, deploy].into_iter().flatten().map(|count| count.spot);
        let from = self.project.origins.union(spots);
        let scale = match own.or(service.scale).or(deploy) {
            Some(count) => Node::new(count.value, from),
            None => Node::new(Value::Theirs(Some(Box::new(Node::new(1_i64, Sources::NONE)))), Sources::NONE),
        };
        body.set("scale", scale);
    }

    fn is_checked(&self, name: &str, service: &Service) -> bool {
        let off = |check: &compose::model::Healthcheck| {
            let none = check.test.as_ref().and_then(|test| test.value.first()).and_then(|word| word.value.plain());
            check.disable.is_some_and(|disable| disable.value) || none == Some("NONE")
        };
        let own = service.healthcheck.as_ref();
        if own.is_some_and(|check| off(&check.value)) {
            return false;
        }
        let of_image = self.pinned.image_of(name).and_then(|image| image.configuration.as_ref()?.healthcheck.as_ref());
        let works = |test: &[Box<str>]| test.first().is_some_and(|word| &**word != "NONE");
        own.is_some_and(|check| check.value.test.is_some()) || of_image.is_some_and(|check| works(&check.test))
    }

    /// What is waited for: what `depends_on` says, networks and volumes.
    fn after(&mut self, name: &str, service: &Service, body: &mut Node) -> Vec<After> {
        let mut after = Vec::new();
        let used = |section: &str, node: Option<&Node>| -> Vec<Box<str>> {
            match (section, node) {
                ("networks", Some(node)) => node.entries().iter().map(|(name, _)| name.clone()).collect(),
                (_, Some(node)) => {
                    node.items().iter().filter_map(|item| item.get("source")?.as_str().map(Into::into)).collect()
                }
                (_, None) => Vec::new(),
            }
        };
        for network in used("networks", body.get("networks")) {
            after.push(Key::new(Subject::Network(network), Role::new(kind::NETWORK)));
        }
        for volume in used("volumes", body.get("volumes")) {
            after.push(Key::new(Subject::Volume(volume), Role::new(kind::VOLUME)));
        }
        after.retain(|key| self.resources.contains_key(key));
        let mut after: Vec<After> = after.into_iter().map(|key| After { key, until: Condition::Exists }).collect();
        for (other, dependency) in service.depends_on.iter().flat_map(|all| &all.value) {
            let Some(found) = self.project.services.get(other) else { continue };
            let condition = dependency.value.condition.as_ref();
            let until = match condition.and_then(|condition| condition.value.plain()) {
                Some("service_healthy") => Condition::Healthy,
                Some("service_completed_successfully") => Condition::Completed,
                _ => Condition::Started,
            };
            if until == Condition::Healthy && !self.is_job(other) && !self.is_checked(other, &found.value) {
                let at = format!("services.{name}.depends_on.{other}.condition");
                let words = format!("`{other}` has no health check: it counts as healthy as soon as it runs");
                let spot = condition.map_or(dependency.spot, |condition| condition.spot);
                self.find(&codes::UNSUPPORTED, words, spot, &at, "give it a `healthcheck`");
            }
            if self.resources.contains_key(&key(other)) {
                after.push(After { key: key(other), until });
            }
        }
        after.sort_by(|a, b| a.key.cmp(&b.key));
        after
    }

    fn reference(&self, reference: &Located<compose::model::ConfigReference>, secret: bool) -> Option<Node> {
        let source = reference.value.source.as_ref()?;
        let name = source.value.plain()?;
        let owner = Ownership::of(&reference.value);
        let key = super::content::key(name, secret, &owner);
        // What is not there was told where it is declared.
        self.resources.get(&key)?;
        let target = reference.value.target.as_ref();
        let path = contents::path(name, target, secret);
        let origins = &self.project.origins;
        let mut spots = vec![source.spot, reference.spot];
        spots.extend(owner.spots());
        let from = origins.union(spots);
        let mut item = Node::map(reference.spot);
        item.set("source", Node::new(Value::Reference(Box::new(key), crate::value::Part::Name), from));
        let target = target.map_or(reference.spot.into(), |target| target.value.sources(target.spot, origins));
        item.set("target", Node::new(path, target));
        Some(item)
    }
}
