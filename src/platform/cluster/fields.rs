//! `managedFields`: who wrote which value of an object, as paths into it.

use serde_json::Value as Json;

use crate::value::Path;

/// The field manager that all our writes carry.
pub(super) const MANAGER: &str = "transship";

/// The paths of the values that we set at our last write; `None` when the server does not say.
pub(super) fn ours(object: &Json) -> Option<Vec<Path>> {
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    let mut paths = Vec::new();
    for entry in entries.iter().filter(|entry| is_ours(entry)) {
        collect(entry.get("fieldsV1").unwrap_or(&Json::Null), Some(object), &Path::root(), &mut paths);
    }
    Some(paths)
}

/// The paths that others set, and who; what controllers report as status is left out.
pub(super) fn others(object: &Json) -> Vec<(Path, String)> {
    let entries = object.pointer("/metadata/managedFields").and_then(Json::as_array);
    let mut writers = Vec::new();
    for entry in entries.into_iter().flatten().filter(|entry| !is_ours(entry)) {
        if text(entry, "subresource") == "status" {
            continue;
        }
        let mut paths = Vec::new();
        collect(entry.get("fieldsV1").unwrap_or(&Json::Null), Some(object), &Path::root(), &mut paths);
        let manager = text(entry, "manager");
        writers.extend(
            paths
                .into_iter()
                .filter(|path| path.steps().first().is_none_or(|step| &**step != "status"))
                .map(|path| (path, manager.to_owned())),
        );
    }
    writers
}

fn is_ours(entry: &Json) -> bool {
    text(entry, "manager") == MANAGER && text(entry, "subresource").is_empty()
}

fn text<'a>(entry: &'a Json, name: &str) -> &'a str {
    entry.get(name).and_then(Json::as_str).unwrap_or_default()
}

/// Adds the leaves below `fields`. `at` is the value of the object there; items of lists are found in it and
/// named by their number, and what is no longer there is left out.
fn collect(fields: &Json, at: Option<&Json>, path: &Path, paths: &mut Vec<Path>) {
    let Some(entries) = fields.as_object() else { return };
    let before = paths.len();
    let mut own = entries.is_empty();
    for (name, below) in entries {
        match name.split_once(':') {
            Some(("f", field)) => collect(below, at.and_then(|at| at.get(field)), &path.join(field), paths),
            Some(("k", keys)) => {
                let Ok(Json::Object(keys)) = serde_json::from_str(keys) else { continue };
                let found = at.and_then(Json::as_array).and_then(|items| {
                    items.iter().position(|item| keys.iter().all(|(key, value)| item.get(key) == Some(value)))
                });
                if let Some(index) = found {
                    collect(below, at.and_then(|at| at.get(index)), &path.join(index.to_string()), paths);
                }
            }
            Some(("v", value)) => {
                let Ok(value) = serde_json::from_str::<Json>(value) else { continue };
                let found = at.and_then(Json::as_array).and_then(|items| items.iter().position(|item| *item == value));
                if let Some(index) = found {
                    paths.push(path.join(index.to_string()));
                }
            }
            Some(("i", index)) => {
                collect(below, at.and_then(|at| at.get(index.parse::<usize>().ok()?)), &path.join(index), paths);
            }
            _ => own |= name == ".",
        }
    }
    // A container of which nothing below is ours is ours itself: `emptyDir: {}`.
    if own && paths.len() == before && !path.steps().is_empty() && at.is_some() {
        paths.push(path.clone());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_of_each_writer() {
        let object = json!({
            "metadata": {"labels": {"app": "web"}, "finalizers": ["a", "b"], "managedFields": [
                {"manager": "transship", "operation": "Apply", "fieldsV1": {
                    "f:metadata": {"f:labels": {"f:app": {}}, "f:finalizers": {"v:\"b\"": {}}},
                    "f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {
                        ".": {}, "f:name": {}, "f:image": {},
                        "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}},
                        "f:volumes": {"k:{\"name\":\"tmp\"}": {".": {}, "f:emptyDir": {}}}}}},
                {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                {"manager": "hpa", "operation": "Update", "subresource": "scale", "fieldsV1": {"f:spec": {"f:paused": {}}}},
                {"manager": "controller", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {"f:replicas": {}}}}
            ]},
            "spec": {"replicas": 3, "paused": false, "volumes": [{"name": "tmp", "emptyDir": {}}], "containers": [
                {"name": "sidecar"},
                {"name": "web", "image": "x", "ports": [{"containerPort": 80, "protocol": "TCP"}]}]}
        });
        let shown: Vec<_> = ours(&object).unwrap_or_default().iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "metadata.labels.app",
                "metadata.finalizers[1]",
                "spec.containers[1].name",
                "spec.containers[1].image",
                "spec.containers[1].ports[0].containerPort",
                "spec.volumes[0].emptyDir",
            ]
        );
        let others: Vec<_> = others(&object).into_iter().map(|(path, by)| format!("{path} {by}")).collect();
        assert_eq!(others, ["spec.replicas kubectl-edit", "spec.paused hpa"]);
        assert_eq!(ours(&json!({})), None);
    }
}
