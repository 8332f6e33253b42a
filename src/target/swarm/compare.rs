//! How objects are compared, what a change does to what runs, and in which order calls are made.

use crate::{
    plan::{Change, Consequence, Step},
    target::{Cascade, ListOrder, Mutability, Release, Shown, schedule},
    value::{Address, Node, Path, Sources, Value},
};

/// A body without what says nothing: what is empty or zero, the engine's defaults, its own ids.
pub(super) fn canonical(address: &Address, mut body: Node) -> Node {
    match &*address.kind {
        "Service" => service(&mut body),
        "Network" => network(&mut body),
        _ => {}
    }
    prune(&mut body);
    body
}

fn service(body: &mut Node) {
    if let Some(task) = body.get_mut("TaskTemplate") {
        drop_if(task, "Runtime", "container");
        if let Some(placement) = task.get_mut("Placement") {
            // What clients make of the image's index: it goes with the image.
            placement.remove("Platforms");
        }
        if let Some(container) = task.get_mut("ContainerSpec") {
            drop_if(container, "Isolation", "default");
            for (list, identifier) in [("Configs", "ConfigID"), ("Secrets", "SecretID")] {
                for item in items(container, list) {
                    item.remove(identifier);
                    // By where it appears: what else is said of it is a difference of its own.
                    if let Some(name) = item.get_mut("File").and_then(|file| file.remove("Name")) {
                        item.set("Target", name);
                    }
                }
            }
            if let Some(variables) = container.get_mut("Env") {
                by_name(variables);
            }
        }
    }
    for settings in ["UpdateConfig", "RollbackConfig"] {
        if let Some(settings) = body.get_mut(settings) {
            drop_zero(settings, "Delay");
        }
    }
    if let Some(endpoint) = body.get_mut("EndpointSpec") {
        drop_if(endpoint, "Mode", "vip");
        for port in items(endpoint, "Ports") {
            for (key, default) in [("Protocol", "tcp"), ("PublishMode", "ingress")] {
                if port.get(key).is_none() {
                    port.set(key, Node::new(default, port.from));
                }
            }
        }
    }
}

fn items<'n>(node: &'n mut Node, key: &str) -> impl Iterator<Item = &'n mut Node> {
    let items = match node.get_mut(key).map(|list| &mut list.value) {
        Some(Value::List(items)) => items.as_mut_slice(),
        _ => &mut [],
    };
    items.iter_mut()
}

/// `NAME=value` as an entry, so that one variable is one difference.
fn by_name(variables: &mut Node) {
    let Value::List(items) = &variables.value else { return };
    let mut map = Node::map(variables.from);
    for item in items {
        let Value::Text(text) = &item.value else { continue };
        let raw = text.raw();
        let end = raw.find('=').unwrap_or(raw.len());
        let name = raw.get(..end).unwrap_or_default().to_owned();
        let value = text.slice((end + 1).min(raw.len())..raw.len());
        map.set(name, Node { value: Value::Text(value), from: item.from });
    }
    *variables = map;
}

fn network(body: &mut Node) {
    const OWN: &[&str] = &[
        "Id",
        "Created",
        "Scope",
        "ConfigFrom",
        "ConfigOnly",
        "Containers",
        "Ingress",
        "Peers",
        "Services",
        "Status",
        "CheckDuplicate",
        "EnableIPv4",
    ];
    for key in OWN {
        body.remove(key);
    }
    if let Some(options) = body.get_mut("Options") {
        // Given by the manager.
        options.remove("com.docker.network.driver.overlay.vxlanid_list");
    }
    if let Some(ipam) = body.get_mut("IPAM") {
        drop_if(ipam, "Driver", "default");
    }
}

fn drop_if(node: &mut Node, key: &str, default: &str) {
    if node.get(key).and_then(Node::as_str) == Some(default) {
        node.remove(key);
    }
}

fn drop_zero(node: &mut Node, key: &str) {
    if node.get(key).and_then(Node::as_integer) == Some(0) {
        node.remove(key);
    }
}

/// Takes out what is empty or zero, which the API writes and reads as absent; but for the few values whose zero
/// means something, and entries with names of the user's own.
fn prune(node: &mut Node) {
    const KEPT: &[&str] = &["Replicas", "Parallelism", "Init", "Mode", "Data", "Delay", "StopGracePeriod"];
    const NAMED: &[&str] = &["Labels", "Options", "Sysctls", "Env", "DriverOpts"];
    let Value::Map(entries) = &mut node.value else {
        if let Value::List(items) = &mut node.value {
            items.iter_mut().for_each(prune);
        }
        return;
    };
    for (key, child) in entries.iter_mut() {
        if &**key != "Mode" && !NAMED.contains(&&**key) {
            prune(child);
        }
    }
    entries.retain(|(key, child)| {
        KEPT.contains(&&**key) && !matches!(child.value, Value::Null)
            || match &child.value {
                Value::Null => false,
                Value::Bool(value) => *value,
                Value::Integer(value) => *value != 0,
                Value::Float(value) => *value != 0.0,
                Value::Text(text) => !text.is_empty(),
                Value::List(items) => !items.is_empty(),
                Value::Map(entries) => !entries.is_empty(),
                _ => true,
            }
    });
}

/// By which entries the items of a list are told apart.
pub(super) fn list(path: &Path) -> ListOrder {
    match path.steps().last().map(|step| &**step) {
        Some("Mounts" | "Networks" | "Configs" | "Secrets") => ListOrder::Keyed(&["Target"]),
        Some("Ports") => ListOrder::Keyed(&["TargetPort", "Protocol", "PublishedPort"]),
        Some("Ulimits") => ListOrder::Keyed(&["Name"]),
        // The pools of a network.
        Some("Config") => ListOrder::Keyed(&["Subnet"]),
        Some("Constraints" | "Hosts" | "CapabilityAdd" | "CapabilityDrop" | "Groups" | "Aliases") => ListOrder::Set,
        _ => ListOrder::Ordered,
    }
}

/// Only the data of secrets is protected.
pub(super) fn exposure(address: &Address, path: &Path) -> Shown {
    let data = path.steps().first().is_some_and(|step| &**step == "Data");
    if &*address.kind == "Secret" && data { Shown::Protected } else { Shown::Readable }
}

/// The kind of a service: how many tasks it has, and whether they end.
pub(crate) fn mode(service: &Node) -> Option<&str> {
    service.get("Mode")?.entries().first().map(|(mode, _)| &**mode)
}

/// What a change does to what runs.
pub(super) fn consequence(
    address: &Address,
    before: Option<&Node>,
    after: Option<&Node>,
    at: &[Path],
) -> (Consequence, Mutability) {
    let below = |pattern: &[&str]| at.iter().any(|path| path.starts_with(&Path::new(pattern.iter().copied())));
    let is_job = |service: &Node| mode(service).is_some_and(|mode| mode.ends_with("Job"));
    match (&*address.kind, before, after) {
        ("Service", None, Some(after)) if is_job(after) => (Consequence::Run, Mutability::InPlace),
        ("Service", None, Some(_)) => (Consequence::Start, Mutability::InPlace),
        ("Service", Some(_), None) => (Consequence::Stop, Mutability::InPlace),
        ("Service", Some(before), Some(after)) => {
            if mode(before) != mode(after) || below(&["Name"]) {
                let replace = Mutability::Replace { cascade: Cascade::All };
                return (Consequence::Replace { downtime: true }, replace);
            }
            if is_job(after) {
                // Whatever is updated of it, it runs again.
                return (Consequence::Run, Mutability::InPlace);
            }
            let count = |node: &Node| {
                let count = node.at(&Path::new(["Mode", "Replicated", "Replicas"]));
                count.and_then(Node::as_integer).and_then(|count| u32::try_from(count).ok())
            };
            if below(&["TaskTemplate"]) || below(&["EndpointSpec"]) {
                let first = Path::new(["UpdateConfig", "Order"]);
                let instances = count(after).or_else(|| count(before)).unwrap_or(1);
                let start_first = after.at(&first).and_then(Node::as_str) == Some("start-first");
                let rolling = start_first || instances > 1;
                return (Consequence::Restart { rolling, instances }, Mutability::InPlace);
            }
            if below(&["Mode"]) {
                let (from, to) = (count(before).unwrap_or(0), count(after).unwrap_or(1));
                return (Consequence::Scale { from, to }, Mutability::InPlace);
            }
            (Consequence::Nothing, Mutability::InPlace)
        }
        // The engine changes nothing of a network, and removes none that is in use.
        ("Network", Some(_), Some(_)) => (Consequence::Unknown, Mutability::Never),
        ("Config" | "Secret", Some(_), Some(_)) if !at.iter().all(|path| path.starts_with(&Path::new(["Labels"]))) => {
            (Consequence::Nothing, Mutability::Replace { cascade: Cascade::All })
        }
        _ => (Consequence::Nothing, Mutability::InPlace),
    }
}

/// One call per object; services go before what they need.
pub(super) fn schedule(release: &Release, changes: &[Change]) -> Vec<Step> {
    schedule::one_each(release, changes, &|_| false, &|change| u8::from(&*change.address.kind != "Service"))
}

/// A list of strings that are written here.
pub(super) fn words<'w>(words: impl IntoIterator<Item = &'w str>, from: Sources) -> Node {
    Node::new(words.into_iter().map(|word| Node::new(word, from)).collect::<Vec<_>>(), from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{platform::decode, value::Called};

    fn address(kind: &str) -> Address {
        Address { kind: kind.into(), scope: None, name: Called::Now("x".into()) }
    }

    /// As Engine 20.10 answers, and as it was asked.
    #[test]
    fn what_the_engine_writes_out_says_nothing() {
        let asked = json!({"Name": "s", "TaskTemplate": {
            "ContainerSpec": {"Image": "i", "Env": ["A=", "B=1"], "Init": false, "StopGracePeriod": 0,
                "Configs": [{"ConfigName": "c", "File": {"Name": "/c", "UID": "0", "GID": "0", "Mode": 292}}]},
            "RestartPolicy": {"Condition": "any"}, "Networks": [{"Target": "n", "Aliases": ["s"]}]},
            "Mode": {"Replicated": {"Replicas": 0}}, "EndpointSpec": {"Ports": [{"TargetPort": 80}]},
            "UpdateConfig": {"Parallelism": 1, "FailureAction": "pause", "Order": "stop-first"}});
        let told = json!({"Name": "s", "Labels": {}, "TaskTemplate": {
            "ContainerSpec": {"Image": "i", "Env": ["B=1", "A="], "Init": false, "StopGracePeriod": 0, "DNSConfig": {},
                "Isolation": "default", "Configs": [{"File": {"Name": "/c", "UID": "0", "GID": "0", "Mode": 292},
                    "ConfigID": "yixty76a69rio194i2erpb0ta", "ConfigName": "c"}]},
            "Resources": {"Limits": {}, "Reservations": {}}, "Placement": {"Platforms": [{"OS": "linux"}]},
            "RestartPolicy": {"Condition": "any", "MaxAttempts": 0}, "Networks": [{"Target": "n", "Aliases": ["s"]}],
            "ForceUpdate": 0, "Runtime": "container"}, "Mode": {"Replicated": {"Replicas": 0}},
            "UpdateConfig": {"Parallelism": 1, "FailureAction": "pause", "MaxFailureRatio": 0, "Order": "stop-first"},
            "EndpointSpec": {"Mode": "vip", "Ports": [{"Protocol": "tcp", "TargetPort": 80, "PublishMode": "ingress"}]}});
        let sorted = |json| {
            let mut text: Vec<char> = format!("{:?}", canonical(&address("Service"), decode(&json))).chars().collect();
            text.sort_unstable();
            text
        };
        assert_eq!(sorted(asked), sorted(told));
    }

    #[test]
    fn an_empty_value_is_one_where_names_are_the_users() {
        let canonical = |labels| canonical(&address("Service"), decode(&json!({"Labels": labels, "Mode": {}})));
        assert_ne!(canonical(json!({"a": ""})), canonical(json!({})));
    }

    #[test]
    fn a_job_runs_whatever_changes_and_another_kind_is_another_service() {
        let job = decode(&json!({"Mode": {"ReplicatedJob": {"TotalCompletions": 1}}}));
        let service = decode(&json!({"Mode": {"Replicated": {"Replicas": 2}}}));
        let of =
            |before, after, at: &[&str]| consequence(&address("Service"), before, after, &[Path::new(at.to_vec())]).0;
        assert_eq!(of(Some(&job), Some(&job), &["Labels", "a"]), Consequence::Run);
        assert_eq!(of(Some(&service), Some(&service), &["Labels", "a"]), Consequence::Nothing);
        assert_eq!(of(Some(&job), Some(&service), &["Mode"]), Consequence::Replace { downtime: true });
        assert_eq!(
            of(Some(&service), Some(&service), &["TaskTemplate", "ContainerSpec", "Image"]),
            Consequence::Restart { rolling: true, instances: 2 }
        );
    }
}
