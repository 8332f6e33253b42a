//! Containers as the engine tells of them: whose they are, and what was changed on them since they were made.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::document::leaf;
use crate::{
    platform::{Owner, Reason},
    target::compose::{APPLICATION, RESOURCE},
    value::{Application, Key, Masked, Node, Secrets, Sources, Spot, Text, Value},
};

/// Labels of Docker Compose.
pub(super) const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const NUMBER: &str = "com.docker.compose.container-number";
const ONE_OFF: &str = "com.docker.compose.oneoff";
const HASH: &str = "com.docker.compose.config-hash";
/// On containers that only fill a volume.
pub(super) const HELPER: &str = "dev.transship.helper";

/// A container as it was inspected.
#[derive(Clone, Debug)]
pub(super) struct Container(pub(super) Json);

impl Container {
    fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Json::as_str).unwrap_or_default()
    }

    pub(super) fn id(&self) -> &str {
        self.text("/Id")
    }

    pub(super) fn name(&self) -> &str {
        self.text("/Name").trim_start_matches('/')
    }

    pub(super) fn image_id(&self) -> &str {
        self.text("/Image")
    }

    pub(super) fn label(&self, name: &str) -> Option<&str> {
        label(self.0.pointer("/Config/Labels"), name)
    }

    pub(super) fn project(&self) -> &str {
        self.label(PROJECT).unwrap_or_default()
    }

    pub(super) fn service(&self) -> &str {
        self.label(SERVICE).unwrap_or_default()
    }

    pub(super) fn hash(&self) -> &str {
        self.label(HASH).unwrap_or_default()
    }

    /// Whether it is one of a service: no run of a command by hand, and nothing of ours in between.
    pub(super) fn is_of_service(&self) -> bool {
        let one_off = self.label(ONE_OFF).is_some_and(|flag| flag.eq_ignore_ascii_case("true"));
        !self.service().is_empty() && !one_off && self.label(HELPER).is_none()
    }

    pub(super) fn key(&self) -> Option<Key> {
        self.label(RESOURCE)?.parse().ok()
    }

    pub(super) fn owner(&self, application: &Application, project: &str) -> Owner {
        owner(self.0.pointer("/Config/Labels"), application, project)
    }

    /// The name that Docker Compose gives it.
    pub(super) fn usual_name(&self, written: Option<&str>) -> String {
        let usual = || format!("{}-{}-{}", self.project(), self.service(), self.label(NUMBER).unwrap_or("1"));
        written.map_or_else(usual, str::to_owned)
    }

    pub(super) fn status(&self) -> &str {
        self.text("/State/Status")
    }

    pub(super) fn exit_code(&self) -> i64 {
        self.0.pointer("/State/ExitCode").and_then(Json::as_i64).unwrap_or_default()
    }

    pub(super) fn health(&self) -> Option<&str> {
        self.0.pointer("/State/Health/Status").and_then(Json::as_str).filter(|health| *health != "none")
    }

    pub(super) fn restarts(&self) -> i64 {
        self.0.pointer("/RestartCount").and_then(Json::as_i64).unwrap_or_default()
    }

    pub(super) fn started(&self) -> &str {
        self.text("/State/StartedAt")
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.status(), "running" | "restarting")
    }

    /// In words: `exited (137)`, `paused`.
    pub(super) fn state_words(&self) -> String {
        match self.status() {
            "exited" | "dead" => format!("{} ({})", self.status(), self.exit_code()),
            "restarting" => "running".to_owned(),
            other => other.to_owned(),
        }
    }

    /// The last thing that its health check said.
    pub(super) fn health_words(&self) -> String {
        let log = self.0.pointer("/State/Health/Log").and_then(Json::as_array);
        let last = log.and_then(|log| log.last()?.get("Output")?.as_str()).unwrap_or_default().trim();
        last.lines().next().unwrap_or_default().to_owned()
    }

    /// Names of the volumes that it mounts, and where.
    pub(super) fn volumes(&self) -> impl Iterator<Item = (&str, &str)> {
        let mounts = self.0.pointer("/Mounts").and_then(Json::as_array).into_iter().flatten();
        mounts.filter_map(|mount| Some((mount.get("Name")?.as_str()?, mount.get("Destination")?.as_str()?)))
    }

    /// Its variables.
    pub(super) fn variables(&self) -> BTreeMap<String, String> {
        variables(self.0.pointer("/Config/Env"))
    }
}

/// `NAME=value` items.
pub(super) fn variables(items: Option<&Json>) -> BTreeMap<String, String> {
    let items = items.and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
    items.filter_map(|item| item.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

pub(super) fn label<'j>(labels: Option<&'j Json>, name: &str) -> Option<&'j str> {
    labels?.get(name)?.as_str()
}

/// Whose something with these labels is: ours in this project, and in no other one of the same application.
pub(super) fn owner(labels: Option<&Json>, application: &Application, project: &str) -> Owner {
    match label(labels, APPLICATION) {
        Some(mark) if mark == application.to_string() && label(labels, PROJECT) == Some(project) => Owner::Us,
        Some(mark) => Owner::Application(Application::of_mark(mark)),
        None => match label(labels, PROJECT) {
            Some(project) => Owner::Tool(Masked::words(format!("Docker Compose (project {project})"))),
            None => Owner::Nobody,
        },
    }
}

/// What an engine can be told about a container that runs.
struct Changeable {
    /// Where the engine tells it.
    pointer: &'static str,
    /// Where a service says it; the first that is there counts, the last where none is.
    paths: &'static [&'static [&'static str]],
    /// What one of it is there.
    unit: f64,
    /// What the engine must be able to do for it to count.
    needs: &'static str,
}

const CHANGEABLE: &[Changeable] = &[
    Changeable {
        pointer: "/HostConfig/Memory",
        paths: &[&["deploy", "resources", "limits", "memory"], &["mem_limit"]],
        unit: 1.0,
        needs: "MemoryLimit",
    },
    Changeable {
        pointer: "/HostConfig/MemoryReservation",
        paths: &[&["deploy", "resources", "reservations", "memory"], &["mem_reservation"]],
        unit: 1.0,
        needs: "MemoryLimit",
    },
    Changeable {
        pointer: "/HostConfig/NanoCpus",
        paths: &[&["deploy", "resources", "limits", "cpus"], &["cpus"]],
        unit: 1e9,
        needs: "CpuCfsQuota",
    },
    Changeable { pointer: "/HostConfig/CpuShares", paths: &[&["cpu_shares"]], unit: 1.0, needs: "CPUShares" },
    Changeable { pointer: "/HostConfig/CpuQuota", paths: &[&["cpu_quota"]], unit: 1.0, needs: "CpuCfsQuota" },
    Changeable { pointer: "/HostConfig/CpuPeriod", paths: &[&["cpu_period"]], unit: 1.0, needs: "CpuCfsPeriod" },
    Changeable {
        pointer: "/HostConfig/PidsLimit",
        paths: &[&["deploy", "resources", "limits", "pids"], &["pids_limit"]],
        unit: 1.0,
        needs: "PidsLimit",
    },
];

/// Lays over a body what was changed since: limits, the restart policy, networks, the name.
pub(super) fn changed_since(body: &mut Node, container: &Container, engine: &Json, network: &dyn Fn(&str) -> String) {
    for one in CHANGEABLE {
        if engine.get(one.needs).and_then(Json::as_bool) == Some(false) {
            continue;
        }
        let said = one.paths.iter().find_map(|path| Some((path, number(at(body, path)?)?)));
        let wanted = said.map_or(0.0, |(_, number)| number.max(0.0) * one.unit);
        let is = container.0.pointer(one.pointer).and_then(Json::as_f64).unwrap_or_default().max(0.0);
        if (wanted - is).abs() <= wanted.abs() * 1e-6 {
            continue;
        }
        let path = said.map(|(path, _)| path).or(one.paths.last()).copied().unwrap_or_default();
        let like = at(body, path).map(|node| node.value.clone());
        let is = is / one.unit;
        #[allow(clippy::cast_possible_truncation, reason = "whole by now")]
        let value = match like {
            Some(Value::Text(_)) | None if one.unit == 1.0 => Value::from(format!("{}", is as i64)),
            Some(Value::Integer(_)) if is.fract() == 0.0 => Value::Integer(is as i64),
            _ => Value::Float(is),
        };
        set_at(body, path, (is > 0.0).then(|| leaf(value)));
    }
    restart_policy(body, container);
    networks(body, container, network);
    let written = body.get("container_name").and_then(Node::as_str);
    let usual = container.usual_name(written);
    if container.name() != usual {
        body.set("name", leaf(container.name()));
    }
}

fn number(node: &Node) -> Option<f64> {
    match &node.value {
        #[allow(clippy::cast_precision_loss, reason = "limits are small")]
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        Value::Text(text) => text.plain()?.parse().ok(),
        _ => None,
    }
}

fn at<'n>(body: &'n Node, path: &[&str]) -> Option<&'n Node> {
    path.iter().try_fold(body, |node, step| node.get(step))
}

fn set_at(body: &mut Node, path: &[&str], node: Option<Node>) {
    let Some((step, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        match node {
            Some(node) => body.set(*step, node),
            None => drop(body.remove(step)),
        }
        return;
    }
    if body.get(step).is_none() {
        body.set(*step, Node::map(Sources::NONE));
    }
    if let Some(inner) = body.get_mut(step) {
        set_at(inner, rest, node);
    }
}

fn restart_policy(body: &mut Node, container: &Container) {
    let policy = at(body, &["deploy", "restart_policy"]);
    let attempts = |node: Option<&Node>| node.and_then(number).filter(|number| *number > 0.0);
    let usual = |name: &str, attempts: Option<f64>| match (name, attempts) {
        ("" | "none" | "no", _) => "no".to_owned(),
        ("any", _) => "always".to_owned(),
        ("on-failure", Some(attempts)) => format!("on-failure:{attempts}"),
        (other, _) => other.to_owned(),
    };
    let (wanted, path): (String, &[&str]) = if let Some(policy) = policy {
        let condition = policy.get("condition").and_then(Node::as_str).unwrap_or_default();
        (usual(condition, attempts(policy.get("max_attempts"))), &["deploy", "restart_policy", "condition"])
    } else {
        let written = body.get("restart").and_then(Node::as_str).unwrap_or_default();
        let (name, most) = written.split_once(':').unwrap_or((written, ""));
        (usual(name, most.parse().ok().filter(|most| *most > 0.0)), &["restart"])
    };
    let name = container.0.pointer("/HostConfig/RestartPolicy/Name").and_then(Json::as_str).unwrap_or_default();
    let most = container.0.pointer("/HostConfig/RestartPolicy/MaximumRetryCount").and_then(Json::as_f64);
    let is = usual(name, most.filter(|most| *most > 0.0));
    if is != wanted {
        set_at(body, path, Some(leaf(is)));
    }
}

fn networks(body: &mut Node, container: &Container, real: &dyn Fn(&str) -> String) {
    let Some(wanted) = body.get("networks").map(|all| all.entries().to_vec()) else { return };
    let Some(live) = container.0.pointer("/NetworkSettings/Networks").and_then(Json::as_object) else { return };
    let Some(all) = body.get_mut("networks") else { return };
    for (name, _) in &wanted {
        if !live.contains_key(&real(name)) {
            all.remove(name);
        }
    }
    for name in live.keys() {
        if !wanted.iter().any(|(known, _)| real(known) == *name) {
            all.set(name.as_str(), Node::map(Sources::NONE));
        }
    }
}

/// Variables as they are: what the image sets by itself is left out where nobody sets it.
pub(super) fn environment(
    body: &mut Node,
    container: &Container,
    image: &BTreeMap<String, String>,
    is_secret: &dyn Fn(&str) -> bool,
    secrets: &Secrets,
) {
    let live = container.variables();
    let before = body.remove("environment").unwrap_or_else(|| Node::map(Sources::NONE));
    let mut environment = Node::map(Sources::NONE);
    let mut names: Vec<&String> = live.keys().collect();
    names.retain(|name| before.get(name).is_some() || image.get(*name) != live.get(*name));
    for name in names {
        let value = live.get(name).map(String::as_str).unwrap_or_default();
        let text = Text::from(value);
        let hole = before.get(name).is_some_and(|node| matches!(node.value, Value::Hole(_)));
        let known = secrets.scrub(value).as_str() != value;
        let text = if hole || known || is_secret(name) { text.concealed(name, Spot::NOWHERE, secrets) } else { text };
        environment.set(name.as_str(), leaf(Value::Text(text)));
    }
    if !environment.entries().is_empty() {
        body.set("environment", environment);
    }
}

/// A container that nobody of ours described, as far as it can be told.
pub(super) fn described(container: &Container) -> Node {
    let mut body = Node::map(Sources::NONE);
    body.set("image", leaf(container.text("/Config/Image")));
    let labels = container.0.pointer("/Config/Labels").and_then(Json::as_object).into_iter().flatten();
    let mut map = Node::map(Sources::NONE);
    for (name, value) in labels.filter(|(name, _)| !name.starts_with("com.docker.compose.")) {
        map.set(name.as_str(), leaf(value.as_str().unwrap_or_default()));
    }
    body.set("labels", map);
    body
}

/// Why a container will not get further by itself.
pub(super) fn trouble(container: &Container, secrets: &Secrets) -> Option<Reason> {
    let reason =
        |code, text: String, remedy| Some(Reason { code, text: secrets.scrub(&text), logs: Vec::new(), remedy });
    match container.status() {
        "exited" | "dead" => {
            let error = container.text("/State/Error");
            let why = if error.is_empty() { String::new() } else { format!(": {error}") };
            let oom = container.0.pointer("/State/OOMKilled").and_then(Json::as_bool).unwrap_or_default();
            let (code, remedy) = if oom {
                ("out-of-memory", "give it more memory, or let it use less")
            } else {
                ("exited", "see what it said last")
            };
            reason(code, format!("{} ended with {}{why}", container.name(), container.exit_code()), remedy)
        }
        "restarting" | "running" if container.restarts() >= 3 => {
            let text = format!("{} ends again and again, last with {}", container.name(), container.exit_code());
            reason("crash-loop", text, "see what it said last")
        }
        "running" if container.health() == Some("unhealthy") => {
            let said = container.health_words();
            let text = format!("the health check of {} fails: {said}", container.name());
            reason("probe-failing", text, "see what it said last, and what its health check asks")
        }
        _ => None,
    }
}
