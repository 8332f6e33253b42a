//! How apps are compared, what a change does to what runs, and which calls carry changes.

use super::FILE;
use crate::{
    plan::{Action, Call, Change, Consequence, Step, StepId},
    target::{Cascade, Condition, ListOrder, Mutability, Release},
    value::{Address, Key, Node, Path, Sources, Value},
};

/// What the server keeps about an app, or makes up for it.
const NOISE: &[&str] = &[
    "version",
    "versionInfo",
    "deployments",
    "lastTaskFailure",
    "ports",
    "readinessCheckResults",
    "taskStats",
    "tasks",
    "tasksHealthy",
    "tasksRunning",
    "tasksStaged",
    "tasksUnhealthy",
    "uris",
];

fn default(map: &mut Node, key: &str, value: impl Into<Value>) {
    if map.get(key).is_none_or(|node| node.value == Value::Null) {
        map.set(key, Node::new(value, Sources::NONE));
    }
}

fn each(map: &mut Node, key: &str, change: &mut dyn FnMut(&mut Node)) {
    if let Some(Node { value: Value::List(items), .. }) = map.get_mut(key) {
        items.iter_mut().for_each(change);
    }
}

fn text<'n>(node: &'n Node, key: &str) -> &'n str {
    node.get(key).and_then(Node::as_str).unwrap_or_default()
}

/// A definition with every default of Marathon's written out, and without what the server adds.
pub(super) fn canonical(address: &Address, mut body: Node) -> Node {
    if &*address.kind == FILE {
        return body;
    }
    for key in NOISE {
        body.remove(key);
    }
    let empty = || Value::List(Vec::new());
    for key in ["constraints", "dependencies", "fetch", "healthChecks"] {
        default(&mut body, key, empty());
    }
    for key in ["env", "labels", "secrets"] {
        default(&mut body, key, Value::Map(Vec::new()));
    }
    default(&mut body, "acceptedResourceRoles", vec![Node::new("*", Sources::NONE)]);
    default(&mut body, "backoffFactor", Value::Float(1.15));
    default(&mut body, "backoffSeconds", 1_i64);
    default(&mut body, "cpus", 1_i64);
    default(&mut body, "disk", 0_i64);
    default(&mut body, "executor", "");
    default(&mut body, "gpus", 0_i64);
    default(&mut body, "instances", 1_i64);
    default(&mut body, "killSelection", "YOUNGEST_FIRST");
    default(&mut body, "maxLaunchDelaySeconds", 300_i64);
    default(&mut body, "mem", 128_i64);
    default(&mut body, "requirePorts", false);
    default(&mut body, "role", "*");
    default(&mut body, "tty", false);
    let resident = is_resident(&body);
    upgrade(&mut body, resident);
    each(&mut body, "fetch", &mut |fetch| {
        default(fetch, "extract", true);
        default(fetch, "executable", false);
        default(fetch, "cache", false);
    });
    each(&mut body, "healthChecks", &mut check);
    let on_host = match body.get("networks").map(Node::items) {
        None | Some([]) => true,
        Some(networks) => networks.iter().any(|network| text(network, "mode") == "host"),
    };
    if on_host {
        default(&mut body, "portDefinitions", empty());
    }
    each(&mut body, "portDefinitions", &mut |port| {
        default(port, "protocol", "tcp");
        default(port, "labels", Value::Map(Vec::new()));
    });
    if let Some(inner) = body.get_mut("container") {
        container(inner, on_host);
    }
    body
}

/// Whether an app has data on the agent that it runs on.
pub(super) fn is_resident(body: &Node) -> bool {
    let volumes = body.get("container").and_then(|container| container.get("volumes"));
    volumes.is_some_and(|volumes| volumes.items().iter().any(|volume| volume.get("persistent").is_some()))
}

fn upgrade(body: &mut Node, resident: bool) {
    default(body, "upgradeStrategy", Value::Map(Vec::new()));
    let over = i64::from(!resident);
    if let Some(strategy) = body.get_mut("upgradeStrategy") {
        default(strategy, "minimumHealthCapacity", 1_i64);
        default(strategy, "maximumOverCapacity", over);
    }
    if resident {
        default(body, "unreachableStrategy", "disabled");
    } else {
        default(body, "unreachableStrategy", Value::Map(Vec::new()));
        if let Some(strategy) = body.get_mut("unreachableStrategy").filter(|node| matches!(node.value, Value::Map(_))) {
            default(strategy, "inactiveAfterSeconds", 0_i64);
            default(strategy, "expungeAfterSeconds", 0_i64);
        }
    }
}

fn check(check: &mut Node) {
    default(check, "protocol", "HTTP");
    default(check, "delaySeconds", 15_i64);
    default(check, "gracePeriodSeconds", 300_i64);
    default(check, "intervalSeconds", 60_i64);
    default(check, "maxConsecutiveFailures", 3_i64);
    default(check, "timeoutSeconds", 20_i64);
    let protocol = text(check, "protocol").to_owned();
    if protocol == "COMMAND" {
        return;
    }
    default(check, "ipProtocol", "IPv4");
    if check.get("port").is_none() {
        default(check, "portIndex", 0_i64);
    }
    if protocol.contains("HTTP") {
        default(check, "ignoreHttp1xx", false);
        default(check, "path", "/");
    }
}

fn container(inner: &mut Node, on_host: bool) {
    default(inner, "type", "DOCKER");
    let docker = text(inner, "type") == "DOCKER";
    if let Some(image) = inner.get_mut("docker") {
        default(image, "forcePullImage", false);
        if docker {
            default(image, "parameters", Value::List(Vec::new()));
            default(image, "privileged", false);
        }
    }
    default(inner, "volumes", Value::List(Vec::new()));
    each(inner, "volumes", &mut |volume| {
        if volume.get("secret").is_none() {
            default(volume, "mode", "RW");
        }
        if let Some(persistent) = volume.get_mut("persistent") {
            default(persistent, "type", "root");
            default(persistent, "constraints", Value::List(Vec::new()));
        }
    });
    if !on_host {
        default(inner, "portMappings", Value::List(Vec::new()));
    }
    each(inner, "portMappings", &mut |mapping| {
        // A number that the server gives, and keeps.
        mapping.remove("servicePort");
        default(mapping, "hostPort", 0_i64);
        default(mapping, "protocol", "tcp");
        default(mapping, "labels", Value::Map(Vec::new()));
    });
}

/// By which entries the items of a list are told apart.
pub(super) fn list(path: &Path) -> ListOrder {
    match path.steps().last().map(|step| &**step) {
        Some("portMappings") => ListOrder::Keyed(&["containerPort"]),
        Some("portDefinitions") => ListOrder::Keyed(&["port"]),
        Some("volumes") => ListOrder::Keyed(&["containerPath"]),
        Some("fetch") => ListOrder::Keyed(&["destPath"]),
        Some("dependencies" | "acceptedResourceRoles") => ListOrder::Set,
        _ => ListOrder::Ordered,
    }
}

/// What a change does to what runs: everything but the count starts an app anew.
pub(super) fn consequence(
    address: &Address,
    before: Option<&Node>,
    after: Option<&Node>,
    at: &[Path],
) -> (Consequence, Mutability) {
    let count =
        |node: &Node| node.get("instances").and_then(Node::as_integer).and_then(|count| u32::try_from(count).ok());
    let consequence = match (before, after) {
        _ if &*address.kind == FILE => Consequence::Nothing,
        (None, Some(_)) => Consequence::Start,
        (Some(_), None) => Consequence::Stop,
        (Some(before), Some(after)) => {
            let (from, to) = (count(before).unwrap_or(1), count(after).or_else(|| count(before)).unwrap_or(1));
            if at.iter().all(|path| path.matches("instances")) {
                Consequence::Scale { from, to }
            } else {
                let share = |key: &str| {
                    after.get("upgradeStrategy").and_then(|strategy| strategy.get(key)).map(|node| node.value.clone())
                };
                let none = |value: Option<Value>| matches!(value, Some(Value::Integer(0)));
                let alone = none(share("minimumHealthCapacity")) && none(share("maximumOverCapacity"));
                Consequence::Restart { rolling: !alone, instances: to }
            }
        }
        (None, None) => Consequence::Nothing,
    };
    (consequence, Mutability::InPlace)
}

/// Files first, each on its own; then all apps in one call, which Marathon brings up in the order of what they depend on;
/// and when those are there, what is wanted no more.
pub(super) fn schedule(release: &Release, changes: &[Change]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut next: StepId = 0;
    let mut id = || {
        next += 1;
        next
    };
    let order = |change: &&Change| release.resources.get_index_of(&change.key).unwrap_or(usize::MAX);
    let mut ordered: Vec<&Change> = changes.iter().collect();
    ordered.sort_by_key(order);
    let is_file = |change: &Change| &*change.address.kind == FILE;
    let writes = |change: &Change| {
        matches!(
            change.action,
            Action::Create | Action::Update | Action::Succeed { .. } | Action::Replace { .. } | Action::Rerun
        )
    };
    let mut there: Vec<(StepId, Condition)> = Vec::new();
    for change in ordered.iter().filter(|change| is_file(change) && writes(change)) {
        let step = id();
        there.push((step, Condition::Exists));
        let (carries, address) = (vec![change.key.clone()], Some(change.address.clone()));
        steps.push(Step { id: step, call: Call::Put, carries, address, after: Vec::new() });
    }
    let mut settled: Vec<(StepId, Condition)> = Vec::new();
    let apps: Vec<Key> =
        ordered.iter().filter(|change| !is_file(change) && writes(change)).map(|change| change.key.clone()).collect();
    if !apps.is_empty() {
        let step = id();
        settled.push((step, Condition::Healthy));
        steps.push(Step {
            id: step,
            call: Call::Batch { supersedes: None },
            carries: apps,
            address: None,
            after: there,
        });
    }
    let waiting: Vec<Key> = ordered
        .iter()
        .filter(|change| !is_file(change) && change.action == Action::Settle)
        .map(|change| change.key.clone())
        .collect();
    if !waiting.is_empty() {
        let step = id();
        settled.push((step, Condition::Healthy));
        steps.push(Step { id: step, call: Call::Wait, carries: waiting, address: None, after: Vec::new() });
    }
    let mut gone: Vec<&Change> =
        changes.iter().filter(|change| matches!(change.action, Action::Delete | Action::Retire)).collect();
    // What is fetched goes after what fetches it.
    gone.sort_by_key(|change| is_file(change));
    for change in gone {
        steps.push(Step {
            id: id(),
            call: Call::Delete { cascade: Cascade::All },
            carries: vec![change.key.clone()],
            address: Some(change.address.clone()),
            after: settled.clone(),
        });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Called;

    fn app(json: &serde_json::Value) -> Node {
        let address = Address { kind: "app".into(), scope: None, name: Called::Now("/web".into()) };
        canonical(&address, crate::platform::decode(json))
    }

    #[test]
    fn what_is_said_and_what_is_a_default_are_the_same() {
        let short = app(&serde_json::json!({
            "id": "/web", "container": {"docker": {"image": "x"}, "portMappings": [{"containerPort": 80}]},
            "networks": [{"mode": "container/bridge"}], "healthChecks": [{"protocol": "MESOS_HTTP"}]}));
        let long = app(&serde_json::json!({
            "id": "/web", "version": "1", "versionInfo": {}, "tasksRunning": 1, "deployments": [], "instances": 1,
            "container": {"type": "DOCKER", "volumes": [], "docker": {"image": "x", "forcePullImage": false,
                "parameters": [], "privileged": false}, "portMappings": [{"containerPort": 80, "hostPort": 0,
                "servicePort": 10001, "protocol": "tcp", "labels": {}}]},
            "networks": [{"mode": "container/bridge"}], "upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": 1},
            "healthChecks": [{"protocol": "MESOS_HTTP", "path": "/", "portIndex": 0, "gracePeriodSeconds": 300,
                "intervalSeconds": 60, "timeoutSeconds": 20, "maxConsecutiveFailures": 3, "delaySeconds": 15,
                "ipProtocol": "IPv4", "ignoreHttp1xx": false}]}));
        let sorted = |node: &Node| {
            let mut all = Vec::new();
            node.walk(&mut |path, node| {
                if !matches!(node.value, Value::Map(_) | Value::List(_)) {
                    all.push(format!("{path}: {:?}", node.value));
                }
            });
            all.sort();
            all
        };
        assert_eq!(sorted(&short), sorted(&long));
    }

    #[test]
    fn only_the_count_restarts_nothing() {
        let address = Address { kind: "app".into(), scope: None, name: Called::Now("/web".into()) };
        let (two, three) = (app(&serde_json::json!({"instances": 2})), app(&serde_json::json!({"instances": 3})));
        let told = |at: &[&str]| {
            let at: Vec<Path> = at.iter().map(|path| Path::new([*path])).collect();
            consequence(&address, Some(&two), Some(&three), &at).0
        };
        assert_eq!(told(&["instances"]), Consequence::Scale { from: 2, to: 3 });
        assert_eq!(told(&["instances", "labels"]), Consequence::Restart { rolling: true, instances: 3 });
    }
}
