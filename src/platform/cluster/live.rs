//! Live objects as values: whose they are, what they hold, what they refer to. Secret data is concealed
//! before anything else sees it.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::Value as Json;

use super::{
    fields,
    kind::{self, Kind},
    marks, readiness,
};
use crate::{
    platform::{
        Live, Owner, Token,
        codec::{conceal, decode},
    },
    target::Condition,
    value::{Address, Application, Called, Name, Node, Secrets, Sources, Value},
};

/// What is needed to read an object.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) application: &'a Application,
    /// The namespace of the application, which its set belongs to.
    pub(super) namespace: &'a Name,
    pub(super) secrets: &'a Secrets,
    /// The sets of the namespace, by id.
    pub(super) sets: &'a BTreeMap<String, Application>,
}

impl Reading<'_> {
    /// The address of an object.
    pub(super) fn address(object: &Json, kind: &Kind) -> Address {
        let text = |pointer: &str| object.pointer(pointer).and_then(Json::as_str);
        Address {
            kind: kind.text(),
            scope: text("/metadata/namespace").map(Into::into),
            name: Called::Now(text("/metadata/name").unwrap_or_default().into()),
        }
    }

    /// A live object; its state is how far it has come on its way to `when`.
    pub(super) fn live(&self, object: &Json, kind: &Kind, when: Condition) -> Live {
        let address = Self::address(object, kind);
        let owner = marks::owner(object, self.application, self.namespace, self.sets);
        let scope = address.scope.as_deref();
        Live {
            key: if owner == Owner::Us { marks::key(object) } else { None },
            owner,
            token: Token(object.pointer("/metadata/resourceVersion").and_then(Json::as_str).unwrap_or_default().into()),
            body: self.body(object, kind),
            blind: Vec::new(),
            ours: fields::ours(object),
            writers: fields::others(object).into_iter().map(|(path, by)| (path, self.secrets.scrub(&by))).collect(),
            references: template(object, kind).map(|spec| references(spec, scope)).unwrap_or_default(),
            state: readiness::progress(object, kind, when).state(self.secrets),
            address,
        }
    }

    /// What an object holds, without what the server keeps to itself, secrets concealed.
    pub(super) fn body(&self, object: &Json, kind: &Kind) -> Node {
        // Items of a list do not say what they are; everything else says it first.
        let mut entries = serde_json::Map::new();
        entries.insert("apiVersion".into(), Json::from(&*kind.api_version));
        entries.insert("kind".into(), Json::from(&*kind.name));
        for (name, value) in object.as_object().into_iter().flatten() {
            if !matches!(name.as_str(), "apiVersion" | "kind" | "status") {
                entries.insert(name.clone(), value.clone());
            }
        }
        if let Some(metadata) = entries.get_mut("metadata").and_then(Json::as_object_mut) {
            metadata.remove("managedFields");
        }
        let mut object = Json::Object(entries);
        let name = object.pointer("/metadata/name").and_then(Json::as_str).unwrap_or_default().to_owned();
        let encoded = match &*kind.name {
            "Secret" if kind.is("Secret") => "data",
            "ConfigMap" if kind.is("ConfigMap") => "binaryData",
            _ => "",
        };
        let data = object.as_object_mut().and_then(|entries| entries.remove(encoded));
        if kind.is("Secret")
            && let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Json::as_object_mut)
            && let Some(Json::String(applied)) = annotations.get("kubectl.kubernetes.io/last-applied-configuration")
        {
            // Holds the data once more.
            self.secrets.conceal(applied.as_bytes(), &name, Sources::NONE);
        }
        let mut body = decode(&object);
        if let Some(Json::Object(data)) = data {
            let entries = data.iter().map(|(key, value)| {
                let encoded = value.as_str().unwrap_or_default();
                let bytes =
                    base64::engine::general_purpose::STANDARD.decode(encoded).unwrap_or_else(|_| encoded.into());
                let id = self.secrets.conceal(&bytes, &format!("{name}/{key}"), Sources::NONE);
                (key.as_str().into(), Node::new(Value::Bytes(id), Sources::NONE))
            });
            body.set(encoded, Node::new(Value::Map(entries.collect()), Sources::NONE));
        }
        conceal(&mut body, &object, &name, self.secrets);
        body
    }
}

/// The pod spec that an object makes pods of.
pub(super) fn template<'a>(object: &'a Json, kind: &Kind) -> Option<&'a Json> {
    let at = match &*kind.name {
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" | "ReplicaSet" => "/spec/template/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        // A kept revision of a StatefulSet or DaemonSet.
        "ControllerRevision" => "/data/spec/template/spec",
        _ => return None,
    };
    object.pointer(at)
}

/// The objects that a pod spec names.
pub(super) fn references(spec: &Json, namespace: Option<&str>) -> Vec<Address> {
    let mut found: Vec<Address> = Vec::new();
    let mut add = |kind: &str, name: Option<&Json>| {
        if let Some(name) = name.and_then(Json::as_str) {
            let address = kind::address(kind, namespace, name);
            if !found.contains(&address) {
                found.push(address);
            }
        }
    };
    let list = |json: &'_ Json, name: &str| json.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
    for volume in list(spec, "volumes") {
        add("ConfigMap", volume.pointer("/configMap/name"));
        add("Secret", volume.pointer("/secret/secretName"));
        add("PersistentVolumeClaim", volume.pointer("/persistentVolumeClaim/claimName"));
        for source in volume.pointer("/projected/sources").and_then(Json::as_array).into_iter().flatten() {
            add("ConfigMap", source.pointer("/configMap/name"));
            add("Secret", source.pointer("/secret/name"));
        }
    }
    for container in list(spec, "initContainers").iter().chain(&list(spec, "containers")) {
        for source in list(container, "envFrom") {
            add("ConfigMap", source.pointer("/configMapRef/name"));
            add("Secret", source.pointer("/secretRef/name"));
        }
        for variable in list(container, "env") {
            add("ConfigMap", variable.pointer("/valueFrom/configMapKeyRef/name"));
            add("Secret", variable.pointer("/valueFrom/secretKeyRef/name"));
        }
    }
    for pull in list(spec, "imagePullSecrets") {
        add("Secret", pull.get("name"));
    }
    add("ServiceAccount", spec.get("serviceAccountName"));
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::value::{Application, Path};

    #[test]
    fn secret_data_is_concealed_wherever_it_stands() {
        let secrets = Secrets::default();
        let application = Application { project: "shop".into(), environment: "test".into() };
        let namespace = Name::from("shop");
        let sets = BTreeMap::new();
        let reading = Reading { application: &application, namespace: &namespace, secrets: &secrets, sets: &sets };
        let kind = Kind::known("v1/Secret").unwrap_or_else(|| unreachable!());
        let applied = "{\"data\":{\"password\":\"aHVudGVyMg==\"}}";
        let secret = json!({
            "metadata": {"name": "s", "namespace": "shop", "resourceVersion": "7", "managedFields": [],
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied}},
            "data": {"password": "aHVudGVyMg=="}
        });
        let live = reading.live(&secret, &kind, Condition::Exists);
        assert_eq!(&*live.token.0, "7");
        let wanted = secrets.conceal(b"hunter2", "other", Sources::NONE);
        assert_eq!(
            live.body.at(&Path::new(["data", "password"])).map(|node| node.value.clone()),
            Some(Value::Bytes(wanted))
        );
        assert_eq!(live.body.get("kind").and_then(Node::as_str), Some("Secret"));
        assert!(!format!("{:?}", live.body).contains("aHVudGVyMg"), "{:?}", live.body);

        // Known from the Secret, found in a workload.
        let kind = Kind::known("apps/v1/Deployment").unwrap_or_else(|| unreachable!());
        let deployment = json!({"metadata": {"name": "d"}, "spec": {"template": {"spec": {"containers": [
            {"name": "c", "env": [{"name": "DSN", "value": "postgres://u:hunter2@db"}]}]}}}});
        let body = reading.body(&deployment, &kind);
        assert!(!format!("{body:?}").contains("hunter2"), "{body:?}");
        assert_eq!(
            body.at(&Path::new(["spec", "template", "spec", "containers", "0", "env", "0", "value"])),
            Some(&Node::new("postgres://u:hunter2@db", Sources::NONE))
        );
    }

    #[test]
    fn references_of_a_pod() {
        let spec = json!({
            "serviceAccountName": "sa",
            "imagePullSecrets": [{"name": "pull"}],
            "volumes": [
                {"configMap": {"name": "c1"}}, {"secret": {"secretName": "s1"}},
                {"persistentVolumeClaim": {"claimName": "p1"}},
                {"projected": {"sources": [{"secret": {"name": "s2"}}, {"configMap": {"name": "c2"}}]}}],
            "initContainers": [{"envFrom": [{"configMapRef": {"name": "c3"}}]}],
            "containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "s3"}}}], "envFrom": [{"secretRef": {"name": "s1"}}]}]
        });
        let shown: Vec<_> = references(&spec, Some("shop")).iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "ConfigMap shop/c1",
                "Secret shop/s1",
                "PersistentVolumeClaim shop/p1",
                "Secret shop/s2",
                "ConfigMap shop/c2",
                "ConfigMap shop/c3",
                "Secret shop/s3",
                "Secret shop/pull",
                "ServiceAccount shop/sa"
            ]
        );
    }
}
