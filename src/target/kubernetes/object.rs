//! What every object has: names, labels, the marks of ownership; and the objects of the application as a whole.

use base64::Engine as _;
use sha2::{Digest as _, Sha256};

use super::translate::Translator;
use crate::{
    compose::model::Strings,
    target::{
        After, Condition, ImagePullSecret, Life, Resource, SETTLES_WITHIN, Settles, codes, naming, parts::context,
    },
    value::{Called, Fingerprint, Key, Located, Node, Part, Role, Sources, Spot, Subject, Text, Value},
};

/// The label that says whose an object is: Kubernetes' own for sets that are applied together.
pub(crate) const PART_OF: &str = "applyset.kubernetes.io/part-of";
/// The annotation that says which resource an object is.
pub(crate) const RESOURCE: &str = "transship.dev/resource";
/// The label by which Services and policies select pods; a candidate shares it.
pub(crate) const SERVICE: &str = "transship.dev/service";

/// Name of the parent object of an application in an environment.
pub(crate) fn parent_name(application: &crate::value::Application) -> String {
    let both = if application.environment.is_empty() {
        application.project.to_string()
    } else {
        format!("{}-{}", application.project, application.environment)
    };
    naming::slug(&format!("transship-{both}"), 63)
}

/// The id that marks what belongs to the parent object: `applyset-<hash>-v1` over
/// `<name>.<namespace>.<kind>.<group>`.
pub(crate) fn set_id(parent: &str, namespace: &str) -> String {
    let hash = Sha256::digest(format!("{parent}.{namespace}.ConfigMap."));
    format!("applyset-{}-v1", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash))
}

/// What one object is made of, beside its context.
pub(super) struct Object<'n> {
    pub(super) key: Key,
    pub(super) kind: &'static str,
    pub(super) name: Called,
    pub(super) template: &'static str,
    /// The Compose service it belongs to, for its labels.
    pub(super) component: Option<&'n str>,
    pub(super) labels: Vec<(Box<str>, Node)>,
    pub(super) annotations: Vec<(Box<str>, Node)>,
    pub(super) life: Life,
    pub(super) after: Vec<After>,
    pub(super) settles: Condition,
    pub(super) inputs: Fingerprint,
    pub(super) spot: Spot,
    /// What decided that there is such an object, and of which kind, and stands nowhere in it.
    pub(super) shaped: Sources,
}

impl<'n> Object<'n> {
    pub(super) fn new(key: Key, kind: &'static str, name: Called, template: &'static str, spot: Spot) -> Self {
        Self {
            key,
            kind,
            name,
            template,
            component: None,
            labels: Vec::new(),
            annotations: Vec::new(),
            life: Life::Mutable,
            after: Vec::new(),
            settles: Condition::Exists,
            inputs: Fingerprint::of_bytes(b""),
            spot,
            shaped: Sources::NONE,
        }
    }

    pub(super) fn of(mut self, service: &'n str, inputs: Fingerprint) -> Self {
        self.component = Some(service);
        self.inputs = inputs;
        self
    }

    pub(super) fn life(mut self, life: Life) -> Self {
        self.life = life;
        self
    }
}

impl Translator<'_> {
    /// The labels of an object, or of a pod: the ones everybody knows.
    pub(super) fn labels(&self, component: Option<&str>, spot: Spot) -> Vec<(Box<str>, Node)> {
        let application = &self.settings.application;
        let project = naming::slug(&application.project, 63);
        let instance = self.instance();
        let entry = |key: &str, value: String| (Box::from(key), Node::new(value, spot));
        let mut labels = Vec::new();
        if let Some(component) = component {
            let component = naming::slug(component, 63);
            labels.push(entry("app.kubernetes.io/name", component.clone()));
            labels.push(entry("app.kubernetes.io/instance", instance));
            labels.push(entry("app.kubernetes.io/component", component));
        } else {
            labels.push(entry("app.kubernetes.io/instance", instance));
        }
        labels.push(entry("app.kubernetes.io/part-of", project));
        labels
    }

    pub(super) fn instance(&self) -> String {
        let application = &self.settings.application;
        if application.environment.is_empty() {
            naming::slug(&application.project, 63)
        } else {
            naming::slug(&format!("{}-{}", application.project, application.environment), 63)
        }
    }

    /// Which pods a workload owns. Frozen.
    pub(super) fn selector(&self, service: &str, spot: Spot) -> Node {
        let mut map = Node::map(spot);
        map.set("app.kubernetes.io/instance", Node::new(self.instance(), spot));
        map.set("app.kubernetes.io/component", Node::new(naming::slug(service, 63), spot));
        map
    }

    /// Which pods answer for a service: the workload's and a candidate's. Frozen.
    pub(super) fn service_selector(&self, service: &str, spot: Spot) -> Node {
        let mut map = Node::map(spot);
        map.set("app.kubernetes.io/instance", Node::new(self.instance(), spot));
        map.set(SERVICE, Node::new(naming::slug(service, 63), spot));
        map
    }

    /// Adds an object to the release: marks, labels and the template's shape around its context.
    pub(super) fn add(&mut self, object: Object<'_>, mut inner: Node) {
        let spot = object.spot;
        let mut labels = self.labels(object.component, spot);
        labels.push(("app.kubernetes.io/managed-by".into(), Node::new("transship", Sources::NONE)));
        if object.kind != "v1/Namespace" {
            let id = set_id(&parent_name(&self.settings.application), &self.namespace.value);
            labels.push((PART_OF.into(), Node::new(id, Sources::NONE)));
        }
        labels.extend(object.labels);
        let mut annotations = vec![(Box::from(RESOURCE), Node::new(object.key.to_string(), Sources::NONE))];
        annotations.extend(object.annotations);
        let name = Node::new(Value::Reference(Box::new(object.key.clone()), Part::Name), spot);
        let outer = context(
            "object",
            vec![
                ("name", Some(name)),
                ("namespace", Some(Node::new(&*self.namespace.value, self.namespace.spot))),
                ("labels", Some(Node::new(Value::Map(labels), spot))),
                ("annotations", Some(Node::new(Value::Map(annotations), spot))),
            ],
        );
        for (key, node) in outer.entries() {
            inner.set(key.clone(), node.clone());
        }
        let mut body = self.fill(object.template, &inner);
        // Who asked for the object, and for its shape, where its parts have places of their own.
        body.from = self.project.origins.join([spot.into(), object.shaped]);
        in_order(&mut body);
        let address = self.address(object.kind, object.name);
        let resource = Resource {
            key: object.key.clone(),
            address,
            body,
            life: object.life,
            after: object.after,
            settles: Settles { when: object.settles, within: SETTLES_WITHIN },
            inputs: object.inputs,
        };
        self.resources.insert(object.key, resource);
    }

    /// Annotations of labels that people wrote; what cannot be one is told.
    pub(super) fn annotations(&mut self, list: Option<&Located<Strings>>, at: &str) -> Vec<(Box<str>, Node)> {
        let mut out = Vec::new();
        for (key, text) in list.into_iter().flat_map(|all| &all.value) {
            if is_annotation(key) {
                out.push((key.clone(), self.text(text)));
            } else {
                let words = format!("`{key}` cannot be the name of an annotation, and is left out");
                let help = "use letters, digits, `-`, `_`, `.` and one `/`";
                self.find(&codes::UNSUPPORTED, words, text.spot, &format!("{at}.{key}"), help);
            }
        }
        out
    }

    /// The name of an object that is there already.
    pub(super) fn external_name(&mut self, name: &str, spot: Spot, at: &str) -> String {
        let found = there(name);
        if found != name {
            let words = format!("`{name}` is looked for as `{found}`: the target has no such names");
            self.find(&codes::NAME_CHANGED, words, spot, at, "check what it is called there");
        }
        found
    }

    pub(super) fn namespace_object(&mut self) {
        if !self.settings.kubernetes.create_namespace {
            return;
        }
        let key = Key::new(Subject::Application, Role::new("namespace"));
        let name = Called::Now(self.namespace.value.clone());
        let object = Object::new(key, "v1/Namespace", name, "namespace.yaml", self.namespace.spot).life(Life::Data);
        self.add(object, Node::map(Sources::NONE));
    }

    /// The object that holds the set together, for other tools that know such sets.
    pub(super) fn parent(&mut self) {
        let parent = parent_name(&self.settings.application);
        let key = Key::new(Subject::Application, Role::new("parent"));
        let mut object =
            Object::new(key, "v1/ConfigMap", Called::Now(parent.as_str().into()), "configmap.yaml", Spot::NOWHERE);
        let id = set_id(&parent, &self.namespace.value);
        object.labels.push(("applyset.kubernetes.io/id".into(), Node::new(id, Sources::NONE)));
        object.annotations.push(("applyset.kubernetes.io/tooling".into(), Node::new("transship/v1", Sources::NONE)));
        object.annotations.push((
            "applyset.kubernetes.io/contains-group-kinds".into(),
            Node::new(
                "ConfigMap,DaemonSet.apps,Deployment.apps,Job.batch,NetworkPolicy.networking.k8s.io,PersistentVolumeClaim,Secret,Service,StatefulSet.apps",
                Sources::NONE,
            ),
        ));
        let mut data = Node::map(Sources::NONE);
        data.set("application", Node::new(self.settings.application.to_string(), Sources::NONE));
        let inner = context("content", vec![("immutable", None), ("data", Some(data)), ("binaryData", None)]);
        self.add(object, inner);
    }

    pub(super) fn image_pull_secret(&mut self) {
        let Some(ImagePullSecret::Created(credentials)) = &self.settings.kubernetes.image_pull_secret else { return };
        let key = Key::new(Subject::Application, Role::new("registry-credentials"));
        let name = naming::versioned(
            "registry-credentials",
            &naming::Content::of_entries(&[(".dockerconfigjson".to_owned(), credentials.value.clone())]),
            self.keys,
        );
        let object = Object::new(key, "v1/Secret", name, "secret.yaml", credentials.spot).life(Life::Versioned);
        let mut data = Node::map(credentials.spot);
        data.set(
            ".dockerconfigjson",
            Node::new(base64_of(&credentials.value, self, credentials.spot), credentials.spot),
        );
        let inner = context(
            "content",
            vec![
                ("type", Some(Node::new("kubernetes.io/dockerconfigjson", Sources::NONE))),
                ("immutable", Some(Node::new(true, Sources::NONE))),
                ("data", Some(data)),
            ],
        );
        self.add(object, inner);
    }
}

/// Entries that have names of the user's own stand in the order of their names, whatever order they were written in.
fn in_order(node: &mut Node) {
    match &mut node.value {
        Value::Map(entries) => {
            for (key, child) in entries {
                if let Value::Map(named) = &mut child.value
                    && ["labels", "annotations", "data", "binaryData", "limits", "requests"].contains(&&**key)
                {
                    named.sort_by(|a, b| a.0.cmp(&b.0));
                }
                in_order(child);
            }
        }
        Value::List(items) => items.iter_mut().for_each(in_order),
        _ => {}
    }
}

/// A name as the target knows it: itself where it may be one.
pub(super) fn there(name: &str) -> String {
    let valid = !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|part| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !part.starts_with('-')
                && !part.ends_with('-')
        });
    if valid { name.to_owned() } else { naming::slug(name, 253) }
}

/// `[prefix/]name`, by the rules of Kubernetes.
fn is_annotation(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let word = |text: &str| {
        !text.is_empty()
            && text.len() <= 63
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
            && text.bytes().last().is_some_and(|b| b.is_ascii_alphanumeric())
    };
    word(name)
        && prefix.is_none_or(|prefix| {
            !prefix.is_empty()
                && prefix.len() <= 253
                && prefix.split('.').all(word)
                && prefix == prefix.to_ascii_lowercase()
        })
}

/// The bytes of a text for the `data` of a Secret; they are base64 once encoded.
pub(super) fn base64_of(text: &Text, translator: &Translator<'_>, spot: Spot) -> Value {
    Value::Bytes(translator.project.concealed.conceal(text.raw().as_bytes(), "secret", spot.into()))
}
