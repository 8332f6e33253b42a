//! What must fit together in the services that run (compose.md, section 6, consistency).

use std::collections::HashMap;

use smol_str::SmolStr;

use super::{codes, seen::Seen, table::At, units};
use crate::{
    beside::in_halves,
    diagnostic::{Finding, Findings},
    value::{Masked, Spot},
    yaml::{Entry, Scalar, Tree},
};

const SERVICES: At<'static> = At::ROOT.key("services");
const JOBS: At<'static> = At::ROOT.key("jobs");

/// Checks the enabled services of a model; `disabled` are those that no active profile enables.
pub(super) fn check(root: &Tree, disabled: &Tree) -> Findings {
    let mut checker = Checker { root, disabled, findings: Findings::new() };
    let services = root.get("services").and_then(Tree::as_mapping).map(|services| services.entries.as_slice());
    let some = |services: &[(SmolStr, Entry)]| {
        let mut checker = Checker { root, disabled, findings: Findings::new() };
        for (name, entry) in services {
            checker.service(name, entry);
        }
        checker.findings
    };
    for findings in in_halves(services.unwrap_or_default(), some) {
        checker.findings.extend(findings);
    }
    for (name, entry) in section(root, "jobs") {
        let all = section(root, "services").chain(section(disabled, "services"));
        if all.into_iter().any(|(service, _)| service == name) {
            let words = format!("`{name}` is a service and a job");
            checker.push(Finding::new(&codes::CONFLICT, Masked::words(words), entry.key), &JOBS.key(name));
        }
        checker.dependencies(&JOBS.key(name), entry, true);
    }
    for (name, entry) in section(root, "secrets") {
        let said = ["external", "file", "environment"].iter().any(|key| entry.tree.get(key).is_some());
        if !said {
            let words = format!("the secret `{name}` says neither `file` nor `environment`");
            checker.push(
                Finding::new(&codes::MISSING_KEY, Masked::words(words), entry.key),
                &At::ROOT.key("secrets").key(name),
            );
        }
    }
    checker.cycles();
    checker.findings
}

fn section<'t>(root: &'t Tree, name: &str) -> impl Iterator<Item = (&'t str, &'t Entry)> {
    root.get(name)
        .and_then(Tree::as_mapping)
        .into_iter()
        .flat_map(|mapping| mapping.entries.iter().map(|(key, entry)| (&**key, entry)))
}

struct Checker<'a> {
    root: &'a Tree,
    disabled: &'a Tree,
    findings: Findings,
}

impl Checker<'_> {
    fn push(&mut self, finding: Finding, at: &At<'_>) {
        let remedy = match finding.code.name {
            _ if finding.help.is_some() => None,
            "conflicting-attributes" => Some("keep one of the two, or make them say the same"),
            "missing-key" => Some("add the key"),
            "cycle" => Some("remove one of these dependencies"),
            "undefined-reference" => Some("add a service with `build`, or name another one"),
            _ => None,
        };
        let finding = match remedy {
            Some(remedy) => finding.help(remedy),
            None => finding,
        };
        self.findings.push(finding.at(at.to_string()));
    }

    fn undefined(&mut self, what: &str, name: &str, spot: Spot, at: &At<'_>, section_name: &str) {
        let words = format!("there is no {what} `{name}`");
        let mut finding = Finding::new(&codes::UNDEFINED, Masked::words(words), spot);
        let known: Vec<&str> = section(self.root, section_name).map(|(name, _)| name).collect();
        finding = match crate::diagnostic::nearest(name, known) {
            Some(near) => finding.help(Masked::words(format!("did you mean `{near}`?"))),
            None if section(self.disabled, section_name).any(|(known, _)| known == name) => {
                finding.help("no active profile enables it: activate one, or set `required: false`")
            }
            None => finding.help(Masked::words(format!("declare it under `{section_name}`"))),
        };
        self.push(finding, at);
    }

    fn service(&mut self, name: &str, entry: &Entry) {
        let at = SERVICES.key(name);
        let service = &entry.tree;
        let get = |key: &str| service.get(key);
        let conflict = |words: &str, spot| Finding::new(&codes::CONFLICT, Masked::words(words), spot);
        if get("image").is_none() && get("build").is_none() && get("provider").is_none() {
            let words = format!("the service `{name}` has neither `image` nor `build`");
            let finding = Finding::new(&codes::MISSING_KEY, Masked::words(words), entry.key);
            self.push(finding.help("say which image it runs"), &at);
        }
        if let Some(build) = get("build") {
            self.build(service, build, &at);
        }
        if let (Some(mode), Some(networks)) = (get("network_mode"), get("networks"))
            && networks.as_mapping().is_some_and(|networks| !networks.entries.is_empty())
        {
            self.push(
                conflict("`network_mode` and `networks` exclude each other", mode.spot)
                    .label(networks.spot, "the networks"),
                &at.key("network_mode"),
            );
        }
        for (network, used) in
            get("networks").and_then(Tree::as_mapping).into_iter().flat_map(|mapping| &mapping.entries)
        {
            if self.root.at(&["networks", network]).is_none() {
                self.undefined("network", network, used.key, &at.key("networks").key(network), "networks");
            }
        }
        if let Some(test) = service.at(&["healthcheck", "test"])
            && let Some(first) = test.as_sequence().and_then(<[Tree]>::first)
            && !first.raw().is_some_and(|word| ["CMD", "CMD-SHELL", "NONE"].contains(&word))
        {
            let finding =
                Finding::new(&codes::INVALID_VALUE, "a test begins with CMD, CMD-SHELL or NONE".into(), first.spot);
            self.push(
                finding.help("put `CMD` before the words, or write the test as one string"),
                &at.key("healthcheck").key("test"),
            );
        }
        self.dependencies(&at, entry, false);
        if let Some(mode) = get("network_mode")
            && let Some(other) = mode.raw().and_then(|mode| mode.strip_prefix("service:"))
            && self.root.at(&["services", other]).is_none()
        {
            self.undefined("service", other, mode.spot, &at.key("network_mode"), "services");
        }
        for mount in get("volumes").and_then(Tree::as_sequence).unwrap_or_default() {
            let source = mount.get("source").and_then(Tree::raw).unwrap_or_default();
            if mount.get("type").and_then(Tree::raw) == Some("volume")
                && !source.is_empty()
                && self.root.at(&["volumes", source]).is_none()
            {
                self.undefined("volume", source, mount.spot, &at.key("volumes"), "volumes");
            }
        }
        for (key, what) in [("configs", "config"), ("secrets", "secret")] {
            self.mounts(service, &[key], key, what, &at);
        }
        self.mounts(service, &["build", "secrets"], "secrets", "secret", &at);
        for (model, used) in get("models").and_then(Tree::as_mapping).into_iter().flat_map(|mapping| &mapping.entries) {
            if self.root.at(&["models", model]).is_none() {
                self.undefined("model", model, used.key, &at.key("models").key(model), "models");
            }
        }
        self.counts(service, &at);
        for watch in service.at(&["develop", "watch"]).and_then(Tree::as_sequence).unwrap_or_default() {
            let action = watch.get("action").and_then(Tree::raw).unwrap_or_default();
            if watch.get("target").is_none() && !["rebuild", "restart"].contains(&action) {
                let finding = Finding::new(
                    &codes::MISSING_KEY,
                    Masked::words(format!("the action `{action}` needs a `target`")),
                    watch.spot,
                );
                self.push(finding, &at.key("develop").key("watch"));
            }
        }
        self.targets(service, &at);
    }

    fn build(&mut self, service: &Tree, build: &Tree, at: &At<'_>) {
        if let (Some(_), Some(inline)) = (build.get("dockerfile"), build.get("dockerfile_inline")) {
            let finding = Finding::new(
                &codes::CONFLICT,
                "`dockerfile` and `dockerfile_inline` exclude each other".into(),
                inline.spot,
            );
            self.push(finding, &at.key("build"));
        }
        for (context, entry) in
            build.get("additional_contexts").and_then(Tree::as_mapping).into_iter().flat_map(|m| &m.entries)
        {
            let Some(other) = entry.tree.raw().and_then(|text| text.strip_prefix("service:")) else { continue };
            let found = self.root.at(&["services", other]).or_else(|| self.disabled.at(&["services", other]));
            if found.is_none_or(|service| service.get("build").is_none()) {
                let words = format!("the context `{context}` wants a service `{other}` that is built");
                let finding = Finding::new(&codes::UNDEFINED, Masked::words(words), entry.tree.spot);
                self.push(finding, &at.key("build").key("additional_contexts").key(context));
            }
        }
        if let (Some(platforms), Some(platform)) =
            (build.get("platforms").and_then(Tree::as_sequence), service.get("platform"))
            && !platforms.is_empty()
            && !platforms.contains(platform)
        {
            let finding =
                Finding::new(&codes::CONFLICT, "`build.platforms` does not name this platform".into(), platform.spot);
            self.push(finding, &at.key("platform"));
        }
    }

    fn mounts(&mut self, service: &Tree, path: &[&str], section_name: &str, what: &str, at: &At<'_>) {
        for mount in service.at(path).and_then(Tree::as_sequence).unwrap_or_default() {
            let source = mount.get("source").and_then(Tree::raw).unwrap_or_default();
            if self.root.at(&[section_name, source]).is_none() {
                self.undefined(what, source, mount.spot, &at.key(&path.join(".")), section_name);
            }
        }
    }

    /// What a service waits for; `jobs`: it may be a job as well.
    fn dependencies(&mut self, at: &At<'_>, entry: &Entry, jobs: bool) {
        for (other, dependency) in
            entry.tree.get("depends_on").and_then(Tree::as_mapping).into_iter().flat_map(|m| &m.entries)
        {
            if self.root.at(&["services", other]).is_some() || (jobs && self.root.at(&["jobs", other]).is_some()) {
                continue;
            }
            let optional =
                dependency.tree.get("required").is_some_and(|required| matches!(required.value, Scalar::Bool(false)));
            if optional && self.disabled.at(&["services", other]).is_some() {
                continue;
            }
            self.undefined("service", other, dependency.key, &at.key("depends_on").key(other), "services");
        }
    }

    fn counts(&mut self, service: &Tree, at: &At<'_>) {
        let integer = |path: &[&str]| match service.at(path).map(|tree| (&tree.value, tree.spot)) {
            Some((Scalar::Integer(value), spot)) => Some((*value, spot)),
            _ => None,
        };
        let (scale, replicas) = (integer(&["scale"]), integer(&["deploy", "replicas"]));
        if let (Some((scale, spot)), Some((replicas, other))) = (scale, replicas)
            && scale != replicas
        {
            let finding = Finding::new(
                &codes::CONFLICT,
                Masked::words(format!("`scale` says {scale}, `deploy.replicas` says {replicas}")),
                spot,
            );
            self.push(finding.label(other, "the other count"), &at.key("scale"));
        }
        for (count, key) in [(scale, "scale"), (replicas, "deploy.replicas")] {
            if let Some((value, spot)) = count
                && value < 0
            {
                let finding = Finding::new(&codes::INVALID_VALUE, "a count is 0 or more".into(), spot);
                self.push(finding.help("write 0 to run none"), &at.key(key));
            }
        }
        let amount = |path: &[&str]| {
            service.at(path).map(|tree| {
                let text = tree.to_text().unwrap_or_default();
                (
                    text.raw()
                        .parse::<f64>()
                        .ok()
                        .or_else(|| {
                            #[allow(clippy::cast_precision_loss, reason = "compared with itself")]
                            units::size(text.raw()).map(|bytes| bytes as f64)
                        })
                        .unwrap_or_default(),
                    tree.spot,
                )
            })
        };
        for (short, block, long) in [
            ("cpus", "limits", "cpus"),
            ("mem_limit", "limits", "memory"),
            ("mem_reservation", "reservations", "memory"),
            ("pids_limit", "limits", "pids"),
        ] {
            let Some((value, spot)) = amount(&[short]) else { continue };
            if service.at(&["deploy", "resources", block]).is_none() {
                continue;
            }
            let other = amount(&["deploy", "resources", block, long]).map_or(0.0, |(other, _)| other);
            #[allow(clippy::float_cmp, reason = "both were read by the same rules")]
            if value != other && (value - other).abs() > f64::from(f32::EPSILON) {
                let words = format!("`{short}` and `deploy.resources.{block}.{long}` differ");
                self.push(Finding::new(&codes::CONFLICT, Masked::words(words), spot), &at.key(short));
            }
        }
        let count = scale.or(replicas).map_or(1, |(value, _)| value);
        if let Some(name) = service.get("container_name")
            && count > 1
        {
            let finding =
                Finding::new(&codes::CONFLICT, "`container_name` allows one container only".into(), name.spot);
            self.push(finding.help("remove it, or run one replica"), &at.key("container_name"));
        }
    }

    fn targets(&mut self, service: &Tree, at: &At<'_>) {
        let tmpfs = service.get("tmpfs").and_then(Tree::as_sequence).unwrap_or_default().iter();
        let tmpfs = tmpfs.map(|item| (item.raw().unwrap_or_default().split(':').next().unwrap_or_default(), item.spot));
        let mounts = service.get("volumes").and_then(Tree::as_sequence).unwrap_or_default().iter();
        let mounts = mounts.map(|mount| (mount.get("target").and_then(Tree::raw).unwrap_or_default(), mount.spot));
        let mut seen = Seen::default();
        // By the numbers of the targets: where each was mounted last.
        let mut places: Vec<Spot> = Vec::new();
        for (target, spot) in tmpfs.chain(mounts) {
            match places.get_mut(seen.add(target.into()).0) {
                Some(place) => {
                    let first = std::mem::replace(place, spot);
                    let words = Masked::words(format!("{target} is mounted twice"));
                    let finding = Finding::new(&codes::CONFLICT, words, spot);
                    self.push(finding.label(first, "first here"), &at.key("volumes"));
                }
                None => places.push(spot),
            }
        }
    }

    /// Dependencies that go round in a circle. Chains may be long, so they are followed without recursion.
    fn cycles(&mut self) {
        let mut done: HashMap<&str, bool> = HashMap::new();
        for kind in ["services", "jobs"] {
            for (first, _) in section(self.root, kind) {
                if done.contains_key(first) {
                    continue;
                }
                done.insert(first, false);
                let mut path = vec![(first, self.dependencies_of(first))];
                while let Some((name, open)) = path.last_mut() {
                    let Some((other, spot)) = open.pop() else {
                        done.insert(*name, true);
                        path.pop();
                        continue;
                    };
                    match done.get(other) {
                        Some(true) => {}
                        Some(false) => {
                            let circle = path.iter().map(|(step, _)| *step).skip_while(|step| *step != other);
                            let circle: Vec<&str> = circle.chain([other]).collect();
                            let words = format!("the services wait for each other: {}", circle.join(" → "));
                            let finding = Finding::new(&codes::CYCLE, Masked::words(words), spot);
                            self.push(finding, &At::ROOT.key(kind).key(first).key("depends_on"));
                            return;
                        }
                        None => {
                            done.insert(other, false);
                            path.push((other, self.dependencies_of(other)));
                        }
                    }
                }
            }
        }
    }
}

impl<'a> Checker<'a> {
    /// What a service or job waits for, the first at the end.
    fn dependencies_of(&self, name: &str) -> Vec<(&'a str, Spot)> {
        let service = self.root.at(&["services", name]).or_else(|| self.root.at(&["jobs", name]));
        let entries = service.and_then(|service| service.get("depends_on")).and_then(Tree::as_mapping);
        let mut all: Vec<(&str, Spot)> =
            entries.into_iter().flat_map(|m| &m.entries).map(|(other, entry)| (&**other, entry.key)).collect();
        all.reverse();
        all
    }
}
