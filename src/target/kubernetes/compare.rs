//! How objects are compared, what a change does to what runs, and in which order calls are made.

use crate::{
    plan::{Change, Consequence, Step},
    target::{Cascade, ListOrder, Mutability, Release, Shown, schedule},
    value::{Address, Key, Node, Path, Value},
};

fn kind(address: &Address) -> &str {
    address.kind.rsplit('/').next().unwrap_or(&address.kind)
}

/// Annotations that controllers write.
const NOISE: &[&str] = &[
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
    "kubectl.kubernetes.io/last-applied-configuration",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
];

/// An object without what the server keeps about it.
pub(super) fn canonical(address: &Address, mut body: Node) -> Node {
    body.remove("status");
    if let Some(metadata) = body.get_mut("metadata") {
        for key in [
            "managedFields",
            "resourceVersion",
            "uid",
            "creationTimestamp",
            "generation",
            "selfLink",
            "finalizers",
            "ownerReferences",
        ] {
            metadata.remove(key);
        }
        if let Some(annotations) = metadata.get_mut("annotations") {
            for key in NOISE {
                annotations.remove(key);
            }
        }
        for key in ["annotations", "labels"] {
            if metadata.get(key).is_some_and(|map| map.entries().is_empty()) {
                metadata.remove(key);
            }
        }
    }
    if kind(address) == "PersistentVolumeClaim"
        && let Some(spec) = body.get_mut("spec")
    {
        spec.remove("volumeName");
    }
    if kind(address) == "Namespace" {
        body.remove("spec");
        if let Some(labels) = body.get_mut("metadata").and_then(|metadata| metadata.get_mut("labels")) {
            labels.remove("kubernetes.io/metadata.name");
        }
    }
    body
}

/// By which entries the items of a list are told apart.
pub(super) fn list(_address: &Address, path: &Path) -> ListOrder {
    let steps = path.steps();
    let parent = steps.len().checked_sub(2).and_then(|index| steps.get(index)).map(|step| &**step);
    match (steps.last().map(|step| &**step), parent) {
        (Some("containers" | "initContainers" | "volumes" | "env" | "imagePullSecrets" | "sysctls"), _) => {
            ListOrder::Keyed(&["name"])
        }
        (Some("ports"), Some("spec")) => ListOrder::Keyed(&["port", "protocol"]),
        (Some("ports"), _) => ListOrder::Keyed(&["containerPort", "protocol"]),
        (Some("volumeMounts"), _) => ListOrder::Keyed(&["mountPath"]),
        (Some("hostAliases"), _) => ListOrder::Keyed(&["ip"]),
        (Some("items"), _) => ListOrder::Keyed(&["key"]),
        (Some("accessModes" | "policyTypes" | "finalizers"), _) => ListOrder::Set,
        _ => ListOrder::Ordered,
    }
}

/// Only the data of Secrets is protected.
pub(super) fn exposure(address: &Address, path: &Path) -> Shown {
    let data = path.steps().first().is_some_and(|step| &**step == "data" || &**step == "stringData");
    if kind(address) == "Secret" && data { Shown::Protected } else { Shown::Readable }
}

/// What a change does to what runs.
pub(super) fn consequence(
    address: &Address,
    before: Option<&Node>,
    after: Option<&Node>,
    at: &[Path],
) -> (Consequence, Mutability) {
    let kind = kind(address);
    let below = |pattern: &[&str]| at.iter().any(|path| path.starts_with(&Path::new(pattern.iter().copied())));
    let replace = |cascade| Mutability::Replace { cascade };
    match (kind, before, after) {
        ("Deployment" | "StatefulSet" | "DaemonSet", None, Some(_)) => (Consequence::Start, Mutability::InPlace),
        ("Deployment" | "StatefulSet" | "DaemonSet" | "Job", Some(_), None) => (Consequence::Stop, Mutability::InPlace),
        ("Deployment" | "StatefulSet" | "DaemonSet", Some(before), Some(after)) => {
            if below(&["spec", "selector"]) {
                return (Consequence::Replace { downtime: true }, replace(Cascade::All));
            }
            if kind == "StatefulSet" && (below(&["spec", "serviceName"]) || below(&["spec", "volumeClaimTemplates"])) {
                return (Consequence::Replace { downtime: false }, replace(Cascade::Orphan));
            }
            let count = |node: &Node| {
                node.at(&Path::new(["spec", "replicas"]))
                    .and_then(Node::as_integer)
                    .and_then(|count| u32::try_from(count).ok())
            };
            if below(&["spec", "template"]) {
                let strategy = after.at(&Path::new(["spec", "strategy", "type"])).and_then(Node::as_str);
                let instances = count(after).or_else(|| count(before)).unwrap_or(1);
                let rolling = strategy != Some("Recreate") && (kind != "StatefulSet" || instances > 1);
                return (Consequence::Restart { rolling, instances }, Mutability::InPlace);
            }
            if below(&["spec", "replicas"]) {
                let (from, to) = (count(before).unwrap_or(0), count(after).unwrap_or(1));
                return (Consequence::Scale { from, to }, Mutability::InPlace);
            }
            (Consequence::Nothing, Mutability::InPlace)
        }
        ("Job", None, Some(_)) => (Consequence::Run, Mutability::InPlace),
        ("Job", Some(_), Some(_)) if below(&["spec"]) => (Consequence::Run, replace(Cascade::All)),
        ("PersistentVolumeClaim" | "Namespace", Some(_), None) => (Consequence::LosesData, Mutability::InPlace),
        ("PersistentVolumeClaim", Some(_), Some(_)) if below(&["spec"]) && !below(&["spec", "resources"]) => {
            (Consequence::LosesData, Mutability::Never)
        }
        ("Service", Some(_), Some(_)) if below(&["spec", "clusterIP"]) => (Consequence::Nothing, replace(Cascade::All)),
        ("ConfigMap" | "Secret", Some(before), Some(_))
            if matches!(before.get("immutable").map(|node| &node.value), Some(Value::Bool(true)))
                && (below(&["data"]) || below(&["binaryData"]) || below(&["immutable"])) =>
        {
            (Consequence::Nothing, replace(Cascade::All))
        }
        _ => (Consequence::Nothing, Mutability::InPlace),
    }
}

/// One call per object: the namespace and the set first; what runs goes before what it needs, the mark of the whole
/// set last, so that a removal that is cut off is still known to be one.
pub(super) fn schedule(release: &Release, changes: &[Change]) -> Vec<Step> {
    let first =
        |key: &Key| matches!(key.role.as_str(), "namespace" | "parent") && key.of == crate::value::Subject::Application;
    let rank = |change: &Change| match kind(&change.address) {
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" | "CronJob" => 0,
        "Service" | "NetworkPolicy" => 1,
        _ if change.key.role.as_str() == "parent" => 3,
        _ => 2,
    };
    schedule::one_each(release, changes, &first, &rank)
}

/// Claims and namespaces hold what nobody can make again.
pub(super) fn holds_data(address: &Address) -> bool {
    matches!(kind(address), "PersistentVolumeClaim" | "Namespace")
}
